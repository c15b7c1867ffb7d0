"""The options of reading a table: the same in Python, at the command line and in a file."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mse.data.checks import near
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPES = ("persons", "cells", "registrations", "overlaps")
BLANKS = ("0", "unknown")

#: Kinds of options: several names, one text, a number, or yes.
NAMES, TEXT, NUMBER, FLAG = "names", "text", "number", "flag"


def _option(kind: str, help_: str, default: Any = None) -> Any:
    return field(
        default=() if kind == NAMES else False if kind == FLAG else default,
        metadata={"kind": kind, "help": help_},
    )


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a table is read. What is not said is found out where there is one reading, and asked otherwise.

    Each option is a keyword of `mse.read`, an option of every command that takes a table (`drop_unlisted`
    is ``--drop-unlisted``), and a key of the file that ``mse read`` writes.

    Attributes
    ----------
    shape : "persons", "cells", "registrations" or "overlaps"
        What a row is: a person; a cell with its count; a report of a person to a register; or a published
        count of persons on some lists, whatever else they are on.
    lists, covariates : tuple of str
        Columns. For registrations `lists` are the registers, in order; for a column of histories ("101")
        they are the names of its characters.
    count : tuple of str
        Column of counts, or those of their lower and upper bounds.
    person, register, period : str
        Columns of registrations. With persons, `person` makes one of the rows that have the same.
    date, received, case, place : str
        Further columns of registrations, kept by `mse.Reading.registrations`. With `times_seen`, `case` says
        who came in together.
    times_seen : str
        Column of how often each person was seen in one register: there are no lists then, and `covariates`
        may be numbers.
    individual : bool
        Whether persons are kept one by one, with covariates of their own that may be numbers, and not counted:
        a `mse.PersonTable`, for `mse.HugginsAlho` and `mse.DoublyRobust`. `case` says who came in together.
    categorical : tuple of str
        Covariates that are categories although they are numbers, with `times_seen` or `individual`.
    yes, no, unknown : tuple of str
        Words for on the list, not on it, and not known, besides the usual ones. `yes` may be ">0" or "*".
    blank : "0" or "unknown"
        What an empty cell in a list column means.
    drop_unlisted : bool
        Whether rows of persons on none of the lists are left out.
    summed : bool
        Whether counts of the same cell are added up.
    ignore : tuple of str
        Columns that mean nothing here.
    sheet, query : str
        Sheet of a workbook; table or SQL query of a database.
    columns : tuple of str
        Names of the columns of a file without a header.
    header : int
        Line of the header, counted from 1; 0 if there is none.
    encoding, delimiter, decimal, thousands : str
        How a text file is written.

    Examples
    --------
    >>> from mse.data.read_options import ReadOptions
    >>> print(ReadOptions(lists=("police", "care"), blank="0").to_toml())
    lists = ["police", "care"]
    blank = "0"
    """

    shape: str | None = _option(
        TEXT,
        "What a row is: persons, cells (with --count), registrations (with --person and --register) or "
        "overlaps (published: on these lists, whatever else).",
    )
    lists: tuple[str, ...] = _option(
        NAMES,
        "List columns, separated by commas. Of a bundled dataset: lists to keep.",
    )
    covariates: tuple[str, ...] | None = field(
        default=None,
        metadata={
            "kind": NAMES,
            "help": "Covariate columns, separated by commas. Of a bundled dataset: covariates to keep; "
            "'' sums over all of them.",
        },
    )
    count: tuple[str, ...] = _option(
        NAMES,
        "Column with the number of persons, or two with its bounds, separated by a comma. "
        "Without it every row is one person.",
    )
    person: str | None = _option(
        TEXT,
        "Column of the identifier of the person: where every row is one registration, with --register; "
        "otherwise rows with the same one are one person. Identifiers are not kept.",
    )
    register: str | None = _option(TEXT, "Column of the register that the registration is in.")
    period: str | None = _option(TEXT, "Column of the period of a registration, such as the year.")
    date: str | None = _option(TEXT, "Column of the date of a registration.")
    received: str | None = _option(TEXT, "Column of the date on which a registration came in.")
    case: str | None = _option(TEXT, "Column of the case that a registration belongs to.")
    place: str | None = _option(TEXT, "Column of the place of a registration.")
    times_seen: str | None = _option(
        TEXT,
        "Column of how often each person was seen in one register, in place of lists. --count has the number of "
        "persons then, --register the name of the register.",
    )
    individual: bool = _option(
        FLAG,
        "Keep persons one by one, with covariates of their own that may be numbers: for estimators of persons, "
        "HugginsAlho and DoublyRobust, which take it by themselves.",
    )
    categorical: tuple[str, ...] = _option(
        NAMES,
        "With --times-seen or --individual: covariates that are categories although they are numbers.",
    )
    yes: tuple[str, ...] = _option(
        NAMES,
        "Words in list columns for on the list, besides the usual ones; '>0' for numbers, '*' for every entry.",
    )
    no: tuple[str, ...] = _option(
        NAMES, "Words in list columns for not on the list, besides the usual ones."
    )
    unknown: tuple[str, ...] = _option(NAMES, "Words for not known, besides the usual ones.")
    blank: str | None = _option(
        TEXT, "What an empty cell in a list column means: 0 (not on the list) or unknown."
    )
    drop_unlisted: bool = _option(FLAG, "Leave out rows of persons on none of the lists.")
    summed: bool = _option(FLAG, "Add up counts of the same cell.")
    ignore: tuple[str, ...] = _option(NAMES, "Columns that mean nothing here.")
    sheet: str | None = _option(TEXT, "Sheet of a workbook.")
    query: str | None = _option(TEXT, "SQL query, or table, of an SQLite or DuckDB file.")
    columns: tuple[str, ...] = _option(NAMES, "Names of the columns of a file without a header.")
    header: int | None = _option(NUMBER, "Line of the header, counted from 1; 0 if there is none.")
    encoding: str | None = _option(TEXT, "Encoding of a text file, such as cp1252 or utf-16.")
    delimiter: str | None = _option(TEXT, "What parts the columns of a text file; tab for tabs.")
    decimal: str | None = _option(TEXT, "Decimal mark of numbers written as text.")
    thousands: str | None = _option(TEXT, "Mark of thousands in numbers written as text.")

    def __post_init__(self) -> None:
        problems = []
        for each in fields(self):
            value, kind = getattr(self, each.name), each.metadata["kind"]
            try:
                object.__setattr__(self, each.name, _checked(value, kind, each.name))
            except TypeError as error:
                problems.append(str(error))
        for name, known in (("shape", SHAPES), ("blank", BLANKS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                problems.append(f"`{name}` is {value!r}: expected {' or '.join(map(repr, known))}.")
        if len(self.count) > 2:
            problems.append(
                f"`count` names {len(self.count)} columns: expected one, or two with the bounds."
            )
        if self.delimiter in ("tab", "\\t"):
            object.__setattr__(self, "delimiter", "\t")
        if self.delimiter is not None and len(self.delimiter) != 1:
            problems.append(f"`delimiter` is {self.delimiter!r}: expected one character, or tab.")
        if problems:
            raise InvalidTableError(problems)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ReadOptions:
        """Check and take options by name."""
        names = [each.name for each in fields(cls)]
        wrong = [name for name in settings if name not in names]
        if wrong:
            raise InvalidTableError(
                [f"There is no option {name!r} of reading.{near(name, names)}" for name in wrong]
            )
        return cls(**settings)

    def but(self, settings: Mapping[str, Any]) -> ReadOptions:
        """Put other options in their place; None and empty ones change nothing."""
        given = {name: value for name, value in settings.items() if _is_said(value)}
        checked = ReadOptions.of(given)
        return replace(self, **{name: getattr(checked, name) for name in given})

    def to_toml(self) -> str:
        """Write the options that were given as a file that every command takes."""
        lines = []
        for each in fields(self):
            value = getattr(self, each.name)
            if _is_said(value):
                # Strings, lists, numbers and truth values of JSON are those of TOML.
                lines.append(f"{each.name} = {json.dumps(value)}")
        return "\n".join(lines)

    def as_arguments(self) -> list[str]:
        """Write the options as arguments of a command."""
        found = []
        for each in fields(self):
            value = getattr(self, each.name)
            if _is_said(value) and each.name != "shape":
                found.append(f"--{each.name.replace('_', '-')}")
                found += (
                    []
                    if value is True
                    else [",".join(value) if isinstance(value, tuple) else str(value)]
                )
        return found

    @classmethod
    def from_toml(cls, path: Path | str) -> tuple[ReadOptions, str | None]:
        """Read a file of options, and the source that it names, if it does."""
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            msg = f"The options {path} cannot be read: {error}. `mse read FILE` writes such a file."
            raise InvalidTableError(msg) from error
        source = data.pop("source", None)
        if source is not None and not isinstance(source, str):
            msg = f"`source` in {path} is {source!r}: expected the name of a file."
            raise InvalidTableError(msg)
        if source not in (None, "-") and (Path(path).parent / source).exists():
            source = str(Path(path).parent / source)
        return cls.of(data), source


def _is_said(value: Any) -> bool:
    """Whether an option was given; 0 is an answer."""
    return value is not None and value is not False and value != ()


def _checked(value: Any, kind: str, name: str) -> Any:
    """Take an option of a kind, or say what was expected."""
    if value is None:
        return None if kind != NAMES or name == "covariates" else ()
    if kind == NAMES:
        return _names(value, name)
    if name == "blank" and value == 0:
        return "0"
    expected, right = {
        FLAG: ("True or False", isinstance(value, bool)),
        NUMBER: ("a line number, or 0", type(value) is int and value >= 0),
        TEXT: ("text", isinstance(value, str)),
    }[kind]
    if not right:
        msg = f"`{name}` is of type {type(value).__name__}: expected {expected}."
        raise TypeError(msg)
    return value


def _names(value: Any, name: str) -> tuple[str, ...]:
    """Take names, or the words that mean something."""
    several = (value,) if isinstance(value, str | int | float) else value
    if isinstance(several, set | frozenset) or not hasattr(several, "__iter__"):
        msg = f"`{name}` is of type {type(value).__name__}: expected a name, or a list of names."
        raise TypeError(msg)
    given = tuple(several)
    if name in ("yes", "no", "unknown"):
        return tuple(str(int(each)) if isinstance(each, bool) else str(each) for each in given)
    if not all(isinstance(each, str | int) for each in given):
        msg = f"`{name}` holds what is no name of a column: expected strings, such as 'police'."
        raise TypeError(msg)
    return tuple(map(str, given))
