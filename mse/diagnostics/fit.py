"""Does a log-linear model fit: goodness of fit, and residuals by history.

References
----------
Cochran (1954), Biometrics 10, 417-451. Davison & Hinkley (1997), Bootstrap Methods and their
Application, section 4.2. Fienberg & Rinaldo (2012), Annals of Statistics 40, 996-1023. Freeman & Tukey
(1950), Annals of Mathematical Statistics 21, 607-611. McCullagh & Nelder (1989), Generalized Linear
Models, 2nd ed., section 2.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtri, xlogy

from mse.answer.goodness import SMALL_MEAN, chi_squared_fit, plain_zero, short_p
from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.shown import Result, Section, layout, persons, with_table
from mse.comparing import Trial, attempt
from mse.data.datasets import table_from
from mse.data.histories import history_frame
from mse.errors import ModelError
from mse.loglinear import LogLinear, LogLinearFit, LogLinearSearchFit
from mse.loglinear.fit import complete_counts

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from mse._typing import FloatArray, Seed
    from mse.answer.protocols import Estimator, Fit
    from mse.data.table import CaptureTable

AnyLogLinearFit: TypeAlias = LogLinearFit | LogLinearSearchFit

#: Replicates come from a fit whose statistic equals the observed one only up to rounding: a
#: difference of this size is a tie, and ties count against the model.
TIE = 1e-7
#: Seed where nobody names one, so that a test gives the same p-value whenever it is asked again.
DEFAULT_SEED = 1
_SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class GoodnessOfFit(Result):
    """How far the counts lie from a model.

    Attributes
    ----------
    model : str
        The model, in canonical notation.
    deviance, pearson : float
        Statistics over the cells that the model can fill.
    df : int
        Cells of the facial set less the rank on it (``df_adjusted``).
    p_deviance, p_pearson : float
        Chi-squared p-values; NaN where nothing is left to test.
    p_bootstrap, p_bootstrap_pearson : float
        Parametric bootstrap p-values; NaN without replicates.
    replicates, n_failed : int
        Replicates used, and those whose fit failed, which are not.
    sparse : bool
        Whether fitted means are too small for the chi-squared p-value.
    n_small : int
        Fitted means below 5.
    df_residual : int
        Observable cells less parameters, those fitted at zero included.
    seed : int or None
        Of the bootstrap; None where a generator was given, or nothing was drawn.
    """

    model: str
    deviance: float
    pearson: float
    df: int
    p_deviance: float
    p_pearson: float
    p_bootstrap: float
    p_bootstrap_pearson: float
    replicates: int
    n_failed: int
    sparse: bool
    n_small: int
    df_residual: int = 0
    seed: int | None = None

    @property
    def least_p(self) -> float:
        """The smallest p-value that the bootstrap could give; 0 without replicates."""
        return 1 / (1 + self.replicates) if self.replicates else 0.0

    @property
    def p_value(self) -> float:
        """The p-value of the deviance to go by: bootstrap where the table is sparse."""
        use_bootstrap = self.sparse and not math.isnan(self.p_bootstrap)
        return self.p_bootstrap if use_bootstrap else self.p_deviance

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each statistic: ``value``, ``df``, ``p_chi_squared``, ``p_bootstrap``."""
        return pd.DataFrame(
            {
                "statistic": ["deviance", "Pearson"],
                "value": [self.deviance, self.pearson],
                "df": self.df,
                "p_chi_squared": [self.p_deviance, self.p_pearson],
                "p_bootstrap": [self.p_bootstrap, self.p_bootstrap_pearson],
                "replicates": self.replicates,
                "sparse": self.sparse,
                "seed": self.seed,
            }
        )

    def __repr__(self) -> str:
        return f"<GoodnessOfFit of {self.model}: deviance {self.deviance:.2f} on {self.df} df>"

    def _sections(self) -> list[Section]:
        frame = self.to_frame()[["statistic", "value", "p_chi_squared", "p_bootstrap"]]
        rows = [
            [name, f"{value:.2f}", str(self.df), _p(p), _p(p_bootstrap, self.least_p)]
            for name, value, p, p_bootstrap in frame.itertuples(index=False)
        ]
        head = ["statistic", "value", "df", "p, chi-squared", "p, bootstrap"]
        return [
            Section(f"Goodness of fit of {self.model}", verbatim=layout(head, rows)),
            Section("How to read it", paragraphs=tuple(self._words())),
        ]

    def _words(self) -> list[str]:
        if self.df == 0:
            return ["The model has as many free parameters as cells: no data can contradict it."]
        words = []
        if self.df != self.df_residual:
            words.append(
                f"Degrees of freedom are the {self.df:,} of the cells that the model can fill; with those "
                f"that it fits at zero they would be {self.df_residual:,} (df_residual)."
            )
        if self.sparse:
            are = "mean is" if self.n_small == 1 else "means are"
            words.append(
                f"{self.n_small:,} fitted {are} below {SMALL_MEAN:g}, too many or too small for "
                "the chi-squared distribution: go by the bootstrap."
            )
        if self.replicates:
            drawn = "" if self.seed is None else f", seed {self.seed}"
            words.append(f"The bootstrap p-values are from {self.replicates:,} replicates{drawn}.")
        words.append(
            "A small p-value says that the model does not describe the observed histories. A large one "
            "says nothing about the hidden cell, which no test of fit can see. After a search the "
            "p-value is too kind: the model was chosen to fit."
        )
        return words


