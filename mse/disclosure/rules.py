"""Rules of disclosure control: as an object, by name, or from a file.

References
----------
Brandt, M., Franconi, L., Guerke, C., Hundepool, A., Lucarelli, M., Mol, J., Ritchie, F., Seri, G. and
Welpton, R. (2010). Guidelines for the checking of output based on microdata research. ESSnet SDC.
Bond, S., Brandt, M. and de Wolf, P.-P. (2015). Guidelines for output checking. Eurostat, DwB.
Hundepool, A., Domingo-Ferrer, J., Franconi, L., Giessing, S., Schulte Nordholt, E., Spicer, K. and
de Wolf, P.-P. (2012). Statistical Disclosure Control. Wiley.
CBS (2024). Handboek Statistische Beveiliging (announced in Statistics Netherlands updates its
Statistical Disclosure Control Guide, cbs.nl, October 2024).
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mse._typing import FrozenDict
from mse.answer.rounding import step_of
from mse.data.checks import listed, near
from mse.errors import ModelError
from mse.messages import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["MARK", "Rules", "rules"]


@dataclass(frozen=True)
class Rules:
    """What may be shown of counts of persons.

    Parameters
    ----------
    threshold : int, default 0
        Counts below it are not shown; 0 or 1 shows all.
    base : int, default 1
        Counts and estimated numbers of persons are rounded, half up, to multiples of it, each by
        itself, so that rounded parts need not add up to rounded totals. 1 rounds estimates to whole
        persons and leaves counts as they are.
    group : float, optional
        Largest share of a total that may sit in one of its parts: beyond it, knowing that somebody is in
        the total gives away which part (group disclosure).
    dominance : float, optional
        Largest share of a figure that may come from one contributor, where contributors are known.
    zeros_safe : bool, default True
        Whether a count of zero may be shown although it is below the threshold.
    secondary : bool, default True
        Suppress further counts, so that those below the threshold cannot be computed from totals.
    limits : pair of int, optional
        Protection limits: of a suppressed count below the threshold a reader may rule out nothing from
        the first to the second. By default from 1 (0 if zeros are not safe) to the threshold.
    grain : float, default 0.05
        Largest share of the width of its 95% interval to which an estimate is rounded, where counts are
        suppressed: to 1, 2 or 5 times a power of ten of ``base``, the ends of intervals outward.
    name : str, default "own"
        Named in the notes beside what is published.
    source, date : str
        Who asks for it, and since when.

    Raises
    ------
    ModelError
        With everything that is wrong.

    Examples
    --------
    >>> Rules(threshold=10, base=5).protection
    (1, 10)
    >>> Rules(threshold=-3, base=0)
    Traceback (most recent call last):
    mse.errors.ModelError: 2 problems in the disclosure rules:
      - threshold is -3; expected a whole number of persons, 0 or more and at most 1,000.
      - base is 0; expected a whole number of persons, 1 or more and at most 1,000.
    """

    threshold: int = 0
    base: int = 1
    group: float | None = None
    dominance: float | None = None
    zeros_safe: bool = True
    secondary: bool = True
    limits: tuple[int, int] | None = None
    grain: float = 0.05
    name: str = "own"
    source: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        _raise(_problems(self), "disclosure rules")
        if self.limits is not None:
            object.__setattr__(self, "limits", tuple(self.limits))

    @property
    def active(self) -> bool:
        """Whether the rules ask for anything."""
        return self.suppresses or self.base > 1

    @property
    def suppresses(self) -> bool:
        """Whether the rules may suppress counts."""
        lowest = 1 if self.zeros_safe else 0
        return self.threshold > lowest or self.group is not None or self.dominance is not None

    @property
    def protection(self) -> tuple[int, int]:
        """The protection limits, in persons."""
        if self.limits is not None:
            return self.limits
        return (1 if self.zeros_safe else 0), self.threshold

    def unsafe(self, count: int) -> bool:
        """Whether a count is below the threshold, and not a zero that is safe."""
        return count < self.threshold and not (count == 0 and self.zeros_safe)

    def rounded(self, value: float) -> float:
        """Round a number of persons, half up, to the base; NaN and infinity stay.

        Examples
        --------
        >>> Rules(base=5).rounded(12.4), Rules(base=5).rounded(12.5)
        (10.0, 15.0)
        """
        if not math.isfinite(value) or not self.active:
            return value
        return float(math.floor(value / self.base + 0.5) * self.base)

    def step(self, width: float, hidden: float) -> float:
        """Choose the persons to whose multiples an estimate is rounded: 1, 2 or 5 times a power of ten of the base.

        width: of its 95% interval, persons; of its hidden number where there is none

        Examples
        --------
        >>> Rules(threshold=10, base=5).step(1_930.0, 800.0)
        50.0
        """
        if not self.suppresses:
            return float(self.base)
        known = width if math.isfinite(width) and width > 0 else hidden
        return step_of(known, self.base, self.grain)

    def step_of_ends(self, low: float, high: float, step: float) -> float:
        """Choose the persons to whose multiples the ends of an interval are rounded.

        Of a wider interval than the one that tells how far its total is rounded they are not better known than that.

        step: persons to whose multiples its total is rounded

        Examples
        --------
        >>> Rules(threshold=10, base=5).step_of_ends(1_000.0, 9_000.0, 50.0)
        250.0
        """
        width = high - low
        return max(step, self.step(width, 0.0)) if math.isfinite(width) else step

    def sentence(self) -> str:
        """Put the rules in words, for those who read what was published under them."""
        parts = []
        if self.threshold > (1 if self.zeros_safe else 0):
            zeros = "" if self.zeros_safe else ", zeros too,"
            parts.append(f"counts below {self.threshold}{zeros} are suppressed")
        if self.group is not None:
            parts.append(f"parts with more than {self.group:.0%} of a total are suppressed")
        if self.dominance is not None:
            share = f"{self.dominance:.0%}"
            parts.append(f"figures of which one contributor has more than {share} are suppressed")
        if self.suppresses and self.secondary:
            parts.append("further counts are, so that these cannot be computed from totals")
        if self.base > 1:
            parts.append(f"persons are rounded to multiples of {self.base}")
        return f"Disclosure rules {self.name}: {'; '.join(parts) or 'none'}."


def _problems(given: Rules) -> Iterator[str]:
    """Say what is wrong with the values of rules."""
    for name, least in (("threshold", 0), ("base", 1)):
        value = getattr(given, name)
        if not _whole(value) or not least <= value <= _MOST:
            yield (
                f"{name} is {_short(value)}; expected a whole number of persons, {least} or more and at most {_MOST:,}."
            )
    # Of smaller shares nothing could be kept: parts of a total hold half of it all the time.
    for name, low in (("group", 0.5), ("dominance", 0.05)):
        value = getattr(given, name)
        if value is not None and not (_number(value) and low <= value < 1):
            yield f"{name} is {_short(value)}; expected a share from {low:g} to below 1, such as 0.9, or nothing."
    if not _number(given.grain) or not 0.01 <= given.grain <= 0.5:
        yield f"grain is {_short(given.grain)}; expected a share of the width of an interval, from 0.01 to 0.5."
    for name in ("zeros_safe", "secondary"):
        value = getattr(given, name)
        if not isinstance(value, bool):
            yield f"{name} is {value!r}; expected true or false."
    yield from (
        f"{name} is {_short(getattr(given, name))}; expected a text."
        for name in ("name", "source", "date")
        if not isinstance(getattr(given, name), str) or (name == "name" and not given.name.strip())
    )
    if given.limits is not None:
        yield from _limit_problems(given.limits, given.threshold)


def _limit_problems(limits: Any, threshold: Any) -> Iterator[str]:
    if not isinstance(limits, tuple | list) or len(limits) != 2 or not all(map(_whole, limits)):
        yield f"limits are {_short(limits)}; expected two whole numbers of persons, such as [1, 10]."
    elif not 0 <= limits[0] < limits[1] <= _MOST:
        yield f"limits are {_short(limits)}; expected the lower one first, 0 or more, and at most {_MOST:,}."
    elif _whole(threshold) and limits[1] < threshold:
        yield f"limits are {_short(limits)}; expected them to reach to the threshold, {threshold}, at least."


def _short(value: object) -> str:
    """Write what was found, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _raise(problems: Iterable[str], what: str) -> None:
    """Raise all problems together, if there are any."""
    found = list(problems)
    if not found:
        return
    if len(found) == 1:
        raise ModelError(f"In the {what}: {found[0]}")
    lines = "\n".join(f"  - {each}" for each in found)
    raise ModelError(f"{len(found)} problems in the {what}:\n{lines}")


