"""Printed figures turned back into the counts they were computed from.

A model in which two groups of lists are independent has the closed form of two lists: of n registered
persons n_c are on the one, m on both, and N = n_c + n_c (n - n_c) / m (Petersen; Sekar and Deming 1949).
So N and n bound m from above, (n + m)^2 >= 4 m N; a printed total of the list gives m itself; the shape
of an interval depends on m most of all; and whether the draws of a bootstrap have no bound is a flag for
exp(-m). Where a seed was printed, or can be guessed, candidate tables are simulated again.

References
----------
Sekar, C. C. and Deming, W. E. (1949). On a method of estimating birth and death rates and the extent of
registration. Journal of the American Statistical Association 44, 101-115.
"""

from __future__ import annotations

import math
import re
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import bdtr

from mse.data.table import CaptureTable
from mse.disclosure.differing import differing
from mse.disclosure.printed import POSTERIOR
from mse.disclosure.shares import counts_of_shares
from mse.disclosure.suppression import range_of
from mse.errors import ModelError, MSEError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from mse._typing import FloatArray
    from mse.disclosure.printed import Printed, Seen
    from mse.disclosure.rules import Rules

#: Overlaps up to which the shape of intervals is tried one by one; of larger ones so many.
_MOST = 60
#: Draws of a simulated bootstrap, and standard errors within which a printed end may lie of them.
_DRAWS, _SIGMAS = 20_000, 3.5
#: Candidate tables that are listed, and bootstraps that are run again.
_TABLES, _RUNS = 200_000, 300
#: Seeds that people use; dates of these years as well.
_SEEDS = (0, 1, 2, 3, 7, 10, 42, 100, 123, 1234, 12345, 2024, 2025, 2026)


class Range(NamedTuple):
    """What is left of a count: from ``low`` to ``high`` persons."""

    cell: str
    what: str
    low: float
    high: float
    why: str


def inverted(found: Printed, rules: Rules) -> Iterator[Range]:
    """Compute what printed estimates and sentences leave of the counts behind them."""
    systems: dict[tuple[str, ...], list[tuple[Seen, list[Range]]]] = {}
    for seen in found.estimates:
        closed = [*_closed(seen, found, rules)]
        yield from closed
        yield from _tried(seen, found, rules)
        systems.setdefault(seen.lists, []).append((seen, closed))
    for members in systems.values():
        yield from _together(members, found, rules)
    yield from _sentences(found)
    yield from (Range(*each) for each in differing(found.strata, rules))
    yield from (Range(*each) for each in counts_of_shares(found.shares, rules))
    for name in dict.fromkeys(found.curves):
        yield Range(name, "measure", math.nan, math.nan, "each of its steps is a person")


# The closed form of two lists ---------------------------------------------------------------------


