"""Hierarchical log-linear models over lists and covariates: notation, closure, neighbors.

A model is named by its *generators*, the largest interactions in it; every subset of a
generator is in the model too. Axes are positions: the lists first, then the covariates, as
in the tensor of counts. Nothing here looks at data.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from mse._typing import IntArray


# Reading of model notation: text in, terms out ----------------------------------------------------
# A term is the positions of its axes. The messages of this module are read by people who made a
# typing error: they say what was found, what was expected and how to mend it.

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

    text: `"[12,13,4]"`, `"police*care + border"`, a keyword, or keywords and products mixed
    lists, covariates: names of the axes of the table
    Returns terms as written: neither closed nor sorted
    Raises ModelError: if the text cannot be read, or a name or position does not exist

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

    products: the names in each term
    axes: names of the axes of the table
    Returns the same terms as positions
    Raises ModelError: if a name is unknown (all of them are listed) or repeated within a term

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

    text: the model as written, for the message
    terms: the terms that were read from it
    lists, covariates: names of the axes of the table
    Raises ModelError: naming what is missing and the ways out

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


# Hierarchical log-linear models over lists and covariates: notation, closure, neighbors -----------

#: A term of 20 axes brings a million others with it: nothing larger can be fitted.
MAX_TERM_SIZE = 20


@dataclass(frozen=True, slots=True)
class HierarchicalModel:
    """Hierarchical log-linear model: which interactions are free.

    Parameters
    ----------
    axes : tuple of str
        Names of the lists, then of the covariates.
    n_lists : int
        How many of the axes are lists.
    generators : iterable of iterable of int
        Interactions, as positions in `axes`. Any order, repeats and subsets allowed: they are
        brought into canonical form, maximal terms only, larger first, then by position.

    Raises
    ------
    ModelError
        If an axis is in no generator, a position does not exist, or names repeat.

    Notes
    -----
    Two models are equal if and only if they have the same axes and the same terms.

    Examples
    --------
    >>> model = HierarchicalModel(("a", "b", "c"), 3, ((2,), (1, 0), (1,)))
    >>> str(model)
    '[12,3]'
    >>> model.terms
    ((), (0,), (1,), (2,), (0, 1))
    """

    axes: tuple[str, ...]
    n_lists: int
    generators: tuple[Term, ...]

    def __post_init__(self) -> None:
        """Bring the fields into canonical form and check them."""
        axes = tuple(self.axes)
        generators = _canonical(self.generators)
        _check_fields(axes, self.n_lists, generators)
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "generators", generators)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every term of the model, the constant `()` first, by size and then by position."""
        return _closure(self.generators)

    def n_parameters(self, shape: Sequence[int]) -> int:
        """Count the parameters on a table of this shape, the constant included.

        Parameters
        ----------
        shape : sequence of int
            Levels of each axis: 2 for a list, the number of levels for a covariate.

        Returns
        -------
        int
            Sum over the terms of the product of (levels - 1).

        Raises
        ------
        ModelError
            If the shape does not fit the axes.

        Examples
        --------
        >>> parse_model("a*b + year*a", ["a", "b"], ["year"]).n_parameters((2, 2, 3))
        8
        """
        _check_shape(self, shape)
        return sum(prod(shape[axis] - 1 for axis in term) for term in self.terms)

    def parameters(self, shape: Sequence[int]) -> IntArray:
        """Locate each parameter in the tensor of coefficients.

        The parameter of term S at levels l (each at least 1) sits in the cell that has level l
        on S and level 0, the reference, elsewhere.

        Parameters
        ----------
        shape : sequence of int
            Levels of each axis.

        Returns
        -------
        ndarray of int64, shape (P,)
            Flat C-order cell index of each parameter, in the order of `terms`, the levels of
            a term in C order; the constant, cell 0, first.

        Raises
        ------
        ModelError
            If the shape does not fit the axes.

        Examples
        --------
        >>> parse_model("[12,3]", ["a", "b", "c"]).parameters((2, 2, 2))
        array([0, 4, 2, 1, 6])
        """
        _check_shape(self, shape)
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        blocks = []
        for term in self.terms:
            cells = np.zeros(1, dtype=np.int64)
            for axis in term:
                steps = np.arange(1, shape[axis], dtype=np.int64) * strides[axis]
                cells = np.add.outer(cells, steps).ravel()
            blocks.append(cells)
        return np.concatenate(blocks)

    def degrees_of_freedom(self, shape: Sequence[int]) -> int:
        """Count the observable cells minus the parameters.

        Parameters
        ----------
        shape : sequence of int
            Levels of each axis. Of the cells of a stratum only "on no list" is unobservable.

        Returns
        -------
        int
            Residual degrees of freedom; may be negative.

        Raises
        ------
        ModelError
            If the shape does not fit the axes.

        Examples
        --------
        >>> parse_model("main", ["a", "b", "c"]).degrees_of_freedom((2, 2, 2))
        3
        """
        observable = prod(shape) - prod(shape[self.n_lists :])
        return observable - self.n_parameters(shape)

    def notation(self) -> str:
        """Write the model so that `parse_model` reads it back.

        Returns
        -------
        str
            `"[12,13,4]"` for at most nine lists without covariates, else
            `"police*care + border"`.

        Examples
        --------
        >>> parse_model("c + a*year + b", ["a", "b", "c"], ["year"]).notation()
        'a*year + b + c'
        """
        if len(self.axes) == self.n_lists <= MAX_DIGIT:
            return "[" + ",".join(map(_digits, self.generators)) + "]"
        return " + ".join("*".join(self.axes[i] for i in term) for term in self.generators)

    def __str__(self) -> str:
        """Write the model in its notation."""
        return self.notation()

    def term_name(self, term: Collection[int]) -> str:
        """Name a term for a table of coefficients, such as `"police:care"`.

        Parameters
        ----------
        term : collection of int
            Axis positions.

        Returns
        -------
        str
            The names of its axes, joined by colons; `"constant"` for the empty term.
        """
        return ":".join(self.axes[i] for i in sorted(term)) or "constant"

    def with_term(self, term: Collection[int]) -> HierarchicalModel:
        """Add a term, and all its subsets with it.

        Parameters
        ----------
        term : collection of int
            Axis positions.

        Returns
        -------
        HierarchicalModel
            The smallest hierarchical model that contains this one and the term.
        """
        wanted = tuple(sorted(set(term)))
        if len(wanted) > MAX_TERM_SIZE or not set(wanted).issubset(range(len(self.axes))):
            return HierarchicalModel(self.axes, self.n_lists, (*self.generators, wanted))
        if wanted in self:
            return self
        # A search makes thousands of models: the rest is canonical already.
        kept = [each for each in self.generators if not set(wanted).issuperset(each)]
        made = object.__new__(HierarchicalModel)
        object.__setattr__(made, "axes", self.axes)
        object.__setattr__(made, "n_lists", self.n_lists)
        object.__setattr__(made, "generators", tuple(sorted([*kept, wanted], key=_larger_first)))
        return made

    def without_term(self, term: Collection[int]) -> HierarchicalModel:
        """Drop a term, and every term that contains it.

        Parameters
        ----------
        term : collection of int
            Positions of at least two axes; a main effect cannot be dropped.

        Returns
        -------
        HierarchicalModel
            The largest hierarchical model inside this one that lacks the term.

        Raises
        ------
        ModelError
            If the term is the constant or a main effect.
        """
        dropped = frozenset(term)
        if len(dropped) < 2:
            raise ModelError(
                f"{self.term_name(dropped)!r} cannot be dropped: every list and covariate keeps "
                "its main effect. Drop an interaction, or leave the list out of the table."
            )
        kept = [t for t in self.terms if not dropped.issubset(t)]
        return HierarchicalModel(self.axes, self.n_lists, tuple(kept))

    def carried_over(
        self, lists: Sequence[str], covariates: Iterable[str], renamed: Mapping[str, str]
    ) -> HierarchicalModel:
        """Ask the same of a table with other lists: some left out, or several made one.

        Parameters
        ----------
        lists : sequence of str
            Names of the lists of the other table.
        covariates : iterable of str
            Its covariates.
        renamed : mapping of str to str
            New names of axes; those that are not in it keep theirs, and an axis that the other table
            lacks is dropped from every term.

        Returns
        -------
        HierarchicalModel
            Two axes depend on each other as before; axes that the model lacks have their main effect.

        Examples
        --------
        >>> model = parse_model("[123,24]", list("abcd"))
        >>> str(model.carried_over("acd", (), {}))
        '[12,3]'
        >>> str(model.carried_over(("a or b", "c", "d"), (), {"a": "a or b", "b": "a or b"}))
        '[12,13]'
        """
        axes = (*lists, *covariates)
        place = {name: i for i, name in enumerate(axes)}
        now = [place.get(renamed.get(name, name)) for name in self.axes]
        terms = [{now[i] for i in term} - {None} for term in self.generators]
        kept = [tuple(term) for term in terms if term]
        singles = [(i,) for i in range(len(axes))]
        return HierarchicalModel(axes, len(tuple(lists)), (*kept, *singles))  # type: ignore[arg-type]

    def additions(
        self, max_order: int | None = None, scope: HierarchicalModel | None = None
    ) -> tuple[Term, ...]:
        """List the single terms whose addition leaves the model hierarchical.

        Parameters
        ----------
        max_order : int, optional
            Largest size of a term; no bound if left out.
        scope : HierarchicalModel, optional
            Only terms of this model.

        Returns
        -------
        tuple of tuple of int
            Terms outside the model with all their proper subsets in it, by size and then by
            position. `with_term` adds one.

        Examples
        --------
        >>> parse_model("[12,13,23,4]", list("abcd")).additions(max_order=3)
        ((0, 3), (1, 3), (2, 3), (0, 1, 2))
        """
        present = set(self.terms)
        allowed = None if scope is None else set(scope.terms)
        limit = len(self.axes) if max_order is None else max_order
        found = [
            (*term, axis)
            for term in present
            if 1 <= len(term) < limit
            for axis in range(term[-1] + 1, len(self.axes))
        ]
        addable = (
            term
            for term in found
            if term not in present
            and (allowed is None or term in allowed)
            and present.issuperset(combinations(term, len(term) - 1))
        )
        return tuple(sorted(addable, key=_size_then_position))

    def deletions(self) -> tuple[Term, ...]:
        """List the single terms whose removal leaves the model hierarchical.

        Returns
        -------
        tuple of tuple of int
            The generators of two axes or more, by size and then by position. `without_term`
            removes one.
        """
        droppable = (term for term in self.generators if len(term) > 1)
        return tuple(sorted(droppable, key=_size_then_position))

    def __contains__(self, term: Collection[int]) -> bool:
        """Tell whether a term, given by its axis positions, is in the model."""
        wanted = set(term)
        return any(wanted.issubset(generator) for generator in self.generators)

    def issubset(self, other: HierarchicalModel) -> bool:
        """Tell whether every term of this model is in another one on the same axes.

        Parameters
        ----------
        other : HierarchicalModel
            The model to compare with.

        Returns
        -------
        bool
            False also if the axes differ.
        """
        same_axes = self.axes == other.axes and self.n_lists == other.n_lists
        return same_axes and all(generator in other for generator in self.generators)

    def __le__(self, other: HierarchicalModel) -> bool:
        """Tell whether this model is nested in the other."""
        return self.issubset(other)


