"""The classical closed-population models M0, Mt, Mb, Mbh, Mh and Mth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from mse.answer.goodness import fit_warnings
from mse.answer.intervals import CHAO_1987
from mse.answer.method import LOWER_BOUND, Method
from mse.answer.population import answer
from mse.answer.protocols import Fitted, check_lists_alone
from mse.classical.closed_fits import (
    LEVERAGES,
    ClosedResult,
    Correction,
    Histories,
    behavioral_result,
    loglinear_result,
)
from mse.errors import ModelError
from mse.loglinear.design import criteria
from mse.models.heterogeneity import RIVEST_2007, Form

if TYPE_CHECKING:
    from mse.answer.population import PopulationEstimate
    from mse.data.table import CaptureTable

Model = Literal["M0", "Mt", "Mb", "Mbh", "Mh", "Mth"]

_BEHAVIORAL = ("Mb", "Mbh")
_HETEROGENEOUS = ("Mh", "Mth")

_DEPENDENCE = {
    "M0": "Independent lists, each with the same chance of holding a person.",
    "Mt": "Independent lists, each with its own chance of holding a person.",
    "Mb": (
        "Lists are occasions in the order given. Each catches the same share of those not caught "
        "before; those caught once are caught again with another chance."
    ),
    "Mbh": (
        "Lists are occasions in the order given. The first catches a share of its own, each "
        "further one the same share of those not caught before; those caught once are caught "
        "again with another chance."
    ),
    "Mh": (
        "Lists are independent and alike for each person, and persons differ in their chance of "
        "being on a list, in the form that the model names."
    ),
    "Mth": (
        "Lists are independent for each person, each with its own level, and persons differ in "
        "their chance of being on lists, in the form that the model names."
    ),
}

_OTIS = "Otis, D. L., Burnham, K. P., White, G. C. and Anderson, D. R. (1978). Statistical inference from capture data on closed animal populations. Wildlife Monographs 62, 1-135."
_CORMACK = "Cormack, R. M. (1989). Log-linear models for capture-recapture. Biometrics 45, 395-413."
#: Behind the corrections of the bias.
_CORRECTIONS = {
    False: (),
    True: (
        "Rivest, L.-P. and Levesque, T. (2001). Improved log-linear model estimators of abundance in capture-recapture experiments. Canadian Journal of Statistics 29, 555-572.",
    ),
    LEVERAGES: (
        "Cordeiro, G. M. and McCullagh, P. (1991). Bias correction in generalized linear models. Journal of the Royal Statistical Society B 53, 629-643.",
        "Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80, 27-38.",
    ),
}


@dataclass(frozen=True)
class ClosedPopulation:
    r"""Population size by a classical model of who is caught how often.

    The estimand is N, all persons of the population, on a list or on none.

    Parameters
    ----------
    model : {"M0", "Mt", "Mb", "Mbh", "Mh", "Mth"}, default "Mth"
        Subscripts say what chances of being on a list depend on: nothing (``0``), the list (``t``),
        having been on an earlier one (``b``), the person (``h``) (Otis et al. 1978).
    heterogeneity : {"chao", "poisson", "darroch", "gamma"}, optional
        How persons differ, for Mh and Mth; ``"chao"`` where it is not given. Chao's is a lower
        bound that holds whatever the differences are.
    bias_corrected : bool or {"leverages"}, default False
        Correct the total for its bias in small samples. True is the published correction (Rivest &
        Levesque 2001), which is derived for small chances of being on a list, and for large ones adds to
        the bias; a warning says so where the fitted chances are that large. ``"leverages"`` corrects at
        the fitted chances. Deviance, criteria and coefficients stay those of maximum likelihood.
    ordered : bool, default False
        Say that the lists of the table are occasions in order of time, which Mb and Mbh need.

    Raises
    ------
    ModelError
        If an option is not known, heterogeneity is given for a model without it, or a
        behavioral model is asked for without ``ordered=True``.

    Notes
    -----
    With k the number of lists of a history, log means are :math:`\beta_0 + \beta k` under M0,
    :math:`\beta_0 + \sum_j \beta_j \omega_j` under Mt (Cormack 1989), and heterogeneity adds
    :math:`\gamma g(k)` with g a convex function: :math:`2^k - 1` (Poisson), :math:`k^2/2` (Darroch),
    :math:`-\log((3.5 + k)/3.5)` (gamma), or :math:`\sum_j \eta_j \max(k - j + 1, 0)` with every
    :math:`\eta_j \ge 0`, j from 3 to K (Chao; Rivest & Baillargeon 2007). The hidden count is
    :math:`\exp(\beta_0)`. Coefficients :math:`\eta_j` that are zero do not count as parameters.
    Behavioral models estimate N from how first captures fall off.

    Intervals are profile likelihood intervals given the model (Cormack 1992), and log-normal
    (Chao 1987) where the bias is corrected. With ``bias_corrected=True`` totals come from modified
    frequencies (Rivest & Levesque 2001), and from :math:`\frac{K-1}{2K} f_1 (f_1 - 1)/(f_2 + 1)` hidden
    persons for Mh with Chao's bound. The modification is that of chances towards 0: with K lists that
    each hold a share p of the persons it leaves the total of Mt with more first-order bias than maximum
    likelihood has from about p = 0.34 for K = 3, 0.18 for K = 4, 0.10 for K = 5 and 0.04 for K = 8.
    With ``"leverages"`` the score equation has the terms that remove the first-order bias of the hidden
    count at any chances (Cordeiro & McCullagh 1991; Firth 1993); for two lists that is the total of
    Chapman.

    Whether the data determine a total is decided before anything is fitted, by the facial set of the
    table (Fienberg & Rinaldo 2012); otherwise the status is ``not_estimable``, also where a formula would
    give fewer persons than were observed.

    Examples
    --------
    >>> import mse
    >>> hares = mse.load_dataset("snowshoe_hare")
    >>> fit = mse.ClosedPopulation("Mth", heterogeneity="darroch").fit(hares)
    >>> round(fit.population.total, 1), round(fit.deviance, 1), fit.df_residual
    (90.5, 50.7, 55)
    >>> models = mse.ClosedPopulation.all(ordered=True)
    >>> mse.compare(hares, models).to_frame()["total"].round(1).head(3).tolist()
    [75.4, 75.1, 79.8]
    """

    model: Model = "Mth"
    heterogeneity: Form | None = None
    bias_corrected: Correction = False
    ordered: bool = False

    def __post_init__(self) -> None:
        _check_options(self)
        if self.model in _HETEROGENEOUS and self.heterogeneity is None:
            object.__setattr__(self, "heterogeneity", "chao")

    @classmethod
    def all(
        cls, *, ordered: bool = False, bias_corrected: Correction = False
    ) -> tuple[ClosedPopulation, ...]:
        """All models, for a comparison.

        Parameters
        ----------
        ordered : bool, default False
            Whether lists are occasions in order of time; Mb and Mbh are left out otherwise.
        bias_corrected : bool or {"leverages"}, default False
            Whether and how to correct the totals for bias.

        Returns
        -------
        tuple of ClosedPopulation
            M0, Mt, Mh and Mth in all forms, and Mb and Mbh if ``ordered``.
        """
        forms: tuple[Form, ...] = get_args(Form)
        chosen: list[tuple[Model, Form | None]] = [("M0", None), ("Mt", None)]
        chosen += [("Mh", form) for form in forms] + [("Mth", form) for form in forms]
        if ordered:
            chosen += [("Mb", None), ("Mbh", None)]
        return tuple(cls(model, form, bias_corrected, ordered) for model, form in chosen)

    @property
    def name(self) -> str:
        """The model in words, ``"Mth Darroch"`` for instance."""
        form = f" {self.heterogeneity.capitalize()}" if self.heterogeneity else ""
        return f"{self.model}{form}"

    @property
    def method(self) -> Method:
        """Name, assumptions and sources of the model; in Chao's form it is a lower bound."""
        chao = self.heterogeneity == "chao"
        return Method(
            f"closed-population model{', bias corrected' * bool(self.bias_corrected)}",
            _DEPENDENCE[self.model],
            (
                _OTIS,
                *(() if self.model in _BEHAVIORAL else (_CORMACK,)),
                *((RIVEST_2007,) if self.heterogeneity else ()),
                *((CHAO_1987,) if chao else ()),
                *_CORRECTIONS[self.bias_corrected],
            ),
            LOWER_BOUND if chao else "",
        )

    def fit(self, table: CaptureTable) -> ClosedPopulationFit:
        """Fit the model to a table.

        Parameters
        ----------
        table : CaptureTable
            Lists without covariates, all counts and memberships known.

        Returns
        -------
        ClosedPopulationFit

        Raises
        ------
        ModelError
            If the table is of another kind, or has more lists than Mt and Mth can take.
        """
        check_lists_alone(self, table)
        some = table.low > 0
        counts = table.low[some].astype(np.float64)
        histories = Histories(table.lists, table.patterns[some], counts)
        if self.model in _BEHAVIORAL:
            result = behavioral_result(
                histories,
                first_differs=self.model == "Mbh",
                bias_corrected=self.bias_corrected,
            )
        else:
            result = loglinear_result(
                histories,
                self.heterogeneity,
                lists_differ=self.model in ("Mt", "Mth"),
                bias_corrected=self.bias_corrected,
            )
        return ClosedPopulationFit(self, table, result)


