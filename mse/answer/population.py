"""The answer: how many are hidden, how sure, under which assumptions.

Every method ends in a :class:`PopulationEstimate`. Reports, plots, comparisons and validation know
only this class.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from itertools import chain, product
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd

from mse._drawing import Drawn
from mse._saving import Saved
from mse._schemas import check_schema, loaded
from mse._typing import FrozenDict
from mse._versions import release
from mse.answer.grades import Grade, Known, apart, grade, letters, widths
from mse.answer.intervals import (
    DEFAULT_LEVEL,
    GIVEN_PRIOR,
    REFERENCES,
    STORED_LEVELS,
    IntervalMethod,
    ModelRange,
    PartIntervals,
    ReplicatedParts,
    StoredIntervals,
    StoredParts,
    check_level,
    holding,
    lognormal_interval,
)
from mse.answer.method import STANDARD_ASSUMPTIONS
from mse.answer.shown import as_html, as_text, bounded, in_words
from mse.data.patterns import TableInfo
from mse.errors import ModelError
from mse.messages import SOURCE, Message, Reader, catalogue_of, encode_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray, IntArray, Level, Limit, Status
    from mse.answer.goodness import FitTest
    from mse.answer.method import Method
    from mse.data.count_table import CountTable
    from mse.data.table import CaptureTable


# Estimates by stratum, and their sums over covariates ---------------------------------------------

_STATUSES: tuple[Status, ...] = ("not_converged", "not_estimable", "boundary", "ok")
_LIMITS: tuple[Limit, ...] = ("indeterminate", "infinite", "zero", "finite")


class StrataCovariance(Protocol):
    """Covariance of hidden counts by stratum, of which a matrix of strata by strata need not be made."""

    def of_sums(self, groups: IntArray, n_groups: int) -> FloatArray:
        """Variances of sums of strata, (n_groups,), persons squared; ``groups`` (S,) says which sum each is in."""
        ...

    def matrix(self) -> FloatArray:
        """Covariance, (S, S), persons squared."""
        ...


class KnownCovariance(NamedTuple):
    """Covariance that is known as a matrix, (S, S)."""

    known: FloatArray

    def of_sums(self, groups: IntArray, n_groups: int) -> FloatArray:
        """Variances of sums of strata, see `StrataCovariance`."""
        same = groups[:, None] == groups
        sums = np.where(same, self.known, 0.0).sum(axis=1)
        return np.bincount(groups, sums, n_groups).astype(np.float64)

    def matrix(self) -> FloatArray:
        """Covariance, (S, S)."""
        return self.known


@dataclass(frozen=True, eq=False)
class Strata:
    """What is estimated in each stratum: every combination of covariate levels, in C order.

    Parameters
    ----------
    levels : mapping of str to tuple
        Levels of each covariate, in the order of the table.
    observed : ndarray of int64, shape (S,)
        Observed persons.
    hidden : ndarray of float64, shape (S,)
        Estimated hidden persons; NaN where they are not estimable.
    status : tuple of str, length S
        Status of each stratum.
    limit : tuple of str, length S
        Where the hidden number of each stratum goes.
    covariance : ndarray of float64, shape (S, S), or StrataCovariance, optional
        Covariance of ``hidden``, in persons squared; an array becomes a `KnownCovariance`.
    intervals : PartIntervals, optional
        What computes intervals of sums of strata; without it they are quantiles of the draws of the
        estimate or, without draws, log-normal from the covariance.

    Raises
    ------
    ModelError
        If a part has another length than the covariates have combinations of levels.

    Examples
    --------
    >>> import numpy as np
    >>> strata = Strata(
    ...     {"sex": ("f", "m")},
    ...     np.array([3, 4]),
    ...     np.array([5.0, 6.0]),
    ...     ("ok", "ok"),
    ...     ("finite", "finite"),
    ... )
    >>> strata.cells
    (('f',), ('m',))
    """

    levels: Mapping[str, tuple[Level, ...]]
    observed: IntArray
    hidden: FloatArray
    status: tuple[Status, ...]
    limit: tuple[Limit, ...]
    covariance: StrataCovariance | None = None
    intervals: PartIntervals | None = None

    def __post_init__(self) -> None:
        observed = np.array(self.observed, dtype=np.int64)
        hidden = np.array(self.hidden, dtype=np.float64)
        size = math.prod(len(levels) for levels in self.levels.values())
        lengths = {observed.size, hidden.size, len(self.status), len(self.limit)}
        covariance: Any = self.covariance
        if covariance is not None and not hasattr(covariance, "of_sums"):
            known = np.array(covariance, np.float64)
            known.setflags(write=False)
            covariance = KnownCovariance(known)
            lengths |= set(known.shape)
        if lengths != {size}:
            msg = f"The covariates have {size} strata; the parts of Strata have other lengths."
            raise ModelError(msg)
        object.__setattr__(self, "levels", FrozenDict(self.levels))
        object.__setattr__(self, "covariance", covariance)
        for name, value in (("observed", observed), ("hidden", hidden)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates."""
        return tuple(self.levels)

    @property
    def cells(self) -> tuple[tuple[Level, ...], ...]:
        """The combinations of levels, in C order."""
        return tuple(product(*self.levels.values()))


