"""Worlds with a known truth: settings, from which populations and registrations are drawn."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from mse.data.patterns import TableInfo
from mse.data.table import CaptureTable
from mse.errors import ModelError, MSEWarning
from mse.messages import Message
from mse.simulate.cells import Cells, check_name
from mse.simulate.designs import (
    Design,
    Dropout,
    Flaws,
    Late,
    Linkage,
    Netherlands,
    Places,
    Population,
    as_tuple,
)
from mse.simulate.dutch import COVARIATES, YEARS, Study

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from mse._typing import BoolArray, FloatArray, IntArray, Level, Seed


# What came of one draw: registrations, the truth behind them, and tables made of them -------------

PERSON, REGISTER, PERIOD = "pseudonym", "register", "year"
#: The date of the event, and the one on which its registration came in.
DATE, RECEIVED = "date", "received"
#: Days of a month, on average.
MONTH = 365.25 / 12
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
        missing where it is not known; with late registrations the ``date`` of the event and the one on which it
        was ``received``. Sorted by year and pseudonym, which says nothing: pseudonyms are numbers at random.
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
            raise ModelError(f"`dropped` is {dropped!r}: expected 'zeros' or 'unknown'.")
        table, few = self._counted, self.world.flaws.suppress
        if dropped == "unknown":
            table = _forgotten(table, self.not_operating)
        if few is not None:
            # As text is read, "<5" is 0 to 4.
            small = table.low < few
            low, high = np.where(small, 0, table.low), np.where(small, few - 1, table.high)
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
        found, names = set(self.records[REGISTER].unique()), list(self.world.cells.covariates)
        return CaptureTable.from_records(
            self.records,
            person=PERSON,
            register=REGISTER,
            period=PERIOD if PERIOD in names else None,
            covariates=[name for name in names if name != PERIOD],
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
    truth = pd.DataFrame()
    for axis, (name, levels) in enumerate(cells.covariates.items()):
        known = np.where(drawn.missing[axis], -1, codes[axis][drawn.stratum])
        columns[name] = _labeled(known, levels)
        truth[name] = _labeled(codes[axis], levels)
    if drawn.days is not None:
        columns |= _dated(world, drawn)
    records = pd.DataFrame(columns)
    order = [name for name in (PERIOD, PERSON, REGISTER) if name in records]
    records = records.sort_values(order, ignore_index=True)
    truth["persons"], truth["registered"] = drawn.population, drawn.registered
    return Simulation(world, seed, records, truth)


def _pseudonyms(drawn: Drawn) -> npt.NDArray[np.str_]:
    if not drawn.person.size:
        return np.zeros(0, dtype=np.str_)
    digits = max(len(str(drawn.n_persons)), 6)
    return np.char.add(PREFIX, np.char.zfill(drawn.person.astype(np.str_), digits))


def _dated(world: World, drawn: Drawn) -> dict[str, Any]:
    """Date of the event and of coming in, of each registration."""
    if drawn.days is None:
        return {}
    codes = world.cells.codes[list(world.cells.covariates).index(PERIOD)][drawn.stratum]
    years = np.array(world.cells.covariates[PERIOD])[codes]
    begin = pd.to_datetime(pd.Series(years).astype(str) + "-01-01")
    day, late = (pd.to_timedelta(np.floor(each), unit="D") for each in drawn.days)
    date = begin + day
    return {DATE: date, RECEIVED: date + late}


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


def _info(world: World, seed: int | None) -> dict[str, Any]:
    years = world.cells.covariates.get(PERIOD, ())
    info = TableInfo(
        name=f"{world.design.kind} (synthetic)",
        population=f"SYNTHETIC: {world.design.description}",
        period=f"{min(years)}-{max(years)}" if years else "",  # type: ignore[type-var]
        scope="synthetic: one definition of the population in all years",
        source=Message("described.synthetic_source", seed=str(seed)),
        notes=Message("described.synthetic_settings", world=repr(world)),
        list_descriptions=world.design.list_descriptions,
    )
    return dict(vars(info))


#: A list leaves out at most this share before the others have to leave out more than in proportion.
WORST = 0.9


class Drawn(NamedTuple):
    """A population of S strata and its R registrations."""

    population: IntArray  # (S,) persons in each stratum, on a list or on none
    registered: IntArray  # (S,) persons of them who have a registration
    person: IntArray  # (R,) whose each registration is
    register: IntArray  # (R,) by which list
    stratum: IntArray  # (R,) in which stratum
    missing: BoolArray  # (D, R) whether it lacks each covariate
    n_persons: int  # numbers of persons are below this
    days: FloatArray | None = None  # (2, R) of the event within its year, and until it came in


def draw_registrations(cells: Cells, flaws: Flaws, rng: np.random.Generator) -> Drawn:
    """Draw every cell from its Poisson distribution, then register with flaws.

    Persons are pseudonyms as numbers, without order or meaning. Every source of chance has a stream of
    random numbers of its own, so that with one seed the persons are the same whatever goes wrong with
    their registrations.
    """
    persons, dropping, outside, leaving, linking, naming, delaying = rng.spawn(7)
    counts = persons.poisson(cells.expected).astype(np.int64)
    drawn = _registered(cells, counts, _kept(cells, flaws.dropout), dropping)
    for position, name in enumerate(cells.lists):
        drawn = _outsiders(drawn, position, flaws.overcoverage.get(name, 0.0), outside)
    rates = np.array([flaws.missing.get(name, 0.0) for name in cells.covariates])
    chance = missing_chances(drawn.register, rates, len(cells.lists))
    drawn = drawn._replace(missing=leaving.random(chance.shape) < chance)
    if flaws.late is not None:
        drawn = drawn._replace(days=_days(cells, flaws.late, drawn, delaying))
    person = _linked(drawn, flaws.linkage, linking)
    _, numbers = np.unique(person, return_inverse=True)
    names = naming.permutation(int(numbers.max(initial=-1)) + 1)
    return drawn._replace(person=names[numbers], n_persons=len(names))


def _kept(cells: Cells, dropout: Dropout | None) -> FloatArray:
    """Share of registrations that is made, by list and stratum, shape (K, S)."""
    kept = np.ones((len(cells.lists), cells.expected.shape[1]))
    if dropout is not None:
        axis = list(cells.covariates).index("year")
        years = np.array(cells.covariates["year"])[cells.codes[axis]]
        lists = np.isin(cells.lists, dropout.lists)
        kept[np.ix_(lists, np.isin(years, dropout.years))] = dropout.remaining
    return kept


def _registered(
    cells: Cells, counts: IntArray, kept: FloatArray, rng: np.random.Generator
) -> Drawn:
    """Register the persons of each cell with the lists of its history."""
    n_strata = counts.shape[1]
    seen = counts.copy()
    seen[0] = 0
    cell = np.repeat(np.arange(counts.size), seen.ravel())
    history, stratum = np.divmod(cell, n_strata)
    member = cells.member[history] & (rng.random((cell.size, len(kept))) < kept.T[stratum])
    person, register = np.nonzero(member)
    return Drawn(
        population=counts.sum(axis=0),
        registered=np.bincount(stratum[member.any(axis=1)], minlength=n_strata).astype(np.int64),
        person=person.astype(np.int64),
        register=register.astype(np.int64),
        stratum=stratum[person],
        missing=np.zeros((0, person.size), dtype=np.bool_),
        n_persons=cell.size,
    )


def _outsiders(drawn: Drawn, register: int, share: float, rng: np.random.Generator) -> Drawn:
    """Add registrations of persons outside the population, who look like the others on the list."""
    own = drawn.stratum[drawn.register == register]
    number = round(own.size * share / (1 - share))
    if number == 0:
        return drawn
    return drawn._replace(
        person=np.append(drawn.person, drawn.n_persons + np.arange(number)),
        register=np.append(drawn.register, np.full(number, register)),
        stratum=np.append(drawn.stratum, rng.choice(own, number)),
        n_persons=drawn.n_persons + number,
    )


def _days(cells: Cells, late: Late, drawn: Drawn, rng: np.random.Generator) -> FloatArray:
    """Day of the event of each person within the year, and days until each registration comes in, (2, R)."""
    ranges = np.array([late.lists.get(name, late.months) for name in cells.lists])
    years = len(cells.covariates[PERIOD])
    stretched = np.exp(late.drift * rng.standard_normal((len(ranges), years)))
    event = np.floor(365 * rng.random(drawn.n_persons))[drawn.person]
    year = cells.codes[list(cells.covariates).index(PERIOD)][drawn.stratum]
    low, high = ranges[drawn.register].T
    months = low + (high - low) * rng.random(drawn.register.size)
    return np.stack([event, MONTH * months * stretched[drawn.register, year]])


def missing_chances(register: IntArray, rates: FloatArray, n_lists: int) -> FloatArray:
    """Chances that registrations lack each covariate, (D, R), which depend on the list alone.

    The last list leaves out three times as much as the first. Where that would take more than `WORST` of
    a list, what lacks until the rate is spread over what is left of each: the averages are the rates.
    """
    untidy = np.linspace(0.5, 1.5, n_lists)[register]
    if not untidy.size:
        return np.zeros((rates.size, 0))
    chance = np.minimum(rates, WORST * untidy.mean() / untidy.max())[:, None] * untidy
    chance /= untidy.mean()
    reached = chance.mean(axis=1)
    more = np.maximum(rates - reached, 0.0) / (1 - reached)
    return np.asarray(chance + (1 - chance) * more[:, None])


def _linked(drawn: Drawn, linkage: Linkage, rng: np.random.Generator) -> IntArray:
    """Take persons for one another, and registrations for those of new persons: (R,) numbers."""
    whose, first, number = np.unique(drawn.person, return_index=True, return_inverse=True)
    stratum = drawn.stratum[first]
    order = np.lexsort((rng.random(whose.size), stratum))
    # In a random order within strata, some persons are taken for the one before them.
    same = np.diff(stratum[order], prepend=-1) == 0
    taken = same & (rng.random(whose.size) < _false_chance(linkage.false, same))
    identity = np.empty(whose.size, dtype=np.int64)
    identity[order] = np.cumsum(~taken)
    beyond = np.ones(drawn.person.size, dtype=np.bool_)
    beyond[first] = False
    split = beyond & (rng.random(drawn.person.size) < linkage.missed)
    person = identity[number]
    person[split] = whose.size + 1 + np.arange(int(split.sum()))
    return person


def _false_chance(share: float, same: BoolArray) -> float:
    """Chance for those who have somebody before them in their stratum, for a share of all persons."""
    possible = int(same.sum())
    if share * same.size > possible:
        raise ModelError(
            f"A share of {share:g} of the registered persons is to be taken for somebody else in the same "
            f"stratum: expected at most {possible / same.size:.3g}, since each stratum keeps one person. Ask "
            "for fewer false links, a larger scale, or fewer covariates."
        )
    return share * same.size / max(possible, 1)


# Worlds with a known truth: settings, from which populations and registrations are drawn ----------

WORLD_SCHEMA = "mse.world/1"
_DESIGNS: dict[str, type[Design]] = {each.kind: each for each in (Netherlands, Population, Places)}


@dataclass(frozen=True)
class World:
    """A synthetic world: who there is, who is on which list, and what goes wrong on the way.

    Parameters
    ----------
    design : Netherlands, Population or Places
        Expected persons by capture history and stratum. The numbers drawn vary around them.
    flaws : Flaws
        What goes wrong between persons and registrations.

    Raises
    ------
    ModelError
        If the flaws name a list, year or covariate that the design does not have.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.netherlands(years=[2015], missing={"form": 0.1})
    >>> mse.simulate.World.from_json(world.to_json()) == world
    True
    """

    design: Design
    flaws: Flaws = field(default_factory=Flaws)

    def __post_init__(self) -> None:
        cells, flaws = self.cells, self.flaws
        covariates = [name for name in cells.covariates if name != "year"]
        for name in flaws.missing:
            check_name(name, covariates, "covariate that can be missing")
        for name in flaws.overcoverage:
            check_name(name, cells.lists, "list")
        if flaws.dropout is not None or flaws.late is not None:
            check_name("year", list(cells.covariates), "covariate")
        for name in () if flaws.late is None else flaws.late.lists:
            check_name(name, cells.lists, "list")
        if flaws.dropout is not None:
            for name in flaws.dropout.lists:
                check_name(name, cells.lists, "list")

    @property
    def cells(self) -> Cells:
        """Expected persons by capture history and stratum, calibrated once."""
        return _cells(self.design)

    def draw(self, seed: Seed = None) -> Simulation:
        """Draw a population and its registrations.

        Parameters
        ----------
        seed : int or numpy.random.Generator, optional
            The same seed gives the same persons, also when the flaws differ. Without one a seed is
            drawn, and kept in the result.

        Returns
        -------
        Simulation
            Registrations, and the truth behind them.

        Examples
        --------
        >>> import mse
        >>> simulation = mse.simulate.netherlands().draw(seed=1)
        >>> int(simulation.truth["persons"].sum()) == simulation.total
        True
        """
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        drawn = draw_registrations(self.cells, self.flaws, np.random.default_rng(seed))
        return simulation_of(self, drawn, seed if isinstance(seed, int) else None)

    def to_dict(self) -> dict[str, Any]:
        """Write the settings as what JSON can hold."""
        design = _plain(self.design)
        if isinstance(self.design, Population):
            # Levels may be numbers, and keys in JSON may not.
            shares = self.design.covariates.items()
            design["covariates"] = {name: list(map(list, each.items())) for name, each in shares}
        head = {"schema": WORLD_SCHEMA, "synthetic": True, "kind": self.design.kind}
        flaws = _plain(self.flaws)
        if self.flaws.late is None:
            del flaws["late"]
        return {**head, "design": design, "flaws": flaws}

    def to_json(self) -> str:
        """Write the settings as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> World:
        """Read what `to_dict` wrote.

        Raises
        ------
        ModelError
            If the data follow another schema, or settings are wrong.
        """
        schema = data.get("schema")
        if schema != WORLD_SCHEMA:
            raise ModelError(f"The data name the schema {schema!r}; expected {WORLD_SCHEMA!r}.")
        check_name(data.get("kind"), list(_DESIGNS), "kind of world")
        try:
            design = dict(data["design"])
            if data["kind"] == "population":
                shares = design["covariates"].items()
                design["covariates"] = {name: dict(map(tuple, each)) for name, each in shares}
            return cls(_DESIGNS[data["kind"]](**design), Flaws.from_dict(data["flaws"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"The data do not follow {WORLD_SCHEMA}: {type(error).__name__}: {error}."
            ) from error

    @classmethod
    def from_json(cls, text: str) -> World:
        """Read what `to_json` wrote."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ModelError(f"The text is no JSON: {error}.") from error
        if not isinstance(data, dict):
            raise ModelError(f"The JSON holds {data!r}: expected an object of settings.")
        return cls.from_dict(data)


def netherlands(
    *,
    years: Sequence[int] | int = YEARS,
    study: Study = "2017",
    dependence: Mapping[str, float] | None = None,
    scale: float = 1.0,
    dropout: Dropout | bool = False,
    missing: Mapping[str, float] | float = 0.0,
    linkage: Linkage | float = 0.0,
    overcoverage: Mapping[str, float] | None = None,
    suppress: int | None = None,
    late: Late | bool = False,
) -> World:
    """Make a synthetic Netherlands: presumed victims of human trafficking, with a known truth.

    Lists, years, groups and overlaps are calibrated to published figures; every person is made up.

    Parameters
    ----------
    years : int or sequence of int
        From 2010 to 2019, which is also the default.
    study : {"2017", "2021"}
        Level and composition of the population: of van Dijk et al. (2017), 5,300 to 7,300 a year; or
        of the repeat study of 2021, with a higher peak, a deeper fall, and more labor exploitation
        and men in later years.
    dependence : mapping of str to float, optional
        Referral and avoidance beyond the published overlaps: ``{"police:residential_care": 3}``
        multiplies the odds ratio between these lists by 3; below 1 lists avoid each other. The
        numbers on each list stay.
    scale : float
        Persons are so many times as many.
    dropout : Dropout or bool
        Lists that stop reporting; True for what happened in 2018, see :class:`Dropout`.
    missing : mapping of str to float, or float
        Share of registrations without a covariate; one number is for all but the year.
    linkage : Linkage or float
        Errors of linkage; a number is the share of missed links.
    overcoverage : mapping of str to float, optional
        List to the share of its registrations that is about persons outside the population.
    suppress : int, optional
        Smallest count that is published in tables.
    late : Late or bool
        Registrations come in late; True for 1 to 9 months after the event, see :class:`Late`.

    Returns
    -------
    World

    Notes
    -----
    The expected numbers follow a log-linear model with two-way terms, which a joint model of lists
    and covariates contains: pairs of lists, lists by each covariate, other covariates by form of
    exploitation, form by year. A person belongs to one year. Registered numbers follow the older
    scope of registration until 2015 and the newer one from 2016, while the population has one
    definition throughout, so that years can be compared.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.netherlands(years=range(2014, 2016))
    >>> table = world.draw(seed=1).table()
    >>> table.n_lists, list(table.covariates)
    (6, ['year', 'form', 'sex', 'age', 'nationality'])
    """
    design = Netherlands(as_tuple(years), study, dependence or {}, scale)
    names = [name for name in COVARIATES if name != "year"]
    return World(design, _flaws(names, dropout, missing, linkage, overcoverage, suppress, late))


def population(
    lists: Mapping[str, float],
    size: float,
    *,
    covariates: Mapping[str, Mapping[Level, float]] | None = None,
    dependence: Mapping[str, float] | None = None,
    dropout: Dropout | None = None,
    missing: Mapping[str, float] | float = 0.0,
    linkage: Linkage | float = 0.0,
    overcoverage: Mapping[str, float] | None = None,
    suppress: int | None = None,
    late: Late | bool = False,
) -> World:
    """Make a synthetic population with given shares on each list.

    Parameters
    ----------
    lists : mapping of str to float
        Share of the population on each list.
    size : float
        Expected number of persons.
    covariates : mapping of str to mapping, optional
        Covariate to its levels and their shares. One with the name ``year`` is the period.
    dependence : mapping of str to float, optional
        Odds ratios: ``"police:care"`` between two lists given everything else, ``"police:sex=male"``
        between a list and a level, ``"police:care:sex=male"`` of both in a group.
    dropout, missing, linkage, overcoverage, suppress, late
        As in :func:`netherlands`.

    Returns
    -------
    World

    Raises
    ------
    ModelError
        If shares, names or dependence are wrong, or contradict each other.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.population(
    ...     {"police": 0.2, "care": 0.1, "other": 0.05}, 5000, dependence={"police:care": 2.0}
    ... )
    >>> simulation = world.draw(seed=1)
    >>> simulation.total, simulation.table().n_observed
    (4998, 1489)
    """
    design = Population(lists, size, covariates or {}, dependence or {})
    names = [name for name in design.covariates if name != "year"]
    return World(design, _flaws(names, dropout, missing, linkage, overcoverage, suppress, late))


def places(
    lists: Mapping[str, float],
    *,
    dropout: Dropout | None = None,
    missing: Mapping[str, float] | float = 0.0,
    linkage: Linkage | float = 0.0,
    overcoverage: Mapping[str, float] | None = None,
    suppress: int | None = None,
    **settings: Any,
) -> World:
    """Make synthetic persons in many places over some years.

    Parameters
    ----------
    lists : mapping of str to float
        Share of the persons of a usual place on each list.
    dropout, missing, linkage, overcoverage, suppress
        As in :func:`netherlands`.
    **settings
        Further settings of `Places`: ``places=300, years=range(2019, 2024), persons=8.0``.

    Returns
    -------
    World

    Raises
    ------
    ModelError
        If a setting is wrong, or there is none of its name.

    Examples
    --------
    >>> import mse
    >>> world = mse.simulate.places({"police": 0.3, "care": 0.2, "other": 0.15}, places=20, seed=5)
    >>> simulation = world.draw(seed=1)
    >>> simulation.table().covariates["place"][:2]  # nobody is registered in place 02
    ('place 01', 'place 03')
    """
    known = [each.name for each in fields(Places) if each.init and each.name != "lists"]
    for name in settings:
        check_name(name, known, "setting of places")
    return World(
        Places(lists, **settings),
        _flaws(["place"], dropout, missing, linkage, overcoverage, suppress, late=False),
    )


@lru_cache(maxsize=16)
def _cells(design: Design) -> Cells:
    return design.cells()


def _flaws(
    covariates: Sequence[str],
    dropout: Dropout | bool | None,
    missing: Mapping[str, float] | float,
    linkage: Linkage | float,
    overcoverage: Mapping[str, float] | None,
    suppress: int | None,
    late: Late | bool,
) -> Flaws:
    """Spell out the short forms of the switches."""
    absent = (Dropout() if dropout else None) if isinstance(dropout, bool) else dropout
    if not isinstance(missing, Mapping):
        missing = dict.fromkeys(covariates, missing) if missing else {}
    if not isinstance(linkage, Linkage):
        linkage = Linkage(missed=linkage)
    delays = (Late() if late else None) if isinstance(late, bool) else late
    return Flaws(absent, missing, linkage, overcoverage or {}, suppress, delays)


def _plain(value: Any) -> Any:
    """Write settings, and what they hold, as what JSON can hold."""
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value) if part.init}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


# Frames of a simulation as files, each row and each file labeled synthetic ------------------------

#: First column of every file. A comment above the header would say it too, but break readers of CSV.
LABEL = "synthetic"
METADATA = {LABEL: "yes", "note": "SYNTHETIC DATA, made up by mse.simulate: not about any person"}


def labeled(frame: pd.DataFrame) -> pd.DataFrame:
    """Put a column in front that says "yes, synthetic" in every row."""
    marked = frame.copy()
    marked.insert(0, LABEL, "yes")
    return marked


def csv_text(frame: pd.DataFrame) -> str:
    """Write a frame as CSV with a column ``synthetic``; what is not known stays empty."""
    return labeled(frame).to_csv(index=False, lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to a Parquet file with a column ``synthetic``, which its metadata repeat."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(labeled(frame), preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **METADATA}
    try:
        pq.write_table(table.replace_schema_metadata(metadata), path)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error}. Choose another file.") from error
