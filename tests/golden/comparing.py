"""Old values against new ones: which entry differs, by how much, and whether that is allowed.

* Numbers agree to `EXACT` of themselves, or to `LOOSE` of themselves in a record whose stored ``condition``
  of the information is beyond `ILL_CONDITIONED`; what is zero but for rounding agrees with zero.
* Strings, whole numbers, infinities and NaN agree exactly. In a text, words and numbers are compared apart:
  numbers by the rule for numbers.
* A ``ranking`` of names with their criteria agrees where names change places only if their criteria differ
  by less than `TIED`.
* Draws of a bootstrap agree like other numbers, if they are drawn from the same digits (``drawn_from``): a
  random number that falls on the other side of a rounding changes a draw. Otherwise they are compared as
  samples, within Monte Carlo error, and what is read off them is not. Those of ``resampling="multinomial"``
  come from counts, not from a fit, so they always agree like other numbers.
* A ``chain`` of draws of a Markov chain agrees within its Monte Carlo error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: Relative difference within which two numbers are the same.
EXACT = 1e-9
#: The same where the information is ill-conditioned: solutions of such equations lose the digits.
LOOSE = 1e-6
#: Condition of the information beyond which it is.
ILL_CONDITIONED = 1e8
#: Numbers below it are rounding: a deviance of a model that fits exactly.
NOTHING = 1e-9
#: Absolute difference that is rounding: of a small deviance, which is a difference of large likelihoods.
ROUNDING = 1e-11
#: Criteria that differ by less choose between equals.
TIED = 1e-8
#: Standard errors of the difference by which two chains may differ, as in the other tests.
FAR = 5.0
#: Conditions are stored for the record; rounding moves large ones by much.
CONDITION_FACTOR = 10.0
#: Rows by the names in a ranking; which names there are is a matter of the ranking.
RANKED = ("models", "graphs")
#: Entries that are read off draws.
OFF_DRAWS = ("interval", "warnings", "bootstrap", "stratum_draws", "said")
ENDS = ("low", "high", "low80", "high80")

_NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?")


class Difference(NamedTuple):
    """An entry that is not what it was."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        told = f"{self.path}: was {_short(self.old)}, is {_short(self.new)}"
        if _numeric(self.old) and _numeric(self.new) and self.old:
            told += f" (relative difference {abs(self.new - self.old) / abs(self.old):.2g})"
        return told


def _short(value: Any) -> str:
    """Show a value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}..."


def differences(
    old: Any, new: Any, path: str = "", tolerance: float = EXACT
) -> Iterator[Difference]:
    """Find the entries of new values that do not agree with the old ones."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _of_mappings(old, new, path, tolerance)
    elif _is_list(old) and _is_list(new):
        if len(old) != len(new):
            yield Difference(f"{path} (length)", len(old), len(new))
        for i, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from differences(one, other, f"{path}[{i}]", tolerance)
    elif isinstance(old, str) and isinstance(new, str):
        if not same_text(old, new, tolerance):
            yield Difference(path, old, new)
    elif _numeric(old) and _numeric(new):
        if not same_number(old, new, tolerance):
            yield Difference(path, old, new)
    elif old != new or type(old) is not type(new):
        yield Difference(path, old, new)


def _of_mappings(
    old: Mapping[str, Any], new: Mapping[str, Any], path: str, tolerance: float
) -> Iterator[Difference]:
    """Compare dictionaries key by key; those of special kinds by their own rules."""
    if old.keys() != new.keys():
        lost, added = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
        yield Difference(f"{path} (entries lost, added)", lost, added)
    condition = old.get("condition")
    if condition == "inf" or (_numeric(condition) and condition > ILL_CONDITIONED):
        tolerance = LOOSE
    if _tied_choice(old, new):
        return
    if old.get("drawn_from") != new.get("drawn_from"):
        yield from _of_samples(old.get("draws", ()), new.get("draws", ()), f"{path}/draws")
        old, new = _without_draws(old), _without_draws(new)
    for key in sorted(old.keys() & new.keys() - {"as_good"}):
        both = old[key], new[key]
        if key in RANKED and "ranking" in old:
            common = both[0].keys() & both[1].keys()
            both = tuple({name: each[name] for name in common} for each in both)
        yield from _RULES.get(key, differences)(*both, f"{path}/{key}", tolerance)


def same_number(old: float, new: float, tolerance: float = EXACT) -> bool:
    """Whether two finite numbers agree; whole ones exactly."""
    if isinstance(old, int) and isinstance(new, int):
        return old == new
    if abs(old) < NOTHING and abs(new) < NOTHING:
        return True
    return abs(old - new) <= max(tolerance * max(abs(old), abs(new)), ROUNDING)


