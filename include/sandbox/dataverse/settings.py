"""
Switches of the organisation: what an administrator may set, and readings of what the vendor leaves undocumented.

The defaults are the likeliest readings; a client has to live with the others too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["AccountDelete", "DynamicsSettings"]


class AccountDelete(StrEnum):
    """What deleting a row does to the contacts that belong to it."""

    CASCADE = "cascade"
    REMOVE_LINK = "remove_link"
    RESTRICT = "restrict"


@dataclass(slots=True)
class DynamicsSettings:
    """
    Switches, read at every request.

    Change tracking
        `expire_change_tracking_days` is the organisation's column; `delta_expiry_status` and `delta_expiry_code` what
        an expired link answers; `schema_change_expires_delta_links` whether a changed column ends every link;
        `annotations_lose_delta_link` a bug seen in 2019; `recreated_row_shows_deletion` whether a row deleted and made
        again shows both.
    Writing
        `qualified_leads_writable` opens qualified and disqualified leads; `read_only_columns_refused` answers 400
        instead of ignoring a value for a column that is not valid for the operation; `empty_text_is_null`;
        `lengths_in_utf16_units` counts as .NET does; `etag_on_no_content` adds an ETag to 204 answers of updates and
        creates; `missing_lookup_status` is the status for a binding to an absent row; `parent_delete` the cascade rule.
    Duplicates
        `duplicate_columns` names, by table, the column that a published detection rule compares; `duplicate_status`.
    Limits (per 300 s)
        `request_limit`, `execution_limit_s`, `concurrency_limit`; `retry_after_s` of the first two.
    Texts
        `empty_payload_codes` answers the older code `0x0` for body and query errors.
    """

    expire_change_tracking_days: int = 7
    delta_expiry_status: int = 400
    delta_expiry_code: str = "0x80044352"
    schema_change_expires_delta_links: bool = False
    annotations_lose_delta_link: bool = True
    recreated_row_shows_deletion: bool = True
    qualified_leads_writable: bool = False
    read_only_columns_refused: bool = False
    empty_text_is_null: bool = True
    lengths_in_utf16_units: bool = True
    etag_on_no_content: bool = False
    missing_lookup_status: int = 404
    parent_delete: AccountDelete = AccountDelete.CASCADE
    duplicate_columns: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"contact": ("emailaddress1",), "lead": ("emailaddress1",), "account": ("name",)}
    )
    duplicate_status: int = 412
    request_limit: int = 6000
    execution_limit_s: float = 1200.0
    concurrency_limit: int = 52
    window_s: float = 300.0
    retry_after_s: int = 10
    max_page_size: int = 5000
    max_batch_operations: int = 1000
    max_url_length: int = 32_768
    max_batched_url_length: int = 65_536
    multiple_operations: bool = True
    empty_payload_codes: bool = False
    utc_offset_minutes: int = 0
