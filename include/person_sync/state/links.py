"""Reading and changing links: which Marketo person and which Dynamics row are the same human."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, String, bindparam, func, literal, literal_column, select, true, update

from include.person_sync.state.bulk import id_set, read_frame, staged
from include.person_sync.state.dialects import upsert
from include.person_sync.state.records import LinkState
from include.person_sync.state.tables import base_snapshot, counter, link, sync_run

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

__all__ = [
    "close_links",
    "count_links",
    "highest_link_id",
    "links_changed_since",
    "links_to_recheck",
    "load_links",
    "mark_filtered",
    "mark_recheck",
    "reserve",
    "save_links",
    "save_versions",
]

BASELINE = "baseline"
"""The kind of the runs that work through the whole database."""

_DTYPES = {
    "link_id": "int64",
    "marketo_id": "int64",
    "dynamics_table": "str",
    "dynamics_id": "str",
    "generation": "int64",
    "state": "str",
    "closed_reason": "str",
    "dynamics_version": "str",
    "needs_recheck": "bool",
    "is_filtered": "bool",
}
_COLUMNS = [link.c[name] for name in _DTYPES]
_IDENTITY = ["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]


def load_links(
    connection: Connection,
    *,
    link_ids: Collection[int] | None,
    marketo_ids: Collection[int] | None,
    dynamics_ids: Mapping[str, Collection[str]] | None,
    state: str | None,
) -> pd.DataFrame:
    """Return the links any of the filters finds, each once, ordered by link_id; all links when no filter is given."""
    filters = list(_filters(connection, link_ids, marketo_ids, dynamics_ids))
    if link_ids is None and marketo_ids is None and dynamics_ids is None:
        filters = [true()]
    frames = [_read(connection, clause, chosen) for clause in filters for chosen in _states(state)]
    found = pd.concat(frames) if frames else _read(connection, literal(False), LinkState.OPEN)
    return found.drop_duplicates("link_id").sort_values("link_id", ignore_index=True)


def _filters(
    connection: Connection,
    link_ids: Collection[int] | None,
    marketo_ids: Collection[int] | None,
    dynamics_ids: Mapping[str, Collection[str]] | None,
) -> list[ColumnElement[bool]]:
    """Return one condition per way of naming links; apart, each uses its own index."""
    found: list[ColumnElement[bool]] = []
    if link_ids:
        found.append(link.c.link_id.in_(id_set(connection, link_ids)))
    if marketo_ids:
        found.append(link.c.marketo_id.in_(id_set(connection, marketo_ids)))
    for table, ids in (dynamics_ids or {}).items():
        rows = id_set(connection, [str(row_id).lower() for row_id in ids], text=True)
        found.append((link.c.dynamics_table == str(table)) & link.c.dynamics_id.in_(rows))
    return found


def _states(state: str | None) -> Sequence[LinkState]:
    return list(LinkState) if state is None else [LinkState(state)]


def _read(connection: Connection, clause: ColumnElement[bool], state: LinkState) -> pd.DataFrame:
    """Read links in one state, which stands in the statement as a constant: only so the partial indexes serve."""
    in_state = link.c.state == literal_column(f"'{state.value}'", String())
    return read_frame(connection, select(*_COLUMNS).where(clause, in_state), _DTYPES)


def count_links(connection: Connection) -> int:
    """Return how many links are open."""
    is_open = link.c.state == literal_column(f"'{LinkState.OPEN.value}'", String())
    return int(connection.execute(select(func.count()).select_from(link).where(is_open)).scalar_one())


def highest_link_id(connection: Connection) -> int:
    """Return the highest link id given out so far, 0 when there is none."""
    given = select(counter.c.value).where(counter.c.name == "link")
    return int(connection.execute(given).scalar() or 0)


def links_to_recheck(connection: Connection) -> pd.DataFrame:
    """Return the open links that the next run must look at even if no feed names them."""
    return _read(connection, link.c.needs_recheck, LinkState.OPEN).sort_values("link_id", ignore_index=True)


def links_changed_since(connection: Connection, moment: datetime) -> pd.DataFrame:
    """Return the open links that runs other than a baseline's have moved, or agreed on anew, since a moment."""
    of_baselines = select(sync_run.c.run_id).where(sync_run.c.kind == BASELINE)
    moved = (link.c.changed_at >= moment) & link.c.created_run_id.not_in(of_baselines)
    runs = select(sync_run.c.run_id).where(sync_run.c.finished_at >= moment, sync_run.c.kind != BASELINE)
    agreed = link.c.link_id.in_(select(base_snapshot.c.link_id).where(base_snapshot.c.run_id.in_(runs)))
    return _read(connection, moved | agreed, LinkState.OPEN).sort_values("link_id", ignore_index=True)