def same_text(old: str, new: str, tolerance: float = EXACT) -> bool:
    """Whether two texts have the same words, and numbers that agree."""
    if old == new:
        return True
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return False
    pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
    return all(a == b or same_number(_read(a), _read(b), tolerance) for a, b in pairs)


def _read(text: str) -> float:
    """Read a number as it stands in a text."""
    return float(text.replace(",", "").replace("\u2212", "-"))


def _tied_choice(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether another model was chosen that is just as good: then what it says is another matter."""
    others = old.get("as_good")
    return bool(others) and new.get("model") != old.get("model") and new.get("model") in others


def _of_conditions(old: Any, new: Any, path: str, _: float) -> Iterator[Difference]:
    """Compare conditions of matrices: only their size, which says what tolerance there is."""
    if not (_numeric(old) and _numeric(new)):
        if old != new:
            yield Difference(path, old, new)
    elif (
        min(old, new) < ILL_CONDITIONED and not 1 / CONDITION_FACTOR < new / old < CONDITION_FACTOR
    ):
        yield Difference(path, old, new)


def _of_paths(old: Any, new: Any, path: str, tolerance: float) -> Iterator[Difference]:
    """Compare the steps of a search; where no end has a total, rounding says which of them was reached."""
    known = (
        isinstance(old, Mapping)
        and isinstance(new, Mapping)
        and {"total"} <= old.keys() & new.keys()
    )
    if not known or {*old["total"], *new["total"]} != {"nan"}:
        yield from differences(old, new, path, tolerance)


def _of_rankings(
    old: Sequence[Any], new: Sequence[Any], path: str, tolerance: float
) -> Iterator[Difference]:
    """Compare names in order with their criteria: places may be exchanged among equals only."""
    if len(old) != len(new):
        yield Difference(f"{path} (length)", len(old), len(new))
    before = dict(map(tuple, old))
    for i, ((name, value), (other, found)) in enumerate(zip(old, new, strict=False)):
        yield from differences(value, found, f"{path}[{i}] criterion", tolerance)
        # Beyond the last one that was kept there may be others as good as it.
        if name != other and not _equals(value, found, before.get(other, old[-1][1])):
            yield Difference(f"{path}[{i}]", name, other)


def _equals(*criteria: Any) -> bool:
    """Whether criteria are equal but for rounding: numbers, or all of them without one."""
    if not all(map(_numeric, criteria)):
        return len(set(map(str, criteria))) == 1
    return max(criteria) - min(criteria) < TIED


def _of_chains(
    old: Mapping[str, Any], new: Mapping[str, Any], path: str, _: float
) -> Iterator[Difference]:
    """Compare two chains: their means, and the shares of the draws below the old quantiles."""
    if old.keys() != new.keys():
        yield Difference(f"{path} (entries)", sorted(old), sorted(new))
        return
    for name in sorted(old):
        was, now = old[name], new[name]
        if "error" in was:
            error = math.hypot(was["error"], now["error"])
            if abs(was["mean"] - now["mean"]) > FAR * error + EXACT * abs(was["mean"]):
                yield Difference(f"{path}/{name} (error {error:.3g})", was["mean"], now["mean"])
            continue
        yield from differences(was, now, f"{path}/{name}")


def _without_draws(record: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is read off draws."""
    kept = {k: v for k, v in record.items() if k not in (*OFF_DRAWS, "draws", "drawn_from")}
    if "strata" in kept:
        kept["strata"] = {
            by: {name: column for name, column in frame.items() if name not in ENDS}
            for by, frame in kept["strata"].items()
        }
    return kept


def _of_samples(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[Difference]:
    """Compare two samples: the shares of them beyond each decile of the old one."""
    was, now = (sorted(float(each) for each in sample) for sample in (old, new))
    if len(was) != len(now):
        yield Difference(f"{path} (length)", len(was), len(now))
        return
    for tenth in range(1, 10) if was else ():
        share = tenth / 10
        bound = was[int(share * len(was))]
        found = sum(each < bound for each in now) / len(now)
        before = sum(each < bound for each in was) / len(was)
        error = math.sqrt(2 * share * (1 - share) / len(was))
        if abs(found - before) > FAR * error:
            yield Difference(f"{path} (share below {bound:.6g})", before, found)


def _numeric(value: Any) -> bool:
    """Whether a value is a number, which a truth value is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    """Whether a value is a list of values, which a text is not."""
    return isinstance(value, Sequence) and not isinstance(value, str)


#: Entries of a record that are compared by rules of their own.
_RULES = {
    "condition": _of_conditions,
    "ranking": _of_rankings,
    "chain": _of_chains,
    "path": _of_paths,
}
