"""Who there is in a world, and who is on which list: as settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, get_args

import numpy as np

from mse._typing import FrozenDict
from mse.data.checks import Problems, check_names
from mse.data.datasets import load_dataset
from mse.data.readers import check_levels
from mse.errors import InvalidTableError, ModelError
from mse.messages import Message
from mse.simulate import dutch
from mse.simulate.cells import (
    Cells,
    Margin,
    check_name,
    codes_of,
    member_of,
    rake,
    read_dependence,
)
from mse.simulate.dutch import COVARIATES, LISTS, YEARS, Study

if TYPE_CHECKING:
    from mse._typing import FloatArray, Level


# What goes wrong between persons and their registrations, as settings -----------------------------

#: Registers differ in what they leave out; above this the worst would have to leave out nearly everything.
MOST_MISSING = 0.6


@dataclass(frozen=True)
class Dropout:
    """Lists that stop reporting.

    The default is what happened in the Netherlands: in 2018 care organizations read privacy law as
    forbidding reports, and of over 550 a year 150 were left (National Rapporteur, fact sheet
    2014-2018).

    Parameters
    ----------
    years : tuple of int
        The years in which they do not report.
    lists : tuple of str
        The lists.
    remaining : float
        Share of their registrations that is made all the same, at random.

    Examples
    --------
    >>> import mse
    >>> mse.simulate.Dropout(years=(2018, 2019), lists=("others",), remaining=0.0)
    Dropout(years=(2018, 2019), lists=('others',), remaining=0.0)
    """

    years: tuple[int, ...] = (2018,)
    lists: tuple[str, ...] = tuple(name for name in LISTS if name not in dutch.INVESTIGATIVE)
    remaining: float = dutch.REMAINING_2018

    def __post_init__(self) -> None:
        _settle(self, years=as_tuple(self.years), lists=as_tuple(self.lists))
        check_share(self.remaining, "remaining share of a drop-out", 1.0)
        if not self.years or not self.lists:
            raise ModelError(f"{self!r} names no year or no list: expected at least one of each.")


@dataclass(frozen=True)
class Linkage:
    """Errors in telling who is who.

    Parameters
    ----------
    missed : float
        Share of registrations, beyond the first of a person in a year, that are not recognized as
        that person's and get a pseudonym of their own. Estimates go up.
    false : float
        Share of registered persons who are taken for somebody else in the same stratum and get that
        person's pseudonym. Estimates go down. A stratum keeps one person at least, so a share that
        small strata do not allow is refused when the world is drawn.

    Examples
    --------
    >>> import mse
    >>> mse.simulate.Linkage(missed=0.1)
    Linkage(missed=0.1, false=0.0)
    """

    missed: float = 0.0
    false: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            check_share(getattr(self, part.name), f"share of {part.name} links", 1.0)


@dataclass(frozen=True)
class Late:
    """Registrations that come in late.

    Each has the date of the event, at any time of its year, and comes in some months after that, spread evenly
    between the least and the most.

    Parameters
    ----------
    months : tuple of float
        Least and most months.
    lists : mapping of str to tuple of float
        The same of lists that differ.
    drift : float
        Standard deviation, on the log scale, of how the months of a list are stretched in each year.

    Examples
    --------
    >>> import mse
    >>> mse.simulate.Late(lists={"police": (0, 3)})
    Late(months=(1.0, 9.0), lists={'police': (0.0, 3.0)}, drift=0.0)
    """

    months: tuple[float, float] = (1.0, 9.0)
    lists: Mapping[str, tuple[float, float]] = field(default_factory=FrozenDict)
    drift: float = 0.0

    def __post_init__(self) -> None:
        lists = FrozenDict({name: _range(each) for name, each in self.lists.items()})
        _settle(self, months=_range(self.months), lists=lists)
        check_share(self.drift, "drift of how late registrations are", 2.0)


def _range(months: Any) -> tuple[float, float]:
    """Take the least and the most months that registrations are late by."""
    try:
        low, high = map(float, months)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not 0 <= low <= high < math.inf:
        raise ModelError(
            f"Registrations are late by {months!r}: expected the least and the most months, such as (1, 9)."
        )
    return low, high


@dataclass(frozen=True, repr=False)
class Flaws:
    """Everything that can be wrong with the registrations of a world; by default nothing is.

    Parameters
    ----------
    dropout : Dropout, optional
        Lists that stop reporting.
    missing : mapping of str to float
        Covariate to the share of registrations without it, at most 0.6. Later lists leave it out more
        often than earlier ones, up to three times, and nothing else matters: missing at random.
    linkage : Linkage
        Errors in telling who is who.
    overcoverage : mapping of str to float
        List to the share of its registrations that is about persons outside the population. They
        are on no other list.
    suppress : int, optional
        Counts of 1 to `suppress` - 1 are not published; ``"<5"`` stands for them when it is 5.
    late : Late, optional
        Registrations have the date of the event and the one on which they came in.
    """

    dropout: Dropout | None = None
    missing: Mapping[str, float] = field(default_factory=FrozenDict)
    linkage: Linkage = field(default_factory=Linkage)
    overcoverage: Mapping[str, float] = field(default_factory=FrozenDict)
    suppress: int | None = None
    late: Late | None = None

    def __repr__(self) -> str:
        # Settings that came later are told where they are used: texts of earlier worlds stay as they were.
        shown = [each.name for each in fields(self) if each.name != "late" or self.late is not None]
        return f"Flaws({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __post_init__(self) -> None:
        for name, most in (("missing", MOST_MISSING), ("overcoverage", 0.9)):
            shares = getattr(self, name)
            if not isinstance(shares, Mapping):
                raise ModelError(
                    f"`{name}` is {shares!r}: expected a mapping from names to shares."
                )
            for key, share in shares.items():
                check_share(share, f"share of {name} for {key!r}", most)
            _settle(self, **{name: FrozenDict(shares)})
        if self.suppress is not None and self.suppress < 2:
            raise ModelError(
                f"`suppress` is {self.suppress!r}: expected the smallest count that is shown, 2 or more."
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Flaws:
        """Read what `dataclasses.asdict` and JSON made of it."""
        dropout, linkage = data["dropout"], Linkage(**data["linkage"])
        settings = {name: data[name] for name in ("missing", "overcoverage", "suppress")}
        late = data.get("late")
        return cls(
            None if dropout is None else Dropout(**dropout),
            linkage=linkage,
            **settings,
            late=None if late is None else Late(**late),
        )


def _settle(settings: object, **parts: object) -> None:
    """Put parts of frozen settings in their final form."""
    for name, value in parts.items():
        object.__setattr__(settings, name, value)


def check_share(share: object, what: str, most: float) -> None:
    """Raise ``ModelError`` for what is not a share."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= most:
        raise ModelError(f"The {what} is {share!r}: expected a share between 0 and {most:g}.")


