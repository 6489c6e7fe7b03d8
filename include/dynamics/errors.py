"""
What an error answer of the Web API means: by status first, then by code, then by text.

Codes may be empty or `0x0`, bodies of gateways are not JSON, and texts change between builds; so the tables below are
read from top to bottom and every status has a last row that needs neither code nor text.
Sources: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors,
https://learn.microsoft.com/power-apps/developer/data-platform/reference/data-service-error-codes
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, ContractViolation, RetryableError, SyncError
from include.http import excerpt, redact
from include.http.retry import parse_retry_after

if TYPE_CHECKING:
    from include.http import Response

MESSAGE_CHARACTERS = 500


class FeedExpired(SyncError):
    """A change feed can't be continued from its link: read the table in full, and never guess deletions from it."""


class SchemaChanged(ConfigError):
    """The server does not know a column that was asked for: read the columns again, leave this one out, go on."""


class Kind(StrEnum):
    """The meanings of an error answer that lead to different actions."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    UNEXPECTED = "unexpected"  # the server failed; the same request may work, a few times
    TOKEN = "token"  # noqa: S105 -- a kind of error
    STALE = "stale"
    KEY_TAKEN = "key_taken"
    PRECONDITION = "precondition"
    DUPLICATE = "duplicate"
    MISSING = "missing"
    TABLE_UNKNOWN = "table_unknown"
    COLUMN_UNKNOWN = "column_unknown"
    PAYLOAD = "payload"  # a name or a value in the body does not fit the columns as they are now
    NO_API = "no_api"
    EXPIRED = "expired"
    NO_VERSIONS = "no_versions"
    NOT_A_MEMBER = "not_a_member"
    USER_DISABLED = "user_disabled"
    APP_BLOCKED = "app_blocked"
    FIREWALL = "firewall"
    PRIVILEGE = "privilege"
    NO_ROW_ACCESS = "no_row_access"
    READ_ONLY_ROW = "read_only_row"  # the state the row is in allows no change
    FIELD_SECURITY = "field_security"
    STORAGE = "storage"
    NOT_BUILT = "not_built"
    REFUSED = "refused"


_ABOUT_SCHEMA = frozenset({Kind.COLUMN_UNKNOWN, Kind.FIELD_SECURITY, Kind.PAYLOAD})
_ABOUT_VALUES = _ABOUT_SCHEMA | {Kind.REFUSED, Kind.MISSING}


@dataclass(frozen=True, slots=True)
class ApiError:
    """
    One error answer, read.

    `code` is `0x…` in lower case, or empty where the server gave none (or `0x0`). `message` is redacted. `enveloped` is
    False when the body was not an OData error.
    """

    status: int
    code: str = ""
    message: str = ""
    request_id: str | None = None
    retry_after_s: float | None = None
    enveloped: bool = True

    @property
    def kind(self) -> Kind:
        """What the error means."""
        return classify(self)

    @property
    def about_schema(self) -> bool:
        """Whether our picture of the columns may be out of date: one is unknown, secured, or of another type."""
        return self.kind in _ABOUT_SCHEMA

    @property
    def about_values(self) -> bool:
        """
        Whether a write was refused for what was to be written, so that it may be taken without some of its columns.

        Not so when it is the row, its state or our rights that stand in the way, or when the row would be somebody's
        double: the columns by themselves are fine then.
        """
        return self.kind in _ABOUT_VALUES


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: Kind
    statuses: frozenset[int] = frozenset()  # empty: any
    codes: frozenset[str] = frozenset()  # empty: any
    text: re.Pattern[str] | None = None

    def fits(self, error: ApiError) -> bool:
        return (
            (not self.statuses or error.status in self.statuses)
            and (not self.codes or error.code in self.codes)
            and (self.text is None or self.text.search(error.message) is not None)
        )


def _rule(kind: Kind, *statuses: int, codes: str = "", text: str = "") -> _Rule:
    pattern = re.compile(text, re.IGNORECASE) if text else None
    return _Rule(kind, frozenset(statuses), frozenset(codes.split()), pattern)


_PRIVILEGE_NAME = re.compile(r"\bprv[A-Z]\w*")

_RULES: tuple[_Rule, ...] = (
    # Statuses that speak for themselves, but for one: some builds call an unknown user unauthorised.
    _rule(Kind.THROTTLED, 429),
    _rule(Kind.NOT_A_MEMBER, 401, 403, codes="0x80072560"),
    _rule(Kind.NOT_A_MEMBER, 401, 403, text=r"not a member of the organi[sz]ation"),
    _rule(Kind.TOKEN, 401),
    _rule(Kind.TRANSIENT, 408, 502, 503, 504),
    _rule(Kind.NOT_BUILT, 501),
    # Infrastructure codes whose status is not documented.
    _rule(Kind.THROTTLED, codes="0x80072322 0x80072321 0x80072326 0x8005f103 0x80072324 0x80072327 0x80060308"),
    _rule(Kind.TRANSIENT, codes="0x80044150 0x80044151 0x80044339 0x80048549 0x80048555"),
    _rule(Kind.STORAGE, codes="0x80050401 0x80050402 0x80050403"),
    _rule(Kind.EXPIRED, codes="0x80044352"),
    _rule(Kind.NO_VERSIONS, codes="0x8006088d"),
    _rule(Kind.DUPLICATE, codes="0x80040333 0x80060892"),
    _rule(Kind.STALE, codes="0x80060882"),
    # Rights. The text decides between a privilege that is missing altogether and access to one row.
    _rule(Kind.USER_DISABLED, 403, codes="0x80040225"),
    _rule(Kind.APP_BLOCKED, 403, codes="0x80095ffc"),
    _rule(Kind.FIREWALL, 403, codes="0x80095ffe"),
    _rule(Kind.FIELD_SECURITY, 403, codes="0x8004f502 0x8004f503 0x8004f504 0x8004f507"),
    _rule(Kind.PRIVILEGE, 403, text=r"missing prv\w+|\bprv[A-Z]\w+ privilege|organi[sz]ation[- ]level|global read"),
    _rule(Kind.NO_ROW_ACCESS, 403),
    # Conditions.
    _rule(Kind.KEY_TAKEN, 412, 409, codes="0x80040237"),
    _rule(Kind.STALE, 412, text=r"RowVersion"),
    _rule(Kind.DUPLICATE, 412, 500, text=r"duplicate of the current record|duplicate record cannot be created"),
    _rule(Kind.KEY_TAKEN, 412, text=r"matching key values|insert duplicate key"),
    _rule(Kind.PRECONDITION, 412),
    # Existence.
    _rule(Kind.TABLE_UNKNOWN, 404, codes="0x8006088a"),
    _rule(Kind.TABLE_UNKNOWN, 404, text=r"resource not found for the segment"),
    _rule(Kind.MISSING, 404, codes="0x80040217 0x80060891"),
    _rule(Kind.NO_API, 404, text=r"no HTTP resource was found"),
    _rule(Kind.EXPIRED, 410),
    # The shape of the request.
    _rule(Kind.COLUMN_UNKNOWN, 400, codes="0x80060888"),
    _rule(Kind.COLUMN_UNKNOWN, 400, text=r"could not find a property named"),
    _rule(Kind.PAYLOAD, 400, codes="0x80048d19"),
    _rule(Kind.PAYLOAD, 400, text=r"error identified in payload"),
    # The state of the row. Whether a closed lead takes changes differs between organisations.
    _rule(Kind.READ_ONLY_ROW, 400, codes="0x80040233 0x80040518 0x80040519"),
    _rule(Kind.READ_ONLY_ROW, 400, text=r"update a read-only entity"),
    # Business errors that come as 500 and will not go away by themselves.
    _rule(Kind.REFUSED, 500, codes="0x80040224 0x80040265 0x80048550 0x80040237"),
    _rule(Kind.REFUSED, 500, codes=" ".join(f"0x80048d{n:02x}" for n in range(2, 12))),
    _rule(Kind.UNEXPECTED, *range(500, 600)),
)


def classify(error: ApiError) -> Kind:
    """Return the meaning of an error: the first rule that fits; what no rule knows was refused for good."""
    if not error.enveloped and (error.status in {404, 405} or error.status < 400):
        return Kind.NO_API
    if error.status == 404 and not error.code and "exist" not in error.message.lower():
        return Kind.TABLE_UNKNOWN if "segment" in error.message.lower() else Kind.NO_API
    found = next((rule.kind for rule in _RULES if rule.fits(error)), None)
    return found or (Kind.MISSING if error.status == 404 else Kind.REFUSED)


def read_error(response: Response) -> ApiError:
    """Return the error in an answer of status 300 or above. Accepts a body of any kind."""
    envelope = _envelope(response)
    message = str(envelope.get("message") or "") if envelope else excerpt(response.text())
    return ApiError(
        status=response.status,
        code=_normalise_code(envelope.get("code") if envelope else None),
        message=_mask_values(message)[:MESSAGE_CHARACTERS],
        request_id=find_request_id(response),
        retry_after_s=parse_retry_after(response.headers.get("Retry-After")),
        enveloped=envelope is not None,
    )


def find_request_id(response: Response) -> str | None:
    """Return the server's id of the request, whichever header it is in."""
    names = ("REQ_ID", "x-ms-service-request-id", "x-ms-request-id")
    return next((response.headers[name] for name in names if response.headers.get(name)), None)


