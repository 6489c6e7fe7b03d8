"""
Faults of Marketo's own that a test can order (`sandbox.faults.add("marketo", kind, …)`).

```text
606 607 615 604 608 611 614 713 603 …   answer this code instead of doing the work
applied_then_timed_out                  do the work, then answer 604 (or `code`)
expired_token                           end every token: the next call answers 602, a repeat with the old token 601
invalid_token                           answer 601 although the token is good: a renewal gives the same token again
skip_records                            refuse the records at `positions` (default [0]) with `code` (default 1003)
empty_page                              a page of a change feed without rows, with `moreResult: true`
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

CODE_FAULTS: Final = ("603", "604", "606", "607", "608", "611", "614", "615", "713")
FAULT_KINDS: Final = (
    *CODE_FAULTS,
    "applied_then_timed_out",
    "expired_token",
    "invalid_token",
    "skip_records",
    "empty_page",
)

TakeFault = Callable[[str], "Fault | None"]


def break_tokens(world: MarketoWorld, take: TakeFault) -> None:
    """End all tokens, or raise ApiError 601, when that was ordered."""
    if take("expired_token") is not None:
        world.tokens.expire_all()
    if take("invalid_token") is not None:
        raise ApiError("601")


def answer_before(take: TakeFault) -> None:
    """Raise the ordered ApiError; the call is not carried out."""
    for code in CODE_FAULTS:
        fault = take(code)
        if fault is not None:
            raise ApiError(code, str(fault.details.get("message", "")))


def answer_instead(take: TakeFault) -> None:
    """Raise an ApiError after the call was carried out, when that was ordered."""
    fault = take("applied_then_timed_out")
    if fault is not None:
        raise ApiError(str(fault.details.get("code", "604")))