def joint_status(statuses: Sequence[Status]) -> Status:
    """Status of a sum: the worst of its parts."""
    return next(status for status in _STATUSES if status in statuses)


def joint_limit(limits: Sequence[Limit]) -> Limit:
    """Limit of a sum: the least determined of its parts."""
    return next(limit for limit in _LIMITS if limit in limits)


def strata_frame(
    strata: Strata, names: Sequence[str], level: float, draws: FloatArray | None = None
) -> pd.DataFrame:
    """Estimates by the covariates in ``names``, summed over the others; see `PopulationEstimate.margin`.

    ``draws`` (M, S) are of the totals by stratum; without them intervals are log-normal, from the covariance.
    """
    check_level(level)
    _check_names(strata, names)
    sizes = [len(levels) for levels in strata.levels.values()]
    codes = dict(
        zip(strata.names, np.unravel_index(np.arange(math.prod(sizes)), sizes), strict=True)
    )
    keys = list(product(*(strata.levels[name] for name in names)))
    groups = np.zeros(math.prod(sizes), dtype=np.int64)
    for name in names:
        groups = groups * len(strata.levels[name]) + codes[name]
    observed = np.bincount(groups, strata.observed, len(keys)).astype(np.int64)
    hidden = np.bincount(groups, strata.hidden, len(keys)).astype(np.float64)
    total = observed + hidden
    low, high = _ends(strata, groups, (observed, hidden), level, draws)
    columns: dict[str, Any] = {name: [key[i] for key in keys] for i, name in enumerate(names)}
    columns |= {"observed": observed, "hidden": hidden, "total": total}
    columns["coverage"] = np.divide(
        observed, total, out=np.full(total.size, math.nan), where=total > 0
    )
    columns |= {"low": low, "high": high}
    for name, order, values in (
        ("status", _STATUSES, strata.status),
        ("limit", _LIMITS, strata.limit),
    ):
        worst = np.full(len(keys), len(order) - 1)
        np.minimum.at(worst, groups, [order.index(value) for value in values])
        columns[name] = [order[i] for i in worst]
    return pd.DataFrame(columns)


