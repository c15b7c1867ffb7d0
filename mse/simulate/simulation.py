"""What came of one draw: registrations, the truth behind them, and tables made of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mse.errors import ModelError, MSEWarning
from mse.table import CaptureTable, TableInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from mse._typing import IntArray, Level
    from mse.simulate.registrations import Drawn
    from mse.simulate.worlds import World

__all__ = ["Simulation", "simulation_of"]

PERSON, REGISTER, PERIOD = "pseudonym", "register", "year"
#: Begins every pseudonym, so that no row can pass for a real one.
PREFIX = "SYN-"


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """SYNTHETIC registrations with a known truth.

    Attributes
    ----------
    world : World
        What was drawn from.
    seed : int or None
        The seed that gives this draw again; None when a generator was given.
    records : DataFrame
        One row for each registration: ``pseudonym``, ``register``, and a column for each covariate,
        missing where it is not known. Sorted by year and pseudonym, which says nothing: pseudonyms
        are numbers at random.
    truth : DataFrame
        One row for each stratum: its levels; ``persons``, how many there are; and ``registered``, how
        many of these have a registration.
    """

    world: World
    seed: int | None
    records: pd.DataFrame
    truth: pd.DataFrame

    @property
    def total(self) -> int:
        """True number of persons, in all years together."""
        return int(self.truth["persons"].sum())

    @property
    def not_operating(self) -> dict[str, tuple[int, ...]]:
        """Lists that dropped out, and the years in which they did."""
        dropout = self.world.flaws.dropout
        return {} if dropout is None else dict.fromkeys(dropout.lists, dropout.years)

    def table(self, *, dropped: Literal["zeros", "unknown"] = "zeros") -> CaptureTable:
        """Count the registrations, as an analyst would who has nothing else.

        Parameters
        ----------
        dropped : {"zeros", "unknown"}
            What is made of lists in the years in which they dropped out: nobody else was on them, or
            it is not known who was (the registrations that they made all the same are set aside, and
            persons on no other list with them).

        Returns
        -------
        CaptureTable
            A person counts once a year. With ``suppress`` small counts are known within bounds.

        Raises
        ------
        InvalidTableError
            If nobody was registered, or only by one list.

        Examples
        --------
        >>> import mse
        >>> simulation = mse.simulate.netherlands(dropout=True, suppress=5).draw(seed=1)
        >>> simulation.table().is_complete
        False
        """
        if dropped not in ("zeros", "unknown"):
            msg = f"`dropped` is {dropped!r}: expected 'zeros' or 'unknown'."
            raise ModelError(msg)
        table = self._counted
        if dropped == "unknown":
            table = _forgotten(table, self.not_operating)
        if self.world.flaws.suppress is not None:
            low, high = _suppressed(table, self.world.flaws.suppress)
            table = replace(table, low=low, high=high)
        return table.with_info(**_info(self.world, self.seed))

    def to_frame(self) -> pd.DataFrame:
        """Aggregate the registrations to counts by cell, small ones suppressed.

        Returns
        -------
        DataFrame
            A column for each list and covariate, and ``n``, with strings such as ``"<5"`` where the
            world suppresses. `CaptureTable.from_frame` reads it.
        """
        few = self.world.flaws.suppress
        frame = self._counted.to_frame()
        if few is not None:
            small = frame["n"] < few
            frame["n"] = frame["n"].astype(str).where(~small, f"<{few}")
        return frame

    @cached_property
    def _counted(self) -> CaptureTable:
        found = set(self.records[REGISTER].unique())
        covariates = [name for name in self.world.cells.covariates if name != PERIOD]
        return CaptureTable.from_records(
            self.records,
            person=PERSON,
            register=REGISTER,
            period=PERIOD if PERIOD in self.world.cells.covariates else None,
            covariates=covariates,
            registers=[name for name in self.world.cells.lists if name in found],
        )

    def __repr__(self) -> str:
        registered = int(self.truth["registered"].sum())
        return (
            f"Simulation(SYNTHETIC {self.world.design.kind}, seed {self.seed}: {self.total:,} persons, "
            f"{registered:,} registered, {len(self.records):,} registrations)"
        )


def simulation_of(world: World, drawn: Drawn, seed: int | None) -> Simulation:
    """Put labels on what was drawn."""
    cells = world.cells
    codes = cells.codes
    columns: dict[str, Any] = {
        PERSON: _pseudonyms(drawn),
        REGISTER: np.array(cells.lists, dtype=object)[drawn.register],
    }
    for axis, (name, levels) in enumerate(cells.covariates.items()):
        known = np.where(drawn.missing[axis], -1, codes[axis][drawn.stratum])
        columns[name] = _labeled(known, levels)
    records = pd.DataFrame(columns)
    order = [name for name in (PERIOD, PERSON, REGISTER) if name in records]
    records = records.sort_values(order, ignore_index=True)
    truth = pd.DataFrame(
        {
            name: _labeled(codes[axis], levels)
            for axis, (name, levels) in enumerate(cells.covariates.items())
        }
    )
    truth["persons"] = drawn.population
    truth["registered"] = drawn.registered
    return Simulation(world, seed, records, truth)


def _pseudonyms(drawn: Drawn) -> npt.NDArray[np.str_]:
    if not drawn.person.size:
        return np.zeros(0, dtype=np.str_)
    digits = max(len(str(drawn.n_persons)), 6)
    return np.char.add(PREFIX, np.char.zfill(drawn.person.astype(np.str_), digits))


def _labeled(codes: IntArray, levels: Sequence[Level]) -> pd.Series[Any]:
    """Levels for codes; -1 becomes missing. Plain values, as a file would have them."""
    known: Any = pd.array(list(levels))
    return pd.Series(known.take(codes, allow_fill=True))


def _forgotten(table: CaptureTable, lists: Mapping[str, tuple[int, ...]]) -> CaptureTable:
    """Turn membership of lists into "unknown" in some years, for everybody."""
    with warnings.catch_warnings():
        # What these lists registered all the same is set aside on purpose.
        warnings.simplefilter("ignore", MSEWarning)
        for name, years in lists.items():
            present = [year for year in table.covariates.get(PERIOD, ()) if year in years]
            if name in table.lists and present:
                table = table.not_operating(name, **{PERIOD: present})
    return table


def _suppressed(table: CaptureTable, few: int) -> tuple[Any, Any]:
    """Bounds of the counts when small ones are not shown; as text is read, "<5" is 0 to 4."""
    small = table.low < few
    return np.where(small, 0, table.low), np.where(small, few - 1, table.high)


def _info(world: World, seed: int | None) -> dict[str, Any]:
    years = world.cells.covariates.get(PERIOD, ())
    info = TableInfo(
        name=f"{world.design.kind} (synthetic)",
        population=f"SYNTHETIC: {world.design.description}",
        period=f"{min(years)}-{max(years)}" if years else "",  # type: ignore[type-var]
        scope="synthetic: one definition of the population in all years",
        source=f"made up by mse.simulate, seed {seed}; no data about any person",
        notes=f"SYNTHETIC DATA. Settings of the world: {world!r}",
        list_descriptions=world.design.list_descriptions,
    )
    return dict(vars(info))
