"""Multiple systems estimation: the size of a hidden population from incomplete lists.

The public names are loaded when they are first used, so `import mse` costs next to nothing.

Examples
--------
>>> import mse
>>> table = mse.CaptureTable.from_counts({"11": 12, "10": 41, "01": 28}, lists=["police", "care"])
>>> mse.LincolnPetersen().fit(table).population.observed
81
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from mse import diagnostics as diagnostics
    from mse import disclosure as disclosure
    from mse import plots as plots
    from mse import sensitivity as sensitivity
    from mse import simulate as simulate
    from mse.answer.population import PopulationEstimate as PopulationEstimate
    from mse.bayes.decomposable import DecomposableGraphs as DecomposableGraphs
    from mse.bayes.latent_classes import LatentClasses as LatentClasses
    from mse.bayes.model_average import BayesianLogLinear as BayesianLogLinear
    from mse.bayes.pooled import PooledLogLinear as PooledLogLinear
    from mse.bayes.thresholded import ThresholdedLogLinear as ThresholdedLogLinear
    from mse.classical.closed_population import ClosedPopulation as ClosedPopulation
    from mse.classical.sample_coverage import SampleCoverage as SampleCoverage
    from mse.classical.two_lists import Chapman as Chapman
    from mse.classical.two_lists import LincolnPetersen as LincolnPetersen
    from mse.comparing import compare as compare
    from mse.comparing import estimate as estimate
    from mse.data.datasets import list_datasets as list_datasets
    from mse.data.datasets import load_dataset as load_dataset
    from mse.data.table import CaptureTable as CaptureTable
    from mse.errors import BoundaryWarning as BoundaryWarning
    from mse.errors import ConvergenceWarning as ConvergenceWarning
    from mse.errors import InconsistentRecordsWarning as InconsistentRecordsWarning
    from mse.errors import InvalidTableError as InvalidTableError
    from mse.errors import MissingDependencyError as MissingDependencyError
    from mse.errors import ModelError as ModelError
    from mse.errors import MSEError as MSEError
    from mse.errors import MSEWarning as MSEWarning
    from mse.errors import SparseTableWarning as SparseTableWarning
    from mse.loglinear import LogLinear as LogLinear
    from mse.loglinear import LogLinearSearch as LogLinearSearch
    from mse.models.terms import HierarchicalModel as HierarchicalModel
    from mse.monitoring import monitor as monitor
    from mse.reporting import write_report as write_report
    from mse.resampling import bootstrap as bootstrap
    from mse.validation import validate as validate

#: Where each public name lives. The imports above say the same to type checkers.
_HOMES = {
    "BayesianLogLinear": "bayes.model_average",
    "BoundaryWarning": "errors",
    "CaptureTable": "data.table",
    "Chapman": "classical.two_lists",
    "ClosedPopulation": "classical.closed_population",
    "ConvergenceWarning": "errors",
    "DecomposableGraphs": "bayes.decomposable",
    "HierarchicalModel": "models.terms",
    "InconsistentRecordsWarning": "errors",
    "InvalidTableError": "errors",
    "LatentClasses": "bayes.latent_classes",
    "LincolnPetersen": "classical.two_lists",
    "LogLinear": "loglinear",
    "LogLinearSearch": "loglinear",
    "MSEError": "errors",
    "MSEWarning": "errors",
    "MissingDependencyError": "errors",
    "ModelError": "errors",
    "PooledLogLinear": "bayes.pooled",
    "PopulationEstimate": "answer.population",
    "SampleCoverage": "classical.sample_coverage",
    "SparseTableWarning": "errors",
    "ThresholdedLogLinear": "bayes.thresholded",
    "bootstrap": "resampling",
    "compare": "comparing",
    "estimate": "comparing",
    "list_datasets": "data.datasets",
    "load_dataset": "data.datasets",
    "monitor": "monitoring",
    "validate": "validation",
    "write_report": "reporting",
}

#: Public names that are modules.
_MODULES = ("diagnostics", "disclosure", "plots", "sensitivity", "simulate")

__all__ = list(_HOMES | dict.fromkeys(_MODULES))


def __getattr__(name: str) -> object:
    """Load a public name from its module, once."""
    if name in _MODULES:
        return import_module(f"mse.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'mse' has no attribute {name!r}")
    value = getattr(import_module(f"mse.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
