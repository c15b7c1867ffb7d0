"""What a fit to a table that is known in part says about itself, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.intake.inferring import doubted_places, silent_places
from mse.loglinear.wording import enumerate_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse._typing import BoolArray
    from mse.core.solution import IncompleteFit
    from mse.loglinear.observing import Seen
    from mse.table import CaptureTable

#: Ends the reason of every status, and stands alone among the warnings where all is well.
NOT_EXACT = (
    "With records that are known in part the existence of the estimate is judged at the maximum that "
    "was found, from several starts, and not exactly."
)
SILENT_TERMS = (
    "Where a list did not operate the data say little or nothing about its terms with the covariates "
    "that tell where: leave such terms out of the model."
)
NO_MAXIMUM = (
    "No start led to a maximum of the likelihood, so there is no estimate. Try a smaller model, or "
    "covariates with fewer levels."
)
MISSING_AT_RANDOM = (
    "Which entries of a record are unknown says nothing about them, given what is known of the record "
    "(missing at random)."
)
NO_PROFILE = (
    "Where counts are known within bounds the number observed is uncertain too, and there is no profile "
    "likelihood of the total: but for a bootstrap, intervals are log-normal, from the observed information."
)


def boundary_reason(vanishing: Sequence[str], open_terms: Sequence[str], n_zero: int) -> str:
    """Say what is at minus infinity, left open by the data, or zero in an estimable fit.

    Parameters
    ----------
    vanishing : sequence of str
        Terms at minus infinity because nobody has their combination.
    open_terms : sequence of str
        Terms that the data do not determine, although they do the total.
    n_zero : int
        Observable cells with fitted mean zero.
    """
    parts = []
    if vanishing:
        parts.append(
            f"At minus infinity, since nobody was observed with it: {enumerate_terms(vanishing)}."
        )
    if open_terms:
        parts.append(f"Not determined, though the total is: {enumerate_terms(open_terms)}.")
    if n_zero:
        parts.append(f"{n_zero:,} of the observable histories have fitted mean zero.")
    return " ".join(parts)


def silent_lists(table: CaptureTable, operating: BoolArray | None = None) -> Iterator[str]:
    """Say where lists did not operate, or may not have, as was said or inferred; list by list.

    Parameters
    ----------
    table : CaptureTable
        Any table.
    operating : bool array (K, S), optional
        As of `mse.intake.inferring.operating_lists`, which is asked otherwise.
    """
    for name, found in silent_places(table, operating):
        said = enumerate_terms([place.name for place in found if place.said])
        if any(place.said for place in found):
            places = f" in {said}" if said else ""
            yield f"{name} did not operate{places}, as was said: persons only on it count as hidden."
        inferred = [place for place in found if not place.said]
        if inferred:
            names = enumerate_terms([str(place) for place in inferred])
            where = f"in {names}" if inferred[0].name else names
            yield (
                f"Nobody's membership of {name} is known {where}: the list is taken not to have "
                "operated there, and persons only on it count as hidden. That is inferred. If it did "
                f"operate, and these persons lack it by chance, say so: operating={{{name!r}: "
                "'everywhere'} of the table."
            )
    for name, doubt in doubted_places(table, operating):
        names = enumerate_terms([str(place) for place in doubt.places])
        where = f"in {names}" if doubt.places[0].name else names
        yield (
            f"Nobody's membership of {name} is known {where}, but for {doubt.persons:,} persons whom no "
            "list can have reported that is known not to have them: the list is taken to have operated "
            "there, and who else was on it to be missing at random. That is inferred. If it did not "
            f"operate there, say where it did: operating={{{name!r}: ...}} of the table."
        )


def within_bounds(count: int, more: float) -> str:
    """Say how many counts are known within bounds, and what is expected in them beyond the lower ones."""
    if count == 1:
        return (
            "1 count is known within bounds. The observed number holds its lower bound; the hidden "
            f"number holds the {more:,.1f} persons more that are expected in it."
        )
    return (
        f"{count:,} counts are known within bounds. The observed number holds their lower bounds; the "
        f"hidden number holds the {more:,.1f} persons more that are expected in them."
    )


def incomplete_notes(
    seen: Seen, found: IncompleteFit, table: CaptureTable, *, kinds: bool
) -> Iterator[str]:
    """Say what the reader of the result should know.

    Parameters
    ----------
    seen : Seen
        The table as the likelihood takes it.
    found : IncompleteFit
        The fit.
    table : CaptureTable
        The table.
    kinds : bool
        Whether missing entries were given a model.
    """
    yield from silent_lists(table, seen.operating)
    low, high = seen.observations.low, seen.observations.high
    vague = low != high
    if vague.any():
        yield within_bounds(int(vague.sum()), float((found.expected - low)[vague].sum()))
    if kinds:
        yield (
            "Counts known within bounds stand beside records that lack entries, so entries are taken to "
            "be missing completely at random."
        )
    if (seen.observations.patterns[:, table.n_lists :] < 0).any():
        yield (
            "By stratum, observed persons with an unknown covariate are allotted by their expected "
            "numbers, rounded to whole persons."
        )
    if found.others.size:
        totals = ", ".join(f"{total:,.0f}" for total in found.others[:3])
        yield f"The likelihood has other, lower maxima; their totals are {totals}."
