"""A year in one file: a configuration that is run, run again, verified, reviewed, and compared with the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.running.configuration import Configuration
from mse.running.folder import Log, stands, state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(
    path: str | Path,
    *,
    fresh: bool = False,
    announce: Callable[[str], None] = lambda _: None,
    command: bool = False,
) -> Path:
    r"""Run a configuration; what did not change is not computed again.

    path: of the configuration
    fresh: whether to compute everything anew
    announce: is told in English what is done
    command: whether the reader is at the command line
    Returns the folder of the run.
    Raises ModelError, InvalidTableError: with everything that is wrong in the configuration or the data

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "year.toml"
    >>> text = '[data]\nsource = "korea"\n[method]\nreplicates = 100\n[output]\nfigures = false\n'
    >>> _ = file.write_text(text + 'workers = 1\nreports = ["md"]\n')
    >>> sorted(each.name for each in run(file).iterdir())
    ['figures.csv', 'private', 'report.md', 'result.json']
    """
    asked, log = Configuration.read(path), Log(announce)
    folder, state = asked.path(asked.output.folder), state_of(asked)
    if not fresh and stands(folder, state):
        log.say(f"nothing has changed: the results in {folder} stand as they are")
        return folder
    # Loaded where there is work to do: an unchanged configuration is answered at once.
    from mse.running.anew import run_anew

    run_anew(asked, state, log, fresh=fresh, command=command)
    return folder
