"""Reports written to files, or given as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from mse.answer.intervals import DEFAULT_LEVEL
from mse.errors import ModelError
from mse.reporting.building import build_report
from mse.words.catalogue import language_of

if TYPE_CHECKING:
    import datetime as dt

    from mse.disclosure import Rules
    from mse.reporting.context import Reportable
    from mse.words.content import Report

__all__ = ["FORMS", "Form", "as_form", "form_of", "write_report"]

Form: TypeAlias = Literal["html", "md", "json", "xlsx"]
FORMS: tuple[Form, ...] = ("html", "md", "json", "xlsx")
_SUFFIXES: dict[str, Form] = {
    ".html": "html",
    ".htm": "html",
    ".md": "md",
    ".markdown": "md",
    ".json": "json",
    ".xlsx": "xlsx",
}


def write_report(
    results: Reportable,
    path: str | Path,
    *,
    language: str = "en",
    disclosure: str | Path | Rules = "none",
    title: str | None = None,
    form: Form | None = None,
    level: float = DEFAULT_LEVEL,
    date: dt.date | None = None,
    figures: bool = True,
    account: str | None = None,
) -> Path:
    """Write a report that people can act on: the answer first, then everything it rests on.

    Parameters
    ----------
    results : result, or iterable or mapping of results
        A fit, a `PopulationEstimate`, a `Comparison`, a monitor, a validation, results of
        `mse.sensitivity` and `mse.diagnostics`, a `CaptureTable`; or several of them, nested as
        they come. The first estimate is the one reported; others from the same table stand beside
        it. Nothing is estimated anew.
    path : str or Path
        File to write to.
    language : str, default "en"
        ``"en"`` or ``"nl"``.
    disclosure : str, Path or Rules, default "none"
        Rules that every table, figure and number goes through: a name such as ``"cbs"``, a file, or
        an object; see `mse.disclosure`.
    title : str, optional
        Title; by default it names the population.
    form : {"html", "md", "json", "xlsx"}, optional
        One HTML file that needs nothing else, Markdown, or JSON of the schema ``mse.report/1``, all
        with the same content; or a workbook with every table and the figures behind every picture. By
        default the suffix of the path says.
    level : float, default 0.95
        Level of the intervals.
    date : datetime.date, optional
        Date of the report; today by default.
    figures : bool, default True
        Draw figures.
    account : {"gather", "sims"}, optional
        Write an account in the headings of others in place of the report, see `mse.quality_account`.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    ModelError
        If one of the results cannot be reported, the language, rules or form are not known, or the
        file cannot be written.

    Examples
    --------
    >>> import mse, pathlib, tempfile
    >>> table = mse.load_dataset("korea")
    >>> fits = [mse.LogLinear("main").fit(table), mse.LogLinearSearch().fit(table)]
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> mse.write_report(fits, folder / "report.html", figures=False).name
    'report.html'
    """
    target = Path(path)
    chosen = form_of(target) if form is None else _known(form)
    report = build_report(
        results,
        language=language,
        disclosure=disclosure,
        title=title,
        level=level,
        date=date,
        figures=figures and account is None,
        account=account,
    )
    try:
        target.write_bytes(as_bytes(report, chosen))
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error}. Choose another file.") from error
    return target


def as_bytes(report: Report, form: Form) -> bytes:
    """Lay a report out in one of the forms, as a file holds it."""
    if form != "xlsx":
        return as_form(report, form).encode()
    from mse.reporting.workbook import as_workbook

    return as_workbook(report, language_of(report.language))


def as_form(report: Report, form: Form) -> str:
    """Lay a report out in one of the forms that are text."""
    if form == "xlsx":
        raise ModelError("A workbook is no text: write it to a file, -o report.xlsx.")
    if form == "json":
        return json.dumps(report.to_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    language = language_of(report.language)
    if form == "md":
        from mse.reporting.layout import as_markdown

        return as_markdown(report, language)
    from mse.reporting.layout import as_html

    return as_html(report, language)


def form_of(path: Path) -> Form:
    """Tell the form from the suffix of a file."""
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise ModelError(
            f"The suffix of {path.name!r} names no form of a report; expected .html, .md, .json or .xlsx, "
            'or say which: form="html".'
        )
    return found


def _known(form: str) -> Form:
    if form not in FORMS:
        raise ModelError(f"form={form!r} is not known; expected {', '.join(map(repr, FORMS))}.")
    return form
