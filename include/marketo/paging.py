"""Paging of record lists and of feeds: when there is another page, and how an endless one is noticed. Sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import ContractViolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.marketo.envelope import Envelope
    from include.marketo.operations import Operation

    Fetch = Callable[[str | None], Envelope]

PAGE_SIZE = 300
# An empty page with the token just used may happen while the server catches up; for ever it may not.
MOST_STANDSTILLS = 3


def next_record_page(envelope: Envelope) -> str | None:
    """
    Return the token of the next page of a record list, None after the last.

    Such a list ends without a token, with `moreResult` false, or with an empty page that does not promise more.
    """
    if envelope.more_result is False or (not envelope.result and envelope.more_result is None):
        return None
    return envelope.next_page_token


def has_more(envelope: Envelope) -> bool:
    """
    Return whether a feed has more to give now.

    The token is there on every page, so only `moreResult` counts, also on an empty page; where it is absent, a full
    page is taken to have a successor. Source: activities, "moreResult".
    """
    if envelope.more_result is None:
        return len(envelope.result) >= PAGE_SIZE
    return envelope.more_result


class StandstillGuard:
    """Notices a server that promises more but gives the same token again and again."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._last: str | None = None
        self._standstills = 0

    def check(self, token: str | None, request_id: str) -> None:
        """Raise ContractViolation when the same token comes back too many times in a row."""
        self._standstills = self._standstills + 1 if token == self._last else 0
        self._last = token
        if self._standstills >= MOST_STANDSTILLS:
            raise ContractViolation(
                f"{self._operation.label}: the server promises more, but its paging token stands still.",
                request_id=request_id,
            )


def iterate_records(fetch: Fetch, operation: Operation) -> Iterator[Envelope]:
    """Yield the pages of a record list, fetched one by one."""
    guard = StandstillGuard(operation)
    token: str | None = None
    while True:
        envelope = fetch(token)
        yield envelope
        token = next_record_page(envelope)
        if token is None:
            return
        guard.check(token, envelope.request_id)
