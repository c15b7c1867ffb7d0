"""Made-up populations of known size, from which lists are drawn.

Each of the N persons lands on lists independently of the others, with the cell probabilities of a
design. A design is a mixture of classes of persons; within a class the probability of being on each
list is given, and so are the conditional log odds ratios between lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

import mse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray

#: Every hierarchical model, the best one by BIC.
EVERYTHING = mse.LogLinearSearch()
#: Five lists have 6,893 models, and a replicate takes six times as long as with pairs alone.
PAIRS = mse.LogLinearSearch(max_order=2)
#: Six lists have 32,768 pairwise models; step by step a replicate takes a third of the time.
STEPS = mse.LogLinearSearch(strategy="stepwise")
#: Raking stops when no probability of a list is further off: below rounding of a count.
RAKED = 1e-12


@dataclass(frozen=True)
class Design:
    """A population and the lists that see it.

    Parameters
    ----------
    name : str
        Short and unique.
    about : str
        What it stands for.
    persons : int
        N, the true size.
    classes : tuple of (float, tuple of float)
        Share of each class, and the probability of a person in it to be on each list.
    odds : mapping of str to float
        Conditional odds ratios: of a pair of lists ``"12"`` where all other lists say no, of three
        lists ``"123"`` the ratio of the first two between those on the third and those not.
    model : str
        The hierarchical model that is true, or empty where none is.
    search : LogLinearSearch
        How the model is sought; all models by BIC unless time forbids.
    worlds : int
        Populations to simulate.
    replicates : int
        Bootstrap replicates for each of them.
    fixed_worlds : int, optional
        Worlds in which the registered persons alone are drawn again as well, n fixed; all by default.
    """

    name: str
    about: str
    persons: int
    classes: tuple[tuple[float, tuple[float, ...]], ...]
    odds: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    search: mse.LogLinearSearch = EVERYTHING
    worlds: int = 200
    replicates: int = 500
    fixed_worlds: int | None = None

    @property
    def n_lists(self) -> int:
        """Number of lists, K."""
        return len(self.classes[0][1])

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each cell, shape (2,) * K; the first is that of being on no list."""
        parts = [share * raked(margins, self.odds) for share, margins in self.classes]
        return np.sum(parts, axis=0)

    def world(self, rng: np.random.Generator) -> tuple[mse.CaptureTable, int]:
        """Draw the lists once; the table, and the number of persons behind it."""
        return self.simulate(rng), self.persons

    def simulate(self, rng: np.random.Generator) -> mse.CaptureTable:
        """Draw the lists once: a multinomial over all cells, of which the hidden one is removed."""
        return drawn_table(self.persons, self.probabilities, rng)


def drawn_table(
    persons: int, probabilities: FloatArray, rng: np.random.Generator
) -> mse.CaptureTable:
    """Draw persons over all cells, (2,) * K, and take those on no list away."""
    counts = rng.multinomial(persons, probabilities.ravel())
    counts[0] = 0
    names = [f"list {i + 1}" for i in range(probabilities.ndim)]
    return mse.CaptureTable.from_array(counts.reshape(probabilities.shape), names)


@dataclass(frozen=True)
class DependentPairs:
    """Worlds of which each has its own dependence between every pair of lists.

    List effects are normal with standard deviation 0.7, log odds ratios of pairs normal with standard
    deviation 1, N log-uniform from 1,000 to 10,000 and the share registered uniform from 5 to 30 %.

    Parameters
    ----------
    name, about : str
        As of `Design`.
    n_lists : int
        K. With three lists the truth is the saturated model, which no search can choose.
    search, worlds, replicates, fixed_worlds
        As of `Design`.
    """

    name: str
    about: str
    n_lists: int
    search: mse.LogLinearSearch = EVERYTHING
    worlds: int = 600
    replicates: int = 500
    fixed_worlds: int | None = None
    model: str = ""

    def world(self, rng: np.random.Generator) -> tuple[mse.CaptureTable, int]:
        """Draw a world; the table, and the number of persons behind it."""
        persons = round(float(np.exp(rng.uniform(log(1000), log(10000)))))
        effects = rng.normal(0, 0.7, self.n_lists)
        pairs = np.triu(rng.normal(0, 1, (self.n_lists, self.n_lists)), 1)
        cells = np.stack(np.meshgrid(*[[0, 1]] * self.n_lists, indexing="ij"))
        dependence = np.einsum("i...,ij,j...->...", cells, pairs, cells)
        registered = rng.uniform(0.05, 0.3)

        def at(shift: float) -> FloatArray:
            weights = np.exp(np.tensordot(effects + shift, cells, 1) + dependence)
            return np.asarray(weights / weights.sum())

        shift = brentq(lambda shift: 1 - at(shift).flat[0] - registered, -30, 30)
        return drawn_table(persons, at(shift), rng), persons


