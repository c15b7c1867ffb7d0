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
from mse.answer.intervals import DEFAULT_LEVEL, GIVEN_MODEL, GIVEN_PRIOR, REPEATED, RESELECTED
from mse.answer.method import ALIKE
from mse.answer.population import PopulationEstimate, kind_of, publications
from mse.answer.shown import (
    Section,
    bounded,
    filled,
    layout,
    persons,
    registered,
    share,
    words_for,
)
from mse.comparing import Comparison
from mse.errors import ModelError
from mse.messages import MARK, SOURCE, Message
from mse.words.catalogue import EXACT, language_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    import pandas as pd

    from mse.answer.intervals import ModelRange
    from mse.answer.rounding import Grid
    from mse.sensitivity import NearModels
    from mse.words.catalogue import Language
    from mse.words.content import Cell

#: More strata than this are shown one covariate at a time.
_MAX_STRATA = 24
_EN = language_of(SOURCE)
#: What the summary says at length of what an interval takes for granted.
_AT_LENGTH = (GIVEN_MODEL, RESELECTED, REPEATED, GIVEN_PRIOR)
#: What a figure of a lower bound is.
AT_LEAST = (
    'Where a total reads "at least", it is a lower bound: the method aims at what the population has at least, '
    "and not at the population itself."
)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else text + "."


# What summaries and reports say alike ------------------------------------------------------------


