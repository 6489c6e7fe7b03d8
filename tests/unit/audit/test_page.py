"""The page shows every number, escapes everything, and needs nothing from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError

from include.person_sync.audit.findings import MEANING
from include.person_sync.present.audit_page import build_page
from include.person_sync.present.audit_text import audit_text
from include.person_sync.present.figures import percent

EVIL = '<img src=x onerror="alert(1)">'
VOID = {"meta", "br"}


def manifest(**changes: Any) -> dict[str, Any]:
    """Return what an audit with one difference and one finding hands over."""
    by_field = {
        "dynamics_table": "lead", "field": "city", "rule": "two_way", "compared": 1234, "differing": 1,
        "unexplained": 1, "to_dynamics": 1, "to_marketo": 0, "set_apart": 0, "unreadable": 0,
        "reasons": {"unexplained": 1},
    }  # fmt: skip
    ids = {"link_id": 1, "marketo_id": 1007, "dynamics_table": "lead", "dynamics_id": "r7"}
    value = {
        "started_at": "2026-05-02T02:20:00.123+00:00",
        "finished_at": "2026-05-02T02:31:00+00:00",
        "api_calls": {"marketo": 12, "dynamics": 3},
        "counts": {
            "rows": {"read": 1300, "linked": 1234},
            "pairs": {"compared": 1234, "differing": 1},
            "fields": {
                "compared": 1234,
                "differing": 1,
                "unexplained": 1,
                "set_apart": 0,
                "unreadable": 0,
                "behind": 2,
            },
            "backlog": {"dynamics.lead": 4711},
            "findings": {"shared_identity": 1},
            "unexplained": {"fields": 1, "shared_identity": 1},
            "shares": {"pairs_in_agreement": 0.999189, "fields_in_agreement": 1.0},
        },
        "by_field": [by_field],
        "findings": [{"kind": "shared_identity", "explanation": "unexplained", "count": 1}],
        "sample": {
            "differences": [{**ids, "field": "city", "direction": "to_dynamics", "explanation": "unexplained"}],
            "findings": [{**ids, "kind": "shared_identity", "explanation": "unexplained", "note": EVIL}],
        },
        "files": {"differences": ["x/differences/part-0000.parquet"], "findings": []},
    }
    return {**value, **changes}


class Balance(HTMLParser):
    """Reads a page and fails on tags that don't match; keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note an opening tag and what it sets."""
        self.names |= {tag, *(name for name, _ in attrs)}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Require that the tag closes the last one opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text.append(data)


def test_page_is_well_formed_and_shows_the_numbers():
    """Shares, totals, fields and ids can all be read."""
    reader = Balance()
    reader.feed(build_page("audit__1", manifest(), MEANING))

    text = " ".join(reader.text)
    assert reader.open == []
    shown = "99.9189 %", "1 234", "city", "1007", "r7", "2026-05-02 02:20:00 UTC", "shared_identity", "4 711"
    for one in (*shown, "records of dynamics.lead that wait for a later cycle"):
        assert one in text


def test_page_escapes_whatever_it_is_given():
    """A run id, system, field, note or meaning that looks like markup is shown as written, and runs nothing."""
    hostile = manifest(
        api_calls={EVIL: 1},
        by_field=[{**manifest()["by_field"][0], "field": EVIL}],
        files={EVIL: ["x"]},
        started_at=EVIL,
    )
    page = build_page(EVIL, hostile, {**MEANING, EVIL: EVIL})

    assert "<img" not in page
    assert page.count("&lt;img") >= 8


def test_page_forbids_loading_anything():
    """A policy in the page keeps even a mistake from loading something; there is no script and no address."""
    page = build_page("audit__1", manifest(), MEANING)
    reader = Balance()
    reader.feed(page)

    assert "default-src 'none'" in page
    assert reader.names.isdisjoint({"script", "link", "img", "iframe", "src", "href", "onerror", "onload"})
    assert "url(" not in page
    assert "//" not in page


def test_page_tells_what_the_reader_needs_to_read_it_anywhere():
    """The page follows light and dark mode and the width of a phone, and wide tables can be scrolled by keyboard."""
    page = build_page("audit__1", manifest(), MEANING)

    assert "color-scheme: light dark" in page
    assert "prefers-color-scheme: dark" in page
    assert "width=device-width" in page
    assert page.count("<table>") == page.count('role="region" aria-label=') == page.count('tabindex="0"')


def test_page_asks_for_every_number_it_shows():
    """A number that is missing in the manifest is an error, never a silent gap on the page."""
    broken = manifest(counts={**manifest()["counts"], "unexplained": {}, "shares": {"pairs_in_agreement": 1.0}})

    with pytest.raises(UndefinedError, match="fields_in_agreement"):
        build_page("audit__1", broken, MEANING)


def test_page_of_a_clean_audit_says_so():
    """No finding, no difference: no empty tables."""
    page = build_page("a", manifest(findings=[], sample={"differences": [], "findings": []}), MEANING)

    assert "every link has both halves" in page
    assert "A sample to look at" not in page


def test_percent_never_rounds_up_to_everything():
    """99.99999 % is not 100 %."""
    assert percent(1.0) == "100 %"
    assert percent(0.999999) == "99.9999 %"


def test_text_names_what_differs_and_where_the_report_is():
    """At a terminal: shares, differing fields with their reasons, findings, places, repairs."""
    summary = {**manifest(), "run_id": "audit__1", "status": "done", "reports": {"page": "/r/report.html"}}

    text = audit_text({**summary, "repair": [{"run_id": "audit_repair__2", "status": "done"}]})

    assert "99.9189 % in agreement" in text
    assert "lead city (two_way): 1 differ (unexplained 1)" in text
    assert "shared_identity 1" in text
    assert "/r/report.html" in text
    assert "audit_repair__2: done" in text
