"""What a campaign asks for: the request a Marketo person carries, and the identity of the row made for it."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from include.person_sync.core.fields import Table
from include.person_sync.core.values import MARKS

__all__ = ["CreateRequest", "RequestProblem", "dynamics_row_id", "parse_request"]


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a Marketo person's `syncToDynamics` asks for: the table, and the owner's address where one is named."""

    table: Table
    owner_email: str | None = None


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """A `syncToDynamics` value that asks for nothing we know. `message` does not repeat the value."""

    message: str


_REQUEST = re.compile(r"(?P<table>contact|lead)(?:\s+owner\s*=\s*(?P<owner>[^\s@]+@[^\s@]+))?", re.IGNORECASE)


def parse_request(text: str | None) -> CreateRequest | RequestProblem | None:
    """
    Return what the canonical value of `syncToDynamics` asks for; None when it is empty (or could not be read).

    Understood are `lead` and `contact` in any case, with an owner if wanted: `lead owner=jane@example.com`.
    """
    if not isinstance(text, str) or not text.strip() or text in MARKS:
        return None
    found = _REQUEST.fullmatch(text.strip())
    if found is None:
        return RequestProblem("syncToDynamics takes: lead, contact, or either followed by owner=<e-mail address>")
    return CreateRequest(Table(found["table"].lower()), found["owner"])


_ROW_IDS = uuid.UUID("a4b0b1a6-6a53-5f0e-9d7c-2f4f6f1f7b11")
"""Namespace of our row ids. Changing it would make people twice."""


def dynamics_row_id(munchkin_id: str, marketo_id: int, table: str, generation: int) -> str:
    """
    Return the id under which a Marketo person is created in Dynamics: the same for the same arguments, always.

    So a repeated create finds the row instead of making a second one. `munchkin_id` names the Marketo instance (any
    case), `generation` counts how often the person has been created anew after a deletion. A lower-case GUID.
    """
    return str(uuid.uuid5(_ROW_IDS, f"{munchkin_id.upper()}/{marketo_id}/{Table(table)}/{generation}"))
