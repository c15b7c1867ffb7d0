"""The command ``mse report``: from a table to a report that people can act on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from mse.cli.options import (
    NOT_ESTIMABLE,
    Estimators,
    Heterogeneity,
    Level,
    NotOperating,
    Operating,
    Private,
    Replicates,
    SeedOption,
    Source,
    Workers,
    bundle_for,
    held,
    operated,
    plain_errors,
    suited_to,
    table_in,
    takes_table,
    understand,
    write,
)

if TYPE_CHECKING:
    from mse.words.content import Report


class ReportForm(StrEnum):
    """Forms of a report."""

    html = "html"
    md = "md"
    json = "json"
    xlsx = "xlsx"


Output: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write to, - for standard output; by default the name of the source with "
        "-report.html. Beside it stands a workbook, .xlsx, with every table.",
    ),
]
FormOption: TypeAlias = Annotated[
    ReportForm | None,
    typer.Option("--format", help="Form of the report; by default the suffix of the file says."),
]
LanguageOption: TypeAlias = Annotated[str, typer.Option(help="Language of the report: en or nl.")]
Disclosure: TypeAlias = Annotated[
    str,
    typer.Option(help="Rules of disclosure: none, cbs, or a TOML or JSON file with your own."),
]
Title: TypeAlias = Annotated[str | None, typer.Option(help="Title of the report.")]
About: TypeAlias = Annotated[
    str | None, typer.Option(help="Whom the lists are about, such as 'homeless people, Utrecht'.")
]
When: TypeAlias = Annotated[str | None, typer.Option(help="When, such as '2024'.")]
Which: TypeAlias = Annotated[str | None, typer.Option(help="Which part of them, by which rules.")]
Where: TypeAlias = Annotated[str | None, typer.Option(help="Where the data come from.")]
AccountOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="In place of the report an account in the headings of gather (18 items) or sims (European quality "
        "reports), empty where only the author can write."
    ),
]
Figures: TypeAlias = Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures.")]


@takes_table
def report_command(
    source: Source,
    *,
    reading: Mapping[str, Any],
    operating: Operating = None,
    not_operating: NotOperating = None,
    output: Output = None,
    form: FormOption = None,
    language: LanguageOption = "en",
    disclosure: Disclosure = "none",
    private: Private = None,
    title: Title = None,
    about: About = None,
    when: When = None,
    scope: Which = None,
    data_source: Where = None,
    estimator: Estimators = None,
    heterogeneity: Heterogeneity = None,
    replicates: Replicates = 1000,
    workers: Workers = -1,
    level: Level = 0.95,
    figures: Figures = True,
    account: AccountOption = None,
    seed: SeedOption = None,
) -> None:
    """Write a report: the answer first, then everything that it rests on."""
    with plain_errors(disclosure):
        from mse.answer.intervals import check_level
        from mse.disclosure import rules
        from mse.errors import ModelError
        from mse.reporting import build_report
        from mse.reporting.parts.quality import SCHEMES
        from mse.reporting.usual import usual_results
        from mse.reporting.writing import as_form
        from mse.words.catalogue import language_of

        # Everything that can be wrong is found out before the work starts.
        check_level(level)
        language_of(language)
        shown = rules(disclosure)
        bundle = bundle_for(shown, private)
        if account is not None and account not in SCHEMES:
            raise ModelError(
                f"--account {account!r} is not known; expected {' or '.join(SCHEMES)}."
            )
        target, chosen = _target(source, output, form, account or "report")
        said = {"population": about, "period": when, "scope": scope, "source": data_source}
        read = understand(source, suited_to(estimator or (), reading, source))
        table = table_in(read, source, rules=shown, announce=True)
        table = held(bundle, shown, operated(table, operating, not_operating))
        table = table.with_info(**{name: text for name, text in said.items() if text is not None})
        found = usual_results(
            table,
            replicates=replicates,
            seed=seed if bundle is None else bundle.seed(seed),
            n_jobs=workers,
            announce=_say,
            estimators=(estimator or ())
            if bundle is None
            else bundle.keyed(estimator or (), table, seed),
            heterogeneity=heterogeneity,
        )
        _say("writing the report")
        report = build_report(
            found,
            language=language,
            disclosure=shown,
            title=title,
            level=level,
            figures=figures and account is None,
            account=account,
        )
        if bundle is not None:
            bundle.with_run(report.to_dict(), shown, table, seed, report.protected)
        if target is None:
            write(as_form(report, chosen.value), target)
        else:
            _write_files(report, target, chosen)
    if found[0].status not in ("ok", "boundary"):
        reason = "" if shown.active else found[0].reason
        typer.echo(f"mse: nothing is estimable. {reason}".rstrip(), err=True)
        raise typer.Exit(NOT_ESTIMABLE)


def _write_files(report: Report, target: Path, form: ReportForm) -> None:
    """Write the report and, beside one that is read, its workbook."""
    from mse.errors import ModelError
    from mse.reporting.writing import as_bytes

    files = {target: form}
    if form in (ReportForm.html, ReportForm.md):
        files[target.with_suffix(".xlsx")] = ReportForm.xlsx
    for path, each in files.items():
        try:
            path.write_bytes(as_bytes(report, each.value))
        except OSError as error:
            msg = f"{path} cannot be written: {error}. Choose another file with --output."
            raise ModelError(msg) from error
    names = " and its workbook in ".join(map(str, files))
    typer.echo(f"the report is in {names}")


def _say(text: str) -> None:
    typer.echo(f"mse: {text}", err=True)


def _target(
    source: str, output: str | None, form: ReportForm | None, what: str
) -> tuple[Path | None, ReportForm]:
    """Where to write, None for standard output, and in which form."""
    from mse.reporting.writing import form_of

    if output == "-":
        return None, form or ReportForm.html
    if output is not None:
        return Path(output), form or ReportForm(form_of(Path(output)))
    chosen = form or ReportForm.html
    stem = "mse" if source == "-" else Path(source).stem
    return Path(f"{stem}-{what}.{chosen.value}"), chosen
