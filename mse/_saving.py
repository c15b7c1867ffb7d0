"""Results as files: JSON and arrays, in which nothing can be executed.

A file is a zip archive of one text, ``content.json``, and of arrays as NumPy writes them, so that `numpy.load`
opens it. Loading makes objects of the classes of this package and sets their fields: it runs no code that the
file could name.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mse._typing import FrozenDict
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "mse.saved/1"
_CONTENT = "content.json"
#: Classes that are made by a function of theirs, of what their `__reduce__` gives, and not field by field.
_MADE_BY = {"mse.data.table:CaptureTable": "_of", "mse.messages:Message": "stored"}
#: Methods that a result may hold: what makes the likelihood curve of a fit.
_METHODS = ("profile_curve",)
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Saved:
    """Gives a class ``save`` and ``load``: the whole of it in one file, which stays inside."""

    __slots__ = ()

    def save(self, path: str | Path) -> Path:
        """Write the whole of it, draws included, to a file that only its owner may read.

        Parameters
        ----------
        path : str or Path
            File to write, such as ``"fit.npz"``. It holds the counts it was made from: it stays inside.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        ModelError
            If the file cannot be written, or a part is of a class of somebody else's.
        """
        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what ``save`` wrote; `mse.load` does so whatever it is.

        Parameters
        ----------
        path : str or Path
            File that ``save`` wrote.

        Raises
        ------
        ModelError
            If it is no such file, or holds something else.
        """
        found = load(path)
        if not isinstance(found, cls):
            raise ModelError(f"{path} holds a {type(found).__name__}: expected a {cls.__name__}.")
        return found