def _p(value: float, least: float = 0.0) -> str:
    return short_p(value, least).removeprefix("= ")


def goodness_of_fit(
    fit: AnyLogLinearFit, *, replicates: int = 999, seed: Seed = DEFAULT_SEED
) -> GoodnessOfFit:
    r"""Test whether a log-linear model describes the observed histories.

    Parameters
    ----------
    fit : LogLinearFit or LogLinearSearchFit
        A fit; of a search the best model, as if it had been known beforehand.
    replicates : int, default 999
        Tables drawn from the fitted model for the bootstrap p-values; 0 for none.
    seed : int or numpy.random.Generator, default 1
        For the bootstrap: the same p-value whenever it is asked again. With None a seed is drawn. The
        result keeps it.

    Returns
    -------
    GoodnessOfFit

    Raises
    ------
    ModelError
        If the fit is not log-linear or its table known in part, or ``replicates`` is negative.

    Notes
    -----
    Deviance :math:`2 \sum n \log(n / \hat\mu) - (n - \hat\mu)` and Pearson's
    :math:`\sum (n - \hat\mu)^2 / \hat\mu` over the facial set, the cells whose extended maximum
    likelihood mean is positive; the degrees of freedom are their number less the rank of the
    design on them (Fienberg & Rinaldo 2012, section 3). The bootstrap draws the observed number
    of persons over the observable histories in proportion to the fitted means and refits the
    model; :math:`p = (1 + \#\{T^* \ge T\}) / (1 + B)` (Davison & Hinkley 1997, equation 4.11).
    Of 400 simulated tables of 150 persons on six independent lists the bootstrap of the deviance
    rejected independence at 5% in 4.5% and at 10% in 10.5%, the chi-squared p-value in none.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("kosovo"))
    >>> found = mse.diagnostics.goodness_of_fit(fit, replicates=99, seed=1)
    >>> round(found.deviance, 2), found.df, found.sparse, found.p_bootstrap
    (245.94, 10, False, 0.01)
    """
    _check_log_linear(fit)
    if replicates < 0:
        raise ModelError(f"replicates={replicates!r}; expected 0 or more.")
    observed, means = _observable(fit)
    df, deviance = fit.df_adjusted, fit.deviance
    test = chi_squared_fit(deviance, df, fit.df_residual, means)
    pearson = _pearson(observed, means)
    draws, drawn = np.empty((0, 2)), None
    if df > 0 and replicates and test is not None:
        # A seed that nobody named is drawn, and kept.
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        drawn = int(seed) if isinstance(seed, int | np.integer) else None
        draws = _bootstrap(fit, means, replicates, np.random.default_rng(seed))
    kept = draws[~np.isnan(draws).any(axis=1)]
    return GoodnessOfFit(
        model=fit.model,
        deviance=deviance,
        pearson=pearson,
        df=df,
        p_deviance=math.nan if test is None else test.p_value,
        p_pearson=float(chdtrc(df, pearson)) if df > 0 else math.nan,
        p_bootstrap=_exceedance(kept[:, 0], deviance),
        p_bootstrap_pearson=_exceedance(kept[:, 1], pearson),
        replicates=len(kept),
        n_failed=len(draws) - len(kept),
        sparse=test is not None and test.sparse,
        n_small=0 if test is None else test.n_small,
        df_residual=fit.df_residual,
        seed=drawn,
    )


