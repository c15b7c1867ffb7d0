"""`FrozenDict`: read only, hashable, picklable."""

from __future__ import annotations

import pickle

import pytest

from mse._typing import FrozenDict


def test_reads_like_a_dictionary() -> None:
    frozen = FrozenDict({"year": (2014, 2015), "sex": ("f", "m")})
    assert frozen["year"] == (2014, 2015)
    assert list(frozen) == ["year", "sex"]
    assert len(frozen) == 2
    assert frozen == {"sex": ("f", "m"), "year": (2014, 2015)}
    assert repr(frozen) == "{'year': (2014, 2015), 'sex': ('f', 'm')}"
    assert FrozenDict() == {}


def test_cannot_be_changed() -> None:
    source = {"a": 1}
    frozen = FrozenDict(source)
    source["a"] = 2
    assert frozen["a"] == 1
    with pytest.raises(TypeError):
        frozen["a"] = 3  # type: ignore[index]


def test_equal_ones_have_one_hash() -> None:
    assert hash(FrozenDict({"a": 1, "b": 2})) == hash(FrozenDict({"b": 2, "a": 1}))


def test_survives_pickling() -> None:
    frozen = FrozenDict({"a": 1})
    assert pickle.loads(pickle.dumps(frozen)) == frozen  # noqa: S301 - made here
