"""What is kept of a fit, an estimate or a search, by public names only."""

from __future__ import annotations

import hashlib
import math
import warnings
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

import mse
from tests.golden.conditions import closed_condition, condition
from tests.golden.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = (0.8, 0.95)
#: Models of a search that are kept, the best ones.
MOST_MODELS = 20
#: Fitted means are kept of tables up to so many cells.
MOST_CELLS = 16
#: Criteria that differ by less choose between equals.
TIED = 1e-8
MEASURES = (
    "model",
    "variant",
    "deviance",
    "log_likelihood",
    "aic",
    "aicc",
    "bic",
    "n_parameters",
    "df_residual",
    "df_adjusted",
    "variance",
    "standard_error",
    "sample_coverage",
    "estimates",
    "covariation",
    "coefficients",
    "notes",
)
#: What was asked of a bootstrap.
ASKED = ("replicates", "resampling", "interval", "seed", "candidates")
#: Quantiles of a chain that are kept.
QUANTILES = (0.1, 0.5, 0.9)
#: Effective draws of a short chain are themselves known to about a half.
DOUBT = 0.5


def heard(compute: Callable[[], Any]) -> Any:
    """Compute a record, and put what the library warned of beside it; an error of it is a record too.

    What is said of Markov chains holds numbers of these very chains, so it is not kept.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            record = compute()
        except mse.MSEError as error:
            return {"error": type(error).__name__, "text": str(error)}
    told = sorted({f"{each.category.__name__}: {each.message}" for each in said})
    return {**record, "said": told} if told and "chain" not in record else record


def of_fit(fit: Any) -> dict[str, Any]:
    """Keep all that a fit says in numbers, and its answer."""
    record = {name: encode(getattr(fit, name)) for name in MEASURES if _has(fit, name)}
    if _has(fit, "fitted") and fit.table.n_cells <= MOST_CELLS:
        record["fitted"] = encode(fit.fitted.ravel())
    return {**record, **conditioned(fit), **of_population(fit.population)}


def of_interval(fit: Any) -> dict[str, Any]:
    """Keep what another interval or a correction for bias changes; the rest is that of the fit without it."""
    record = of_population(fit.population)
    kept = ("hidden", "interval", "status", "limit", "reason", "method", "warnings")
    found = {name: record[name] for name in kept}
    return {**found, **conditioned(fit), "standard_error": encode(fit.standard_error)}


def conditioned(fit: Any) -> dict[str, Any]:
    """Tell the condition of the information, on which the tolerance of a record depends."""
    if _has(fit, "structure") and _has(fit, "fitted"):
        return {"condition": condition(fit)}
    if isinstance(fit.estimator, mse.ClosedPopulation):
        return {"condition": closed_condition(fit)}
    return {}


def _has(fit: Any, name: str) -> bool:
    """Whether a fit has a measure."""
    return hasattr(type(fit), name) or name in getattr(fit, "__dataclass_fields__", ())


def of_population(population: mse.PopulationEstimate) -> dict[str, Any]:
    """Keep an answer: number, status, intervals, strata and their sums, words."""
    record = {
        name: encode(getattr(population, name))
        for name in ("observed", "hidden", "status", "limit", "reason", "method", "model")
    }
    record["warnings"] = list(population.warnings)
    record["interval"] = [
        population.interval_kind,
        population.interval_given,
        *(encode(population.interval(level)) for level in LEVELS),
    ]
    spread = population.model_range
    if spread is not None:
        counts = [spread.n_models, spread.n_not_estimable, spread.criterion, spread.within]
        record["model_range"] = encode([spread.low, spread.high, *counts])
    if population.strata is not None:
        record["strata"] = of_strata(population)
    return record


def of_strata(population: mse.PopulationEstimate) -> dict[str, Any]:
    """Keep the estimates by every set of covariates, intervals at both levels."""
    names = tuple(population.strata.names)
    kept = {}
    for size in range(1, len(names) + 1):
        for each in combinations(names, size):
            frame = population.margin(*each, level=LEVELS[1])
            ends = population.margin(*each, level=LEVELS[0])[["low", "high"]]
            frame[["low80", "high80"]] = ends
            kept["*".join(each)] = encode(frame.drop(columns="coverage"))
    return kept


def of_search(fit: Any) -> dict[str, Any]:
    """Keep the best models in order, how the search went, and the fit of the chosen one."""
    name = {"pvalue": "bic"}.get(fit.estimator.criterion, fit.estimator.criterion)
    best = fit.models.head(MOST_MODELS)
    path = fit.path if fit.estimator.strategy == "stepwise" else ()
    # Of what is known in part the limit is judged where the iterations ended, so it hangs on rounding.
    left_out = ("model",) if fit.table.is_complete else ("model", "limit")
    return {
        **of_fit(fit),
        "n_models": fit.n_models,
        "ranking": encode(best[["model", name]].to_numpy().tolist()),
        "models": {
            row["model"]: encode([each for key, each in row.items() if key not in left_out])
            for row in best.to_dict("records")
        },
        "path": encode(path) if len(path) else [],
        "as_good": _as_good(fit, name),
    }


def _as_good(fit: Any, name: str) -> list[str]:
    """Find the models that are as good as the chosen one but for rounding."""
    frame = fit.models
    own = frame.loc[frame["model"] == fit.model, name].iloc[0]
    others = frame[(frame[name] - own).abs() < TIED]["model"]
    return sorted(set(others) - {fit.model})


def of_draws(
    population: mse.PopulationEstimate, fit: Any = None, *, fragile: bool = False
) -> dict[str, Any]:
    """Keep a bootstrap: the answer, the draws, and what was counted among them.

    Fragile draws, which differ between processors, are kept as what they say within Monte Carlo error.
    """
    record = of_population(population)
    made = population.provenance.get("bootstrap")
    if made is None:
        return record
    if fragile and population.draws is not None:
        draws = np.asarray(population.draws)
        parts = quantiles(draws, draws.size / DOUBT)
        short = {name: record[name] for name in ("observed", "hidden", "status", "method", "model")}
        return {**short, "chain": parts, "asked": encode({name: made[name] for name in ASKED})}
    record["bootstrap"] = encode(made)
    if population.draws is not None:
        record["draws"] = encode(population.draws)
    if made["resampling"] != "multinomial":
        record["drawn_from"] = digits(population, fit)
    if population.stratum_draws is not None:
        record["stratum_draws"] = encode(population.stratum_draws.to_numpy(np.float64)[:5])
    return record


def digits(population: mse.PopulationEstimate, fit: Any) -> str:
    """Digest all digits of what persons are drawn from: hidden numbers, and fitted means of a fit."""
    parts = [np.asarray(population.hidden)]
    if population.strata is not None:
        parts.append(np.asarray(population.strata.hidden))
    if fit is not None and _has(fit, "fitted"):
        parts.append(np.asarray(fit.fitted))
    return hashlib.sha1(b"".join(each.tobytes() for each in parts)).hexdigest()[:12]


def of_chain(fit: Any) -> dict[str, Any]:
    """Keep what a Markov chain found, with the Monte Carlo errors of it, and the words beside it."""
    population = fit.population
    record = {
        name: encode(getattr(population, name))
        for name in ("observed", "status", "limit", "reason", "method", "model")
    }
    if population.draws is None:
        return record
    effective = float(np.nanmin(fit.diagnostics.iloc[0][["ess_bulk", "ess_tail"]]))
    chain = {"total": quantiles(population.draws, effective)}
    if population.stratum_draws is not None:
        for name, values in population.stratum_draws.items():
            told = " | ".join(map(str, name)) if isinstance(name, tuple) else name
            chain[f"total {told}"] = quantiles(values.to_numpy(np.float64), effective)
    flat = {f"{name}/{key}": each for name, parts in chain.items() for key, each in parts.items()}
    return {**record, "interval_kind": population.interval_kind, "chain": {**flat, **_shares(fit)}}


def quantiles(draws: np.ndarray[Any, Any], effective: float) -> dict[str, Any]:
    """Mean and quantiles of draws on the log scale, each with its Monte Carlo error."""
    logs = np.log(np.maximum(draws[np.isfinite(draws)], 0.5))
    effective *= DOUBT
    found = {"mean": _estimate(logs.mean(), logs.std() / math.sqrt(effective))}
    for share in QUANTILES:
        off = math.sqrt(share * (1 - share) / effective)
        ends = np.quantile(logs, [max(share - off, 0), min(share + off, 1)])
        found[f"quantile {share}"] = _estimate(np.quantile(logs, share), (ends[1] - ends[0]) / 2)
    return found


def _estimate(value: float, error: float) -> dict[str, float]:
    """Put a figure and its Monte Carlo error together, no more digits than they are worth."""
    return {"mean": float(f"{value:.8g}"), "error": float(f"{error:.3g}")}


def _shares(fit: Any) -> dict[str, Any]:
    """Keep probabilities that interactions are there, and effects, where a fit has them."""
    found = {}
    if hasattr(fit, "inclusion"):
        for name, row in fit.inclusion.iterrows():
            error = max(float(row["error"]), 1e-3)
            found[f"inclusion {name}"] = _estimate(float(row["probability"]), error)
    return found
