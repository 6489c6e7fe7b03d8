"""
The decision: from everything a run has in hand to everything it is going to do. One pure function.

*Follow* the events that say who is who, *pair* whoever is new, *align* the two sides of each pair with its base,
*settle* what a dead run had written already, *merge*, *restrict* to what may be written, *plan* the changes, *check*
them against their targets.

Laws, held by property tests: the same snapshot and policy give the same plan; the order of people, rows, links and
events is irrelevant, and so is how people who have nothing to do with each other are cut into batches; nobody is
paired twice; whoever is held is not touched; deciding again on what a plan leads to decides nothing; a snapshot is not
changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core import identity, pairing, sides
from include.person_sync.core.changes import build_changes
from include.person_sync.core.control_fields import control_decisions, deletion_decisions
from include.person_sync.core.dead_letters import without_known_refusals
from include.person_sync.core.field_lifecycle import (
    FieldStates,
    after_backfills,
    backfill_notes,
    carry_empty_values,
    isolated_notes,
    next_states,
)
from include.person_sync.core.fields import Table
from include.person_sync.core.identity import DELETED_IN_MARKETO
from include.person_sync.core.merge import merge
from include.person_sync.core.pairs import all_pairs, flagged_pairs
from include.person_sync.core.plan import Plan, about_pairs, checked, with_deletions, with_owners, without_unborn
from include.person_sync.core.policy import DeletedPerson
from include.person_sync.core.relations import BASE_UPDATES, DECISIONS, LINKS, PAIRS, PROBLEMS
from include.person_sync.core.restrictions import blocked_writes, scope_of, spare_read_only_rows, withheld
from include.person_sync.core.settle import settle
from include.person_sync.core.vocabulary import Direction

if TYPE_CHECKING:
    from include.person_sync.core.identity import Identities
    from include.person_sync.core.policy import Policy
    from include.person_sync.core.snapshot import Needs, Snapshot

__all__ = ["decide", "needs"]


def decide(snapshot: Snapshot, policy: Policy) -> Plan:
    """
    Return what the run is going to do about everybody in the snapshot.

    The snapshot is complete (`needs` is empty). Link ids of new pairs are provisional. Writes nothing, reads no clock.
    """
    identities = identity.follow(snapshot, policy)
    paired = pairing.pair(snapshot, identities, policy)
    pairs = all_pairs(snapshot, identities, paired)
    states = next_states(snapshot.fields, policy.schema, policy.field_map, snapshot.added)
    scope = scope_of(pairs, snapshot.rows, policy.sync_filter_column)

    merged = [_merge_table(snapshot, scope.pairs, table, identities, states, policy) for table in Table]
    flagged = flagged_pairs(identities)
    control = control_decisions(scope.pairs, snapshot.people, policy.control)
    told = deletion_decisions(flagged, snapshot.requests_touched)
    decisions = DECISIONS.joined(*(table.decisions for table in merged), control, told)
    decisions, spared = spare_read_only_rows(decisions, pairs, snapshot.rows)

    planned = build_changes(decisions, PAIRS.joined(pairs, flagged), policy.schema.effective)
    planned = with_deletions(with_owners(planned, pairs), _rows_to_delete(snapshot, identities, policy))
    planned, refused = checked(planned, policy.schema.effective)
    problems = about_pairs(PROBLEMS.joined(*(table.problems for table in merged), refused), pairs)
    refusals = frozenset() if policy.retries_refusals else snapshot.refusals
    known = without_known_refusals(planned, problems, refusals, policy.schema.digest)
    planned, pairs = without_unborn(known.change_set, pairs)

    asking = _already_synced(snapshot, pairs, policy)
    skipped = {**known.skipped, Direction.TO_DYNAMICS.value: known.skipped[Direction.TO_DYNAMICS.value] + len(asking)}
    return Plan(
        changes=planned.changes,
        values=planned.values,
        pairs=pairs,
        problems=known.problems,
        holds=paired.holds,
        base_updates=BASE_UPDATES.joined(*(table.base_updates for table in merged)),
        closed=identities.closed,
        relinked=tuple(sorted(identities.relinked)),
        requeued=tuple(sorted(snapshot.requests_touched & set(flagged["marketo_id"].tolist()))),
        filtered=scope.filtered,
        unfiltered=scope.unfiltered,
        withheld={Direction.TO_DYNAMICS.value: spared},
        skipped=skipped,
        already_synced=asking,
        states=states,
        fields=after_backfills(states, snapshot.busy) if policy.is_incremental else states,
        notes=_notes(states, scope.filtered, snapshot, policy),
    )


def needs(snapshot: Snapshot, policy: Policy) -> Needs:
    """
    Return what must still be read before anything can be decided: for the events, then for pairing, then the halves
    that nothing is known of. To be asked again after each reading, until nothing is needed.
    """
    wanted = identity.needs(snapshot)
    if wanted:
        return wanted
    identities = identity.follow(snapshot, policy)
    paired = pairing.pair(snapshot, identities, policy)
    if paired.needs:
        return paired.needs
    states = next_states(snapshot.fields, policy.schema, policy.field_map, snapshot.added)
    return sides.needs(snapshot, all_pairs(snapshot, identities, paired), identities, states, policy)


@dataclass(frozen=True)
class _MergedTable:
    """One table's decisions (DECISIONS), the problems met (PROBLEMS), and what dead runs had written (BASE_UPDATES)."""

    decisions: pd.DataFrame
    problems: pd.DataFrame
    base_updates: pd.DataFrame


