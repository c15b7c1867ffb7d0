"""Time of a report of a table of 12,288 cells and ten methods, after the fits; the bar is 10 s.

Building the content, drawing the figures and laying everything out as HTML are timed together, and each
by itself. Processor time of one core is what counts: other work on the machine only adds to the clock.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mse
from benchmarks.harness import measure
from mse.reporting import build_report
from mse.reporting.writing import as_form

if TYPE_CHECKING:
    from mse.answer.protocols import Fit

pytestmark = [pytest.mark.benchmark(group="reports"), pytest.mark.usefixtures("one_core")]

LISTS = tuple("ABCDEF")
COVARIATES = {"year": 6, "sex": 2, "age": 2, "form": 4, "region": 2}
BAR = 10.0


@cache
def table() -> mse.CaptureTable:
    """Draw some 60,000 persons on six lists, in 192 strata."""
    rng = np.random.default_rng(1)
    shape = (2,) * len(LISTS) + tuple(COVARIATES.values())
    lists = np.indices(shape)[: len(LISTS)]
    rates = np.exp(1.8 - 1.1 * lists.sum(axis=0) + 0.6 * lists[0] * lists[1])
    for axis, size in enumerate(COVARIATES.values(), start=len(LISTS)):
        effect = rng.normal(0.0, 0.3, size)
        rates *= np.exp(effect).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    counts = rng.poisson(rates)
    counts[(0,) * len(LISTS)] = 0
    levels = {name: list(range(size)) for name, size in COVARIATES.items()}
    made = mse.CaptureTable.from_array(counts, LISTS, levels)
    return made.with_info(name="made up", population="SYNTHETIC: nobody")


@cache
def fits() -> tuple[Fit, ...]:
    """Ten log-linear models of lists and covariates together."""
    every = [f"{name}*{other}" for name in LISTS for other in COVARIATES]
    main = " + ".join([*LISTS, *COVARIATES])
    models = ["main", "all two-way"]
    models += [f"{main} + {pair}" for pair in ("A*B", "A*B + C*D", "A*B + C*D + E*F", "A*B*C")]
    models += [f"{main} + {' + '.join(every[: 5 * size])}" for size in (1, 2, 4, 6)]
    return tuple(mse.LogLinear(model).fit(table()) for model in models)


def written(figures: bool) -> str:
    return as_form(build_report(list(fits()), figures=figures), "html")


@pytest.mark.parametrize("figures", [True, False], ids=["figures", "text and tables"])
def test_report(benchmark: Any, figures: bool) -> None:
    assert table().n_cells == 12_288
    assert len(fits()) == 10
    what = "report of 12,288 cells and ten methods, HTML"
    what += ", figures included" if figures else ", without figures"
    text = measure(benchmark, written, lambda: (figures,), what=what, rounds=3, bar=BAR)
    assert text.startswith("<!DOCTYPE html>")
    assert benchmark.extra_info["processor"] < BAR


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_layout(benchmark: Any, form: Any) -> None:
    report = build_report(list(fits()))
    what = f"the same, laid out as {form}"
    measure(benchmark, as_form, lambda: (report, form), what=what, rounds=3)
