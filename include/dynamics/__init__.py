"""
The client of the Dataverse Web API: signing in, metadata, change tracking, rows, and batches of writes.

Start at `DynamicsClient`. Everything it takes and gives is a value of `include.dynamics.values`.
"""

from typing import TYPE_CHECKING

from include.late import late_names

if TYPE_CHECKING:
    from include.dynamics.client import DynamicsClient
    from include.dynamics.errors import FeedExpired, SchemaChanged
    from include.dynamics.values import (
        ChangePage,
        Column,
        ColumnPrivilege,
        DynamicsConnection,
        DynamicsSettings,
        Operation,
        OperationKind,
        OperationResult,
        Option,
        Organization,
        Outcome,
        Row,
        Table,
        WhoAmI,
    )
else:
    __getattr__ = late_names(__name__, "values", "errors", "client")

__all__ = [
    "ChangePage",
    "Column",
    "ColumnPrivilege",
    "DynamicsClient",
    "DynamicsConnection",
    "DynamicsSettings",
    "FeedExpired",
    "Operation",
    "OperationKind",
    "OperationResult",
    "Option",
    "Organization",
    "Outcome",
    "Row",
    "SchemaChanged",
    "Table",
    "WhoAmI",
]
