"""How many of a known group a register reaches, how soon, and how far they get."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from itertools import product
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.shown import Result, Section, filled, layout, registered, share
from mse.data.checks import Problems, as_names
from mse.data.columns import factor, read_columns
from mse.data.doubts import folded
from mse.data.reading import dates, day_of
from mse.data.registrations import persons_of
from mse.errors import InvalidTableError, ModelError
from mse.messages import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, FloatArray

Missed: TypeAlias = "float | tuple[int, int]"

#: Times at which a curve is given: not where it steps, since each step is a person.
TIMES = 24
#: Of those the times of a summary: the quarters.
QUARTERS = 4
#: So many groups may be asked for, whatever the number of persons.
MOST_GROUPS = 1000
#: Schema of what is written as JSON.
SCHEMA = "mse.reach/1"
#: Seconds in a day.
DAY = 86400.0
#: Share of the group who may be in the register in another spelling: by chance, identifiers are alike.
_ALIKE = 0.01
#: A time as text: days, or weeks.
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([dDwW])?")
#: Names of columns of results.
_RESULTS = ("stage", "days", "share", "low", "high", "observed", "followed", "persons", "reached")
#: Words for what the shares are of.
_OF = {"start": "of the group", "previous": "of those who reached the stage before"}


# Shares and their intervals ----------------------------------------------------------------------


class _Share(NamedTuple):
    """A share with the ends of its interval."""

    point: float
    low: float
    high: float


def wilson(point: float, size: float, z: float) -> tuple[float, float]:
    """Interval of a share of so many, Wilson (1927); of nobody, anything.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0.15, 200, 1.96)]
    [0.107, 0.206]
    """
    if not size > 0:
        return 0.0, 1.0
    middle = (point + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * math.sqrt(point * (1 - point) / size + z**2 / (4 * size**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _linked(found: _Share, kept: _Share) -> _Share:
    """Divide a share found by the share of links that are not missed.

    Ends by the distances of both from their points on the log scale, Zou & Donner (2008, Statistics in Medicine
    27, 1693-1702): right for shares near 0 and 1, where a standard error is not.
    """
    point = found.point / kept.point
    if found.point == 0:
        return _Share(0.0, 0.0, min(found.high / kept.low, 1.0))
    down = math.hypot(_log(found.point, found.low), _log(kept.high, kept.point))
    up = math.hypot(_log(found.high, found.point), _log(kept.point, kept.low))
    return _Share(
        min(point, 1.0), min(point * math.exp(-down), 1.0), min(point * math.exp(up), 1.0)
    )


def _log(high: float, low: float) -> float:
    return math.inf if low == 0 else math.log(high / low)


def shares_reached(
    days: FloatArray, reached: BoolArray, times: FloatArray, missed: Missed, level: float
) -> list[_Share]:
    """Shares reached within times (T,), of persons (R,) who are reached, or followed, after so many days.

    One less the survival function of Kaplan & Meier, from statsmodels, with Greenwood's variance, as a share of
    so many persons as have that variance; then divided by the share of links that are not missed.
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    z = float(ndtri((1 + level) / 2))
    kept = _kept(missed, z)
    curve = SurvfuncRight(days, reached.astype(float))
    place = np.searchsorted(curve.surv_times, times, side="right") - 1
    found = []
    for time, at in zip(times, place, strict=True):
        alive, error = (curve.surv_prob[at], curve.surv_prob_se[at]) if at >= 0 else (1.0, 0.0)
        size = alive * (1 - alive) / error**2 if error > 0 else 0.0
        if not size > 0:
            # All or nobody: of as many as are known to be so.
            size = float(np.sum((days >= time) | (reached & (days <= time))))
        point = 1 - float(alive)
        found.append(_linked(_Share(point, *wilson(point, size, z)), kept))
    return found


def share_of(
    reached: float, persons: float, missed: Missed, level: float, slack: tuple[float, float]
) -> _Share:
    """Share of persons who were all followed, when both numbers are known up to a slack.

    slack: by how many persons fewer, and more, either may be
    """
    z, (fewer, more) = float(ndtri((1 + level) / 2)), slack
    ends = [
        wilson(min(max(inside, 0.0) / size, 1.0), size, z)
        for size in (max(persons - fewer, 1.0), persons + more)
        for inside in (reached - fewer, reached + more)
    ]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return _linked(_Share(min(reached / persons, 1.0), low, high), _kept(missed, z))


