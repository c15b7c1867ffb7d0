"""Reading of model notation; the model as a whole is tested in `test_model.py`."""

from __future__ import annotations

import pytest

from mse.errors import ModelError
from mse.models.terms import check_mentioned, name_terms, read_terms


def test_terms_come_back_as_written() -> None:
    assert read_terms("[21,3,12]", ("a", "b", "c"), ()) == [(1, 0), (2,), (0, 1)]
    assert read_terms("b*a + c", ("a", "b", "c"), ()) == [(1, 0), (2,)]


def test_names_are_matched_without_the_spaces_around_them() -> None:
    assert name_terms([["b ", " a"]], ("a", " b")) == [(1, 0)]


def test_every_unknown_name_is_listed_once() -> None:
    with pytest.raises(ModelError) as caught:
        name_terms([["x", "a"], ["y"], ["x"]], ("a", "b"))
    assert str(caught.value) == "Unknown in the model: 'x'; 'y'. The table has a, b."


def test_lists_are_asked_for_before_covariates() -> None:
    with pytest.raises(ModelError, match=r"does not mention b, year.*'a \+ b \+ year'"):
        check_mentioned("a", [(0,)], ("a", "b"), ("year",))
