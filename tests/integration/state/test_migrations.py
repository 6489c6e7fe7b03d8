"""The schema: migrations and metadata say the same, and opening is safe and cheap."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from include.errors import ConfigError
from include.person_sync.state import Store
from include.person_sync.state.engine import open_engine, parse_url, writing
from include.person_sync.state.migrate import HEAD, VERSION_TABLE, alembic_config, current_revision, migrate_to_head
from include.person_sync.state.tables import metadata

PROJECT = Path(__file__).resolve().parents[3]


def test_migrations_lead_from_the_first_revision_to_the_metadata(database_url: str) -> None:
    """Going up step by step from an empty database gives exactly the tables the code works with."""
    engine = open_engine(parse_url(database_url))
    with writing(engine) as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
        revisions = [one.revision for one in script.walk_revisions()][::-1]

    for revision in revisions:
        with writing(engine) as connection:
            command.upgrade(alembic_config(connection), revision)
            assert current_revision(connection) == revision

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        names = {(index.table.name, index.name) for table in metadata.tables.values() for index in table.indexes}
        assert names <= _index_names(connection)
    assert revisions[-1] == HEAD
    engine.dispose()


PLAN_BEFORE = (
    "INSERT INTO sync_run (run_id, kind, mode, status, origin, params, attempt, started_at) "
    "VALUES ('r', 'cycle', 'incremental', 'applying', '{}', '{}', 1, '2026-01-01 00:00:00')",
    "INSERT INTO plan (plan_id, run_id, attempt, started, settled, created_at) "
    "VALUES (1, 'r', 1, false, false, '2026-01-01 00:00:00')",
    "INSERT INTO plan_change (plan_id, change_no, link_id, direction, action, generation, status) "
    "VALUES (1, 0, 7, 'to_dynamics', 'update', 1, 'planned')",
    "INSERT INTO plan_value (plan_id, change_no, field, outcome, planned) VALUES (1, 0, 'city', 'to_dynamics', 'Bern')",
)


def test_plans_of_the_version_before_are_read_by_this_one(database_url: str) -> None:
    """A plan that was stored before fields could be refused one by one is loaded and ended like any other."""
    Store.open(database_url).close()
    engine = open_engine(parse_url(database_url))
    with writing(engine) as connection:
        command.downgrade(alembic_config(connection), "0003")
        for statement in PLAN_BEFORE:
            connection.execute(text(statement))
    engine.dispose()

    store = Store.open(database_url)
    refused = {"change_no": [0], "field": ["city"], "outcome": ["refused"], "code": ["1"], "message": ["no"]}
    store.record_outcomes("r", pd.DataFrame({"change_no": [0], "status": ["refused"]}), pd.DataFrame(refused))

    value = store.load_plan("r").values.iloc[0]
    assert value[["planned", "outcome", "code", "message"]].tolist() == ["Bern", "refused", "1", "no"]
    store.close()


def _index_names(connection: object) -> set[tuple[str, str]]:
    query = "SELECT tablename, indexname FROM pg_indexes"
    if connection.dialect.name == "sqlite":
        query = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"
    return {tuple(row) for row in connection.execute(text(query))}


def test_open_asks_one_question_when_the_schema_is_there(database_url: str) -> None:
    """Every task of every cycle opens the store, so a database that is up to date costs one query."""
    Store.open(database_url).close()
    engine = open_engine(parse_url(database_url))
    with engine.connect():
        pass  # the dialect's own first questions are not the migration's
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))

    migrate_to_head(engine)

    assert [one for one in statements if not one.startswith("BEGIN")] == ["SELECT version_num FROM person_sync_version"]
    engine.dispose()


def test_open_does_not_load_alembic_when_the_schema_is_there(sqlite_url: str) -> None:
    """Alembic costs a third of a second to load, which only a migration is worth."""
    Store.open(sqlite_url).close()
    code = (
        "import sys; from include.person_sync.state import Store;"
        f"Store.open({sqlite_url!r}); print('alembic' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_open_is_safe_for_several_processes_at_once(database_url: str) -> None:
    """Airflow starts many tasks on a new installation: all of them find the tables, one of them made them."""
    code = f"from include.person_sync.state import Store; print(Store.open({database_url!r}).reserve_link_ids(1)[0])"

    def start(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(start, range(3)))

    assert [one.stderr for one in done if one.returncode] == []
    assert sorted(int(one.stdout) for one in done) == [1, 2, 3]


def test_open_refuses_a_schema_from_the_future(database_url: str) -> None:
    """An older version of the code does not touch a database that a newer one made."""
    Store.open(database_url).close()
    engine = open_engine(parse_url(database_url))
    with writing(engine) as connection:
        connection.execute(text("UPDATE person_sync_version SET version_num = '9999'"))

    with pytest.raises(ConfigError, match=r"person_sync_state.*9999"):
        Store.open(database_url)
    engine.dispose()
