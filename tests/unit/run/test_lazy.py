"""Values that are made when they are first asked for."""

from __future__ import annotations

import threading
import time

import pytest

from include.errors import ConfigError
from include.person_sync.run.lazy import Lazy


def test_value_is_made_when_asked_for_and_once() -> None:
    """Nothing is made before anybody asks; whoever asks later is given the same value."""
    made: list[int] = []
    lazy = Lazy(lambda: made.append(1) or object())

    assert lazy.made is None
    assert made == []
    assert lazy() is lazy() is lazy.made
    assert made == [1]


def test_threads_that_ask_at_once_share_one_value() -> None:
    """A heartbeat that asks while the value is being made waits for it instead of making a second one."""

    def slowly() -> object:
        time.sleep(0.02)
        return object()

    lazy = Lazy(slowly)
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(lazy())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len({id(value) for value in seen}) == 1


def test_what_can_not_be_made_says_why_each_time() -> None:
    """The error of a wrong connection reaches everybody who asks for the client, not only the first."""

    def refuse() -> object:
        raise ConfigError("Connection marketo_default is not set.")

    lazy = Lazy(refuse)

    for _ in range(2):
        with pytest.raises(ConfigError, match="marketo_default"):
            lazy()
    assert lazy.made is None


def test_value_that_is_there_already_counts_as_made() -> None:
    """A value handed in as it is can be asked for and shows as made."""
    lazy = Lazy.ready("url")

    assert lazy.made == "url"
    assert lazy() == "url"
