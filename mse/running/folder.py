"""The folder of a run: what leaves, and beside it what stays inside to make it again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mse._saving import load
from mse._versions import PACKAGES, release
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from mse.data.table import CaptureTable
    from mse.disclosure import Rules
    from mse.nowcasting import Nowcast
    from mse.running.configuration import Configuration
    from mse.since import Since

SCHEMA = "mse.run/1"
#: Folder below that of a run, of what stays inside.
INSIDE = "private"
#: The result as JSON, which runs are compared by.
RESULT = "result.json"


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that results depend on, so that they can be made again without the source.

    Attributes
    ----------
    configuration : mapping
        As of `Configuration.to_dict`.
    table : CaptureTable
        Counts, no persons.
    inhabitants : DataFrame or None
        For rates.
    rules : Rules
        Of disclosure.
    seed : int
        Of the draws; under rules that suppress made of a secret key.
    date : str
        Day of the report.
    since : Since or None
        What changed since the last run.
    nowcast : Nowcast or None
        The tables that were completed by what is still to come, where a date was named.
    regions : DataFrame or None
        Of places.
    """

    configuration: Mapping[str, Any]
    table: CaptureTable
    inhabitants: pd.DataFrame | None
    rules: Rules
    seed: int
    date: str
    since: Since | None = None
    nowcast: Nowcast | None = None
    regions: pd.DataFrame | None = None


def made_private(path: Path) -> Path:
    """Make a folder that nobody else may look into."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    except OSError as error:
        raise ModelError(
            f"The folder {path} cannot be made: {error.strerror}. Name another one."
        ) from error
    return path


def write_private(path: Path, text: str, *, append: bool = False) -> None:
    """Write a file that nobody else may read."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def software() -> dict[str, str]:
    """Versions that a figure may depend on, and the processor."""
    from llvmlite import binding

    names = ("multiple-systems", *PACKAGES, "matplotlib")
    found = {name: release(name) for name in names if release(name)}
    machine = f"{platform.system()} {platform.machine()}, {binding.get_host_cpu_name()}"
    return {"python": platform.python_version(), "machine": machine, **found}


def record_of(folder: Path) -> dict[str, Any]:
    """Read the record of a run.

    Raises
    ------
    ModelError
        If the folder holds none.
    """
    path = folder / INSIDE / "run.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} holds no run ({type(error).__name__}): expected a folder that `mse run` wrote, with what "
            f"stays inside in {INSIDE}."
        ) from None
    return found


def inputs_of(folder: Path) -> Inputs:
    """Read what a run was made from."""
    found = load(folder / INSIDE / "inputs.npz")
    if not isinstance(found, Inputs):
        raise ModelError(f"{folder / INSIDE}/inputs.npz holds no inputs of a run.")
    return found


def digest(data: bytes | str) -> str:
    """SHA-256 of some content, as hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def as_key(thing: object) -> str:
    """Write settings as text that is the same for the same settings."""
    return json.dumps(thing, sort_keys=True, default=str, ensure_ascii=False)


def state_of(asked: Configuration) -> str:
    """Tell in one text what a run depends on: the configuration, the files it names, the software."""
    named = (
        asked.scope.inhabitants,
        asked.method.regions,
        asked.disclosure.rules,
        *([asked.source] if not asked.secrets() else []),
    )
    paths = [asked.path(name) for name in named if name]
    files = [digest(path.read_bytes()) for path in paths if path.is_file()]
    # What lies behind a secret is read each time.
    behind = os.urandom(8).hex() if asked.secrets() else ""
    last = asked.output.last
    before = record_of(asked.path(last))["state"] if last is not None else ""
    return digest(as_key([asked.to_dict(), files, behind, before, software()]))


def stands(folder: Path, state: str) -> bool:
    """Whether a folder holds the results of this state, untouched."""
    try:
        record = record_of(folder)
        return record["state"] == state and all(
            digest((folder / name).read_bytes()) == known
            for name, known in record["outputs"].items()
        )
    except (ModelError, OSError, KeyError):
        return False


@dataclass
class Log:
    """What ran, how long, and from where it came: lines for a file, and for whoever watches."""

    announce: Callable[[str], None]
    lines: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Note a line."""
        self.lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")
        self.announce(text)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Note how long a step took; whoever takes it may note more."""
        noted: dict[str, Any] = {"step": name}
        start = time.perf_counter()
        yield noted
        noted["seconds"] = round(time.perf_counter() - start, 2)
        self.steps.append(noted)
        kept = ", kept from an earlier run" if noted.get("kept") else ""
        self.say(f"{name}: {noted['seconds']:.1f} s{kept}")