def save(thing: object, path: str | Path) -> Path:
    """Write a result, or a list of them, to a file for its owner only; see `Saved.save`."""
    target = Path(path)
    writer = _Writer()
    content = {"schema": SCHEMA, "content": writer.encoded(thing)}
    part = target.with_name(target.name + ".part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            _put(archive, _CONTENT, json.dumps(content, allow_nan=False).encode())
            for name, array in writer.arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                _put(archive, f"{name}.npy", buffer.getvalue())
        part.replace(target)
    except OSError as error:
        raise ModelError(
            f"{target} cannot be written: {error.strerror}. Choose another file."
        ) from error
    return target


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member without the time, so that the same content is the same file."""
    archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def load(path: str | Path, instead: Mapping[type, Any] | None = None) -> Any:
    """Read a result that was saved.

    Parameters
    ----------
    path : str or Path
        File that ``save`` of a result wrote.
    instead : mapping of type to object, optional
        Objects to take in place of those of a class in the file: another description of the table, say.

    Returns
    -------
    object
        Of the class that was saved.

    Raises
    ------
    ModelError
        If it is no such file, or was damaged.

    Examples
    --------
    >>> import mse, pathlib, tempfile
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> path = fit.save(pathlib.Path(tempfile.mkdtemp()) / "fit.npz")
    >>> mse.load(path).population.total == fit.population.total
    True
    """
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read(_CONTENT))
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r}")
            return _Loader(archive, dict(instead or {})).decoded(data["content"])
    except FileNotFoundError:
        raise ModelError(
            f"There is no file {path}: expected one that `save` of a result wrote."
        ) from None
    except (
        *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, ImportError),
        *(zipfile.BadZipFile, RecursionError, EOFError),
    ) as error:
        raise ModelError(
            f"{path} cannot be loaded ({type(error).__name__}: {error}): expected a file that `save` of a result "
            f"wrote (schema {SCHEMA})."
        ) from error


def _name_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


class _Writer:
    """Encodes objects as JSON, arrays apart; one that occurs again is referred to."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._known: dict[int, int] = {}
        self._kept: list[object] = []  # so that no id is given to another object meanwhile

    def encoded(self, value: Any) -> Any:
        """Encode anything that a result may hold."""
        if value is None or type(value) in (bool, int, str):
            return value
        if isinstance(value, float) and type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if id(value) in self._known:
            return {"again": self._known[id(value)]}
        made = self._of_many(value)
        self._known[id(value)] = len(self._known)
        self._kept.append(value)
        return made

    def _of_many(self, value: Any) -> dict[str, Any]:
        """Encode what has parts, or is an array."""
        kind = type(value)
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value)
        if kind in (tuple, list, set, frozenset):
            return {kind.__name__: [self.encoded(each) for each in value]}
        if kind in (dict, FrozenDict):
            pairs = [[self.encoded(key), self.encoded(item)] for key, item in value.items()]
            return {"frozen" if kind is FrozenDict else "dict": pairs}
        if kind.__module__.partition(".")[0] == "pandas":
            return self._pandas(value)
        if kind.__name__ == "csr_array":
            parts = (value.data, value.indices, value.indptr)
            return {"sparse": [self._array(each) for each in parts], "shape": list(value.shape)}
        if kind is MethodType and value.__name__ in _METHODS:
            return {"method": value.__name__, "of": self.encoded(value.__self__)}
        return {"object": _name_of(kind), "parts": self._parts(value)}

    def _parts(self, value: Any) -> Any:
        """Take apart an object of this package."""
        kind = type(value)
        if kind.__module__.partition(".")[0] == "mse":
            if _name_of(kind) in _MADE_BY:
                return [self.encoded(each) for each in value.__reduce__()[1]]
            if is_dataclass(kind):
                return {each.name: self.encoded(getattr(value, each.name)) for each in fields(kind)}
            if issubclass(kind, tuple):
                return [self.encoded(each) for each in value]
        raise ModelError(
            f"A {_name_of(kind)} cannot be saved: expected results of this package, numbers, texts and arrays."
        )

    def _array(self, value: Any) -> dict[str, Any]:
        array = np.asarray(value)
        if array.dtype == object:
            return {"objects": list(array.shape), "items": [self.encoded(e) for e in array.ravel()]}
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return {"array": name, "scalar": True} if isinstance(value, np.generic) else {"array": name}

    def _pandas(self, value: Any) -> dict[str, Any]:
        """Encode a frame, a series, or one of their parts."""
        import pandas as pd

        if value is pd.NA:
            return {"missing": "NA"}
        if isinstance(value, pd.DataFrame):
            columns = [self._pandas(value.iloc[:, at].array) for at in range(value.shape[1])]
            return {"frame": columns, **self._ends(value.columns, value.index)}
        if isinstance(value, pd.Series):
            return {
                "series": self._pandas(value.array),
                **self._ends(pd.Index([value.name]), value.index),
            }
        if isinstance(value, pd.RangeIndex):
            return {
                "range": [value.start, value.stop, value.step],
                "names": self.encoded(list(value.names)),
            }
        if isinstance(value, pd.Index):
            kind = "tuples" if isinstance(value, pd.MultiIndex) else "index"
            items = self.encoded(list(value)) if kind == "tuples" else self._pandas(value.array)
            return {kind: items, "names": self.encoded(list(value.names))}
        if isinstance(value, pd.Categorical):
            levels = self._pandas(value.categories)
            return {
                "codes": self.encoded(value.codes),
                "levels": levels,
                "ordered": bool(value.ordered),
            }
        plain = isinstance(value.dtype, np.dtype)
        items = value.to_numpy() if plain else value.to_numpy(dtype=object)
        return {"values": self._array(items), "dtype": str(value.dtype)}

    def _ends(self, columns: Any, index: Any) -> dict[str, Any]:
        return {"columns": self._pandas(columns), "index": self._pandas(index)}


