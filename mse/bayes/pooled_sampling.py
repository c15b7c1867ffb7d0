"""Samplers of the posterior of `PooledLogLinear`: nutpie's and PyMC's No-U-Turn sampler."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mse._progress import in_notebook
from mse.bayes.pooled_model import pymc_model
from mse.core.pooled_draws import log_posterior

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse._typing import FloatArray
    from mse.bayes.pooled import PooledLogLinear
    from mse.bayes.pooled_layout import Layout

__all__ = ["Sampled", "sample"]

#: Chains start within this distance of the middle of the prior, in each coordinate.
JITTER = 1.0


class Sampled(NamedTuple):
    """Draws of all parameters."""

    points: FloatArray  # (chains, draws, dim): level, log scales, y, r
    diverging: np.ndarray[tuple[int, int], np.dtype[np.bool_]]  # (chains, draws)
    steps: FloatArray  # (chains, draws) of the integrator


def sample(estimator: PooledLogLinear, layout: Layout) -> Sampled:
    """Sample the posterior with the sampler that the estimator names.

    Parameters
    ----------
    estimator : PooledLogLinear
        Settings.
    layout : Layout
        Table and settings as arrays.
    """
    run = _with_nutpie if estimator.sampler == "nutpie" else _with_pymc
    seed = int(np.random.SeedSequence(estimator.seed).generate_state(1)[0])
    return run(estimator, layout, seed)


def _shown() -> bool:
    return sys.stderr.isatty() or in_notebook()


def _cores(estimator: PooledLogLinear) -> int:
    return min(estimator.chains, os.cpu_count() or 1)


def _with_nutpie(estimator: PooledLogLinear, layout: Layout, seed: int) -> Sampled:
    """Hand nutpie the compiled density as it is, so that nothing is compiled for a table."""
    with warnings.catch_warnings():
        # It imports ArviZ 0.23, the last that runs on Python 3.11, which announces the next one.
        warnings.filterwarnings("ignore", category=FutureWarning)
        import nutpie
        from nutpie.compiled_pyfunc import from_pyfunc

    model = from_pyfunc(
        layout.dimension,
        lambda: _density(layout),
        lambda *_: lambda x: {"point": np.array(x, dtype=np.float64)},
        [np.dtype(np.float64)],
        [(layout.dimension,)],
        ["point"],
        make_initial_point_fn=lambda seed: _start(layout, seed),
    )
    trace = nutpie.sample(
        model,
        draws=estimator.draws,
        tune=estimator.tune,
        chains=estimator.chains,
        cores=_cores(estimator),
        seed=seed % 2**32,
        target_accept=estimator.target_accept,
        save_warmup=False,
        progress_bar=_shown(),
    )
    points = np.asarray(trace.posterior["point"].values, dtype=np.float64)
    diverging = np.asarray(trace.sample_stats["diverging"].values, dtype=np.bool_)
    return Sampled(points, diverging, np.asarray(trace.sample_stats["n_steps"].values, np.float64))


def _density(layout: Layout) -> Callable[[Any], tuple[float, FloatArray]]:
    def evaluate(x: Any) -> tuple[float, FloatArray]:
        gradient = np.zeros(layout.dimension)
        point = np.array(x, dtype=np.float64)
        return log_posterior(point, layout.prior, layout.data, gradient), gradient

    return evaluate


def _start(layout: Layout, seed: Any) -> FloatArray:
    jitter = np.random.default_rng(seed).uniform(-JITTER, JITTER, layout.dimension)
    return np.asarray(layout.start + jitter)


def _with_pymc(estimator: PooledLogLinear, layout: Layout, seed: int) -> Sampled:
    """Sample the model in PyMC, its few operations interpreted so that nothing need be compiled."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        import pymc as pm

    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # Trajectories that diverge may leave the range of a double; PyMC turns them away.
        with pymc_model(layout), np.errstate(over="ignore", invalid="ignore"):
            trace = pm.sample(
                draws=estimator.draws,
                tune=estimator.tune,
                chains=estimator.chains,
                cores=_cores(estimator),
                random_seed=seed,
                target_accept=estimator.target_accept,
                nuts_sampler="pymc",
                progressbar=_shown(),
                compute_convergence_checks=False,
                compile_kwargs={"mode": "FAST_COMPILE"},
            )
    finally:
        logger.setLevel(level)
    found = {
        name: np.asarray(trace.posterior[name].values, dtype=np.float64)
        for name in ("level", "scales", "z", "r")
    }
    prior, logs = layout.prior, np.log(found["scales"])
    y = found["z"] * np.exp(prior.degree * (logs - prior.usual)[:, :, prior.owner])
    points = np.concatenate([found["level"], logs, y, found["r"]], axis=2)
    diverging = np.asarray(trace.sample_stats["diverging"].values, dtype=np.bool_)
    return Sampled(points, diverging, np.asarray(trace.sample_stats["n_steps"].values, np.float64))