#: What is taken wherever rules are: a name, a file, or the rules themselves.
AnyRules: TypeAlias = Rules | str | Path

#: Persons that a threshold or a base may be at most: beyond it nothing at all would be left.
_MOST = 1_000
_NONE = Rules(name="none")


@cache
def presets() -> Mapping[str, Rules]:
    """Read the rules that have a name: a file each in ``mse/disclosure/offices``."""
    found = {"none": _NONE}
    for each in sorted(
        files("mse.disclosure").joinpath("offices").iterdir(), key=lambda file: file.name
    ):
        if each.name.endswith(".toml"):
            name = each.name.removesuffix(".toml")
            data = tomllib.loads(each.read_text(encoding="utf-8"))
            found[name] = Rules(**{"name": name, **data})
    return FrozenDict(found)


def rules(name: AnyRules) -> Rules:
    """Look rules up by name, or read them from a file.

    Parameters
    ----------
    name : str, path or Rules
        ``"none"``, ``"cbs"``, ``"ten"``, ``"seven"``, ``"five"``, or a file ending in .toml or .json whose keys are the parameters of
        `Rules`, and ``like``: a preset to start from. `Rules` are given back as they are.

    Returns
    -------
    Rules

    Raises
    ------
    ModelError
        If there are no such rules or no such file, or with everything that is wrong in it.

    Notes
    -----
    ``"cbs"`` follows the rules of thumb that Statistics Netherlands (CBS) and other European offices
    use for output from microdata (Brandt et al. 2010; Bond, Brandt and de Wolf 2015): at least 10
    persons in a cell, no more than 90% of a row or column in one cell (group disclosure), no
    contributor with more than 50% of a figure (dominance).

    Assumed here, since no public rule settles them for this kind of output: zeros may be shown; the
    90% holds of characteristics of persons and of being on a list, not of being on no other list;
    and counts are rounded to multiples of 5, as numbers of victims by nationality are in the
    publications of CoMensha (190, 185 and 155 in that of 2020, though its totals are not). The office
    that owns the data decides: write its rules into a file.

    Examples
    --------
    >>> rules("cbs").sentence()[:53]
    'Disclosure rules cbs: counts below 10 are suppressed;'
    >>> rules("none").active
    False
    """
    if isinstance(name, Rules):
        return name
    if not isinstance(name, str | Path):
        raise ModelError(
            f"Disclosure rules are {_short(name)}: expected {listed(presets())}, a file ending in .toml or .json, or "
            "`Rules`, such as Rules(threshold=10, base=5)."
        )
    if isinstance(name, str) and name in presets():
        return presets()[name]
    path = Path(name)
    if path.suffix.lower() not in (".toml", ".json"):
        raise ModelError(
            f"There are no disclosure rules {str(name)!r}: expected {listed(presets())}, or a file "
            f"ending in .toml or .json.{near(str(name), list(presets()))}"
        )
    return _from_mapping(_read(path), path)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"The disclosure rules {path} cannot be read: {_short(str(error))}. Expected TOML or JSON in UTF-8."
        ) from None
    if not isinstance(data, dict):
        raise ModelError(
            f"The disclosure rules {path} hold no names with values: expected an object."
        )
    return data