class _Loader:
    """Makes objects of what a `_Writer` wrote."""

    def __init__(self, archive: zipfile.ZipFile, instead: Mapping[type, Any]) -> None:
        self._archive = archive
        self._instead = instead
        self._known: list[Any] = []

    def decoded(self, data: Any) -> Any:
        """Decode anything."""
        if isinstance(data, list):
            raise ValueError("a list that is no value")
        if not isinstance(data, dict):
            return data
        if "float" in data:
            return _WORDS[data["float"]]
        if "again" in data:
            return self._known[data["again"]]
        made = self._made(data)
        self._known.append(made)
        return made

    def _all(self, data: Any) -> list[Any]:
        return [self.decoded(each) for each in data]

    def _made(self, data: dict[str, Any]) -> Any:
        """Make what has parts, or is an array."""
        if "object" in data:
            return self._object(data["object"], data["parts"])
        if "array" in data or "objects" in data:
            return self._array(data)
        if "sparse" in data:
            from scipy.sparse import csr_array

            return csr_array(
                tuple(self._array(each) for each in data["sparse"]), shape=data["shape"]
            )
        if "method" in data:
            return getattr(self.decoded(data["of"]), _METHODS[_METHODS.index(data["method"])])
        for kind in (tuple, list, set, frozenset):
            if kind.__name__ in data:
                return kind(self._all(data[kind.__name__]))
        for name, make in (("dict", dict), ("frozen", FrozenDict)):
            if name in data:
                return make({self.decoded(k): self.decoded(v) for k, v in data[name]})
        return self._pandas(data)

    def _object(self, name: str, parts: Any) -> Any:
        """Make an object of a class of this package, field by field."""
        module, _, path = name.partition(":")
        if module.partition(".")[0] != "mse":
            raise ValueError(f"{name} is no class of this package")
        kind: Any = import_module(module)
        for each in path.split("."):
            kind = vars(kind)[each]
        if not isinstance(kind, type) or kind.__module__ != module:
            raise TypeError(f"{name} is no class of this package")
        if name in _MADE_BY:
            found = getattr(kind, _MADE_BY[name])(*self._all(parts))
        elif is_dataclass(kind):
            known = {each.name for each in fields(kind)}
            found = object.__new__(kind)
            values = {part: self.decoded(value) for part, value in parts.items()}
            if set(values) != known:
                raise ValueError(f"a {kind.__name__} of this version has other fields")
            for part, value in values.items():
                object.__setattr__(found, part, value)
        elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
            found = kind._make(self._all(parts))  # type: ignore[attr-defined]
        else:
            raise TypeError(f"{name} is no class of results")
        return self._instead.get(kind, found)

    def _array(self, data: dict[str, Any]) -> Any:
        """Read an array; nobody may change it."""
        if "objects" in data:
            array = np.empty(math.prod(data["objects"]), dtype=object)
            array[:] = [*self._all(data["items"]), None][:-1]
            array = array.reshape(data["objects"])
        else:
            file = io.BytesIO(self._archive.read(f"{data['array']}.npy"))
            array = np.lib.format.read_array(file, allow_pickle=False)
        if data.get("scalar"):
            return array[()]
        array.flags.writeable = False
        return array

    def _pandas(self, data: dict[str, Any]) -> Any:
        """Make a frame, a series, or one of their parts."""
        import pandas as pd

        if "missing" in data:
            return pd.NA
        if "frame" in data:
            columns = [self._pandas(each) for each in data["frame"]]
            names, index = self._pandas(data["columns"]), self._pandas(data["index"])
            frame = pd.DataFrame(dict(enumerate(columns)), index=index)
            frame.columns = names
            return frame
        if "series" in data:
            values = self._pandas(data["series"])
            names, index = self._pandas(data["columns"]), self._pandas(data["index"])
            return pd.Series(values, index=index, name=names[0])
        if "range" in data:
            start, stop, step = data["range"]
            return pd.RangeIndex(start, stop, step, name=self.decoded(data["names"])[0])
        if "tuples" in data:
            rows = self.decoded(data["tuples"])
            return pd.MultiIndex.from_tuples(rows, names=self.decoded(data["names"]))
        if "index" in data:
            values = self._pandas(data["index"])
            return pd.Index(values, name=self.decoded(data["names"])[0])
        if "codes" in data:
            codes, levels = self.decoded(data["codes"]), self._pandas(data["levels"])
            return pd.Categorical.from_codes(codes, levels, ordered=data["ordered"])
        values = self._array(data["values"])
        # A copy, since what frames are made of may be changed in place.
        return pd.array(values.copy(), dtype=data["dtype"])
