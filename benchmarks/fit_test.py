"""How often the test of fit that stands beside every model rejects a true one: `mse.answer.goodness`.

Of each bundled complete table of at most six lists, tables of as many persons are drawn from the fitted
means of the main effects and of the model with the best BIC, and the drawn model is fitted again.

    python -m benchmarks.fit_test
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

import mse
from mse.core.fitting import fit_models

REPLICATES = 1000


def rejected(table: mse.CaptureTable, model: str, rng: np.random.Generator) -> dict[str, object]:
    """Share of drawn tables on which the chi-squared p-value of the drawn model is below 5% and 1%."""
    fit = mse.LogLinear(model).fit(table)
    means = np.nan_to_num(np.asarray(fit.fitted, dtype=np.float64)).ravel()
    means[: table.n_strata] = 0.0
    drawn = rng.multinomial(table.n_observed, means / means.sum(), size=REPLICATES)
    again = fit.refitter()
    fits = fit_models(drawn.astype(np.float64), again.member[None], again.design)
    df = fits.n_face[:, 0] - fits.rank[:, 0]
    p_values = np.where(df > 0, chdtrc(np.maximum(df, 1), fits.deviance[:, 0]), 1.0)
    test = fit.population.provenance["fit"]
    return {
        "model": fit.model,
        "df": test["df"],
        "sparse": test["sparse"],
        "p": test["p_value"],
        "p_bootstrap": float(
            (1 + (fits.deviance[:, 0] >= fit.deviance - 1e-7).sum()) / (1 + REPLICATES)
        ),
        "rejected_5": float((p_values < 0.05).mean()),
        "rejected_1": float((p_values < 0.01).mean()),
    }


def main() -> None:
    """Print one line for each table and model."""
    rng = np.random.default_rng(3)
    for name in mse.list_datasets()["name"]:
        table = mse.load_dataset(name)
        if len(table.lists) < 2 or not table.is_complete or table.n_lists > 6:
            continue
        strategy = "stepwise" if table.covariates else "exhaustive"
        best = mse.LogLinearSearch(strategy=strategy).fit(table).model
        for model in ("main", best):
            print(name, rejected(table, model, rng), flush=True)


if __name__ == "__main__":
    main()
