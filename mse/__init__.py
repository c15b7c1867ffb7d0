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

from mse.registry import ESTIMATORS

__version__ = "0.1.0.dev0"

#: Where each public name lives; `mse/__init__.pyi`, which `python -m tests.snapshots` writes, says the same
#: to type checkers.
_HOMES = ESTIMATORS | {
    "BoundaryWarning": "mse.errors",
    "CaptureTable": "mse.data.table",
    "ConvergenceWarning": "mse.errors",
    "CountTable": "mse.data.count_table",
    "Default": "mse.estimating",
    "HierarchicalModel": "mse.models.terms",
    "InconsistentRecordsWarning": "mse.errors",
    "InvalidTableError": "mse.errors",
    "MSEError": "mse.errors",
    "MSEWarning": "mse.errors",
    "MissingDependencyError": "mse.errors",
    "ModelError": "mse.errors",
    "PersonTable": "mse.data.persons",
    "PopulationEstimate": "mse.answer.population",
    "ReadOptions": "mse.data.read_options",
    "Reading": "mse.data.reading",
    "SparseTableWarning": "mse.errors",
    "bootstrap": "mse.resampling",
    "compare": "mse.comparing",
    "contrast": "mse.contrasts",
    "bounds": "mse.bounding",
    "drivers": "mse.driving",
    "estimate": "mse.estimating",
    "list_datasets": "mse.data.datasets",
    "load": "mse._saving",
    "load_dataset": "mse.data.datasets",
    "Nowcast": "mse.nowcasting",
    "monitor": "mse.monitoring",
    "nowcast": "mse.nowcasting",
    "place_records": "mse.data.placing",
    "pool": "mse.pooling",
    "reach": "mse.reaching",
    "revisions": "mse.monitoring",
    "plan": "mse.planning",
    "read": "mse.data.reading",
    "tipping_points": "mse.bounding",
    "validate": "mse.validation",
    "quality_account": "mse.reporting",
    "write_report": "mse.reporting",
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
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
