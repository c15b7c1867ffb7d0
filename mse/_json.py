"""Estimates to and from JSON, schema ``mse.population/1``.

JSON has neither NaN nor infinity: both become null. An end of an interval that is infinite says so
with ``"unbounded": true`` beside it; an estimate without a number says so in ``status`` and
``limit``. The schema is written down in ``mse/schema/population-1.json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse._strata import Strata
from mse.errors import ModelError
from mse.intervals import (
    DEFAULT_LEVEL,
    ModelRange,
    PartIntervals,
    ReplicatedParts,
    StoredIntervals,
    StoredParts,
)
from mse.table import TableInfo

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.population import PopulationEstimate

__all__ = ["POPULATION_SCHEMA", "decode_population", "encode_population", "jsonable"]

POPULATION_SCHEMA = "mse.population/1"
#: Kinds of intervals that draws alone determine.
READ_OFF_DRAWS = ("percentile", "basic", "credible")


def jsonable(value: object) -> Any:
    """Turn a value into what JSON can hold: NaN and infinity to null, the unknown to text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if value is pd.NA:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [jsonable(item) for item in value]
    return str(value)


# Writing -----------------------------------------------------------------------------------------


def encode_population(
    estimate: PopulationEstimate, levels: Iterable[float], *, draws: bool
) -> dict[str, Any]:
    """Write an estimate as a dictionary that ``json.dumps(..., allow_nan=False)`` accepts."""
    data = {
        "schema": POPULATION_SCHEMA,
        "info": {part.name: getattr(estimate.info, part.name) for part in fields(TableInfo)},
        "lists": estimate.lists,
        "method": estimate.method,
        "model": estimate.model,
        "status": estimate.status,
        "limit": estimate.limit,
        "reason": estimate.reason,
        "observed": estimate.observed,
        "hidden": estimate.hidden,
        "total": estimate.total,
        "coverage": estimate.coverage,
        "interval": _encode_intervals(estimate, levels),
        "model_range": _encode_range(estimate.model_range),
        "strata": _encode_strata(estimate),
        "assumptions": estimate.assumptions,
        "warnings": estimate.warnings,
        "provenance": estimate.provenance,
    }
    if draws:
        data["draws"] = _encode_draws(estimate.draws)
        data["stratum_draws"] = _encode_draws(estimate.stratum_draws)
    encoded: dict[str, Any] = jsonable(data)
    return encoded


def _encode_intervals(
    estimate: PopulationEstimate, levels: Iterable[float]
) -> dict[str, Any] | None:
    if estimate.uncertainty is None:
        return None
    known = sorted(set(levels))
    ends = [(level, *estimate.interval(level)) for level in known]
    return {
        "kind": estimate.interval_kind,
        "given": estimate.interval_given,
        "levels": [
            {"level": level, "low": low, "high": high, "unbounded": math.isinf(high)}
            for level, low, high in ends
        ],
    }


