"""Parameters of hierarchical models on a table: effects of factors, and trends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import gcd, lcm, prod, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

from mse._typing import FrozenDict
from mse.core.bounded import fit_models_bounded
from mse.core.fitting import NO_RULE, Rule, fit_models
from mse.core.newton import Design, make_design, with_contrasts
from mse.errors import ModelError
from mse.models.heterogeneity import SCALES, check_within, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level
    from mse.core.fitting import BatchFit
    from mse.data.table import CaptureTable
    from mse.models.heterogeneity import Heterogeneity
    from mse.models.terms import HierarchicalModel, Term


# Deviance to likelihood to criteria, in one convention --------------------------------------------
# The likelihood is Poisson over the observable cells. With p parameters of the model as
# specified (those at minus infinity included) and n observed persons,
#
# * AIC = -2 log L + 2 p (Akaike 1974, IEEE Trans. Automatic Control 19, 716-723),
# * AICc = AIC + 2 p (p + 1) / (n - p - 1) (Hurvich & Tsai 1989, Biometrika 76, 297-307),
# * BIC = -2 log L + p log n (Schwarz 1978, Annals of Statistics 6, 461-464).


class Criteria(NamedTuple):
    """AIC, AICc and BIC of some models, each of the shape of their deviances."""

    aic: FloatArray
    aicc: FloatArray
    bic: FloatArray


def saturated_log_likelihood(counts: FloatArray) -> float:
    """Poisson log likelihood of the counts under means equal to them."""
    return float(np.sum(xlogy(counts, counts) - counts - gammaln(counts + 1)))


def criteria(deviance: FloatArray, n_parameters: IntArray, counts: FloatArray) -> Criteria:
    """AIC, AICc and BIC from deviances.

    deviance: (...), deviances over the observable cells
    n_parameters: (...), parameters of each model as specified
    counts: (C,), persons by cell, 0 on unobservable cells
    """
    minus_twice = deviance - 2 * saturated_log_likelihood(counts)
    return criteria_of(minus_twice, n_parameters, float(counts.sum()))


def criteria_of(minus_twice: FloatArray, n_parameters: IntArray, persons: float) -> Criteria:
    """AIC, AICc and BIC from log likelihoods.

    minus_twice: (...), minus twice the log likelihoods
    n_parameters: (...), parameters of each model as specified
    persons: observed persons n; nobody counts as one, since where counts are within bounds it may
        be that nobody was observed
    """
    n, p = persons, n_parameters.astype(np.float64)
    aic = minus_twice + 2 * p
    spare = n - p - 1
    # With as many parameters as persons the correction has no meaning: such a model is never best.
    correction = np.full(p.shape, np.inf)
    np.divide(2 * p * (p + 1), spare, out=correction, where=spare > 0)
    return Criteria(aic, aic + correction, minus_twice + p * np.log(max(n, 1)))


# Orthogonal polynomials over the levels of a covariate, for trends --------------------------------
# The polynomials come from Forsythe's recurrence (1957, Journal of the Society for Industrial and Applied
# Mathematics 5, 74-88) in whole numbers and fractions, so nothing is lost at years such as 2010 to 2019, and
# levels may be spaced unevenly. Two scalings are used: whole numbers without a common divisor, in which
# the existence of an estimate is decided exactly, and sums of squares of one, in which coefficients are
# reported.

#: Whole numbers of this size leave room for their products, and for sums of these, in 64 bits.
LARGEST = 2**24


class Polynomials(NamedTuple):
    """Orthogonal polynomials over some levels.

    Attributes
    ----------
    steps : tuple of tuple of int
        For each degree from 1 on the polynomial at every level less that at the first one, in whole
        numbers without a common divisor.
    sizes : tuple of float
        Length of each polynomial in the unit of its steps: `steps` are `sizes` times the orthonormal
        polynomial, less `starts`.
    starts : tuple of float
        Each polynomial at the first level, in the unit of its steps.
    """

    steps: tuple[tuple[int, ...], ...]
    sizes: tuple[float, ...]
    starts: tuple[float, ...]

    def values(self) -> FloatArray:
        """Return the orthonormal polynomials at the levels, shape (degrees, levels)."""
        steps = np.asarray(self.steps, dtype=np.float64)
        starts, sizes = np.asarray(self.starts), np.asarray(self.sizes)
        return np.asarray((steps + starts[:, None]) / sizes[:, None])


def positions(levels: Sequence[Level]) -> list[Fraction]:
    """Where levels lie: at their numbers, or at 0, 1, 2 ... where some level is not a number.

    Examples
    --------
    >>> positions([2010, 2012, 2013.5]) == [2010, 2012, Fraction(4027, 2)]
    True
    >>> positions(["2010", "2012"]) == [2010, 2012]
    True
    >>> positions(["early", "late"]) == [0, 1]
    True
    """
    try:
        numbers = [Fraction(str(int(each) if isinstance(each, bool) else each)) for each in levels]
    except ValueError:
        numbers = []
    if len(set(numbers)) < len(levels):
        return [Fraction(each) for each in range(len(levels))]
    return numbers


def orthogonal_polynomials(levels: Sequence[Level], degree: int) -> Polynomials | None:
    """Build the orthogonal polynomials of degree 1 to `degree` over some levels.

    levels: levels; numbers, or labels in their order
    degree: below the number of levels
    Returns None where the levels are spaced so unevenly that the whole numbers would be too large

    Examples
    --------
    >>> orthogonal_polynomials(range(2010, 2015), 2).steps
    ((0, 1, 2, 3, 4), (0, -3, -4, -3, 0))
    >>> orthogonal_polynomials(range(2010, 2015), 2).values().round(3).tolist()[0]
    [-0.632, -0.316, 0.0, 0.316, 0.632]
    """
    places = positions(levels)
    steps, sizes, starts = [], [], []
    for row in map(_whole, _recurrence(places, degree)):
        moved = [value - row[0] for value in row]
        divisor = gcd(*moved)
        steps.append(tuple(value // divisor for value in moved))
        sizes.append(sqrt(sum(value**2 for value in row)) / divisor)
        starts.append(row[0] / divisor)
    if max(abs(value) for row in steps for value in row) > LARGEST:
        return None
    return Polynomials(tuple(steps), tuple(sizes), tuple(starts))


def _recurrence(places: list[Fraction], degree: int) -> list[list[Fraction]]:
    """Compute the polynomials with leading coefficient 1, by three terms each."""
    before, last = [Fraction(0)] * len(places), [Fraction(1)] * len(places)
    length, shorter = Fraction(len(places)), Fraction(1)
    found: list[list[Fraction]] = []
    for _ in range(degree):
        center = sum((x * p * p for x, p in zip(places, last, strict=True)), Fraction(0)) / length
        share = length / shorter if found else Fraction(0)
        new = [(x - center) * p - share * q for x, p, q in zip(places, last, before, strict=True)]
        before, last, shorter = last, new, length
        length = sum((p * p for p in last), Fraction(0))
        found.append(last)
    return found


def _whole(values: list[Fraction]) -> list[int]:
    """Scale to whole numbers without a common divisor."""
    scale = lcm(*(each.denominator for each in values))
    numbers = [int(each * scale) for each in values]
    divisor = gcd(*numbers)
    return [each // divisor for each in numbers]


# Parameters of hierarchical models on a table: effects of factors, and trends ---------------------

#: One step of a parameter's name: an axis, and a level (factor) or a degree (trend).
Part = tuple[int, int]
#: Most lists all of whose interactions are written out.
MOST_LISTS = 12
#: Stands for an axis in the term of the columns of heterogeneity.
DIFFERING = -1


@dataclass(frozen=True, eq=False)
class TableDesign:
    """The parameters that models on one table choose from.

    Attributes
    ----------
    core : Design
        Axes and parameters for the kernels.
    terms : tuple of tuple of int
        Term of each parameter, the constant's empty one first.
    parts : tuple of tuple
        For each parameter the level, or degree of the trend, on each axis of its term.
    names : tuple of str
        Name of each parameter.
    trends : mapping of int to Polynomials
        Polynomials by axis, where a covariate enters as a trend.
    heterogeneity : Heterogeneity, optional
        How people differ: its columns are the last parameters, in a term of their own.
    """

    core: Design
    terms: tuple[Term, ...]
    parts: tuple[tuple[Part, ...], ...]
    names: tuple[str, ...]
    trends: Mapping[int, Polynomials] = field(default_factory=dict)
    heterogeneity: Heterogeneity | None = None

    @cached_property
    def strengths(self) -> BoolArray:
        """Which parameters are strengths of heterogeneity, (P,) bool."""
        return np.asarray([term == (DIFFERING,) for term in self.terms], dtype=np.bool_)

    @property
    def bounded(self) -> IntArray:
        """Parameters that are not below zero."""
        asked = self.heterogeneity
        return np.flatnonzero(self.strengths & (asked is not None and asked.nonnegative))

    @cached_property
    def _term_number(self) -> dict[Term, int]:
        return {term: i for i, term in enumerate(dict.fromkeys(self.terms))}

    @cached_property
    def _terms(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.asarray([self._term_number[term] for term in self.terms], dtype=np.int64)

    def member(self, model: HierarchicalModel) -> BoolArray:
        """Which parameters a model has, (P,) bool; heterogeneity is in each."""
        present = np.zeros(len(self._term_number), dtype=np.bool_)
        # A covariate with one level is constant: terms with it have no parameters.
        constant = set(np.flatnonzero(self.core.shape == 1).tolist())
        terms = [term for term in model.terms if constant.isdisjoint(term)]
        present[[self._term_number[term] for term in terms]] = True
        return np.asarray(present[self._terms] | self.strengths)

    def n_parameters(self, model: HierarchicalModel) -> int:
        """Count the parameters of a model."""
        return int(self.member(model).sum())

    def fits_of(
        self,
        counts: FloatArray,
        members: BoolArray,
        start: FloatArray | None = None,
        rule: Rule = NO_RULE,
    ) -> tuple[BatchFit, IntArray]:
        """Fit models to one table, and count the coefficients of each that are at a bound of zero.

        A rule for giving models up early does not go with bounds: then all are fitted.
        """
        if self.bounded.size:
            return fit_models_bounded(counts, members, self.bounded, self.core)
        fits = fit_models(counts[None], members, self.core, start, rule)
        return fits, np.zeros(len(members), dtype=np.int64)

    def orthonormal(self, values: FloatArray) -> FloatArray:
        """Turn coefficients of `core` into those of orthonormal polynomials, and of columns as published.

        Parameters
        ----------
        values : float64 array (P,)
            Coefficients by parameter: minus infinity and NaN too.

        Returns
        -------
        float64 array (P,)
            NaN where one that takes part is NaN.
        """
        if self.heterogeneity is not None:
            values = np.where(self.strengths, values * SCALES[self.heterogeneity.form], values)
        if not self.trends:
            return values
        number = {parts: i for i, parts in enumerate(self.parts)}
        shown = np.zeros_like(values)
        for parts, value in zip(self.parts, values, strict=True):
            for chosen, weight in self._orthonormal_parts(parts):
                if weight != 0:
                    shown[number[chosen]] += weight * value
        return np.where(np.isneginf(values), -np.inf, shown)

    def _orthonormal_parts(
        self, parts: tuple[Part, ...]
    ) -> Iterator[tuple[tuple[Part, ...], float]]:
        """Write a parameter's column as a sum of products of orthonormal polynomials and constants."""
        ways: list[list[tuple[tuple[Part, ...], float]]] = []
        for axis, chosen in parts:
            same = ((axis, chosen),)
            if axis in self.trends:
                size = self.trends[axis].sizes[chosen - 1]
                ways.append([(same, size), ((), -self.trends[axis].starts[chosen - 1])])
            else:
                ways.append([(same, 1.0)])
        for way in product(*ways):
            yield tuple(part for each, _ in way for part in each), prod(w for _, w in way)

    def ranges(self, terms: Sequence[Term]) -> IntArray:
        """Where terms have their parameters, and how the cells of pairs of factors are numbered.

        Parameters
        ----------
        terms : sequence of tuple of int
            Terms of the design.

        Returns
        -------
        int64 array (T, 6)
            First parameter, and the one behind the last. For pairs of axes without a trend also the
            distances between cells along both axes and their numbers of levels beyond the first;
            otherwise zeros.
        """
        shape = self.core.shape
        strides = np.concatenate([np.cumprod(shape[:0:-1])[::-1], [1]])
        found = np.zeros((len(terms), 6), dtype=np.int64)
        for row, term in zip(found, terms, strict=True):
            first = self.terms.index(term)
            row[:2] = first, first + self.terms.count(term)
            if len(term) == 2 and self.core.starts.size == 0:
                row[2:4], row[4:6] = strides[list(term)], shape[list(term)] - 1
        return found

    def outside(self, least: HierarchicalModel) -> tuple[Term, ...]:
        """Terms of lists and covariates beyond a smallest model."""
        every = dict.fromkeys(self.terms)
        return tuple(term for term in every if term != (DIFFERING,) and term not in least)

    def changing(self, least: HierarchicalModel) -> tuple[tuple[Term, ...], BoolArray, IntArray]:
        """Find the terms that models may have or not, beyond a smallest one.

        Returns
        -------
        terms : tuple of tuple of int
        fixed : bool array (P,)
            Parameters of the smallest model.
        ranges : int64 array (T, 6)
            See `ranges`.
        """
        terms = self.outside(least)
        fixed = np.asarray([term in least for term in self.terms], dtype=np.bool_) | self.strengths
        return terms, fixed, self.ranges(terms)


