"""The answer: how many are hidden, how sure, under which assumptions.

Every method ends in a :class:`PopulationEstimate`. Reports, plots, comparisons and validation know
only this class.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse._drawing import Drawn
from mse._frozen import FrozenDict
from mse._json import decode_population, encode_population
from mse._strata import Strata, strata_frame
from mse._text import STANDARD_ASSUMPTIONS, as_html, as_text, population_sections
from mse.errors import ModelError
from mse.intervals import (
    DEFAULT_LEVEL,
    STORED_LEVELS,
    IntervalMethod,
    LognormalInterval,
    ModelRange,
    check_level,
    lognormal_interval,
)
from mse.table import TableInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mse._typing import FloatArray, Limit, Status
    from mse.table import CaptureTable

__all__ = [
    "STANDARD_ASSUMPTIONS",
    "IntervalMethod",
    "LognormalInterval",
    "ModelRange",
    "PopulationEstimate",
    "Strata",
    "lognormal_interval",
    "provenance",
]


@dataclass(frozen=True, eq=False, repr=False)
class PopulationEstimate(Drawn):
    """The size of a population of which only a part was seen.

    The estimand is N, the number of persons in the population: the observed ones, who are on at
    least one list, and the hidden ones, who are on none.

    Parameters
    ----------
    observed : int
        Observed persons.
    hidden : float
        Estimated hidden persons; NaN unless ``status`` is ``ok`` or ``boundary``.
    status : {"ok", "boundary", "not_estimable", "not_converged"}
        Whether the data determine the hidden number.
    limit : {"finite", "infinite", "zero", "indeterminate"}
        Where the hidden number goes as the likelihood approaches its supremum.
    reason : str
        Why the status is not ``ok``, in words; empty otherwise.
    method : str
        The method, in words.
    uncertainty : IntervalMethod, optional
        What computes intervals of the total.
    strata : Strata, optional
        Estimates by covariates.
    draws : ndarray of float64, shape (M,), optional
        Draws of the total (bootstrap or posterior), in persons.
    stratum_draws : DataFrame, shape (M, S), optional
        The same draws by stratum, columns in the order of the strata.
    model : str, optional
        The model, in the notation of the library.
    model_range : ModelRange, optional
        Totals of the models near the best one.
    assumptions, warnings : tuple of str, optional
        Sentences for the reader.
    lists : tuple of str, optional
        Names of the lists.
    info : TableInfo, optional
        What the table is about.
    provenance : mapping, optional
        How the estimate was made; values that JSON can hold.

    Raises
    ------
    ModelError
        If ``hidden`` is a number although ``status`` says that there is none, or the reverse.

    Examples
    --------
    >>> p = PopulationEstimate(
    ...     observed=208,
    ...     hidden=126.0,
    ...     status="ok",
    ...     limit="finite",
    ...     reason="",
    ...     method="example",
    ...     uncertainty=LognormalInterval(hidden=126.0, se=29.0, observed=208),
    ... )
    >>> p.total
    334.0
    >>> [round(end) for end in p.interval(0.95)]
    [289, 405]
    >>> p.interval_kind
    'lognormal'
    """

    observed: int
    hidden: float
    status: Status
    limit: Limit
    reason: str
    method: str
    uncertainty: IntervalMethod | None = None
    strata: Strata | None = None
    draws: FloatArray | None = None
    stratum_draws: pd.DataFrame | None = None
    model: str = ""
    model_range: ModelRange | None = None
    assumptions: tuple[str, ...] = STANDARD_ASSUMPTIONS
    warnings: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    info: TableInfo = field(default_factory=TableInfo)
    provenance: Mapping[str, Any] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        hidden = float(self.hidden)
        estimable = self.status in ("ok", "boundary")
        if estimable != (math.isfinite(hidden) and hidden >= 0):
            msg = (
                f"An estimate with status {self.status!r} has {hidden} hidden persons; expected "
                f"{'a number that is not negative' if estimable else 'NaN'}."
            )
            raise ModelError(msg)
        object.__setattr__(self, "hidden", hidden if estimable else math.nan)
        object.__setattr__(self, "observed", int(self.observed))
        object.__setattr__(self, "provenance", FrozenDict(self.provenance))
        if self.draws is not None:
            draws = np.array(self.draws, dtype=np.float64)
            draws.setflags(write=False)
            object.__setattr__(self, "draws", draws)

    # Figures -----------------------------------------------------------------------------------

    @property
    def total(self) -> float:
        """Estimated N, observed and hidden persons together; NaN if it is not estimable."""
        return self.observed + self.hidden

    @property
    def coverage(self) -> float:
        """Observed persons as a share of the estimated total; NaN if that is not estimable."""
        return self.observed / self.total if self.total > 0 else math.nan

    @property
    def interval_kind(self) -> str:
        """How intervals are computed, ``profile`` for instance; empty if there are none."""
        return "" if self.uncertainty is None else self.uncertainty.kind

    @property
    def interval_given(self) -> str:
        """What intervals take for granted, ``given the model`` for instance."""
        return "" if self.uncertainty is None else self.uncertainty.given

    def interval(self, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Interval of the total.

        Parameters
        ----------
        level : float, default 0.95
            Level of the interval, strictly between 0 and 1.

        Returns
        -------
        tuple of float
            Low and high end, in persons; NaN where there is no interval, infinite where it has no
            upper bound.

        Raises
        ------
        ModelError
            If the level is not between 0 and 1, or was not stored in an estimate read from JSON.
        """
        check_level(level)
        if self.uncertainty is None:
            return math.nan, math.nan
        low, high = self.uncertainty.interval(level)
        return float(low), float(high)

    # Strata ------------------------------------------------------------------------------------

    @property
    def by(self) -> pd.DataFrame | None:
        """Estimates by stratum with 95% intervals, one row each; None without covariates."""
        return None if self.strata is None else self.margin(*self.strata.names)

    def margin(self, *names: str, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Estimates by some covariates, summed over the others.

        Parameters
        ----------
        *names : str
            Covariates to keep.
        level : float, default 0.95
            Level of the intervals: quantiles of the draws where there are any, otherwise
            log-normal from the covariance.

        Returns
        -------
        DataFrame
            One row per combination of levels: the covariates, then ``observed``, ``hidden``,
            ``total``, ``coverage``, ``low``, ``high``, ``status``, ``limit``. A sum over a
            stratum that is not estimable is NaN.

        Raises
        ------
        ModelError
            If the estimate has no covariates, or not the named ones.
        """
        if self.strata is None:
            msg = (
                "The estimate has no strata: the table it came from has no covariates. Name them "
                "when the table is made, covariates=[...]."
            )
            raise ModelError(msg)
        draws = None if self.stratum_draws is None else self.stratum_draws.to_numpy(np.float64)
        return strata_frame(self.strata, names, level, draws)

    # Other shapes ------------------------------------------------------------------------------

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the estimate as a DataFrame of one row."""
        low, high = self.interval(level)
        row = {
            "method": self.method,
            "model": self.model,
            "observed": self.observed,
            "hidden": self.hidden,
            "total": self.total,
            "coverage": self.coverage,
            "low": low,
            "high": high,
            "level": level,
            "interval_kind": self.interval_kind,
            "given": self.interval_given,
            "status": self.status,
            "limit": self.limit,
            "reason": self.reason,
        }
        return pd.DataFrame([row])

    def to_dict(
        self, *, levels: Iterable[float] = STORED_LEVELS, draws: bool = False
    ) -> dict[str, Any]:
        """Write the estimate as a dictionary for JSON, schema ``mse.population/1``.

        Parameters
        ----------
        levels : iterable of float, optional
            Levels of the intervals to write; 50, 80, 90, 95 and 99% by default.
        draws : bool, default False
            Write the draws as well. Intervals by stratum that come from draws can be computed
            again from the JSON only then.

        Returns
        -------
        dict
            Of strings, numbers, booleans, None, lists and dictionaries; never NaN or infinity.
        """
        return encode_population(self, levels, draws=draws)

    def to_json(
        self,
        *,
        levels: Iterable[float] = STORED_LEVELS,
        draws: bool = False,
        indent: int | None = 2,
    ) -> str:
        """Write the estimate as JSON text; parameters as of :meth:`to_dict`."""
        data = self.to_dict(levels=levels, draws=draws)
        return json.dumps(data, indent=indent, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PopulationEstimate:
        """Read the estimate that :meth:`to_dict` wrote, with intervals at the levels it wrote.

        Raises
        ------
        ModelError
            If the data do not follow the schema ``mse.population/1``.
        """
        return cls(**decode_population(data))

    @classmethod
    def from_json(cls, text: str) -> PopulationEstimate:
        """Read the estimate that :meth:`to_json` wrote.

        Raises
        ------
        ModelError
            If the text is not JSON, or does not follow the schema ``mse.population/1``.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"The text is not JSON: {error}."
            raise ModelError(msg) from error
        return cls.from_dict(data)

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the estimate in words: question, interval, point, conditions, assumptions, source."""
        return as_text(population_sections(self, level))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        model = f" {self.model}" if self.model else ""
        head = f"<PopulationEstimate: {self.method}{model}, observed {self.observed:,}"
        if math.isnan(self.hidden):
            return f"{head}, {self.status}>"
        return f"{head}, estimated total {self.total:,.0f}, {self.status}>"

    def _repr_html_(self) -> str:
        return as_html(population_sections(self, DEFAULT_LEVEL))


def provenance(estimator: object, table: CaptureTable) -> dict[str, Any]:
    """How an estimate was made: software and its version, estimator, fingerprint of the table.

    Parameters
    ----------
    estimator : object
        The estimator; its ``repr`` shows all its settings.
    table : CaptureTable
        The table it was fitted to.

    Returns
    -------
    dict
        Values that JSON can hold.
    """
    try:
        release = version("multiple-systems")
    except PackageNotFoundError:
        # Used from a source tree that is not installed.
        release = "unknown"
    return {
        "software": "multiple-systems",
        "version": release,
        "estimator": repr(estimator),
        "table": table.fingerprint,
    }
