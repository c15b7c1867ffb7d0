"""What the commands share: their options, reading tables, writing answers, errors as plain lines."""

from __future__ import annotations

import inspect
import json
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeAlias, TypeVar, cast

import typer

from mse.data.read_options import FLAG, NAMES, NUMBER, TEXT, ReadOptions
from mse.errors import InvalidTableError, ModelError, MSEError, MSEWarning
from mse.registry import ESTIMATORS

# Help must not wait for pandas and the compiler: what the work needs is imported where it is done.
if TYPE_CHECKING:
    from mse._typing import Level as TableLevel
    from mse.answer.population import PopulationEstimate
    from mse.data.reading import Reading
    from mse.data.table import CaptureTable
    from mse.disclosure import Bundle, Rules

BAD_INPUT = 2
NOT_ESTIMABLE = 3

#: As of `mse.resampling`.
FEW = 100
#: Counts below this are pointed out where no rules of disclosure were asked for.
SMALL = 10

_Thing = TypeVar("_Thing")


class Form(StrEnum):
    """Forms of the output."""

    text = "text"
    json = "json"
    csv = "csv"


class CriterionName(StrEnum):
    """Criteria by which a search compares models."""

    bic = "bic"
    aic = "aic"
    aicc = "aicc"
    pvalue = "pvalue"


class IntervalChoice(StrEnum):
    """Intervals of an estimate."""

    percentile = "percentile"
    bca = "bca"
    basic = "basic"
    profile = "profile"
    lognormal = "lognormal"


class StrategyName(StrEnum):
    """Ways to search."""

    exhaustive = "exhaustive"
    stepwise = "stepwise"


Source: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="A bundled dataset (see `mse datasets`); a file: CSV and other text, Excel, Parquet, Arrow, "
        "Stata, SPSS, SAS, SQLite or DuckDB; a file of options (.toml) that names its source; or - for "
        "standard input. `mse read SOURCE` shows what is understood of it.",
        metavar="SOURCE",
    ),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(help="One model, '[12,3]', 'police*care + kmar' or 'main', and no search."),
]
Models: TypeAlias = Annotated[
    list[str] | None, typer.Option("--model", help="A model to compare; may be repeated.")
]
Heterogeneity: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Whether the headline interval allows for people who differ and lists that depend, yes or none; or "
        "by which assumption, 'HeterogeneousLogLinear(mean=0.6)'. By default it does, unless a method is named "
        "with --estimator.",
    ),
]
OneEstimator: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--estimator",
        help="An estimator with settings as in Python, in place of a search: SampleCoverage(), "
        f"\"LogLinear('[12,3]')\". Known are {', '.join(ESTIMATORS)}.",
    ),
]
Estimators: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--estimator",
        help="An estimator to compare, with settings as in Python: SampleCoverage(), "
        "\"LogLinearSearch(criterion='aic')\"; may be repeated. 'all' is every one that suits the table: "
        f"{', '.join(ESTIMATORS)}.",
    ),
]
OneCriterion: TypeAlias = Annotated[
    CriterionName, typer.Option(help="What the search compares models by.")
]
Criteria: TypeAlias = Annotated[
    list[CriterionName] | None,
    typer.Option("--criterion", help="A search to compare, by its criterion; may be repeated."),
]
Search: TypeAlias = Annotated[
    StrategyName | None,
    typer.Option(help="Try all models, or step by step. By default what the table allows."),
]
MaxOrder: TypeAlias = Annotated[
    int | None, typer.Option(help="Largest number of lists in one interaction.", min=1)
]
Level: TypeAlias = Annotated[float, typer.Option(help="Level of the intervals.")]
OutputFormat: TypeAlias = Annotated[Form, typer.Option("--format", help="Form of the output.")]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write to, in place of standard output."),
]
SeedOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--seed",
        help="Seed of random numbers: the same seed gives the same interval. It is kept in the "
        "output.",
    ),
]
Interval: TypeAlias = Annotated[
    IntervalChoice | None,
    typer.Option(
        help="Interval: percentile, bca and basic repeat the whole search in every bootstrap "
        "replicate; profile and lognormal take the model for granted. By default percentile for a "
        "search and profile for one model."
    ),
]
Replicates: TypeAlias = Annotated[
    int,
    typer.Option(
        help="Bootstrap replicates: at least 100, since the ends of an interval from fewer are chance.",
        min=FEW,
    ),
]
Workers: TypeAlias = Annotated[
    int,
    typer.Option(
        "--workers",
        "--n-jobs",
        help="Workers of the bootstrap, n_jobs in Python; -1 takes every core.",
    ),
]
Operating: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--operating",
        help="A list and where it operated: care=everywhere, care=2014,2015 (levels of the period, or of "
        "the only covariate) or care=year:2014,2015;region:north; may be repeated, also for one list. "
        "'everywhere' by itself is for all lists. What is not said is inferred from who lacks the list.",
    ),
]
NotOperating: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--not-operating",
        help="A list and where it did not operate, care=2018,2019 or care=year:2018; may be repeated. "
        "Who was on it there is unknown, not nobody.",
    ),
]
DisclosureOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--disclosure",
        help="Rules of disclosure under which the output may leave: cbs, none, or a TOML or JSON "
        "file with your own. Without it nothing is suppressed, and a line on the error stream says so "
        "where counts are small.",
    ),
]

