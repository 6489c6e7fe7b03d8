"""
The baseline: everybody on both sides read, paired and merged, partition by partition; for the first load, or anew.

It never deletes and never concludes anything from absence. Whatever happens while it reads is told by the change feeds,
whose watermarks are taken before the first reading. See `run` for the order of the steps.
"""

from include.person_sync.baseline.closing import close_baseline
from include.person_sync.baseline.opening import open_baseline
from include.person_sync.baseline.partitions import partition
from include.person_sync.baseline.read_dynamics import read_dynamics
from include.person_sync.baseline.read_marketo import Waiting, read_marketo
from include.person_sync.baseline.request import BaselineRequest
from include.person_sync.baseline.run import run_baseline
from include.person_sync.baseline.sync_partition import report_partition, sync_partition

__all__ = [
    "BaselineRequest",
    "Waiting",
    "close_baseline",
    "open_baseline",
    "partition",
    "read_dynamics",
    "read_marketo",
    "report_partition",
    "run_baseline",
    "sync_partition",
]