def frozen_trend(trend: object) -> FrozenDict[str, int]:
    """Keep the trends of an estimator; ``ModelError`` for what is not a mapping."""
    if not isinstance(trend, Mapping | None):
        raise ModelError(
            f"trend is {trend!r}: expected a mapping from covariates to degrees, such as {{'year': 2}}."
        )
    return FrozenDict(trend)


def check_trend(trend: Mapping[str, int], table: CaptureTable) -> dict[int, int]:
    """Degrees of the trends by axis.

    trend: degree of the polynomial by covariate
    table: has these covariates
    Raises ModelError: if a name is not that of a covariate, or a degree does not fit its levels
    """
    degrees: dict[int, int] = {}
    names = list(table.covariates)
    for name, degree in trend.items():
        if name not in names:
            known = ", ".join(names) or "none"
            raise ModelError(f"trend names {name!r}; the covariates of the table are: {known}.")
        most = len(table.covariates[name]) - 1
        if most < 1:
            raise ModelError(
                f"{name!r} has one level only, which is no trend: leave the trend out."
            )
        if not _is_whole(degree) or not 1 <= degree <= most:
            raise ModelError(
                f"The trend of {name!r} has degree {degree!r}; with {most + 1} levels expected a "
                f"whole number from 1 to {most}. Without a trend every level has an effect of its own."
            )
        degrees[table.n_lists + names.index(name)] = int(degree)
    return degrees


