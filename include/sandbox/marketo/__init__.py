"""The Marketo Engage REST API, in memory: leads, activities, schema, custom activities, limits."""

from __future__ import annotations

from include.sandbox.marketo.activity_log import Activity
from include.sandbox.marketo.service import MarketoService
from include.sandbox.marketo.settings import (
    ActivityIds,
    ClearedValue,
    CompanyFields,
    ErrorLevel,
    MarketoSettings,
    NullPresence,
    OverLength,
    Permission,
)
from include.sandbox.marketo.world import API_USER, MarketoWorld

__all__ = [
    "API_USER",
    "Activity",
    "ActivityIds",
    "ClearedValue",
    "CompanyFields",
    "ErrorLevel",
    "MarketoService",
    "MarketoSettings",
    "MarketoWorld",
    "NullPresence",
    "OverLength",
    "Permission",
]