def missing_privilege(message: str) -> str | None:
    """Return the name of the privilege an error text names, such as prvReadContact."""
    found = _PRIVILEGE_NAME.search(message)
    return found.group(0) if found else None


def _envelope(response: Response) -> dict[str, Any] | None:
    """Return the error object, also of older shapes: `{"error": "text"}` and `{"Message": "text"}`."""
    try:
        content = json.loads(response.body)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    error = content.get("error")
    if isinstance(error, dict):
        return error
    text = error if isinstance(error, str) else content.get("Message") or content.get("message")
    return {"code": content.get("code"), "message": text} if isinstance(text, str) else None


def _normalise_code(code: object) -> str:
    """Return the code as `0x…` in lower case; a signed number becomes its hexadecimal form, nothing-codes are empty."""
    text = str(code).strip().lower() if code is not None else ""
    if re.fullmatch(r"-?\d+", text):
        text = f"0x{int(text) & 0xFFFFFFFF:x}"
    return "" if re.fullmatch(r"(0x)?0*", text) else text


def _mask_values(message: str) -> str:
    """Mask the value a validation text quotes, as in `The value 7 of 'x'` and `the literal 'x'`: it may be personal."""
    message = re.sub(r"(?i)(the value )(?!of\b).+?( of ')", r"\1***\2", message)
    message = re.sub(r"(?i)(the literal )'.*?'(?= to )", r"\1'***'", message)
    return redact(message)


