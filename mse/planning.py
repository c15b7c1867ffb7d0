"""What a study may be expected to find, before it is done."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from mse._settings import check_seed, check_whole
from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.protocols import Refittable, Refitter, TableRefitter
from mse.answer.shown import Result, Section, layout, persons, registered, share, span
from mse.comparing import check_estimator
from mse.core.existence import FINITE, INFINITE
from mse.data.table import CaptureTable
from mse.errors import ModelError
from mse.loglinear import LogLinearSearch
from mse.loglinear.refit import PathRefitter
from mse.redrawing import CellDrawing
from mse.registry import estimator_of
from mse.simulate.cells import Margin, member_of, rake
from mse.simulate.designs import Population, check_positive, check_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mse._typing import BoolArray, FloatArray, Level, Seed
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator

#: Points at which persons who differ are taken, a normal distribution in so many parts.
POINTS = 9
#: Of the tables drawn so many are drawn anew, as a bootstrap does, each so many times.
REPEATED, AGAIN = 40, 8
#: No list is thought to reach more than this share of everybody.
MOST_REACHED = 0.95
#: How the table is estimated that the next one is expected to be like.
_EXPECTED = LogLinearSearch(strategy="stepwise")
#: The scenarios, in order.
PLANNED, MORE, REACH, LINKED = "as planned", "one more list", "larger overlap", "no missed links"


@dataclass(frozen=True)
class Outlook:
    """What may be expected in one scenario; figures of intervals are of those that have an end.

    Attributes
    ----------
    scenario : str
        ``"as planned"``, ``"one more list"``, ``"larger overlap"`` or ``"no missed links"``.
    lists : int
        Lists in the study.
    registered, overlapping : float
        Expected persons on a list, and on two lists or more.
    no_estimate : float
        Chance that nothing is estimable.
    unbounded : float
        Chance that there is an estimate, and its interval has no upper bound; rough.
    width : float
        Median width of the interval on the log scale: the logarithm of the high end over the low one.
    total, low, high : float
        Medians of the estimate and of the ends of its interval, persons.
    covered : float
        Chance that the interval, where there is one, holds N; rough.
    """

    scenario: str
    lists: int
    registered: float
    overlapping: float
    no_estimate: float
    unbounded: float = math.nan
    width: float = math.nan
    total: float = math.nan
    low: float = math.nan
    high: float = math.nan
    covered: float = math.nan


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Result):
    """What a study may be expected to find, as planned and with more spent on it.

    Attributes
    ----------
    outlooks : tuple of Outlook
        The study as planned, and each scenario.
    N : float
        The population size that was assumed, persons.
    level : float
        Of the intervals.
    estimator : str
        What will be fitted.
    tables : int
        Tables that were drawn in each scenario.
    table : CaptureTable, optional
        The table that the next one is expected to be like; None of a design of shares.
    """

    outlooks: tuple[Outlook, ...]
    N: float
    level: float
    estimator: str
    tables: int
    table: CaptureTable | None = None

    def __getitem__(self, scenario: str) -> Outlook:
        found = {each.scenario: each for each in self.outlooks}
        if scenario not in found:
            known = ", ".join(map(repr, found))
            raise ModelError(f"The plan has no scenario {scenario!r}: there are {known}.")
        return found[scenario]

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each scenario: the attributes of `Outlook`, and ``ratio``, exp(width)."""
        frame = pd.DataFrame([asdict(each) for each in self.outlooks])
        return frame.assign(ratio=np.exp(frame["width"]))

    def __repr__(self) -> str:
        first = self.outlooks[0]
        return f"<Plan: {first.lists} lists, N {self.N:,.0f}, {len(self.outlooks)} scenarios>"

    def _sections(self) -> list[Section]:
        first = self.outlooks[0]
        rows = [
            [
                each.scenario,
                registered(each.registered),
                registered(each.overlapping),
                share(each.no_estimate, 0),
                span(each.low, each.high),
                "-" if math.isnan(each.width) else f"{math.exp(each.width):,.3g}",
                share(each.covered, 0),
            ]
            for each in self.outlooks
        ]
        head = ["", "registered", "on two or more", "no estimate", "typical interval", "high / low"]
        said = (
            f"Of {persons(self.N)} persons, {registered(first.registered)} are expected on one of "
            f"{first.lists} lists, and {registered(first.overlapping)} on two or more. The chance that nothing "
            f"is estimable is {share(first.no_estimate, 0)}."
        )
        return [
            Section("Plan", paragraphs=(said,)),
            Section("What may be expected", verbatim=layout([*head, "holds N"], rows)),
            Section("How it was found", paragraphs=(self._told,)),
        ]

    @property
    def _told(self) -> str:
        return (
            f"{self.tables} tables were drawn in each scenario and {self.estimator} fitted to them. Figures of "
            f"the {100 * self.level:g}% interval that takes people for alike are medians of those that have an "
            "upper end; one that seldom holds N is narrow and wrong. The headline interval is wider."
        )


