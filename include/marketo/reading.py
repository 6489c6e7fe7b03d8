"""Tolerant readers for the parts of an answer that Marketo writes in more than one way."""

from __future__ import annotations

from typing import Any

from include.errors import ContractViolation


def as_bool(value: Any, *, default: bool = False) -> bool:
    """Return a boolean from true/false, "true"/"False" or 0/1; the default for anything else."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), default)
    return bool(value) if isinstance(value, int | float) else default


def as_int(value: Any) -> int | None:
    """Return a whole number from a number or its digits; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def as_text(value: Any) -> str:
    """Return a text; empty for null."""
    return "" if value is None else str(value)


def as_list(value: Any) -> list[Any]:
    """Return a list from a list, from null (empty) or from a single item that should have been in one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def require_objects(items: list[Any], label: str, request_id: str) -> list[dict[str, Any]]:
    """Return the items unchanged when all are JSON objects; ContractViolation otherwise."""
    if not all(isinstance(item, dict) for item in items):
        raise ContractViolation(f"{label}: an item of the result is not an object.", request_id=request_id)
    return items


def require_int(value: Any, label: str, member: str, request_id: str) -> int:
    """Return the number; ContractViolation naming the member when there is none."""
    number = as_int(value)
    if number is None:
        raise ContractViolation(f"{label}: '{member}' is missing or not a number.", request_id=request_id)
    return number
