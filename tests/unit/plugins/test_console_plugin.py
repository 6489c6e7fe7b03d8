"""The plugin is loaded by every process of Airflow, and makes its app in the API server alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"

LOAD = """
import json, sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
after_loading = sorted(sys.modules)
apps, _ = plugins_manager.get_fastapi_plugins()
print(json.dumps({
    "errors": errors,
    "plugins": [one.name for one in plugins],
    "loaded": after_loading,
    "apps": [(one["url_prefix"], [route.path for route in one["app"].routes]) for one in apps],
}))
"""


def test_plugin_brings_nothing_along_until_the_app_is_asked_for():
    """Loading the plugin imports neither the app nor pandas; the API server then gets one app with the webhook."""
    shown = subprocess.run(
        [sys.executable, "-c", LOAD],
        env=os.environ | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
    )

    seen = json.loads(shown.stdout.splitlines()[-1])
    assert (seen["errors"], "person_sync_console" in seen["plugins"]) == ({}, True)
    late = {"person_sync_airflow.api_server", "include.person_sync.console.app", "include.person_sync.state", "pandas"}
    assert late & set(seen["loaded"]) == set()
    ((prefix, paths),) = seen["apps"]
    assert prefix == "/person-sync"
    assert "/webhook/sync-person" in paths