class _Design(NamedTuple):
    """Whom a study expects where."""

    lists: tuple[str, ...]
    cells: FloatArray  # (2**K, V) persons by history, and by how visible they are
    visible: FloatArray  # (V,) log odds of being on a list, beside those of the others
    missed: float = 0.0  # share of registrations beyond the first that are not linked

    @property
    def expected(self) -> FloatArray:
        """Expected records by history, (2**K,), as they are linked; row 0 is nobody's."""
        counts: FloatArray = self.cells.sum(axis=1)
        counts[0] = 0.0
        linked = as_linked(len(self.lists), self.missed) @ counts if self.missed else counts
        return np.asarray(linked, dtype=np.float64)

    @property
    def reached(self) -> FloatArray:
        """Share of everybody on each list, (K,)."""
        on = member_of(len(self.lists)).T @ self.cells.sum(axis=1)
        return np.asarray(on / self.cells.sum(), dtype=np.float64)

    def with_one_more(self, chance: float) -> _Design:
        """Add a list that reaches a share of everybody, by visibility, and depends on no other list."""
        weights = self.cells.sum(axis=0) / self.cells.sum()

        def chances(constant: float) -> FloatArray:
            return np.asarray(1 / (1 + np.exp(-constant - self.visible)))

        at = brentq(lambda constant: float(weights @ chances(constant)) - chance, -60, 60)
        on = self.cells * chances(at)
        cells = np.stack([self.cells - on, on], axis=1).reshape(-1, len(weights))
        return self._replace(lists=(*self.lists, "one more"), cells=cells)

    def reaching(self, factor: float) -> _Design:
        """Let every list reach so many times as many, with the dependence between lists as it is."""
        size, everybody = self.cells.sum(), np.zeros(len(self.visible), dtype=np.int64)
        margins = [Margin((), np.arange(len(self.visible)), self.cells.sum(axis=0))]
        for k, reached in enumerate(self.reached):
            target = size * max(reached, min(factor * reached, MOST_REACHED))
            margins.append(Margin((k,), everybody, np.array([target])))
        return self._replace(cells=rake(self.cells, margins))


def as_linked(n_lists: int, missed: float) -> FloatArray:
    """Expect records of each history of one person of each: shape (2**K, 2**K), records by persons.

    Each registration of a person beyond that on the first list is missed with a probability, and becomes a
    record of its own.
    """
    records = np.zeros((2**n_lists, 2**n_lists))
    for person in range(1, 2**n_lists):
        first = 1 << (person.bit_length() - 1)
        others = [1 << k for k in range(n_lists) if (person & ~first) >> k & 1]
        for lost in product((False, True), repeat=len(others)):
            alone = [bit for bit, away in zip(others, lost, strict=True) if away]
            chance = missed ** len(alone) * (1 - missed) ** (len(others) - len(alone))
            records[[person - sum(alone), *alone], person] += chance
    return records


