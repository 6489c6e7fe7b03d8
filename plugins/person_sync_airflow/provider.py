"""
What this distribution tells Airflow about itself: its two connection types and where their hooks are.

Airflow imports this module in every process it starts, so it imports nothing but the standard library.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

__all__ = ["DISTRIBUTION", "get_provider_info"]

DISTRIBUTION: Final = "marketo-dynamics-person-sync"

_HIDDEN: Final = ["port", "schema", "extra"]


def get_provider_info() -> dict[str, Any]:
    """
    Return the provider information that Airflow reads through the entry point `apache_airflow_provider`.

    The connection form of the Airflow UI is built from it. Source: apache-airflow's provider_info.schema.json.
    """
    return {
        "package-name": DISTRIBUTION,
        "name": "Marketo and Dynamics person sync",
        "description": "Keeps Marketo people and Dynamics 365 contacts and leads in step, in both directions.",
        "versions": [version(DISTRIBUTION)],
        "integrations": [
            {
                "integration-name": "Adobe Marketo Engage",
                "external-doc-url": "https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api",
                "tags": ["service"],
            },
            {
                "integration-name": "Microsoft Dynamics 365",
                "external-doc-url": "https://learn.microsoft.com/power-apps/developer/data-platform/webapi/overview",
                "tags": ["service"],
            },
        ],
        "hooks": [
            {"integration-name": "Adobe Marketo Engage", "python-modules": ["marketo.hooks.marketo"]},
            {"integration-name": "Microsoft Dynamics 365", "python-modules": ["dynamics.hooks.dynamics"]},
        ],
        "operators": [
            {
                "integration-name": "Adobe Marketo Engage",
                "python-modules": [
                    "marketo.operators.marketo",
                    "marketo.operators.bulk",
                    "marketo.operators.person_sync",
                ],
            },
            {
                "integration-name": "Microsoft Dynamics 365",
                "python-modules": ["dynamics.operators.dynamics", "dynamics.operators.person_sync"],
            },
        ],
        "connection-types": [_marketo(), _dynamics()],
    }


def _marketo() -> dict[str, Any]:
    return {
        "connection-type": "marketo",
        "hook-name": "Marketo Engage",
        "hook-class-name": "marketo.hooks.marketo.MarketoHook",
        "ui-field-behaviour": {
            "hidden-fields": _HIDDEN,
            "relabeling": {"host": "REST endpoint", "login": "Client ID", "password": "Client secret"},
            "placeholders": {
                "host": "https://517-QXZ-204.mktorest.com",
                "login": "client id of a LaunchPoint custom service",
                "password": "its client secret",
            },
        },
        "conn-fields": {"ca_bundle": _ca_bundle()},
    }


def _dynamics() -> dict[str, Any]:
    return {
        "connection-type": "dynamics",
        "hook-name": "Microsoft Dynamics 365 (Dataverse)",
        "hook-class-name": "dynamics.hooks.dynamics.DynamicsHook",
        "ui-field-behaviour": {
            "hidden-fields": _HIDDEN,
            "relabeling": {
                "host": "Environment URL",
                "login": "Application (client) ID",
                "password": "Client secret",
            },
            "placeholders": {
                "host": "https://org.crm.dynamics.com",
                "login": "00000000-0000-0000-0000-000000000000",
                "password": "empty when a certificate is used",
            },
        },
        "conn-fields": {
            "tenant_id": _text("Tenant ID", "Directory (tenant) ID or domain in Microsoft Entra ID. Required."),
            "authority": _text(
                "Authority",
                "Where tokens come from; change it for national clouds, such as https://login.microsoftonline.us.",
                default="https://login.microsoftonline.com",
            ),
            "certificate_path": _text(
                "Certificate path",
                "PEM file with private key and certificate on every machine that runs tasks. Used instead of a secret.",
            ),
            "ca_bundle": _ca_bundle(),
        },
    }


def _ca_bundle() -> dict[str, Any]:
    return _text(
        "CA bundle path", "PEM file with a private certificate authority. Empty: the authorities that come with Python."
    )


def _text(label: str, description: str, default: str | None = None) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["string", "null"], "default": default},
    }
