"""Capture histories named."""

from __future__ import annotations

import numpy as np

import mse
from mse.data.histories import history_frame, in_words


def test_lists_and_covariates() -> None:
    table = mse.load_dataset("spina_bifida")
    cells = np.array([3, 4, 23])
    frame = history_frame(table, cells)
    assert frame["history"].tolist() == ["001", "001", "111"]
    assert frame["ethnicity"].tolist() == ["caucasian", "afro-american", "other"]
    assert in_words(table, 4) == "S3 only (ethnicity afro-american)"
    assert in_words(table, 23) == "S1 and S2 and S3 (ethnicity other)"


def test_the_first_digit_is_the_first_list() -> None:
    table = mse.load_dataset("kosovo")
    for history, count in zip(
        history_frame(table, np.arange(16))["history"], table.counts.ravel(), strict=True
    ):
        assert table.counts[tuple(int(digit) for digit in history)] == count