def check_positive(value: object, what: str) -> None:
    """Raise ``ModelError`` for what is not a positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ModelError(f"The {what} is {value!r}: expected a positive number.")


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One thing, or several, as a tuple."""
    return (value,) if isinstance(value, str | int) else tuple(value)


# Who there is in a world, and who is on which list: as settings -----------------------------------


@dataclass(frozen=True)
class Netherlands:
    """Presumed victims of human trafficking in a synthetic Netherlands.

    Parameters
    ----------
    years : tuple of int
        From 2010 to 2019.
    study : {"2017", "2021"}
        The published study whose level and composition the population has.
    dependence : mapping of str to float
        Pair of lists to the factor by which the odds ratio between them differs from the published
        overlaps: above 1 referral, below 1 avoidance.
    scale : float
        Persons are so many times as many.
    """

    #: Name of this kind of world, and whom it is about.
    kind: ClassVar[str] = "netherlands"
    description: ClassVar[str] = "presumed victims of human trafficking in a synthetic Netherlands"

    years: tuple[int, ...] = YEARS
    study: Study = "2017"
    dependence: Mapping[str, float] = field(default_factory=FrozenDict)
    scale: float = 1.0

    def __post_init__(self) -> None:
        years = as_tuple(self.years)
        if not years:
            raise ModelError("The world has no years: name some from 2010 to 2019.")
        for year in years:
            check_name(year, YEARS, "year")
        check_name(self.study, get_args(Study), "study")
        check_positive(self.scale, "scale")
        _settle(self, years=tuple(sorted(set(years))), dependence=FrozenDict(self.dependence))

    @property
    def list_descriptions(self) -> dict[str, str]:
        """What each list is made after."""
        made_after = load_dataset("netherlands").info.list_descriptions
        made = {name: Message.known(made_after[name]) for name in LISTS}
        return {name: Message("described.made_after", made=each) for name, each in made.items()}

    def cells(self) -> Cells:
        """Calibrate the expected persons by capture history and stratum."""
        everything = dutch.dutch_cells(self.study, self.dependence)
        chosen = np.isin(everything.codes[0], [YEARS.index(year) for year in self.years])
        covariates = {**COVARIATES, "year": self.years}
        return Cells(LISTS, covariates, everything.expected[:, chosen] * self.scale)


