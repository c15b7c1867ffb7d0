"""Draws as ArviZ holds them. No other module imports arviz.

ArviZ before version 1 has ``InferenceData``, from 1 on xarray's ``DataTree``; both are made by a
function ``from_dict`` whose arguments differ.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray
    from mse.bayes.chains import Chains

__all__ = ["to_arviz"]


def to_arviz(
    chains: Chains,
    observed: Mapping[str, IntArray],
    predicted: Mapping[str, FloatArray],
    attributes: Mapping[str, str],
) -> Any:
    """Return the draws as ``InferenceData`` (ArviZ < 1) or ``DataTree`` (ArviZ >= 1).

    Parameters
    ----------
    chains : Chains
        Draws of the posterior and statistics of the sampler.
    observed : mapping of str to array
        Data by name.
    predicted : mapping of str to array (chains, draws, ...)
        Draws of the posterior predictive distribution; empty if there are none.
    attributes : mapping of str to str
        How the draws were made.
    """
    with warnings.catch_warnings():
        # Importing ArviZ 0.23, the last that runs on Python 3.11, announces the next one.
        warnings.filterwarnings("ignore", category=FutureWarning)
        import arviz

    groups: dict[str, Any] = {"posterior": dict(chains.draws), "observed_data": dict(observed)}
    if chains.stats:
        groups["sample_stats"] = dict(chains.stats)
    if predicted:
        groups["posterior_predictive"] = dict(predicted)
    labels: dict[str, Any] = {
        "coords": {name: [str(each) for each in values] for name, values in chains.coords.items()},
        "dims": {name: list(dims) for name, dims in chains.dims.items()},
    }
    if "data" in inspect.signature(arviz.from_dict).parameters:
        return arviz.from_dict(groups, attrs={"/": dict(attributes)}, **labels)
    return arviz.from_dict(**groups, attrs=dict(attributes), **labels)
