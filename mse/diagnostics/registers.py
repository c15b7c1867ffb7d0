"""The usual worries about counts of one register: do those seen once decide, and does the family describe the counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mse.answer.goodness import POOR_FIT, deviance_in_words, how_tested, short_p
from mse.classical.register_search import SingleRegisterSearchFit
from mse.classical.single_register import SingleRegisterFit, singletons, singletons_in_words
from mse.messages import Message, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.answer.protocols import Fit
    from mse.data.count_table import CountTable

#: Name of a check, whether it passed, and what was found.
Judged = tuple[str, bool | None, str]


def judged(table: CountTable, fit: Fit | None) -> Iterator[Judged]:
    """Go through the worries about counts, and about a fit to them."""
    found = singletons(table)
    if found is None:
        yield "check.singletons", None, Message("found.no_bounds")
    elif found.decide:
        yield "check.singletons", False, singletons_in_words(found)
    else:
        bounds = {"chao": found.chao, "inflated": found.inflated}
        yield "check.singletons", True, Message("found.bounds_agree", **bounds)
    if fit is None:
        return
    known = not math.isnan(fit.population.total)
    yield "check.determined", known, Message("found.determined") if known else fit.reason
    yield _fits(fit)


def _fits(fit: Any) -> Judged:
    """Judge whether the family describes how many were seen once, twice, and so on."""
    best = fit.fits[0] if isinstance(fit, SingleRegisterSearchFit) else fit
    test = best.fit_test if isinstance(best, SingleRegisterFit) else None
    if test is None:
        return "check.fits", None, Message("found.no_test")
    if not test.df:
        return "check.fits", None, Message("found.no_freedom")
    poor = test.p_value < POOR_FIT
    how = how_tested(selected=best is not fit)
    said = deviance_in_words(test.deviance, test.df, short_p(test.p_value), how)
    text = joined(said, Message("found.counts_misfit" if poor else "found.counts_unseen"))
    return "check.fits", not poor, text
