"""Diagnostics of a table and a fit: how well it fits, and what the estimate rests on.

`goodness_of_fit` and `residuals` ask whether the model fits, `overlaps` what the table says about
pairs of lists, `influence` which persons the estimate depends on; `check` puts the usual worries
in plain words.
"""

from __future__ import annotations

from mse.diagnostics.checks import CheckResult, Checks, check
from mse.diagnostics.fit import (
    GoodnessOfFit,
    Influence,
    Overlaps,
    Residuals,
    goodness_of_fit,
    influence,
    overlaps,
    residuals,
)

__all__ = [
    "CheckResult",
    "Checks",
    "GoodnessOfFit",
    "Influence",
    "Overlaps",
    "Residuals",
    "check",
    "goodness_of_fit",
    "influence",
    "overlaps",
    "residuals",
]


def __dir__() -> list[str]:
    return sorted(__all__)