def raked(margins: tuple[float, ...], odds: Mapping[str, float]) -> FloatArray:
    """Cell probabilities with these margins and odds ratios, by iterative proportional fitting.

    Raking to the margin of a single list leaves every odds ratio alone (Deming & Stephan 1940,
    Annals of Mathematical Statistics 11, 427-444).
    """
    n_lists = len(margins)
    cells = np.zeros((2,) * n_lists)
    for lists, ratio in odds.items():
        # The term adds to the cells of everybody who is on all its lists.
        where = tuple(1 if str(i + 1) in lists else slice(None) for i in range(n_lists))
        cells[where] += log(ratio)
    cells = np.exp(cells)
    while True:
        off = 0.0
        for axis, margin in enumerate(margins):
            turned = np.moveaxis(cells, axis, 0)
            sums = turned.reshape(2, -1).sum(axis=1)
            off = max(off, abs(sums[1] / sums.sum() - margin))
            turned[0] *= (1 - margin) / sums[0]
            turned[1] *= margin / sums[1]
        if off < RAKED:
            return cells


def alike(*margins: float) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """One class: everybody has the same probabilities."""
    return ((1.0, margins),)


DESIGNS = (
    Design(
        "3 dense independent",
        "lists that know nothing of each other and see much",
        1000,
        alike(0.40, 0.35, 0.30),
        model="[1,2,3]",
        worlds=400,
    ),
    Design(
        "3 sparse independent",
        "the same, but overlaps of a handful of persons",
        1000,
        alike(0.12, 0.09, 0.06),
        model="[1,2,3]",
        worlds=400,
    ),
    Design(
        "3 positive",
        "one list refers persons to another (odds ratio 4)",
        1000,
        alike(0.35, 0.30, 0.25),
        {"12": 4.0},
        "[12,3]",
        worlds=400,
    ),
    Design(
        "3 negative",
        "two lists split the field (odds ratio 0.25)",
        1000,
        alike(0.35, 0.30, 0.25),
        {"12": 0.25},
        "[12,3]",
        worlds=400,
    ),
    Design(
        "4 dense independent",
        "lists that know nothing of each other and see much",
        1000,
        alike(0.30, 0.28, 0.25, 0.20),
        model="[1,2,3,4]",
    ),
    Design(
        "4 positive",
        "a chain of referrals (odds ratios 3 and 2.5)",
        2000,
        alike(0.20, 0.18, 0.15, 0.12),
        {"12": 3.0, "23": 2.5},
        "[12,23,4]",
    ),
    Design(
        "4 sparse mixed",
        "small registers, one pair referring (4), one pair splitting the field (0.2)",
        3000,
        alike(0.10, 0.06, 0.04, 0.03),
        {"12": 4.0, "13": 0.2},
        "[12,13,4]",
    ),
    Design(
        "4 three-way",
        "three lists that share persons as a group (interaction of order three)",
        4000,
        alike(0.25, 0.20, 0.18, 0.15),
        {"12": 2.0, "13": 2.0, "23": 1.5, "123": 3.0},
        "[123,4]",
    ),
    Design(
        "4 two classes",
        "a third of the persons are seen easily, the others hardly: no model holds",
        2000,
        ((0.33, (0.45, 0.40, 0.35, 0.30)), (0.67, (0.08, 0.07, 0.06, 0.05))),
    ),
    Design(
        "5 dense independent",
        "lists that know nothing of each other and see much",
        1000,
        alike(0.25, 0.22, 0.20, 0.18, 0.15),
        model="[1,2,3,4,5]",
        search=PAIRS,
    ),
    Design(
        "5 mixed",
        "two referring pairs (3) and one pair that splits the field (0.3)",
        2000,
        alike(0.25, 0.20, 0.15, 0.12, 0.10),
        {"12": 3.0, "34": 3.0, "15": 0.3},
        "[12,15,34]",
        search=PAIRS,
    ),
    Design(
        "5 sparse mixed",
        "registers of victims: much is hidden, many pairs share next to nobody",
        6000,
        alike(0.08, 0.05, 0.03, 0.02, 0.02),
        {"12": 3.0, "13": 0.2, "24": 5.0},
        "[12,13,24,5]",
        replicates=300,
    ),
    Design(
        "5 two classes",
        "a fifth of the persons are seen easily, the others hardly: no model holds",
        4000,
        ((0.20, (0.40, 0.35, 0.30, 0.20, 0.20)), (0.80, (0.06, 0.05, 0.04, 0.03, 0.02))),
        search=PAIRS,
    ),
    Design(
        "6 dense mixed",
        "three referring pairs and one that splits the field, on lists that see much",
        2000,
        alike(0.25, 0.20, 0.18, 0.15, 0.12, 0.10),
        {"12": 3.0, "34": 2.5, "56": 3.0, "16": 0.3},
        "[12,16,34,56]",
        search=STEPS,
        replicates=300,
    ),
    Design(
        "6 sparse mixed",
        "as the six lists of the United Kingdom: small registers, few overlaps",
        10000,
        alike(0.07, 0.05, 0.03, 0.02, 0.01, 0.01),
        {"12": 2.5, "13": 0.3, "24": 4.0},
        "[12,13,24,5,6]",
        search=STEPS,
        replicates=300,
    ),
    Design(
        "3 very sparse",
        "overlaps of one or two persons, or none",
        800,
        alike(0.07, 0.05, 0.04),
        model="[1,2,3]",
        worlds=400,
    ),
)


