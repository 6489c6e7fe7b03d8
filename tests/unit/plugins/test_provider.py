"""Airflow finds both connection types through the installed distribution and shows a proper form for each."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from person_sync_airflow.provider import DISTRIBUTION, get_provider_info

PROJECT = Path(__file__).resolve().parents[3]
SCHEMA = Path(airflow.__file__).parent / "provider_info.schema.json"


@pytest.fixture(scope="module")
def forms() -> dict[str, Any]:
    """Return connection type → what the form of the Airflow UI is built from."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    return {meta.connection_type: meta for meta in HookMetaService.hook_meta_data()}


def test_entry_point_belongs_to_the_distribution():
    """The installed distribution registers exactly one provider, under the name that Airflow demands."""
    (entry,) = (
        each for each in entry_points(group="apache_airflow_provider") if each.dist and each.dist.name == DISTRIBUTION
    )

    assert entry.load() is get_provider_info
    assert get_provider_info()["package-name"] == DISTRIBUTION


def test_provider_information_follows_airflows_schema():
    """The information is what Airflow's own JSON schema asks for."""
    jsonschema.validate(get_provider_info(), json.loads(SCHEMA.read_text()))


def test_provider_module_imports_nothing_but_the_standard_library():
    """Airflow imports the module in each of its processes, so it must cost nothing."""
    code = (
        "import sys; import person_sync_airflow.provider; "
        "print(sorted(set(m.split('.')[0] for m in sys.modules) & {'airflow', 'pandas', 'requests', 'include'}))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT / "plugins", capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"


def test_named_modules_and_classes_exist():
    """Every module and hook class that the information names can be imported."""
    info = get_provider_info()
    modules = [module for kind in ("hooks", "operators") for group in info[kind] for module in group["python-modules"]]
    classes = [each["hook-class-name"].rpartition(".") for each in info["connection-types"]]

    for module in modules:
        import_module(module)
    for module, _, name in classes:
        assert hasattr(import_module(module), name)


def test_airflow_knows_the_provider_with_its_version():
    """`airflow providers list` shows the distribution as installed."""
    provider = ProvidersManager().providers[DISTRIBUTION]

    assert provider.version == version(DISTRIBUTION)


@pytest.mark.parametrize("connection_type", ["marketo", "dynamics"])
def test_hook_agrees_with_the_provider_information(connection_type: str):
    """Connection type, hook name and constructor argument are the same in the hook and in the information."""
    meta = ProvidersManager().hooks[connection_type]
    assert meta is not None
    module, _, name = meta.hook_class_name.rpartition(".")
    hook = getattr(import_module(module), name)

    assert (hook.conn_type, hook.hook_name, hook.conn_name_attr) == (
        connection_type,
        meta.hook_name,
        meta.connection_id_attribute_name,
    )
    assert hook.default_conn_name == f"{connection_type}_default"


def test_marketo_form_has_its_own_labels(forms: dict[str, Any]):
    """The form for Marketo asks for a REST endpoint, a client id and a client secret, and hides the rest."""
    form = forms["marketo"]

    assert form.standard_fields.login.title == "Client ID"
    assert form.standard_fields.password.title == "Client secret"
    assert form.standard_fields.url_schema.hidden
    assert form.standard_fields.port.hidden
    assert set(form.extra_fields) == {"ca_bundle"}


def test_dynamics_form_asks_for_the_tenant(forms: dict[str, Any]):
    """The form for Dynamics has fields for tenant, authority, certificate and private CA, with the public default."""
    form = forms["dynamics"]

    assert form.standard_fields.login.title == "Application (client) ID"
    assert set(form.extra_fields) == {"tenant_id", "authority", "certificate_path", "ca_bundle"}
    assert form.extra_fields["authority"]["value"] == "https://login.microsoftonline.com"