def parse_model(
    model: str | HierarchicalModel, lists: Sequence[str], covariates: Iterable[str] = ()
) -> HierarchicalModel:
    """Read a model for a table with these lists and covariates.

    Parameters
    ----------
    model : str or HierarchicalModel
        One of

        - `"[12,13,4]"`: positions of lists, on a table of at most nine lists and no covariates;
        - `"police*care + border"`: names joined by `*` (or `:`), terms joined by `+`;
        - `"main"`, `"all two-way"`, `"all three-way"` and so on, over lists and covariates,
          alone or as one of the terms: `"main + police*care"`;
        - a model, whose axes are matched by name.
    lists : sequence of str
        Names of the lists, in the order of the table.
    covariates : iterable of str
        Names of the covariates, in the order of the table.

    Returns
    -------
    HierarchicalModel
        In canonical form: the order of writing makes no difference.

    Raises
    ------
    ModelError
        If a name or position is unknown, a list or covariate is not mentioned, or the text
        cannot be read. The message says how to mend it.

    Examples
    --------
    >>> str(parse_model("[4,31,21]", ["police", "care", "border", "other"]))
    '[12,13,4]'
    >>> str(parse_model("care*police + border", ["police", "care", "border"]))
    '[12,3]'
    >>> print(parse_model("main + care*year", ["police", "care"], ["year"]))
    care*year + police
    """
    lists, covariates = tuple(lists), tuple(covariates)
    axes = lists + covariates
    if isinstance(model, HierarchicalModel):
        terms = name_terms([[model.axes[i] for i in term] for term in model.generators], axes)
    elif isinstance(model, str):
        terms = read_terms(model, lists, covariates)
    else:
        raise ModelError(
            f"A model was given as {type(model).__name__}; expected a text such as {EXAMPLES}, "
            "or a HierarchicalModel."
        )
    check_mentioned(str(model).strip(), terms, lists, covariates)
    return HierarchicalModel(axes, len(lists), tuple(terms))


