"""Worlds: made-up populations of known size, of many kinds, and the lists that saw a part of them.

Shares no code with the estimators, and nothing with `mse.simulate`: only numpy. A kind of world says how
members differ in how visible they are, and how being on one list bears on another. World number w of a kind
is drawn by ``default_rng([seed, number of the kind, w])``, so that any one can be looked at again.

Of every world, unless its kind says otherwise: 1,000 to 10,000 members (uniform on the log scale), 3 to 5
lists, 5 to 30 % of the members on some list, effects of lists on the logit scale N(0, 0.7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Lists = npt.NDArray[np.bool_]

#: Worlds whose lists hold fewer persons together, or without a person on two lists, are drawn again.
FEWEST_SEEN = 30
#: Bisections of the common effect by which a world gets the share registered that was drawn for it.
HALVINGS = 50


class World(NamedTuple):
    """A population and what was seen of it.

    Attributes
    ----------
    kind : str
        Name of the kind.
    number : int
        Of the world among those of its kind.
    total : int
        Members, those on no list included.
    on : bool array (R, K)
        Lists of each registered person.
    group : int64 array (R,) or None
        The group of each registered person, where it is a covariate of the table.
    """

    kind: str
    number: int
    total: int
    on: Lists
    group: npt.NDArray[np.int64] | None

    @property
    def lists(self) -> list[str]:
        """Names of the lists."""
        return [f"list_{chr(97 + k)}" for k in range(self.on.shape[1])]

    def rows(self) -> list[dict[str, int]]:
        """Count persons by capture history, and group where there is one: a row each."""
        columns = [*self.on.T.astype(int)] + ([] if self.group is None else [self.group])
        names = [*self.lists, *([] if self.group is None else ["group"])]
        found, persons = np.unique(np.column_stack(columns), axis=0, return_counts=True)
        return [
            {**dict(zip(names, row, strict=True)), "n": n}
            for row, n in zip(found.tolist(), persons.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class Scale:
    """Sizes of worlds: members, lists, share registered, spread of the effects of lists."""

    members: tuple[float, float] = (1_000, 10_000)
    lists: tuple[int, int] = (3, 5)
    registered: tuple[float, float] = (0.05, 0.30)
    spread: float = 0.7


class Population(NamedTuple):
    """How members come onto lists, but for the common effect.

    Attributes
    ----------
    logits : float64 array (N, K)
        Of each member and list, given nothing else.
    draw : callable (logits, rng) -> bool array (N, K)
        Who is on which list.
    group : int64 array (N,) or None
        A covariate that is seen.
    seen : callable logits -> float64 array (N,), optional
        Probability of being on some list; by independence given the member where left out.
    """

    logits: Array
    draw: Callable[[Array, np.random.Generator], Lists]
    group: npt.NDArray[np.int64] | None = None
    seen: Callable[[Array], Array] | None = None


Maker = Callable[[np.random.Generator, int, Array], Population]


@dataclass(frozen=True)
class Kind:
    """A kind of world: its name, what is so in it, how a population of it is made, and its sizes."""

    name: str
    about: str
    make: Maker = field(repr=False)
    differ: bool = False  # whether members differ in ways that no covariate shows
    scale: Scale = Scale()


# Ways onto lists ---------------------------------------------------------------------------------


def expit(x: Array) -> Array:
    """Probability of a logit."""
    return 1 / (1 + np.exp(-x))


def independently(logits: Array, rng: np.random.Generator) -> Lists:
    """Put members on lists independently of each other, given the member."""
    return np.asarray(rng.random(logits.shape) < expit(logits))


def jointly(pairs: Array, triples: dict[tuple[int, int, int], float] | None = None) -> Population:
    """Let lists depend by a log-linear model with these interactions: all members are alike.

    `pairs` is (K, K), log odds ratios above the diagonal. The logits given to it are of a member on no
    other list.
    """
    k = len(pairs)
    histories = (np.arange(2**k)[:, None] >> np.arange(k)[::-1]) & 1
    weight = np.einsum("hi,ij,hj->h", histories, np.triu(pairs, 1), histories).astype(float)
    for triple, effect in (triples or {}).items():
        weight += effect * histories[:, triple].prod(axis=1)

    def shares(logits: Array) -> Array:
        # All rows are alike.
        log_share = histories @ logits[0] + weight
        share = np.exp(log_share - log_share.max())
        return np.asarray(share / share.sum())

    def draw(logits: Array, rng: np.random.Generator) -> Lists:
        at = rng.choice(2**k, size=len(logits), p=shares(logits))
        return np.asarray(histories[at] == 1)

    def seen(logits: Array) -> Array:
        return np.full(len(logits), 1 - shares(logits)[0])

    return Population(np.zeros((0, k)), draw, None, seen)


def referring(sent: Array) -> Callable[[Array, np.random.Generator], Lists]:
    """Send members who came onto list i to list j with probability ``sent[i, j]``, once, in the order of lists."""

    def draw(logits: Array, rng: np.random.Generator) -> Lists:
        on = independently(logits, rng)
        for i, j in zip(*np.nonzero(sent), strict=True):
            on[:, j] |= on[:, i] & (rng.random(len(on)) < sent[i, j])
        return on

    return draw


def random_referrals(rng: np.random.Generator, k: int) -> Array:
    """Draw 1 to K - 1 ordered pairs of lists of which one sends to the other."""
    sent = np.zeros((k, k))
    ordered = [(i, j) for i in range(k) for j in range(k) if i != j]
    for at in rng.choice(len(ordered), size=rng.integers(1, k), replace=False):
        sent[ordered[at]] = rng.uniform(0.05, 0.4)
    return sent


# Kinds -------------------------------------------------------------------------------------------


def independent(_: np.random.Generator, n: int, lists: Array) -> Population:
    """Lists that know nothing of each other, members who are alike."""
    return Population(np.tile(lists, (n, 1)), independently)


def random_pairs(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Every pair of lists depends, by a log odds ratio N(0, 1)."""
    k = len(lists)
    found = jointly(rng.normal(0, 1, size=(k, k)))
    return found._replace(logits=np.tile(lists, (n, 1)))


