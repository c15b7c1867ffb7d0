"""Log-linear models fitted by maximum likelihood: one model, and searches among many."""

from __future__ import annotations

from mse.loglinear.heterogeneity import ClosedPopulation, ClosedPopulationFit
from mse.loglinear.search import LogLinearSearch
from mse.loglinear.search_fit import LogLinearSearchFit
from mse.loglinear.single import LogLinear, LogLinearFit

__all__ = [
    "ClosedPopulation",
    "ClosedPopulationFit",
    "LogLinear",
    "LogLinearFit",
    "LogLinearSearch",
    "LogLinearSearchFit",
]