def reserve(connection: Connection, name: str, count: int) -> range:
    """Return `count` numbers of the kind `name` that nobody was given before."""
    first = upsert(connection, counter).values(name=name, value=count)
    statement = first.on_conflict_do_update(
        index_elements=["name"], set_={"value": counter.c.value + first.excluded.value}
    ).returning(counter.c.value)
    last = int(connection.execute(statement).scalar_one())
    return range(last - count + 1, last + 1)


def save_links(connection: Connection, frame: pd.DataFrame, run_id: str, now: datetime) -> None:
    """Store new links, and known ones that point elsewhere now, as open."""
    rows = frame[_IDENTITY].assign(
        dynamics_id=frame["dynamics_id"].str.lower(),
        dynamics_version=frame.get("dynamics_version", pd.Series(np.nan, index=frame.index)),
    )
    names = [*_IDENTITY, "dynamics_version"]
    constants: dict[str, Any] = {"state": LinkState.OPEN.value, "created_run_id": run_id, "changed_at": now}
    with staged(connection, rows, [link.c[name] for name in names]) as source:
        chosen = select(
            *(source.c[name] for name in names),
            *(literal(value, link.c[name].type) for name, value in constants.items()),
        )
        statement = upsert(connection, link)
        insert = statement.from_select([*names, *constants], chosen.where(true()))
        changed = [name for name in (*names, "state", "changed_at") if name != "link_id"]
        update_to: dict[str, Any] = {name: statement.excluded[name] for name in changed}
        connection.execute(
            insert.on_conflict_do_update(index_elements=["link_id"], set_={**update_to, "closed_reason": None})
        )


def close_links(connection: Connection, reasons: Mapping[int, str], now: datetime) -> None:
    """Close the links named, each with its reason; a closed link stays as the memory of its generation."""
    if not reasons:
        return
    statement = update(link).where(link.c.link_id == bindparam("id"))
    statement = statement.values(
        state=LinkState.CLOSED.value, closed_reason=bindparam("reason"), needs_recheck=False, changed_at=now
    )
    connection.execute(statement, [{"id": int(link_id), "reason": reason} for link_id, reason in reasons.items()])


def save_versions(connection: Connection, versions: pd.DataFrame) -> None:
    """Remember which version of each Dynamics row the base belongs to. `versions`: link_id, dynamics_version."""
    if versions.empty:
        return
    with staged(connection, versions, [link.c.link_id, link.c.dynamics_version]) as source:
        statement = update(link).where(link.c.link_id == source.c.link_id)
        connection.execute(statement.values(dynamics_version=source.c.dynamics_version))


def mark_filtered(connection: Connection, link_ids: Collection[int], *, filtered: bool) -> None:
    """Set or clear the mark of links whose row the sync filter keeps out: their person in Marketo grows stale."""
    if link_ids:
        chosen = link.c.link_id.in_(id_set(connection, link_ids))
        connection.execute(update(link).where(chosen, link.c.is_filtered != filtered).values(is_filtered=filtered))


def mark_recheck(connection: Connection, link_ids: Collection[int], *, needed: bool) -> None:
    """Set or clear the mark by which the next run looks at a link unasked."""
    if link_ids:
        chosen = link.c.link_id.in_(id_set(connection, link_ids))
        connection.execute(update(link).where(chosen, link.c.needs_recheck != needed).values(needs_recheck=needed))