def _check_fields(axes: tuple[str, ...], n_lists: int, generators: tuple[Term, ...]) -> None:
    """Raise if the parts of a model do not fit together."""
    if len(set(axes)) < len(axes) or not 1 <= n_lists <= len(axes):
        raise ModelError(
            f"A model got {len(axes)} axes ({', '.join(axes)}) of which {n_lists} lists; expected "
            "different names, at least one of them a list."
        )
    used = set(chain(*generators))
    outside = sorted(used - set(range(len(axes))))
    if outside:
        raise ModelError(
            f"A model has axis position {outside[0]}; positions are 0 to {len(axes) - 1}."
        )
    if len(used) < len(axes):
        absent = ", ".join(name for i, name in enumerate(axes) if i not in used)
        raise ModelError(f"A model has no term with {absent}; add it, at least as a main effect.")
    if len(generators[0]) > MAX_TERM_SIZE:
        raise ModelError(
            f"A model has a term of {len(generators[0])} axes; at most {MAX_TERM_SIZE} can be "
            "handled, since all subsets come with it. Ask for lower interactions."
        )


def _check_shape(model: HierarchicalModel, shape: Sequence[int]) -> None:
    """Raise unless the shape has two levels for each list and some for each covariate."""
    lists, levels = tuple(shape[: model.n_lists]), tuple(shape[model.n_lists :])
    if len(shape) != len(model.axes) or set(lists) != {2} or min(levels, default=1) < 1:
        raise ModelError(
            f"A table of shape {tuple(shape)} does not fit a model with axes "
            f"{', '.join(model.axes)}: expected 2 for each of the {model.n_lists} lists, then the "
            "number of levels of each covariate."
        )


