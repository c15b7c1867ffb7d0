"""Tables of the golden master: the bundled ones, and made ones for what those do not have."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import mse

#: Tables without covariates that come with the library, and those with.
PLAIN = (
    "artificial_3",
    "australia",
    "congenital",
    "diabetes",
    "hepatitis_a",
    "hiv_rome",
    "korea",
    "kosovo",
    "netherlands",
    "netherlands_5",
    "new_orleans",
    "new_orleans_5",
    "snowshoe_hare",
    "uk",
    "uk_5",
    "western_us",
)
WITH_COVARIATES = ("scotland_pwid", "spina_bifida")
LISTS = ["police", "kmar", "care"]


@cache
def bundled(name: str) -> mse.CaptureTable:
    """Load a table that comes with the library, once."""
    return mse.load_dataset(name)


def apart() -> mse.CaptureTable:
    """Three lists that share nobody: no estimate exists."""
    return mse.CaptureTable.from_counts({"100": 5, "010": 6, "001": 7}, ["a", "b", "c"])


def silent() -> mse.CaptureTable:
    """One of four lists has nobody of a part of the persons."""
    counts = {"1000": 30, "0100": 20, "0010": 25, "1100": 9, "1010": 8, "0110": 7, "1110": 3}
    table = mse.CaptureTable.from_counts({**counts, "0001": 1}, ["a", "b", "c", "d"])
    kept = table.counts.copy()
    kept[0, 0, 0, 1] = 0
    return table.with_counts(kept)


def one_pair_empty() -> mse.CaptureTable:
    """Two of three lists share nobody: an estimate at the boundary."""
    counts = {"100": 41, "010": 33, "001": 28, "110": 9, "011": 12}
    return mse.CaptureTable.from_counts(counts, ["a", "b", "c"])


def nearly_alike() -> mse.CaptureTable:
    """Three lists that hold nearly the same persons: the information is ill-conditioned."""
    counts = {"111": 10**10, "110": 31, "101": 22, "011": 44, "100": 13, "010": 9, "001": 17}
    return mse.CaptureTable.from_counts(counts, ["a", "b", "c"])


def margins() -> mse.CaptureTable:
    """List totals and their union, and nothing else."""
    totals = {"police": 310, "kmar": 190, "care": 240}
    return mse.CaptureTable.from_margins(totals, union=610)


def margins_apart() -> mse.CaptureTable:
    """Margins of lists that share nobody."""
    return mse.CaptureTable.from_margins({"a": 5, "b": 7}, union=12)


def bounded() -> mse.CaptureTable:
    """Make a table of which the small counts are known within bounds only."""
    frame = bundled("kosovo").to_frame()
    frame["n"] = [str(n) if n >= 20 else "<20" for n in frame["n"]]
    return mse.CaptureTable.from_frame(frame, list(bundled("kosovo").lists), count="n")


def bounded_by_stratum() -> mse.CaptureTable:
    """Do the same to a table with a covariate, which determines an estimate all the same.

    At the edge of having one it is rounding that says which models were tried, and so the processor.
    """
    table = bundled("scotland_pwid").collapse("region", "age")
    frame = table.to_frame()
    frame["low"] = np.where(frame["n"] < 5, 0, frame["n"])
    frame["high"] = np.where(frame["n"] < 5, 4, frame["n"])
    return mse.CaptureTable.from_frame(frame, list(table.lists), ["sex"], ("low", "high"))


def people(size: int = 1500) -> pd.DataFrame:
    """Simulate persons over years and sexes, those on no list left out."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {"year": rng.choice([2016, 2017, 2018], size), "sex": rng.choice(["f", "m"], size)}
    )
    for name, chance in zip(LISTS, (0.3, 0.2, 0.35), strict=True):
        on = rng.random(size) < chance * np.where(frame["sex"] == "f", 1.4, 1)
        frame[name] = on.astype(object)
    return frame[frame[LISTS].eq(True).any(axis=1)].reset_index(drop=True)


def known(frame: pd.DataFrame, **options: Any) -> mse.CaptureTable:
    """Make a table of persons, leaving out those who are on no list."""
    on = frame[LISTS].eq(True).any(axis=1)
    return mse.CaptureTable.from_frame(frame[on], LISTS, ["year", "sex"], **options)


def by_year_and_sex() -> mse.CaptureTable:
    """Three lists by year and sex, all known."""
    return known(people())


def not_operating() -> mse.CaptureTable:
    """Care was silent in 2018, as somebody said."""
    frame = people()
    frame.loc[frame["year"] == 2018, "care"] = None
    where = {"care": {"year": [2016, 2017]}, "police": "everywhere", "kmar": "everywhere"}
    return known(frame, operating=where)


def in_part() -> mse.CaptureTable:
    """Care was silent in 2018, as the records tell, and some lack their sex or a membership."""
    frame = people()
    frame["sex"] = frame["sex"].astype(object)
    rng = np.random.default_rng(12)
    frame.loc[frame["year"] == 2018, "care"] = None
    frame.loc[rng.random(len(frame)) < 0.1, "sex"] = None
    frame.loc[rng.random(len(frame)) < 0.05, "kmar"] = None
    return known(frame)


def unknown_memberships() -> mse.CaptureTable:
    """Three lists without covariates; of some persons it is not known whether they are on one."""
    frame = people()[LISTS]
    rng = np.random.default_rng(13)
    frame.loc[rng.random(len(frame)) < 0.08, "care"] = None
    on = frame.eq(True).any(axis=1)
    return mse.CaptureTable.from_frame(frame[on], LISTS)


def empty_stratum() -> mse.CaptureTable:
    """Two lists by year and sex; in one stratum they share nobody, in another there is nobody."""
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    counts[1, 0], counts[0, 1], counts[1, 1] = [[60, 3], [70, 0]], [[44, 2], [52, 0]], 15
    counts[1, 1, 0, 1] = counts[1, 1, 1, 1] = 0
    axes = {"year": [2014, 2015], "sex": ["f", "m"]}
    return mse.CaptureTable.from_array(counts, ["police", "care"], axes)


#: Made tables without covariates, with them, and those that are known in part or as margins.
MADE_PLAIN = {each.__name__: each for each in (apart, silent, one_pair_empty, nearly_alike)}
MADE_STRATA = {each.__name__: each for each in (by_year_and_sex, empty_stratum)}
MADE_IN_PART = {
    each.__name__: each
    for each in (
        bounded,
        bounded_by_stratum,
        not_operating,
        in_part,
        unknown_memberships,
        margins,
        margins_apart,
    )
}


def load(name: str) -> mse.CaptureTable:
    """Make or load a table by its name; behind a colon stand the lists to keep."""
    name, _, lists = name.partition(":")
    made = {**MADE_PLAIN, **MADE_STRATA, **MADE_IN_PART}
    table = made[name]() if name in made else bundled(name)
    return table.keep_lists(lists.split(",")) if lists else table
