"""What a search says of criteria that rounding alone tells apart."""

from __future__ import annotations

import numpy as np

import mse
from mse.core.search import without_rounding


def test_values_that_rounding_tells_apart_are_the_same() -> None:
    low = 3.0 - 1e-13
    values = np.array([5.0, 3.0 + 2e-13, 3.0, np.inf, low, 4.0, np.inf])
    assert without_rounding(values).tolist() == [5.0, low, low, np.inf, low, 4.0, np.inf]
    assert without_rounding(np.array([])).size == 0
    assert without_rounding(np.array([1e300, np.inf])).tolist() == [1e300, np.inf]
    assert without_rounding(np.array([1e6, 1e6 + 1.0])).tolist() == [1e6, 1e6 + 1.0]


def test_two_names_of_one_model_stand_in_their_order() -> None:
    # Beside all pairs of three lists but one, the strength is that pair under another name.
    search = mse.LogLinearSearch(heterogeneity=(None, "darroch"), nonnegative=True)
    models = search.fit(mse.load_dataset("kosovo")).models
    same = models["deviance"].round(6).duplicated(keep=False) & models["bic"].round(6).duplicated(
        keep=False
    )
    assert same.any()
    best = models.iloc[:2]
    assert best["bic"].round(9).nunique() == 1
    assert best["model"].tolist() == ["[123,14,34]", "[123,14,34] + darroch"]
