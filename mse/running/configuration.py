"""The configuration of a run: one TOML file, checked as a whole before anything is read."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import textwrap
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mse.data.checks import near
from mse.data.read_options import ReadOptions
from mse.errors import InvalidTableError, ModelError, MSEError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names of environment variables in texts that are said to the source alone.
_SECRET = re.compile(r"\$\{(\w+)\}")
#: What looks like a credential that is written out.
_WRITTEN_OUT = re.compile(
    r"(password|passwd|pwd|token|secret)\s*=\s*['\"]?(?!\$\{)\w|://[^/\s:@]+:(?!\$\{)[^@\s]+@",
    re.IGNORECASE,
)

_TEXT, _NAMES, _NUMBER, _WHOLE, _YES, _TABLE, _LEVELS, _DATE = (
    *("a text", "a list of texts", "a number", "a whole number", "true or false"),
    *("a table", "a list of levels", "a date"),
)


def _key(
    kind: str, help_: str, default: Any = None, example: str = "", choices: tuple[str, ...] = ()
) -> Any:
    """Declare a key: what it holds, what it says, an example where it has no default, and what it may be."""
    given = {_NAMES: (), _LEVELS: (), _TABLE: {}}.get(kind, default) if default is None else default
    metadata = {"kind": kind, "help": help_, "example": example, "choices": choices}
    if isinstance(given, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=given, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class About:
    """Captions: what it is about. A change of them estimates nothing anew."""

    title: str | None = _key(_TEXT, "Title of the report.", example="Monitor 2018")
    population: str | None = _key(
        _TEXT, "Whom the lists are about.", example="homeless people, Utrecht"
    )
    when: str | None = _key(_TEXT, "When, in words.", example="2014 to 2018")
    source: str | None = _key(_TEXT, "Where the data come from.")
    notes: str | None = _key(_TEXT, "What to beware of.")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Scope: which part of the population the registers cover, and where lists operated."""

    scope: str | None = _key(_TEXT, "Which part of the population, by which rules.")
    periods: tuple[Any, ...] = _key(
        _LEVELS, "Periods to use; all of them if there are none.", example="[2014, 2015]"
    )
    breaks: Mapping[str, str] = _key(
        _TABLE,
        "First periods of another scope; those before and after are not compared.",
        example='{2016 = "newer"}',
    )
    across: bool = _key(_YES, "Compare and add periods of different scope.", default=False)
    operating: Mapping[str, Any] = _key(
        _TABLE,
        "Lists and where they operated.",
        example='{care = "everywhere", shelter = [2014, 2015]}',
    )
    not_operating: Mapping[str, Any] = _key(
        _TABLE, "Lists and the periods in which they did not operate.", example="{care = [2018]}"
    )
    as_of: str | None = _key(
        _DATE,
        "Complete the last periods by what is still to come after this date; needs date and received in [data].",
        example='"2019-01-31"',
    )
    not_in: Mapping[str, Any] = _key(
        _TABLE,
        "With as_of: lists of which nothing is in yet, and the periods.",
        example="{care = [2018]}",
    )
    inhabitants: str | None = _key(
        _TEXT,
        "File with columns for the period, groups and population, for rates.",
        example="inhabitants.csv",
    )


