"""Monitoring: how many per period and group, is it rising, and what share is seen."""

from __future__ import annotations

from mse.monitoring.monitor_table import monitor
from mse.monitoring.result import MONITOR_SCHEMA, Change, Late, LatePeriod, Monitor
from mse.monitoring.revisions import Revisions, revisions

__all__ = [
    "MONITOR_SCHEMA",
    "Change",
    "Late",
    "LatePeriod",
    "Monitor",
    "Revisions",
    "monitor",
    "revisions",
]
