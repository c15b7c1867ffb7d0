"""Protection of whatever may leave: one function for all kinds of things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from mse.disclosure.comparisons import protect_comparison
from mse.disclosure.counts import ProtectedCounts, protect_counts
from mse.disclosure.monitors import protect_monitor
from mse.disclosure.populations import protect_population
from mse.disclosure.protected import Protected
from mse.disclosure.tables import ProtectedTable, protect_table
from mse.errors import ModelError
from mse.estimators import Comparison
from mse.monitoring import Monitor
from mse.population import PopulationEstimate
from mse.table import CaptureTable

if TYPE_CHECKING:
    from mse.disclosure.rules import Rules

__all__ = ["protect"]


@overload
def protect(thing: CaptureTable, rules: Rules, **options: Any) -> ProtectedTable: ...
@overload
def protect(thing: pd.DataFrame, rules: Rules, **options: Any) -> ProtectedCounts: ...
@overload
def protect(thing: PopulationEstimate, rules: Rules, **options: Any) -> PopulationEstimate: ...
@overload
def protect(thing: Comparison, rules: Rules, **options: Any) -> Comparison: ...
@overload
def protect(thing: Monitor, rules: Rules, **options: Any) -> Monitor: ...
def protect(thing: object, rules: Rules, **options: Any) -> object:
    """Make something fit to leave.

    Parameters
    ----------
    thing : CaptureTable, PopulationEstimate, Comparison, Monitor or DataFrame of counts
        What is to leave.
    rules : Rules
        What is to be protected.
    **options
        Of `protect_table`, `protect_population`, `protect_comparison`, `protect_monitor` or
        `protect_counts`.

    Returns
    -------
    Protected
        What those functions give. An estimate, comparison or monitor is given back as it is if the
        rules ask for nothing, and whatever is protected already.

    Raises
    ------
    ModelError
        If it is something else.

    Examples
    --------
    >>> import mse
    >>> p = mse.LogLinear("main").fit(mse.load_dataset("korea")).population
    >>> mse.disclosure.protect(p, mse.disclosure.rules("cbs")).observed
    125
    """
    if isinstance(thing, Protected):
        return thing
    match thing:
        case CaptureTable():
            return protect_table(thing, rules, **options)
        case pd.DataFrame():
            return protect_counts(thing, rules, **options)
        case PopulationEstimate():
            return protect_population(thing, rules, **options) if rules.active else thing
        case Comparison():
            return protect_comparison(thing, rules, **options) if rules.active else thing
        case Monitor():
            return protect_monitor(thing, rules, **options) if rules.active else thing
    raise ModelError(
        f"{type(thing).__name__} cannot be protected: expected a CaptureTable, PopulationEstimate, "
        "Comparison, Monitor or a DataFrame of counts. Of a fit, protect its population."
    )
