"""Which family of counts describes one register best, and what the choice does to the interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from mse.answer.intervals import RESELECTED
from mse.answer.method import Method
from mse.answer.protocols import Fitted, Sparing
from mse.classical.register_draws import RegisterRefitter
from mse.classical.single_register import (
    DISPERSION,
    PARTIAL,
    SingleRegister,
    SingleRegisterFit,
    drawing_of_counts,
)
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from mse.answer.population import PopulationEstimate
    from mse.classical.single_register import Family, Inflation
    from mse.data.count_table import CountTable
    from mse.redrawing import Drawing, Resampling


@dataclass(frozen=True, repr=False)
class SingleRegisterSearch(Sparing):
    """Choice among families of counts of one register, by a criterion.

    Parameters
    ----------
    families : sequence of str
        Families that model every count, see `SingleRegister`; those that look at some counts only have no
        likelihood to compare.
    formula : str, default "1"
        Covariates of the mean, of every family.
    inflations : sequence of str or None
        Forms of the inflation of ones that are tried with each family, None for none. Without covariates
        ``"before"`` and ``"after"`` fit equally well and hide different numbers: no criterion tells them apart.
    criterion : {"bic", "aic"}, default "bic"
        By which the best is chosen among those that are estimable.

    Notes
    -----
    The analytic interval takes the choice for granted. `mse.bootstrap` chooses again in every replicate, so its
    interval includes it.

    Examples
    --------
    >>> import mse
    >>> fit = mse.SingleRegisterSearch().fit(mse.load_dataset("irregular_migrants"))
    >>> fit.models[["family", "status"]].values.tolist()[0]
    ['geometric', 'ok']
    """

    families: tuple[Family, ...] = ("poisson", "geometric", "negative_binomial")
    formula: str = "1"
    inflations: tuple[Inflation | None, ...] = (None,)
    criterion: Literal["bic", "aic"] = "bic"

    def __post_init__(self) -> None:
        for name in ("families", "inflations"):
            given: Any = getattr(self, name)
            object.__setattr__(
                self, name, (given,) if isinstance(given, str | None) else tuple(given)
            )
        if self.criterion not in ("bic", "aic"):
            raise ModelError(f"criterion={self.criterion!r} is not known; expected 'bic' or 'aic'.")
        if (
            not self.families
            or not self.inflations
            or {*self.families} & {*PARTIAL}
            or "zero_one" in self.inflations
        ):
            raise ModelError(
                f"families={self.families!r}, inflations={self.inflations!r}: expected families among "
                f"{', '.join(DISPERSION)}, and inflations other than 'zero_one', so that all have a likelihood of "
                "the same counts."
            )
        self.candidates  # noqa: B018 - says what is not known

    @property
    def candidates(self) -> tuple[SingleRegister, ...]:
        """What is tried."""
        pairs = product(self.families, self.inflations)
        return tuple(SingleRegister(family, self.formula, inflation) for family, inflation in pairs)

    @property
    def method(self) -> Method:
        """What the settings declare."""
        every = [each.method for each in self.candidates]
        cited = dict.fromkeys(text for each in every for text in each.references)
        name = Message("method.register_search", n=len(every), criterion=self.criterion.upper())
        return Method(
            *(name, every[0].dependence, tuple(cited), ""),
            Message("assumption.register_best"),
            "counts",
        )

    def fit(self, table: CountTable) -> SingleRegisterSearchFit:
        """Fit every family, and take the best one that is estimable.

        Parameters
        ----------
        table : CountTable
            With the covariates that the formula names.

        Returns
        -------
        SingleRegisterSearchFit

        Raises
        ------
        ModelError
            If the table is of another kind, or has not the covariates.
        """
        fits = [each.fit(table) for each in self.candidates]
        fits.sort(
            key=lambda each: (each.status not in ("ok", "boundary"), getattr(each, self.criterion))
        )
        best = fits[0]
        chosen, declared = best.population, self.method
        named = " ".join(filter(None, (best.estimator.family, best.estimator.inflation)))
        population = replace(
            chosen,
            method=declared.name,
            model=": ".join(filter(None, (named, chosen.model))),
            assumptions=declared.assumptions,
            references=declared.references,
            provenance={
                **chosen.provenance,
                "estimator": repr(self),
                "chosen": repr(best.estimator),
            },
        )
        return SingleRegisterSearchFit(self, table, population, tuple(fits))


@dataclass(frozen=True, eq=False, repr=False)
class SingleRegisterSearchFit(Fitted):
    """Families of counts fitted to one register, the best first.

    Attributes
    ----------
    estimator : SingleRegisterSearch
        What was asked.
    table : CountTable
        Of what.
    population : PopulationEstimate
        The answer of the best family that is estimable.
    fits : tuple of SingleRegisterFit
        All fits, best first.
    """

    estimator: SingleRegisterSearch
    table: CountTable
    population: PopulationEstimate
    fits: tuple[SingleRegisterFit, ...] = field(repr=False)

    @property
    def models(self) -> pd.DataFrame:
        """What was tried, best first.

        Columns ``family``, ``inflation``, ``n_parameters``, ``log_likelihood``, ``aic``, ``bic``, ``total``, ``status``,
        ``limit``.
        """
        rows = [
            {
                "family": each.estimator.family,
                "inflation": each.estimator.inflation or "",
                "n_parameters": each.n_parameters,
                "log_likelihood": each.log_likelihood,
                "aic": each.aic,
                "bic": each.bic,
                "total": each.population.total,
                "status": each.status,
                "limit": each.limit,
            }
            for each in self.fits
        ]
        return pd.DataFrame(rows)

    def refitter(self, candidates: int | None = None) -> RegisterRefitter:
        """Return what chooses again for persons drawn anew, among the best ``candidates`` if given."""
        return RegisterRefitter(self.fits[:candidates], RESELECTED, self.estimator.criterion)

    def drawing(self, resampling: Resampling) -> Drawing:
        """Return what draws persons anew, from the best family."""
        return drawing_of_counts(self.fits[0], resampling)

    def _headline(self) -> str:
        best = self.fits[0]
        if math.isnan(best.bic):
            return ""
        return f"{best.estimator.method.name}: the best by {self.estimator.criterion.upper()} of {len(self.fits)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.estimator!r}: {self.status}>"
