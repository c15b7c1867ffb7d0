"""Published tables, each with its source, its population and the traps that are known.

One JSON file per table: `lists` in order, `covariates` with their levels in order, and `strata`, each
with its levels and the counts by capture history or, of one register, by how often persons were seen. To add
a table, add a file.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from mse.data.count_table import CountTable
from mse.data.kinds import NoLists
from mse.data.persons import PersonTable
from mse.data.table import CaptureTable
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["list_datasets", "load_dataset"]


@overload
def load_dataset(name: Literal["irregular_migrants"]) -> CountTable: ...  # type: ignore[overload-overlap]
@overload
def load_dataset(name: str) -> CaptureTable: ...
def load_dataset(name: str) -> Any:
    """Load a published table.

    Parameters
    ----------
    name : str
        One of the names in `list_datasets()`.

    Returns
    -------
    CaptureTable or, of one register, CountTable
        Its `info` tells the population, the period, the source, what the lists are, and in `notes` what
        to beware of.

    Raises
    ------
    InvalidTableError
        If there is no table of that name.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("korea")
    >>> table.counts.tolist()
    [[[0, 41], [5, 0]], [[5, 6], [54, 12]]]
    >>> table.info.source
    'Ball, Shin & Yang (2018)'
    """
    if name not in _names():
        close = difflib.get_close_matches(str(name).lower(), _names(), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        msg = f"There is no dataset {name!r}.{hint} The datasets are: {', '.join(_names())}."
        raise InvalidTableError(msg)
    return _table(name)


def table_from(given: object) -> CaptureTable:
    """Take a table, or the dataset of that name; other data have to be read first.

    given: what was passed where a table is expected
    Raises InvalidTableError: for other data, saying how they are read; WrongTableError for tables of another kind
    """
    if isinstance(given, CaptureTable):
        return given
    if isinstance(given, str) and given in _names():
        given = load_dataset(given)
        if isinstance(given, CaptureTable):
            return given
    if isinstance(given, NoLists):
        raise given.refused()
    kind = f"{type(given).__module__.partition('.')[0]}.{type(given).__qualname__}"
    what = "a text" if isinstance(given, str) else f"of type {kind.removeprefix('builtins.')}"
    msg = (
        f"The data are {what}: expected a CaptureTable, or the name of a dataset. Make a table of a file or a "
        "data frame with `mse.read(data, lists=[...])`, and name `covariates`, `count`, or `person` and "
        "`register`, where there are."
    )
    raise InvalidTableError(msg)


def data_from(given: object) -> Any:
    """Take data of any kind as they are, lists, counts or persons, and anything else as `table_from` does."""
    if isinstance(given, CaptureTable | CountTable | PersonTable):
        return given
    return (
        load_dataset(given) if isinstance(given, str) and given in _names() else table_from(given)
    )


def list_datasets() -> pd.DataFrame:
    """List the published tables.

    Returns
    -------
    pandas.DataFrame
        One row per table: `name`, number of `lists`, `observed` persons, names of the `covariates`,
        `population`, `source`.

    Examples
    --------
    >>> import mse
    >>> tables = mse.list_datasets().set_index("name")
    >>> int(tables.loc["netherlands", "observed"])
    8234
    """
    import pandas as pd

    rows = []
    for name in _names():
        table = _table(name)
        period = f", {table.info.period}" if table.info.period else ""
        rows.append(
            {
                "name": name,
                "lists": len(table.lists),
                "observed": table.n_observed,
                "covariates": ", ".join(table.covariates),
                "population": table.info.population + period,
                "source": table.info.source,
            }
        )
    return pd.DataFrame(rows)


@cache
def _names() -> tuple[str, ...]:
    files = (item.name for item in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in files if name.endswith(".json")))


@cache
def _table(name: str) -> Any:
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    described = {part["name"]: part["description"] for part in data["lists"] if part["description"]}
    texts = {key: data[key] for key in ("name", "population", "period", "scope", "source", "notes")}
    table = _counts(data) if data["schema"].startswith("mse.counts") else _histories(data)
    return table.with_info(list_descriptions=described, **texts)


def _histories(data: dict[str, Any]) -> CaptureTable:
    lists = [part["name"] for part in data["lists"]]
    levels: dict[str, list[Any]] = data["covariates"]
    counts = np.zeros((2,) * len(lists) + tuple(map(len, levels.values())), dtype=np.int64)
    for stratum in data["strata"]:
        where = tuple(levels[key].index(level) for key, level in stratum["levels"].items())
        for history, persons in stratum["counts"].items():
            counts[(*map(int, history), *where)] = persons
    return CaptureTable.from_array(counts, lists, levels)


def _counts(data: dict[str, Any]) -> CountTable:
    rows = [(each, *cell) for each in data["strata"] for cell in each["counts"].items()]
    levels = {name: tuple(known) for name, known in data["covariates"].items()}
    columns = {
        name: np.asarray([known.index(each["levels"][name]) for each, *_ in rows])
        for name, known in levels.items()
    }
    times, persons = (np.asarray([int(each[at]) for each in rows]) for at in (1, 2))
    return CountTable(data["lists"][0]["name"], times, persons, columns, levels)