def plan(
    design: Mapping[str, float] | CaptureTable,
    N: float | None = None,
    *,
    dependence: Mapping[str, float] | None = None,
    heterogeneity: float = 0.0,
    missed: float = 0.0,
    more: float | None = None,
    reach: float = 1.5,
    estimator: Estimator | str | None = None,
    level: float = DEFAULT_LEVEL,
    tables: int = 100,
    seed: Seed = None,
    n_jobs: int | None = None,
) -> Plan:
    """Find out what a study may be expected to tell: how wide the interval of N is, and whether there is one.

    Parameters
    ----------
    design : mapping of str to float, or CaptureTable
        Share of the population on each list, ``{"police": 0.2, "care": 0.1}``; or last year's table, of which
        the next one is expected to be like its best model. Covariates are summed over.
    N : float, optional
        Size of the population, persons. Of a table by default its estimate; a larger one says that more are
        hidden than the model of the table tells, since people differ or lists depend.
    dependence : mapping of str to float, optional
        Odds ratios between lists, ``{"police:care": 2.0}``, as of `mse.simulate.population`. A table has its own.
    heterogeneity : float, default 0
        Standard deviation of the log odds of being on a list, from person to person, the same for all lists.
        For a table say it by `N`.
    missed : float, default 0
        Share of the registrations of a person, beyond that on the first list, that are not recognized as
        that person's. Of a table it is the share of that table.
    more : float, optional
        Share of the population on a list that is added; by default the median of those of the others.
    reach : float, default 1.5
        Each list reaches so many times as many where a larger overlap is asked about.
    estimator : Estimator or str, optional
        What will be fitted. By default the search by BIC of `mse.estimate`, step by step.
    level : float, default 0.95
        Level of the intervals.
    tables : int, default 100
        Tables drawn in each scenario.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same figures.
    n_jobs : int, optional
        Workers, as in joblib.

    Returns
    -------
    Plan
        The study as planned, with one more list where the estimator takes it, with lists that reach more, and
        without missed links where there are any.

    Raises
    ------
    ModelError
        If the design contradicts itself, or the table determines no size and none is given.

    Notes
    -----
    Tables are drawn from the design, each cell from its Poisson distribution. The width is that of the
    interval that takes people for alike, ``given="alike"``: the bootstrap of `mse.estimate` with the model
    chosen anew. It is predicted, not computed: some tables are drawn anew a few times as a bootstrap does,
    the standard deviation of the log of the total is taken in each, and the shape of the distribution from
    all of them together. The median is over tables with an upper end. Where lists depend or people differ an
    interval may be narrow and seldom hold N: `Outlook.covered` says how often it does. Measured against whole studies in
    ``docs/howto/planning.md``.

    Examples
    --------
    >>> import mse
    >>> lists = {"police": 0.2, "care": 0.1, "other": 0.05}
    >>> found = mse.plan(lists, 2000, more=0.1, seed=1)
    >>> found["as planned"].no_estimate
    0.0
    >>> found["one more list"].width < found["as planned"].width
    True
    """
    from joblib import Parallel, delayed

    check_level(level)
    check_whole("tables", tables, REPEATED)
    check_seed(seed)
    check_share(missed, "share of missed links", 0.9)
    check_positive(reach, "factor by which lists reach more")
    if reach <= 1:
        raise ModelError(f"reach={reach!r}: expected more than 1, 1.5 for instance.")
    planned = _design_of(design, N, dependence, heterogeneity, missed)
    chosen = LogLinearSearch(strategy="stepwise") if estimator is None else estimator
    chosen = estimator_of(chosen) if isinstance(chosen, str) else chosen
    check_estimator(chosen)
    added = float(np.median(planned.reached)) if more is None else more
    check_share(added, "share on one more list", MOST_REACHED)
    check_positive(added, "share on one more list")
    scenarios = list(_scenarios(planned, added, reach, chosen))
    children = np.random.default_rng(seed).spawn(len(scenarios))
    looks = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_outlook)(*each, level, tables, rng)
        for each, rng in zip(scenarios, children, strict=True)
    )
    of = _summed(design) if isinstance(design, CaptureTable) else None
    return Plan(tuple(looks), float(planned.cells.sum()), level, repr(chosen), tables, of)


