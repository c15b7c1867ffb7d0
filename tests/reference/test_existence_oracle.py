"""Status of models against an independent check by linear programs.

The quick run takes a sample of each table's models, always the same; ``-m slow`` takes all of
them.
"""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.models.catalogue import catalogue
from tests.existence_oracle import classify, design_matrix

DATASETS = {
    "korea": 2,
    "artificial_3": 2,
    "hepatitis_a": 2,
    "kosovo": 3,
    "australia": 3,
    "hiv_rome": 3,
    "diabetes": 3,
    "uk_5": 3,
    "netherlands_5": 3,
    "new_orleans_5": 3,
    "western_us": 3,
    "congenital": 3,
    "uk": 2,
    "netherlands": 2,
    "snowshoe_hare": 2,
}
SAMPLE = 60


def check(dataset: str, sample: int | None) -> None:
    table = mse.load_dataset(dataset)
    models = catalogue(table.n_lists, DATASETS[dataset])
    found = mse.LogLinearSearch(max_order=DATASETS[dataset]).fit(table).models.set_index("model")
    assert len(found) == len(models)
    chosen = np.arange(len(models))
    if sample is not None and sample < len(models):
        chosen = np.random.default_rng(1).choice(chosen, sample, replace=False)
    counts = table.counts.ravel().astype(float)
    for i in chosen.tolist():
        structure = models.model(i, table.lists)
        face, (limit,) = classify(design_matrix(table.shape, structure.terms), counts, 1)
        row = found.loc[structure.notation()]
        whole = face.all()
        expected = "not_estimable" if limit != "finite" else "ok" if whole else "boundary"
        assert (row.status, row.limit) == (expected, limit), structure.notation()
        assert np.isnan(row.total) == (limit != "finite")


@pytest.mark.parametrize("dataset", DATASETS)
def test_sample(dataset: str) -> None:
    check(dataset, SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_model(dataset: str) -> None:
    check(dataset, None)