def _from_mapping(data: Mapping[str, Any], path: Path) -> Rules:
    """Make rules of what a file holds."""
    known = [part.name for part in fields(Rules)]
    problems = [
        f"There is no rule {key!r}: expected {listed([*known, 'like'], 12)}.{near(key, known)}"
        for key in data
        if key not in (*known, "like")
    ]
    like = data.get("like", "none")
    if not isinstance(like, str) or like not in presets():
        problems.append(f"like is {_short(like)}; expected one of {listed(presets())}.")
        like = "none"
    values = {part: getattr(presets()[like], part) for part in known} | {"name": path.stem}
    values |= {key: value for key, value in data.items() if key in known}
    if isinstance(values["limits"], list):
        values["limits"] = tuple(values["limits"])
    # The checks read values only, so what is wrong can be looked at before it is made into rules.
    unchecked = object.__new__(Rules)
    for key, value in values.items():
        object.__setattr__(unchecked, key, value)
    _raise([*problems, *_problems(unchecked)], f"disclosure rules {path}")
    found = Rules(**values)
    if not found.active:
        raise ModelError(
            f"The disclosure rules {path} protect nothing: no count is suppressed and none is rounded. Name a "
            "threshold of 2 or more, or say with 'none' that nothing is to be protected."
        )
    return found
