"""Old values against new ones: which entry differs, by how much, and whether that is allowed.

* Numbers agree to `EXACT` of themselves, or to `LOOSE` of themselves in a record whose stored ``condition``
  of the information is beyond `ILL_CONDITIONED`; what is zero but for rounding agrees with zero.
* Strings, whole numbers, infinities and NaN agree exactly. In a text, words and numbers are compared apart:
  numbers by the rule for numbers.
* A ``ranking`` of names with their criteria agrees where names change places only if their criteria differ
  by less than `TIED`.
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
#: Numbers below it, times 1 for persons, are rounding: a deviance of a model that fits exactly.
NOTHING = 1e-9
#: Criteria that differ by less choose between equals.
TIED = 1e-8
#: Standard errors of the difference by which two chains may differ, as in the other tests.
FAR = 5.0
#: Conditions are stored for the record; rounding moves large ones by much.
CONDITION_FACTOR = 10.0
#: Rows by the names in a ranking; which names there are is a matter of the ranking.
RANKED = ("models", "graphs")

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
    for key in sorted(old.keys() & new.keys()):
        where = f"{path}/{key}"
        if key == "condition":
            yield from _of_conditions(old[key], new[key], where)
        elif key == "ranking":
            yield from _of_rankings(old[key], new[key], where, tolerance)
        elif key == "chain":
            yield from _of_chains(old[key], new[key], where)
        elif key in RANKED and "ranking" in old:
            both = old[key].keys() & new[key].keys()
            pairs = [{name: each[key][name] for name in both} for each in (old, new)]
            yield from differences(*pairs, where, tolerance)
        elif key != "as_good":
            yield from differences(old[key], new[key], where, tolerance)


def same_number(old: float, new: float, tolerance: float = EXACT) -> bool:
    """Whether two finite numbers agree; whole ones exactly."""
    if isinstance(old, int) and isinstance(new, int):
        return old == new
    if abs(old) < NOTHING and abs(new) < NOTHING:
        return True
    return abs(old - new) <= tolerance * max(abs(old), abs(new))


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


def _of_conditions(old: Any, new: Any, path: str) -> Iterator[Difference]:
    """Compare conditions of matrices: only their size, which says what tolerance there is."""
    if not (_numeric(old) and _numeric(new)):
        if old != new:
            yield Difference(path, old, new)
    elif (
        min(old, new) < ILL_CONDITIONED and not 1 / CONDITION_FACTOR < new / old < CONDITION_FACTOR
    ):
        yield Difference(path, old, new)


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


def _of_chains(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
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


def _numeric(value: Any) -> bool:
    """Whether a value is a number, which a truth value is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    """Whether a value is a list of values, which a text is not."""
    return isinstance(value, Sequence) and not isinstance(value, str)
