"""Catalogue of hierarchical models."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mse.errors import ModelError
from mse.models.catalogue import catalogue


@pytest.mark.parametrize(
    ("n_lists", "max_order", "n_models"),
    [
        (2, None, 1),
        (3, None, 8),
        (3, 2, 8),
        (3, 3, 8),
        (3, 1, 1),
        (4, None, 113),
        (4, 2, 64),
        (5, None, 6893),
        (5, 4, 6893),
        (5, 5, 6893),
        (6, 2, 32_768),
        (30, 1, 1),
    ],
)
def test_number_of_models(n_lists: int, max_order: int | None, n_models: int) -> None:
    assert len(catalogue(n_lists, max_order)) == n_models


def test_large_catalogues_are_quick() -> None:
    catalogue.cache_clear()
    start = time.perf_counter()
    five, six = catalogue(5), catalogue(6, 2)
    generated = time.perf_counter()
    notations = {six.notation(i) for i in range(len(six))} | {
        five.notation(i) for i in range(len(five))
    }
    written = time.perf_counter()
    assert len(notations) == 32_768 + 6893
    # The bounds are a hundred and ten times what was measured: only a change of order fails.
    assert generated - start < 0.3
    assert written - generated < 0.6


def test_models_of_three_lists_in_order() -> None:
    models = catalogue(3)
    assert models.terms == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
    assert [models.notation(i) for i in range(8)] == [
        *("[1,2,3]", "[12,3]", "[13,2]", "[12,13]"),
        *("[23,1]", "[12,23]", "[13,23]", "[12,13,23]"),
    ]
    assert models.n_parameters.tolist() == [4, 5, 5, 6, 5, 6, 6, 7]
    assert repr(models) == "<Catalogue: 8 models of 3 lists up to order 2>"


def test_rows_are_models_in_order_of_their_binary_number() -> None:
    models = catalogue(5)
    code = models.members @ (1 << np.arange(len(models.terms), dtype=np.int64))
    assert (np.diff(code) > 0).all()
    assert not models.members.flags.writeable


def test_rows_agree_with_models() -> None:
    models = catalogue(4)
    names = ("a", "b", "c", "d")
    for i in range(len(models)):
        model = models.model(i, names)
        assert model.notation() == models.notation(i)
        assert set(model.terms) == {
            (),
            *(t for t, in_it in zip(models.terms, models.members[i], strict=True) if in_it),
        }
        assert model.n_parameters((2,) * 4) == models.n_parameters[i]


def test_the_saturated_model_is_not_listed() -> None:
    assert not any((0, 1, 2, 3) in catalogue(4, order).terms for order in (2, 3, 4, None))


@pytest.mark.parametrize(("n_lists", "max_order"), [(6, None), (6, 3), (7, 2), (12, None)])
def test_too_many_models_name_the_alternatives(n_lists: int, max_order: int | None) -> None:
    with pytest.raises(ModelError) as caught:
        catalogue(n_lists, max_order)
    assert "more than 1,000,000" in str(caught.value)
    assert "strategy='stepwise'" in str(caught.value)
    assert ("a smaller max_order" in str(caught.value)) == (max_order != 2)


@pytest.mark.parametrize(("n_lists", "max_order"), [(1, None), (0, 2), (4, 0), (4, -1)])
def test_nothing_to_list_is_an_error(n_lists: int, max_order: int | None) -> None:
    with pytest.raises(ModelError, match="at least two lists"):
        catalogue(n_lists, max_order)


def test_names_must_fit_the_number_of_lists() -> None:
    with pytest.raises(ModelError, match="got 2 names"):
        catalogue(3).model(0, ["a", "b"])
    with pytest.raises(ModelError, match="not single digits"):
        catalogue(10, 1).notation(0)