def dependence_in_words(model: str, lists: Sequence[str]) -> str:
    """Say which lists a model in bracket notation lets depend on each other.

    model: bracket notation by position, ``"[12,3]"``; anything else gives an empty string
    lists: names of the lists

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
    joint = [
        Message("model.together", lists=[lists[at] for at in part])
        for part in generators
        if len(part) > 1
    ]
    return Message("joined.series", parts=joint) if joint else Message("model.independent")


def figures(
    say: Language, estimate: PopulationEstimate, level: float
) -> Iterator[tuple[str, str, Cell]]:
    """Name and give total, hidden number and share registered, each interval before its point."""
    n, (low, high) = estimate.observed, estimate.interval(level)
    shares = (n / high, n / low) if low > 0 and not math.isnan(high) else (math.nan, math.nan)
    down = -estimate.lower_bound
    cells = {
        "total_interval": say.span_cell(low, high, n),
        **_if_alike(say, estimate, level),
        "total_point": say.count_cell(estimate.total, say.grid(low, high, n), down),
        "hidden_interval": say.span_cell(low - n, high - n),
        "hidden_point": say.count_cell(estimate.hidden, say.grid(low - n, high - n), down),
        "share_interval": say.share_span_cell(*shares),
        "share_point": say.share_cell(estimate.coverage, say.share_grid(*shares), -down),
    }
    for part, cell in cells.items():
        yield part, say(f"fact.{part}", level=say.level(level)), cell


def _if_alike(say: Language, estimate: PopulationEstimate, level: float) -> dict[str, Cell]:
    """Give the interval of the total that takes people for alike, beside one that allows for others."""
    if estimate.allowing is None:
        return {}
    return {"alike_interval": say.span_cell(*estimate.interval(level, "alike"), estimate.observed)}


def range_said(
    say: Language, spread: ModelRange | NearModels, low: float, high: float, grid: Grid = EXACT
) -> Iterator[str]:
    """Say how far the totals of the models near the best one reach, and how many of them have none.

    grid: what the interval of the estimate bears
    """
    if low != high:
        low, high = grid.ends(low, high)
    near = say("models.near", within=spread.within, criterion=spread.criterion)
    if spread.n_models == 0:
        yield say("models.none", near=near)
    elif say.number(low) == say.number(high):
        yield say("models.same", n=spread.n_models, near=near, total=say.number(grid.point(low)))
    else:
        shown = say("number.span", low=say.number(low), high=say.number(high))
        yield say("models.range", n=spread.n_models, near=near, span=shown)
    if spread.n_not_estimable:
        yield say("models.failed", n=spread.n_not_estimable)


def fit_record(estimate: PopulationEstimate) -> Mapping[str, Any] | None:
    """Find the test of fit of the model that an estimate names; None where there was none."""
    record: Mapping[str, Any] | None = estimate.provenance.get("fit")
    return record


def further_warnings(estimate: PopulationEstimate) -> tuple[str, ...]:
    """Drop the warnings that stand beside the status already."""
    return tuple(each for each in estimate.warnings if each != estimate.reason)


def at_length(given: str) -> str:
    """Key of the sentences on what an interval takes for granted; empty where there are none."""
    said = Message.known(given)
    return said.key.replace("given.", "conditions.") if isinstance(said, Message) else ""


def drew_registered_only(estimate: PopulationEstimate) -> bool:
    """Whether the replicates of a bootstrap held the number of registered persons fixed."""
    drawn = estimate.provenance.get("bootstrap")
    return isinstance(drawn, Mapping) and drawn.get("resampling") == "multinomial"


def kind_of_parts(estimate: PopulationEstimate) -> tuple[str, str]:
    """Kind of the intervals by stratum and what they take for granted: that of the total need not hold."""
    strata = estimate.strata
    if estimate.allowing is not None:
        return estimate.interval_kind, estimate.interval_given
    if strata is not None and strata.intervals is not None:
        return strata.intervals.kind, estimate.interval_given
    if estimate.stratum_draws is not None:
        return estimate.interval_kind, estimate.interval_given
    if strata is not None and strata.covariance is not None:
        return "lognormal", GIVEN_MODEL
    return "", ""


# Sections of an estimate -------------------------------------------------------------------------


@words_for(PopulationEstimate)
def population_sections(estimate: PopulationEstimate, level: float) -> list[Section]:
    """All parts of the summary of an estimate, in the order in which they are read."""
    ends = estimate.interval(level)
    return filled(
        Section("Question", paragraphs=(_question(estimate),)),
        _answer(estimate, ends, level),
        Section("What the interval takes for granted", paragraphs=_conditions(estimate, ends)),
        _disagreement(estimate.model_range, ends),
        _strata(estimate, level),
        Section("Assumptions", bullets=estimate.assumptions),
        Section("Warnings", bullets=further_warnings(estimate)),
        Section("References", bullets=publications([estimate])),
        Section("Data", rows=data_rows(estimate)),
    )


def _question(estimate: PopulationEstimate) -> str:
    info = estimate.info
    subject = info.population or ANYBODY
    details = [detail for detail in (info.period, info.scope) if detail and detail not in subject]
    scope = f" ({'; '.join(details)})" if details else ""
    one = len(estimate.lists) == 1
    where, lists = ("seen or not", "The register") if one else ("on a list or on none", "The lists")
    return f"How many were there in total, {where}: {subject}{scope}? {lists}: {', '.join(estimate.lists)}."


#: Whom a table without a description is about.
ANYBODY = "members of the population covered by the lists"


def _answer(estimate: PopulationEstimate, ends: tuple[float, float], level: float) -> Section:
    rows = [(_EN("fact.observed"), registered(estimate.observed))]
    if estimate.status == "suppressed":
        rows.append(("Estimated total", f"{MARK}: not shown, to protect persons"))
    elif math.isnan(estimate.hidden):
        rows.append(("Estimated total", "none: the data do not determine it"))
    else:
        rows += _figures(estimate, ends, level)
    record = fit_record(estimate)
    said = {
        "method": estimate.method,
        "model": estimate.model,
        "dependence": dependence_in_words(estimate.model, estimate.lists),
        "fit": fit_in_words(record) if record else "",
        "status": _status(estimate),
        "grade": _EN.graded(estimate.grade) if estimate.grade.letter else "",
    }
    rows += [(_EN(f"fact.{name}"), text) for name, text in said.items()]
    return Section("Answer", rows=tuple(row for row in rows if row[1]))


def _figures(
    estimate: PopulationEstimate, ends: tuple[float, float], level: float
) -> list[tuple[str, str]]:
    """Total, hidden and coverage, with the range of totals beside the interval."""
    rows = {}
    for part, name, cell in figures(_EN, estimate, level):
        head, comma, rest = name.partition(",")
        bound = f" (at {'most' if part.startswith('share') else 'least'})" * estimate.lower_bound
        rows[part] = (f"{head}{bound}{comma}{rest}", cell.text)
    spread = estimate.model_range
    for part, which in (("total_interval", estimate), ("alike_interval", estimate.alike)):
        note = kind_of(which)
        if part in rows and note and not math.isnan(ends[0]):
            rows[part] = (rows[part][0], f"{rows[part][1]} ({note})")
    if spread is None or spread.n_models < 2:
        return [*rows.values()]
    at = [*rows].index("total_point")
    total = rows["total_point"][0].replace("point", "defensible models")
    shown = (total, _EN.span(spread.low, spread.high))
    return [*[*rows.values()][:at], shown, *[*rows.values()][at:]]


def _status(estimate: PopulationEstimate) -> str:
    words = {
        "ok": "estimated",
        "boundary": "estimated, on the boundary of the model",
        "not_estimable": "not estimable",
        "not_converged": "the computation failed",
        "suppressed": "suppressed, to protect persons",
    }[estimate.status]
    return f"{words}. {_sentence(estimate.reason)}" if estimate.reason else words


def _conditions(estimate: PopulationEstimate, ends: tuple[float, float]) -> tuple[str, ...]:
    if math.isnan(ends[0]):
        return ()
    given = estimate.interval_given
    text = _sentence(f"The interval takes for granted: {given}") if given else ""
    if given in _AT_LENGTH:
        text = _EN(at_length(given))
    if estimate.allowing is not None:
        other = estimate.alike
        said = (_EN("conditions.alike"), *_conditions(other, other.interval(DEFAULT_LEVEL)))
        return text, " ".join(said)
    fixed = _EN("conditions.n_fixed") if drew_registered_only(estimate) else ""
    return tuple(part for part in (text, fixed) if part)


def _disagreement(spread: ModelRange | None, ends: tuple[float, float]) -> Section:
    heading = _EN("heading.models")
    if spread is None:
        return Section(heading)
    said = [*range_said(_EN, spread, spread.low, spread.high)]
    if spread.n_models == 0:
        return Section(heading, paragraphs=tuple(said[:1]))
    paragraphs = [" ".join(said)]
    if spread.low < ends[0] or spread.high > ends[1]:
        paragraphs.append(_EN("models.wider"))
    return Section(heading, paragraphs=(*paragraphs, ALIKE))


def _strata(estimate: PopulationEstimate, level: float) -> Section:
    if estimate.strata is None:
        return Section("By stratum")
    strata = estimate.strata
    columns = [strata.names] if len(strata.cells) <= _MAX_STRATA else [(n,) for n in strata.names]
    tables = [text for names in columns for text in _published(estimate, names, level)]
    kind, given = kind_of_parts(estimate)
    note = ", ".join(part for part in (_EN.kind(kind), given) if part)
    note = f" ({note})" if note else ""
    bound = " (at least)" * estimate.lower_bound
    heading = f"By {' and '.join(strata.names)}, estimated{bound}, {100 * level:g}% intervals{note}"
    return Section(heading, verbatim="\n\n".join(tables))


def _published(estimate: PopulationEstimate, names: tuple[str, ...], level: float) -> Iterator[str]:
    """Lay out the estimates by some covariates, where those of a protected one are published."""
    try:
        yield _layout(estimate.margin(*names, level=level))
    except ModelError:
        return


def _layout(frame: pd.DataFrame) -> str:
    """Lay a table of estimates out in fixed-width text, intervals before points."""
    shown = frame.assign(coverage=[share(value) for value in frame["coverage"]])
    for column in ("observed", "low", "high", "total", "hidden"):
        shown[column] = [_figure(value) for value in frame[column].astype("float64")]
    shown["observed"] = shown["observed"].mask(frame["observed"].isna(), MARK)
    estimated = ["low", "high", "total", "hidden", "coverage", "grade"]
    shown["grade"] = shown["grade"].replace("", "-")
    shown[estimated] = shown[estimated].mask(frame["status"] == "suppressed", MARK)
    head = [column for column in frame if column not in (*_FIGURES, "limit")]
    return shown[[*head, *_FIGURES]].to_string(index=False)


_FIGURES = ("observed", "low", "high", "total", "hidden", "coverage", "grade", "status")


def _figure(value: float) -> str:
    return "no bound" if math.isinf(value) else _EN.number(value)


def data_rows(estimate: PopulationEstimate) -> tuple[tuple[str, str], ...]:
    """Say which table an estimate is from."""
    info = estimate.info
    rows = [("Table", info.name), ("Source", info.source), ("Notes", info.notes)]
    return tuple((label, text) for label, text in rows if text)


# Sections of a comparison ------------------------------------------------------------------------


@words_for(Comparison)
def comparison_sections(comparison: Comparison, level: float) -> list[Section]:
    """All parts of the summary of a comparison of estimators on one table."""
    estimates = comparison.populations
    first = estimates[0]
    head = (f"{100 * level:g}% interval", "point", "method", "model", "fit", "status")
    rows = [
        (
            _EN.span(*each.interval(level)),
            _point(each),
            each.method,
            each.model or "-",
            short_fit(each),
            each.status,
        )
        for each in estimates
    ]
    given = tuple(dict.fromkeys(text for each in estimates for text in _given_for(each, level)))
    return filled(
        Section("Question", paragraphs=(_question(first),)),
        Section("Registered", paragraphs=(f"{registered(first.observed)} on at least one list.",)),
        Section(_EN("caption.comparison"), verbatim=layout(head, rows)),
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
        Section("Data", rows=data_rows(first)),
    )


def _point(estimate: PopulationEstimate) -> str:
    if math.isnan(estimate.total):
        return MARK if estimate.status == "suppressed" else "-"
    return bounded(persons(estimate.total), lower_bound=estimate.lower_bound)


def _given_for(estimate: PopulationEstimate, level: float) -> Iterable[str]:
    for text in _conditions(estimate, estimate.interval(level)):
        kind = _EN.kind(estimate.interval_kind)
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
