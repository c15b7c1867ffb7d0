"""Reading of model notation: text in, terms out.

A term is the positions of its axes. The messages of this module are read by people who made a
typing error: they say what was found, what was expected and how to mend it.
"""

from __future__ import annotations

import difflib
import re
from itertools import chain, combinations
from typing import TYPE_CHECKING, TypeAlias

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXAMPLES", "MAX_DIGIT", "Term", "check_mentioned", "name_terms", "read_terms"]

#: An interaction: positions of its axes. `()` is the constant.
Term: TypeAlias = tuple[int, ...]

#: Bracket notation writes the position of a list as one digit.
MAX_DIGIT = 9
#: What a model can look like, for messages.
EXAMPLES = "'main', 'all two-way', '[12,13,4]', 'police*care + border'"

_KEYWORDS = ("main", "all two-way", "all three-way")
_WAY_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine")
_WAYS = {word: size for size, word in enumerate(_WAY_WORDS, start=2)}


def read_terms(text: str, lists: tuple[str, ...], covariates: tuple[str, ...]) -> list[Term]:
    """Read a model in either notation.

    Parameters
    ----------
    text : str
        `"[12,13,4]"`, `"police*care + border"`, a keyword, or keywords and products mixed.
    lists, covariates : tuple of str
        Names of the axes of the table.

    Returns
    -------
    list of tuple of int
        Terms as written: neither closed nor sorted.

    Raises
    ------
    ModelError
        If the text cannot be read, or a name or position does not exist.

    Examples
    --------
    >>> read_terms("[21,3]", ("a", "b", "c"), ())
    [(1, 0), (2,)]
    """
    text = text.strip()
    if text.startswith("["):
        return _read_brackets(text, lists, covariates)
    return _read_names(text, lists + covariates)


def _read_brackets(text: str, lists: tuple[str, ...], covariates: tuple[str, ...]) -> list[Term]:
    """Read `"[12,13,4]"`."""
    if covariates or len(lists) > MAX_DIGIT:
        raise ModelError(_no_brackets_here(text, lists, covariates))
    body = re.sub(r"\]\s*\[", ",", text[1:])
    if not body.endswith("]") or "[" in body or "]" in body[:-1]:
        raise ModelError(
            f"Model {text!r} was not understood: expected one pair of brackets around terms "
            "separated by commas, such as '[12,13,4]'."
        )
    return [_read_positions(part.strip(), text, lists) for part in body[:-1].split(",")]


def _read_positions(part: str, text: str, lists: tuple[str, ...]) -> Term:
    """Read one term such as `"12"` as positions counted from zero."""
    if not re.fullmatch("[0-9]+", part):
        found = f"term {part!r}" if part else "an empty term"
        raise ModelError(
            f"Model {text!r} has {found}; within brackets a term is the positions of its lists, "
            f"such as 12. To use names, write for example {'*'.join(lists[:2])!r}."
        )
    if len(set(part)) < len(part):
        raise ModelError(f"Model {text!r} names a list twice in term {part!r}; write it once.")
    positions = tuple(int(digit) - 1 for digit in part)
    if min(positions) < 0 or max(positions) >= len(lists):
        known = ", ".join(f"{i} {name}" for i, name in enumerate(lists, start=1))
        raise ModelError(
            f"Model {text!r} has a position out of range in term {part!r}; the table has "
            f"{len(lists)} lists: {known}."
        )
    return positions


def _no_brackets_here(text: str, lists: tuple[str, ...], covariates: tuple[str, ...]) -> str:
    """Say why positions cannot be used on this table, and what can."""
    if covariates:
        return (
            f"Model {text!r} speaks of lists only, but the table has covariates "
            f"({', '.join(covariates)}). {_ways_out(covariates)}"
        )
    return (
        f"Model {text!r} uses positions, which are single digits, but the table has "
        f"{len(lists)} lists. Use their names, such as {'*'.join(lists[:2])!r}."
    )


def _read_names(text: str, axes: tuple[str, ...]) -> list[Term]:
    """Read `"police*care + border"` and the keywords."""
    if (keyword := _read_keyword(text, axes)) is not None:
        return keyword
    generators: list[Term] = []
    products: list[list[str]] = []
    for part in (part.strip() for part in text.split("+")):
        keyword = None if part in axes else _read_keyword(part, axes)
        if keyword is not None:
            generators += keyword
        else:
            products.append([name.strip() for name in re.split(r"[*:]", part)])
    if any(not name for product in products for name in product):
        raise ModelError(
            f"Model {text!r} has an empty term or name; expected names joined by '*' and terms "
            f"joined by '+', or one of {EXAMPLES}."
        )
    return generators + name_terms(products, axes)