def _merge_table(
    snapshot: Snapshot, pairs: pd.DataFrame, table: Table, identities: Identities, states: FieldStates, policy: Policy
) -> _MergedTable:
    """Return the decisions on all mapped fields of one table's pairs."""
    fields = policy.schema.fields(table)
    own = pairs[pairs["dynamics_table"] == table.value]
    aligned = sides.align(snapshot, own, table, identities, states, policy)
    base = settle(aligned.base, snapshot.unsettled, aligned.marketo, aligned.dynamics)
    updates = sides.base_updates(aligned.base, base)
    pending = [field for field in fields if field.name in states.pending(table)]
    known = pd.Index(own.loc[own["origin"].isna(), "link_id"])
    base = carry_empty_values(base, aligned.marketo, aligned.dynamics, pending, known)
    blocked = blocked_writes(base, aligned, fields, table)
    decisions = withheld(merge(base, aligned.marketo, aligned.dynamics, fields, table), blocked)
    return _MergedTable(decisions, PROBLEMS.joined(aligned.problems, blocked), updates)


def _rows_to_delete(snapshot: Snapshot, identities: Identities, policy: Policy) -> pd.DataFrame:
    """
    Return links whose row is to follow its person into deletion (LINKS), when the policy says so and nobody edited it.
    """
    if policy.deleted_in_marketo != DeletedPerson.DELETE:
        return LINKS.empty()
    lost = identities.lost(DELETED_IN_MARKETO)
    barred = pairing.barred_rows(snapshot, identities, policy)
    return lost[lost["dynamics_id"].isin(barred) & ~lost["is_filtered"]]


def _already_synced(snapshot: Snapshot, pairs: pd.DataFrame, policy: Policy) -> tuple[int, ...]:
    """Return linked people who are asked for: that was fulfilled before, and nothing is to be done."""
    people, name = snapshot.people, policy.control.sync_to_dynamics
    asking = people.index[people[name].notna()] if name in people else people.index[:0]
    known = pairs["origin"].isna() & pairs["marketo_id"].isin({*asking, *policy.create_requests})
    return tuple(int(person) for person in pairs.loc[known, "marketo_id"])


def _notes(states: FieldStates, filtered: tuple[int, ...], snapshot: Snapshot, policy: Policy) -> dict[str, object]:
    """Return what the run has to say beside its counts."""
    isolated = isolated_notes(states, policy.schema)
    return {
        **({"fields_isolated": isolated} if isolated else {}),
        **({"filtered": len(filtered)} if filtered else {}),
        **(backfill_notes(states, snapshot.busy) if policy.is_incremental else {}),
    }