def _scenarios(
    planned: _Design, more: float, reach: float, estimator: Estimator
) -> Iterator[tuple[str, _Design, Refitter]]:
    refitter = _refitter(estimator, planned.lists)
    yield PLANNED, planned, refitter
    larger = planned.with_one_more(more)
    # A model that names its lists, or is for two, takes no further one.
    with suppress(ModelError):
        yield MORE, larger, _refitter(estimator, larger.lists)
    yield REACH, planned.reaching(reach), refitter
    if planned.missed:
        yield LINKED, planned._replace(missed=0.0), refitter


def _design_of(
    design: Mapping[str, float] | CaptureTable,
    size: float | None,
    dependence: Mapping[str, float] | None,
    heterogeneity: float,
    missed: float,
) -> _Design:
    """Read a design as whom it expects where."""
    if isinstance(design, CaptureTable):
        if dependence or heterogeneity:
            raise ModelError(
                "A table has the dependence of its lists; that more are hidden, since people differ, is said "
                "by N. Leave dependence and heterogeneity out."
            )
        return _design_of_table(design, size, missed)
    if size is None:
        raise ModelError("N is missing: a design of shares needs the size of the population.")
    if not 0 <= heterogeneity <= 5:
        raise ModelError(f"heterogeneity={heterogeneity!r}: expected a number from 0 to 5.")
    at, weights = np.polynomial.hermite_e.hermegauss(POINTS if heterogeneity else 1)
    visible = heterogeneity * at
    odds = {
        f"{name}:visibility={level}": float(np.exp(each))
        for (level, each), name in product(enumerate(visible), design)
        if heterogeneity
    }
    shares: dict[Level, float] = dict(enumerate((weights / weights.sum()).tolist()))
    classes: dict[str, Mapping[Level, float]] = {"visibility": shares} if heterogeneity else {}
    made = Population(design, size, classes, {**(dependence or {}), **odds})
    return _Design(tuple(design), made.cells().expected, visible, missed)


def _summed(table: CaptureTable) -> CaptureTable:
    """Sum a table over its covariates."""
    return table.collapse(*table.covariates) if table.covariates else table


def expected_of(table: CaptureTable) -> PopulationEstimate:
    """Give the estimate of a table without covariates that a plan of it is like."""
    return _EXPECTED.fit(table).population


def _design_of_table(table: CaptureTable, size: float | None, missed: float) -> _Design:
    """Expect a table like the best model of this one."""
    table = _summed(table)
    if not table.is_complete:
        raise ModelError(
            "The table is known in part: expected one in which every count is known. Leave out the lists or "
            "strata concerned, or give the share of the population on each list."
        )
    fit = _EXPECTED.fit(table)
    total = fit.population.total if size is None else float(size)
    cells = np.nan_to_num(fit.fitted).reshape(-1)
    cells[0] = 0.0
    if missed:
        cells[1:] = np.linalg.solve(as_linked(table.n_lists, missed)[1:, 1:], cells[1:]).clip(0)
    cells[0] = total - cells.sum()
    if not cells[0] > 0:
        raise ModelError(
            f"N is {total:,.0f}: expected more than the {cells.sum() - cells[0]:,.0f} persons who are "
            "registered. Give the size of the population as N."
        )
    return _Design(table.lists, cells[:, None], np.zeros(1), missed)


# What is found in tables drawn from a design -------------------------------------------------------