@dataclass(frozen=True)
class Population:
    """Persons of any synthetic population, with given shares on each list.

    Parameters
    ----------
    lists : mapping of str to float
        Share of the population on each list.
    size : float
        Expected number of persons.
    covariates : mapping of str to mapping
        Covariate to its levels and the share of the population with each.
    dependence : mapping of str to float
        Odds ratios: ``"police:care"`` between two lists, ``"police:sex=male"`` between a list and a
        level. The shares stay as given.
    """

    #: Name of this kind of world, and whom it is about.
    kind: ClassVar[str] = "population"
    description: ClassVar[str] = "persons of a synthetic population"

    lists: Mapping[str, float]
    size: float
    covariates: Mapping[str, Mapping[Level, float]] = field(default_factory=FrozenDict)
    dependence: Mapping[str, float] = field(default_factory=FrozenDict)
    # Mappings are equal whatever their order, but lists and levels in another order are another world.
    order: tuple[tuple[object, ...], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive(self.size, "size")
        covariates = {name: FrozenDict(shares) for name, shares in self.covariates.items()}
        problems = Problems()
        check_levels(covariates, problems)
        check_names(list(self.lists), list(covariates), problems)
        if problems:
            raise ModelError(str(InvalidTableError(problems.found)))
        for name, share in self.lists.items():
            check_share(share, f"share on list {name!r}", 0.999)
            check_positive(share, f"share on list {name!r}")
        for name, shares in covariates.items():
            if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) <= 0:
                raise ModelError(
                    f"The shares of {name!r} are {shares!r}: expected positive ones that add up to 1."
                )
        order = (tuple(self.lists), *((name, *shares) for name, shares in covariates.items()))
        _settle(self, order=order, covariates=FrozenDict(covariates))
        _settle(self, lists=FrozenDict(self.lists), dependence=FrozenDict(self.dependence))

    @property
    def list_descriptions(self) -> dict[str, str]:
        """What each list is made after."""
        return {name: Message("described.synthetic_list", name=name) for name in self.lists}

    def cells(self) -> Cells:
        """Calibrate the expected persons by capture history and stratum."""
        levels = {name: tuple(shares) for name, shares in self.covariates.items()}
        codes = codes_of(levels)
        everybody = np.zeros(codes.shape[1], dtype=np.int64)
        margins = [Margin((), everybody, np.array([float(self.size)]))]
        for groups, shares in zip(codes, self.covariates.values(), strict=True):
            margins.append(Margin((), groups, self.size * np.array(list(shares.values()))))
        for position, share in enumerate(self.lists.values()):
            margins.append(Margin((position,), everybody, np.array([self.size * share])))
        start = read_dependence(self.dependence, tuple(self.lists), levels)
        return Cells(tuple(self.lists), levels, rake(start, margins))


