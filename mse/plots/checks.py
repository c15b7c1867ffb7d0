"""Checks of estimates: lists as known truths, residuals, single persons, predicted histories."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL
from mse.bayes.checks import PredictiveCheck
from mse.diagnostics import Influence, Residuals
from mse.plots._canvas import BLUE, GRAY, SERIES, Head, ink
from mse.plots._rows import Row, Rows, picture_of
from mse.plots.words import Words
from mse.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from mse.plots._canvas import Scale
    from mse.validation import Validated

__all__ = ["influence", "predictive_check", "residuals", "validation"]

#: Letters of a model beyond which a picture does not name it.
_LONG = 60


@draws(Validation)
def validation(
    result: Validation,
    *,
    ax: Axes | None = None,
    scale: Scale = "auto",
    labels: Sequence[str] | None = None,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the estimates of lists of known size, as ratios to that size, with their intervals.

    Parameters
    ----------
    result : Validation
        What `mse.validate` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    scale : {"auto", "linear", "log"}, default "auto"
        Of the ratios.
    labels : sequence of str, optional
        Names of the estimators; by default their ``repr``.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> found = mse.validate(mse.load_dataset("kosovo"), [mse.LogLinear("main")])
    >>> [label.get_text() for label in mse.plots.validation(found).get_yticklabels()]
    ['EXH (1,910)', 'ABA (1,528)', 'OSCE (1,786)', 'HRW (685)']
    """
    text = Words(words)
    n_lists, several = result.table.n_lists, len(result.estimators) > 1
    # By list, so that methods stand under each other.
    order = sorted(range(len(result.results)), key=lambda i: (i % n_lists, i // n_lists))
    rows = [_validated(result.results[i], i // n_lists + 1 if several else 0, text) for i in order]
    names = [repr(each) for each in result.estimators] if labels is None else labels
    numbered = [f"{i}: {name}" for i, name in enumerate(names, start=1)] if several else names
    how = Rows(
        text,
        scale,
        kind="ratio",
        heading=text("interval_point", level=text.level(result.level)),
        marks=(1.0,),
        unit="ratio_to_truth",
    )
    head = Head(text("title_validation"), (text("validation"), *numbered), result.table.info)
    with picture_of(ax, rows, how, head) as drawn:
        drawn.axvline(1, color=ink(), lw=0.9, ls=":", gid="truth")
        for place in range(1, n_lists if several else 0):
            drawn.axhline(place * len(result.estimators) - 0.5, color=GRAY, lw=0.6)
    return drawn


def _validated(each: Validated, number: int, words: Words) -> Row:
    label = f"{each.list} ({words.number(each.truth)})"
    label = f"{label} \N{MIDDLE DOT} {number}" if number else label
    total, ends = each.trial.total / each.truth, [end / each.truth for end in each.ends]
    color, marker, _ = SERIES[max(number - 1, 0) % len(SERIES)]
    bound = each.trial.lower_bound
    row = Row(
        label, total, ends[0], ends[1], each.trial.status, style=(color, marker), lower_bound=bound
    )
    if math.isnan(total):
        return row
    verdict = words(f"miss_{each.miss}") if each.miss else ""
    said = ", ".join(part for part in (Rows(words, kind="ratio").said(row), verdict) if part)
    return replace(row, said=said)


@draws(PredictiveCheck)
def predictive_check(
    result: PredictiveCheck,
    *,
    ax: Axes | None = None,
    level: float = DEFAULT_LEVEL,
    most: int = 30,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw observed counts of histories beside the intervals that the posterior predicts for them.

    Parameters
    ----------
    result : PredictiveCheck
        What ``fit.posterior_predictive()`` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    level : float, default 0.95
        Level of the predictive intervals.
    most : int, default 30
        Histories drawn at most, those that are predicted worst first.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes
    """
    text = Words(words)
    frame = result.to_frame(level)
    worst = frame.sort_values("p_value", kind="stable").head(most)
    rows = [
        Row(name, row["expected"], row["low"], row["high"], "ok", row["observed"])
        for name, row in zip(_names(worst, "observed"), worst.to_dict("records"), strict=True)
    ]
    how = Rows(
        text, heading=text("interval_point", level=text.level(level)), marks=(0.0,), unit="persons"
    )
    lines = (
        text("predictive_p", value=text.ratio(result.p_value)),
        text("mark_observed"),
        _shown(len(worst), len(frame), text),
    )
    with picture_of(
        ax, rows, how, Head(text("title_predictive"), lines, result.table.info)
    ) as drawn:
        pass
    return drawn


@draws(Residuals)
def residuals(
    result: Residuals,
    *,
    ax: Axes | None = None,
    most: int = 30,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the deviance residuals of the histories that a model fits worst.

    Histories that the model does not allow have none; they are counted.

    Parameters
    ----------
    result : Residuals
        What `mse.diagnostics.residuals` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    most : int, default 30
        Histories drawn at most.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("main").fit(mse.load_dataset("korea"))
    >>> ax = mse.plots.residuals(mse.diagnostics.residuals(fit))
    >>> ax.get_yticklabels()[0].get_text()
    '001'
    """
    text = Words(words)
    frame = result.to_frame()
    emptied = int(frame["deviance"].isna().sum())
    frame = frame.dropna(subset="deviance")
    worst = _largest(frame, "deviance", most)
    said = [
        text("counts_said", observed=text.number(row["observed"]), fitted=text.ratio(row["fitted"]))
        for row in worst.to_dict("records")
    ]
    how = Rows(text, "linear", kind="ratio", marks=(-2.0, 2.0), unit="residual")
    lines = (
        result.model if len(result.model) < _LONG else "",
        _shown(len(worst), len(frame), text),
        text.counted("emptied_one", "emptied", emptied) if emptied else "",
    )
    head = Head(text("title_residuals"), lines)
    return _bars(ax, worst, "deviance", said, how, head)


@draws(Influence)
def influence(
    result: Influence,
    *,
    ax: Axes | None = None,
    most: int = 30,
    words: Mapping[str, str] | None = None,
) -> Axes:
    """Draw by how much one person less of a history changes the total; the largest changes first.

    Parameters
    ----------
    result : Influence
        What `mse.diagnostics.influence` found.
    ax : Axes, optional
        Where to draw; a new figure by default.
    most : int, default 30
        Histories drawn at most.
    words : mapping of str to str, optional
        Other words, by the keys of `mse.plots.ENGLISH`.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import mse
    >>> found = mse.diagnostics.influence(mse.LogLinear("main").fit(mse.load_dataset("korea")))
    >>> ax = mse.plots.influence(found)
    >>> ax.get_yticklabels()[0].get_text()
    '001'
    """
    text = Words(words)
    frame = result.to_frame()
    largest = _largest(frame, "change", most)
    said = [
        text(
            "influence_said",
            observed=text.number(row["observed"]),
            change=_signed(row["change"], text),
        )
        for row in largest.to_dict("records")
    ]
    how = Rows(text, "linear", unit="change_persons")
    total = ""
    if math.isfinite(result.total):
        total = text("total_said", number=text.number(result.total))
    head = Head(text("title_influence"), (total, _shown(len(largest), len(frame), text)))
    return _bars(ax, largest, "change", said, how, head)


def _signed(value: float, words: Words) -> str:
    if math.isnan(value):
        return words("status_not_estimable")
    if math.isinf(value):
        return words("no_upper_bound")
    sign = "+" if value > 0 else ""
    return sign + (words.number(value) if abs(value) >= 10 else words.ratio(value))


def _largest(frame: pd.DataFrame, name: str, most: int) -> pd.DataFrame:
    order = frame[name].abs().sort_values(ascending=False, kind="stable", na_position="first")
    return frame.loc[order.index[:most]]


def _names(frame: pd.DataFrame, last: str) -> list[str]:
    """Write the histories with their strata: the columns before ``last``."""
    columns = list(frame.columns[: list(frame.columns).index(last)])
    return [
        " \N{MIDDLE DOT} ".join(str(row[name]) for name in columns)
        for row in frame.to_dict("records")
    ]


def _shown(number: int, of: int, words: Words) -> str:
    if number == of:
        return ""
    return words("shown_of", number=words.number(number), of=words.number(of))


def _bars(
    ax: Axes | None,
    frame: pd.DataFrame,
    name: str,
    said: Sequence[str],
    how: Rows,
    head: Head,
) -> Axes:
    """Draw bars from zero, an arrow where one has no end; dotted lines at the marks of the axis."""
    nan = math.nan
    values: list[Any] = frame[name].tolist()
    rows = [
        Row(label, nan, nan, nan, "not_estimable" if math.isnan(value) else "", said=text)
        for label, value, text in zip(_names(frame, "observed"), values, said, strict=True)
    ]
    known = [value for value in values if math.isfinite(value)]
    with picture_of(ax, rows, replace(how, marks=(0.0, *how.marks, *known)), head) as drawn:
        low, high = drawn.get_xlim()
        reach = 0.06 * (high - low)
        drawn.set_xlim(low - reach, high + reach)
        for place, value in enumerate(values):
            if math.isfinite(value):
                drawn.barh(place, value, height=0.55, color=BLUE, gid="bar")
            elif math.isinf(value):
                drawn.barh(place, high + reach, height=0.55, color=BLUE, gid="bar")
                drawn.plot(
                    high + reach, place, ">", ms=8, color=BLUE, clip_on=False, gid="unbounded"
                )
        drawn.axvline(0, color=ink(), lw=0.9)
        for guide in how.marks:
            drawn.axvline(guide, color=GRAY, lw=0.8, ls=":")
    return drawn