def referral(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Some lists send members to others."""
    return Population(np.tile(lists, (n, 1)), referring(random_referrals(rng, len(lists))))


def avoidance(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Some pairs of lists avoid each other: log odds ratio -0.7 to -2."""
    k = len(lists)
    pairs = np.zeros((k, k))
    every = list(combinations(range(k), 2))
    for at in rng.choice(len(every), size=rng.integers(1, k), replace=False):
        pairs[every[at]] = -rng.uniform(0.7, 2.0)
    return jointly(pairs)._replace(logits=np.tile(lists, (n, 1)))


def three_way(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """One or two triples of lists with all their terms, N(0, 0.7 to 1)."""
    k = len(lists)
    spread = rng.uniform(0.7, 1.0)
    every = list(combinations(range(k), 3))
    chosen = rng.choice(len(every), size=min(rng.integers(1, 3), len(every)), replace=False)
    pairs, triples = np.zeros((k, k)), {}
    for at in chosen:
        triples[every[at]] = rng.normal(0, spread) if k > 3 else 0.0
        for pair in combinations(every[at], 2):
            pairs[pair] = rng.normal(0, spread)
    return jointly(pairs, triples)._replace(logits=np.tile(lists, (n, 1)))


def _groups(rng: np.random.Generator, n: int, lists: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    shares = rng.dirichlet([4.0, 4.0, 4.0])
    group = rng.choice(3, size=n, p=shares)
    effects = rng.normal(0, 0.7, size=(3, 1)) + rng.normal(0, 1, size=(3, len(lists)))
    return lists + effects[group], group.astype(np.int64)


def groups_hidden(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Three groups with list effects of their own, N(0, 1) and a common N(0, 0.7), that nobody recorded."""
    logits, _ = _groups(rng, n, lists)
    return Population(logits, independently)


def groups_seen(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """The same three groups as a covariate of the table."""
    logits, group = _groups(rng, n, lists)
    return Population(logits, independently, group)


def classes_mixed(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Two classes; which is easier to find differs by list, by 1 to 3 on the logit."""
    easy = rng.random(n) < rng.uniform(0.2, 0.5)
    sign = rng.choice([-1.0, 1.0], size=len(lists))
    effect = sign * rng.uniform(1, 3, size=len(lists))
    return Population(lists + np.outer(easy, effect), independently)


def classes_one_easy(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Two classes, 10 to 40 % in the one that all lists find more easily, by 1 to 3 on the logit."""
    easy = rng.random(n) < rng.uniform(0.1, 0.4)
    return Population(lists + np.outer(easy, rng.uniform(1, 3, size=len(lists))), independently)


def gamma_intensity(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Intensity of contact gamma with shape 0.7 to 2.5; lists respond to its log by 0.6 to 1.2."""
    shape = rng.uniform(0.7, 2.5)
    intensity = np.log(np.maximum(rng.gamma(shape, 1 / shape, size=n), 1e-12))
    return Population(
        lists + np.outer(intensity, rng.uniform(0.6, 1.2, size=len(lists))), independently
    )


def rasch(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A person effect that all lists share, normal with standard deviation 0.7 to 1.5 on the logit."""
    person = rng.normal(0, rng.uniform(0.7, 1.5), size=n)
    return Population(lists + person[:, None], independently)


def everything_mild(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Hidden groups, person effects with sd 0.3 to 0.9, referral, and some avoidance by person type."""
    logits, _ = _groups(rng, n, lists)
    person = rng.normal(0, rng.uniform(0.3, 0.9), size=n)
    # Who shuns one list is a little easier to find by another.
    shy = rng.normal(0, 0.5, size=n)
    first, second = rng.choice(len(lists), size=2, replace=False)
    logits = logits + person[:, None]
    logits[:, first] += shy
    logits[:, second] -= shy
    return Population(logits, referring(random_referrals(rng, len(lists)) / 2))


def beta_shares(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A member's chance of contact is beta; each list sees a share of those in contact."""
    a = rng.uniform(0.6, 3.0)
    chance = rng.beta(a, a * rng.uniform(1, 4), size=n)
    return Population(lists + np.log(chance / (1 - chance))[:, None].clip(-12, 12), independently)


def long_tail(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A person effect with a long right tail: a few whom all lists know, and lists that respond unequally."""
    tail = rng.exponential(rng.uniform(0.5, 1.2), size=n)
    return Population(lists + np.outer(tail, rng.uniform(0.5, 1.5, size=len(lists))), independently)


def chain(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Being on a list changes the chance of the next one in order, up or down (a behavioral response)."""
    k = len(lists)
    effect = rng.normal(0.3, 0.9, size=k - 1)

    def draw(logits: Array, rng: np.random.Generator) -> Lists:
        on = np.zeros(logits.shape, dtype=np.bool_)
        for j in range(k):
            change = effect[j - 1] * on[:, j - 1] if j else 0.0
            on[:, j] = rng.random(len(on)) < expit(logits[:, j] + change)
        return on

    return Population(np.tile(lists, (n, 1)), draw)


def one_list_narrow(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """One list reaches next to nobody outside a part of 30 to 70 % of the members."""
    logits = np.tile(lists, (n, 1))
    outside = rng.random(n) > rng.uniform(0.3, 0.7)
    logits[outside, rng.integers(len(lists))] -= 3.0
    return Population(logits, independently)


def rasch_with_pairs(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A person effect, sd 0.4 to 1.2, and lists that send members to each other."""
    person = rng.normal(0, rng.uniform(0.4, 1.2), size=n)
    return Population(lists + person[:, None], referring(random_referrals(rng, len(lists))))


def two_scales(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Two person effects, sd 0.8 each, one for the first half of the lists and one for the rest."""
    effects = rng.normal(0, 0.8, size=(n, 2))
    half = len(lists) // 2
    which = np.asarray([0] * half + [1] * (len(lists) - half))
    return Population(lists + effects[:, which], independently)


def one_large_list(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """One list far longer than the others, and a person effect, sd 0.8."""
    logits = lists + rng.normal(0, 0.8, size=(n, 1))
    logits[:, 0] += 2.0
    return Population(logits, independently)


def heavy_tails(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A person effect of t with 3 degrees of freedom, times 0.6."""
    return Population(lists + 0.6 * rng.standard_t(3, size=(n, 1)), independently)


def unequal_slopes(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A person effect, sd 1, to which lists respond by 0.2 to 1.8."""
    person = rng.normal(0, 1, size=n)
    return Population(
        lists + np.outer(person, rng.uniform(0.2, 1.8, size=len(lists))), independently
    )


def two_blocks(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Two person effects, sd 1; which of them a list responds to is chance."""
    effects = rng.normal(0, 1, size=(n, 2))
    return Population(lists + effects[:, rng.integers(0, 2, size=len(lists))], independently)


def opposed(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """A person effect, sd 1, of the other sign on one list."""
    sign = np.ones(len(lists))
    sign[0] = -1.0
    return Population(lists + np.outer(rng.normal(0, 1, size=n), sign), independently)


def exponential_intensity(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Intensity of contact exponential."""
    return Population(lists + np.log(rng.exponential(1, size=(n, 1))), independently)


def classes_and_referral(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Three in ten easier to find by 1.5 on the logit, and a list that sends to another."""
    sent = np.zeros((len(lists), len(lists)))
    sent[tuple(rng.choice(len(lists), size=2, replace=False))] = rng.uniform(0.1, 0.4)
    return Population(lists + 1.5 * (rng.random((n, 1)) < 0.3), referring(sent))


def half_unseen(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Three to five in ten are harder to find, by 2 to 3.5 on the logit of every list."""
    hard = rng.random((n, 1)) < rng.uniform(0.3, 0.5)
    return Population(lists - rng.uniform(2, 3.5) * hard, independently)


def few_everywhere(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Two to eight of a hundred are easier to find by all lists, by 2.5 to 4 on the logit."""
    easy = rng.random((n, 1)) < rng.uniform(0.02, 0.08)
    return Population(lists + rng.uniform(2.5, 4) * easy, independently)


def _responding(effect: float) -> Callable[[Array, np.random.Generator], Lists]:
    """Change the logit of each further list, in an order of chance, for who is on one already."""

    def draw(logits: Array, rng: np.random.Generator) -> Lists:
        on = np.zeros(logits.shape, dtype=np.bool_)
        for j in rng.permutation(logits.shape[1]):
            on[:, j] = rng.random(len(on)) < expit(logits[:, j] + effect * on.any(axis=1))
        return on

    return draw


def contagion(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Who is on a list is found by all others more easily, by 0.4 to 1.2 on the logit."""
    return Population(np.tile(lists, (n, 1)), _responding(rng.uniform(0.4, 1.2)))


def wariness(rng: np.random.Generator, n: int, lists: Array) -> Population:
    """Who is on a list is found by all others less easily, by 0.4 to 1.2 on the logit."""
    return Population(np.tile(lists, (n, 1)), _responding(-rng.uniform(0.4, 1.2)))


#: Nearly everybody is on a list.
KNOWN_WELL = Scale(registered=(0.60, 0.95))
#: Few lists of a small population.
SMALL = Scale(members=(150, 800), registered=(0.15, 0.5))

KINDS: tuple[Kind, ...] = (
    Kind("independent", "lists independent, members alike", independent),
    Kind("random pairs", "every pair of lists depends, log odds ratio N(0, 1)", random_pairs),
    Kind("referral", "lists send members to others, with probability 0.05 to 0.4", referral),
    Kind("avoidance", "some pairs with log odds ratio -0.7 to -2", avoidance),
    Kind("three-way", "one or two triples with all their terms", three_way),
    Kind(
        "groups, hidden",
        "three groups with list effects of their own, unrecorded",
        groups_hidden,
        differ=True,
    ),
    Kind("groups, seen", "the same groups, a covariate of the table", groups_seen),
    Kind(
        "two classes, mixed",
        "class effects of random sign, 1 to 3 on the logit",
        classes_mixed,
        differ=True,
    ),
    Kind(
        "two classes, one easy",
        "10 to 40 % are easier for all lists",
        classes_one_easy,
        differ=True,
    ),
    Kind("gamma intensity", "intensity gamma with shape 0.7 to 2.5", gamma_intensity, differ=True),
    Kind("Rasch", "person effect normal, sd 0.7 to 1.5", rasch, differ=True),
    Kind(
        "everything, mild",
        "groups, person effects, referral and avoidance",
        everything_mild,
        differ=True,
    ),
    Kind("beta chances", "chance of contact beta", beta_shares, differ=True),
    Kind(
        "long tail",
        "person effect exponential, lists respond by 0.5 to 1.5",
        long_tail,
        differ=True,
    ),
    Kind("chain", "a list changes the chance of the next", chain),
    Kind("one list narrow", "one list reaches a part only", one_list_narrow, differ=True),
    Kind("Rasch and referral", "person effect and referral", rasch_with_pairs, differ=True),
    Kind("two scales", "two person effects for two sets of lists", two_scales, differ=True),
    Kind("known well, independent", "60 to 95 % registered", independent, scale=KNOWN_WELL),
    Kind(
        "known well, Rasch",
        "60 to 95 % registered, person effect",
        rasch,
        differ=True,
        scale=KNOWN_WELL,
    ),
    Kind("small, random pairs", "150 to 800 members", random_pairs, scale=SMALL),
    Kind("small, Rasch", "150 to 800 members, person effect", rasch, differ=True, scale=SMALL),
)

#: Kinds that were thought of when all constants stood, some of them to break what holds in those above.
FRESH: tuple[Kind, ...] = (
    Kind("one large list", "one list far longer, person effect", one_large_list, differ=True),
    Kind("heavy tails", "person effect t with 3 degrees of freedom", heavy_tails, differ=True),
    Kind("unequal slopes", "lists respond by 0.2 to 1.8", unequal_slopes, differ=True),
    Kind("two blocks", "two person effects, lists at random", two_blocks, differ=True),
    Kind("opposed", "a person effect of the other sign on one list", opposed, differ=True),
    Kind("exponential", "intensity exponential", exponential_intensity, differ=True),
    Kind("classes and referral", "two classes and referral", classes_and_referral, differ=True),
    Kind("half unseen", "30 to 50 % hard to find by all lists", half_unseen, differ=True),
    Kind("contagion", "who is on a list is found by others more easily", contagion),
    Kind("few everywhere", "2 to 8 % found by nearly all lists", few_everywhere, differ=True),
    Kind("wariness", "who is on a list avoids all others", wariness),
)


# Drawing -----------------------------------------------------------------------------------------


def draw_world(kind: Kind, number: int, seed: int = 20261129) -> World:
    """Draw a world; one with too little seen to ask anybody is drawn again."""
    rng = np.random.default_rng(
        [seed, [each.name for each in (*KINDS, *FRESH)].index(kind.name), number]
    )
    while True:
        world = _draw(kind, number, rng)
        overlap = (world.on.sum(axis=1) > 1).any() and world.on.any(axis=0).all()
        if len(world.on) >= FEWEST_SEEN and overlap:
            return world


def _draw(kind: Kind, number: int, rng: np.random.Generator) -> World:
    scale = kind.scale
    n = int(np.exp(rng.uniform(*np.log(scale.members))))
    k = int(rng.integers(scale.lists[0], scale.lists[1] + 1))
    wanted = rng.uniform(*scale.registered)
    made = kind.make(rng, n, rng.normal(0, scale.spread, size=k))
    on = made.draw(made.logits + _common(made, wanted), rng)
    seen = on.any(axis=1)
    return World(kind.name, number, n, on[seen], None if made.group is None else made.group[seen])


def _common(made: Population, wanted: float) -> float:
    """Find the common effect at which a share of the members is registered, in expectation."""
    low, high = -20.0, 20.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        logits = made.logits + middle
        seen = 1 - (1 - expit(logits)).prod(axis=1) if made.seen is None else made.seen(logits)
        low, high = (middle, high) if seen.mean() < wanted else (low, middle)
    return (low + high) / 2