@dataclass(frozen=True, kw_only=True)
class Method:
    """How it is estimated, and by which groups it is reported."""

    groups: tuple[str, ...] = _key(
        _NAMES, "Covariates to report by, each by itself.", example='["sex"]'
    )
    place: str | None = _key(
        _TEXT,
        "Covariate of the place: figures, ranks and candidates of each.",
        example="municipality",
    )
    regions: str | None = _key(
        _TEXT, "File with columns for the place and its region.", example="regions.csv"
    )
    estimator: str | None = _key(
        _TEXT,
        "Places borrow from each other (pooled), or one search over all (joint); by default as thin as they are.",
        example="pooled",
        choices=("pooled", "joint"),
    )
    model: str | None = _key(_TEXT, "One model, and no search.", example="[12,3]")
    criterion: str = _key(_TEXT, "What the search compares models by.", default="bic")
    trend: Mapping[str, int] = _key(
        _TABLE, "Covariates that enter as polynomials.", example="{year = 2}"
    )
    heterogeneity: str | bool | None = _key(
        "true, false or a text",
        "Whether intervals allow for people who differ, or by which assumption.",
    )
    estimators: tuple[str, ...] = _key(
        _NAMES, "Further methods beside it.", example="[\"LogLinear('main')\"]"
    )
    replicates: int = _key(_WHOLE, "Bootstrap replicates.", default=1000)
    seed: int = _key(_WHOLE, "The same seed gives the same intervals.", default=1)
    level: float = _key(_NUMBER, "Level of the intervals.", default=0.95)


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """What may leave."""

    rules: str = _key(
        _TEXT, "Rules of disclosure: none, cbs, or a TOML or JSON file.", default="none"
    )
    private: str = _key(
        _TEXT,
        "File that stays inside: the key of the draws, and what was published.",
        default=".mse/private.json",
    )


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where results go, and the last run to compare with."""

    folder: str = _key(_TEXT, "Folder of the results.", default="results")
    reports: tuple[str, ...] = _key(
        _NAMES,
        "Forms of the report: html, md, json, xlsx (the workbook).",
        default=("html",),
        choices=("html", "md", "json", "xlsx"),
    )
    languages: tuple[str, ...] = _key(
        _NAMES, "Languages of the report: en, nl.", default=("en",), choices=("en", "nl")
    )
    figures: bool = _key(_YES, "Draw figures.", default=True)
    last: str | None = _key(
        _TEXT, "Folder of the last run: the report says what changed.", example="results-2017"
    )
    cache: str = _key(_TEXT, "Folder of what was computed, which stays inside.", default=".mse")
    workers: int = _key(_WHOLE, "Workers of the bootstrap; -1 takes every core.", default=-1)


_SECTIONS: dict[str, Any] = {
    "about": About,
    "scope": Scope,
    "method": Method,
    "disclosure": Disclosure,
    "output": Output,
}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What is run: sources and roles, scope, method, disclosure, outputs.

    Attributes
    ----------
    source : str
        File or dataset, as it is written: environment variables are not filled in.
    data : ReadOptions
        How it is read.
    about, scope, method, disclosure, output
        The other sections of the file.
    folder : Path
        Folder of the file, from which its paths start.

    Examples
    --------
    >>> found = Configuration.of({"data": {"source": "korea"}, "method": {"replicates": 200}})
    >>> found.method.replicates, found.output.folder
    (200, 'results')
    """

    source: str
    data: ReadOptions = field(default_factory=ReadOptions)
    about: About = About()
    scope: Scope = Scope()
    method: Method = Method()
    disclosure: Disclosure = Disclosure()
    output: Output = Output()
    folder: Path = Path()

    @classmethod
    def read(cls, path: str | Path) -> Configuration:
        """Read a file.

        Raises
        ------
        ModelError
            With everything that is wrong in it.
        """
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"The configuration {path} cannot be read: {error}. `mse init SOURCE` writes such a file."
            ) from None
        return replace(cls.of(data, str(path)), folder=Path(path).parent)

    @classmethod
    def of(cls, data: Mapping[str, Any], name: str = "the configuration") -> Configuration:
        """Check and take what a file holds."""
        problems = [
            f"There is no section [{each}].{near(each, ['data', *_SECTIONS])}"
            for each in data
            if each not in ("data", *_SECTIONS)
        ]
        given = {each: data.get(each, {}) for each in ("data", *_SECTIONS)}
        for each, value in given.items():
            if not isinstance(value, dict):
                problems.append(f"{each} is {value!r}: expected a section, [{each}].")
                given[each] = {}
        made = {
            each: _section(kind, each, given[each], problems) for each, kind in _SECTIONS.items()
        }
        reading = dict(given["data"])
        source = reading.pop("source", None)
        if not isinstance(source, str):
            problems.append('[data] names no source: add source = "persons.csv".')
        try:
            options = ReadOptions.of(reading)
        except InvalidTableError as error:
            problems += [f"[data] {each}" for each in error.problems]
        if _WRITTEN_OUT.search(f"{source} {reading.get('query', '')}"):
            problems.append(
                "[data] holds a credential that is written out: put it into an environment variable, and write "
                "${NAME} in its place."
            )
        if problems:
            said = "".join(f"\n  - {each}" for each in problems)
            raise ModelError(
                f"{len(problems)} problems in {name}:{said}" if len(problems) > 1 else problems[0]
            )
        return cls(source=str(source), data=options, **made)

    def path(self, name: str) -> Path:
        """Find a path that is written in the file."""
        return self.folder / name

    @property
    def rules_named(self) -> str:
        """Name of the rules of disclosure, or the path of their file, which may stand beside the configuration."""
        beside = self.path(self.disclosure.rules)
        return str(beside) if beside.is_file() else self.disclosure.rules

    @property
    def period(self) -> str | None:
        """Covariate that is the period; None where one total is asked for."""
        return self.data.period

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Write the sections as they are, without the folder, for records and fingerprints."""
        data = {"source": self.source} | tomllib.loads(self.data.to_toml())
        rest = {name: _given(vars(getattr(self, name))) for name in _SECTIONS}
        return {"data": data, **rest}

    def secrets(self) -> dict[str, str]:
        """Find the environment variables that the source asks for.

        Raises
        ------
        ModelError
            If one of them is not set.
        """
        names = dict.fromkeys(_SECRET.findall(f"{self.source} {self.data.query or ''}"))
        lost = [name for name in names if not os.environ.get(name)]
        if lost:
            raise ModelError(f"The environment variable {lost[0]} is not set; [data] asks for it.")
        return {name: os.environ[name] for name in names}


def _given(section: Mapping[str, Any]) -> dict[str, Any]:
    """Take what a file could hold: no key without a value."""
    told = {name: list(v) if isinstance(v, tuple) else v for name, v in section.items()}
    return {name: value for name, value in told.items() if value not in (None, [], {})}


def filled(text: str, secrets: Mapping[str, str]) -> str:
    """Put the values of environment variables into a text."""
    return _SECRET.sub(lambda found: secrets[found.group(1)], text)


def without(error: MSEError, secrets: Mapping[str, str]) -> MSEError:
    """Take values of environment variables out of an error."""
    text = str(error)
    for name, value in secrets.items():
        text = text.replace(value, f"${{{name}}}")
    return type(error)(text)


def _section(kind: Any, name: str, data: Mapping[str, Any], problems: list[str]) -> Any:
    """Take one section, and note what is wrong in it."""
    declared = {each.name: each.metadata for each in fields(kind)}
    taken: dict[str, Any] = {}
    for key, value in data.items():
        if key not in declared:
            problems.append(f"[{name}] has no key {key!r}.{near(key, list(declared))}")
            continue
        expected, choices = declared[key]["kind"], declared[key]["choices"]
        if not _is(expected, value):
            problems.append(f"[{name}] {key} is {value!r}: expected {expected}.")
            continue
        unknown = (
            [] if not choices else {*(value if isinstance(value, list) else [value])} - {*choices}
        )
        if unknown:
            problems.append(
                f"[{name}] {key} has {min(unknown)!r}: expected {', '.join(choices)}."
                f"{near(min(unknown), list(choices))}"
            )
        elif expected == _DATE:
            taken[key] = str(value)
        else:
            taken[key] = tuple(value) if isinstance(value, list) else value
    return kind(**taken)


def _is(kind: str, value: Any) -> bool:
    """Whether a value is of a kind."""
    texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
    levels = isinstance(value, list) and all(isinstance(each, str | int) for each in value)
    whole = type(value) is int
    return {
        _TEXT: isinstance(value, str),
        _NAMES: texts,
        _LEVELS: levels,
        _WHOLE: whole,
        _NUMBER: whole or isinstance(value, float),
        _YES: isinstance(value, bool),
        _TABLE: isinstance(value, dict),
        _DATE: isinstance(value, str | dt.date) and not isinstance(value, dt.datetime),
    }.get(kind, isinstance(value, bool | str))


def template(source: str, options: ReadOptions, groups: tuple[str, ...], seed: int) -> str:
    """Write a configuration that can be read, with a comment at every key."""
    lines = [
        "# One file, one run: `mse run` makes what is named here, `mse verify` makes it again and compares.",
        "# A line that begins with # says nothing; take the # away to say it.",
        "",
        "# The data, as `mse read` understood them. A secret is written ${NAME}, for an environment variable.",
        "[data]",
        f"source = {json.dumps(source, ensure_ascii=False)}",
        *options.to_toml().splitlines(),
    ]
    known = {("method", "groups"): groups, ("method", "seed"): seed}
    for name, kind in _SECTIONS.items():
        lines += ["", f"# {kind.__doc__}", f"[{name}]"]
        for each in fields(kind):
            given = known.get((name, each.name), each.default)
            lines += textwrap.wrap(
                each.metadata["help"], 100, initial_indent="# ", subsequent_indent="# "
            )
            lines.append(_line(each.name, given, each.metadata))
    return "\n".join(lines) + "\n"


def _line(name: str, given: Any, metadata: Mapping[str, Any]) -> str:
    """Write a key; one without a value as an example behind a #."""
    if isinstance(given, str | int | float) or (isinstance(given, tuple) and given):
        return f"{name} = {json.dumps(given, ensure_ascii=False)}"
    example = metadata["example"]
    if metadata["kind"] == _TEXT:
        example = json.dumps(example)
    return f"# {name} = {example or 'true'}"