def _canonical(terms: Iterable[Iterable[int]]) -> tuple[Term, ...]:
    """Keep the maximal terms, larger first, then by position."""
    distinct = {frozenset(term) for term in terms}
    maximal: list[frozenset[int]] = []
    for _, group in _by_size(distinct):
        larger = tuple(maximal)
        maximal += [term for term in group if not any(term < other for other in larger)]
    return tuple(sorted((tuple(sorted(term)) for term in maximal), key=_larger_first))


def _by_size(terms: Iterable[frozenset[int]]) -> Iterator[tuple[int, list[frozenset[int]]]]:
    """Group terms by size, the largest first: equal sizes need not be compared."""
    groups: dict[int, list[frozenset[int]]] = {}
    for term in terms:
        groups.setdefault(len(term), []).append(term)
    yield from sorted(groups.items(), reverse=True)


@lru_cache(maxsize=4096)
def _closure(generators: tuple[Term, ...]) -> tuple[Term, ...]:
    """List every subset of the generators, by size and then by position."""
    subsets = {
        subset
        for generator in generators
        for size in range(len(generator) + 1)
        for subset in combinations(generator, size)
    }
    return tuple(sorted(subsets, key=_size_then_position))


def _size_then_position(term: Term) -> tuple[int, Term]:
    return len(term), term


def _larger_first(term: Term) -> tuple[int, Term]:
    return -len(term), term


def _digits(term: Term) -> str:
    return "".join(str(axis + 1) for axis in term)
