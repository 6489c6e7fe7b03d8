"""Hook and operators of Marketo, against the sandbox."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.models.connection import Connection

from include.errors import ConfigError
from marketo.hooks.marketo import MarketoHook
from marketo.operators.marketo import MarketoExtractOperator, MarketoLoadOperator
from person_sync_airflow.parquet import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from include.sandbox import Sandbox


def _frame(address: str, name: str = "people.parquet") -> pd.DataFrame:
    return pd.read_parquet(address.removeprefix("file://").replace("manifest.json", name))


def _connection(sandbox: Sandbox, **changes: Any) -> str:
    return json.dumps(json.loads(sandbox.environment()["AIRFLOW_CONN_MARKETO_DEFAULT"]) | changes)


def test_test_button_reports_success(sandbox: Sandbox):
    """Test really logs in and reads: it answers true with a sentence, and Marketo saw a call."""
    result, message = MarketoHook().test_connection()

    assert result, message
    assert "lead fields" in message
    assert sandbox.calls("marketo")


def test_test_button_works_the_way_the_ui_calls_it(sandbox: Sandbox):
    """Airflow's own connection model finds the hook by connection type and passes the connection's id."""
    connection = Connection.from_json(_connection(sandbox), conn_id="marketo_default")

    assert connection.test_connection()[0] is True


def test_test_button_reports_a_wrong_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """Wrong credentials answer false with a message that says what to do and does not repeat the secret."""
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", _connection(sandbox, password="not-the-secret"))

    result, message = MarketoHook().test_connection()

    assert not result
    assert "What to do" in message
    assert "not-the-secret" not in message


def test_test_button_reports_a_missing_certificate_authority(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """Without the private CA the connection is refused: TLS is always verified (S-44)."""
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", _connection(sandbox, extra={}))

    result, message = MarketoHook().test_connection()

    assert not result
    assert "ca_bundle" in message


def test_hook_names_the_field_that_is_empty(monkeypatch: pytest.MonkeyPatch):
    """A connection without a host is a configuration error that names it."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps({"conn_type": "marketo", "login": "id", "password": "x"})
    )

    with pytest.raises(ConfigError, match="host"):
        MarketoHook().get_conn()


def test_extract_reads_people_by_id(sandbox: Sandbox, tmp_path: Path):
    """People named by id arrive in a Parquet file with typed columns; the task returns the manifest's address."""
    known = [sandbox.marketo.create({"email": f"by-id-{n}@example.com", "firstName": f"N{n}"}) for n in range(3)]
    operator = MarketoExtractOperator(
        task_id="t", fields=["email", "firstName", "leadScore"], lead_ids=known, destination=f"file://{tmp_path}/out"
    )

    manifest = operator.execute({})  # type: ignore[typeddict-item]

    frame = _frame(manifest).set_index("id").sort_index()
    assert list(frame.index) == sorted(known)
    assert frame["firstName"].tolist() == ["N0", "N1", "N2"]
    assert frame["leadScore"].dtype.kind in "if"
    assert read_manifest(manifest).rows == 3
    assert operator.counted == {"people": 3, "asked_for": 3, "calls": 2}


def test_extract_reads_who_changed_in_the_data_interval(sandbox: Sandbox, tmp_path: Path, context: dict[str, Any]):
    """Without ids the data interval decides: people created in it are read, and the manifest says which it was."""
    lead = sandbox.marketo.create({"email": "changed@example.com"})
    sandbox.clock.advance(120)
    operator = MarketoExtractOperator(task_id="t", fields=["email"], destination=f"file://{tmp_path}")

    manifest = operator.execute(context)  # type: ignore[arg-type]

    assert lead in set(_frame(manifest)["id"])
    assert read_manifest(manifest).details["since"] == context["dag_run"].data_interval_start.isoformat()


def test_extract_reads_nobody_from_an_earlier_window(sandbox: Sandbox, tmp_path: Path, context: dict[str, Any]):
    """People who changed after the window are left out, and an empty result is still a readable file."""
    sandbox.marketo.create({"email": "too-late@example.com"})
    operator = MarketoExtractOperator(
        task_id="t",
        fields=["email"],
        destination=f"file://{tmp_path}",
        since="2026-01-01T00:00:00+00:00",
        until="2026-01-02T00:00:00+00:00",
    )

    frame = _frame(operator.execute(context))  # type: ignore[arg-type]

    assert (len(frame), list(frame.columns)) == (0, ["id", "email"])


def test_extract_names_unknown_fields(sandbox: Sandbox, tmp_path: Path):
    """A misspelt field is a configuration error that names it, before any row is read."""
    operator = MarketoExtractOperator(task_id="t", fields=["emial"], lead_ids=[1], destination=f"file://{tmp_path}")

    with pytest.raises(ConfigError, match="emial"):
        operator.execute({})  # type: ignore[typeddict-item]