def _chosen(fit: AnyLogLinearFit) -> LogLinearFit:
    """Take the fit of the one model: of a search, the best one's."""
    return fit.best if isinstance(fit, LogLinearSearchFit) else fit


def _check_log_linear(fit: AnyLogLinearFit) -> None:
    if not isinstance(fit, LogLinearFit | LogLinearSearchFit):
        raise ModelError(
            f"{fit!r} has no fitted counts by history; expected the fit of LogLinear or "
            "LogLinearSearch."
        )
    complete_counts(fit.table)


def _observable(fit: AnyLogLinearFit) -> tuple[FloatArray, FloatArray]:
    """Take the counts and fitted means of the observable cells, (O,) each."""
    n_hidden = fit.table.n_strata
    counts = fit.table.counts.ravel()[n_hidden:].astype(np.float64)
    return counts, np.asarray(fit.fitted, dtype=np.float64).ravel()[n_hidden:]


def _pearson(observed: FloatArray, means: FloatArray) -> float:
    on = means > 0
    return float(((observed[on] - means[on]) ** 2 / means[on]).sum())


def _bootstrap(
    fit: AnyLogLinearFit, means: FloatArray, replicates: int, rng: np.random.Generator
) -> FloatArray:
    """Deviance and Pearson statistic of refits to tables drawn from a fit, (B, 2)."""
    again, n_hidden = _chosen(fit).refitter(), fit.table.n_strata
    counts, chances = np.zeros(n_hidden + means.size), means / means.sum()
    found = np.empty((replicates, 2))
    for i in range(replicates):
        counts[n_hidden:] = rng.multinomial(fit.table.n_observed, chances)
        refit = again.fitted(counts)
        found[i] = plain_zero(refit.deviance), _pearson(counts[n_hidden:], refit.means[n_hidden:])
    return found


def _exceedance(draws: FloatArray, value: float) -> float:
    if not draws.size:
        return math.nan
    return float((1 + (draws >= value - TIE * max(1.0, value)).sum()) / (1 + draws.size))


@dataclass(frozen=True, eq=False, repr=False)
class Residuals(Result):
    """Observed and fitted counts of each history, and how far they lie apart.

    Attributes
    ----------
    model : str
        The model, in canonical notation.
    """

    model: str
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each observable history (and stratum), in the order of the cells.

        Returns
        -------
        DataFrame
            ``history``, a column for each covariate, ``observed``, ``fitted`` (persons),
            ``pearson``, ``deviance``, ``anscombe``, ``freeman_tukey``; NaN where the model puts
            the mean at zero.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<Residuals of {self.model}: {len(self._frame)} histories>"

    def _sections(self) -> list[Section]:
        names, shown = _largest(self._frame, "deviance")
        rows = [
            [
                *(str(row[name]) for name in names),
                f"{row['observed']:,.0f}",
                f"{row['fitted']:,.1f}",
                *(_signed(row[kind]) for kind in ("pearson", "deviance", "freeman_tukey")),
            ]
            for row in shown
        ]
        head = [*names, "observed", "fitted", "Pearson", "deviance", "Freeman-Tukey"]
        title = f"Residuals of {self.model}, the {len(rows)} largest of {len(self._frame):,}"
        return [Section(title, verbatim=layout(head, rows))]


def _largest(frame: pd.DataFrame, by: str) -> tuple[list[str], list[dict[Hashable, Any]]]:
    """Name the columns of histories and strata, and take the rows in which something is largest."""
    order = frame[by].abs().sort_values(ascending=False, kind="stable").index[:_SHOWN]
    names = list(frame.columns[: frame.columns.get_loc("observed")])
    return names, frame.loc[order].to_dict("records")