def _check_options(estimator: ClosedPopulation) -> None:
    model, form = estimator.model, estimator.heterogeneity
    if model not in get_args(Model):
        known = ", ".join(get_args(Model))
        raise ModelError(f"The model {model!r} is not known; expected one of {known}.")
    if form is not None and form not in get_args(Form):
        known = ", ".join(map(repr, get_args(Form)))
        raise ModelError(f"heterogeneity={form!r} is not known; expected one of {known}.")
    if form is not None and model not in _HETEROGENEOUS:
        raise ModelError(
            f"heterogeneity={form!r} goes with Mh and Mth, and the model is {model}, in which "
            "persons do not differ. Leave it out, or choose Mh or Mth."
        )
    if estimator.bias_corrected not in (False, True, LEVERAGES):
        raise ModelError(
            f"bias_corrected={estimator.bias_corrected!r} is not known; expected True, False or "
            f"{LEVERAGES!r}."
        )
    if model in _BEHAVIORAL and not estimator.ordered:
        raise ModelError(
            f"{model} describes how being caught changes the chance of being caught later, so it "
            "depends on the order of the lists. If the lists of the table are occasions in order "
            "of time, say so with ordered=True; registers that run side by side have no order, "
            "and the model says nothing about them."
        )


@dataclass(frozen=True, eq=False, repr=False)
class ClosedPopulationFit(Fitted):
    """What one closed-population model learned from a table.

    Attributes
    ----------
    estimator : ClosedPopulation
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: ClosedPopulation
    table: CaptureTable
    _result: ClosedResult = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"<ClosedPopulationFit {self.estimator.name}: {self.status}, deviance "
            f"{self.deviance:.2f}>"
        )

    @property
    def deviance(self) -> float:
        """Deviance over all observable histories, at the supremum of the likelihood."""
        return self._result.deviance

    @property
    def n_parameters(self) -> int:
        """Parameters of the model; coefficients of Chao's bound that are zero do not count."""
        return self._result.n_parameters

    @property
    def df_residual(self) -> int:
        """Observable histories minus parameters."""
        return (1 << self.table.n_lists) - 1 - self.n_parameters

    @cached_property
    def _criteria(self) -> tuple[float, float, float]:
        counts = self.table.low.astype(np.float64)
        values = criteria(np.asarray([self.deviance]), np.asarray([self.n_parameters]), counts)
        return float(values.aic[0]), float(values.aicc[0]), float(values.bic[0])

    @property
    def aic(self) -> float:
        """Akaike's criterion of the Poisson model on the observable histories."""
        return self._criteria[0]

    @property
    def aicc(self) -> float:
        """Akaike's criterion, corrected for small samples with n observed persons."""
        return self._criteria[1]

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the log of the number of observed persons."""
        return self._criteria[2]

    @cached_property
    def coefficients(self) -> pd.Series[float]:
        """Maximum likelihood estimates.

        Returns
        -------
        Series
            Log scale for M0, Mt, Mh and Mth: ``intercept``, ``captures`` or the lists, and the
            heterogeneity (``eta3``, ... for Chao's bound); -inf for a list with nobody, NaN where the
            data do not determine it. Probabilities for Mb and Mbh: ``first capture``, ``recapture``
            and, for Mbh, ``first occasion``.
        """
        names = [name for name, _ in self._result.coefficients]
        values = [value for _, value in self._result.coefficients]
        return pd.Series(values, index=names, name="coefficient", dtype=np.float64)

    @property
    def standard_error(self) -> float:
        """Standard error of the total, persons; NaN where it is not estimable."""
        return sqrt(self._result.variance)

    @cached_property
    def population(self) -> PopulationEstimate:
        """The answer: observed, hidden and total persons, with an interval given the model."""
        found = self._result
        record = None if found.fit_test is None else found.fit_test.record()
        return answer(
            self.estimator,
            self.table,
            found.hidden,
            found.status,
            found.limit,
            found.reason,
            uncertainty=found.uncertainty,
            model=self.estimator.name,
            test=found.fit_test,
            warnings=(*found.notes, *fit_warnings(record, self.table.n_lists)),
        )

    def _headline(self) -> str:
        return (
            f"{self.estimator.name}: {self.n_parameters} parameters, deviance {self.deviance:.2f} "
            f"on {self.df_residual} df, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        )