Private: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="With --disclosure: file that stays inside. It keeps the secret key of the draws, the table, and "
        "what was published, with which everything further is checked.",
    ),
]


# Reading -----------------------------------------------------------------------------------------


_Command = TypeVar("_Command", bound=Callable[..., None])


def takes_table(command: _Command) -> _Command:
    """Give a command the options of reading a table; it takes them as one mapping, `reading`.

    An option of the same name that the command has itself stays its own.
    """
    own = inspect.signature(command, eval_str=True).parameters
    reading = {each.name: _parameter(each) for each in fields(ReadOptions) if each.name not in own}
    reading["options"] = inspect.Parameter(
        "options", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OptionsFile
    )
    keywords = {name: each for name, each in own.items() if name != "reading"}
    first = {name: each for name, each in keywords.items() if each.kind is not each.KEYWORD_ONLY}
    merged = [
        *first.values(),
        *reading.values(),
        *(v for n, v in keywords.items() if n not in first),
    ]

    def run(*args: Any, **given: Any) -> None:
        asked = {name: given.pop(name) for name in reading if name in given}
        command(*args, reading=asked, **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in merged}
    return cast("_Command", run)


_OptionsFile: TypeAlias = Annotated[
    Path | None, typer.Option("--options", help="File of options that `mse read` wrote (TOML).")
]
_TYPES: dict[str, Any] = {NAMES: str | None, TEXT: str | None, NUMBER: int | None, FLAG: bool}


def _parameter(option: Field[Any]) -> inspect.Parameter:
    """Make an option of the command line of an option of reading."""
    kind = option.metadata["kind"]
    flag = f"--{option.name.replace('_', '-')}"
    panel = "Reading" if option.name not in ("lists", "covariates", "count") else None
    shown = typer.Option(flag, help=option.metadata["help"], rich_help_panel=panel)
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if kind == FLAG else None,
        annotation=Annotated[_TYPES[kind], shown],
    )


def understand(source: str, reading: Mapping[str, Any], **settings: Any) -> Reading:
    """Understand a source, with the options of a command and further ones."""
    from mse.data.reading import understood

    if source == "-" and sys.stdin.isatty():
        msg = (
            "There is nothing to read: name a dataset or a file, or pipe one in, as in "
            "mse simulate netherlands | mse monitor."
        )
        raise InvalidTableError(msg)
    kinds = {each.name: each.metadata["kind"] for each in fields(ReadOptions)}
    said = {
        name: names_in(value) if kinds[name] == NAMES and isinstance(value, str) else value
        for name, value in {**reading, **settings}.items()
        if name in kinds and value is not None
    }
    return understood(source, reading.get("options"), said, command=True)


