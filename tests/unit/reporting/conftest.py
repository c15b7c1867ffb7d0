"""Results to report, made once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

import mse
from mse.reporting import Report, build_report
from mse.reporting.usual import usual_results

#: Three lists that share nobody.
APART = {"100": 5, "010": 6, "001": 7}
DAY = dt.date(2026, 1, 31)


@pytest.fixture(scope="session")
def korea() -> list[Any]:
    """Everything that is usually reported of a small table."""
    return usual_results(mse.load_dataset("korea"), replicates=40, seed=1)


@pytest.fixture(scope="session")
def report(korea: list[Any]) -> Report:
    return build_report(korea, date=DAY)


@pytest.fixture(scope="session")
def dutch(korea: list[Any]) -> Report:
    return build_report(korea, language="nl", date=DAY)


@pytest.fixture(scope="session")
def apart() -> mse.CaptureTable:
    return mse.CaptureTable.from_counts(APART, lists=["a", "b", "c"])


@pytest.fixture(scope="session")
def yearly() -> mse.CaptureTable:
    """Two lists, two years, two sexes; one stratum is small."""
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    counts[1, 0], counts[0, 1], counts[1, 1] = [[60, 3], [70, 41]], [[44, 2], [52, 40]], 15
    axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care"], axes)


@pytest.fixture(scope="session")
def monitored(yearly: mse.CaptureTable) -> Any:
    model = mse.LogLinear("police*year + police*sex + care*year + care*sex + year*sex")
    return mse.monitor(yearly, groups=["sex"], estimator=model, replicates=60, seed=1)
