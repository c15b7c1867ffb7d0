"""Sensitivity of an estimate: to what no data can tell, to each list, to the choice of model.

`highest_order` and `odds_ratio` vary an assumption that cannot be tested, `leave_one_out` and
`merge` vary the lists, `model_range` the model. Each returns a frozen result with ``to_frame()``
(tidy, one row a scenario), ``summary()`` and, once drawings are registered, ``plot(ax=None)``.
"""

from __future__ import annotations

from mse.sensitivity.assumptions import HighestOrder, OddsRatio, highest_order, odds_ratio
from mse.sensitivity.lists import (
    LeaveOneOut,
    MergedLists,
    NearModels,
    leave_one_out,
    merge,
    model_range,
)

__all__ = [
    "HighestOrder",
    "LeaveOneOut",
    "MergedLists",
    "NearModels",
    "OddsRatio",
    "highest_order",
    "leave_one_out",
    "merge",
    "model_range",
    "odds_ratio",
]