def suited_to(
    estimators: Iterable[str], reading: Mapping[str, Any], source: str
) -> Mapping[str, Any]:
    """Keep the persons of a file one by one where an estimator that is named takes them so."""
    from mse.answer.protocols import takes
    from mse.data.reading import dataset_names
    from mse.registry import estimator_of

    named = (estimator_of(text) for text in estimators if text != "all")
    if source in dataset_names() or not any(takes(each) == "persons" for each in named):
        return reading
    return {**reading, "individual": True}


def read_table(
    source: str, reading: Mapping[str, Any], rules: Rules | None = None, **settings: Any
) -> CaptureTable:
    """Read the table that the arguments of a command describe; columns have to be named.

    rules: of disclosure, if any were asked for
    """
    return table_in(understand(source, reading, **settings), source, rules=rules)


def table_in(
    found: Reading, source: str, *, rules: Rules | None = None, announce: bool = False
) -> CaptureTable:
    """Take the table of a reading, or raise what has to be said before there is one.

    found: what was understood
    rules: of disclosure, under which names that nobody wrote are not printed
    source: as given to the command
    announce: whether roles that nobody named are said on the error stream; otherwise they have to be named
    """
    if found.found and announce:
        for note in found.found:
            typer.echo(f"mse: {note}", err=True)
    elif found.found and not found.is_synthetic:
        perhaps = shlex.join(found.options.as_arguments())
        msg = (
            f"Name the list columns with --lists; the columns of {source} are: {', '.join(found.columns)}. "
            f"Perhaps {perhaps}: `mse read {source}` shows what is understood, and writes it as a file for "
            "--options."
        )
        raise InvalidTableError(msg)
    if found.table is None:
        raise InvalidTableError(found.questions)
    if rules is not None:
        from mse.disclosure.count_tables import refuse_unnamed_lists

        refuse_unnamed_lists(found, rules)
    table: CaptureTable = found.table
    return table


def operated(
    table: CaptureTable,
    operating: Sequence[str] | None,
    not_operating: Sequence[str] | None,
    period: str | None = None,
) -> CaptureTable:
    """Tell a table where lists operated.

    table: as read
    operating, not_operating: as given to the command: ``care=everywhere``, ``care=2014,2015``,
        ``care=year:2014;sex:f``
    period: the covariate whose levels need no name; by default the only one of the table
    """
    from mse.data.operating import EVERYWHERE

    if period is None and len(table.covariates) == 1:
        period = next(iter(table.covariates))
    said: dict[str, Any] = {}
    for each in operating or ():
        name, _, where = (part.strip() for part in each.partition("="))
        if not where and name.lower() == EVERYWHERE:
            said |= {one: EVERYWHERE for one in table.lists if one not in said}
        elif where.lower() == EVERYWHERE:
            said[name] = EVERYWHERE
        else:
            box = _levels_said("--operating", each, table, period)
            before = said.get(name, [])
            said[name] = [*before, box] if isinstance(before, list) else [box]
    table = table.with_operating(said) if said else table
    for each in not_operating or ():
        name = each.partition("=")[0].strip()
        levels = _levels_said("--not-operating", each, table, period)
        table = table.not_operating(name, **levels)
    return table


def _levels_said(
    option: str, each: str, table: CaptureTable, period: str | None
) -> dict[str, list[TableLevel]]:
    """Read the levels by covariate behind the name of a list."""
    found: dict[str, list[TableLevel]] = {}
    for part in each.partition("=")[2].split(";"):
        name, colon, rest = (piece.strip() for piece in part.partition(":"))
        axis, text = (name, rest) if colon and name in table.covariates else (period, part)
        levels = {str(level): level for level in table.covariates.get(axis or "", ())}
        wanted = names_in(text)
        if not wanted or any(one not in levels for one in wanted):
            from mse.data.checks import listed

            known = "; ".join(
                f"{one}: {listed(map(str, values), 12)}" for one, values in table.covariates.items()
            )
            msg = (
                f"{option} {each!r} is not understood; expected a list and where, care=2018,2019, "
                f"care=year:2018 or care=everywhere. Levels are: {known or 'none, there is no covariate'}."
            )
            raise ModelError(msg)
        found[str(axis)] = [levels[one] for one in wanted]
    return found


