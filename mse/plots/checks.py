"""Checks of estimates: lists as known truths, residuals, single persons, predicted histories."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from mse._drawing import draws
from mse.answer.intervals import DEFAULT_LEVEL
from mse.bayes.checks import PredictiveCheck
from mse.diagnostics import Influence, Residuals
from mse.plots._canvas import BLUE, GRAY, SERIES, Head, ink
from mse.plots._rows import Row, Rows, draw_rows
from mse.plots.words import Words
from mse.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from mse.plots._canvas import Scale
    from mse.validation import Validated

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
        result.level,
        scale,
        kind="ratio",
        unit="ratio_to_truth",
        guide={"x": 1, "lw": 0.9, "gid": "truth"},
        cuts=[place * len(names) for place in range(1, n_lists if several else 0)],
    )
    head = Head(text("title_validation"), (text("validation"), *numbered), result.table.info)
    return draw_rows(ax, rows, how, head)


def _validated(each: Validated, number: int, words: Words) -> Row:
    label = f"{each.list} ({words.number(each.truth)})"
    label = f"{label} \N{MIDDLE DOT} {number}" if number else label
    total, low, high = (value / each.truth for value in (each.trial.total, *each.ends))
    verdict = words(f"miss_{each.miss}") if each.miss else ""
    style = SERIES[max(number - 1, 0) % len(SERIES)]
    row = Row(label, total, low, high, each.trial.status, style=style, more=verdict)
    return replace(row, lower_bound=each.trial.lower_bound)


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
        Row(name, row["expected"], row["low"], row["high"], observed=row["observed"])
        for name, row in zip(_names(worst), worst.to_dict("records"), strict=True)
    ]
    lines = (
        text("predictive_p", value=text.ratio(result.p_value)),
        text("mark_observed"),
        _shown(worst, frame, text),
    )
    head = Head(text("title_predictive"), lines, result.table.info)
    return draw_rows(ax, rows, Rows(text, level, unit="persons", marks=(0.0,)), head)


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
    how = Rows(text, scale="linear", kind="ratio", unit="residual", marks=(-2.0, 2.0))
    lines = (
        result.model if len(result.model) < _LONG else "",
        _shown(worst, frame, text),
        text.counted("emptied", emptied) if emptied else "",
    )
    return _bars(ax, worst, "deviance", said, how, Head(text("title_residuals"), lines))


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
        text("influence_said", observed=text.number(observed), change=_signed(change, text))
        for observed, change in zip(largest["observed"], largest["change"], strict=True)
    ]
    known = math.isfinite(result.total)
    total = text("total_said", number=text.number(result.total)) if known else ""
    head = Head(text("title_influence"), (total, _shown(largest, frame, text)))
    how = Rows(text, scale="linear", unit="change_persons")
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


def _names(frame: pd.DataFrame) -> list[str]:
    """Write the histories with their strata: the columns before that of the persons observed."""
    named = frame.loc[:, :"observed"].iloc[:, :-1]
    return [" \N{MIDDLE DOT} ".join(map(str, row)) for row in named.itertuples(index=False)]


def _shown(some: pd.DataFrame, all_of_them: pd.DataFrame, words: Words) -> str:
    number, of = len(some), len(all_of_them)
    if number == of:
        return ""
    return words("shown_of", number=words.number(number), of=words.number(of))


def _bars(
    ax: Axes | None, frame: pd.DataFrame, name: str, said: Sequence[str], how: Rows, head: Head
) -> Axes:
    """Draw bars from zero, an arrow where one has no end; dotted lines at the marks of the axis."""
    values = frame[name].tolist()
    rows = [
        Row(label, status="not_estimable" if math.isnan(value) else "", said=text)
        for label, value, text in zip(_names(frame), values, said, strict=True)
    ]

    def add(drawn: Axes) -> None:
        low, high = drawn.get_xlim()
        reach = 0.06 * (high - low)
        end = high + reach
        drawn.set_xlim(low - reach, end)
        for place, value in enumerate(values):
            if not math.isnan(value):
                drawn.barh(
                    place, end if math.isinf(value) else value, height=0.55, color=BLUE, gid="bar"
                )
            if math.isinf(value):
                drawn.plot(end, place, ">", ms=8, color=BLUE, clip_on=False, gid="unbounded")
        drawn.axvline(0, color=ink(), lw=0.9)
        for guide in how.marks:
            drawn.axvline(guide, color=GRAY, lw=0.8, ls=":")

    known = [value for value in values if math.isfinite(value)]
    return draw_rows(ax, rows, replace(how, marks=(0.0, *how.marks, *known)), head, add)
