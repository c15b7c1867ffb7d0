"""Cells and their sums, as noted down."""

from __future__ import annotations

import pytest

import mse
from mse.disclosure.cells import REST, Book, label


def test_sums_hold_and_repeated_ones_count_once() -> None:
    book = Book()
    for key, count in ((("a",), 3), (("b",), 4), ((), 7)):
        book.add(key, count)
    book.sum((), [("a",), ("b",)], group=True)
    book.sum((), [("b",), ("a",)])
    cells = book.cells()
    assert cells.sums.shape == (1, 3)
    assert (cells.sums @ cells.counts).tolist() == [0]
    assert cells.groups.tolist() == [[0, 2], [1, 2]]


def test_what_parts_lack_is_a_cell_that_is_not_shown() -> None:
    book = Book()
    book.add((("sex", "f"),), 3)
    book.add((), 10)
    book.sum((), [(("sex", "f"),)])
    cells = book.cells()
    assert cells.counts.tolist() == [3, 10, 7]
    assert cells.shown.tolist() == [True, True, False]
    assert cells.keys[2][0] == REST
    assert label(cells.keys[2]) == "persons in total but in none of its parts"


def test_parts_that_exceed_their_total_are_an_error() -> None:
    book = Book()
    book.add(("a",), 8)
    book.add((), 7)
    assert not book.holds((), [("a",)])
    with pytest.raises(mse.InvalidTableError, match="parts add up to 8"):
        book.sum((), [("a",)])


def test_one_cell_has_one_count() -> None:
    book = Book()
    book.add((), 8, shown=False)
    book.add((), 8, unsafe=True)
    assert () in book
    assert book.cells().shown.tolist() == [True]
    assert book.cells().unsafe.tolist() == [True]
    with pytest.raises(mse.InvalidTableError, match="8 in one place and 9 in another"):
        book.add((), 9)


def test_a_total_without_parts_is_nobody() -> None:
    book = Book()
    book.add((), 0)
    book.sum((), [])
    assert book.cells().sums.toarray().tolist() == [[1.0]]
