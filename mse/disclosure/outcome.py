"""What an output checker is given beside the files: why cells are suppressed, and what an attack leaves.

Both stay inside: who knows whether a mark stands for a small count or for another one knows more than its readers.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse.disclosure.attack import attack
from mse.disclosure.cells import Book, label
from mse.disclosure.protecting import note
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.suppression import choose, primary
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse.disclosure.cells import Cells
    from mse.disclosure.rules import AnyRules, Rules

#: Release of `acro` whose form is written where none is installed: it reads its own release only.
_ACRO = "1.0.2"


def suppressions(thing: object, rules: AnyRules) -> pd.DataFrame:
    """Say of each count that is suppressed why; for those who may see the counts.

    Parameters
    ----------
    thing : CaptureTable, PopulationEstimate, Comparison or Monitor
        What is to leave.
    rules : Rules, str or path
        What is to be protected.

    Returns
    -------
    DataFrame
        One row for each: ``cell``; ``why``, ``own count``, ``share`` or ``complement``; ``of``, the totals
        in which its count would give away another one, a suppressed one or one that is nowhere shown.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("artificial_3")
    >>> found = mse.disclosure.suppressions(table, mse.disclosure.Rules(threshold=10))
    >>> found["why"].value_counts().to_dict()
    {'complement': 2, 'own count': 2}
    """
    rules = rules_of(rules)
    book = Book()
    note(book, thing, rules)
    cells = book.cells()
    gone, own = choose(cells, rules), primary(cells, rules)
    rows = [
        (label(cells.keys[at]), *_why(cells, int(at), gone, own, rules))
        for at in np.flatnonzero(gone)
    ]
    return pd.DataFrame(rows, columns=["cell", "why", "of"])


def _why(cells: Cells, at: int, gone: Any, own: Any, rules: Rules) -> tuple[str, str]:
    if own[at]:
        return ("own count" if rules.unsafe(int(cells.counts[at])) else "share"), ""
    hidden = gone | ~cells.shown
    totals = [label(cells.keys[total]) for total in _sums_with(cells, at, hidden)]
    return "complement", "; ".join(dict.fromkeys(totals))


def _sums_with(cells: Cells, at: int, hidden: Any) -> Iterator[int]:
    """Find the totals of the sums that a cell is in together with another one that is not shown."""
    for row in range(cells.sums.shape[0]):
        members, signs = cells.sums[[row]].indices, cells.sums[[row]].data
        if at in members and any(hidden[other] for other in members if other != at):
            yield int(members[signs > 0][0])


def acro_outcome(files: Sequence[str | Path], rules: AnyRules, folder: str | Path) -> Path:
    """Attack files, and write what is left as an output folder of `acro` for its checkers.

    Parameters
    ----------
    files : sequence of path
        What was published or is to be; read together, and copied into the folder.
    rules : Rules, str or path
        What they are held against.
    folder : path
        Is made if it is not there; ``results.json`` in it is written anew.

    Returns
    -------
    Path
        Of ``results.json``: one output, ``pass`` or ``fail``, whose outcome is the table of `attack`.

    Raises
    ------
    ModelError
        If a file cannot be read, or the folder not be written.
    """
    rules = rules_of(rules)
    paths, target = [Path(each) for each in files], Path(folder)
    found = attack(paths, rules)
    told = int(found["exposed"].astype(bool).sum())
    threshold = [at for at, row in enumerate(found["exposed"].astype(bool)) if row]
    checked = {"suppressed": rules.suppresses, "threshold": told}
    sdc = {"summary": checked, "cells": {"threshold": [[at, 0] for at in threshold]}}
    record = {
        "uid": "output_0",
        "status": "fail" if told else "pass",
        "type": "custom",
        "properties": {"method": "attack", "rules": rules.name},
        "files": [{"name": each.name, "sdc": sdc} for each in paths],
        "outcome": json.loads(found.to_json()),
        "command": " ".join(["mse check", *(each.name for each in paths)]),
        "summary": f"{'fail' if told else 'pass'}; {told} of {len(found)} counts are given away",
        "timestamp": dt.datetime.now().isoformat(),
        "comments": [rules.sentence()],
        "exception": "",
    }
    data = {"version": _version(), "results": {"output_0": record}}
    try:
        target.mkdir(parents=True, exist_ok=True)
        for each in paths:
            shutil.copyfile(each, target / each.name)
        results = target / "results.json"
        results.write_text(json.dumps(data, indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error.strerror}.") from None
    return results


def _version() -> str:
    try:
        return version("acro")
    except PackageNotFoundError:
        return _ACRO