#: Lists that see nearly everybody, as (margins, odds ratios, true model).
_DENSE = {
    "2 x .95 .93": (alike(0.95, 0.93), {}, "[1,2]"),
    "2 x .8 .7": (alike(0.8, 0.7), {}, "[1,2]"),
    "2 x .5 .4": (alike(0.5, 0.4), {}, "[1,2]"),
    "3 x .9 .85 .6": (alike(0.9, 0.85, 0.6), {}, "[1,2,3]"),
    "3 x .9 .85 .6, pair": (alike(0.9, 0.85, 0.6), {"12": 3.0}, "[12,3]"),
    "3 x .6": (alike(0.6, 0.6, 0.6), {}, "[1,2,3]"),
    "3 x .6, pair": (alike(0.6, 0.6, 0.6), {"12": 2.5}, "[12,3]"),
    "4 x .7": (alike(0.7, 0.7, 0.7, 0.7), {}, "[1,2,3,4]"),
    "4 x .7, pairs": (alike(0.7, 0.7, 0.7, 0.7), {"12": 3.0, "34": 0.5}, "[12,34]"),
}
DENSE = tuple(
    Design(
        f"{name}, N = {persons:,}",
        "lists that see nearly everybody",
        persons,
        margins,
        odds,
        model,
        worlds=1000,
        # Four lists have 113 models, of which a replicate takes ten times as long.
        replicates=200 if name.startswith("4") else 300,
        fixed_worlds=200 if name.startswith("4") else 400,
    )
    for name, (margins, odds, model) in _DENSE.items()
    for persons in (500, 1000, 10000)
)
PAIRS_DEPENDENT = (
    DependentPairs("3 lists, every pair dependent", "the truth is the saturated model", 3),
    DependentPairs("4 lists, every pair dependent", "the truth is all two-way", 4),
)
