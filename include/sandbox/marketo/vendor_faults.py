"""
Faults of Marketo's own that a test can order (`sandbox.faults.add("marketo", kind, …)`).

```text
606 607 615 604 608 611 614 713 603 …   answer this code instead of doing the work
interleave                              call `action()` first: a person at work between a client's reading and writing
applied_then_timed_out                  do the work, then answer 604 (or `code`)
expired_token                           end every token: the next call answers 602, a repeat with the old token 601
invalid_token                           answer 601 although the token is good: a renewal gives the same token again
skip_records                            refuse the records at `positions` (default [0]) with `code` (default 1003)
empty_page                              a page of a change feed without rows, with `moreResult: true`
1003 1029 1035                          the same for bulk extract; `message` tells 1029's three meanings apart
bulk_failed                             (on enqueue) the job ends as Failed, with `message` as its errorMsg
bulk_expired                            (on file) the file is gone: 404 in plain text
bulk_truncated bulk_corrupted           (on file) half of the bytes asked for; a byte that is wrong
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from include.sandbox.marketo.errors import ApiError

if TYPE_CHECKING:
    from include.sandbox.faults import Fault
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["CODE_FAULTS", "FAULT_KINDS", "answer_before", "answer_instead", "break_tokens"]

CODE_FAULTS: Final = ("603", "604", "606", "607", "608", "611", "614", "615", "713", "1003", "1029", "1035")
FAULT_KINDS: Final = (
    *CODE_FAULTS,
    "interleave",
    "applied_then_timed_out",
    "expired_token",
    "invalid_token",
    "skip_records",
    "empty_page",
    "bulk_failed",
    "bulk_expired",
    "bulk_truncated",
    "bulk_corrupted",
)

TakeFault = Callable[[str], "Fault | None"]


def break_tokens(world: MarketoWorld, take: TakeFault) -> None:
    """End all tokens, or raise ApiError 601, when that was ordered."""
    if take("expired_token") is not None:
        world.tokens.expire_all()
    if take("invalid_token") is not None:
        raise ApiError("601")


def answer_before(take: TakeFault) -> None:
    """Let a person act first, or raise the ordered ApiError: then the call is not carried out."""
    interleaved = take("interleave")
    if interleaved is not None:
        interleaved.details["action"]()
    for code in CODE_FAULTS:
        fault = take(code)
        if fault is not None:
            raise ApiError(code, str(fault.details.get("message", "")))


def answer_instead(take: TakeFault) -> None:
    """Raise an ApiError after the call was carried out, when that was ordered."""
    fault = take("applied_then_timed_out")
    if fault is not None:
        raise ApiError(str(fault.details.get("code", "604")))
