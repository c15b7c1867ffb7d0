"""Who there is in a world, and who is on which list: as settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, get_args

import numpy as np

from mse._frozen import FrozenDict
from mse.datasets import load_dataset
from mse.errors import InvalidTableError, ModelError
from mse.intake.histories import check_levels
from mse.intake.names import check_names
from mse.intake.problems import Problems
from mse.simulate.cells import Cells, check_name, codes_of, read_dependence
from mse.simulate.dutch import COVARIATES, LISTS, YEARS, Study, dutch_cells
from mse.simulate.flaws import as_tuple, check_positive, check_share
from mse.simulate.raking import Margin, rake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import Level

__all__ = ["Design", "Netherlands", "Population"]


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
        object.__setattr__(self, "years", tuple(sorted(set(years))))
        object.__setattr__(self, "dependence", FrozenDict(self.dependence))

    @property
    def kind(self) -> str:
        """Name of this kind of world."""
        return "netherlands"

    @property
    def description(self) -> str:
        """Whom the world is about."""
        return "presumed victims of human trafficking in a synthetic Netherlands"

    @property
    def list_descriptions(self) -> dict[str, str]:
        """What each list is made after."""
        made_after = load_dataset("netherlands").info.list_descriptions
        return {name: f"SYNTHETIC list made after: {made_after[name]}" for name in LISTS}

    def cells(self) -> Cells:
        """Calibrate the expected persons by capture history and stratum."""
        everything = dutch_cells(self.study, self.dependence)
        years = everything.codes[0]
        chosen = np.isin(years, [YEARS.index(year) for year in self.years])
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
                msg = f"The shares of {name!r} are {shares!r}: expected positive ones that add up to 1."
                raise ModelError(msg)
        order = (tuple(self.lists), *((name, *shares) for name, shares in covariates.items()))
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "lists", FrozenDict(self.lists))
        object.__setattr__(self, "covariates", FrozenDict(covariates))
        object.__setattr__(self, "dependence", FrozenDict(self.dependence))

    @property
    def kind(self) -> str:
        """Name of this kind of world."""
        return "population"

    @property
    def description(self) -> str:
        """Whom the world is about."""
        return "persons of a synthetic population"

    @property
    def list_descriptions(self) -> dict[str, str]:
        """What each list is made after."""
        return {name: f"SYNTHETIC list {name}" for name in self.lists}

    def cells(self) -> Cells:
        """Calibrate the expected persons by capture history and stratum."""
        levels = {name: tuple(shares) for name, shares in self.covariates.items()}
        codes = codes_of(levels)
        everybody = np.zeros(codes.shape[1], dtype=np.int64)
        margins = [Margin((), everybody, np.array([self.size], dtype=np.float64))]
        margins += [
            Margin((), groups, self.size * np.array(list(shares.values())))
            for groups, shares in zip(codes, self.covariates.values(), strict=True)
        ]
        margins += [
            Margin((position,), everybody, np.array([self.size * share]))
            for position, share in enumerate(self.lists.values())
        ]
        start = read_dependence(self.dependence, tuple(self.lists), levels)
        return Cells(tuple(self.lists), levels, rake(start, margins))


Design: TypeAlias = Netherlands | Population
