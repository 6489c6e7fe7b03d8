"""What the control fields become, and only where they differ."""

from __future__ import annotations

import pandas as pd
import pytest

from include.person_sync.core.control_fields import (
    CONTROL_FIELDS,
    control_decisions,
    deletion_decisions,
    is_control,
    rest_names,
    wire_value,
)
from include.person_sync.core.relations import LINKS, PAIRS
from include.person_sync.core.vocabulary import PairOrigin
from tests.unit.core.world import NAMES, ann, link, links_frame, named, people_frame


def decided(*people: object, origin: PairOrigin | None = None, marketo_id: int | None = 1) -> dict[str, object]:
    """Return what is written into the control fields of the pair of person 1 and contact c1."""
    pair = {"link_id": 11, "marketo_id": marketo_id, "generation": 1, "is_filtered": False}
    pairs = PAIRS.of(pd.DataFrame([pair]), dynamics_table="contact", dynamics_id="c1", origin=origin and origin.value)
    found = control_decisions(pairs, people_frame(people), NAMES)
    assert is_control(found).all()
    assert set(found["outcome"]) <= {"to_marketo"}
    return {row.field: None if pd.isna(row.planned) else row.planned for row in found.itertuples()}


def test_control_fields_are_quiet_when_they_hold_what_they_should() -> None:
    """A linked pair costs no write, however often it is looked at, in whatever case the id is kept."""
    assert decided(named(1, "contact:C1")) == {}
    assert decided(named(1, "Contact:c1", gone="false")) == {}


def test_control_fields_bring_a_changed_identity() -> None:
    """A link that moved is written to its person."""
    assert decided(named(1, "lead:l1")) == {"dynamics_id": "c1", "dynamics_type": "contact"}


def test_control_fields_clear_the_flag_of_a_person_who_has_a_row_again() -> None:
    """The flag is about the row that is gone, not about the next one."""
    assert decided(named(1, "contact:c1", gone="True")) == {"dynamics_is_deleted": "false"}


@pytest.mark.parametrize("origin", [PairOrigin.LINK, PairOrigin.CREATE_IN_DYNAMICS])
def test_control_fields_clear_a_request_that_was_served(origin: PairOrigin) -> None:
    """Cleared, so that it may be set again later."""
    assert decided(named(1, "contact:c1", request="lead"), origin=origin) == {"sync_to_dynamics": None}


def test_control_fields_leave_the_request_of_somebody_linked_before() -> None:
    """Nothing was done for it."""
    assert decided(named(1, "contact:c1", request="lead")) == {}


def test_control_fields_of_a_person_yet_to_be_made_come_whole() -> None:
    """A new person holds nothing yet."""
    assert decided(origin=PairOrigin.CREATE_IN_MARKETO, marketo_id=None) == {
        "dynamics_id": "c1",
        "dynamics_type": "contact",
    }


def test_control_fields_of_a_person_who_was_not_read_are_left_alone() -> None:
    """Nothing is known, so nothing is decided."""
    assert decided() == {}
    assert decided(ann(2)) == {}


def test_deletion_flags_the_person_and_clears_an_old_request() -> None:
    """The person is told that the row is gone, and is free to ask again; who asked just now is not silenced."""
    links = LINKS.of(links_frame([link(11, 1, "contact:c1"), link(12, 2, "contact:c2")]))

    found = deletion_decisions(links, {2})

    assert found[["link_id", "field"]].to_numpy().tolist() == [
        [11, "dynamics_is_deleted"],
        [12, "dynamics_is_deleted"],
        [11, "sync_to_dynamics"],
    ]
    assert found["planned"].fillna("-").tolist() == ["true", "true", "-"]


def test_control_names_and_wire_values_cover_every_control_field() -> None:
    """Each has a REST name; the flag travels as a boolean, an emptied field as null."""
    assert tuple(rest_names(NAMES)) == CONTROL_FIELDS
    assert wire_value("dynamics_is_deleted", "true") is True
    assert wire_value("dynamics_is_deleted", "false") is False
    assert wire_value("dynamics_id", "c1") == "c1"
    assert wire_value("sync_to_dynamics", float("nan")) is None
