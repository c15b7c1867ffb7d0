"""The command ``mse``: estimates for pipelines and for people at a terminal.

Exit status: 0 with an estimate, 2 for bad input (with a message on the error stream that says what
to mend), 3 when nothing is estimable (the reason is printed all the same), 4 when `mse check` finds a
count that is given away, 5 when `mse verify` finds a run that does not come out the same. Output holds estimates
and counts, never rows of the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mse._schemas import SCHEMAS, schema
from mse.answer.shown import csv_text
from mse.cli.check import check_command
from mse.cli.monitor import monitor_command
from mse.cli.options import (
    NOT_ESTIMABLE,
    Criteria,
    CriterionName,
    DisclosureOption,
    Estimators,
    Form,
    Heterogeneity,
    Interval,
    Level,
    MaxOrder,
    Model,
    Models,
    NotOperating,
    OneCriterion,
    OneEstimator,
    Operating,
    Output,
    OutputFormat,
    Private,
    Replicates,
    Search,
    SeedOption,
    Source,
    Workers,
    bundle_for,
    held,
    json_text,
    operated,
    plain_errors,
    read_table,
    reason_of,
    released,
    rules_asked,
    suited_to,
    takes_table,
    write,
)
from mse.cli.reach import reach_command
from mse.cli.read import read_command
from mse.cli.report import report_command
from mse.cli.simulate import simulate_command
from mse.cli.year import (
    bundle_command,
    compare_runs_command,
    init_command,
    run_command,
    verify_command,
)
from mse.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator
    from mse.comparing import Criterion, Strategy
    from mse.data.table import CaptureTable

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    """Print the version and end."""
    if asked:
        from mse import __version__

        typer.echo(f"mse {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Estimate the size of a hidden population from overlapping lists."""


def example(text: str) -> str:
    """Write the example below the help of a command."""
    return f"Example: mse {text}"


# Commands ----------------------------------------------------------------------------------------


@app.command("estimate", epilog=example("estimate netherlands --seed 1"))
@takes_table
def estimate_command(
    source: Source,
    *,
    reading: Mapping[str, Any],
    operating: Operating = None,
    not_operating: NotOperating = None,
    model: Model = None,
    criterion: OneCriterion = CriterionName.bic,
    strategy: Search = None,
    max_order: MaxOrder = None,
    estimator: OneEstimator = None,
    interval: Interval = None,
    heterogeneity: Heterogeneity = None,
    replicates: Replicates = 1000,
    workers: Workers = -1,
    level: Level = 0.95,
    form: OutputFormat = Form.text,
    disclosure: DisclosureOption = None,
    private: Private = None,
    output: Output = None,
    seed: SeedOption = None,
) -> None:
    """Estimate how many persons there are in total, with an interval and the assumptions."""
    with plain_errors(disclosure):
        from mse.answer.intervals import STORED_LEVELS, check_level
        from mse.estimating import estimate

        check_level(level)
        rules = rules_asked(disclosure)
        bundle = bundle_for(rules, private)
        table = read_table(
            source, suited_to([estimator] if estimator else [], reading, source), rules
        )
        table = held(bundle, rules, operated(table, operating, not_operating))
        population = estimate(
            table,
            model=model,
            criterion=criterion.value,
            strategy=None if strategy is None else strategy.value,
            max_order=max_order,
            estimator=estimator
            if bundle is None or estimator is None
            else bundle.keyed([estimator], table, seed)[0],
            interval=None if interval is None else interval.value,
            replicates=replicates,
            seed=seed if bundle is None else bundle.seed(seed),
            n_jobs=workers,
            heterogeneity=heterogeneity,
        )
        if seed is not None and bundle is None:
            population = replace(population, provenance={**population.provenance, "seed": seed})
        levels = {*STORED_LEVELS, level}
        shown = released(population, rules, table=table, levels=levels)
        if bundle is not None and rules is not None:
            bundle.with_run(shown.to_dict(), rules, table, seed, [shown])
        write(_estimate_text(shown, form, level), output)
    _exit_unless_estimable([population], [shown])


@app.command("compare", epilog=example('compare netherlands --estimator "SampleCoverage()"'))
@takes_table
def compare_command(
    source: Source,
    *,
    reading: Mapping[str, Any],
    operating: Operating = None,
    not_operating: NotOperating = None,
    model: Models = None,
    criterion: Criteria = None,
    strategy: Search = None,
    max_order: MaxOrder = None,
    estimator: Estimators = None,
    level: Level = 0.95,
    form: OutputFormat = Form.text,
    disclosure: DisclosureOption = None,
    private: Private = None,
    output: Output = None,
    seed: SeedOption = None,
) -> None:
    """Put several methods side by side; without --estimator, --model and --criterion the usual ones."""
    with plain_errors(disclosure):
        from mse.answer.intervals import STORED_LEVELS, check_level
        from mse.comparing import compare

        check_level(level)
        rules = rules_asked(disclosure)
        bundle = bundle_for(rules, private)
        table = read_table(source, suited_to(estimator or (), reading, source), rules)
        table = held(bundle, rules, operated(table, operating, not_operating))
        chosen = _estimators(
            table,
            model or (),
            [each.value for each in criterion or ()],
            None if strategy is None else strategy.value,
            max_order,
            estimator or (),
        )
        comparison = compare(table, chosen if bundle is None else bundle.keyed(chosen, table, seed))
        shown = released(comparison, rules, levels={*STORED_LEVELS, level})
        if bundle is not None and rules is not None:
            bundle.with_run(shown.to_dict(), rules, table, seed, [shown])
        if form is Form.json:
            text = json_text(
                shown.to_dict(levels={*STORED_LEVELS, level})
                | ({} if rules is not None and rules.suppresses else {"seed": seed})
            )
        elif form is Form.csv:
            text = csv_text(shown.to_frame(level).reset_index())
        else:
            text = shown.summary(level)
        write(text, output)
    _exit_unless_estimable(comparison.populations, shown.populations)


