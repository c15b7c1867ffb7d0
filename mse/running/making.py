"""From the inputs of a run to results, and to the files that leave."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mse.answer.intervals import STORED_LEVELS
from mse.answer.shown import csv_text
from mse.comparing import compare, seeded
from mse.data.persons import PersonTable
from mse.errors import ModelError
from mse.monitoring import Monitor, monitor
from mse.reporting.building import build_report, shielded
from mse.reporting.context import gather
from mse.reporting.usual import usual_results
from mse.reporting.writing import as_bytes, form_of
from mse.running.configuration import Configuration
from mse.running.folder import RESULT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mse._typing import Level
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable
    from mse.reporting.context import Evidence
    from mse.running.folder import Inputs


#: What computes a step; it is told a folder that finished parts of it are kept in, or None.
Compute: TypeAlias = "Callable[[Path | None], Any]"
#: What takes a step: its name, what it depends on besides the table, and what computes it.
Step: TypeAlias = "Callable[[str, Mapping[str, Any], Compute], Any]"


def directly(name: str, key: Mapping[str, Any], compute: Compute) -> Any:
    """Compute a step, whatever was computed before."""
    del name, key
    return compute(None)


def results_of(inputs: Inputs, step: Step = directly) -> list[Any]:
    """Estimate what a configuration asks for.

    inputs: of the run
    step: takes each step
    """
    asked = Configuration.of(inputs.configuration)
    key = {
        **{name: inputs.configuration[name] for name in ("method", "scope")},
        "period": asked.period,
        "seed": inputs.seed,
        "inhabitants": None if inputs.inhabitants is None else inputs.inhabitants.to_csv(),
    }
    # Named where they are asked for only: what was computed without them stands.
    if inputs.regions is not None:
        key["regions"] = inputs.regions.to_csv()
    if inputs.nowcast is not None:
        key["completed"] = [each.fingerprint for each in inputs.nowcast.completed]
    if is_monitored(asked, inputs.table):
        found = [step("the monitor", key, lambda kept: _monitor(inputs, asked, kept)), inputs.table]
        if asked.method.estimators:
            others: dict[str, Any] = {"estimators": asked.method.estimators}
            if inputs.rules.suppresses:
                others["seed"] = inputs.seed
            found.append(
                step(
                    "other methods", others, lambda _: compare(inputs.table, _others(inputs, asked))
                )
            )
    else:
        found = step("the estimate, other methods, checks", key, lambda _: _usual(inputs, asked))
    return [*found, *([inputs.since] if inputs.since is not None else [])]


def is_monitored(asked: Configuration, table: CaptureTable) -> bool:
    """Whether there are figures by period, or one total."""
    if asked.period is not None and asked.period in table.covariates:
        return True
    if asked.method.groups or asked.scope.breaks or asked.method.place or asked.scope.as_of:
        raise ModelError(
            "[method] groups and place, and [scope] breaks and as_of, are of a monitor: name the period in [data]."
        )
    return False


def _monitor(inputs: Inputs, asked: Configuration, kept: Path | None) -> Monitor:
    method, table = asked.method, inputs.table
    period = str(asked.period)
    chosen = model_of(asked)
    return monitor(
        table if inputs.nowcast is None else inputs.nowcast,
        period,
        method.groups,
        chosen or method.estimator,  # type: ignore[arg-type]
        method.replicates,
        inputs.seed,
        criterion=method.criterion,  # type: ignore[arg-type]
        trend=method.trend if chosen is None else None,
        rates=inputs.inhabitants,
        place=method.place,
        regions=inputs.regions,
        level=method.level,
        scope=_scopes(asked, table, period),
        across_scopes=asked.scope.across,
        n_jobs=asked.output.workers,
        progress=False,
        heterogeneity=method.heterogeneity,
        # Of tables that were completed each has draws of its own, which are not taken up where they were stopped.
        checkpoint=kept if inputs.nowcast is None else None,
    )


def _others(inputs: Inputs, asked: Configuration) -> list[Estimator | str]:
    """Further methods beside it; under rules that suppress they draw from the secret seed, as all that draws."""
    named = asked.method.estimators
    return [*(seeded(named, inputs.table, inputs.seed) if inputs.rules.suppresses else named)]


def model_of(asked: Configuration) -> Estimator | None:
    """Make the model that was named; None for the default search."""
    from mse.loglinear import LogLinear

    method = asked.method
    return None if method.model is None else LogLinear(method.model, trend=method.trend)


def _scopes(asked: Configuration, table: CaptureTable, period: str) -> dict[Any, str] | None:
    """Name the scope from each break on, by the levels of the table."""
    if not asked.scope.breaks:
        return None
    firsts = levels_of(table, period, list(asked.scope.breaks), "breaks")
    return dict(zip(firsts, asked.scope.breaks.values(), strict=True))


def categories_of(table: Any) -> Mapping[str, tuple[Level, ...]]:
    """Levels of the covariates of a table that are categories."""
    known: Mapping[str, tuple[Level, ...]] = (
        table.levels if isinstance(table, PersonTable) else table.covariates
    )
    return known


def levels_of(table: CaptureTable, axis: str, names: list[Any], key: str) -> list[Any]:
    """Find levels of a covariate that are written as text or as numbers."""
    from mse.data.checks import listed

    levels = {str(each): each for each in categories_of(table).get(axis, ())}
    unknown = [each for each in names if str(each) not in levels]
    if unknown:
        raise ModelError(
            f"[scope] {key} names {unknown[0]!r}, which is no {axis} in the table: there are "
            f"{listed(levels, 12) if levels else 'none'}."
        )
    return [levels[str(each)] for each in names]


def _usual(inputs: Inputs, asked: Configuration) -> list[Any]:
    method = asked.method
    if method.model is not None or method.criterion != "bic" or method.trend:
        raise ModelError(
            "[method] model, criterion and trend are of a monitor; for one total write them as estimators: "
            "estimators = [\"LogLinear('[12,3]')\"]."
        )
    return usual_results(
        inputs.table,
        replicates=method.replicates,
        seed=inputs.seed,
        n_jobs=asked.output.workers,
        progress=False,
        estimators=_others(inputs, asked),
        heterogeneity=method.heterogeneity,
    )


# Files that leave ---------------------------------------------------------------------------------


def outputs_of(inputs: Inputs, results: list[Any]) -> dict[str, bytes]:
    """Make the files that leave, as they are written, all of them protected together."""
    return figures_of(inputs, leaving(inputs, results)) | reports_of(inputs, results)


def reports_of(inputs: Inputs, results: list[Any]) -> dict[str, bytes]:
    """Make the reports, in every language and form that is asked for."""
    asked = Configuration.of(inputs.configuration)
    output = asked.output
    files: dict[str, bytes] = {}
    for language in output.languages:
        report = build_report(
            results,
            language=language,
            disclosure=inputs.rules,
            title=asked.about.title,
            level=asked.method.level,
            date=dt.date.fromisoformat(inputs.date),
            figures=output.figures,
        )
        stem = "report" if len(output.languages) == 1 else f"report-{language}"
        for form in output.reports:
            name = f"{stem}.{form}"
            files[name] = as_bytes(report, form_of(Path(name)))
    return files


def leaving(inputs: Inputs, results: list[Any]) -> Evidence:
    """Protect results as the report has them."""
    level = Configuration.of(inputs.configuration).method.level
    return shielded(gather(results), inputs.rules, level)[0]


def figures_of(inputs: Inputs, evidence: Evidence) -> dict[str, bytes]:
    """Write the result as JSON and CSV."""
    level = Configuration.of(inputs.configuration).method.level
    if evidence.monitors:
        shown = evidence.monitors[0]
        tables = {"figures.csv": shown.to_frame(), "changes.csv": shown.all_changes()}
        if shown.places is not None:
            tables["places.csv"] = shown.places.to_frame()
        data = shown.to_dict()
    else:
        population = evidence.groups[0].population
        tables = {"figures.csv": population.to_frame(level)}
        data = population.to_dict(levels={*STORED_LEVELS, level})
    text = json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    texts = {RESULT: text, **{name: csv_text(frame) for name, frame in tables.items()}}
    return {name: each.encode() for name, each in texts.items()}
