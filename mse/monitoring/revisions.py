"""How figures moved: each period as it was estimated then, and as it is estimated now."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from mse.answer.shown import Result, in_words
from mse.errors import ModelError
from mse.monitoring.draws import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mse._typing import Level
    from mse.answer.shown import Section
    from mse.monitoring.result import Monitor


@dataclass(frozen=True)
class Revision:
    """A period as it was estimated at a date, and as it is estimated later.

    Attributes
    ----------
    period : level
        The period.
    as_of : str
        The date of the earlier estimate.
    preliminary : bool
        Whether registrations were still to come then.
    registered, registered_later : int
        Registered persons then, and later.
    total : Figure
        The estimate of then, with its interval, persons.
    expected : Figure
        In which the later point estimate was expected then; NaN where nothing was to come.
    later : float
        The later point estimate, persons.
    """

    period: Level
    as_of: str
    preliminary: bool
    registered: int
    registered_later: int
    total: Figure
    expected: Figure
    later: float

    @property
    def revision(self) -> float:
        """By how much the later figure is above the earlier one, as a share of it."""
        return self.later / self.total.point - 1 if self.total.point > 0 else nan

    @property
    def inside(self) -> bool | None:
        """Whether the later figure is in the interval of then; None without figures."""
        return _holds(self.total, self.later)

    @property
    def foreseen(self) -> bool | None:
        """Whether the later figure is where it was expected; None where nothing was to come."""
        return _holds(self.expected, self.later)


def _holds(figure: Figure, value: float) -> bool | None:
    return None if isnan(figure.low) or isnan(value) else figure.low <= value <= figure.high


@dataclass(frozen=True, eq=False, repr=False)
class Revisions(Result):
    """Each period as it was estimated at earlier dates, beside the estimate of the last date.

    The tables of two dates differ by few persons, so that under rules of disclosure it is told whether the figures
    held, and none of them is (`mse.disclosure.protect_revisions`).

    Attributes
    ----------
    parts : tuple of Revision
        By period, and by date within it.
    as_of : str
        The last date.
    level : float
        Of the intervals.
    """

    _words: ClassVar[str] = "mse.words.nowcasts"

    parts: tuple[Revision, ...]
    as_of: str
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each period and earlier date.

        Returns
        -------
        DataFrame
            ``period``, ``as_of``, ``preliminary``; ``registered`` and ``registered_later``; ``low``, ``high`` and
            ``total`` of then; ``expected_low`` and ``expected_high``, within which the later point was expected;
            ``later``, ``revision`` (a share of the total of then), ``inside`` and ``foreseen``.
        """
        rows = [
            {
                **{name: getattr(each, name) for name in ("period", "as_of", "preliminary")},
                "registered": each.registered,
                "registered_later": each.registered_later,
                "low": each.total.low,
                "high": each.total.high,
                "total": each.total.point,
                "expected_low": each.expected.low,
                "expected_high": each.expected.high,
                "later": each.later,
                "revision": each.revision,
                "inside": each.inside,
                "foreseen": each.foreseen,
            }
            for each in self.parts
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<Revisions: {len(self.parts)} earlier estimates, beside those of {self.as_of}>"

    def _sections(self) -> list[Section]:
        return list(in_words(self))


def revisions(monitors: Iterable[Monitor]) -> Revisions:
    """Put each period as it was estimated at earlier dates beside its estimate of the last date.

    Parameters
    ----------
    monitors : iterable of Monitor
        Of nowcasts of the same registrations at several dates, made in the same way.

    Returns
    -------
    Revisions

    Raises
    ------
    ModelError
        If there are fewer than two dates, or a monitor is of no nowcast.

    Notes
    -----
    The revision that was expected is none: a nowcast is the mean of what is expected. Beside the interval of the
    size of the population stands the narrower one in which the later point estimate was expected, which holds
    what is still to come alone (`LatePeriod.later`). The figures of a complete period move too, since a model
    learns from the other periods.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.netherlands(years=range(2013, 2016), late=True)
    >>> records = world.draw(seed=1).records.rename(columns={"pseudonym": "person"})
    >>> found = mse.revisions(
    ...     mse.monitor(
    ...         mse.nowcast(records, date, imputations=3, seed=1),
    ...         estimator=mse.LogLinear("main"),
    ...         replicates=60,
    ...         seed=1,
    ...     )
    ...     for date in ("2014-12-31", "2016-12-31")
    ... )
    >>> [(each.period, each.preliminary) for each in found.parts]
    [(2013, False), (2014, True)]
    """
    known = list(monitors)
    dated = {each.late.as_of: each for each in known if each.late is not None}
    if len(dated) < len(known) or len(dated) < 2:
        raise ModelError(
            f"There are {len(known)} monitors, {len(dated)} of nowcasts of different dates: expected nowcasts of "
            "the same registrations at two dates or more, mse.monitor(mse.nowcast(registrations, as_of))."
        )
    *earlier, last = sorted(dated)
    now = dated[last]
    parts = [
        _revision(dated[date], date, now, period)
        for period in now.levels
        for date in earlier
        if period in dated[date].levels
    ]
    return Revisions(tuple(parts), last, now.level)


def _revision(then: Monitor, date: str, now: Monitor, period: Level) -> Revision:
    """Compare a period then and now."""
    cell, later = then.cells[period, ()], now.cells[period, ()]
    expected = Figure()
    if then.late is not None and period in then.late.periods:
        expected = then.late.periods[period].later
    return Revision(
        period,
        date,
        cell.preliminary,
        cell.observed,
        later.observed,
        cell.figures["total"],
        expected,
        later.total,
    )