def _is_whole(value: object) -> bool:
    number = isinstance(value, int | np.integer | float) and not isinstance(value, bool)
    return number and float(value).is_integer()  # type: ignore[arg-type]


def table_design(
    table: CaptureTable,
    largest: HierarchicalModel,
    trend: Mapping[str, int],
    heterogeneity: Heterogeneity | None = None,
) -> TableDesign:
    """Lay out the parameters of a model and of all models within it.

    A covariate with a trend of degree d enters every term by orthogonal polynomials of degree 1 to d
    over its levels, less their values at the first level. Since lower-order terms are always present
    the models are those of the polynomials themselves, and in whole numbers the existence check is
    exact.

    table: lists and covariates
    largest: contains every model of interest
    trend: degree of the polynomial by covariate
    heterogeneity: how people differ, in every model
    """
    degrees = check_trend(trend, table)
    trends = {axis: _polynomials(table, axis, degree) for axis, degree in degrees.items()}
    differing = [] if heterogeneity is None else _differing(table, heterogeneity, trend)
    cells = dict.fromkeys(largest.parameters(table.shape).tolist())
    cells |= dict.fromkeys(cell for _, column in differing for cell in column)
    core = make_design(table.shape, table.n_lists, np.asarray(list(cells), dtype=np.int64))
    position = {int(cell): u for u, cell in enumerate(core.cells)}
    strides = [prod(table.shape[axis + 1 :]) for axis in range(len(table.shape))]
    terms: list[Term] = []
    parts: list[tuple[Part, ...]] = []
    columns: list[dict[int, int]] = []
    for term in largest.terms:
        sizes = [degrees.get(axis, table.shape[axis] - 1) for axis in term]
        for choice in product(*(range(1, size + 1) for size in sizes)):
            terms.append(term)
            parts.append(tuple(zip(term, choice, strict=True)))
            columns.append(_column(parts[-1], trends, strides, position))
    names = [_name(table, each, degrees) for each in parts]
    for i, (name, column) in enumerate(differing):
        terms.append((DIFFERING,))
        parts.append(((DIFFERING, i),))
        names.append(name)
        columns.append({position[cell]: weight for cell, weight in column.items()})
    if degrees or differing:
        core = with_contrasts(core, columns)
    return TableDesign(core, tuple(terms), tuple(parts), tuple(names), trends, heterogeneity)