app.command(
    "monitor",
    epilog=example("monitor registrations.csv --person id --register source --groups sex"),
)(monitor_command)


app.command("report", epilog=example("report persons.xlsx --options persons.toml -o report.html"))(
    report_command
)


app.command(
    "reach",
    epilog=example("reach group.csv register.csv --within 180D --by sex --missed 12/300"),
)(reach_command)
app.command("read", epilog=example("read persons.xlsx"))(read_command)
app.command(
    "init", epilog=example("init registrations.csv --period year --groups sex -o monitor.toml")
)(init_command)
app.command("run", epilog=example("run monitor.toml"))(run_command)
app.command("verify", epilog=example("verify results"))(verify_command)
app.command("bundle", epilog=example("bundle results --for-review -o review"))(bundle_command)
app.command("compare-runs", epilog=example("compare-runs results-2018 results-2019"))(
    compare_runs_command
)
app.command("check", epilog=example("check report.html figures.csv --disclosure cbs"))(
    check_command
)


@app.command("datasets", epilog=example("datasets --format csv"))
def datasets_command(*, form: OutputFormat = Form.text, output: Output = None) -> None:
    """List the bundled tables: name, lists, observed persons, source."""
    from mse.data.datasets import list_datasets

    with plain_errors():
        frame = list_datasets()
        if form is Form.json:
            text = json_text(frame.to_dict(orient="records"))
        elif form is Form.csv:
            text = csv_text(frame)
        else:
            text = _datasets_text(frame)
        write(text, output)


@app.command("schema", epilog=example("schema population"))
def schema_command(
    name: Annotated[
        str,
        typer.Argument(
            help=f"Schema: {', '.join(SCHEMAS)}; or a version, population-1.", metavar="NAME"
        ),
    ],
    *,
    output: Output = None,
) -> None:
    """Print a JSON schema of the output, which resolves by itself."""
    with plain_errors():
        write(json_text(schema(name)), output)


app.command(
    "simulate",
    epilog=example("simulate netherlands --years 2014-2018 --seed 1 -o registrations.csv"),
)(simulate_command)


def main() -> None:
    """Run the command."""
    app()


# Estimators --------------------------------------------------------------------------------------


def _estimators(
    table: CaptureTable,
    models: Sequence[str],
    criteria: Sequence[Criterion],
    strategy: Strategy | None,
    max_order: int | None,
    texts: Sequence[str],
) -> list[Estimator | str]:
    """Choose the estimators asked for; without any, those that are usually compared."""
    from mse.comparing import default_estimator, usual_estimators

    if not models and not criteria and not texts:
        return [*usual_estimators(table, strategy=strategy, max_order=max_order)]
    if not criteria and (strategy is not None or max_order is not None):
        msg = "--strategy and --max-order belong to a search; name one with --criterion."
        raise ModelError(msg)
    chosen: list[Estimator | str] = [default_estimator(table, model=model) for model in models]
    chosen += [
        default_estimator(table, criterion=criterion, strategy=strategy, max_order=max_order)
        for criterion in criteria
    ]
    return [*chosen, *texts]


def _exit_unless_estimable(
    populations: Iterable[PopulationEstimate], shown: Iterable[PopulationEstimate]
) -> None:
    """Leave with a status of its own where nothing is estimable, with the reasons as far as they may be said."""
    known = list(populations)
    if any(_has_estimate(population) for population in known):
        return
    pairs = zip(known, shown, strict=True)
    reasons = dict.fromkeys(reason for pair in pairs if (reason := reason_of(*pair)))
    typer.echo(f"mse: nothing is estimable. {' '.join(reasons)}".rstrip(), err=True)
    raise typer.Exit(NOT_ESTIMABLE)


def _has_estimate(population: PopulationEstimate) -> bool:
    if not math.isnan(population.total):
        return True
    strata = population.strata
    return strata is not None and any(status in ("ok", "boundary") for status in strata.status)


# Writing -----------------------------------------------------------------------------------------


def _estimate_text(population: PopulationEstimate, form: Form, level: float) -> str:
    if form is Form.json:
        from mse.answer.intervals import STORED_LEVELS

        return population.to_json(levels={*STORED_LEVELS, level})
    if form is Form.csv:
        return csv_text(population.to_frame(level))
    return population.summary(level)


def _datasets_text(frame: pd.DataFrame) -> str:
    blocks = []
    for row in frame.to_dict(orient="records"):
        covariates = f", by {row['covariates']}" if row["covariates"] else ""
        size = f"{row['lists']} lists{covariates}, {row['observed']:,} observed"
        blocks.append(f"{row['name']}: {size}\n  {row['population']}\n  source: {row['source']}\n")
    return "\n".join(blocks)
