"""Persons drawn, and the registrations that are made of them: arrays in, arrays out.

Every source of chance has a stream of random numbers of its own, so that with one seed the persons
are the same whatever goes wrong with their registrations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mse.errors import ModelError

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.simulate.cells import Cells
    from mse.simulate.designs import Dropout, Flaws, Linkage

__all__ = ["Drawn", "draw_registrations"]

#: A list leaves out at most this share before the others have to leave out more than in proportion.
WORST = 0.9


@dataclass(frozen=True, eq=False)
class Drawn:
    """A population and its registrations.

    Attributes
    ----------
    population : int64 array, shape (S,), persons
        How many there are in each stratum, on a list or on none.
    registered : int64 array, shape (S,), persons
        How many of them have a registration.
    person, register, stratum : int64 arrays, shape (R,)
        Of each registration: whose, by which list, in which stratum.
    missing : bool array, shape (D, R)
        Whether the registration lacks each covariate.
    n_persons : int
        Numbers of persons are below this.
    """

    population: IntArray
    registered: IntArray
    person: IntArray
    register: IntArray
    stratum: IntArray
    missing: BoolArray
    n_persons: int


def draw_registrations(cells: Cells, flaws: Flaws, rng: np.random.Generator) -> Drawn:
    """Draw every cell from its Poisson distribution, then register with flaws.

    Returns
    -------
    Drawn
        `person` holds pseudonyms as numbers, without order or meaning.
    """
    persons, dropping, outside, leaving, linking, naming = rng.spawn(6)
    counts = persons.poisson(cells.expected).astype(np.int64)
    drawn = _registered(cells, counts, _kept(cells, flaws.dropout), dropping)
    for position, name in enumerate(cells.lists):
        drawn = _outsiders(drawn, position, flaws.overcoverage.get(name, 0.0), outside)
    rates = np.array([flaws.missing.get(name, 0.0) for name in cells.covariates])
    drawn = replace(drawn, missing=_missing(drawn.register, rates, len(cells.lists), leaving))
    drawn = _linked(drawn, flaws.linkage, linking)
    _, numbers = np.unique(drawn.person, return_inverse=True)
    names = naming.permutation(int(numbers.max(initial=-1)) + 1)
    return replace(drawn, person=names[numbers], n_persons=len(names))


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
    return replace(
        drawn,
        person=np.append(drawn.person, drawn.n_persons + np.arange(number)),
        register=np.append(drawn.register, np.full(number, register)),
        stratum=np.append(drawn.stratum, rng.choice(own, number)),
        n_persons=drawn.n_persons + number,
    )


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


def _missing(
    register: IntArray, rates: FloatArray, n_lists: int, rng: np.random.Generator
) -> BoolArray:
    """Leave covariates out."""
    chance = missing_chances(register, rates, n_lists)
    missing: BoolArray = rng.random(chance.shape) < chance
    return missing


def _linked(drawn: Drawn, linkage: Linkage, rng: np.random.Generator) -> Drawn:
    """Take persons for one another, and registrations for those of new persons."""
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
    return replace(drawn, person=person)


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