def names_in(text: str | None) -> list[str]:
    """Split a list of names at its commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


# Disclosure --------------------------------------------------------------------------------------


def rules_asked(name: str | None) -> Rules | None:
    """Rules of disclosure that were asked for, before the work starts; None without the option."""
    if name is None:
        return None
    from mse.disclosure import rules

    return rules(name)


def bundle_for(rules: Rules | None, path: Path | None) -> Bundle | None:
    """Open the private bundle; draws under rules that suppress have a secret key, since seeds can be guessed."""
    if rules is None or not rules.suppresses:
        if path is not None:
            raise ModelError("--private keeps what --disclosure rules are applied to: name rules.")
        return None
    from mse.disclosure import Bundle

    return Bundle.at(path)


def held(bundle: Bundle | None, rules: Rules | None, table: CaptureTable) -> CaptureTable:
    """Take strata that changed too little since they were last published as they were, and say so to those inside."""
    if bundle is None or rules is None:
        return table
    found, waits = bundle.held(table, rules)
    if waits:
        typer.echo(
            f"mse: taken as last published, since fewer persons than may be shown came or went: {len(waits):,} of "
            f"{found.n_strata:,} strata. They wait until the difference is larger; Bundle.held in Python names "
            "them. This line stays inside.",
            err=True,
        )
    return found


def released(thing: _Thing, asked: Rules | None, **options: Any) -> _Thing:
    """Take out of a result what may not leave under the rules that were asked for."""
    if asked is None and _has_no_small_part(thing):
        return thing
    from mse.disclosure import Rules, check, protect

    if asked is not None:
        return cast("_Thing", protect(thing, asked, **options))  # type: ignore[call-overload]
    found = check(thing, Rules(threshold=SMALL)).violations
    small = sum(each.rule == "threshold" for each in found)
    if small:
        counts = "count is" if small == 1 else "counts are"
        typer.echo(
            f"mse: note: {small:,} {counts} of fewer than {SMALL} persons. Before this leaves, "
            "suppress with --disclosure cbs, or say that it may with --disclosure none.",
            err=True,
        )
    return thing


def _has_no_small_part(thing: Any) -> bool:
    """Whether an estimate is seen at a glance to have no count below `SMALL`: the rules take long to load."""
    from mse.answer.population import PopulationEstimate

    if not isinstance(thing, PopulationEstimate):
        return False
    parts = [] if thing.strata is None else thing.strata.observed.tolist()
    return all(n == 0 or n >= SMALL for n in (thing.observed, *parts))


def reason_of(found: PopulationEstimate, shown: PopulationEstimate) -> str:
    """Why there is no estimate: as it may be said, where that is not all that is known."""
    return found.reason if shown is found else shown.reason


# Writing -----------------------------------------------------------------------------------------


def json_text(data: Mapping[str, Any] | list[Any]) -> str:
    """Write data as JSON for people and programs."""
    from mse.answer.population import jsonable

    return json.dumps(jsonable(data), indent=2, allow_nan=False, ensure_ascii=False)


def write(text: str, output: Path | None) -> None:
    """Write to a file, or to the standard output."""
    text = text.rstrip("\n") + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{output} cannot be written: {error}. Choose another file with --output."
        raise ModelError(msg) from error


@contextmanager
def plain_errors(disclosure: str | Rules | None = None) -> Iterator[None]:
    """Errors and warnings of the library as plain lines on the error stream.

    disclosure: rules that were asked for; under them warnings name no numbers that were found in the data
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", MSEWarning)
        warnings.showwarning = partial(_show_warning, disclosure)
        try:
            yield
        except MSEError as error:
            typer.echo(f"mse: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from None


def _show_warning(
    disclosure: str | Rules | None,
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del filename, lineno, file, line
    label = "warning" if issubclass(category, MSEWarning) else category.__name__
    if disclosure is not None:
        from mse.disclosure import rules
        from mse.disclosure.scrubbing import withheld_from

        text = message.args[0] if isinstance(message, Warning) and message.args else str(message)
        message = withheld_from(text, rules(disclosure))
    if str(message):
        typer.echo(f"mse: {label}: {message}", err=True)
