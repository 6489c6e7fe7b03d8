"""What the Web API offers and this sandbox does not: answered with 501, and each listed in GAPS.md."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Gap"]


class Gap(StrEnum):
    """Names of what is not built, as they stand in GAPS.md and in the answers."""

    API_VERSION = "dataverse: versions other than v9.2"
    CSDL = "dataverse: $metadata"
    APPLY = "dataverse: $apply"
    FETCH_XML = "dataverse: fetchXml, sql, savedQuery and userQuery"
    UNMASKED = "dataverse: UnMaskedData"
    EXPAND_COLLECTION = "dataverse: $expand of collections"
    EXPAND_OPTIONS = "dataverse: options inside $expand other than $select"
    FILTER_FUNCTION = "dataverse: filter functions other than contains, startswith, endswith and In"
    LAMBDA = "dataverse: any and all"
    NAVIGATION = "dataverse: navigation paths other than single lookups and roles"
    RAW_VALUE = "dataverse: $value"
    ASSOCIATE = "dataverse: associating through collections"
    DEEP_INSERT = "dataverse: nested rows in a body"
    TABLE = "dataverse: tables other than those of the sync"
    READ_ONLY_TABLE = "dataverse: writing to set-up tables"
    ACTION = "dataverse: other actions and functions"
    METADATA_KIND = "dataverse: other metadata collections"
    METADATA_WRITE = "dataverse: changing metadata through the API"
    METADATA_QUERY = "dataverse: other options of metadata queries"
    IMPERSONATION = "dataverse: impersonation headers"
    SPECIAL_HEADER = "dataverse: other MSCRM headers"
    PREFERENCE = "dataverse: other preferences"
    FORMAT = "dataverse: formats other than JSON"
    IMAGE = "dataverse: images"
