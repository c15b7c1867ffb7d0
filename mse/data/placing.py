"""Persons registered in several places: put into one of them by a rule, or counted in each with a weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import pandas as pd

from mse._typing import FrozenDict
from mse.data.checks import Problems, listed, near
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import Level

Rule: TypeAlias = Literal["first", "main", "each"]


@dataclass(frozen=True, eq=False)
class PlacedRecords:
    """Registrations of which every person has one place, or a copy in each.

    Attributes
    ----------
    records : DataFrame
        One row for each registration, for ``CaptureTable.from_records``. By the rule ``"each"`` a person in two
        places is two units, both with all registrations, whose identifier has the place behind it.
    rule : {"first", "main", "each"}
        Which place it is.
    persons, several : int
        Persons with a known place, once in each period; and those of them in several places.
    moves : DataFrame
        Persons registered in one place (row) and next in another (column), by the date of registration, or by
        row where none is given. A person counts once for each pair of places and period. Where a victim was seen
        is not where he or she was held: it is of registrations.
    weights : mapping of tuple to float
        Of each place and period (of each place, without periods) the mean of 1 / k over its persons, who are
        registered in k places: what makes of persons counted in each place persons counted once. 1 by other
        rules.
    """

    records: pd.DataFrame = field(repr=False)
    rule: Rule
    persons: int
    several: int
    moves: pd.DataFrame = field(repr=False)
    weights: Mapping[tuple[Level, ...], float] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", FrozenDict(self.weights))


def place_records(
    records: Any,
    person: str,
    place: str,
    rule: Rule = "first",
    *,
    period: str | None = None,
    date: str | None = None,
) -> PlacedRecords:
    """Give every person one place, where registrations name several, or a copy in each.

    Parameters
    ----------
    records : data frame
        One row for each registration; pandas, polars or pyarrow.
    person, place : str
        Columns. Registrations without a place take that of the person, where another one has it.
    rule : {"first", "main", "each"}, default "first"
        The place of the first registration; that with most registrations, of equal ones the first; or each place,
        with weights.
    period : str, optional
        Column of the period: a person has a place in each.
    date : str, optional
        Column of the date of registration, by which they are put in order; without it rows are in order.

    Returns
    -------
    PlacedRecords

    Raises
    ------
    ModelError
        If a column or the rule is not known.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> df = pd.DataFrame(
    ...     {
    ...         "id": ["p", "p", "q"],
    ...         "source": ["care", "police", "care"],
    ...         "town": ["Elst", "Epe", "Epe"],
    ...     }
    ... )
    >>> placed = mse.place_records(df, "id", "town")
    >>> placed.several, placed.records["town"].tolist()
    (1, ['Elst', 'Elst', 'Epe'])
    >>> int(placed.moves.loc["Elst", "Epe"])
    1
    """
    import narwhals as nw

    frame = nw.from_native(records, eager_only=True).to_pandas().reset_index(drop=True)
    _check(frame, rule, [person, place, *filter(None, (period, date))])
    unit = [person] if period is None else [person, period]
    ordered = frame.sort_values(date, kind="stable") if date is not None else frame
    known = ordered[ordered[place].notna()]
    # One row for each unit and place, with its registrations, in order of the first of them.
    visits = (
        known.groupby([*unit, place], sort=False, observed=True).size().rename("n").reset_index()
    )
    k = visits.groupby(unit, sort=False, observed=True)[place].transform("size")
    by_place = [place] if period is None else [place, period]
    if rule == "each":
        # A person without any place stays without.
        placed = frame.drop(columns=place).merge(visits[[*unit, place]], on=unit, how="left")
        placed[person] = placed[person].astype(str) + " @ " + placed[place].astype(str)
        weights = (1 / k).groupby([visits[name] for name in by_place], observed=True).mean()
    else:
        if rule == "main":
            visits = visits.sort_values("n", ascending=False, kind="stable")
        chosen = visits.drop_duplicates(unit)[[*unit, place]]
        placed = frame.drop(columns=place).merge(chosen, on=unit, how="left")
        weights = chosen.groupby(by_place, observed=True).size() * 0.0 + 1.0
    keys = [each if isinstance(each, tuple) else (each,) for each in weights.index]
    n = len(visits.drop_duplicates(unit))
    several = int((k > 1).groupby([visits[name] for name in unit], observed=True).any().sum())
    found = dict(zip(keys, map(float, weights), strict=True))
    return PlacedRecords(placed[frame.columns], rule, n, several, _moves(known, unit, place), found)


def _check(frame: pd.DataFrame, rule: str, names: list[str]) -> None:
    if rule not in get_args(Rule):
        raise ModelError(f"rule={rule!r} is not known: expected one of {listed(get_args(Rule))}.")
    problems = Problems()
    columns = list(map(str, frame.columns))
    for name in names:
        if name not in columns:
            problems.add(
                f"The records have no column {name!r}: there are {listed(columns, 12)}.{near(name, columns)}"
            )
    problems.check()


def _moves(known: pd.DataFrame, unit: list[str], place: str) -> pd.DataFrame:
    """Count persons by a place and the next other one, (places, places)."""
    following = known.groupby(unit, sort=False, observed=True)[place].shift(-1)
    moved = following.notna() & (following != known[place])
    pairs = (
        known[moved][unit]
        .assign(first=known[place][moved], following=following[moved])
        .drop_duplicates()
    )
    levels = sorted(known[place].unique(), key=str)
    counted = pd.crosstab(pairs["first"], pairs["following"]) if len(pairs) else pd.DataFrame()
    matrix = counted.reindex(index=levels, columns=levels, fill_value=0).fillna(0).astype("int64")
    return matrix.rename_axis(index="from", columns="to")
