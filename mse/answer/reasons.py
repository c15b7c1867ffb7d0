"""Why a fit is what it is, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.messages import Message, joined, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import Limit

_LIMIT_REASONS: dict[Limit, str] = {
    "infinite": "reason.infinite",
    "zero": "nobody.hidden",
    "indeterminate": "reason.indeterminate",
}

#: Why a model is not asked of fewer lists.
ALL_JOINT = Message("reason.all_joint")
NOT_CONVERGED_REASON = Message("reason.not_converged")


def not_estimable_reason(limit: Limit, vanishing: Sequence[str], strata: Sequence[str]) -> str:
    """Say why there is no estimate.

    limit: where the hidden count goes
    vanishing: terms whose combination nobody has
    strata: strata that are not estimable, of several; empty without covariates
    """
    return joined(
        Message("reason.strata", names=named(strata)) if strata else "",
        Message(_LIMIT_REASONS[limit]),
        Message("nobody.with", names=named(vanishing)) if vanishing else "",
        Message("reason.other_strata") if set(strata) & set(vanishing) else "",
    )


def boundary_reason(vanishing: Sequence[str], aliased: Sequence[str], n_zero: int) -> str:
    """Say what is at minus infinity or aliased in an estimable fit.

    vanishing: terms at minus infinity because nobody has their combination
    aliased: terms that the remaining cells do not determine
    n_zero: observable cells with fitted mean zero
    """
    return joined(
        Message("nobody.minus_infinity", names=named(vanishing)) if vanishing else "",
        Message("reason.aliased", names=named(aliased)) if aliased else "",
        Message("reason.fitted_zero", n=n_zero) if n_zero else "",
    )


def averaged(number: int, criterion: str) -> str:
    """Name an average over so many models."""
    return Message("method.average", n=number, criterion=criterion)


def none_estimable(tried: int, model: str) -> str:
    """Say that a search found nothing to choose."""
    return Message("remark.none_estimable", n=tried, model=model)


def no_range(*, tried: int, estimable: int, failed: int, within: float, criterion: str) -> str:
    """Say why the totals of a search have no range: there is one only.

    tried, estimable: int, models of the search, and those of them that determine a total
    failed: int, models that are near the best one and determine none
    within: float, distance from the best model within which one counts as near
    criterion: str, in which it is measured, ``"BIC"``

    Examples
    --------
    >>> no_range(tried=1, estimable=1, failed=0, within=10, criterion="BIC")
    'There is one model only to try, so no range of totals shows how much the choice of model matters.'
    """
    if tried == 1:
        return Message("remark.one_to_try")
    if estimable == 1:
        return Message("remark.one_estimable", n=tried)
    near = {"within": within, "criterion": criterion}
    if failed:
        return Message("remark.one_near_estimable", n=failed + 1, **near)
    return Message("remark.one_near", n=tried, **near)
