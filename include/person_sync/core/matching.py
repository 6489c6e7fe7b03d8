"""Who shares an address: people that exist on both sides without a link, paired where exactly one of each fits."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pandas as pd

from include.person_sync.core.values import MARKS, TEXT_DTYPE

__all__ = ["MATCH_COLUMNS", "MatchOutcome", "MatchReason", "match_by_email"]

MATCH_COLUMNS = ("outcome", "marketo_id", "dynamics_table", "dynamics_id", "reason")


class MatchOutcome(StrEnum):
    """What a search for the other half of a person found: one, none, or too many to choose from."""

    LINK = "link"
    NONE = "none"
    AMBIGUOUS = "ambiguous"


class MatchReason(StrEnum):
    """
    Why a match came out as it did.

    `same_id`: the Marketo person names the Dynamics row. `same_email`: exactly one on each side has the address.
    `several_claim_row`: several Marketo people name one Dynamics row. `several_share_email`: the address is held by
    people of both sides, by several of at least one. `no_match`: nobody on the other side; `twins`: likewise, but
    others on the same side share the address. `no_email`: there is nothing to match by. `unreadable_email`: the
    address could not be read, so nothing may be concluded.
    """

    SAME_ID = "same_id"
    SAME_EMAIL = "same_email"
    SEVERAL_CLAIM_ROW = "several_claim_row"
    SEVERAL_SHARE_EMAIL = "several_share_email"
    NO_MATCH = "no_match"
    TWINS = "twins"
    NO_EMAIL = "no_email"
    UNREADABLE_EMAIL = "unreadable_email"


def match_by_email(dynamics: pd.DataFrame, marketo: pd.DataFrame) -> pd.DataFrame:
    """
    Return how unlinked people pair up by e-mail address, compared trimmed and without regard to case.

    `dynamics` has the columns `dynamics_table`, `dynamics_id`, `email`; `marketo` has `marketo_id`, `email`; both hold
    unlinked people only, one row each, e-mail canonical. An optional boolean column `asked` marks those whose match is
    wanted (default: all); the others are only candidates.

    The result has the columns `MATCH_COLUMNS` and a fresh index. A pair gives one row with both ids (`link`); any other
    asked person gives one row with its own ids only: `ambiguous`, or `none` (see `MatchReason`). Exactly one person on
    each side makes a pair; anything more is for a person to decide.
    """
    unclaimed = marketo.drop(columns=["dynamics_table", "dynamics_id"], errors="ignore")
    return _by_email(_everyone(dynamics, unclaimed))


def _everyone(dynamics: pd.DataFrame, marketo: pd.DataFrame) -> pd.DataFrame:
    """Return the people of both sides in one frame, `is_marketo` and `asked` telling them apart."""
    theirs = dynamics.assign(is_marketo=False)
    ours = marketo.assign(is_marketo=True)
    columns: dict[str, Any] = {
        "marketo_id": "Int64",
        "dynamics_table": TEXT_DTYPE,
        "dynamics_id": TEXT_DTYPE,
        "email": TEXT_DTYPE,
    }
    columns |= {"is_marketo": "bool", "asked": "bool"}
    sides = [
        side.assign(asked=side.get("asked", True)).reindex(columns=list(columns)).astype(columns)
        for side in (theirs, ours)
    ]
    return pd.concat(sides, ignore_index=True)


def _by_email(people: pd.DataFrame) -> pd.DataFrame:
    unreadable = people["email"].isin(MARKS)
    key = people["email"].mask(unreadable).str.strip().str.casefold()
    people["key"] = key.mask(key == "")
    verdicts = _verdicts(people[people["key"].notna()], MatchReason.SAME_EMAIL, MatchReason.SEVERAL_SHARE_EMAIL)
    blank = _single(people[people["key"].isna() & ~unreadable], MatchOutcome.NONE, MatchReason.NO_EMAIL)
    held = _single(people[unreadable], MatchOutcome.AMBIGUOUS, MatchReason.UNREADABLE_EMAIL)
    return pd.concat([verdicts, blank, held], ignore_index=True)


def _counts(people: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return how many people of Marketo and of Dynamics share each one's key; 0 without a key."""
    marketo, dynamics = people["is_marketo"], ~people["is_marketo"]
    ours, theirs = (flag.groupby(people["key"]).transform("sum").fillna(0) for flag in (marketo, dynamics))
    return ours, theirs


def _verdicts(people: pd.DataFrame, same: MatchReason, several: MatchReason) -> pd.DataFrame:
    """Return the verdicts about people who all have a key: pairs where one of each side shares it."""
    ours, theirs = _counts(people)
    met = (ours > 0) & (theirs > 0)
    paired = (ours == 1) & (theirs == 1)
    pairs = _pairs(people[paired])
    parts = [
        _single(pairs, MatchOutcome.LINK, same),
        _single(people[met & ~paired], MatchOutcome.AMBIGUOUS, several),
        _single(people[~met & (ours + theirs == 1)], MatchOutcome.NONE, MatchReason.NO_MATCH),
        _single(people[~met & (ours + theirs > 1)], MatchOutcome.NONE, MatchReason.TWINS),
    ]
    return pd.concat(parts, ignore_index=True)


def _pairs(people: pd.DataFrame) -> pd.DataFrame:
    """Return one row per key from the two people who share it, each giving its own id; asked when either is."""
    ours, theirs = (people[people["is_marketo"] == flag].set_index("key") for flag in (True, False))
    marketo_id, asked = ours["marketo_id"].reindex(theirs.index), ours["asked"].reindex(theirs.index)
    return theirs.assign(marketo_id=marketo_id, asked=theirs["asked"] | asked)


def _single(people: pd.DataFrame, outcome: MatchOutcome, reason: MatchReason) -> pd.DataFrame:
    """Return one verdict for each asked person, showing that person's own ids."""
    asked = people[people["asked"].astype(bool)]
    own = asked[["dynamics_table", "dynamics_id"]].mask(asked["is_marketo"].astype(bool))
    return asked.assign(**own).assign(outcome=str(outcome), reason=str(reason))[list(MATCH_COLUMNS)]
