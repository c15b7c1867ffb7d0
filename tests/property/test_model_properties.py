"""Properties of hierarchical models that hold for any axes and any terms."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import formulaic
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse.models.terms import HierarchicalModel, parse_model

if TYPE_CHECKING:
    from mse._typing import BoolArray

pytestmark = pytest.mark.property


@st.composite
def models(draw: st.DrawFn, max_axes: int = 6) -> HierarchicalModel:
    """Draw a model over two or more lists and perhaps some covariates."""
    n_axes = draw(st.integers(2, max_axes))
    n_lists = draw(st.integers(2, n_axes))
    axes = tuple(f"x{i}" for i in range(n_axes))
    term = st.lists(st.integers(0, n_axes - 1), unique=True, max_size=4).map(tuple)
    extra = draw(st.lists(term, max_size=6))
    return HierarchicalModel(axes, n_lists, (*extra, *((i,) for i in range(n_axes))))


def lists_and_covariates(model: HierarchicalModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the axes of a model."""
    return model.axes[: model.n_lists], model.axes[model.n_lists :]


@given(models())
def test_notation_reads_back(model: HierarchicalModel) -> None:
    assert parse_model(model.notation(), *lists_and_covariates(model)) == model


@given(models(), st.randoms(use_true_random=False))
def test_order_of_writing_makes_no_difference(model: HierarchicalModel, random: object) -> None:
    terms = [list(term) for term in model.terms if term]
    shuffle = random.shuffle  # type: ignore[attr-defined]
    shuffle(terms)
    for term in terms:
        shuffle(term)
    text = " + ".join("*".join(model.axes[i] for i in term) for term in terms)
    assert parse_model(text, *lists_and_covariates(model)) == model
    assert HierarchicalModel(model.axes, model.n_lists, tuple(map(tuple, terms))) == model


@given(models())
def test_closure_is_idempotent_and_hierarchical(model: HierarchicalModel) -> None:
    terms = set(model.terms)
    assert len(terms) == len(model.terms)
    assert HierarchicalModel(model.axes, model.n_lists, model.terms).terms == model.terms
    assert all(set(combinations(term, len(term) - 1)) <= terms for term in terms if term)


@given(models())
def test_generators_are_the_maximal_terms(model: HierarchicalModel) -> None:
    maximal = {t for t in model.terms if not any(set(t) < set(other) for other in model.terms)}
    assert set(model.generators) == maximal
    assert list(model.generators) == sorted(maximal, key=lambda term: (-len(term), term))


@given(models())
def test_additions_and_deletions_are_inverse(model: HierarchicalModel) -> None:
    for term in model.additions():
        larger = model.with_term(term)
        assert set(larger.terms) == {*model.terms, term}
        assert term in larger.deletions()
        assert larger.without_term(term) == model
    for term in model.deletions():
        smaller = model.without_term(term)
        assert set(smaller.terms) == set(model.terms) - {term}
        assert term in smaller.additions()
        assert smaller.with_term(term) == model


@given(models(max_axes=5))
def test_neighbors_are_complete(model: HierarchicalModel) -> None:
    """Any other term cannot be added or dropped alone."""
    axes = range(len(model.axes))
    every = [term for size in range(2, len(axes) + 1) for term in combinations(axes, size)]
    alone = [t for t in every if len(model.with_term(t).terms) == len(model.terms) + 1]
    assert list(model.additions()) == alone
    within = [t for t in model.terms if len(t) > 1]
    gone = [t for t in within if len(model.without_term(t).terms) == len(model.terms) - 1]
    assert list(model.deletions()) == gone


@given(models(), models())
def test_nesting_agrees_with_terms(one: HierarchicalModel, other: HierarchicalModel) -> None:
    same = one.axes == other.axes and one.n_lists == other.n_lists
    assert one.issubset(other) == (same and set(one.terms) <= set(other.terms))


def brute_force_columns(model: HierarchicalModel, shape: tuple[int, ...]) -> list[BoolArray]:
    """Build each column of the design, treatment coding, from its definition cell by cell."""
    cells = list(product(*map(range, shape)))
    columns = []
    for term in model.terms:
        for levels in product(*(range(1, shape[axis]) for axis in term)):
            wanted = dict(zip(term, levels, strict=True))
            column = [all(cell[axis] == wanted[axis] for axis in wanted) for cell in cells]
            columns.append(np.array(column))
    return columns


@given(st.data())
def test_parameters_are_the_columns_of_the_design(data: st.DataObject) -> None:
    """A column is 1 on the cells that agree with the parameter's cell where that is not 0."""
    model = data.draw(models(max_axes=4))
    levels = st.integers(1, 4)
    shape = (2,) * model.n_lists + tuple(
        data.draw(levels) for _ in range(len(model.axes) - model.n_lists)
    )
    parameters = model.parameters(shape)
    columns = brute_force_columns(model, shape)
    assert len(parameters) == len(columns) == model.n_parameters(shape)
    assert parameters[0] == 0
    assert len(np.unique(parameters)) == len(parameters)
    index = np.indices(shape).reshape(len(shape), -1)
    for parameter, column in zip(parameters, columns, strict=True):
        at = np.array(np.unravel_index(parameter, shape))[:, np.newaxis]
        np.testing.assert_array_equal(((at == 0) | (index == at)).all(axis=0), column)


@given(st.data())
def test_design_is_that_of_formulaic(data: st.DataObject) -> None:
    model = data.draw(models(max_axes=4))
    levels = st.integers(2, 4)
    shape = (2,) * model.n_lists + tuple(
        data.draw(levels) for _ in range(len(model.axes) - model.n_lists)
    )
    cells = pd.DataFrame(np.indices(shape).reshape(len(shape), -1).T, columns=model.axes)
    formula = " + ".join("*".join(model.axes[i] for i in term) for term in model.generators)
    theirs = formulaic.model_matrix(formula, cells.astype("category"))
    names = [
        ":".join(f"{model.axes[i]}[T.{at}]" for i, at in zip(term, levels, strict=True))
        for term in model.terms
        for levels in product(*(range(1, shape[i]) for i in term))
    ]
    ours = np.column_stack(brute_force_columns(model, shape))
    assert theirs.shape == ours.shape
    np.testing.assert_array_equal(theirs[["Intercept", *names[1:]]].to_numpy(), ours)
