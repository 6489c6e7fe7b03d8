"""Hook and operators of Dynamics, against the sandbox."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.models.connection import Connection

from dynamics.hooks.dynamics import DynamicsHook
from dynamics.operators.dynamics import DynamicsExtractOperator, DynamicsLoadOperator
from include.errors import ConfigError
from person_sync_airflow.parquet import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from include.sandbox import Sandbox


def _frame(address: str, name: str = "rows.parquet") -> pd.DataFrame:
    return pd.read_parquet(address.removeprefix("file://").replace("manifest.json", name))


def _connection(sandbox: Sandbox, *, extra: dict[str, Any] | None = None, **changes: Any) -> str:
    content = json.loads(sandbox.environment()["AIRFLOW_CONN_DYNAMICS_DEFAULT"]) | changes
    return json.dumps(content | {"extra": content["extra"] | (extra or {})})


def test_test_button_reports_success(sandbox: Sandbox):
    """Test really signs in and asks who we are: it answers true with a sentence, and Dynamics saw a call."""
    result, message = DynamicsHook().test_connection()

    assert result, message
    assert "application user" in message
    assert sandbox.calls("dynamics")


def test_test_button_works_the_way_the_ui_calls_it(sandbox: Sandbox):
    """Airflow's own connection model finds the hook by connection type and passes the connection's id."""
    connection = Connection.from_json(_connection(sandbox), conn_id="dynamics_default")

    assert connection.test_connection()[0] is True


def test_test_button_reports_a_wrong_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """A wrong secret answers false with the reason of Entra ID, without repeating the secret."""
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMICS_DEFAULT", _connection(sandbox, password="not-the-secret"))

    result, message = DynamicsHook().test_connection()

    assert not result
    assert "AADSTS" in message
    assert "not-the-secret" not in message


def test_certificate_takes_the_place_of_the_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """A connection with a certificate and no password signs in."""
    extra = {"certificate_path": str(sandbox.client_certificate.file)}
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMICS_DEFAULT", _connection(sandbox, password="", extra=extra))

    result, message = DynamicsHook().test_connection()

    assert result, message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"host": ""}, "host"),
        ({"login": ""}, "login"),
        ({"password": ""}, "password or certificate_path"),
        ({"extra": {"tenant_id": ""}}, "tenant_id"),
    ],
)
def test_hook_names_the_field_that_is_empty(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], named: str
):
    """An incomplete connection is a configuration error that names what is missing."""
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMICS_DEFAULT", _connection(sandbox, **changes))

    with pytest.raises(ConfigError, match=named):
        DynamicsHook().get_conn()


def test_extract_reads_rows_by_id(sandbox: Sandbox, tmp_path: Path):
    """Rows named by id arrive in a Parquet file with their version; the task returns the manifest's address."""
    known = [sandbox.dynamics.create("contact", {"lastname": f"Row {n}"}) for n in range(3)]
    operator = DynamicsExtractOperator(
        task_id="t",
        table="contact",
        columns=["lastname", "donotemail", "_ownerid_value"],
        row_ids=json.dumps(known),
        destination=f"file://{tmp_path}",
    )

    manifest = operator.execute({})  # type: ignore[typeddict-item]

    frame = _frame(manifest).set_index("contactid")
    assert frame.loc[known, "lastname"].tolist() == ["Row 0", "Row 1", "Row 2"]
    assert frame["donotemail"].dtype.kind in "bO"
    assert frame["@odata.etag"].notna().all()


def test_extract_reads_rows_of_the_data_interval(sandbox: Sandbox, tmp_path: Path, context: dict[str, Any]):
    """Without ids the data interval decides which rows are read."""
    row = sandbox.dynamics.create("lead", {"lastname": "Recent"})
    operator = DynamicsExtractOperator(
        task_id="t", table="lead", columns=["lastname"], destination=f"file://{tmp_path}"
    )

    manifest = operator.execute(context)  # type: ignore[arg-type]

    assert row in set(_frame(manifest)["leadid"])
    assert read_manifest(manifest).details["until"] == context["dag_run"].data_interval_end.isoformat()