@dataclass(frozen=True)
class Places:
    """Persons in many places over some years, where places differ in size and in how lists work.

    Effects are normal on the log scale, and drawn once, with the `seed` of the design.

    Parameters
    ----------
    lists : mapping of str to float
        Share of the persons of a usual place on each list, for somebody on no other.
    places : int, default 60
        Number of places; they are called ``"place 01"`` and so on.
    years : tuple of int, default (2021, 2022, 2023)
        The years.
    persons : float, default 12.0
        Median of the persons of a place in a year.
    spread : float, default 1.3
        Standard deviation of the log sizes of places.
    tail : float, optional
        Degrees of freedom of a t distribution of log sizes, cut at 4 standard deviations: a few very large
        places. By default they are normal.
    variation : float, default 0.4
        Standard deviation over places of the log odds of being on each list.
    together : float, default 0.2
        The same of all lists together: how visible a place's persons are.
    dependence : mapping of str to float
        Odds ratios between two lists, ``"police:care"``, in a usual place.
    dependence_variation : float, default 0.15
        Standard deviation over places of the log odds ratio of each pair of lists.
    coupling : float, default 0.0
        The same of all pairs together: in some places everything hangs together, as where registers refer to each
        other.
    yearly : float, default 0.1
        Standard deviation of the step from one year to the next, of log sizes and of the log odds of each list.
    local : float, default 0.2
        The same of what one place has in one year by itself.
    visible : float, default 1.0
        A third of the persons has this odds ratio of being on any list against the others.
    seed : int, default 1
        Of the effects.
    """

    #: Name of this kind of world, and whom it is about.
    kind: ClassVar[str] = "places"
    description: ClassVar[str] = "persons of a synthetic population in many places"

    lists: Mapping[str, float]
    places: int = 60
    years: tuple[int, ...] = (2021, 2022, 2023)
    persons: float = 12.0
    spread: float = 1.3
    tail: float | None = None
    variation: float = 0.4
    together: float = 0.2
    dependence: Mapping[str, float] = field(default_factory=FrozenDict)
    dependence_variation: float = 0.15
    coupling: float = 0.0
    yearly: float = 0.1
    local: float = 0.2
    visible: float = 1.0
    seed: int = 1
    # Mappings are equal whatever their order, but lists in another order are another world.
    order: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, share in self.lists.items():
            check_share(share, f"share on list {name!r}", 0.999)
            check_positive(share, f"share on list {name!r}")
        for name in ("places", "persons", "visible", *(["tail"] if self.tail is not None else [])):
            check_positive(getattr(self, name), name)
        spreads = ("spread", "variation", "together", "dependence_variation", "coupling")
        for name in (*spreads, "yearly", "local"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ModelError(f"{name}={getattr(self, name)!r}: expected a number, 0 or more.")
        names = tuple(self.lists)
        problems = Problems()
        check_names(list(names), ["place", "year"], problems)
        if problems:
            raise ModelError(str(InvalidTableError(problems.found)))
        _settle(self, years=as_tuple(self.years), order=names, lists=FrozenDict(self.lists))
        _settle(self, dependence=FrozenDict(self.dependence))

    @property
    def list_descriptions(self) -> dict[str, str]:
        """What each list is made after."""
        return {name: Message("described.synthetic_list", name=name) for name in self.lists}

    def cells(self) -> Cells:
        """Work out the expected persons by capture history and stratum."""
        rng = np.random.default_rng(self.seed)
        names, digits = tuple(self.lists), len(str(self.places))
        levels = {
            "place": tuple(f"place {i + 1:0{digits}}" for i in range(self.places)),
            "year": self.years,
        }
        shape, n_lists = (self.places, len(self.years)), len(names)
        normal = rng.standard_normal
        sizes = self._log_sizes(rng)[:, None] + self._walk(rng, 1)[None, :, 0]
        sizes = sizes + self.local * normal(shape)
        shares = np.array(list(self.lists.values()))
        rates = np.log(shares / (1 - shares)) + self.variation * normal((self.places, 1, n_lists))
        rates = rates + self.together * normal((self.places, 1, 1)) + self._walk(rng, n_lists)
        rates = rates + self.local * normal((*shape, n_lists))
        member = member_of(n_lists)
        first, second = np.triu_indices(n_lists, 1)
        own = self.dependence_variation * normal((self.places, first.size))
        own = np.repeat(own + self.coupling * normal((self.places, 1)), shape[1], axis=0)
        logs = (
            member @ rates.reshape(-1, n_lists).T + (member[:, first] & member[:, second]) @ own.T
        )
        logs += np.log(read_dependence(self.dependence, names, levels, fewest_lists=2))
        expected = np.zeros_like(logs)
        for part, odds in ((1 / 3, self.visible), (2 / 3, 1.0)):
            chances = np.exp(logs + member.sum(axis=1)[:, None] * np.log(odds))
            expected += part * chances / chances.sum(axis=0)
        return Cells(names, levels, expected * np.exp(sizes.ravel()))

    def _log_sizes(self, rng: np.random.Generator) -> FloatArray:
        drawn = rng.standard_normal(self.places)
        if self.tail is not None:
            drawn = np.clip(rng.standard_t(self.tail, self.places), -4, 4)
        return np.asarray(np.log(self.persons) + self.spread * drawn)

    def _walk(self, rng: np.random.Generator, width: int) -> FloatArray:
        """Effects of the years, (years, width), which sum to 0."""
        steps = self.yearly * rng.standard_normal((len(self.years), width))
        walk = np.cumsum(steps, axis=0)
        return np.asarray(walk - walk.mean(axis=0))


Design: TypeAlias = Netherlands | Population | Places
