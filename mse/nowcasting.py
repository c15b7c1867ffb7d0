"""Tables of the last periods while registrations are still to come: as they stand, and completed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, nan, sqrt
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from mse._settings import check_seed, check_whole
from mse._typing import FrozenDict
from mse.answer.intervals import check_level
from mse.answer.shown import Result, in_words
from mse.core import late_reports
from mse.core._threads import one_thread
from mse.data.checks import Problems, listed, near
from mse.data.columns import read_columns
from mse.data.reading import Reading, dates, day_of
from mse.data.registrations import Coded, coded_records, counted
from mse.data.table import CaptureTable
from mse.errors import InvalidTableError, ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level, Seed
    from mse.answer.shown import Section

#: Days of a month, on average.
MONTH = 365.25 / 12
#: A period is complete when this share of the registrations of each list is in.
COMPLETE = 0.995
#: A registration that is in was possible: shares of lists that report late are at least this.
LEAST_SHARE = 1e-3
#: Times at which it is known how much is in: these days, then every half month.
FIRST_DAYS = (0, 1, 4, 8, 15)
#: Days of a month over which the share that is in is averaged.
DAYS = 10
#: Registrations of a list in a period from which on their mean delay tells something.
FEW = 10
#: Numbers in arrays of columns of the model; more do not fit in the memory of most machines.
MOST_NUMBERS = 1.5e8


@dataclass(frozen=True, eq=False, repr=False)
class Nowcast(Result):
    """Registrations as they stand at a date, and tables completed by those that are still to come.

    `mse.monitor` takes it as it takes a table.

    Attributes
    ----------
    as_of : str
        The date, ``2016-01-31``.
    period : str
        Covariate that is the period.
    table : CaptureTable
        What is in.
    completed : tuple of CaptureTable
        The same with what is still to come drawn, one after the other; empty where everything is in.
    preliminary : tuple of level
        Periods of which something is still to come.
    shares : mapping of level to mapping of str to float
        Share of the registrations of each list that is in, of each preliminary period.
    not_in : mapping of str to tuple of level
        Lists of which nothing is in, and the periods.
    warnings : tuple of str
        What to beware of.
    """

    _words: ClassVar[str] = "mse.words.nowcasts"
    references = (
        "Lawless, J. F. (1994). Adjustments for reporting delays and the prediction of occurred but not reported events. Canadian Journal of Statistics, 22(1), 15-31.",
        "Zult, D. B., van der Heijden, P. G. M., & Bakker, B. F. M. (2025). Nowcasting in triple-system estimation. Journal of Official Statistics. doi:10.1177/0282423X241311751.",
    )

    as_of: str
    period: str
    table: CaptureTable
    completed: tuple[CaptureTable, ...]
    preliminary: tuple[Level, ...]
    shares: Mapping[Level, Mapping[str, float]]
    not_in: Mapping[str, tuple[Level, ...]] = field(default_factory=FrozenDict)
    warnings: tuple[str, ...] = ()

    def registered(self, level: float = 0.95) -> pd.DataFrame:
        """Count the registered persons of the preliminary periods: so far, and in the end.

        Parameters
        ----------
        level : float, default 0.95
            Level of the interval of the number in the end.

        Returns
        -------
        DataFrame
            ``registered`` so far, ``expected`` in the end with ``low`` and ``high``, by period.
        """
        rows = []
        for each in self.preliminary:
            drawn = np.array([_persons(one, self.period, each) for one in self.completed])
            so_far = _persons(self.table, self.period, each)
            expected, low, high = foreseen(drawn, level)
            low = max(low, float(so_far))
            figures = {"registered": so_far, "expected": expected, "low": low, "high": high}
            rows.append({self.period: each, **figures})
        return pd.DataFrame(rows, columns=[self.period, "registered", "expected", "low", "high"])

    def to_frame(self) -> pd.DataFrame:
        """Show `registered`, and the share of the registrations of each list that is in."""
        frame = self.registered()
        for name in self.table.lists:
            frame[f"in: {name}"] = [self.shares[each][name] for each in self.preliminary]
        return frame

    def __repr__(self) -> str:
        which = listed(self.preliminary, 12) if self.preliminary else "nothing"
        return (
            f"<Nowcast as of {self.as_of}: {self.table.n_observed:,} registered, {which} preliminary, "
            f"{len(self.completed)} completed tables>"
        )

    def _sections(self) -> list[Section]:
        return list(in_words(self))


def foreseen(drawn: FloatArray, level: float) -> tuple[float, float, float]:
    """Point and ends of the interval in which a further draw lies, of positive numbers (Student's t of logs).

    Examples
    --------
    >>> import numpy as np
    >>> [round(each) for each in foreseen(np.array([90.0, 100.0, 111.0]), 0.95)]
    [100, 59, 168]
    """
    check_level(level)
    with np.errstate(divide="ignore"):
        logs, m = np.log(drawn), len(drawn)
    if not np.isfinite(logs).all():
        return nan, nan, nan
    wide = float(stdtrit(m - 1, (1 + level) / 2)) * float(logs.std(ddof=1)) * sqrt(1 + 1 / m)
    middle = float(logs.mean())
    return exp(middle), exp(middle - wide), exp(middle + wide)


def _persons(table: CaptureTable, period: str, each: Level) -> int:
    at = table.patterns[:, table.axes.index(period)] == table.covariates[period].index(each)
    return int(table.high[at].sum())


@one_thread
def nowcast(
    registrations: Any,
    as_of: Any = None,
    *,
    person: str = "person",
    register: str = "register",
    period: str = "year",
    date: str | None = "date",
    received: str | None = "received",
    covariates: Sequence[str] = (),
    lists: Sequence[str] | None = None,
    not_in: Mapping[str, Level | Collection[Level]] | None = None,
    settled: int = 24,
    imputations: int = 20,
    seed: Seed = None,
) -> Nowcast:
    r"""Complete the last periods by the registrations that are still to come.

    Registrations come in late, and lists may come in whole later on. What is in tells how late they are, and what
    earlier periods look like tells who is on which lists in the end; from both, tables are drawn as they will be.
    `mse.monitor` estimates each of them and puts the estimates together, marked preliminary.

    Parameters
    ----------
    registrations : pandas, polars or pyarrow data frame, or Reading
        One row for each report of a person to a register.
    as_of : date, optional
        What came in until this date, it included, is used; by default everything.
    person, register, period : str
        Columns, as in `CaptureTable.from_records`. Periods are calendar years, or follow one another by the dates.
    date, received : str or None
        Columns of the date of the event and of the one on which the registration came in. With ``received=None``
        nothing is late but the lists in `not_in`.
    covariates : sequence of str
        Columns, as in `CaptureTable.from_records`.
    lists : sequence of str, optional
        Names of the lists in order; by default the registers found.
    not_in : mapping of str to level or levels, optional
        Lists that are not in yet, and of which periods: ``{"care": 2015}``. What came in of them is left out.
    settled : int, default 24
        Months after the event from which on nothing more is expected.
    imputations : int, default 20
        Number of completed tables.
    seed : int or numpy.random.Generator, optional
        The same seed draws the same tables.

    Returns
    -------
    Nowcast

    Raises
    ------
    InvalidTableError
        With every problem of the data; and if a period is not over at the date.
    ModelError
        If an option is not known.

    Notes
    -----
    The event of a person in a period has the first of the dates of the registrations. List j has a share
    :math:`F_j(a)` of its registrations of events a months ago, estimated looking back in time, which takes account
    of those being seen alone that are in already (Kalbfleisch & Lawless 1991; Lawless 1994). Persons of history h
    in the end, in stratum s and month m, are Poisson with mean :math:`\lambda_{hs}\,\omega_m`, in which
    :math:`\log\lambda` has all two-way terms of lists, period and covariates; of those in are expected
    :math:`\sum_h \lambda_{hs}\,\omega_m \prod_j P_j(g_j \mid h_j)`, with history g now. Given that, the persons
    of the end are drawn, those who are on no list as yet among them.

    The share that a list reaches drifts from period to period, by as much as it did between complete periods:
    that is all that is known of a list that is not in. How it hangs together with other lists is taken to be as in
    the other periods (Zult, van der Heijden & Bakker 2025, for three lists). Each table has its own delays, drift
    and coefficients, drawn from what is known of them, so that the tables differ as much as is not known.

    References
    ----------
    Kalbfleisch, J. D., & Lawless, J. F. (1991). Regression models for right truncated data with applications to
    AIDS incubation times and reporting lags. Statistica Sinica, 1(1), 19-32.

    Lawless, J. F. (1994). Adjustments for reporting delays and the prediction of occurred but not reported events.
    Canadian Journal of Statistics, 22(1), 15-31.

    Zult, D. B., van der Heijden, P. G. M., & Bakker, B. F. M. (2025). Nowcasting in triple-system estimation.
    Journal of Official Statistics. doi:10.1177/0282423X241311751.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.netherlands(years=range(2012, 2016), late=True)
    >>> records = world.draw(seed=1).records
    >>> found = mse.nowcast(records, "2015-12-31", person="pseudonym", imputations=5, seed=1)
    >>> found.preliminary
    (2015,)
    """
    check_seed(seed)
    rng = np.random.default_rng(seed)
    check_whole("imputations", imputations, 2)
    check_whole("settled", settled, 1)
    if isinstance(registrations, Reading):
        registrations, roles = _of_reading(registrations)
        person, register, period, date, received, covariates, lists = roles
    columns = (person, register, period, date, received)
    rows = _dated_rows(registrations, columns, covariates)
    rows, when = _known(rows, as_of)
    if lists is None:
        lists = sorted(map(str, rows[register].unique()))
    absent = _absent(not_in or {}, rows, register, period)
    rows = rows[~_left_out(rows, absent, register, period)]
    coded = coded_records(
        rows,
        person,
        register,
        period=period,
        covariates=covariates,
        registers=_present(rows, register, lists),
    )
    work = _Work.of(coded, rows, when, period, absent, settled)
    completed: tuple[CaptureTable, ...] = ()
    if work.preliminary:
        begin = work.begin(rng)
        completed = tuple(work.completed(one, begin) for one in rng.spawn(imputations))
    levels = coded.levels[period]
    return Nowcast(
        str(when.date()),
        period,
        work.table,
        completed,
        tuple(levels[t] for t in work.preliminary),
        FrozenDict({levels[t]: FrozenDict(work.shares_of(t)) for t in work.preliminary}),
        FrozenDict({name: tuple(each) for name, each in absent.items()}),
        tuple(work.warnings()),
    )


# What is in, by its dates ------------------------------------------------------------------------------


def _of_reading(read: Reading) -> tuple[pd.DataFrame, tuple[Any, ...]]:
    """Take the registrations of a file that was read, under the names of their roles but for the period."""
    o = read.options
    if read.table is None:
        raise InvalidTableError(read.questions)
    if o.period is None or (o.received is not None and o.date is None):
        raise InvalidTableError(
            "Late reports need the columns of the period, and, unless lists come in whole, of the date of the event "
            "and of the date on which registrations came in: name them with period, date and received."
        )
    further = tuple(name for name in o.covariates or () if name != o.period)
    frame = read.registrations().rename(columns={"period": o.period})
    for name, levels in read.table.covariates.items():
        # Levels as the table has them: a file of text has 2015 as text.
        known = {str(each): each for each in levels}
        frame[name] = frame[name].astype(str).str.strip().map(known)
    dated = ("date", "received") if o.received is not None else (None, None)
    return frame, ("person", "register", o.period, *dated, further, o.lists or None)


def _dated_rows(
    frame: Any, columns: tuple[str, str, str, str | None, str | None], covariates: Sequence[str]
) -> pd.DataFrame:
    """Take the columns that are needed, dates read."""
    problems = Problems()
    *roles, date, received = columns
    further = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    if received is not None and date is None:
        problems.add(
            "`received` is named and `date` is not: how late a registration is takes both."
        )
    dated = [name for name in (date, received) if name is not None and received is not None]
    found = read_columns(frame, [*dict.fromkeys([*roles, *dated, *further])], problems)
    problems.check()
    rows = pd.DataFrame({name: column.reset_index(drop=True) for name, column in found.items()})
    rows.attrs = {"date": date, "received": received}
    for name in dated:
        rows[name] = dates(rows[name], name).dt.tz_localize(None).dt.normalize()
        missing = int(rows[name].isna().sum())
        if missing:
            problems.add(
                f"Column {name!r} is empty in {missing:,} rows: expected a date in each. Complete them, or leave "
                "these rows out."
            )
    problems.check()
    if dated and (wrong := int((rows[str(received)] < rows[str(date)]).sum())):
        problems.add(
            f"{wrong:,} rows were received before the event, {received!r} before {date!r}: expected the same day or "
            "later. Perhaps the columns are exchanged; correct these rows, or leave them out."
        )
    problems.check()
    return rows


def _known(rows: pd.DataFrame, as_of: Any) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Keep what came in until a date."""
    received = rows.attrs["received"]
    when = None if as_of is None else day_of(as_of)
    if as_of is not None and when is None:
        raise ModelError(f"as_of={as_of!r}: expected a date such as '2016-01-31', the year first.")
    when = None if when is None else when.normalize()
    if received is None:
        if when is None:
            raise ModelError(
                "Without a column `received` no date is known: say as of when it is, as_of='2016-01-31'."
            )
        return rows, when
    when = rows[received].max() if when is None else when
    kept = rows[rows[received] <= when]
    if kept.empty:
        raise InvalidTableError(
            f"Nothing came in until {when.date()}: give a later date as `as_of`."
        )
    kept.attrs = rows.attrs
    return kept, when


def _absent(
    not_in: Mapping[str, Any], rows: pd.DataFrame, register: str, period: str
) -> dict[str, tuple[Level, ...]]:
    """Read which lists are not in yet, of which periods."""
    names, levels = rows[register].astype(str).unique().tolist(), rows[period].unique().tolist()
    if not isinstance(not_in, Mapping):
        raise ModelError(f"not_in={not_in!r}: expected lists and their periods, {{'care': 2015}}.")
    found: dict[str, tuple[Level, ...]] = {}
    for name, given in not_in.items():
        if name not in names:
            raise ModelError(
                f"`not_in` names {name!r}, which is on no registration: there are {listed(names, 12)}. Of a list that "
                f"was never in nothing is known: leave it out.{near(name, names)}"
            )
        several = isinstance(given, list | tuple | set | frozenset | range)
        found[name] = tuple(given) if several else (given,)
        for each in found[name]:
            if each not in levels:
                raise ModelError(
                    f"`not_in` names the {period} {each!r} for {name}: there are {listed(levels, 12)}."
                )
    for each in levels:
        here = rows.loc[rows[period] == each, register].astype(str)
        if found and here.isin([name for name, gone in found.items() if each in gone]).all():
            raise ModelError(
                f"`not_in` leaves nothing of the {period} {each!r}: expected a list at least that is in. Leave the "
                "registrations of that period out."
            )
    return found


def _left_out(
    rows: pd.DataFrame, absent: Mapping[str, tuple[Level, ...]], register: str, period: str
) -> BoolArray:
    """Find registrations of lists that are said not to be in."""
    out = np.zeros(len(rows), dtype=np.bool_)
    for name, periods in absent.items():
        out |= ((rows[register].astype(str) == name) & rows[period].isin(periods)).to_numpy()
    return out


def _present(rows: pd.DataFrame, register: str, lists: Sequence[str]) -> list[str]:
    """Keep the lists, in order, of which something is in at all; others come to light as problems."""
    names = set(rows[register].astype(str))
    return [name for name in lists if name in names]


# Tables completed ----------------------------------------------------------------------------------------


class _Spans(NamedTuple):
    """Months of the periods, numbered from the year 0."""

    first: IntArray  # (T,)
    length: IntArray  # (T,)


def _spans(levels: Sequence[Level], of_unit: IntArray, month: IntArray) -> _Spans:
    """Find the months of each period: those of calendar years, or from one first month to the next."""
    whole = [int(each) for each in levels if isinstance(each, int)]
    if len(whole) == len(levels) and (np.array(whole)[of_unit] == month // 12).mean() > 0.99:
        return _Spans(12 * np.array(whole), np.full(len(whole), 12))
    first = np.array([int(np.quantile(month[of_unit == t], 0.005)) for t in range(len(levels))])
    if len(levels) < 2 or (np.diff(first) < 1).any():
        raise InvalidTableError(
            "The dates do not show which months belong to which period: expected periods that follow one another, "
            "such as the calendar year of the date."
        )
    lengths = np.diff(first)
    return _Spans(first, np.append(lengths, int(np.median(lengths))))


class _Units(NamedTuple):
    """Persons in periods: U of them, on K lists, with D covariates, the period first."""

    member: BoolArray  # (U, K)
    codes: IntArray  # (U, D)
    event: FloatArray  # (U,) day, from 1970 on
    month: IntArray  # (U,) of the event
    delay: FloatArray  # (U, K) months until they were in; NaN where they are not


def _units(coded: Coded, rows: pd.DataFrame) -> _Units:
    """Date the persons: the first date is that of the event, and the first receipt of each list counts."""
    k, size = len(coded.lists), len(coded.columns[0])
    member = np.stack(coded.columns[:k], axis=1).astype(np.bool_)
    codes = np.stack(coded.columns[k:], axis=1).astype(np.int64)
    date, received = rows.attrs["date"], rows.attrs["received"]
    if received is None:
        nowhere = np.zeros(size)
        return _Units(
            member, codes, nowhere, nowhere.astype(np.int64), np.where(member, 0.0, np.nan)
        )
    day, came = (_days(rows[name]) for name in (date, received))
    event: FloatArray = np.full(size, np.inf)
    np.minimum.at(event, coded.of_row, day)
    first = np.full((size, k), np.inf)
    np.minimum.at(first, (coded.of_row, coded.register), came)
    when = pd.to_datetime(event, unit="D")
    month = (12 * when.year + when.month - 1).to_numpy(np.int64)
    delay = np.where(member, np.maximum(first - event[:, None], 0) / MONTH, np.nan)
    return _Units(member, codes, event, month, delay)


def _days(column: pd.Series[Any]) -> FloatArray:
    days = (column - pd.Timestamp(0)) / pd.Timedelta("1D")
    return np.asarray(days.to_numpy(np.float64))


def _begin(month: IntArray) -> FloatArray:
    """First day of each month."""
    return np.asarray(
        (month - 12 * 1970).astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)
    )


@dataclass(frozen=True)
class _Work:
    """What is in, and what is needed to complete it."""

    table: CaptureTable
    units: _Units
    spans: _Spans
    day: float  # of the date, from 1970 on
    absent: BoolArray  # (K, T) lists that are not in
    settled: int
    late: bool  # whether registrations come in late
    columns: late_reports.Columns

    @classmethod
    def of(
        cls,
        coded: Coded,
        rows: pd.DataFrame,
        when: pd.Timestamp,
        period: str,
        absent: Mapping[str, tuple[Level, ...]],
        settled: int,
    ) -> _Work:
        """Prepare for a date."""
        levels = coded.levels[period]
        units = _units(coded, rows)
        is_late = rows.attrs["received"] is not None
        spans = (
            _spans(levels, units.codes[:, 0], units.month)
            if is_late
            else _Spans(np.arange(len(levels)), np.ones(len(levels), dtype=np.int64))
        )
        day = (when - pd.Timestamp(0)) / pd.Timedelta("1D")
        if is_late:
            _check_over(levels, spans, day, when, period)
        sizes = tuple(len(each) for name, each in coded.levels.items() if name != period)
        cells = 2 ** len(coded.lists) * int(np.prod(sizes)) * len(levels)
        parameters = (1 + len(coded.lists) + sum(sizes)) ** 2 / 2 + len(levels) * sum(sizes)
        if cells * parameters > MOST_NUMBERS:
            raise ModelError(
                f"The table has {cells:,} cells, and the model of what is still to come about {parameters:,.0f} "
                "parameters, too many for memory: name fewer covariates, or leave out earlier periods."
            )
        gone = np.array([[each in absent.get(name, ()) for each in levels] for name in coded.lists])
        table = CaptureTable._of(counted(coded))
        columns = late_reports.two_way_columns(len(coded.lists), len(levels), sizes)
        return cls(table, units, spans, float(day), gone, settled, is_late, columns)

    # How much is in

    @cached_property
    def edges(self) -> FloatArray:
        """Times in months at which it is known how much is in: days at first, then half months."""
        seen = self.units.delay[np.isfinite(self.units.delay)]
        most = min(seen.max(initial=0.0) + 1 / MONTH, float(self.settled))
        times = np.concatenate(
            [np.array(FIRST_DAYS) / MONTH, np.arange(1, self.settled + 0.5, 0.5)]
        )
        return np.append(times[times < most], most)

    def delays(self, rng: np.random.Generator | None = None) -> FloatArray:
        """Share of the registrations of each list that is in after the times `edges`, (K, E).

        With a generator the months of events have random weights (Rubin 1981), which holds that months differ.
        """
        months, at = np.unique(self.units.month, return_inverse=True)
        weight = np.ones(len(months)) if rng is None else rng.exponential(size=len(months))
        who, register = np.nonzero(self.units.member)
        delay = self.units.delay[who, register]
        known = delay < self.edges[-1]
        return late_reports.reporting_shares(
            delay[known],
            self._age(who)[known],
            register[known],
            weight[at][who][known],
            self.units.member.shape[1],
            self.edges,
        )

    def _age(self, units: Any) -> FloatArray:
        """Months from the event to the end of the date."""
        return np.asarray((self.day + 1 - self.units.event[units]) / MONTH)

    def stretch(self, preliminary: tuple[int, ...]) -> tuple[float, float]:
        """Find how far complete periods differ in how late lists report."""
        k, periods = self.units.member.shape[1], len(self.spans.first)
        mean, variance = np.full((2, k, periods), np.nan)
        for t in range(periods):
            of_period = self.units.delay[self.units.codes[:, 0] == t]
            for j in range(k) if t not in preliminary else ():
                delay = of_period[:, j][of_period[:, j] < self.edges[-1]]
                if len(delay) >= FEW and delay.mean() > 0:
                    mean[j, t] = np.log(delay.mean())
                    variance[j, t] = delay.var() / len(delay) / delay.mean() ** 2
        return late_reports.stretch_of(mean, variance)

    def stretched(
        self, t: int, delays: FloatArray, spread: float, rng: np.random.Generator
    ) -> FloatArray:
        """Draw how far the delays of each list are stretched in a period, (K,) log scale."""
        here = self.units.codes[:, 0] == t
        age = self._age(here)
        found = np.zeros(len(delays))
        for j, shares in enumerate(delays):
            delay = self.units.delay[here, j]
            known = delay < self.edges[-1]
            found[j] = late_reports.drawn_stretch(
                shares, self.edges, delay[known], age[known], spread, rng
            )
        return found

    def share(self, t: int, delays: FloatArray, stretch: FloatArray | None = None) -> FloatArray:
        """Share that is in of each list, by month of a period, (K, A): the mean over the days of the month."""
        months, size = int(self.spans.length[t]), len(delays)
        if self.late:
            begin = _begin(self.spans.first[t] + np.arange(months))
            ages = self.day + 1 - begin[:, None] - MONTH * (np.arange(DAYS) + 0.5) / DAYS
            ages = np.maximum(ages, 0.0) / MONTH
            factor = np.ones(size) if stretch is None else np.exp(-stretch)
            found = np.array(
                [
                    np.interp(ages * each, self.edges, shares).mean(axis=1)
                    for each, shares in zip(factor, delays, strict=True)
                ]
            )
            found = np.maximum(found, LEAST_SHARE)
        else:
            found = np.ones((size, months))
        found[self.absent[:, t]] = 0.0
        return found

    @cached_property
    def preliminary(self) -> tuple[int, ...]:
        """Periods of which something is still to come."""
        delays = self.delays()
        shares = [self.share(t, delays).mean(axis=1) for t in range(len(self.spans.first))]
        return tuple(t for t, share in enumerate(shares) if (share < COMPLETE).any())

    def shares_of(self, t: int) -> dict[str, float]:
        """Share of the registrations of each list that is in."""
        shares = self.share(t, self.delays()).mean(axis=1)
        return dict(zip(self.table.lists, map(float, shares), strict=True))

    def warnings(self) -> Iterator[str]:
        """Sentences about lists of which nothing is in though something should be."""
        when = self.units.codes[:, 0]
        delays = self.delays()
        for t in self.preliminary:
            for k, name in enumerate(self.table.lists):
                before = [float(self.units.member[when == s, k].sum()) for s in range(t)]
                expected = self.share(t, delays)[k].mean() * float(np.mean(before or [0.0]))
                if expected >= 5 and not self.units.member[when == t, k].any():
                    level = self.table.covariates[next(iter(self.table.covariates))][t]
                    said = {"list": name, "period": str(level), "level": repr(level)}
                    yield Message("remark.nothing_in", **said, n=round(expected))

    # What is still to come

    def begin(self, rng: np.random.Generator) -> tuple[FloatArray, float, float]:
        """Find parameters to begin with, and how far lists drift between complete periods."""
        preliminary = self.preliminary
        delays = self.delays()
        shares = {t: self.share(t, delays) for t in preliminary}
        periods = self._reported(shares, self._strata(rng))
        complete = np.array([t not in preliminary for t in range(len(periods))])
        first = late_reports.fit_reported(
            periods, self.columns, 2 * late_reports.DRIFT, self._monthly(preliminary)
        )
        return first.mode, *late_reports.drift_of(first, self.columns, complete)

    def completed(
        self, rng: np.random.Generator, begin: tuple[FloatArray, float, float]
    ) -> CaptureTable:
        """Draw a table as it will be."""
        preliminary = self.preliminary
        delays = self.delays(rng)
        stratum = self._strata(rng)
        shares = {}
        for t in preliminary:
            stretch = None
            if self.late:
                squares, worth = self.stretch(preliminary)
                spread = float(np.sqrt(squares / rng.chisquare(worth)))
                stretch = self.stretched(t, delays, spread, rng)
            shares[t] = self.share(t, delays, stretch)
        periods = self._reported(shares, stratum)
        monthly = self._monthly(preliminary)
        start, squares, worth = begin
        drift = float(np.sqrt(squares / rng.chisquare(worth)))
        fitted = late_reports.fit_reported(periods, self.columns, drift, monthly, start)
        p = len(self.columns.precision)
        at = fitted.mode + np.linalg.solve(fitted.root.T, rng.standard_normal(len(fitted.mode)))
        months = dict(late_reports.months_of(periods))
        drawn = {
            t: late_reports.completed(
                periods[t],
                late_reports.cell_means(
                    periods[t],
                    self.columns.of_cell[t],
                    at[:p],
                    at[p:][months[t]] if t in months else None,
                ),
                rng,
            )
            for t in preliminary
        }
        return self._table(drawn)

    def _strata(self, rng: np.random.Generator) -> IntArray:
        """Stratum of each person by the covariates but the period, unknown ones drawn like those of others."""
        codes, sizes = self.units.codes.copy(), self._sizes
        unknown = np.flatnonzero((codes < 0).any(axis=1))
        whole = codes[(codes >= 0).all(axis=1)]
        patterns, which = np.unique(codes[unknown], axis=0, return_inverse=True)
        for number, row in enumerate(patterns):
            at = row >= 0
            # Those of the same period, if there are any, come first.
            alike = whole[(whole[:, 1:] == row[1:])[:, at[1:]].all(axis=1)]
            same = alike[alike[:, 0] == row[0]]
            donors = next((each for each in (same, alike, whole) if len(each)), codes[:0])
            size = int((which == number).sum())
            drawn = (
                donors[rng.integers(len(donors), size=size)]
                if len(donors)
                else rng.integers((1, *sizes), size=(size, len(row)))
            )
            codes[unknown[which == number]] = np.where(at, row, drawn)
        codes = codes[:, 1:]
        if not sizes:
            return np.zeros(len(codes), dtype=np.int64)
        return np.asarray(np.ravel_multi_index(tuple(codes.T), sizes))

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(len(each) for each in list(self.table.covariates.values())[1:])

    def _reported(
        self, shares: Mapping[int, FloatArray], stratum: IntArray
    ) -> list[late_reports.Reported]:
        """Count what is in, by month where a period is preliminary, of which the shares that are in are given."""
        member, k = self.units.member, self.units.member.shape[1]
        history = member @ (2 ** np.arange(k)[::-1])
        n_strata = int(np.prod(self._sizes))
        profile = self._profile(tuple(shares))
        found = []
        for t in range(len(self.spans.first)):
            here = self.units.codes[:, 0] == t
            months = int(self.spans.length[t]) if t in shares else 1
            month = np.clip(self.units.month[here] - self.spans.first[t], 0, months - 1)
            counts = np.zeros((2**k, n_strata, months))
            np.add.at(counts, (history[here], stratum[here], month), 1)
            if t in shares:
                even = profile if len(profile) == months else np.full(months, 1 / months)
                found.append(late_reports.Reported(counts, shares[t], even))
            else:
                found.append(late_reports.Reported(counts, np.ones((k, 1)), np.ones(1)))
        return found

    def _by_month(self, preliminary: tuple[int, ...]) -> FloatArray:
        """Persons of complete periods by month, (T, A), of those with as many months as most."""
        usual = int(np.bincount(self.spans.length).argmax())
        rows = []
        for t in range(len(self.spans.first)):
            if t not in preliminary and self.spans.length[t] == usual:
                month = self.units.month[self.units.codes[:, 0] == t] - self.spans.first[t]
                rows.append(np.bincount(np.clip(month, 0, usual - 1), minlength=usual))
        return np.array(rows, dtype=np.float64).reshape(-1, usual)

    def _profile(self, preliminary: tuple[int, ...]) -> FloatArray:
        """Share of the events expected in each month: as in complete periods, drawn towards evenness."""
        counts = self._by_month(preliminary)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return np.asarray((shares.sum(axis=0) + 1 / counts.shape[1]) / (len(counts) + 1))

    def _monthly(self, preliminary: tuple[int, ...]) -> float:
        return late_reports.monthly_of(self._by_month(preliminary))

    def _table(self, drawn: Mapping[int, IntArray]) -> CaptureTable:
        """Put drawn periods in the place of those that are preliminary."""
        table, k = self.table, self.table.n_lists
        old = ~np.isin(table.patterns[:, k], list(drawn))
        patterns, counts = [table.patterns[old]], [table.high[old]]
        bits = late_reports.codes_of((2,) * k)
        strata = late_reports.codes_of(self._sizes)
        for t, persons in drawn.items():
            history, stratum = np.nonzero(persons)
            codes = np.column_stack([np.full(len(history), t), strata[stratum]])
            patterns.append(np.column_stack([bits[history], codes]))
            counts.append(persons[history, stratum])
        rows, number = np.concatenate(patterns), np.concatenate(counts)
        return CaptureTable(table.lists, table.covariates, rows, number, number, info=table.info)


def _check_over(
    levels: Sequence[Level], spans: _Spans, day: float, when: pd.Timestamp, period: str
) -> None:
    """Refuse periods that are not over."""
    ends = _begin(spans.first + spans.length)
    open_ = [each for each, end in zip(levels, ends, strict=True) if end > day + 1]
    if open_:
        raise InvalidTableError(
            f"On {when.date()} the {period} {listed(open_)} is not over: expected a date as_of after its end, since "
            "what has not happened yet is no late report. Leave its registrations out, or give a later date."
        )
