"""Addresses below the service's root, taken apart."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from include.sandbox.dataverse.errors import NotBuilt, Refusal
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.organization import API_PATH

__all__ = ["no_such_method", "no_such_resource", "segments"]

_SEGMENT: Final = re.compile(r"(?:[^/(]|\((?:[^()']|'(?:[^']|'')*')*\))+")
_OTHER_VERSION: Final = re.compile(r"/api/data/v\d")


def segments(path: str) -> list[str]:
    """Return the segments of a path behind the service's root. Raises Refusal for a path outside of it."""
    if not path.startswith(API_PATH):
        if _OTHER_VERSION.match(path):
            raise NotBuilt(Gap.API_VERSION, path.split("/")[3])
        raise no_such_resource(path)
    return _SEGMENT.findall(path.removeprefix(API_PATH))


def absolute_target(target: str) -> str:
    """Return path and query of a part's address, which may be a full URI, host-relative or relative to the service."""
    if "://" in target:
        pieces = urlsplit(target)
        return pieces.path + (f"?{pieces.query}" if pieces.query else "")
    return target if target.startswith("/") else f"{API_PATH}{target}"


def no_such_resource(path: str) -> Refusal:
    """Return the refusal of an address that nothing stands behind."""
    return Refusal(404, "", f"No HTTP resource was found that matches the request URI '{path}'.")


def no_such_method(method: str) -> Refusal:
    """Return the refusal of a method that a resource does not have."""
    return Refusal(405, "0x0", f"The requested resource does not support http method '{method}'.")
