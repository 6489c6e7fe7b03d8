"""The closed sets of the sync: every word that stands for one of a few things, said once."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Action",
    "ActivityState",
    "ChangeStatus",
    "DeadLetterKind",
    "Direction",
    "LinkState",
    "Outcome",
    "PairOrigin",
]


class Outcome(StrEnum):
    """
    What is decided for one field of one pair.

    The first five are what a merge says. Carrying a plan out may turn a planned value into `deferred` (this run gave it
    up: its base stays, and the next run looks at the pair again) or `refused` (its target would not take it, while the
    person's other values were written).
    """

    TO_DYNAMICS = "to_dynamics"
    TO_MARKETO = "to_marketo"
    ADOPT = "adopt"
    COLLISION = "collision"
    WITHHELD = "withheld"
    DEFERRED = "deferred"
    REFUSED = "refused"


class Direction(StrEnum):
    """Where a change is written."""

    NONE = "none"
    TO_DYNAMICS = "to_dynamics"
    TO_MARKETO = "to_marketo"


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    LINK = "link"
    ADOPT = "adopt"
    DELETE = "delete"


class PairOrigin(StrEnum):
    """Why a link is new: a match was found, or one of its halves has to be created."""

    LINK = "link"
    CREATE_IN_DYNAMICS = "create_in_dynamics"
    CREATE_IN_MARKETO = "create_in_marketo"


class ChangeStatus(StrEnum):
    """What became of a planned change. `unknown`: it was sent, and the answer never came."""

    PLANNED = "planned"
    APPLIED = "applied"
    REFUSED = "refused"
    STALE = "stale"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class LinkState(StrEnum):
    """Whether a pair of ids still belongs together."""

    OPEN = "open"
    CLOSED = "closed"


class DeadLetterKind(StrEnum):
    """Why a change can't be made: the vendor refused it, several persons fit, or we know the value can't be taken."""

    REJECTED = "rejected"
    AMBIGUOUS = "ambiguous"
    INVALID = "invalid"


class ActivityState(StrEnum):
    """
    The way of a dead letter's entry into the person's Marketo activity log.

    Activities are write-once and have no key, so `sending` is stored before the request: an entry found in it after a
    crash may or may not have arrived. `none`: the refusal is not about a person in Marketo.
    """

    NONE = "none"
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