@dataclass(frozen=True, slots=True)
class _Advice:
    seen: str
    remedy: str
    raises: type[SyncError] = ConfigError


_ADVICE: dict[Kind, _Advice] = {
    Kind.TOKEN: _Advice(
        "Dynamics refuses the access token, a fresh one too",
        "Check that 'host' is the organisation the app registration was made for and 'extra.tenant_id' is its tenant.",
    ),
    Kind.NOT_A_MEMBER: _Advice(
        "the application is not a user of the organisation",
        "In the Power Platform admin center, create an application user for the app id in 'login' in the organisation "
        "in 'host', and give it a security role.",
    ),
    Kind.USER_DISABLED: _Advice(
        "the application user is disabled",
        "In the Power Platform admin center, activate the application user of the app id in 'login'.",
    ),
    Kind.APP_BLOCKED: _Advice(
        "a policy of the organisation blocks this application",
        "Ask the administrator of the organisation in 'host' to allow the app id in 'login'.",
    ),
    Kind.FIREWALL: _Advice(
        "the organisation's IP firewall refuses this machine",
        "Ask the administrator of the organisation in 'host' to allow the address this machine sends from.",
    ),
    Kind.PRIVILEGE: _Advice(
        "the application user lacks a privilege",
        "Give the application user (app id in 'login') a security role with it, at organisation level.",
    ),
    Kind.NO_ROW_ACCESS: _Advice(
        "the application user may not do this",
        "Give the application user (app id in 'login') a security role with organisation-level access to the table.",
    ),
    Kind.FIELD_SECURITY: _Advice(
        "column security keeps the application user from a column",
        "Add the application user (app id in 'login') to a field security profile that allows it.",
    ),
    Kind.STORAGE: _Advice("the organisation's storage is full", "Free or buy storage for the organisation in 'host'."),
    Kind.TABLE_UNKNOWN: _Advice(
        "the organisation has no such table",
        "Check 'host'; the table 'lead' comes with Dynamics 365 Sales. Otherwise leave the table out of the sync.",
    ),
    Kind.COLUMN_UNKNOWN: _Advice(
        "the table has no such column",
        "Correct the column in the field map, or let the schema be read again.",
        SchemaChanged,
    ),
    Kind.NO_API: _Advice(
        "the host answers, but it is not the Web API of a Dynamics organisation",
        "Correct 'host'; it looks like https://<org>.crm.dynamics.com.",
    ),
    Kind.NO_VERSIONS: _Advice(
        "the table does not support version checks (If-Match)",
        "Optimistic concurrency is a property of the table; ask the administrator, or leave the table out of the sync.",
    ),
    Kind.EXPIRED: _Advice(
        "the change feed can't be continued", "Nothing to do: the table is read in full once.", FeedExpired
    ),
    Kind.THROTTLED: _Advice(
        "Dynamics throttles this user",
        "It passes by itself; lower the concurrency or the batch size if it comes often.",
        RetryableError,
    ),
    Kind.TRANSIENT: _Advice("Dynamics is not available", "It usually passes by itself.", RetryableError),
    Kind.UNEXPECTED: _Advice("Dynamics failed", "It may pass; if not, give the request id to support.", RetryableError),
}
_UNDOCUMENTED = _Advice("Dynamics refused the request", "Give code and request id to support.", ContractViolation)


def to_exception(error: ApiError, *, doing: str) -> SyncError:
    """Return the exception for an error answer; `doing` says what was tried, such as "reading contacts"."""
    advice = _ADVICE.get(error.kind, _UNDOCUMENTED)
    privilege = missing_privilege(error.message) if error.kind is Kind.PRIVILEGE else None
    seen = f"{advice.seen} {privilege}" if privilege else advice.seen
    detail = " ".join(part for part in (f"HTTP {error.status}", error.code, error.message) if part)
    text = f"Dynamics, {doing}: {seen} ({detail})."
    if advice.raises is RetryableError:
        return RetryableError(
            text, retry_after_s=error.retry_after_s, remedy=advice.remedy, request_id=error.request_id
        )
    return advice.raises(text, remedy=advice.remedy, request_id=error.request_id)