def _signed(value: float) -> str:
    """Write a residual; what rounds to zero is +0.00, whatever the sign of its rounding error."""
    return f"{round(value, 2) + 0.0:+.2f}"


def residuals(fit: AnyLogLinearFit) -> Residuals:
    r"""Residuals of a log-linear fit, by history.

    Parameters
    ----------
    fit : LogLinearFit or LogLinearSearchFit
        A fit; of a search the best model.

    Returns
    -------
    Residuals

    Raises
    ------
    ModelError
        If the fit is not log-linear, or its table known in part.

    Notes
    -----
    For a count n with fitted mean :math:`\mu`: Pearson :math:`(n - \mu)/\sqrt\mu`; deviance
    :math:`\pm\sqrt{2 (n \log(n/\mu) - n + \mu)}`; Anscombe
    :math:`\tfrac32 (n^{2/3} - \mu^{2/3}) / \mu^{1/6}` (McCullagh & Nelder 1989, section 2.4);
    Freeman-Tukey :math:`\sqrt n + \sqrt{n + 1} - \sqrt{4\mu + 1}` (Freeman & Tukey 1950). The
    first two square and sum to the statistics of :func:`goodness_of_fit`.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> mse.diagnostics.residuals(fit).to_frame()[["history", "observed", "fitted"]].head(2).round(
    ...     1
    ... )
      history  observed  fitted
    0     001        41    13.5
    1     010         5    19.0
    """
    _check_log_linear(fit)
    observed, means = _observable(fit)
    mu = np.where(means > 0, means, np.nan)
    gap = observed - mu
    cells = np.arange(fit.table.n_strata, fit.table.n_cells)
    frame = history_frame(fit.table, cells).assign(
        observed=observed.astype(np.int64),
        fitted=means,
        pearson=gap / np.sqrt(mu),
        deviance=np.sign(gap) * np.sqrt(2 * np.maximum(xlogy(observed, observed / mu) - gap, 0)),
        anscombe=1.5 * (observed ** (2 / 3) - mu ** (2 / 3)) / mu ** (1 / 6),
        freeman_tukey=np.sqrt(observed) + np.sqrt(observed + 1) - np.sqrt(4 * mu + 1),
    )
    return Residuals(fit.model, frame)


# Which persons an estimate depends on: one left out, history by history ---------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Result):
    """How the estimated total changes when one person of a history is left out.

    Attributes
    ----------
    estimator : Estimator
        What was fitted again for each history.
    total : float
        Estimate from everybody, persons.
    reselected : bool
        Whether the whole method was repeated, or the chosen model kept.
    """

    estimator: Estimator
    total: float
    reselected: bool
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each history (and stratum) with somebody in it.

        Returns
        -------
        DataFrame
            ``history``, a column for each covariate, ``observed`` (persons with it), ``total``
            (the estimate with one of them left out), ``change`` (from the estimate with everybody;
            infinite, or minus the hidden count, where the estimate ceases to exist with such a
            limit), ``relative`` (the change over the total), ``status``, ``limit``.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<Influence on {self.estimator!r}: {len(self._frame)} histories>"

    def _sections(self) -> list[Section]:
        names, shown = _largest(self._frame, "change")
        rows = [
            [
                *(str(row[name]) for name in names),
                f"{row['observed']:,}",
                "-" if math.isnan(row["total"]) else persons(row["total"]),
                _signed_share(row["change"]),
                row["status"],
            ]
            for row in shown
        ]
        how = "the whole method repeated" if self.reselected else "the model kept"
        return with_table(
            ("Influence of single persons", "The most influential histories"),
            [*names, "observed", "total without one", "change", "status"],
            rows,
            f"One person of a history is left out, {how}. The estimated total with everybody is "
            f"{persons(self.total)}.",
        )