def _encode_range(spread: ModelRange | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return asdict(spread) | {"unbounded": math.isinf(spread.high)}


def _encode_strata(estimate: PopulationEstimate) -> dict[str, Any] | None:
    strata, frame = estimate.strata, estimate.by
    if strata is None or frame is None:
        return None
    figures = ["observed", "hidden", "total", "coverage", "low", "high", "status", "limit"]
    cells = [
        {"levels": cell, **dict(zip(figures, row, strict=True)), "unbounded": math.isinf(row[5])}
        for cell, row in zip(
            strata.cells, frame[figures].itertuples(index=False, name=None), strict=True
        )
    ]
    covariance = None
    if strata.covariance is not None:
        # The matrix is symmetric and grows with the square of the strata: half of it will do.
        covariance = [row[: at + 1] for at, row in enumerate(strata.covariance.tolist())]
    return {
        "covariates": [{"name": name, "levels": known} for name, known in strata.levels.items()],
        "interval_level": DEFAULT_LEVEL,
        "interval_kind": None if strata.intervals is None else strata.intervals.kind,
        "cells": cells,
        "covariance": covariance,
    }


def _encode_draws(draws: Any) -> Any:
    """Draws as nested lists; an infinite one as the text ``inf``, so that it is not lost."""
    if draws is None:
        return None
    values = np.asarray(draws, dtype=np.float64)
    return np.where(np.isposinf(values), "inf", values.astype(object)).tolist()


# Reading -----------------------------------------------------------------------------------------


def decode_population(data: object) -> dict[str, Any]:
    """Arguments of ``PopulationEstimate`` from what :func:`encode_population` wrote.

    Raises
    ------
    ModelError
        If the data name another schema, or lack a part of this one.
    """
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or schema != POPULATION_SCHEMA:
        msg = f"The data name the schema {schema!r}; expected {POPULATION_SCHEMA!r}."
        raise ModelError(msg)
    try:
        return _decode(data)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"The data do not follow {POPULATION_SCHEMA}: {type(error).__name__}: {error}."
        raise ModelError(msg) from error


def _decode(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["observed"] is None:
        msg = (
            "The figures are suppressed, to protect persons: there is no estimate to read. What was "
            "done is said under the key 'disclosure'."
        )
        raise ModelError(msg)
    intervals = _decode_intervals(data["interval"])
    strata = _decode_strata(data["strata"])
    draws = _decode_stratum_draws(data.get("stratum_draws"), strata)
    if strata is not None:
        parts = _decode_parts(data["strata"], strata, intervals, draws)
        strata = replace(strata, intervals=parts)
    return {
        "info": TableInfo(**data["info"]),
        "lists": tuple(data["lists"]),
        "method": data["method"],
        "model": data["model"],
        "status": data["status"],
        "limit": data["limit"],
        "reason": data["reason"],
        "observed": data["observed"],
        "hidden": _number(data["hidden"]),
        "uncertainty": intervals,
        "model_range": _decode_range(data["model_range"]),
        "strata": strata,
        "assumptions": tuple(data["assumptions"]),
        "warnings": tuple(data["warnings"]),
        "provenance": dict(data["provenance"]),
        "draws": _decode_draws(data.get("draws")),
        "stratum_draws": draws,
    }


def _number(value: float | None, *, unbounded: bool = False) -> float:
    if value is None:
        return math.inf if unbounded else math.nan
    return float(value)


def _decode_intervals(data: Mapping[str, Any] | None) -> StoredIntervals | None:
    if data is None:
        return None
    ends = {
        float(row["level"]): (
            _number(row["low"]),
            _number(row["high"], unbounded=row["unbounded"]),
        )
        for row in data["levels"]
    }
    return StoredIntervals(data["kind"], data["given"], ends)


def _decode_range(data: Mapping[str, Any] | None) -> ModelRange | None:
    if data is None:
        return None
    return ModelRange(
        low=_number(data["low"]),
        high=_number(data["high"], unbounded=data["unbounded"]),
        n_models=data["n_models"],
        n_not_estimable=data["n_not_estimable"],
        criterion=data["criterion"],
        within=data["within"],
    )


def _decode_strata(data: Mapping[str, Any] | None) -> Strata | None:
    if data is None or any(cell["observed"] is None for cell in data["cells"]):
        # Strata of which some are suppressed, to protect persons, cannot be summed again.
        return None
    cells = data["cells"]
    covariance = None
    if data["covariance"] is not None:
        covariance = np.zeros((len(cells), len(cells)))
        for at, row in enumerate(data["covariance"]):
            covariance[at, : at + 1] = covariance[: at + 1, at] = [_number(v) for v in row]
    return Strata(
        levels={item["name"]: tuple(item["levels"]) for item in data["covariates"]},
        observed=np.array([cell["observed"] for cell in cells], dtype=np.int64),
        hidden=np.array([_number(cell["hidden"]) for cell in cells]),
        status=tuple(cell["status"] for cell in cells),
        limit=tuple(cell["limit"] for cell in cells),
        covariance=covariance,
    )


def _decode_parts(
    data: Mapping[str, Any], strata: Strata, total: StoredIntervals | None, draws: Any
) -> PartIntervals | None:
    """Intervals of sums of strata, of the kind that was written; None where the covariance gives them."""
    kind = data.get("interval_kind")
    if kind is None:
        return None
    if draws is not None and kind in READ_OFF_DRAWS:
        given = "" if total is None else total.given
        totals = strata.observed + strata.hidden
        nobody = np.zeros((0, totals.size)), np.zeros(0)
        return ReplicatedParts(kind, given, totals, strata.observed, draws.to_numpy(), *nobody)
    ends = tuple(
        (_number(cell["low"]), _number(cell["high"], unbounded=cell["unbounded"]))
        for cell in data["cells"]
    )
    return StoredParts(kind, data["interval_level"], ends, total)


def _decode_draws(data: list[Any] | None) -> FloatArray | None:
    """Totals of the draws: null becomes NaN, the text ``inf`` infinity."""
    return None if data is None else pd.Series(data, dtype=object).to_numpy(dtype=np.float64)


def _decode_stratum_draws(data: list[Any] | None, strata: Strata | None) -> pd.DataFrame | None:
    if data is None or strata is None:
        return None
    columns = pd.MultiIndex.from_tuples(strata.cells, names=strata.names)
    return pd.DataFrame(data, columns=columns, dtype=object).astype(float)
