"""Places: how many in each, which have most, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd

from mse._settings import check_whole
from mse._typing import FrozenDict
from mse.answer.intervals import check_level, order_quantile
from mse.answer.shown import Result, Section, in_words
from mse.data.checks import Problems, listed, near
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level
    from mse.answer.population import PopulationEstimate
    from mse.data.placing import PlacedRecords
    from mse.monitoring.draws import Figure, JointDraws

#: What places are ranked by: persons registered, persons estimated, or estimated ones per inhabitant.
By: TypeAlias = Literal["estimated", "registered", "rate"]
BY: tuple[By, ...] = ("estimated", "registered", "rate")
#: Places of which it is asked who is among those with most.
TOP = 10


class _Cell(Protocol):
    """Figures of some part of the population, as a monitor has them."""

    @property
    def observed(self) -> int: ...
    @property
    def total(self) -> float: ...
    @property
    def draws(self) -> FloatArray: ...
    @property
    def reason(self) -> str: ...
    @property
    def inhabitants(self) -> float: ...
    @property
    def figures(self) -> Mapping[str, Figure]: ...
    def to_row(self, *, rates: bool) -> dict[str, Any]: ...


class _Monitored(Protocol):
    """What places ask of the monitor that they are part of."""

    @property
    def period(self) -> str: ...
    @property
    def levels(self) -> tuple[Level, ...]: ...
    @property
    def level(self) -> float: ...
    @property
    def joint(self) -> JointDraws: ...
    @property
    def population(self) -> PopulationEstimate: ...
    @property
    def has_rates(self) -> bool: ...
    def at(self, period: Level = None, **where: Any) -> _Cell: ...


@dataclass(frozen=True, eq=False, repr=False)
class Places(Result):
    """Registered and estimated persons by place, rates, and ranks with what is sure about them.

    Attributes
    ----------
    monitor : Monitor
        Whose draws they are read from.
    name : str
        The covariate that holds the places.
    regions : mapping of level to str
        The region of each place; empty without regions.
    placed : PlacedRecords, optional
        How persons who are registered in several places were put into one of them, or each.
    """

    _words: ClassVar[str] = "mse.words.places"

    monitor: _Monitored
    name: str
    regions: Mapping[Level, str]
    placed: PlacedRecords | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", FrozenDict(self.regions))

    @property
    def pooled(self) -> bool:
        """Whether places borrow from each other."""
        return self.monitor.joint.pooled

    # Which ----------------------------------------------------------------------------------------

    @property
    def levels(self) -> tuple[Level, ...]:
        """The places, in the order of the table."""
        return self.monitor.joint.strata.levels[self.name]

    @property
    def region_names(self) -> tuple[str, ...]:
        """The regions, in the order in which places name them."""
        return tuple(dict.fromkeys(self.regions[each] for each in self.levels if self.regions))

    @cached_property
    def _cells(self) -> dict[tuple[Level, Level], _Cell]:
        spans = self.spans
        return {
            (p, each): self.monitor.at(p, **{self.name: each})
            for p in spans
            for each in self.levels
        }

    @property
    def spans(self) -> tuple[Level, ...]:
        """The periods, and None for all of them together if there are several."""
        periods = self.monitor.levels
        return (*periods, None) if len(periods) > 1 else periods

    def at(self, place: Level, period: Level = None) -> _Cell:
        """Look at one place, in one period or in all of them.

        Parameters
        ----------
        place, period : level
            As in the table.

        Returns
        -------
        Cell

        Raises
        ------
        ModelError
            If there is no such place or period.
        """
        return self.monitor.at(period, **{self.name: place})

    def region(self, region: str, period: Level = None) -> _Cell:
        """Look at all places of a region together; the intervals are of the sum.

        Parameters
        ----------
        region : str
            Its name.
        period : level, optional
            By default all of them.

        Returns
        -------
        Cell

        Raises
        ------
        ModelError
            If there is no such region or period.
        """
        inside = [each for each in self.levels if self.regions.get(each) == region]
        if not inside:
            raise ModelError(
                f"There is no region {region!r}: there are {listed(self.region_names, 12)}."
                f"{near(region, self.region_names)}"
            )
        return self.monitor.at(period, **{self.name: inside})

    # Figures ----------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each place and period, and for all periods.

        Returns
        -------
        DataFrame
            The place, ``region`` where there are regions, the period (missing for all of them); ``registered``,
            the persons on a list; ``low``, ``high`` and ``total``, all persons, estimated; the same of
            ``hidden``, ``coverage`` and, where inhabitants are given, ``rate`` per 100,000 of
            ``population``; ``status`` and ``reason``. Estimated persons of all places add up to those
            of `monitor`. Where persons count in each of their places, ``registered_weighted`` and ``weighted``
            divide each equally over these, and add up to persons.
        """
        rows = [
            {
                self.name: each,
                **self._region_of(each),
                self.monitor.period: period,
                **self._row(cell),
            }
            | self._weighted(each, period, cell)
            for (period, each), cell in self._cells.items()
        ]
        return self._as_objects(rows)

    def by_region(self) -> pd.DataFrame:
        """Show one row for each region and period, columns as of `to_frame`; empty without regions."""
        rows = [
            {"region": each, self.monitor.period: period, **self._row(self.region(each, period))}
            for period in self.spans
            for each in self.region_names
        ]
        return self._as_objects(rows)

    def _as_objects(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        frame = pd.DataFrame(rows)
        if rows:
            # A year beside a missing one would become a fraction.
            period = self.monitor.period
            frame[period] = pd.Series([row[period] for row in rows], dtype=object)
        return frame

    def _region_of(self, place: Level) -> dict[str, str]:
        return {"region": self.regions[place]} if self.regions else {}

    def _weighted(self, place: Level, period: Level, cell: _Cell) -> dict[str, float]:
        """Figures in which a person counts once over all places, where each place counts him or her."""
        if self.placed is None or self.placed.rule != "each":
            return {}
        # Over all periods the weights of the single ones differ.
        spans = self.monitor.levels if period is None else (period,)
        parts = [(self.at(place, each), self._weight(place, each)) for each in spans]
        if len(parts) > 1:
            return {
                "registered_weighted": sum(w * each.observed for each, w in parts),
                "weighted": sum(w * each.total for each, w in parts),
            }
        weight = parts[0][1]
        return {"registered_weighted": weight * cell.observed, "weighted": weight * cell.total}

    def _weight(self, place: Level, period: Level) -> float:
        weights = {} if self.placed is None else self.placed.weights
        return weights.get((place, period), weights.get((place,), 1.0))

    def _row(self, cell: _Cell) -> dict[str, Any]:
        row = cell.to_row(rates=self.monitor.has_rates)
        kept = {name: row[name] for name in row if name not in ("scope", "observed", "limit")}
        return {"registered": cell.observed} | kept

    # Ranks ------------------------------------------------------------------------------------------

    def ranking(
        self, period: Level = None, by: By = "estimated", top: int = TOP, level: float | None = None
    ) -> pd.DataFrame:
        """Rank the places, with what the draws say about the ranks.

        Parameters
        ----------
        period : level, optional
            By default all of them together.
        by : {"estimated", "registered", "rate"}, default "estimated"
            By all persons, estimated; by the registered ones, whose ranks are known and say where registers
            see persons; or by estimated persons per 100,000 inhabitants.
        top : int, default 10
            Places of which it is asked who is among those with most.
        level : float, optional
            Of the intervals of ranks and of the candidates; by default as of the monitor.

        Returns
        -------
        DataFrame
            One row for each place, first in rank first: the place, ``region``, ``registered``, ``total``,
            ``rate`` where there are inhabitants; ``rank``, by points, equal ones sharing the better rank;
            ``rank_low`` and ``rank_high``; ``top``, the probability of being among the first; and ``candidate``,
            see `candidates`. A place that a draw does not determine may have any rank in it; so may all of them where
            periods of different scope would be added.

        Raises
        ------
        ModelError
            If there is no such period, or `by` asks for rates without inhabitants of every place.

        Notes
        -----
        The rank of a place in a draw is one more than the number of places with more persons in that draw.
        An interval of ranks holds the middle of those of the draws, place by place (Goldstein & Spiegelhalter
        1996, Journal of the Royal Statistical Society A 159, 385-443).
        """
        level = self.monitor.level if level is None else level
        check_level(level)
        self._check_ranking(by, top)
        cells = [self.at(each, period) for each in self.levels]
        points = np.array([_point(cell, by) for cell in cells])
        ranks = self._ranks(cells, by)
        chance, chosen = _among_first(ranks, top, level)
        tails = (1 - level) / 2, (1 + level) / 2
        low, high = (
            [order_quantile(one.astype(np.float64), q) for one in each.T]
            for each, q in zip(ranks, tails, strict=True)
        )
        order = np.lexsort(
            (
                np.array([cell.observed for cell in cells]) * -1.0,
                np.where(np.isnan(points), np.inf, -points),
            )
        )
        own = _rank(np.where(np.isnan(points), -np.inf, points)[None])[0]
        rows = []
        for i in order:
            cell, known = cells[i], not np.isnan(points[i])
            row = {self.name: self.levels[i], **self._region_of(self.levels[i])}
            row |= {"registered": cell.observed, "total": cell.total}
            row |= {"rate": cell.figures["rate"].point} if self.monitor.has_rates else {}
            row |= {
                "rank": int(own[i]) if known else None,
                "rank_low": math.floor(low[i]),
                "rank_high": math.ceil(high[i]),
            }
            rows.append(row | {"top": float(chance[i]), "candidate": bool(chosen[i])})
        frame = pd.DataFrame(rows)
        return frame.astype({"rank": "Int64"})

    def candidates(
        self, period: Level = None, by: By = "estimated", top: int = TOP, level: float | None = None
    ) -> tuple[Level, ...]:
        """Name the places that can be among those with most persons.

        They are the fewest, taken by their probability of being among them, that hold all of those with most in
        a share `level` of the draws. Places that are equal in a draw are all among them, or none.

        Parameters
        ----------
        period, by, top, level
            As of `ranking`.

        Returns
        -------
        tuple of level
            The most probable first.
        """
        frame = self.ranking(period, by, top, level)
        chosen = frame[frame["candidate"]].sort_values("top", ascending=False, kind="stable")
        return tuple(chosen[self.name])

    def _check_ranking(self, by: str, top: int) -> None:
        if by not in BY:
            raise ModelError(f"by={by!r} is not known: expected one of {listed(BY)}.")
        check_whole("top", top, 1)
        if by == "rate" and not self.monitor.has_rates:
            raise ModelError(
                "There are no inhabitants to rank by rates: give them to mse.monitor, "
                f"rates=a frame with {self.monitor.period}, {self.name} and population."
            )

    def _ranks(self, cells: Sequence[_Cell], by: By) -> tuple[IntArray, IntArray]:
        """Best and worst rank of each place in each draw, (M, P)."""
        if by == "registered":
            known = np.array([[cell.observed for cell in cells]], dtype=np.float64)
            return _rank(known), _rank(known)
        # Without a total, across scopes for instance, draws of one do not rank either.
        drawn = np.stack(
            [np.where(np.isnan(cell.total), np.nan, cell.draws) for cell in cells], axis=1
        )
        if by == "rate":
            drawn = drawn / np.array([cell.inhabitants for cell in cells])
        undetermined = np.isnan(drawn)
        best = _rank(np.where(undetermined, -np.inf, drawn))
        worst = _rank(np.where(undetermined, np.inf, drawn))
        # A place that is not determined may be first and last; it may be before every other.
        return np.where(undetermined, 1, best), np.where(undetermined, len(cells), worst)

    # Other shapes -----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Write figures, regions and ranks over all periods as a part of the JSON of a monitor."""
        frames = {
            "figures": self.to_frame(),
            "regions": self.by_region(),
            "ranking": self.ranking(),
        }
        rows = {
            key: [
                {
                    "place"
                    if name == self.name
                    else "period"
                    if name == self.monitor.period
                    else str(name): _plain(each)
                    for name, each in row.items()
                }
                for row in frame.to_dict(orient="records")
            ]
            for key, frame in frames.items()
        }
        return {"name": self.name, "top": TOP, **rows}

    def __repr__(self) -> str:
        regions = f", {len(self.region_names)} regions" if self.regions else ""
        return f"<Places: {len(self.levels):,} of {self.name}{regions}, {len(self.monitor.levels)} of {self.monitor.period}>"

    def _sections(self) -> list[Section]:
        return list(in_words(self))


def _plain(value: Any) -> Any:
    """Take a number out of NumPy and pandas; nothing where there is none, or no bound."""
    value = value.item() if hasattr(value, "item") else value
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _point(cell: _Cell, by: By) -> float:
    if by == "registered":
        return float(cell.observed)
    return cell.total if by == "estimated" else cell.figures["rate"].point


def _rank(values: FloatArray) -> IntArray:
    """Rank by size within rows, the largest 1; equal ones share the better rank.

    Examples
    --------
    >>> import numpy as np
    >>> _rank(np.array([[5.0, 9.0, 5.0, 1.0]])).tolist()
    [[2, 1, 2, 4]]
    """
    ordered = np.sort(-values, axis=1)
    return (
        np.stack(
            [
                np.searchsorted(row, -each, side="left")
                for row, each in zip(ordered, values, strict=True)
            ]
        )
        + 1
    )


def _among_first(
    ranks: tuple[IntArray, IntArray], top: int, level: float
) -> tuple[FloatArray, BoolArray]:
    """Probability of being among the first, (P,), and whether a place is a candidate.

    Candidates are taken by probability until in a share `level` of the draws all of the first are among them.
    """
    possible, sure = ranks[0] <= top, ranks[1] <= top
    chance = (possible.mean(axis=0) + sure.mean(axis=0)) / 2
    order = np.argsort(-possible.mean(axis=0), kind="stable")
    position = np.empty(order.size, dtype=np.int64)
    position[order] = np.arange(order.size)
    needed = np.where(possible, position + 1, 0).max(axis=1)
    fewest = int(order_quantile(needed.astype(np.float64), level))
    # The last ones are not parted from places that are as probable.
    least = possible.mean(axis=0)[order[fewest - 1]] if fewest else np.inf
    return chance, np.asarray(possible.mean(axis=0) >= least)


def read_regions(regions: Any, places: Sequence[Level], name: str) -> dict[Level, str]:
    """Read the region of each place: a mapping, or a frame with a column of places and one ``region``."""
    if regions is None:
        return {}
    given = (
        _regions_of_frame(regions, name)
        if not hasattr(regions, "items") or hasattr(regions, "columns")
        else dict(regions)
    )
    spelled = {str(place): str(region) for place, region in given.items()}
    problems = Problems()
    for each in places:
        if str(each) not in spelled:
            problems.add(
                f"`regions` has no region of the {name} {each!r}: expected one for each of the {len(places):,}."
                f"{near(str(each), list(spelled))}"
            )
    problems.check()
    return {each: spelled[str(each)] for each in places}


def _regions_of_frame(frame: Any, name: str) -> dict[Any, str]:
    import narwhals as nw

    try:
        rows = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise ModelError(
            f"`regions` is a {type(frame).__name__}: expected a mapping of each {name} to its region, or a data "
            f"frame with the columns {name!r} and 'region'."
        ) from None
    problems = Problems()
    for each in (name, "region"):
        if each not in rows.columns:
            problems.add(
                f"`regions` has no column {each!r}: its columns are {listed(rows.columns, 12)}."
            )
    problems.check()
    found: dict[Any, str] = {}
    for place, region in zip(rows[name].to_list(), rows["region"].to_list(), strict=True):
        if found.setdefault(place, region) != region:
            problems.add(
                f"`regions` puts the {name} {place!r} into {found[place]!r} and {region!r}: expected one."
            )
    problems.check()
    return found
