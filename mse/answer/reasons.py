"""Why a fit is what it is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import Limit

_LIMIT_REASONS: dict[Limit, str] = {
    "infinite": (
        "The likelihood keeps rising while the hidden count grows without bound, so the data "
        "determine no estimate within this model."
    ),
    "zero": (
        "The likelihood keeps rising while the hidden count goes to zero. That nobody is hidden "
        "would be an artifact of empty cells, so no estimate is given."
    ),
    "indeterminate": (
        "The observed cells do not determine the hidden count within this model: any number fits "
        "them equally well."
    ),
}


#: Why a model is not asked of fewer lists.
ALL_JOINT = (
    "The model would let all lists that are left depend on each other together, and then no data "
    "determine a total: it is not asked of them."
)
#: What can be done about levels of a covariate that nobody has.
OTHER_STRATA = (
    "The other strata are estimated all the same; for a total of them keep the levels that somebody "
    "has, with table.where(...)."
)


def enumerate_terms(names: Sequence[str], most: int = 6) -> str:
    """Write some names in a sentence, the rest counted."""
    shown = ", ".join(names[:most])
    rest = len(names) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def not_estimable_reason(limit: Limit, vanishing: Sequence[str], strata: Sequence[str]) -> str:
    """Say why there is no estimate.

    Parameters
    ----------
    limit : str
        Where the hidden count goes.
    vanishing : sequence of str
        Terms whose combination nobody has.
    strata : sequence of str
        Strata that are not estimable, of several; empty without covariates.
    """
    parts = []
    if strata:
        parts.append(f"Not estimable in {enumerate_terms(strata)}.")
    parts.append(_LIMIT_REASONS[limit])
    if vanishing:
        parts.append(f"Nobody was observed with: {enumerate_terms(vanishing)}.")
    if set(strata) & set(vanishing):
        parts.append(OTHER_STRATA)
    return " ".join(parts)


def boundary_reason(vanishing: Sequence[str], aliased: Sequence[str], n_zero: int) -> str:
    """Say what is at minus infinity or aliased in an estimable fit.

    Parameters
    ----------
    vanishing : sequence of str
        Terms at minus infinity because nobody has their combination.
    aliased : sequence of str
        Terms that the remaining cells do not determine.
    n_zero : int
        Observable cells with fitted mean zero.
    """
    parts = []
    if vanishing:
        parts.append(
            f"At minus infinity, since nobody was observed with it: {enumerate_terms(vanishing)}."
        )
    if aliased:
        parts.append(f"Not determined by the remaining cells: {enumerate_terms(aliased)}.")
    have = "has" if n_zero == 1 else "have"
    parts.append(f"{n_zero:,} of the observable histories {have} fitted mean zero.")
    return " ".join(parts)


NOT_CONVERGED_REASON = (
    "Newton's method did not reach the maximum of the likelihood; please report the table and the "
    "model, since this should not happen."
)


def averaged(number: int, criterion: str) -> str:
    """Name an average over so many models."""
    return f"average of {number:,} log-linear model{'s' * (number != 1)} by {criterion} weights"


def none_estimable(tried: int, model: str) -> str:
    """Say that a search found nothing to choose."""
    if tried == 1:
        return f"The one model tried is not estimable, so none could be chosen: the figures are those of {model}."
    return (
        f"None of the {tried:,} models tried is estimable, so none could be chosen: the figures are those "
        f"of {model}."
    )


def no_range(*, tried: int, estimable: int, failed: int, place: str) -> str:
    """Say why the totals of a search have no range: there is one only.

    Parameters
    ----------
    tried, estimable : int
        Models of the search, and those of them that determine a total.
    failed : int
        Models that are near the best one and determine none.
    place : str
        Where a model counts as near, ``"within 10 of the best BIC"``.

    Examples
    --------
    >>> no_range(tried=1, estimable=1, failed=0, place="within 10 of the best BIC")
    'There is one model only to try, so no range of totals shows how much the choice of model matters.'
    """
    if tried == 1:
        found = "There is one model only to try"
    elif estimable == 1:
        found = f"Only one of the {tried:,} models tried determines a total"
    elif failed:
        found = f"Of the {failed + 1:,} models {place} only one determines a total"
    else:
        found = f"Of the {tried:,} models tried one only lies {place}"
    return f"{found}, so no range of totals shows how much the choice of model matters."