def _check_names(strata: Strata, names: Sequence[str]) -> None:
    for name in names:
        if name not in strata.names:
            near = get_close_matches(str(name), strata.names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            msg = f"No covariate {name!r}: the estimate has {', '.join(strata.names)}{hint}"
            raise ModelError(msg)
    if len(set(names)) < len(names):
        msg = f"A covariate is named twice in {', '.join(map(repr, names))}; name each once."
        raise ModelError(msg)


def _ends(
    strata: Strata,
    groups: IntArray,
    sums: tuple[IntArray, FloatArray],
    level: float,
    draws: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Compute intervals of the totals of sums of strata, NaN where these are not estimable."""
    observed, hidden = sums
    ends = np.full((2, observed.size), math.nan)
    known = np.flatnonzero(np.isfinite(hidden))
    of_sum = _read_off(strata, level, draws)
    if of_sum is not None:
        order = np.argsort(groups, kind="stable")
        members = np.split(order, np.searchsorted(groups[order], np.arange(1, observed.size)))
        for i in known:
            ends[:, i] = of_sum(members[i].tolist())
    elif strata.covariance is not None:
        # Rounding can leave a variance of a sum slightly below zero.
        variances = np.maximum(strata.covariance.of_sums(groups, observed.size), 0.0)
        for i in known:
            error = math.sqrt(variances[i])
            ends[:, i] = lognormal_interval(float(hidden[i]), error, level, int(observed[i]))
    return ends[0], ends[1]


def _read_off(
    strata: Strata, level: float, draws: FloatArray | None
) -> Callable[[list[int]], tuple[float, float]] | None:
    """Return what gives the interval of the total of some strata, where it is not the covariance."""
    parts = strata.intervals
    if parts is not None:
        return lambda members: parts.of_sum(members, level)
    if draws is None:
        return None

    def of_sum(members: list[int]) -> tuple[float, float]:
        observed = int(strata.observed[members].sum())
        # Order statistics rather than interpolated quantiles: a draw may be infinite.
        tails = [(1 - level) / 2, (1 + level) / 2]
        ends = np.quantile(draws[:, members].sum(axis=1), tails, method="inverted_cdf")
        # Fewer than were seen there cannot be.
        return max(float(ends[0]), observed), max(float(ends[1]), observed)

    return of_sum


# Estimates to and from JSON, schema ``mse.population/2`` ------------------------------------------
# JSON has neither NaN nor infinity: both become null. An end of an interval that is infinite says so
# with ``"unbounded": true`` beside it; an estimate without a number says so in ``status`` and
# ``limit``. The schema is written down in ``mse/schema/population-2.json``; files of
# version 1, in which no interval allows for people who differ, are read.

#: What an interval may take for granted: people who differ are allowed for, or people are alike.
Given: TypeAlias = Literal["heterogeneity", "alike"]

POPULATION_SCHEMA = "mse.population/2"
_READ = (POPULATION_SCHEMA, "mse.population/1")
#: Strata up to which their covariance is written; of more, the intervals of the strata only.
MOST_IN_MATRIX = 1000
#: Kinds of intervals that draws alone determine.
READ_OFF_DRAWS = ("percentile", "basic", "credible")


def jsonable(value: object) -> Any:
    """Turn a value into what JSON can hold: NaN and infinity to null, the unknown to text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if value is pd.NA:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [jsonable(item) for item in value]
    return str(value)


# Writing -----------------------------------------------------------------------------------------


#: Parts of an encoded estimate in which messages stand.
_TOLD = ("info", "method", "reason", "interval", "alike", "assumptions", "warnings", "grade")


def encode_population(
    estimate: PopulationEstimate, levels: Iterable[float], *, draws: bool
) -> dict[str, Any]:
    """Write an estimate as a dictionary that ``json.dumps(..., allow_nan=False)`` accepts."""
    data = {
        "schema": POPULATION_SCHEMA,
        "info": {part.name: getattr(estimate.info, part.name) for part in fields(TableInfo)},
        "lists": estimate.lists,
        "method": estimate.method,
        "model": estimate.model,
        "status": estimate.status,
        "limit": estimate.limit,
        "reason": estimate.reason,
        "observed": estimate.observed,
        "hidden": estimate.hidden,
        "total": estimate.total,
        "coverage": estimate.coverage,
        "lower_bound": estimate.lower_bound,
        "interval": _encode_intervals(estimate, levels),
        "model_range": _encode_range(estimate.model_range),
        "strata": _encode_strata(estimate),
        "assumptions": estimate.assumptions,
        "warnings": estimate.warnings,
        "references": publications([estimate]),
        "provenance": estimate.provenance,
        "grade": estimate.grade.to_dict(),
        "support": [
            {"covariates": names, "persons": persons} for names, persons in estimate.support.items()
        ],
    }
    wide = estimate.allowing
    data["alike"] = None if wide is None else _alike(estimate.alike, levels)
    data["allowing"] = None if wide is None else encode_population(wide, levels, draws=draws)
    data["messages"] = encode_messages([data[name] for name in _TOLD])
    if draws:
        data["draws"] = _encode_draws(estimate.draws)
        data["stratum_draws"] = _encode_draws(estimate.stratum_draws)
    encoded: dict[str, Any] = jsonable(data)
    return encoded


def _encode_intervals(
    estimate: PopulationEstimate, levels: Iterable[float]
) -> dict[str, Any] | None:
    if not estimate.interval_kind:
        return None
    known = sorted(set(levels))
    ends = [(level, *estimate.interval(level)) for level in known]
    return {
        "kind": estimate.interval_kind,
        "given": estimate.interval_given,
        "levels": [
            {"level": level, "low": low, "high": high, "unbounded": math.isinf(high)}
            for level, low, high in ends
        ],
    }


def _alike(estimate: PopulationEstimate, levels: Iterable[float]) -> dict[str, Any]:
    """Write the intervals that take people for alike."""
    return {
        "interval": _encode_intervals(estimate, levels),
        "strata": _encode_strata(estimate),
    }


def _encode_range(spread: ModelRange | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return asdict(spread) | {"unbounded": math.isinf(spread.high)}


def _encode_strata(estimate: PopulationEstimate) -> dict[str, Any] | None:
    strata, frame = estimate.strata, estimate.by
    if strata is None or frame is None:
        return None
    figures = ["observed", "hidden", "total", "coverage", "low", "high", "status", "limit"]
    rows = frame[figures].itertuples(index=False, name=None)
    cells = [
        {
            "levels": cell,
            **dict(zip(figures, row, strict=True)),
            "unbounded": math.isinf(row[5]),
            "grade": each.to_dict(),
        }
        for cell, row, each in zip(strata.cells, rows, estimate.grades(*strata.names), strict=True)
    ]
    covariance, kind = None, None if strata.intervals is None else strata.intervals.kind
    if strata.covariance is not None and strata.observed.size <= MOST_IN_MATRIX:
        # The matrix is symmetric and grows with the square of the strata: half of it will do.
        whole = strata.covariance.matrix().tolist()
        covariance = [row[: at + 1] for at, row in enumerate(whole)]
    elif strata.covariance is not None and kind is None:
        kind = "lognormal"
    return {
        "covariates": [{"name": name, "levels": known} for name, known in strata.levels.items()],
        "interval_level": DEFAULT_LEVEL,
        "interval_kind": kind,
        "cells": cells,
        "covariance": covariance,
    }


def _encode_draws(draws: Any) -> Any:
    """Draws as nested lists; an infinite one as the text ``inf``, so that it is not lost."""
    if draws is None:
        return None
    values = np.asarray(draws, dtype=np.float64)
    return np.where(np.isposinf(values), "inf", values.astype(object)).tolist()


# Reading -----------------------------------------------------------------------------------------


def decode_population(data: object) -> dict[str, Any]:
    """Arguments of ``PopulationEstimate`` from what :func:`encode_population` wrote."""
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or schema not in _READ:
        msg = f"The data name the schema {schema!r}; expected {POPULATION_SCHEMA!r}."
        raise ModelError(msg)
    check_schema(data, str(schema).removeprefix("mse.").replace("/", "-"))
    try:
        return _decode(data)
    except ModelError:
        raise
    except (
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:
        msg = f"The data contradict each other: {type(error).__name__}: {error}."
        raise ModelError(msg) from error


def _decode(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["observed"] is None:
        msg = (
            "The figures are suppressed, to protect persons: there is no estimate to read. What was "
            "done is said under the key 'disclosure'."
        )
        raise ModelError(msg)
    said = Reader(data.get("messages", ()))
    # Where people are allowed to differ, the intervals that take them for alike stand apart.
    own = data if data.get("alike") is None else data["alike"]
    intervals = _decode_intervals(own["interval"], said)
    strata = _decode_strata(own["strata"])
    draws = _decode_stratum_draws(data.get("stratum_draws"), strata)
    if strata is not None:
        parts = _decode_parts(own["strata"], strata, intervals, draws)
        strata = replace(strata, intervals=parts)
    return {
        "info": _decode_info(data["info"], said),
        "lists": tuple(data["lists"]),
        "method": said(data["method"]),
        "model": data["model"],
        "status": data["status"],
        "limit": data["limit"],
        "reason": said(data["reason"]),
        "observed": data["observed"],
        "hidden": _number(data["hidden"]),
        "uncertainty": intervals,
        "model_range": _decode_range(data["model_range"]),
        "strata": strata,
        "assumptions": tuple(map(said, data["assumptions"])),
        # Files that were written before these were declared lack them.
        "references": tuple(data.get("references", ())),
        "lower_bound": data.get("lower_bound", False),
        "warnings": tuple(map(said, data["warnings"])),
        "provenance": dict(data["provenance"]),
        "draws": _decode_draws(data.get("draws")),
        "stratum_draws": draws,
        "allowing": PopulationEstimate.from_dict(data["allowing"])
        if data.get("allowing")
        else None,
        # Absent in files that were written before figures had grades.
        "support": FrozenDict(
            {
                tuple(each["covariates"]): tuple(map(_number, each["persons"]))
                for each in data.get("support") or ()
            }
        ),
    }


def _decode_info(data: Mapping[str, Any], said: Reader) -> TableInfo:
    """Read what a table is about, with its texts that are messages."""
    parts = {name: said(each) for name, each in data.items() if isinstance(each, str)}
    lists = {name: said(each) for name, each in data.get("list_descriptions", {}).items()}
    return TableInfo(**{**data, **parts, "list_descriptions": lists})


def _number(value: float | None, *, unbounded: bool = False) -> float:
    if value is None:
        return math.inf if unbounded else math.nan
    return float(value)


def _decode_intervals(data: Mapping[str, Any] | None, said: Reader) -> StoredIntervals | None:
    if data is None:
        return None
    ends = {
        float(row["level"]): (
            _number(row["low"]),
            _number(row["high"], unbounded=row["unbounded"]),
        )
        for row in data["levels"]
    }
    return StoredIntervals(data["kind"], said(data["given"]), ends)


def _decode_range(data: Mapping[str, Any] | None) -> ModelRange | None:
    if data is None:
        return None
    return ModelRange(
        low=_number(data["low"]),
        high=_number(data["high"], unbounded=data["unbounded"]),
        n_models=data["n_models"],
        n_not_estimable=data["n_not_estimable"],
        criterion=data["criterion"],
        within=data["within"],
    )


def _decode_strata(data: Mapping[str, Any] | None) -> Strata | None:
    if data is None or any(cell["observed"] is None for cell in data["cells"]):
        # Strata of which some are suppressed, to protect persons, cannot be summed again.
        return None
    cells = data["cells"]
    covariance = None
    if data["covariance"] is not None:
        values = np.zeros((len(cells), len(cells)))
        for at, row in enumerate(data["covariance"]):
            values[at, : at + 1] = values[: at + 1, at] = [_number(v) for v in row]
        covariance = KnownCovariance(values)
    return Strata(
        levels={item["name"]: tuple(item["levels"]) for item in data["covariates"]},
        observed=np.array([cell["observed"] for cell in cells], dtype=np.int64),
        hidden=np.array([_number(cell["hidden"]) for cell in cells]),
        status=tuple(cell["status"] for cell in cells),
        limit=tuple(cell["limit"] for cell in cells),
        covariance=covariance,
    )


def _decode_parts(
    data: Mapping[str, Any], strata: Strata, total: StoredIntervals | None, draws: Any
) -> PartIntervals | None:
    """Intervals of sums of strata, of the kind that was written; None where the covariance gives them."""
    kind = data.get("interval_kind")
    if kind is None:
        return None
    if draws is not None and kind in READ_OFF_DRAWS:
        given = "" if total is None else total.given
        totals = strata.observed + strata.hidden
        nobody = np.zeros((0, totals.size)), np.zeros(0)
        return ReplicatedParts(kind, given, totals, strata.observed, draws.to_numpy(), *nobody)
    ends = tuple(
        (_number(cell["low"]), _number(cell["high"], unbounded=cell["unbounded"]))
        for cell in data["cells"]
    )
    return StoredParts(kind, data["interval_level"], ends, total)


def _decode_draws(data: list[Any] | None) -> FloatArray | None:
    """Totals of the draws: null becomes NaN, the text ``inf`` infinity."""
    return None if data is None else pd.Series(data, dtype=object).to_numpy(dtype=np.float64)


def _decode_stratum_draws(data: list[Any] | None, strata: Strata | None) -> pd.DataFrame | None:
    if data is None or strata is None:
        return None
    columns = pd.MultiIndex.from_tuples(strata.cells, names=strata.names)
    return pd.DataFrame(data, columns=columns, dtype=object).astype(float)


# The answer: how many are hidden, how sure, under which assumptions -------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class PopulationEstimate(Drawn, Saved):
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
    references : tuple of str, optional
        Publications behind the method.
    lower_bound : bool, default False
        Whether the total is a lower bound, so that it reads "at least".
    allowing : PopulationEstimate, optional
        The same population by a method that allows for people who differ. Its intervals are the
        headline; those of `uncertainty` take people for alike, apart from what is modeled.
    support : mapping, optional
        Persons that figures lean on, of the total under ``()`` and of strata and their sums by the names of
        covariates, in C order; NaN where that is not known.

    Raises
    ------
    ModelError
        If ``hidden`` is a number although ``status`` says that there is none, or the reverse.

    Examples
    --------
    >>> from mse.answer.intervals import LognormalInterval
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

    _words: ClassVar[str] = "mse.words.estimates"

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
    references: tuple[str, ...] = ()
    lower_bound: bool = False
    allowing: PopulationEstimate | None = None
    support: Mapping[tuple[str, ...], tuple[float, ...]] = field(default_factory=FrozenDict)

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
    def alike(self) -> PopulationEstimate:
        """The same estimate with the intervals that take people for alike, apart from what is modeled."""
        return self if self.allowing is None else replace(self, allowing=None)

    def _given(self, given: Given | None) -> IntervalMethod | None:
        """Find what computes intervals: the headline's where nothing is asked for."""
        if given not in (None, "heterogeneity", "alike"):
            raise ModelError(f"given={given!r} is not known; expected 'heterogeneity' or 'alike'.")
        if given == "alike" or (given is None and self.allowing is None):
            return self.uncertainty
        return None if self.allowing is None else self.allowing.uncertainty

    @property
    def interval_kind(self) -> str:
        """How intervals are computed, ``profile`` for instance; empty if there are none."""
        method = self._given(None)
        return "" if method is None else method.kind

    @property
    def interval_given(self) -> str:
        """What intervals take for granted, ``given the model`` for instance."""
        method = self._given(None)
        return "" if method is None else method.given

    def interval(
        self, level: float = DEFAULT_LEVEL, given: Given | None = None
    ) -> tuple[float, float]:
        """Interval of the total.

        Parameters
        ----------
        level : float, default 0.95
            Level of the interval, strictly between 0 and 1.
        given : {"heterogeneity", "alike"}, optional
            Allowing for people who differ, or taking them for alike apart from what is modeled; the
            first where there is such an interval.

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
        method = self._given(given)
        if method is None:
            return math.nan, math.nan
        low, high = map(float, method.interval(level))
        if method is self.uncertainty:
            return low, high
        # What allows for more holds what takes people for alike, and the point.
        narrow = self.interval(level, "alike")
        return holding(*holding(low, high, self.total), *narrow)

    #: The name that it has elsewhere.
    conf_int = interval

    def probability_above(self, total: float, given: Given | None = None) -> float:
        """Share of the draws in which more than this many persons are in the population.

        Parameters
        ----------
        total : float
            Persons.
        given : {"heterogeneity", "alike"}, optional
            As of `interval`.

        Returns
        -------
        float
            NaN where there are no draws.

        Examples
        --------
        >>> import mse
        >>> p = mse.estimate(mse.load_dataset("kosovo"), model="[123,14,34]")
        >>> p.probability_above(4_400) > 0.99
        True
        """
        if isinstance(total, bool) or not isinstance(total, int | float | np.number):
            raise ModelError(f"total={total!r}; expected a number of persons.")
        draws = self.drawn(given)
        return math.nan if draws is None else float(np.mean(draws[~np.isnan(draws)] > total))

    def drawn(self, given: Given | None = None) -> FloatArray | None:
        """Draws of the total that belong to an interval, (M,), in persons; None where there are none.

        Parameters
        ----------
        given : {"heterogeneity", "alike"}, optional
            As of `interval`.
        """
        if self._given(given) is None:
            return None
        return (self if given == "alike" or self.allowing is None else self.allowing).draws

    # Grades ------------------------------------------------------------------------------------

    @property
    def grade(self) -> Grade:
        """How far the total carries, by the rules of `mse.answer.grades`, and why no further."""
        others = [] if self.allowing is None else [self.allowing.total]
        if self.model_range is not None:
            others += [self.model_range.low, self.model_range.high]
        return grade(self.total, self._width(), self._known((), [self.total], [others])[0])

    def _width(self) -> float:
        """Ratio of the ends of the 95% interval of the total; by another level where it is not at hand."""
        for level in (DEFAULT_LEVEL, *STORED_LEVELS):
            try:
                return float(widths(*self.interval(level), level).item())
            except ModelError:
                # An estimate that was read from JSON, or is protected, knows some levels only.
                continue
        return math.nan

    def grades(self, *names: str) -> tuple[Grade, ...]:
        """Grades of the estimates by some covariates, one for each row of `margin`, with reasons.

        Parameters
        ----------
        *names : str
            Covariates to keep.

        Raises
        ------
        ModelError
            As of `margin`.
        """
        frame = self.margin(*names)
        wide = None if self.allowing is None else self.allowing.margin(*names)
        totals, ratios = frame["total"].tolist(), widths(frame["low"], frame["high"])
        others = [()] * len(totals) if wide is None else [(each,) for each in wide["total"]]
        known = self._known(names, totals, others)
        return tuple(map(grade, totals, ratios.tolist(), known))

    def _known(
        self, names: Sequence[str], totals: Sequence[float], others: Sequence[Sequence[float]]
    ) -> list[Known]:
        """Say what is known of totals by some covariates beside their intervals; others are those of other models."""
        allows = self.allowing is not None or self.interval_given == GIVEN_PRIOR
        allowance = float(self.lower_bound or not allows)
        found = []
        for persons, total, of_others in zip(
            self._supported(names, len(totals)), totals, others, strict=True
        ):
            models = apart((total, *of_others))
            found.append(Known(persons, models, allowance, bound=self.lower_bound))
        return found

    def _supported(self, names: Sequence[str], size: int) -> Sequence[float]:
        """Persons that figures by some covariates lean on, NaN where that is not known."""
        inside = () if self.strata is None else self.strata.names
        ordered = tuple(name for name in inside if name in names)
        if ordered not in self.support or self.strata is None:
            return self.support.get(ordered, (math.nan,) * size)
        sizes = [len(self.strata.levels[name]) for name in ordered]
        kept = np.reshape(self.support[ordered], sizes)
        return kept.transpose([ordered.index(name) for name in names]).ravel().tolist()

    def _graded(
        self, names: Sequence[str], frame: pd.DataFrame, level: float, wide: pd.DataFrame | None
    ) -> pd.DataFrame:
        """Put the grade of each figure beside it; wide are those of the model in which people differ."""
        totals = frame["total"].tolist()
        others = [()] * len(totals) if wide is None else [(each,) for each in wide["total"]]
        known = self._known(names, totals, others)
        return frame.assign(
            grade=letters(totals, widths(frame["low"], frame["high"], level), known)
        )

    # Strata ------------------------------------------------------------------------------------

    @property
    def by(self) -> pd.DataFrame | None:
        """Estimates by stratum with 95% intervals, one row each; None without covariates."""
        return None if self.strata is None else self.margin(*self.strata.names)

    def margin(
        self, *names: str, level: float = DEFAULT_LEVEL, given: Given | None = None
    ) -> pd.DataFrame:
        """Estimates by some covariates, summed over the others.

        Parameters
        ----------
        *names : str
            Covariates to keep.
        level : float, default 0.95
            Level of the intervals: quantiles of the draws where there are any, otherwise
            log-normal from the covariance.
        given : {"heterogeneity", "alike"}, optional
            As of `interval`.

        Returns
        -------
        DataFrame
            One row per combination of levels: the covariates, then ``observed``, ``hidden``,
            ``total``, ``coverage``, ``low``, ``high``, ``status``, ``limit``, ``grade``. A sum over a
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
        frame = strata_frame(self.strata, names, level, draws)
        if self._given(given) is self.uncertainty:
            return self.alike._graded(names, frame, level, None)
        if self.allowing is None:
            return frame.assign(low=math.nan, high=math.nan, grade="")
        wide, total = self.allowing.margin(*names, level=level), frame["total"].to_numpy(float)
        # Not of sums without a number, or without an end: NaN stays NaN.
        low, high = np.minimum(wide["low"], total), np.maximum(wide["high"], total)
        both = frame.assign(
            low=low.where(low.isna(), np.fmin(low, frame["low"])),
            high=high.where(high.isna(), np.fmax(high, frame["high"])),
        )
        return self._graded(names, both, level, wide)

    # Other shapes ------------------------------------------------------------------------------

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the estimate as a DataFrame of one row, with both intervals."""
        (low, high), (first, last) = self.interval(level), self.interval(level, "alike")
        found = self.grade
        row = {
            "method": self.method,
            "model": self.model,
            "observed": self.observed,
            "hidden": self.hidden,
            "total": self.total,
            "coverage": self.coverage,
            "low": low,
            "high": high,
            "low_alike": first,
            "high_alike": last,
            "level": level,
            "interval_kind": self.interval_kind,
            "given": self.interval_given,
            "status": self.status,
            "limit": self.limit,
            "reason": self.reason,
            "lower_bound": self.lower_bound,
            "grade": found.letter,
            "grade_reason": " ".join(found.reasons),
        }
        return pd.DataFrame([row])

    def to_dict(
        self, *, levels: Iterable[float] = STORED_LEVELS, draws: bool = False
    ) -> dict[str, Any]:
        """Write the estimate as a dictionary for JSON, schema ``mse.population/2``.

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
            If the data do not follow the schema ``mse.population/2``, or its first version.
        """
        return cls(**decode_population(data))

    @classmethod
    def from_json(cls, text: str) -> PopulationEstimate:
        """Read the estimate that :meth:`to_json` wrote.

        Raises
        ------
        ModelError
            If the text is not JSON, or does not follow the schema ``mse.population/2`` or its first version.
        """
        return cls.from_dict(loaded(text))

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the estimate in words: question, interval, point, conditions, assumptions, source."""
        return as_text(in_words(self, level=level))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        model = f" {self.model}" if self.model else ""
        head = f"<PopulationEstimate: {self.method}{model}, observed {self.observed:,}"
        if math.isnan(self.hidden):
            return f"{head}, {self.status}>"
        total = bounded(f"{self.total:,.0f}", lower_bound=self.lower_bound)
        return f"{head}, estimated total {total}, {self.status}>"

    def _repr_html_(self) -> str:
        return as_html(in_words(self, level=DEFAULT_LEVEL))


@cache
def _release() -> str:
    """Find the version that is installed, once; a source tree need not be installed."""
    return release("multiple-systems") or "unknown"


def provenance(estimator: object, table: CaptureTable | CountTable) -> dict[str, Any]:
    """How an estimate was made: software and its version, estimator, fingerprint of the table."""
    return {
        "software": "multiple-systems",
        "version": _release(),
        "estimator": repr(estimator),
        "table": table.fingerprint,
    }


def answer(
    estimator: Any,
    table: CaptureTable | CountTable,
    hidden: float,
    status: Status = "ok",
    limit: Limit = "finite",
    reason: str = "",
    *,
    method: Method | None = None,
    test: FitTest | None = None,
    warnings: Iterable[str] = (),
    **further: Any,
) -> PopulationEstimate:
    """Put figures into an estimate, with what the method declares of itself.

    estimator: what was fitted, with its ``method``
    table: to what
    hidden: hidden persons; no matter what where the status says that there is no estimate
    status, limit, reason: as of `PopulationEstimate`
    method: in place of that of the estimator, where it depends on the data
    test: how the model fits
    warnings: beside the reason for a boundary, and why the total is a lower bound
    **further: other parts of the `PopulationEstimate`
    """
    declared: Method = method or estimator.method
    known = status in ("ok", "boundary")
    bound = Message.known(declared.lower_bound) if known else ""
    first = (reason if status == "boundary" else "", bound)
    made = provenance(estimator, table)
    return PopulationEstimate(
        observed=table.n_observed,
        hidden=hidden if known else math.nan,
        status=status,
        limit=limit,
        reason=reason,
        method=Message.known(declared.name),
        assumptions=declared.assumptions,
        warnings=(*filter(None, first), *warnings),
        lists=table.lists,
        info=table.info,
        provenance=made if test is None else {**made, "fit": test.record()},
        references=declared.references,
        lower_bound=bool(declared.lower_bound),
        **further,
    )


def publications(estimates: Iterable[PopulationEstimate]) -> tuple[str, ...]:
    """Find what is cited with estimates, for their methods and kinds of intervals, by the alphabet."""
    found = ((*each.references, *REFERENCES.get(each.interval_kind, ())) for each in estimates)
    return tuple(sorted({*chain(*found)}))


def kind_of(estimate: PopulationEstimate) -> str:
    """Name the kind of interval and what it takes for granted; empty where there is none."""
    kind = catalogue_of(SOURCE).kind(estimate.interval_kind)
    return ", ".join(part for part in (kind, estimate.interval_given) if part)
