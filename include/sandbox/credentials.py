"""The identities that exist in a sandbox. Ids are fixed, secrets are made anew at every start."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

__all__ = ["Credentials"]


def _secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs to sign in to each service. The tenant may be named by its GUID or by its domain."""

    marketo_client_id: str = "5d2f0f0a-9f4e-4c0f-8f63-3f2f6f1b7a10"
    marketo_client_secret: str = field(default_factory=_secret, repr=False)
    tenant_id: str = "8a3c1c5e-2b1d-4c55-9d0b-6f1b0a7c9e21"
    tenant_domain: str = "contoso.onmicrosoft.com"
    dynamics_client_id: str = "2c9be2a4-6a0c-4f57-9d5d-0c1d2e3f4a5b"
    dynamics_client_secret: str = field(default_factory=_secret, repr=False)
    control_token: str = field(default_factory=_secret, repr=False)
