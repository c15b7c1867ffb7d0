"""A run made again from what it kept, and compared; and a folder for the office that checks outputs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from mse.answer.shown import Result, Section, csv_text, layout
from mse.disclosure import attack
from mse.disclosure import rules as rules_of
from mse.disclosure.printed import workbook_text
from mse.errors import ModelError
from mse.reporting.building import build_report
from mse.reporting.layout import as_markdown
from mse.running.configuration import Configuration
from mse.running.folder import digest, inputs_of, record_of, software
from mse.running.making import outputs_of, results_of
from mse.words.catalogue import language_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mse.running.folder import Inputs

#: How near figures have to be on another machine, or with other versions.
NEAR = 1e-9
_NUMBER = re.compile(r"(-?\d+\.?\d*(?:[eE][-+]?\d+)?)")
#: Sections of a report that say how it was done.
_ACCOUNT = ("question", "lists", "assumptions", "account", "citation")


class Checked(NamedTuple):
    """One file, and whether it came out the same."""

    file: str
    found: str
    same: bool


@dataclass(frozen=True, eq=False, repr=False)
class Verification(Result):
    """A run made again, and compared file by file.

    Attributes
    ----------
    date : str
        Day of the run.
    files : tuple of Checked
        Each file that left, and whether it is the same.
    elsewhere : tuple of str
        Versions, or the machine, that are others than those of the run.
    """

    date: str
    files: tuple[Checked, ...]
    elsewhere: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether every file is the same, to the byte here, and in its figures elsewhere."""
        return all(each.same for each in self.files)

    def to_frame(self) -> pd.DataFrame:
        """Show the files as a DataFrame, one row each."""
        return pd.DataFrame(self.files, columns=list(Checked._fields))

    def __repr__(self) -> str:
        return f"<Verification of {len(self.files)} files: {'passes' if self.passes else 'FAILS'}>"

    def _sections(self) -> list[Section]:
        rows = [(each.file, each.found) for each in self.files]
        said = (
            "It passes." if self.passes else "IT DOES NOT PASS: a file is not what the run gives."
        )
        other = ", ".join(self.elsewhere)
        there = f"Other than in the run: {other}." if other else "Same machine, same versions."
        head = f"Verification of the run of {self.date}"
        return [Section(head, paragraphs=(said, there), verbatim=layout(("file", "found"), rows))]


def verify(folder: str | Path, announce: Callable[[str], None] = lambda _: None) -> Verification:
    """Make a run again, offline, from what it kept, and compare what left.

    folder: of the run, or a copy of it
    announce: is told in English what is done
    Raises ModelError: if it holds no run
    """
    return _verified(Path(folder), announce)[0]


def _verified(
    folder: Path, announce: Callable[[str], None]
) -> tuple[Verification, Inputs, list[Any]]:
    record, inputs = record_of(folder), inputs_of(folder)
    announce("making the run again from what it kept")
    results = results_of(inputs)
    made = outputs_of(inputs, results)
    here, then = software(), record["software"]
    elsewhere = tuple(
        f"{name} {then.get(name, 'none')}, here {here.get(name, 'none')}"
        for name in dict.fromkeys([*then, *here])
        if then.get(name) != here.get(name)
    )
    files = tuple(
        _checked(folder / name, made.get(name), record["outputs"][name], bool(elsewhere))
        for name in record["outputs"]
    )
    return Verification(record["date"], files, elsewhere), inputs, results


def _checked(path: Path, made: bytes | None, known: str, elsewhere: bool) -> Checked:
    """Compare one file with what was made again, and with what the record says of it."""
    try:
        data = path.read_bytes()
    except OSError:
        return Checked(path.name, "cannot be read", False)
    if digest(data) != known:
        return Checked(path.name, "changed since the run", False)
    if made is None:
        return Checked(path.name, "not made by this version", False)
    if data == made:
        return Checked(path.name, "the same to the byte", True)
    if not elsewhere:
        return Checked(path.name, "not the same", False)
    of = _FIGURES.get(path.suffix)
    if of is not None and _near(of(data), of(made)):
        return Checked(path.name, f"the same figures, to {NEAR:g}", True)
    laid_out = path.suffix in (".html", ".md")
    return Checked(
        path.name, "laid out otherwise, not compared" if laid_out else "not the same", laid_out
    )


