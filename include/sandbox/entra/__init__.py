"""Entra ID: discovery documents and tokens for applications that sign in with a secret or a certificate."""

from __future__ import annotations

from include.sandbox.entra.directory import Application, EntraDirectory, TokenClaims
from include.sandbox.entra.service import EntraService

__all__ = ["Application", "EntraDirectory", "EntraService", "TokenClaims"]
