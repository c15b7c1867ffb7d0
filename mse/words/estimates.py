"""Summaries of estimates and comparisons, section by section.

An interval stands before the point, figures are called estimated, and each summary says what its
interval takes for granted. The classes described know nothing of this module: they find their words
when they are first asked for, see `mse.answer.shown`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mse.answer.goodness import MISFIT, NOTHING_LEFT, TWO_LISTS, fit_in_words, fits_poorly, short_p
from mse.answer.method import ALIKE
from mse.answer.population import _KINDS, PopulationEstimate, kind_of, publications
from mse.answer.shown import MARK, Section, bounded, persons, registered, words_for
from mse.comparing import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    import pandas as pd

    from mse.answer.intervals import ModelRange

#: More strata than this are shown one covariate at a time.
_MAX_STRATA = 24


#: What an interval leaves out whose replicates draw only the registered persons.
N_FIXED = (
    "Only the registered persons were drawn again, their number fixed, as is usually published. The "
    "interval leaves out the chance in how many of all persons are registered, so it is too narrow where "
    "lists see much."
)

#: What a figure of a lower bound is.
AT_LEAST = (
    'Where a total reads "at least", it is a lower bound: the method aims at what the population has at least, '
    "and not at the population itself."
)

_GIVEN = {
    "given the model": (
        "The interval is conditional on the model, as if it had been known beforehand to be "
        "right. It holds the chance in who came onto the lists, not the uncertainty about the "
        "model, and it rests on the assumptions named."
    ),
    "the model re-selected in every replicate": (
        "The model was selected anew in every replicate: the interval holds both the chance in "
        "who came onto the lists and the choice among the models searched. It rests on the "
        "assumptions named."
    ),
    "the method repeated in every replicate": (
        "The method was repeated in every replicate: the interval holds the chance in who came "
        "onto the lists and whatever the method reads off the data. It rests on the assumptions "
        "named."
    ),
}


# Words for figures -------------------------------------------------------------------------------


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _span(low: float, high: float) -> str:
    if math.isnan(low):
        return "no interval"
    if math.isinf(high):
        return f"at least {persons(low)}, no upper bound"
    return f"{persons(low)} to {'no upper bound' if math.isnan(high) else persons(high)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else text + "."


def dependence_in_words(model: str, lists: Sequence[str]) -> str:
    """Say which lists a model in bracket notation lets depend on each other.

    Parameters
    ----------
    model : str
        Bracket notation by position, ``"[12,3]"``; anything else gives an empty string.
    lists : sequence of str
        Names of the lists.

    Examples
    --------
    >>> dependence_in_words("[12,3]", ["police", "care", "other"])
    'police with care'
    >>> dependence_in_words("[1,2]", ["police", "care"])
    'none: the lists are taken as independent'
    """
    if not re.fullmatch(r"\[[1-9]+(,[1-9]+)*\]", model):
        return ""
    generators = [[int(digit) - 1 for digit in part] for part in model[1:-1].split(",")]
    if any(position >= len(lists) for generator in generators for position in generator):
        return ""
    joint = [" with ".join(lists[at] for at in part) for part in generators if len(part) > 1]
    return "; ".join(joint) or "none: the lists are taken as independent"


# Sections of an estimate -------------------------------------------------------------------------


@words_for(PopulationEstimate)
def population_sections(estimate: PopulationEstimate, level: float) -> list[Section]:
    """All parts of the summary of an estimate, in the order in which they are read."""
    ends = estimate.interval(level)
    sections = [
        Section("Question", paragraphs=(_question(estimate),)),
        _answer(estimate, ends, level),
        Section("What the interval takes for granted", paragraphs=_conditions(estimate, ends)),
        _disagreement(estimate.model_range, ends),
        _strata(estimate, level),
        Section("Assumptions", bullets=estimate.assumptions),
        Section("Warnings", bullets=_further_warnings(estimate)),
        Section("References", bullets=publications([estimate])),
        Section("Data", rows=_data(estimate)),
    ]
    return [
        part for part in sections if part.rows or part.paragraphs or part.bullets or part.verbatim
    ]


def _question(estimate: PopulationEstimate) -> str:
    info = estimate.info
    subject = info.population or "members of the population covered by the lists"
    details = [detail for detail in (info.period, info.scope) if detail and detail not in subject]
    scope = f" ({'; '.join(details)})" if details else ""
    return (
        f"How many were there in total, on a list or on none: {subject}{scope}? "
        f"The lists: {', '.join(estimate.lists)}."
    )


def _answer(estimate: PopulationEstimate, ends: tuple[float, float], level: float) -> Section:
    rows = [("Registered, on at least one list", registered(estimate.observed))]
    if estimate.status == "suppressed":
        rows.append(("Estimated total", f"{MARK}: not shown, to protect persons"))
    elif math.isnan(estimate.hidden):
        rows.append(("Estimated total", "none: the data do not determine it"))
    else:
        rows += _figures(estimate, ends, level)
    rows += [("Method", estimate.method), ("Model", estimate.model)]
    rows.append(("Dependence modeled", dependence_in_words(estimate.model, estimate.lists)))
    rows.append(("Fit of the model", _fit(estimate)))
    rows.append(("Status", _status(estimate)))
    return Section("Answer", rows=tuple(row for row in rows if row[1]))


def _figures(
    estimate: PopulationEstimate, ends: tuple[float, float], level: float
) -> list[tuple[str, str]]:
    """Total, hidden and coverage: each interval before its point."""
    low, high = ends
    n = estimate.observed
    percent = f"{100 * level:g}% interval"
    note = kind_of(estimate)
    note = f" ({note})" if note and not math.isnan(low) else ""
    coverage = "no interval"
    if low > 0 and not math.isnan(high):
        coverage = f"{_percent(n / high)} to {_percent(n / low)}"
    spread, bound = estimate.model_range, estimate.lower_bound
    total, hidden = (f"Estimated {part}{' (at least)' * bound}" for part in ("total", "hidden"))
    share = f"Estimated share registered{' (at most)' * bound}"
    return [
        (f"{total}, {percent}", _span(low, high) + note),
        *(
            [(f"{total}, defensible models", _span(spread.low, spread.high))]
            if spread and spread.n_models > 1
            else []
        ),
        (f"{total}, point", persons(estimate.total)),
        (f"{hidden}, {percent}", _span(low - n, high - n)),
        (f"{hidden}, point", persons(estimate.hidden)),
        (f"{share}, {percent}", coverage),
        (f"{share}, point", _percent(estimate.coverage)),
    ]


def _status(estimate: PopulationEstimate) -> str:
    words = {
        "ok": "estimated",
        "boundary": "estimated, on the boundary of the model",
        "not_estimable": "not estimable",
        "not_converged": "the computation failed",
        "suppressed": "suppressed, to protect persons",
    }[estimate.status]
    return f"{words}. {_sentence(estimate.reason)}" if estimate.reason else words


def _fit(estimate: PopulationEstimate) -> str:
    record = fit_record(estimate)
    return fit_in_words(record) if record else ""


def fit_record(estimate: PopulationEstimate) -> Mapping[str, Any] | None:
    """Find the test of fit of the model that an estimate names; None where there was none."""
    record: Mapping[str, Any] | None = estimate.provenance.get("fit")
    return record


def _further_warnings(estimate: PopulationEstimate) -> tuple[str, ...]:
    """Drop the warnings that stand beside the status already."""
    return tuple(each for each in estimate.warnings if each != estimate.reason)


def _conditions(estimate: PopulationEstimate, ends: tuple[float, float]) -> tuple[str, ...]:
    if math.isnan(ends[0]):
        return ()
    given = estimate.interval_given
    text = _GIVEN.get(given, _sentence(f"The interval takes for granted: {given}") if given else "")
    return tuple(part for part in (text, N_FIXED if drew_registered_only(estimate) else "") if part)


def drew_registered_only(estimate: PopulationEstimate) -> bool:
    """Whether the replicates of a bootstrap held the number of registered persons fixed."""
    drawn = estimate.provenance.get("bootstrap")
    return isinstance(drawn, Mapping) and drawn.get("resampling") == "multinomial"


def _disagreement(spread: ModelRange | None, ends: tuple[float, float]) -> Section:
    heading = "How far defensible models disagree"
    if spread is None:
        return Section(heading)
    near = f"within {spread.within:g} of the best {spread.criterion}"
    failed = _determines_none(spread.n_not_estimable)
    if spread.n_models == 0:
        return Section(heading, paragraphs=(f"No model {near} determines a total.",))
    models = _count(spread.n_models, "model")
    verb = "gives" if spread.n_models == 1 else "give"
    text = [f"The {models} {near} {verb} {_between(spread)}."]
    if spread.n_not_estimable:
        text.append(f"As near, {failed}.")
    paragraphs = [" ".join(text)]
    if spread.low < ends[0] or spread.high > ends[1]:
        paragraphs.append(
            "WARNING: these models disagree by more than the interval shows. The choice of model "
            "is part of the uncertainty: publish this range beside the interval, or neither."
        )
    paragraphs.append(ALIKE)
    return Section(heading, paragraphs=tuple(paragraphs))


def _determines_none(number: int) -> str:
    return f"{_count(number, 'model')} {'determines' if number == 1 else 'determine'} no total"


def _between(spread: ModelRange) -> str:
    low, high = persons(spread.low), persons(spread.high)
    return f"a total of {low}" if low == high else f"totals from {low} to {high}"


def _strata(estimate: PopulationEstimate, level: float) -> Section:
    if estimate.strata is None:
        return Section("By stratum")
    strata = estimate.strata
    columns = [strata.names] if len(strata.cells) <= _MAX_STRATA else [(n,) for n in strata.names]
    tables = [_layout(estimate.margin(*names, level=level)) for names in columns]
    note = ", ".join(filter(None, (_KINDS.get(part, part) for part in kind_of_parts(estimate))))
    note = f" ({note})" if note else ""
    bound = " (at least)" * estimate.lower_bound
    heading = f"By {' and '.join(strata.names)}, estimated{bound}, {100 * level:g}% intervals{note}"
    return Section(heading, verbatim="\n\n".join(tables))


def kind_of_parts(estimate: PopulationEstimate) -> tuple[str, str]:
    """Kind of the intervals by stratum and what they take for granted: that of the total need not hold."""
    strata = estimate.strata
    if strata is not None and strata.intervals is not None:
        return strata.intervals.kind, estimate.interval_given
    if estimate.stratum_draws is not None:
        return estimate.interval_kind, estimate.interval_given
    if strata is not None and strata.covariance is not None:
        return "lognormal", "given the model"
    return "", ""


def _layout(frame: pd.DataFrame) -> str:
    """Lay a table of estimates out in fixed-width text, intervals before points."""
    shown = frame.assign(coverage=[_share(value) for value in frame["coverage"]])
    for column in ("observed", "low", "high", "total", "hidden"):
        shown[column] = [_figure(value) for value in frame[column].astype("float64")]
    shown["observed"] = shown["observed"].mask(frame["observed"].isna(), MARK)
    estimated = ["low", "high", "total", "hidden", "coverage"]
    shown[estimated] = shown[estimated].mask(frame["status"] == "suppressed", MARK)
    head = [column for column in frame if column not in (*_FIGURES, "limit")]
    return shown[[*head, *_FIGURES]].to_string(index=False)


_FIGURES = ("observed", "low", "high", "total", "hidden", "coverage", "status")


def _figure(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "no bound" if math.isinf(value) else f"{value:,.0f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else _percent(value)


def _data(estimate: PopulationEstimate) -> tuple[tuple[str, str], ...]:
    info = estimate.info
    rows = [("Table", info.name), ("Source", info.source), ("Notes", info.notes)]
    return tuple((label, text) for label, text in rows if text)


# Sections of a comparison ------------------------------------------------------------------------


@words_for(Comparison)
def comparison_sections(comparison: Comparison, level: float) -> list[Section]:
    """All parts of the summary of a comparison of estimators on one table."""
    estimates = comparison.populations
    first = estimates[0]
    table = _columns(
        (f"{100 * level:g}% interval", "point", "method", "model", "fit", "status"),
        [
            (
                _span(*estimate.interval(level)),
                _point(estimate),
                estimate.method,
                estimate.model or "-",
                short_fit(estimate),
                estimate.status,
            )
            for estimate in estimates
        ],
    )
    given = tuple(dict.fromkeys(text for each in estimates for text in _given_for(each, level)))
    sections = [
        Section("Question", paragraphs=(_question(first),)),
        Section("Registered", paragraphs=(f"{registered(first.observed)} on at least one list.",)),
        Section("Estimated total, by method", verbatim=table),
        Section(
            "How far the methods disagree", paragraphs=(*_spread(estimates), *_bounds(estimates))
        ),
        Section("How the models fit", bullets=_misfits(estimates)),
        Section("What the intervals take for granted", paragraphs=given),
        Section("Not estimated", bullets=_failures(estimates)),
        Section(
            "Not for such a table",
            bullets=tuple(f"{name}: {why}" for name, why in comparison.left_out.items()),
        ),
        Section("References", bullets=publications(estimates)),
        Section("Data", rows=_data(first)),
    ]
    return [
        part for part in sections if part.rows or part.paragraphs or part.bullets or part.verbatim
    ]


def _point(estimate: PopulationEstimate) -> str:
    if math.isnan(estimate.total):
        return MARK if estimate.status == "suppressed" else "-"
    return bounded(persons(estimate.total), lower_bound=estimate.lower_bound)


def _given_for(estimate: PopulationEstimate, level: float) -> Iterable[str]:
    for text in _conditions(estimate, estimate.interval(level)):
        kind = _KINDS.get(estimate.interval_kind, estimate.interval_kind)
        yield f"{kind[:1].upper()}{kind[1:]} intervals: {text}"


def _spread(estimates: Sequence[PopulationEstimate]) -> tuple[str, ...]:
    totals = [each.total for each in estimates if not math.isnan(each.total)]
    if len(totals) < 2:
        return ()
    low, high = min(totals), max(totals)
    rest = "They rest on different assumptions; neither a narrow interval nor agreement makes a method right."
    if any(len(each.lists) == 2 for each in estimates):
        rest = "With two lists they all have to assume how these depend on each other; their agreement says nothing about it."
    return (
        (
            f"The {len(totals)} estimates of the total lie between {persons(low)} and {persons(high)}, "
            f"a factor of {_factor(low, high)} apart. {rest}"
        ),
    )


def _bounds(estimates: Sequence[PopulationEstimate]) -> tuple[str, ...]:
    """Say what "at least" means, where a total is a lower bound."""
    some = any(each.lower_bound and not math.isnan(each.total) for each in estimates)
    return (AT_LEAST,) * some


def _factor(low: float, high: float) -> str:
    """Write how far apart two totals are; close ones with the decimals that tell them apart."""
    return f"{high / low:.2g}" if high >= 1.1 * low else f"{high / low:.2f}"


def short_fit(estimate: PopulationEstimate) -> str:
    """Say in a cell of a table how the model fits."""
    record = fit_record(estimate)
    if record is None:
        return "-"
    if not record["df"]:
        return "no test"
    return f"{'poor, ' if fits_poorly(record) else ''}p {short_p(record['p_value'])}"


def _misfits(estimates: Sequence[PopulationEstimate]) -> tuple[str, ...]:
    """Say which models do not fit, and of which nothing can be tested."""
    found = []
    for each in estimates:
        record = fit_record(each)
        if record is None:
            continue
        name = f"{each.method}{f', {each.model}' if each.model else ''}"
        if not record["df"]:
            found.append(f"{name}: {NOTHING_LEFT}")
        elif fits_poorly(record):
            found.append(f"{name}: {fit_in_words(record)} {MISFIT}")
    if any(len(each.lists) == 2 for each in estimates):
        found.append(TWO_LISTS)
    return tuple(dict.fromkeys(found))


def _failures(estimates: Sequence[PopulationEstimate]) -> tuple[str, ...]:
    return tuple(
        f"{each.method}{f', {each.model}' if each.model else ''}: {_status(each)}"
        for each in estimates
        if math.isnan(each.total)
    )


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)


# Layout ------------------------------------------------------------------------------------------