def _figures(data: bytes) -> list[Any]:
    """List what JSON holds, but for versions."""
    return [*_leaves(json.loads(data))]


def _leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, dict):
        for key, value in data.items():
            if key not in ("version", "software", "messages"):
                yield key
                yield from _leaves(value)
    elif isinstance(data, list):
        yield len(data)
        for each in data:
            yield from _leaves(each)
    elif isinstance(data, str):
        yield from _tokens(data)
    else:
        yield data


def _tokens(text: str) -> list[Any]:
    """Take a text apart into words and numbers."""
    parts = _NUMBER.split(text)
    return [float(each) if at % 2 else each for at, each in enumerate(parts)]


#: What lists the figures of a file, by its suffix; others are layout.
_FIGURES: dict[str, Callable[[bytes], list[Any]]] = {
    ".json": _figures,
    ".csv": lambda data: _tokens(data.decode()),
    ".xlsx": lambda data: _tokens(workbook_text(data)),
}


def _near(one: list[Any], other: list[Any]) -> bool:
    """Whether two lists hold the same words, and numbers that are near."""
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=NEAR, abs_tol=NEAR)
        if isinstance(a, float | int) and isinstance(b, float | int)
        else a == b
        for a, b in zip(one, other, strict=True)
    )


# For the office that checks outputs ---------------------------------------------------------------


def review(
    folder: str | Path, target: str | Path, announce: Callable[[str], None] = lambda _: None
) -> Verification:
    """Make one folder for the office that checks outputs; nothing that stays inside is in it.

    folder: of the run
    target: folder to make: ``leaves``, ``methods.md``, ``attack.csv``, ``verification.txt``, ``README.md``
    Raises ModelError: if there is no run, or the folder cannot be written
    """
    source, made = Path(folder), Path(target)
    checked, inputs, results = _verified(source, announce)
    record = record_of(source)
    announce("attacking what leaves")
    held = inputs.rules if inputs.rules.suppresses else rules_of("cbs")
    leaving = [source / name for name in record["outputs"]]
    found = attack(leaving, held)
    files = {f"leaves/{each.name}": each.read_bytes() for each in leaving}
    files["methods.md"] = _methods(inputs, results).encode()
    files["attack.csv"] = csv_text(found).encode()
    files["verification.txt"] = f"{checked.summary()}\n".encode()
    exposed = int(found["exposed"].astype(bool).sum())
    files["README.md"] = _contents(record, inputs, checked, held.name, exposed, files).encode()
    try:
        (made / "leaves").mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (made / name).write_bytes(data)
    except OSError as error:
        raise ModelError(
            f"{made} cannot be written: {error.strerror}. Name another folder."
        ) from error
    return checked


def _methods(inputs: Inputs, results: list[Any]) -> str:
    """Write the account of the methods: the sections of the report that say how it was done."""
    from dataclasses import replace
    from datetime import date

    asked = Configuration.of(inputs.configuration)
    language = asked.output.languages[0]
    report = build_report(
        results,
        language=language,
        disclosure=inputs.rules,
        title=asked.about.title,
        level=asked.method.level,
        date=date.fromisoformat(inputs.date),
        figures=False,
    )
    kept = tuple(each for each in report.sections if each.id in _ACCOUNT)
    return as_markdown(replace(report, sections=kept), language_of(language))


def _contents(
    record: Mapping[str, Any],
    inputs: Inputs,
    checked: Verification,
    held: str,
    exposed: int,
    files: Mapping[str, bytes],
) -> str:
    """Write the first page: what is in the folder, and what was found."""
    said = "passes" if checked.passes else "DOES NOT PASS"
    versions = ", ".join(f"{name} {version}" for name, version in record["software"].items())
    lines = [
        "# For the review of outputs",
        "",
        f"- Run of {record['date']}, reviewed with {versions}.",
        f"- Rules of disclosure: {inputs.rules.name}. Held against: {held}.",
        f"- The attack on what leaves (`attack.csv`): {exposed} counts given away.",
        f"- Verification (`verification.txt`): {said}.",
        "- `leaves` holds what is to leave, `methods.md` how it was made. Nothing else of the run is here.",
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| `{name}` | `{digest(data)}` |" for name, data in sorted(files.items())),
    ]
    return "\n".join(lines) + "\n"
