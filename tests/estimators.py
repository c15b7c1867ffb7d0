"""Every estimator with a table that it is meant for: one line each, used by the suites.

`test_conformance.py` sees to it that none of `mse.registry` is missing.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import mse

VALUES = Path(__file__).parent / "reference" / "values"

TWO_LISTS = "kosovo:EXH,OSCE"

ALL_ESTIMATORS = [
    (mse.LincolnPetersen(), TWO_LISTS),
    (mse.Chapman(), TWO_LISTS),
    (mse.ClosedPopulation("M0"), "snowshoe_hare"),
    (mse.ClosedPopulation("Mth", heterogeneity="darroch"), "kosovo"),
    (mse.ClosedPopulation("Mh", bias_corrected=True), "kosovo"),
    (mse.ClosedPopulation("Mbh", ordered=True), "kosovo"),
    (mse.SampleCoverage(), "hepatitis_a"),
    (mse.LogLinear("main"), "kosovo"),
    (mse.LogLinear("[123,14,34]", interval="lognormal"), "kosovo"),
    (mse.LogLinear("S1*S2 + S3 + ethnicity"), "spina_bifida"),
    (mse.LogLinear("[12,3,4]", heterogeneity="darroch"), "kosovo"),
    (mse.LogLinear("[12,3,4]", heterogeneity="chao"), "kosovo"),
    (mse.LogLinear("S2*S3 + S1 + ethnicity", heterogeneity="darroch"), "spina_bifida"),
    (mse.LogLinearSearch(), "kosovo"),
    (mse.LogLinearSearch(heterogeneity=(None, "darroch"), nonnegative=True), "kosovo"),
    (mse.LogLinearSearch(criterion="aicc", max_order=2), "kosovo"),
    (mse.LogLinearSearch(strategy="stepwise"), "kosovo"),
    (mse.LogLinearSearch(criterion="pvalue", strategy="stepwise"), "kosovo"),
    (mse.DecomposableGraphs(), "kosovo"),
    (mse.DecomposableGraphs(complete=False, edge_probability=0.3), TWO_LISTS),
    (mse.LatentClasses(classes=3, draws=400, thin=4, warmup=320, chains=2), "korea"),
    (mse.BayesianLogLinear(draws=300, chains=2, warmup=100, thin=2), "kosovo"),
    (mse.HeterogeneousLogLinear(draws=500), "kosovo"),
    (mse.ThresholdedLogLinear(threshold=4.5, draws=500), "kosovo"),
    (mse.HugginsAlho(), "persons"),
    (mse.HugginsAlho("severity + age", slopes="by list"), "persons"),
    (mse.DoublyRobust(), "persons"),
    (mse.SingleRegister(), "irregular_migrants"),
    (mse.SingleRegister("chao", "gender + nation", interval="normal"), "irregular_migrants"),
    (mse.SingleRegister("geometric", "age", "after"), "irregular_migrants"),
    (mse.SingleRegister("one_inflated_chao"), "irregular_migrants"),
    (mse.SingleRegisterSearch(formula="gender"), "irregular_migrants"),
    (mse.PooledLogLinear(draws=50, tune=100, chains=1), "spina_bifida"),
]


def persons() -> pd.DataFrame:
    """Return the synthetic persons of the reference figures."""
    held = json.loads((VALUES / "individual_example.json").read_text("utf-8"))["persons"]
    lists = {name: [*map(int, held[name])] for name in ("police", "care", "border")}
    ages = ["adult" if each == "a" else "minor" for each in held["age"]]
    return pd.DataFrame({**lists, "severity": held["severity"], "age": ages})


@cache
def _persons_table() -> mse.PersonTable:
    return mse.PersonTable.from_frame(persons(), ["police", "care", "border"], ["severity", "age"])


def load(name: str) -> Any:
    """Return a bundled table, restricted to the lists behind a colon, or the synthetic persons."""
    if name == "persons":
        return _persons_table()
    dataset, _, lists = name.partition(":")
    table = mse.load_dataset(dataset)
    return table.keep_lists(lists.split(",")) if lists else table