def _signed_share(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "without bound" if math.isinf(value) else f"{value:+,.1f}"


def influence(fit: Fit, *, reselect: bool = False) -> Influence:
    """Leave one person out of each history in turn, and estimate again.

    Parameters
    ----------
    fit : Fit
        Any fit of a table whose observations are fully known.
    reselect : bool, default False
        Repeat the whole method, selection included, rather than keep the model of a log-linear
        fit. Estimators of other kinds are always repeated as a whole.

    Returns
    -------
    Influence
        Each refit is exact. A person left out is not observed either: with nothing else changed
        the total falls by 1.

    Raises
    ------
    ModelError
        If observations are known in part.

    Examples
    --------
    >>> import mse
    >>> table = mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, lists=["a", "b"])
    >>> found = mse.diagnostics.influence(mse.LincolnPetersen().fit(table))
    >>> found.to_frame()[["history", "observed", "total", "change"]]
      history  observed  total  change
    0      01        10   28.0    -2.0
    1      10         5   27.0    -3.0
    2      11         5   31.5     1.5
    """
    table = fit.table
    if not table.is_complete:
        raise ModelError(
            "The table holds observations that are known in part, or only as margins: there is no "
            "single history from which to leave a person out. Ask of a table of fully known records, and "
            "look at sensitivity.leave_one_out for lists."
        )
    kept = not reselect and isinstance(fit, LogLinearFit | LogLinearSearchFit)
    estimator = _chosen(fit).estimator if kept else fit.estimator  # type: ignore[arg-type]
    counts = table.counts.ravel()
    cells = np.flatnonzero(counts)
    trials = []
    for cell in cells:
        fewer = counts.copy()
        fewer[cell] -= 1
        rest = table.with_counts(fewer.reshape(table.shape))
        if isinstance(fit, LogLinearSearchFit) and not kept:
            trials.append(Trial(fit.repeated(rest)))
        else:
            trials.append(attempt(estimator, rest))
    total, n = fit.population.total, table.n_observed
    changes = np.asarray([_change(trial, total, n) for trial in trials])
    frame = history_frame(table, cells).assign(
        observed=counts[cells],
        total=[trial.total for trial in trials],
        change=changes,
        relative=changes / total,
        status=[trial.status for trial in trials],
        limit=["" if t.population is None else t.population.limit for t in trials],
    )
    reselected = not isinstance(fit, LogLinearFit) and not kept
    return Influence(estimator, total, reselected, frame)


def _change(trial: Trial, total: float, n: int) -> float:
    """Change of the total; an estimate that ceases to exist has gone to its limit."""
    limit = None if trial.population is None else trial.population.limit
    if limit == "infinite":
        return math.inf - total
    if limit == "zero":
        return n - 1 - total
    return trial.total - total


# What a table says about pairs of lists: overlaps, what independence expects, odds ratios ---------
# (Chapman, D. G., 1951, University of California Publications in Statistics 1, 131-160; Haldane, J. B.
# S., 1956, Annals of Human Genetics 20, 309-311; Woolf, B., 1955, Annals of Human Genetics 19, 251-253)

#: Added to each of the four counts of an odds ratio (Haldane 1956), so that it is finite, and nearly
#: unbiased on the log scale.
CONTINUITY = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Overlaps(Result):
    """Pairs of lists: who is on both, and how that compares with independence.

    Attributes
    ----------
    table : CaptureTable
        The table.
    level : float
        Level of the intervals of the odds ratios.
    """

    table: CaptureTable
    level: float
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each pair of lists.

        Returns
        -------
        DataFrame
            ``list_a``, ``list_b``; ``n_a``, ``n_b``, ``both``, persons on each and on both;
            ``expected`` on both if all lists were independent; ``odds_ratio``, ``low``, ``high``
            among the persons on at least one other list, 0.5 added to each count, and
            ``n_others``, the number of those persons (NaN where there are none); ``chapman``, the total that the
            two lists alone would give.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<Overlaps of {self.table.n_lists} lists>"

    def _sections(self) -> list[Section]:
        interval = f"odds ratio, {100 * self.level:g}% interval"
        return with_table(
            ("Pairs of lists", "Overlaps"),
            ["lists", "on both", "expected", interval, "odds ratio", "Chapman total"],
            [_cells(row) for row in self._frame.to_dict("records")],
            "Expected: if all lists were independent (main effects). Odds ratio: among persons on "
            f"at least one other list, with {CONTINUITY} added to each of its four counts; above 1 the lists find "
            "the same persons. Chapman: what the two lists alone would give; pairs that disagree "
            "widely do so because lists depend on each other.",
        )


def _cells(row: Mapping[Hashable, Any]) -> list[str]:
    ratio = row["odds_ratio"]
    known = not math.isnan(ratio)
    return [
        f"{row['list_a']} and {row['list_b']}",
        f"{row['both']:,}",
        "-" if math.isnan(row["expected"]) else f"{row['expected']:,.1f}",
        f"{row['low']:.2f} to {row['high']:.2f}" if known else "-",
        f"{ratio:.2f}" if known else "-",
        persons(row["chapman"]),
    ]


def overlaps(table: CaptureTable, *, level: float = DEFAULT_LEVEL) -> Overlaps:
    r"""Overlaps of each pair of lists, what independence expects, and odds ratios.

    Covariates are summed over.

    Parameters
    ----------
    table : CaptureTable
        Counts of complete histories.
    level : float, default 0.95
        Level of the intervals of the odds ratios.

    Returns
    -------
    Overlaps

    Raises
    ------
    ModelError
        If observations are known in part.

    Notes
    -----
    The odds ratio of lists a and b is conditional on being on at least one other list, since of
    persons on no other one those on neither a nor b are hidden:
    :math:`\log \hat\theta = \log[(n_{11} + \frac12)(n_{00} + \frac12)] - \log[(n_{10} + \frac12)
    (n_{01} + \frac12)]` with standard error :math:`\sqrt{\sum 1/(n_{ij} + \frac12)}` (Haldane 1956;
    Woolf 1955). It pools the histories on the other lists. Chapman's estimate is
    :math:`(n_a + 1)(n_b + 1)/(n_{ab} + 1) - 1` (Chapman 1951).

    Examples
    --------
    >>> import mse
    >>> found = mse.diagnostics.overlaps(mse.load_dataset("korea")).to_frame()
    >>> found[["list_a", "list_b", "both", "expected", "odds_ratio"]].round(2)
      list_a list_b  both  expected  odds_ratio
    0      b      c    66     38.50      159.62
    1      b      d    18     31.99        2.52
    2      c      d    12     29.50        0.19
    """
    check_level(level)
    table = table_from(table)
    complete_counts(table)
    plain = table.collapse(*table.covariates) if table.covariates else table
    counts = plain.counts.astype(np.float64)
    fitted = LogLinear("main").fit(plain).fitted
    pairs = combinations(range(plain.n_lists), 2)
    rows = [_pair_row(plain, counts, fitted, pair, level) for pair in pairs]
    return Overlaps(table, level, pd.DataFrame(rows))


def _pair_row(
    table: CaptureTable, counts: FloatArray, fitted: FloatArray, pair: tuple[int, int], level: float
) -> dict[str, Any]:
    others = tuple(axis for axis in range(table.n_lists) if axis not in pair)
    square = counts.sum(axis=others)
    sizes = square[1].sum(), square[:, 1].sum()
    both = square[1, 1]
    alone = counts.transpose(*others, *pair)[(0,) * len(others)]
    four = (square - alone) + CONTINUITY
    ratio = low = high = math.nan
    if n_others := int((square - alone).sum()):
        log_ratio = math.log(four[1, 1] * four[0, 0] / (four[1, 0] * four[0, 1]))
        reach = float(ndtri((1 + level) / 2)) * math.sqrt((1 / four).sum())
        ratio, low, high = (math.exp(log_ratio + side * reach) for side in (0, -1, 1))
    return {
        "list_a": table.lists[pair[0]],
        "list_b": table.lists[pair[1]],
        "n_a": int(sizes[0]),
        "n_b": int(sizes[1]),
        "both": int(both),
        "expected": float(fitted.sum(axis=others)[1, 1]),
        "odds_ratio": ratio,
        "low": low,
        "high": high,
        "level": level,
        "n_others": n_others,
        "chapman": float((sizes[0] + 1) * (sizes[1] + 1) / (both + 1) - 1),
    }
