"""The attack: what a reader can compute of the counts that were suppressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse.disclosure.counts import printed
from mse.disclosure.demands import told_width
from mse.disclosure.protected import Protected
from mse.disclosure.ranges import WHOLE, least, range_of
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mse.disclosure.publication import Publication
    from mse.disclosure.rules import Rules

__all__ = ["attack", "attack_publication"]

COLUMNS = ("cell", "what", "low", "high", "exposed", "why")


def attack(
    published: Protected | pd.DataFrame,
    rules: Rules | None = None,
    *,
    by: Sequence[str] | None = None,
    count: str = "n",
    total: str = "total",
) -> pd.DataFrame:
    """Compute from a publication alone what can be known of each count that is not shown.

    For each of them two programs find the smallest and the largest number of persons that agree with
    everything that is shown: the other counts, within what they may have been rounded from; the sums
    among them; that persons are counted in whole numbers; and the rules themselves. Linear programs
    where their solution is whole, integer programs where it is not.

    Parameters
    ----------
    published : Protected or DataFrame
        Something that `protect` made; or a frame of counts as it was printed, whoever made it, with
        marks (``x``, ``.``, ``*``, ``-``) or gaps in place of what was suppressed.
    rules : Rules, optional
        Of a frame: what it is to be held against.
    by, count, total
        Of a frame: as of `protect_counts`.

    Returns
    -------
    DataFrame
        One row for each suppressed count, each count that has no place in the output but follows from
        sums, each small count where rounding is all that protects it, and each share that says too
        much: ``cell``; ``what`` (``suppressed``, ``implied``, ``rounded`` or ``share``); ``low`` and
        ``high``, persons, or the smallest share and 1; ``exposed``, whether that is within the
        protection limits; ``why``.

    Raises
    ------
    ModelError
        If it is given something else, or something whose sums do not hold.

    Examples
    --------
    >>> import mse, pandas as pd
    >>> frame = pd.DataFrame({"f": [3, 30, 33], "m": [40, 25, 65], "total": [43, 55, 98]})
    >>> frame.index = ["2014", "2015", "total"]
    >>> once = mse.disclosure.Rules(threshold=10, secondary=False)
    >>> found = mse.disclosure.attack(mse.disclosure.protect_counts(frame, once))
    >>> found[["low", "high", "exposed"]].to_numpy().tolist()
    [[3.0, 3.0, True]]
    >>> both = mse.disclosure.Rules(threshold=10)
    >>> mse.disclosure.attack(mse.disclosure.protect_counts(frame, both))["exposed"].any()
    np.False_
    """
    if isinstance(published, pd.DataFrame):
        if rules is None:
            raise ModelError("A frame tells no rules: give those it is to be held against.")
        return attack_publication(printed(published, rules, by=by, count=count, total=total))
    if not isinstance(published, Protected):
        raise ModelError(
            f"{type(published).__name__} was not protected: expected what protect(...) gives, or a "
            "frame of counts with marks."
        )
    return attack_publication(published.publication)


def attack_publication(known: Publication) -> pd.DataFrame:
    """Attack as `attack`."""
    rows = [*_counts(known), *_rounded(known), *_shares(known)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _counts(known: Publication) -> Iterator[tuple[Any, ...]]:
    low, high = known.bounds()
    lower, upper = known.rules.protection
    labels = known.labels
    for cell in np.flatnonzero(known.suppressed | ~known.shown):
        ends = range_of(int(cell), known.sums, low, high)
        if known.suppressed[cell]:
            why = _suppressed(*ends, upper, max(upper - lower, 1))
            yield labels[cell], "suppressed", *ends, bool(why), why
        else:
            # That there is nobody, or perhaps nobody, gives nobody away.
            small = ends[0] >= 1 and ends[1] < upper
            why = f"it must be below {upper}, and somebody" if small else ""
            yield labels[cell], "implied", *ends, small, why


def _suppressed(low: float, high: float, upper: int, width: int) -> str:
    """Say why a suppressed count is known too well; empty if it is not."""
    if low == high:
        return "it can be computed"
    if high < upper:
        return f"it must be below {upper}"
    return f"it is known to within {high - low:g}" if high - low < width else ""


def _rounded(known: Publication) -> Iterator[tuple[Any, ...]]:
    """Where rounding alone protects small counts: which of them are told apart all the same."""
    rules = known.rules
    if rules.threshold > 1 or rules.base == 1:
        return
    low, high = known.bounds()
    small = known.shown & ~known.suppressed & (known.counts <= rules.base)
    for cell in np.flatnonzero(small):
        ends = range_of(int(cell), known.sums, low, high)
        # That there is nobody, or perhaps nobody, gives nobody away.
        told = ends[0] >= 1 and ends[1] - ends[0] < told_width(rules)
        why = f"sums tell it to within {ends[1] - ends[0]:g}" if told else ""
        yield known.labels[cell], "rounded", *ends, bool(told), why


def _shares(known: Publication) -> Iterator[tuple[Any, ...]]:
    """Shares of a total that must be larger than the rules allow."""
    share = known.rules.group
    if share is None:
        return
    low, high = known.bounds()
    for part, total in known.groups:
        if high[part] <= share * low[total]:
            continue
        weights = np.zeros(len(low))
        weights[part], weights[total] = 1.0, -share
        if least(weights, known.sums, low, high).value > WHOLE:
            name = f"{known.labels[part]} of {known.labels[total]}"
            yield name, "share", share, 1.0, True, f"it must be more than {share:.0%}"