def halves(
    lists: Sequence[str], model: str, by: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Split lists into the two groups that a model takes to be independent, each saturated in itself.

    lists, model: as printed
    by: covariates of a stratum, which is estimated from its own persons only where each list depends on all of them

    Examples
    --------
    >>> halves(("a", "b", "c"), "[12,3]")
    (('a', 'b'), ('c',))
    >>> halves(("a", "b", "c"), "a*b*year + c*year", ["year"])
    (('a', 'b'), ('c',))
    >>> halves(("a", "b", "c"), "a*b + b*year + c*year", ["year"]) is None
    True
    """
    if len(lists) == 2:
        together = model.replace(" ", "") in ("[12]", "*".join(lists))
        if together:
            return None
    if model.startswith("["):
        places = ([int(at) - 1 for at in part if at.isdigit()] for part in model[1:-1].split(","))
        products = [{lists[at] for at in part if at < len(lists)} for part in places]
    else:
        products = [{name.strip() for name in re.split(r"[*:]", part)} for part in model.split("+")]
    terms = [each & set(lists) for each in products]
    largest = [term for term in terms if term and not any(term < other for other in terms)]
    unlike = [set(each) for each in dict.fromkeys(map(frozenset, largest))]
    apart = all(any(one | set(by) <= each for each in products) for one in unlike)
    if by and model and not apart:
        return None
    if len(lists) == 2:
        return (lists[0],), (lists[1],)
    if len(unlike) != 2 or unlike[0] & unlike[1] or unlike[0] | unlike[1] != set(lists):
        return None
    first, second = (tuple(name for name in lists if name in term) for term in unlike)
    return first, second


def _closed(seen: Seen, found: Printed, rules: Rules) -> Iterator[Range]:
    """Compute the overlap of two independent groups of lists."""
    split = halves(seen.lists, seen.model, seen.by)
    if split is None or seen.kind == POSTERIOR or not math.isfinite(seen.observed + seen.total):
        return
    if seen.total <= seen.observed:
        return
    # A printed total of a group that is one list; of one group or of the other.
    counts = found.counts if _of_everybody(seen, found) else {}
    known = [counts.get(group) for group in split if len(group) == 1]
    sizes = [size for size in known if size is not None]
    left = overlaps_left(seen, rules.base, sizes)
    if not left:
        return
    name = f"{seen.where}: on {' or '.join(split[0])} and on {' or '.join(split[1])}"
    how = "the closed form of two lists"
    shaped = _shaped(seen, left, rules.base) if seen.ends else left
    if shaped and len(shaped) < len(left):
        left, how = shaped, f"{how} and the shape of the interval"
    yield Range(name, "closed form", left[0][0], left[-1][0], how)
    if len(seen.lists) == 2 and seen.ends:
        for each, at in ((seen.lists[0], 1), (seen.lists[1], 2)):
            alone = sorted(max(round(one[at] - one[0]), 1) for one in left)
            yield Range(f"{seen.where}: on {each} only", "closed form", alone[0], alone[-1], how)


def _of_everybody(seen: Seen, found: Printed) -> bool:
    """Whether the totals of lists that were printed are of the same persons as an estimate, not of more."""
    observed = [each.observed for each in found.estimates if each.lists == seen.lists]
    return not any(each > seen.observed for each in observed)


def overlaps_left(seen: Seen, base: int, sizes: Sequence[float]) -> list[tuple[int, float, float]]:
    """List the overlaps that agree with total and observed number, with the sizes of both groups.

    sizes: printed sizes of the groups, as far as they are known; in the order of the groups
    """
    half, slack, n = base // 2, seen.step / 2, seen.observed
    totals = (max(seen.total - slack, n), seen.total, seen.total + slack)
    observed = (n - half, n, n + half)
    m = np.arange(1, int(n) + 1, dtype=np.float64)
    if not sizes:
        # With neither size known there are two roots if (n + m)^2 >= 4 m N.
        possible = (observed[-1] + m) ** 2 >= 4 * m * totals[0] - 1e-6
        root = np.sqrt(np.maximum((n + m) ** 2 - 4 * m * seen.total, 0.0))
        first = (n + m - root) / 2
        if base == 1 and seen.step == 1:
            possible &= np.array([_whole(seen, int(each)) for each in m]) | ~possible
    else:
        possible = np.ones(len(m), dtype=np.bool_)
        for size in sizes:
            corners = [
                c * (k - c) / (total - c)
                for c, k, total in product((size - half, size, size + half), observed, totals)
                if c < k and c < total
            ]
            ends = (min(corners), max(corners)) if corners else (1.0, 0.0)
            possible &= (m >= ends[0] - 1e-6) & (m <= ends[1] + 1e-6)
        first = np.full(len(m), sizes[0])
    second = n + m - first
    possible &= np.minimum(first, second) >= m - half - 1e-6
    return [(int(m[at]), float(first[at]), float(second[at])) for at in np.flatnonzero(possible)]


def _whole(seen: Seen, m: int) -> bool:
    """Whether some whole size of a group gives the printed total."""
    n_c = np.arange(m, seen.observed + 1)
    totals = n_c + n_c * (seen.observed - n_c) / m
    return bool(np.any(np.abs(totals - seen.total) <= 0.5 + 1e-6))


def _shaped(
    seen: Seen, left: list[tuple[int, float, float]], base: int
) -> list[tuple[int, float, float]]:
    """Keep the overlaps that give such an interval; of many a selection and their neighbors."""
    places = np.arange(len(left))
    if len(left) > 2 * _MOST:
        spread = np.geomspace(_MOST, len(left) - 1, _MOST).astype(int)
        places = np.unique(np.concatenate([places[:_MOST], spread]))
    fits = [_fits(seen, *left[at], base) for at in places]
    kept = [at for at, good in enumerate(fits) if good]
    if not kept:
        return []
    first, last = places[max(kept[0] - 1, 0)], places[min(kept[-1] + 1, len(places) - 1)]
    near = first + (places[kept[0]] > first), last - (places[kept[-1]] < last)
    return left[near[0] : near[1] + 1]


def _fits(seen: Seen, m: int, first: float, second: float, base: int) -> bool:
    """Whether an overlap would have given such an interval."""
    one, other = max(first - m, 0.5), max(second - m, 0.5)
    slack = seen.step + base + 0.02 * (seen.total - seen.observed)
    if seen.kind in ("percentile", "basic", "bca"):
        return _bootstraps(seen, m, one, other, base)
    try:
        expected = _two_lists(seen, round(one), round(other), m)
        for level, (low, high) in seen.ends.items():
            ends = expected.interval(level)
            if abs(low - ends[0]) > slack or (
                math.isfinite(high) and abs(high - ends[1]) > 2 * slack
            ):
                return False
    except MSEError:
        return True
    return True


def _two_lists(seen: Seen, one: int, other: int, both: int) -> Any:
    from mse.classical.two_lists import Chapman
    from mse.loglinear import LogLinear

    table = CaptureTable.from_counts(
        {"10": one, "01": other, "11": both}, lists=["first", "second"]
    )
    if seen.method.startswith("Chapman"):
        return Chapman().fit(table).population
    kind: Any = "lognormal" if seen.kind == "lognormal" else "profile"
    return LogLinear("main", interval=kind).fit(table).population


def _bootstraps(seen: Seen, m: int, one: float, other: float, base: int) -> bool:
    """Whether a bootstrap of such a table would have had such ends and flags."""
    replicates = (seen.settings.get("bootstrap") or {}).get("replicates") or 1000
    # Where the model was chosen anew, only the middle is that of this model.
    chosen = (seen.settings.get("estimator") or "").startswith("LogLinearSearch")
    totals = _drawn(m, one, other)
    for level, ends in seen.ends.items():
        if chosen and level > 0.5:
            continue
        for end, p in zip(ends, ((1 - level) / 2, (1 + level) / 2), strict=True):
            spread = _SIGMAS * math.sqrt(p * (1 - p) / replicates)
            at = np.clip([p - spread, p + spread], 0.0, 1.0)
            low, high = np.quantile(totals, at, method="inverted_cdf")
            slack = seen.step + base + 0.02 * (seen.total - seen.observed)
            if not low - slack <= end <= high + slack:
                return False
    return True


def _drawn(m: int, one: float, other: float) -> FloatArray:
    """Totals of bootstrap replicates of two independent lists."""
    hidden = one * other / m
    size, random = round(one + other + m + hidden), np.random.default_rng(m)
    share = m / (one + other + m + hidden)
    # The overlap, on which nearly everything hangs, runs through its distribution evenly: so little is left to chance.
    many = np.arange(min(size, math.ceil(m + 12 * math.sqrt(m) + 12)) + 1)
    n11 = np.searchsorted(bdtr(many, size, share), (np.arange(_DRAWS) + 0.5) / _DRAWS)
    n10 = random.binomial(size - n11, one / (one + other + hidden))
    n01 = random.binomial(size - n11 - n10, other / (other + hidden))
    with np.errstate(divide="ignore", invalid="ignore"):
        totals = (n10 + n11) * (n01 + n11) / n11
    return np.where(n11 > 0, totals, math.inf)


# Everything that was printed of one table as one system of whole numbers -------------------------

#: Lists up to which all histories are unknowns.
_SYSTEM = 6


def _together(
    members: Sequence[tuple[Seen, list[Range]]], found: Printed, rules: Rules
) -> Iterator[Range]:
    """Bound each overlap and history by all printed sums, and by what closed forms say of some of them."""
    seen = members[0][0]
    lists, whole = seen.lists, [each for each, _ in members if each.observed == seen.observed]
    known = {names: n for names, n in found.counts.items() if set(names) <= set(lists)}
    if not known or len(lists) > _SYSTEM or not math.isfinite(seen.observed):
        return
    histories = [each for each in product((0, 1), repeat=len(lists)) if any(each)]
    on = np.array(histories, dtype=np.float64)
    half = rules.base // 2
    rows: list[Any] = [np.ones(len(on))]
    low, high = [seen.observed - half], [seen.observed + half]
    for names, n in known.items():
        rows.append(on[:, [lists.index(name) for name in names]].all(axis=1).astype(np.float64))
        low.append((1.0 if rules.zeros_safe else 0.0) if n is None else n - half)
        high.append(math.inf if n is None else n + half)
    for each, closed in members:
        split = halves(lists, each.model, each.by) if each in whole else None
        if split is not None and closed:
            groups = [on[:, [lists.index(name) for name in group]].any(axis=1) for group in split]
            rows.append((groups[0] & groups[1]).astype(np.float64))
            low.append(closed[0].low)
            high.append(closed[0].high)
    system = sparse.csr_array(np.hstack([np.array(rows), -np.eye(len(rows))]))
    bounds = np.r_[np.zeros(len(on)), low], np.r_[np.full(len(on), np.inf), high]
    for at, cell in enumerate(histories):
        ends = _range_of(at, system, bounds)
        if ends is not None:
            text = "".join(map(str, cell))
            yield Range(f"{seen.where}: history {text}", "together", *ends, "all that is printed")
    for at, names in enumerate(known, start=1):
        if known[names] is None and (ends := _range_of(len(on) + at, system, bounds)):
            yield Range(
                f"{seen.where}: on {' and '.join(names)}", "together", *ends, "all that is printed"
            )


def _range_of(
    cell: int, system: sparse.csr_array, bounds: tuple[FloatArray, FloatArray]
) -> tuple[float, float] | None:
    try:
        return range_of(cell, system, *bounds)
    except ModelError:
        # The printed figures agree with no table: nothing follows from them.
        return None


# Candidate tables, simulated again ----------------------------------------------------------------


def _tried(seen: Seen, found: Printed, rules: Rules) -> Iterator[Range]:
    """Run a printed bootstrap again on all tables that agree with the rest, with its seed or a usual one."""
    drawn = seen.settings.get("bootstrap") or {}
    if len(seen.lists) != 3 or not drawn.get("replicates") or not seen.ends or rules.base > 1:
        return
    tables = _candidates(seen, found)
    seeds = _SEEDS if drawn.get("seed") is None else (drawn["seed"],)
    if not 0 < len(tables) * len(seeds) <= _RUNS:
        return
    agree = [each for each in tables if any(_same(seen, each, int(seed)) for seed in seeds)]
    if agree:
        for history, counts in zip(_HISTORIES, np.array(agree).T, strict=True):
            yield Range(
                f"{seen.where}: history {history}",
                "seed",
                float(counts.min()),
                float(counts.max()),
                f"{len(agree)} of {len(tables)} tables give this interval with the seed",
            )


_HISTORIES = ("001", "010", "011", "100", "101", "110", "111")


def _candidates(seen: Seen, found: Printed) -> list[tuple[int, ...]]:
    """List the tables of three lists that agree with printed totals of the lists, and with the estimate."""
    sizes = [found.counts.get((name,)) for name in seen.lists]
    split = halves(seen.lists, seen.model, seen.by)
    if split is None or any(size is None for size in sizes) or not math.isfinite(seen.observed):
        return []
    a, b, c = (int(size) for size in sizes if size is not None)
    single = next(group[0] for group in split if len(group) == 1)
    n_c = (a, b, c)[seen.lists.index(single)]
    pairs = {pair: found.counts.get(tuple(sorted(pair))) for pair in combinations(seen.lists, 2)}
    tables: list[tuple[int, ...]] = []
    for n111 in range(min(a, b, c) + 1):
        for n110, n101 in product(range(min(a, b) - n111 + 1), range(min(a, c) - n111 + 1)):
            # Everybody together: n is the lists' totals less those on two, and less twice those on three.
            n011 = a + b + c - int(seen.observed) - n110 - n101 - 2 * n111
            row = (c - n101 - n011 - n111, b - n110 - n011 - n111, n011, a - n110 - n101 - n111)
            cells = (*row, n101, n110, n111)
            both = n111 + {0: n110 + n101, 1: n110 + n011, 2: n101 + n011}[seen.lists.index(single)]
            if min(cells) < 0 or both == 0:
                continue
            total = n_c + n_c * (seen.observed - n_c) / both
            overlaps = (n110 + n111, n101 + n111, n011 + n111)
            agrees = all(
                known in (None, here) for known, here in zip(pairs.values(), overlaps, strict=True)
            )
            if agrees and abs(total - seen.total) <= 0.5 + 1e-6:
                tables.append(cells)
                if len(tables) > _TABLES:
                    return []
    return tables


def _same(seen: Seen, cells: tuple[int, ...], seed: int) -> bool:
    """Whether a table gives the printed interval with a seed."""
    from mse.registry import estimator_of
    from mse.resampling import bootstrap

    drawn = seen.settings["bootstrap"]
    counts = {history: n for history, n in zip(_HISTORIES, cells, strict=True) if n}
    table = CaptureTable.from_counts(counts, lists=list(seen.lists))
    try:
        again = bootstrap(
            estimator_of(seen.settings["estimator"]),
            table,
            drawn["replicates"],
            resampling=drawn.get("resampling", "population"),
            interval=drawn.get("interval", "percentile"),
            seed=seed,
            n_jobs=1,
            progress=False,
        )
        return all(
            np.allclose(again.interval(level), ends, atol=seen.step / 2 + 1e-6)
            for level, ends in seen.ends.items()
        )
    except MSEError:
        return False


# Sentences -------------------------------------------------------------------------------------------


def _sentences(found: Printed) -> Iterator[Range]:
    """Read counts out of telling sentences."""
    replicates = [
        (seen.settings.get("bootstrap") or {}).get("replicates") for seen in found.estimates
    ]
    for key, numbers in found.sentences:
        given = [each for each in numbers if each is not None]
        if key == "remark.unbounded":
            n, of = (*numbers, None)[:2]
            of = of or next((each for each in replicates if each), 1000)
            if n:
                # The share of draws without an overlap is exp(-m).
                error = 2 * math.sqrt(n)
                ends = sorted(
                    -math.log(min(max(each, 0.5), of) / of) for each in (n - error, n + error)
                )
                middle = round(-math.log(n / of))
                low, high = min(math.ceil(ends[0]), middle), max(math.floor(ends[1]), middle)
                yield Range(
                    "the overlap", "sentence", max(low, 1), high, f"{n:g} replicates have no bound"
                )
        elif key in ("remark.deviance", "remark.zero"):
            yield Range(
                "all counts", "measure", math.nan, math.nan, "tables can be tried out against it"
            )
        elif given:
            yield Range("a count", "sentence", given[-1], given[-1], "a sentence says it")
    for name in dict.fromkeys(found.measures):
        yield Range(
            "all counts", "measure", math.nan, math.nan, f"tables can be tried out against {name}"
        )
