"""From results to what is kept: strings, numbers, lists and dictionaries, exactly as JSON can hold them.

Floats are written by `repr`, so nothing is lost; infinities and NaN, which JSON lacks, are the texts
``inf``, ``-inf`` and ``nan``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

#: Keys of a dictionary below which each entry has a line of its own, so that differences can be read.
DEEPEST_LINES = 2
#: Characters of sentences from which each has a line of its own.
LONGEST_LINE = 100


def encode(value: object) -> Any:
    """Turn numbers, arrays, frames and mappings of them into what JSON holds."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or isinstance(value, str | bool | int):
        return None if value is pd.NA else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, pd.DataFrame):
        return encode_frame(value)
    if isinstance(value, pd.Series):
        return {_key(name): encode(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return encode(value.tolist())
    if isinstance(value, Mapping):
        return {_key(name): encode(item) for name, item in value.items()}
    if isinstance(value, Iterable):
        return [encode(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be kept: {value!r}")


def encode_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """Write a frame column by column; its index too, unless it only counts."""
    columns = {_key(name): encode(frame[name].tolist()) for name in frame.columns}
    if isinstance(frame.index, pd.RangeIndex):
        return columns
    return {"index": [_key(each) for each in frame.index], **columns}


def _key(name: object) -> str:
    """Write the name of a row or column; of several levels, their names joined."""
    return " | ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def as_text(records: Mapping[str, Any]) -> str:
    """Lay records out as JSON: keys sorted, one line for each entry of a record."""
    return _laid_out(records, 0) + "\n"


def _laid_out(value: Any, depth: int) -> str:
    """Lay out a value: dictionaries and lists of sentences over lines, the rest in one."""
    inner = "\n" + " " * (depth + 1)
    outer = "\n" + " " * depth
    if isinstance(value, dict) and value and depth < DEEPEST_LINES:
        rows = [f"{_one_line(key)}: {_laid_out(value[key], depth + 1)}" for key in sorted(value)]
        return "{" + inner + ("," + inner).join(rows) + outer + "}"
    sentences = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if sentences and sum(map(len, value)) > LONGEST_LINE:
        return "[" + inner + ("," + inner).join(map(_one_line, value)) + outer + "]"
    return _one_line(value)


def _one_line(value: Any) -> str:
    """Write a value in one line."""
    return json.dumps(
        value, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
