"""Catalogue of the hierarchical models of a number of lists, generated order by order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, compress
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from mse.errors import ModelError
from mse.models.terms import MAX_DIGIT, HierarchicalModel, Term

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, IntArray

#: More models than this are not worth fitting one by one; at 63 terms they take 63 MB.
MAX_MODELS = 1_000_000


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Every hierarchical model of some lists up to an order of interaction.

    Attributes
    ----------
    n_lists : int
        Number of lists, K.
    terms : tuple of tuple of int
        The U terms that a model can have, as positions of lists: main effects, pairs, triples
        and so on, within a size by position. The constant, always present, is left out.
    members : ndarray of bool, shape (models, U)
        Which terms are in which model. Read-only.

    Notes
    -----
    Read a row of `members` as a binary number, the first term its lowest digit: models are in
    the order of that number. So a model comes after all models nested in it, the main effects
    first.

    Examples
    --------
    >>> models = catalogue(3)
    >>> [models.notation(i) for i in range(len(models))]
    ['[1,2,3]', '[12,3]', '[13,2]', '[12,13]', '[23,1]', '[12,23]', '[13,23]', '[12,13,23]']
    """

    n_lists: int
    terms: tuple[Term, ...]
    members: BoolArray

    def __len__(self) -> int:
        """Count the models."""
        return len(self.members)

    def __repr__(self) -> str:
        """Show the size, not the content."""
        order = len(self.terms[-1])
        return f"<Catalogue: {len(self):,} models of {self.n_lists} lists up to order {order}>"

    @cached_property
    def n_parameters(self) -> IntArray:
        """Parameters of each model on a table without covariates, constant included."""
        counts: IntArray = self.members.sum(axis=1, dtype=np.int64) + 1
        counts.setflags(write=False)
        return counts

    def model(self, i: int, lists: Sequence[str]) -> HierarchicalModel:
        """Build model number i for lists with these names.

        Parameters
        ----------
        i : int
            Row of `members`.
        lists : sequence of str
            Names of the K lists.

        Returns
        -------
        HierarchicalModel
            The model in canonical form.

        Raises
        ------
        ModelError
            If there are not K names.
        """
        if len(lists) != self.n_lists:
            raise ModelError(
                f"A catalogue of {self.n_lists} lists got {len(lists)} names "
                f"({', '.join(lists)}); give one for each list."
            )
        return HierarchicalModel(tuple(lists), self.n_lists, tuple(self._generators(i)))

    def notation(self, i: int) -> str:
        """Write model number i in brackets, as `HierarchicalModel.notation` does.

        Parameters
        ----------
        i : int
            Row of `members`.

        Returns
        -------
        str
            Such as `"[123,14,5]"`.

        Raises
        ------
        ModelError
            If there are more than nine lists, so that names are needed.
        """
        if self.n_lists > MAX_DIGIT:
            raise ModelError(
                f"Positions of {self.n_lists} lists are not single digits; "
                "write the model with names: model(i, lists).notation()."
            )
        return "[" + ",".join(compress(self._labels, self._maximal[i].tolist())) + "]"

    def _generators(self, i: int) -> list[Term]:
        return [self.terms[j] for j in self._writing_order[self._maximal[i]]]

    @cached_property
    def _writing_order(self) -> IntArray:
        """Column of each term when the larger terms are written first."""
        sizes = np.array([-len(term) for term in self.terms], dtype=np.int64)
        return np.argsort(sizes, kind="stable").astype(np.int64)

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        labels = ["".join(str(axis + 1) for axis in term) for term in self.terms]
        return tuple(labels[j] for j in self._writing_order)

    @cached_property
    def _maximal(self) -> BoolArray:
        """Tell which terms are generators, (models, U), in writing order."""
        maximal = self.members.copy()
        column = {term: j for j, term in enumerate(self.terms)}
        for term, j in column.items():
            # A term is in a model only with all its subsets: those one smaller are enough.
            for facet in combinations(term, len(term) - 1):
                if facet:
                    maximal[:, column[facet]] &= ~self.members[:, j]
        return maximal[:, self._writing_order]


@lru_cache(maxsize=16)
def catalogue(n_lists: int, max_order: int | None = None) -> Catalogue:
    """List every hierarchical model that contains all main effects.

    n_lists: number of lists, K
    max_order: Largest interaction, K - 1 if left out. The interaction of all K lists never takes
        part, whatever the order: with it nothing can be said about the hidden cell.
    Returns 8 models for 3 lists, 113 for 4, 6,893 for 5, and 32,768 for 6 lists up to pairs
    Raises ModelError: if there are more than a million models, or fewer than two lists

    Examples
    --------
    >>> len(catalogue(5)), len(catalogue(5, max_order=2))
    (6893, 1024)
    """
    order = n_lists - 1 if max_order is None else min(max_order, n_lists - 1)
    if n_lists < 2 or order < 1:
        raise ModelError(
            f"No models of {n_lists} lists up to order {max_order}; expected at least two lists "
            "and max_order of 1 (main effects) or more."
        )
    if order > 1 and 1 << comb(n_lists, 2) > MAX_MODELS:
        raise _too_many(n_lists, order)
    terms = [t for size in range(1, order + 1) for t in combinations(range(n_lists), size)]
    column = {term: j for j, term in enumerate(terms)}
    members = np.zeros((1, len(terms)), dtype=np.bool_)
    members[:, :n_lists] = True
    for term in terms[n_lists:]:
        facets = [column[facet] for facet in combinations(term, len(term) - 1)]
        extended = members[members[:, facets].all(axis=1)]
        extended[:, column[term]] = True
        if len(members) + len(extended) > MAX_MODELS:
            raise _too_many(n_lists, order)
        members = np.concatenate([members, extended])
    members.setflags(write=False)
    return Catalogue(n_lists, tuple(terms), members)


def _too_many(n_lists: int, order: int) -> ModelError:
    """Say that there are too many models, and what to do instead."""
    smaller = "a smaller max_order, " if order > 2 else ""
    return ModelError(
        f"{n_lists} lists have more than {MAX_MODELS:,} hierarchical models up to order {order}; "
        f"they cannot all be fitted. Use {smaller}strategy='stepwise', or merge or drop lists."
    )
