"""The model varied: every model of a search close to the best one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from mse._result import Result, layout
from mse._text import ALIKE, Section, persons
from mse.errors import ModelError

if TYPE_CHECKING:
    from mse.intervals import ModelRange

__all__ = ["NearModels", "model_range"]

#: So many models stand in a summary; all of them in the frame.
_SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class NearModels(Result):
    """Totals of all models of a search close to the best one.

    Attributes
    ----------
    criterion : str
        In words, ``"BIC"``.
    within : float
        Distance from the best estimable model, in units of the criterion.
    low, high : float
        Smallest and largest total, persons; NaN where no model is estimable.
    n_models, n_not_estimable : int
        Models as near that determine a total, and that determine none.
    """

    criterion: str
    within: float
    low: float
    high: float
    n_models: int
    n_not_estimable: int
    _frame: pd.DataFrame = field(repr=False)

    @property
    def range(self) -> ModelRange | None:
        """The same as part of a `PopulationEstimate`; None unless two models determine a total."""
        from mse.intervals import ModelRange

        if self.n_models < 2:
            return None
        return ModelRange(
            self.low, self.high, self.n_models, self.n_not_estimable, self.criterion, self.within
        )

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each model, best first: the columns of ``fit.models`` and ``difference``.

        ``difference`` is the criterion less that of the best estimable model: negative for a
        better one that determines no total.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<NearModels: {self.n_models} within {self.within:g} of the best {self.criterion}>"

    def _sections(self) -> list[Section]:
        shown = self._frame.head(_SHOWN)
        rows = [
            [model, f"{difference:.2f}", "-" if math.isnan(total) else persons(total), status]
            for model, difference, total, status in zip(
                shown["model"], shown["difference"], shown["total"], shown["status"], strict=True
            )
        ]
        head = ["model", f"{self.criterion} less the best", "estimated total", "status"]
        return [
            Section("Models close to the best one", paragraphs=(*self._words(), ALIKE)),
            Section(f"The first {len(rows):,}, best first", verbatim=layout(head, rows)),
        ]

    def _words(self) -> tuple[str, ...]:
        near = f"within {self.within:g} of the best {self.criterion}"
        failed = f"{self.n_not_estimable:,} determine{'s' * (self.n_not_estimable == 1)} none"
        if not self.n_models:
            return (f"No model {near} determines a total.",)
        if self.n_models == 1:
            more = f" As near, {failed}." if self.n_not_estimable else ""
            text = f"Only one model {near} determines a total, {persons(self.low)}: there is no range.{more}"
            return (text,)
        low, high = persons(self.low), persons(self.high)
        more = f"; as near, {failed}" if self.n_not_estimable else ""
        return (
            f"The {self.n_models:,} models {near} put the total between {low} and {high}{more}.",
        )


def model_range(fit: Any, within: float = 10.0) -> NearModels:
    """Totals of all models of a search close to the best by its criterion.

    Parameters
    ----------
    fit : LogLinearSearchFit
        Or any fit with a frame ``models`` (``model``, the criterion, ``total``, ``status``) and an
        estimator with a ``criterion``.
    within : float, default 10
        How close, in units of the criterion; 10 in BIC is very strong evidence against the worse model
        (Kass & Raftery 1995, JASA 90, 773-795).

    Returns
    -------
    NearModels

    Raises
    ------
    ModelError
        If the fit is not of a search, or ``within`` is negative.

    Notes
    -----
    A search by p-value has no criterion of its own: its models are compared by BIC. A stepwise
    search knows only the models it tried.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinearSearch().fit(mse.load_dataset("kosovo"))
    >>> near = mse.sensitivity.model_range(fit, within=2)
    >>> near.n_models, round(near.low, 1), round(near.high, 1)
    (3, 10356.5, 18393.3)
    """
    models = getattr(fit, "models", None)
    criterion = getattr(getattr(fit, "estimator", None), "criterion", None)
    if not isinstance(models, pd.DataFrame) or not isinstance(criterion, str):
        raise ModelError(
            f"{fit!r} knows one model only; expected the fit of a search, such as "
            "mse.LogLinearSearch().fit(table)."
        )
    if not within >= 0:
        raise ModelError(f"within={within!r}; expected a number of at least 0.")
    name = "bic" if criterion == "pvalue" else criterion
    estimable = models["total"].notna()
    best = models.loc[estimable, name].min()
    difference = models[name] - best
    near = models.assign(difference=difference)[difference <= within].sort_values(
        "difference", kind="stable", ignore_index=True
    )
    totals = near["total"].dropna()
    return NearModels(
        criterion={"aic": "AIC", "aicc": "AICc", "bic": "BIC"}.get(name, name),
        within=float(within),
        low=float(totals.min()) if len(totals) else math.nan,
        high=float(totals.max()) if len(totals) else math.nan,
        n_models=len(totals),
        n_not_estimable=int(near["total"].isna().sum()),
        _frame=near,
    )