def _read_keyword(text: str, axes: tuple[str, ...]) -> list[Term] | None:
    """Read `"main"`, `"all two-way"` and its like; None if the text is none of them."""
    words = " ".join(text.lower().split())
    if words == "main":
        return [(axis,) for axis in range(len(axes))]
    match = re.fullmatch(r"all (?:(pairwise)|(\w+)[- ]way)", words)
    if match is None:
        return None
    number = "two" if match[1] else match[2]
    size = int(number) if number.isdecimal() else _WAYS.get(number, 0)
    if not 1 <= size <= len(axes):
        raise ModelError(
            f"Model {text!r} asks for interactions of {number} axes; the table has {len(axes)}. "
            f"Expected one of {', '.join(map(repr, _KEYWORDS))}, up to 'all {len(axes)}-way'."
        )
    return list(combinations(range(len(axes)), size))


def name_terms(products: Sequence[Sequence[str]], axes: tuple[str, ...]) -> list[Term]:
    """Turn products of names into terms.

    Parameters
    ----------
    products : sequence of sequence of str
        The names in each term.
    axes : tuple of str
        Names of the axes of the table.

    Returns
    -------
    list of tuple of int
        The same terms as positions.

    Raises
    ------
    ModelError
        If a name is unknown (all of them are listed) or repeated within a term.

    Examples
    --------
    >>> name_terms([["b", "a"], ["c"]], ("a", "b", "c"))
    [(1, 0), (2,)]
    """
    position = {name.strip(): i for i, name in enumerate(axes)}
    unknown = dict.fromkeys(name for name in chain(*products) if name.strip() not in position)
    if unknown:
        found = "; ".join(f"{name!r}{_near(name, axes)}" for name in unknown)
        raise ModelError(f"Unknown in the model: {found}. The table has {', '.join(axes)}.")
    for product in products:
        if len(set(product)) < len(product):
            raise ModelError(f"Term {'*'.join(product)!r} repeats a name; write it once.")
    return [tuple(position[name.strip()] for name in product) for product in products]


def _near(name: str, axes: Sequence[str]) -> str:
    """Suggest what may have been meant: positions in brackets, or the closest known name."""
    if re.fullmatch("[0-9][0-9, ]*", name):
        return f" (did you mean the positions '[{name}]'?)"
    known = {candidate.casefold(): candidate for candidate in (*axes, *_KEYWORDS)}
    matches = difflib.get_close_matches(name.casefold(), known, n=1)
    return f" (did you mean {known[matches[0]]!r}?)" if matches else ""


def check_mentioned(
    text: str, terms: Sequence[Term], lists: tuple[str, ...], covariates: tuple[str, ...]
) -> None:
    """Raise if a list or covariate of the table is in no term.

    Parameters
    ----------
    text : str
        The model as written, for the message.
    terms : sequence of tuple of int
        The terms that were read from it.
    lists, covariates : tuple of str
        Names of the axes of the table.

    Raises
    ------
    ModelError
        Naming what is missing and the ways out.

    Examples
    --------
    >>> check_mentioned("a*b", [(0, 1)], ("a", "b"), ())
    """
    mentioned = set(chain(*terms))
    absent = [i for i in range(len(lists) + len(covariates)) if i not in mentioned]
    if not absent:
        return
    names = [(lists + covariates)[i] for i in absent]
    if absent[0] >= len(lists):
        raise ModelError(
            f"Model {text!r} does not mention the covariates of the table ({', '.join(names)}). "
            f"{_ways_out(names)}"
        )
    brackets = text.startswith("[")
    completed = [text[:-1], *(str(i + 1) for i in absent)] if brackets else [text, *names]
    example = ",".join(completed) + "]" if brackets else " + ".join(completed)
    raise ModelError(
        f"Model {text!r} does not mention {', '.join(names)}; every list and covariate of the "
        f"table must be mentioned. Write {example!r}, or leave lists out with table.drop_lists()."
    )


def _ways_out(covariates: Sequence[str]) -> str:
    """Name what one can do with a model of lists on a table with covariates."""
    first = covariates[0]
    return (
        f"Either fit each level by itself with table.by({first!r}), or sum over the levels with "
        f"table.collapse({', '.join(map(repr, covariates))}), or add terms for them to the "
        f"model, such as '+ {first}' or a product with a list."
    )