def test_extract_follows_the_change_feed(sandbox: Sandbox, tmp_path: Path):
    """The first reading gives everything and a delta link; the next one only what changed, and what was deleted."""
    kept = sandbox.dynamics.create("contact", {"lastname": "Kept"})
    gone = sandbox.dynamics.create("contact", {"lastname": "Gone"})
    arguments: dict[str, Any] = {"table": "contact", "columns": ["lastname"], "track_changes": True}
    first = DynamicsExtractOperator(task_id="a", destination=f"file://{tmp_path}/first", **arguments).execute({})  # type: ignore[typeddict-item]
    sandbox.dynamics.edit("contact", kept, {"lastname": "Changed"})
    sandbox.dynamics.delete("contact", gone)

    operator = DynamicsExtractOperator(
        task_id="b",
        destination=f"file://{tmp_path}/second",
        delta_link=read_manifest(first).details["delta_link"],
        **arguments,
    )
    second = operator.execute({})  # type: ignore[typeddict-item]

    assert {kept, gone} <= set(_frame(first)["contactid"])
    assert _frame(second)[["contactid", "lastname"]].values.tolist() == [[kept, "Changed"]]
    assert _frame(second, "deleted.parquet")["contactid"].tolist() == [gone]
    assert operator.counted is not None
    assert (operator.counted["rows"], operator.counted["deleted"]) == (1, 1)


def test_extract_names_unknown_columns(sandbox: Sandbox, tmp_path: Path):
    """A misspelt column is a configuration error that names it, before any row is read."""
    operator = DynamicsExtractOperator(
        task_id="t", table="contact", columns=["lastnmae"], row_ids=[], destination=f"file://{tmp_path}"
    )

    with pytest.raises(ConfigError, match="lastnmae"):
        operator.execute({})  # type: ignore[typeddict-item]


def test_load_updates_rows_and_keeps_the_others_with_a_reason(sandbox: Sandbox, tmp_path: Path):
    """Existing rows are updated; one that is not there lands in a file with the outcome, the others go on."""
    row = sandbox.dynamics.create("contact", {"lastname": "Before", "jobtitle": "Clerk"})
    missing = str(uuid.uuid4())
    rows = pd.DataFrame({"contactid": [row, missing], "lastname": ["After", "Nobody"], "jobtitle": [None, None]})
    rows.to_parquet(tmp_path / "rows.parquet", index=False)

    operator = DynamicsLoadOperator(
        task_id="t", source=f"file://{tmp_path}/rows.parquet", table="contact", refused_to=f"file://{tmp_path}"
    )
    result = operator.execute({})  # type: ignore[typeddict-item]

    assert (result["rows"], result["done"], result["missing"]) == (2, 1, 1)
    assert operator.counted is not None
    assert (operator.counted["rows"], operator.counted["missing"]) == (2, 1)
    assert sandbox.dynamics.row("contact", row)["lastname"] == "After"
    assert sandbox.dynamics.row("contact", row)["jobtitle"] == "Clerk"
    refused = _frame(result["refused_path"], "refused.parquet")
    assert refused[["contactid", "_outcome"]].values.tolist() == [[missing, "missing"]]


def test_load_creates_a_row_once(sandbox: Sandbox, tmp_path: Path):
    """A repeated create finds the row of the first one and makes no second."""
    row = str(uuid.uuid4())
    pd.DataFrame({"contactid": [row], "lastname": ["Once"]}).to_parquet(tmp_path / "rows.parquet", index=False)
    operator = DynamicsLoadOperator(
        task_id="t",
        source=f"file://{tmp_path}/rows.parquet",
        table="contact",
        operation="create",
        refused_to=f"file://{tmp_path}",
    )

    first, second = (operator.execute({}) for _ in range(2))  # type: ignore[typeddict-item]

    assert (first["done"], second["exists"]) == (1, 1)
    assert sandbox.dynamics.row("contact", row)["lastname"] == "Once"


def test_load_leaves_rows_alone_that_changed_in_between(sandbox: Sandbox, tmp_path: Path):
    """With `match_version` a row that a person edited after the extract keeps the person's value."""
    row = sandbox.dynamics.create("contact", {"lastname": "Read"})
    manifest = DynamicsExtractOperator(
        task_id="a", table="contact", columns=["lastname"], row_ids=[row], destination=f"file://{tmp_path}"
    ).execute({})  # type: ignore[typeddict-item]
    sandbox.dynamics.edit("contact", row, {"lastname": "Edited"})

    result = DynamicsLoadOperator(
        task_id="b", source=manifest, table="contact", match_version=True, refused_to=f"file://{tmp_path}"
    ).execute({})  # type: ignore[typeddict-item]

    assert result["stale"] == 1
    assert sandbox.dynamics.row("contact", row)["lastname"] == "Edited"


def test_load_names_a_column_that_is_missing(sandbox: Sandbox, tmp_path: Path):
    """A source without the row's id is a configuration error that names the column."""
    pd.DataFrame({"lastname": ["x"]}).to_parquet(tmp_path / "rows.parquet", index=False)
    operator = DynamicsLoadOperator(
        task_id="t", source=f"file://{tmp_path}/rows.parquet", table="contact", refused_to=f"file://{tmp_path}"
    )

    with pytest.raises(ConfigError, match="contactid"):
        operator.execute({})  # type: ignore[typeddict-item]