def test_extract_refuses_a_run_without_window(sandbox: Sandbox, tmp_path: Path):
    """A manual run without `since` does not guess how far back to read."""
    run = SimpleNamespace(data_interval_start=None, data_interval_end=None, run_after=None)
    operator = MarketoExtractOperator(task_id="t", fields=["email"], destination=f"file://{tmp_path}")

    with pytest.raises(ConfigError, match="data interval"):
        operator.execute({"dag_run": run})  # type: ignore[typeddict-item]


def test_extract_takes_ids_from_a_template(sandbox: Sandbox, tmp_path: Path):
    """Ids may come out of a template, as JSON text; the destination may name the run."""
    lead = sandbox.marketo.create({"email": "templated@example.com"})
    operator = MarketoExtractOperator(
        task_id="t",
        fields=["email"],
        lead_ids="{{ params.ids }}",
        destination="file://{{ params.folder }}/{{ run_id }}",
    )
    operator.render_template_fields({"params": {"ids": [lead], "folder": str(tmp_path)}, "run_id": "manual__1"})

    manifest = operator.execute({})  # type: ignore[typeddict-item]

    assert manifest == f"file://{tmp_path}/manual__1/manifest.json"
    assert _frame(manifest)["id"].tolist() == [lead]


def test_load_writes_good_rows_and_keeps_the_refused_ones(sandbox: Sandbox, tmp_path: Path):
    """Rows are written by e-mail; one that Marketo refuses lands in a file with code and message, the others go on."""
    existing = sandbox.marketo.create({"email": "load-1@example.com", "firstName": "Old", "city": "Oslo"})
    rows = pd.DataFrame(
        {
            "email": ["load-1@example.com", "load-2@example.com", "load-3@example.com"],
            "firstName": ["New", "Two", "x" * 300],
            "city": [None, "Bergen", None],
        }
    )
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    operator = MarketoLoadOperator(
        task_id="t", source=f"file://{tmp_path}/rows.parquet", refused_to=f"file://{tmp_path}/refused"
    )

    result = operator.execute({})  # type: ignore[typeddict-item]

    assert (result["rows"], result["updated"], result["created"], result["skipped"]) == (3, 1, 1, 1)
    assert operator.counted == {"rows": 3, "updated": 1, "created": 1, "skipped": 1, "calls": 1}
    lead = sandbox.marketo.lead(existing)
    assert (lead["firstName"], lead["city"]) == ("New", "Oslo")
    refused = _frame(result["refused_path"])
    assert refused["email"].tolist() == ["load-3@example.com"]
    assert refused[["_code", "_message"]].notna().all(axis=None)


def test_load_clears_fields_only_when_asked(sandbox: Sandbox, tmp_path: Path):
    """An empty value leaves the field alone by default, and clears it with `clear_empty`."""
    lead = sandbox.marketo.create({"email": "clear@example.com", "city": "Oslo"})
    pd.DataFrame({"email": ["clear@example.com"], "city": [None]}).to_parquet(tmp_path / "rows.parquet", index=False)
    arguments = {"source": f"file://{tmp_path}/rows.parquet", "refused_to": f"file://{tmp_path}"}

    MarketoLoadOperator(task_id="a", **arguments).execute({})  # type: ignore[typeddict-item]
    kept = sandbox.marketo.lead(lead)["city"]
    result = MarketoLoadOperator(task_id="b", clear_empty=True, **arguments).execute({})  # type: ignore[typeddict-item]

    assert (kept, sandbox.marketo.lead(lead).get("city")) == ("Oslo", None)
    assert result["refused_path"] is None


def test_load_reads_what_an_extract_wrote(sandbox: Sandbox, tmp_path: Path):
    """A manifest passes from one task to the other by its address alone."""
    lead = sandbox.marketo.create({"email": "pair@example.com", "firstName": "Before"})
    manifest = MarketoExtractOperator(
        task_id="a", fields=["email", "firstName"], lead_ids=[lead], destination=f"file://{tmp_path}"
    ).execute({})  # type: ignore[typeddict-item]
    sandbox.marketo.edit(lead, {"firstName": "After"})

    MarketoLoadOperator(
        task_id="b", source=manifest, lookup_field="id", action="updateOnly", refused_to=f"file://{tmp_path}"
    ).execute({})  # type: ignore[typeddict-item]

    assert sandbox.marketo.lead(lead)["firstName"] == "Before"


def test_load_names_a_source_that_is_not_there(sandbox: Sandbox, tmp_path: Path):
    """A missing source is a configuration error that names its address."""
    operator = MarketoLoadOperator(task_id="t", source=f"file://{tmp_path}/none.parquet", refused_to="file:///unused")

    with pytest.raises(ConfigError, match=r"none\.parquet"):
        operator.execute({})  # type: ignore[typeddict-item]