def _differing(
    table: CaptureTable, asked: Heterogeneity, trend: Mapping[str, int]
) -> list[tuple[str, dict[int, int]]]:
    """Names of the columns of heterogeneity, and their weights by cell of the effect."""
    check_within(asked, table.covariates, trend)
    if asked.form != "darroch" and table.n_lists > MOST_LISTS:
        raise ModelError(
            f"heterogeneity={asked.notation()!r} uses all interactions of lists, and the table has "
            f"{table.n_lists} lists; expected at most {MOST_LISTS}. 'darroch' uses pairs only, and "
            "ClosedPopulation('Mth') takes 16 lists."
        )
    found = []
    for name, weights in columns_of(asked, table.n_lists, table.covariates):
        column = {}
        for (lists, levels), weight in weights.items():
            place = [0] * table.n_lists + list(levels)
            for each in lists:
                place[each] = 1
            column[int(np.ravel_multi_index(place, table.shape))] = weight
        found.append((name, column))
    return found


def _polynomials(table: CaptureTable, axis: int, degree: int) -> Polynomials:
    name = list(table.covariates)[axis - table.n_lists]
    found = orthogonal_polynomials(table.covariates[name], degree)
    if found is None:
        raise ModelError(
            f"The levels of {name!r} lie too unevenly for a trend of degree {degree}: choose a lower "
            "degree, or round the levels."
        )
    return found


def _column(
    parts: tuple[Part, ...],
    trends: Mapping[int, Polynomials],
    strides: Sequence[int],
    position: Mapping[int, int],
) -> dict[int, int]:
    """Weights of the effects that make up a parameter."""
    column = {0: 1}
    for axis, chosen in parts:
        if axis in trends:
            values = trends[axis].steps[chosen - 1]
            steps = {level: value for level, value in enumerate(values) if value}
        else:
            steps = {chosen: 1}
        column = {
            cell + level * strides[axis]: weight * factor
            for cell, weight in column.items()
            for level, factor in steps.items()
        }
    return {position[cell]: weight for cell, weight in column.items()}


def _name(table: CaptureTable, parts: tuple[Part, ...], degrees: Mapping[int, int]) -> str:
    covariates = list(table.covariates.items())

    def one(axis: int, chosen: int) -> str:
        if axis < table.n_lists:
            return table.lists[axis]
        name, levels = covariates[axis - table.n_lists]
        return f"{name}^{chosen}" if axis in degrees else f"{name}={levels[chosen]}"

    return ":".join(one(axis, chosen) for axis, chosen in parts) or "intercept"