def _kept(missed: Missed, z: float) -> _Share:
    """Share of links that are not missed, as stated, or from links that were looked for and missed."""
    if isinstance(missed, tuple):
        lost, looked = missed
        return _Share(1 - lost / looked, *wilson(1 - lost / looked, looked, z))
    return _Share(*[1 - missed] * 3)


# The answer --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Reach(Result):
    """Which share of a known group was reached, how soon, and how far it got.

    Attributes
    ----------
    curves : DataFrame
        By stage and group at equally spaced times: ``stage``, the columns of ``by``, ``days``, ``share``,
        ``low``, ``high``. A row for each time, not for each person.
    sizes : DataFrame
        By stage and group: ``observed``, persons that the shares are of, and ``followed``, those of them who
        were reached or followed for all of ``within``.
    cohort : DataFrame
        By stage and group: ``persons`` who were followed for all of ``within``, whether they were reached or not,
        and ``reached``, those of them who were. What leaves under rules of disclosure is made of these alone.
    within : float
        Days within which somebody counts as reached.
    stages : tuple of str
        The stages in order; one, without a name, where there are none.
    since : str
        ``"start"`` or ``"previous"``.
    by : tuple of str
        Columns that the groups are of.
    missed : float or pair of int
        Share of the links that are missed, or links missed and links looked for.
    level : float
        Of the intervals.
    """

    curves: pd.DataFrame
    sizes: pd.DataFrame
    cohort: pd.DataFrame
    within: float
    stages: tuple[str, ...]
    since: str
    by: tuple[str, ...]
    missed: Missed
    level: float

    #: Whether the shares are of those who were followed for all of the time, and of nobody else.
    _of_followed: ClassVar[bool] = False

    references = (
        "Kaplan, E. L. and Meier, P. (1958). Nonparametric estimation from incomplete observations. Journal of the American Statistical Association 53, 457-481.",
        "Zou, G. Y. and Donner, A. (2008). Construction of confidence limits about effect measures: a general approach. Statistics in Medicine 27, 1693-1702.",
    )

    @property
    def key(self) -> list[str]:
        """Columns that name a curve."""
        return [*["stage"] * (self.stages != ("",)), *self.by]

    def to_frame(self) -> pd.DataFrame:
        """Show the shares within the whole time, a row for each stage and group.

        Returns
        -------
        DataFrame
            ``stage`` and the columns of ``by`` where there are any, ``observed`` (persons that the share is of),
            ``days``, ``share``, ``low``, ``high``.
        """
        last = self.curves[self.curves["days"] == self.within]
        frame = self.sizes.merge(last, on=["stage", *self.by])
        return frame[[*self.key, "observed", "days", "share", "low", "high"]]

    @property
    def contradicted(self) -> bool:
        """Whether more were reached somewhere, beyond chance, than the missed links leave room for."""
        return bool(self.missed) and bool((self.curves["low"] >= 1).any())

    def by_time(self) -> pd.DataFrame:
        """Show the shares within each quarter of the time, a row for each stage, group and time.

        Returns
        -------
        DataFrame
            ``stage`` and the columns of ``by`` where there are any, ``days``, ``share``, ``low``, ``high``.
        """
        quarters = QUARTERS * self.curves["days"] / self.within
        inside = (quarters > 0.5) & ((quarters - quarters.round()).abs() < 1e-9)
        return self.curves.loc[inside, [*self.key, "days", "share", "low", "high"]].reset_index(
            drop=True
        )

    def to_dict(self) -> dict[str, Any]:
        """Write the shares, and what was asked, as JSON can hold them (schema ``mse.reach/1``).

        Returns
        -------
        dict
            ``reached`` as of `to_frame`, ``curves`` with every time, and the settings.
        """
        return {
            "schema": SCHEMA,
            "within": self.within,
            "level": self.level,
            "since": self.since,
            "stages": [each for each in self.stages if each],
            "by": [*self.by],
            "missed": [*self.missed] if isinstance(self.missed, tuple) else self.missed,
            "reached": _records(self.to_frame(), self.key),
            "curves": _records(self.curves, self.key),
        }

    def __repr__(self) -> str:
        what = f"{len(self.stages)} stages, " * (self.stages != ("",))
        return f"<Reach: {what}within {self.within:g} days, {len(self.sizes)} curves>"

    def _sections(self) -> list[Section]:
        level = f"{100 * self.level:g}%"
        rows = [
            (*_names(row, self.key), *_said(row), registered(row["observed"]))
            for row in self.to_frame().to_dict("records")
        ]
        head = (*self.key, f"{level} interval", "estimated share", "persons")
        early = [
            (*_names(row, self.key), f"{row['days']:g}", *_said(row))
            for row in self.by_time().to_dict("records")
            if row["days"] < self.within
        ]
        within = f"Reached within {self.within:g} days, {_OF[self.since]}"
        sections = [Section(within, verbatim=layout(head, rows))]
        if early:
            head = (*self.key, "days", f"{level} interval", "estimated share")
            sections.append(Section("Reached sooner", verbatim=layout(head, early)))
        return filled(
            *sections,
            Section("What the shares rest on", bullets=tuple(self._rests())),
            Section("References", bullets=self.references),
        )

    def _rests(self) -> list[str]:
        links = "Missed links: none; those that are missed make the shares too low."
        if isinstance(self.missed, tuple):
            links = (
                f"Missed links: {self.missed[0]:,} of {self.missed[1]:,} links that were looked for were missed, "
                "and as large a share of all; the intervals allow for what that is not known."
            )
        elif self.missed:
            links = (
                f"Missed links: {share(self.missed)}, as stated, whoever is reached and whenever."
            )
        shorter = "Who is followed for a shorter time is reached like the others from then on."
        if self._of_followed:
            shorter = "The shares are of the persons who were followed for all of the time; the others are like them."
        room = [
            "In some groups more were reached than missed links leave room for: fewer are missed there."
        ]
        false = "False links: none. They make the shares too high."
        return [links, *room * self.contradicted, false, shorter]