def _outlook(
    name: str,
    design: _Design,
    refitter: Refitter,
    level: float,
    tables: int,
    rng: np.random.Generator,
) -> Outlook:
    """Draw tables from a design, and see what comes of them."""
    size = float(design.cells.sum())
    expected = design.expected
    twice = member_of(len(design.lists)).sum(axis=1) > 1
    counts = rng.poisson(expected, size=(tables, expected.size)).astype(np.float64)
    totals, models = _totals(refitter, counts)
    known = np.isfinite(totals)
    look = Outlook(
        name,
        len(design.lists),
        float(expected.sum()),
        float(expected[twice].sum()),
        float(1 - known.mean()),
    )
    again = np.flatnonzero(known)[:REPEATED]
    near = None if models is None else models[again]
    deviations = _deviations(refitter, counts[again], totals[again], near, rng)
    # What determines nothing is drawn again by a bootstrap, and does not count.
    bounded = ~np.isinf(deviations).any(axis=1) & (np.isfinite(deviations).sum(axis=1) > 1)
    if known.any():
        look = replace(look, unbounded=float((1 - bounded.mean()) * known.mean()))
    # Of a few persons all that is drawn anew may be the same table.
    spreads = np.nanstd(deviations[bounded], axis=1, ddof=1)
    apart, spreads = deviations[bounded][spreads > 0], spreads[spreads > 0]
    if not len(spreads):
        return look
    tails = (1 - level) / 2, (1 + level) / 2
    shape = np.nanquantile(apart / spreads[:, None], tails)
    found, registered = totals[known], counts[known].sum(axis=1)
    low, high = found * np.exp(shape[:, None] * np.median(spreads))
    low = np.maximum(low, registered)
    return replace(
        look,
        width=float(np.median(np.log(high / low))),
        total=float(np.median(found)),
        low=float(np.median(low)),
        high=float(np.median(high)),
        covered=float(((low <= size) & (size <= high)).mean()),
    )


def _refitter(estimator: Estimator, lists: tuple[str, ...]) -> Refitter:
    """Make what repeats an estimator on tables of these lists."""
    seen = np.ones((2,) * len(lists), dtype=np.int64)
    seen[(0,) * len(lists)] = 0
    table = CaptureTable.from_array(seen, lists)
    fit = estimator.fit(table)
    return fit.refitter() if isinstance(fit, Refittable) else TableRefitter(estimator, table)


def _totals(
    refitter: Refitter, counts: FloatArray, near: BoolArray | None = None
) -> tuple[FloatArray, BoolArray | None]:
    """Estimate the totals of tables (B, C): infinite without bound, NaN where there is no estimate.

    near: pairs of lists in a model of each table from which a search starts
    Returns besides the pairs in the model that was chosen, where one is searched for step by step
    """
    models = None
    if isinstance(refitter, PathRefitter):
        refits, models = refitter.searched(counts, near)
    else:
        refits = refitter(counts)
    hidden, limits = refits.hidden.sum(axis=1), refits.limits[:, 0]
    hidden = np.where(limits == INFINITE, np.inf, np.where(limits == FINITE, hidden, np.nan))
    return np.asarray(hidden + counts.sum(axis=1)), models


def _deviations(
    refitter: Refitter,
    counts: FloatArray,
    totals: FloatArray,
    models: BoolArray | None,
    rng: np.random.Generator,
) -> FloatArray:
    """Compute logs of the totals of tables drawn anew over those of the tables, (B, AGAIN).

    A search among them starts from independent lists and from the model of the table they are drawn from: from
    all pairs of lists it takes twice as long, and ends elsewhere seldom.
    """
    drawn: list[FloatArray] = []
    for row, total in zip(counts, totals, strict=True):
        people = row.copy()
        people[0] = total - row.sum()
        drawn += CellDrawing(row[None], people[None], apart=True).batches(rng, AGAIN)
    if not drawn:
        return np.zeros((0, AGAIN))
    near = None if models is None else np.repeat(models, AGAIN, axis=0)
    found = _totals(refitter, np.concatenate(drawn), near)[0].reshape(len(counts), AGAIN)
    return np.asarray(np.log(found / totals[:, None]))
