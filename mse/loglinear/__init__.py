"""Log-linear models fitted by maximum likelihood: one model, and searches among many."""

from __future__ import annotations

from mse.loglinear.fit import LogLinear, LogLinearFit
from mse.loglinear.search_fit import LogLinearSearch, LogLinearSearchFit

__all__ = [
    "LogLinear",
    "LogLinearFit",
    "LogLinearSearch",
    "LogLinearSearchFit",
]