def _names(row: Mapping[Any, Any], key: Sequence[str]) -> list[str]:
    return [str(row[name]) for name in key]


def _said(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Write an interval of a share, and the share; a mark where they are not shown."""
    if math.isnan(row["share"]):
        return ("-", MARK if math.isnan(row.get("observed", 0.0)) else "-")
    return f"{share(row['low'])} to {share(row['high'])}", share(row["share"])


def _records(frame: pd.DataFrame, key: Sequence[str]) -> list[dict[str, Any]]:
    """Take rows of a frame apart: what names them, and what is said of them."""
    names = ("observed", "days", "share", "low", "high")
    return [
        {
            "where": {name: row[name] for name in key},
            **{name: _or_none(row[name]) for name in names if name in row},
        }
        for row in frame.to_dict("records")
    ]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def reach(
    group: Any,
    register: Any,
    within: str | float | dt.timedelta = "180D",
    *,
    by: Sequence[str] = (),
    stages: Sequence[str] = (),
    since: Literal["start", "previous"] = "start",
    missed: Missed = 0.0,
    until: Any = None,
    person: str = "person",
    start: str = "start",
    date: str = "date",
    stage: str = "stage",
    earlier: Literal["ignored", "counted"] = "ignored",
    level: float = DEFAULT_LEVEL,
) -> Reach:
    r"""Which share of a known group a register reaches within a time, and how far it gets.

    Parameters
    ----------
    group : pandas, polars or pyarrow data frame
        A row for each person of the group, with the columns `person`, `start` and those of `by`.
    register : data frame
        A row for each registration, with the columns `person`, `date` and, with stages, `stage`.
    within : str, float or timedelta, default "180D"
        Time within which somebody counts as reached: days, or text in days or weeks, ``"26W"``.
    by : sequence of str
        Columns of the group by which shares are given.
    stages : sequence of str
        Stages in their order, ``["suspected", "prosecuted", "convicted"]``: who is at a later one has reached
        the earlier ones by then.
    since : {"start", "previous"}, default "start"
        Whether a stage is a share of the group, in time since its start, or of those who reached the stage
        before, in time since then.
    missed : float or pair of int, default 0
        Share of the persons whose registrations are not recognized as theirs, as stated; or numbers of links
        that were missed and looked for, such as (12, 300) of a clerical review, whose chance the intervals
        then hold. It plays no part in shares of those who reached the stage before.
    until : str or date, optional
        A column of the group, or one date, until which registrations are known; by default the last date of
        the register.
    person, start, date, stage : str
        Names of the columns.
    earlier : {"ignored", "counted"}, default "ignored"
        What registrations before the start are: nothing, or somebody who is reached at once.
    level : float, default 0.95
        Level of the intervals.

    Returns
    -------
    Reach

    Raises
    ------
    InvalidTableError
        If columns lack values or dates, or a person is in the group twice.
    ModelError
        If an option is not known.

    Notes
    -----
    :math:`\hat F(t) = (1 - \hat S(t)) / (1 - m)` with the survival function S of Kaplan & Meier (1958),
    censored where persons are followed for less, and m the share of missed links. The interval of
    :math:`1 - \hat S` is that of Wilson (1927) for as many persons as have its Greenwood variance; that of the
    quotient follows Zou & Donner (2008). Ends are not beyond 0 and 1.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> group = pd.DataFrame({"person": ["p", "q", "r"], "start": ["2020-01-01"] * 3})
    >>> register = pd.DataFrame({"person": ["p", "r"], "date": ["2020-02-01", "2021-01-01"]})
    >>> mse.reach(group, register, "180D").to_frame()["share"].round(2).tolist()
    [0.33]
    """
    check_level(level)
    days = _days(within)
    _check_options(since, earlier)
    missed = _checked(missed)
    problems = Problems()
    names, order = as_names(by, "covariate", problems), as_names(stages, "stage", problems)
    _check_names(names, order, person, problems)
    problems.check()
    members = _members(group, (person, start), names, problems)
    found = _registered(register, (person, date, stage), order, problems)
    problems.check()
    _check_persons(members, found, person)
    known = _until(group, until, found["date"].max(), members)
    reached = _first_days(members, found, max(len(order), 1), earlier)
    reached[reached > known[:, None]] = math.inf
    return _answered(members, reached, known, order or ("",), (days, since, names, missed, level))


# Options and columns -----------------------------------------------------------------------------


def _days(within: Any) -> float:
    """Take a time as days: text of days or weeks, a number, or a difference of dates."""
    days = math.nan
    if isinstance(within, str):
        if found := _TIME.fullmatch(within.strip()):
            days = float(found[1]) * (7 if found[2] and found[2] in "wW" else 1)
    elif isinstance(within, dt.timedelta | np.timedelta64):
        days = pd.Timedelta(within) / pd.Timedelta("1D")
    elif isinstance(within, Real) and not isinstance(within, bool):
        days = float(within)
    if not (math.isfinite(days) and days > 0):
        raise ModelError(
            f"within={within!r}; expected a time in days or weeks, such as 180, '180D' or '26W': months differ."
        )
    return days


def _check_options(since: str, earlier: str) -> None:
    if since not in _OF:
        raise ModelError(f"since={since!r} is not known; expected 'start' or 'previous'.")
    if earlier not in ("ignored", "counted"):
        raise ModelError(f"earlier={earlier!r} is not known; expected 'ignored' or 'counted'.")


def _checked(missed: Any) -> Missed:
    """Take a share, or whole numbers of links that were missed and looked for."""
    pair = tuple(missed) if isinstance(missed, list | tuple) else (missed, 1)
    kind = Integral if isinstance(missed, list | tuple) else Real
    numbers = all(isinstance(each, kind) and not isinstance(each, bool) for each in pair)
    if not numbers or len(pair) != 2 or not 0 <= pair[0] < pair[1]:
        raise ModelError(
            f"missed={missed!r}; expected a share below 1 of the links, or the numbers of links that were missed "
            "and looked for, (12, 300)."
        )
    return (int(pair[0]), int(pair[1])) if kind is Integral else float(missed)


def _check_names(
    by: tuple[str, ...], stages: tuple[str, ...], person: str, problems: Problems
) -> None:
    """Refuse names that come twice, or that are of something else."""
    for names, what in ((by, "column of the groups"), (stages, "stage")):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        problems.found += [f"The {what} {name!r} is named twice: name it once." for name in twice]
    if "" in stages:
        problems.add("A stage has no name: name it as the register does.")
    for name in by:
        if name in _RESULTS:
            problems.add(
                f"Column {name!r} has a name that results have for something else: rename it."
            )
        elif name == person:
            problems.add(f"Column {name!r} tells persons apart, and groups are of several.")


def _column_of(
    frame: Any, names: Sequence[str], problems: Problems, person: str = ""
) -> dict[str, pd.Series[Any]]:
    """Take columns, none of whose values may be missing, one of them perhaps of persons."""
    columns = read_columns(frame, names, problems)
    for name, column in columns.items():
        if name == person:
            persons_of(column, name, problems)
            continue
        missing = int(column.isna().sum())
        if missing:
            problems.add(
                f"Column {name!r} is missing in {missing:,} of {len(column):,} rows: expected a value in each. "
                "Leave these rows out, or find the values."
            )
    return columns


def _dated(column: pd.Series[Any], name: str, problems: Problems) -> FloatArray:
    """Read dates as days since 1970."""
    try:
        found = dates(column, name)
    except InvalidTableError as error:
        problems.add(str(error))
        return np.zeros(len(column))
    return np.asarray((found - pd.Timestamp(0)).dt.total_seconds() / DAY, dtype=np.float64)


def _members(
    group: Any, columns: tuple[str, str], by: tuple[str, ...], problems: Problems
) -> pd.DataFrame:
    """Read the group: ``person``, ``start``, and a category for each of ``by``."""
    person, start = columns
    held = _column_of(group, (person, start, *by), problems, person)
    if problems or len(held) < len({person, start, *by}):
        return pd.DataFrame()
    twice = int(held[person].duplicated().sum())
    if twice:
        problems.add(
            f"The group has {twice:,} rows more than persons: expected each once. Keep the first start of each."
        )
    groups = {}
    for at, name in enumerate(by):
        levels = factor(held[name], name, problems)
        groups[f"by{at}"] = pd.Categorical.from_codes(levels.codes, pd.Index([*levels.levels]))
    begun = _dated(held[start], start, problems)
    return pd.DataFrame({"person": held[person].to_numpy(), "start": begun, **groups})


def _registered(
    register: Any, columns: tuple[str, str, str], stages: tuple[str, ...], problems: Problems
) -> pd.DataFrame:
    """Read the registrations: ``person``, ``date``, and the number of the ``stage``."""
    person, date, stage = columns
    wanted = (person, date, *([stage] if stages else []))
    held = _column_of(register, wanted, problems, person)
    if problems or len(held) < len(set(wanted)):
        return pd.DataFrame({"date": np.zeros(0)})
    number = np.zeros(len(held[person]), dtype=np.int64)
    if stages:
        number = pd.Index(stages).get_indexer(pd.Index(held[stage].astype(str)))
        if (number < 0).any():
            problems.add(
                f"Column {stage!r} holds other stages than {', '.join(stages)} in {int((number < 0).sum()):,} "
                "rows: name them all in their order, or leave these rows out."
            )
    when = _dated(held[date], date, problems)
    return pd.DataFrame({"person": held[person].to_numpy(), "date": when, "stage": number})


def _check_persons(members: pd.DataFrame, found: pd.DataFrame, person: str) -> None:
    """Refuse persons who cannot be matched, and more groups than persons."""
    kinds = [pd.api.types.is_numeric_dtype(each["person"]) for each in (members, found)]
    if kinds[0] != kinds[1]:
        text = [("text", "numbers")[kind] for kind in kinds]
        raise InvalidTableError(
            f"Column {person!r} holds {text[0]} in the group and {text[1]} in the register, so that nobody would be "
            "found: write persons in the same way in both."
        )
    group, register = members["person"], found["person"]
    alike = folded(group).isin({*folded(register)}) & ~group.isin(register)
    if alike.sum() >= max(_ALIKE * len(group), 1):
        raise InvalidTableError(
            f"Of {len(group):,} persons {int(alike.sum()):,} are in the register but for spaces, upper and lower case, "
            f"or .0 behind a number in column {person!r}: write persons in the same way in both."
        )
    levels = [members[name].cat.categories for name in members if str(name).startswith("by")]
    cells = math.prod(map(len, levels))
    if cells > max(len(members), MOST_GROUPS):
        raise InvalidTableError(
            f"The groups are {cells:,} combinations of {len(members):,} persons: expected fewer groups than persons. "
            "Name fewer columns, or coarser ones."
        )


def _until(group: Any, until: Any, last: float, members: pd.DataFrame) -> FloatArray:
    """Day until which the registrations of each person are known, (R,)."""
    if isinstance(until, str) and until in map(str, read_names(group)):
        problems = Problems()
        found = _dated(_column_of(group, [until], problems)[until], until, problems)
        problems.check()
    else:
        day = last if until is None else _day(until)
        found = np.full(len(members), day)
    if np.isnan(found).any():
        raise InvalidTableError(
            "The register has no dates: say with `until` until when it is known."
        )
    late = int((found < members["start"]).sum())
    if late:
        raise InvalidTableError(
            f"Of {late:,} of {len(members):,} persons the start is after the date until which registrations are "
            "known: leave them out, or give `until`."
        )
    return found


def _day(until: Any) -> float:
    """Read one date as days since 1970."""
    found = day_of(until)
    if found is None:
        raise ModelError(
            f"until={until!r}; expected a date such as '2020-12-31', the year first, or a column of the group."
        )
    return (found - pd.Timestamp(0)).total_seconds() / DAY


def read_names(frame: Any) -> Sequence[str]:
    """Columns of a data frame of any kind."""
    return [*getattr(frame, "columns", getattr(frame, "column_names", ()))]


def _first_days(
    members: pd.DataFrame, found: pd.DataFrame, n_stages: int, earlier: str
) -> FloatArray:
    """First day on which each person reached each stage, (R, stages); infinite where it did not."""
    merged = found.merge(
        members[["person", "start"]].assign(row=np.arange(len(members))), on="person"
    )
    first = np.full((len(members), n_stages), math.inf)
    if earlier == "ignored":
        merged = merged[merged["date"] >= merged["start"]]
    place = merged["row"].to_numpy(), merged["stage"].to_numpy()
    np.minimum.at(first, place, merged[["date", "start"]].to_numpy(np.float64).max(axis=1))
    # Who is at a later stage reached the earlier ones by then.
    return np.asarray(np.minimum.accumulate(first[:, ::-1], axis=1)[:, ::-1].copy())


# Curves ------------------------------------------------------------------------------------------


def _answered(
    members: pd.DataFrame,
    reached: FloatArray,
    until: FloatArray,
    stages: tuple[str, ...],
    asked: tuple[float, str, tuple[str, ...], Missed, float],
) -> Reach:
    """Curves of all stages and groups."""
    within, since, by, missed, level = asked
    times = np.linspace(0, within, TIMES + 1)
    levels = [members[f"by{at}"].cat.categories for at in range(len(by))]
    curves, sizes, cohort = [], [], []
    for at, name in enumerate(stages):
        later = since == "previous" and at > 0
        begun = reached[:, at - 1] if later else members["start"].to_numpy(np.float64)
        event = np.isfinite(reached[:, at])
        days = np.where(event, reached[:, at], until) - begun
        for cell in product(*levels):
            here = np.isfinite(begun)
            for column, value in enumerate(cell):
                here = here & (members[f"by{column}"] == value).to_numpy()
            key = {"stage": name, **dict(zip(by, cell, strict=True))}
            n, followed = int(here.sum()), int((here & (event | (days >= within))).sum())
            sizes.append({**key, "observed": n, "followed": followed})
            whole = here & (until - begun >= within)
            inside = int((whole & event & (days <= within)).sum())
            cohort.append({**key, "persons": int(whole.sum()), "reached": inside})
            nobody = [_Share(math.nan, math.nan, math.nan)] * len(times)
            shares = (
                nobody
                if n == 0
                else shares_reached(days[here], event[here], times, 0.0 if later else missed, level)
            )
            curves += [
                {**key, "days": time, "share": each.point, "low": each.low, "high": each.high}
                for time, each in zip(times, shares, strict=True)
            ]
    frames = pd.DataFrame(curves), pd.DataFrame(sizes), pd.DataFrame(cohort)
    return Reach(*frames, within, stages, since, by, missed, level)
