"""Simulation-based calibration of the sampler behind LatentClasses.

    nice python -m benchmarks.sbc_latent_classes      writes benchmarks/results/sbc_latent_classes.json

With p(N) proportional to 1/N the number of observed persons says nothing about the rest. So a world is:
alpha, sticks and capture probabilities from their priors, a given number of observed persons multinomial
over the observable histories, hidden persons negative binomial. Chains are short, and end in draws that
are far enough apart to be as good as independent: weights of classes that the data say little about keep
some 20 sweeps of memory. The negative control must fail: another prior of the capture probabilities in
the sampler. (Wrong kernels, jumps among them, are found out by quadrature in the tests, which sees more.)
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ranks import rank, uniformity
from mse.bayes.latent_classes import Length, concentrations, mixture, sample
from mse.core.latent_classes.density import (
    LARGEST_LOGIT,
    Priors,
    evaluate,
    make_target,
    make_workspace,
)

RESULTS = Path(__file__).parent / "results" / "sbc_latent_classes.json"
SEED = 52
#: One less than a multiple of the bins.
LENGTH = Length(chains=1, draws=99, thin=40, warmup=480)
QUANTITIES = ("hidden", "largest class", "alpha", "first list", "log likelihood")


def world(rng: np.random.Generator, n_lists: int, classes: int, persons: int, n_strata: int) -> Any:
    """Draw alpha, a state, counts (C, S) and hidden persons (S,) from the prior and the model."""
    priors = Priors()
    alpha = max(rng.standard_gamma(priors.shape) / priors.rate, 1e-300)
    lengths = rng.standard_exponential(n_strata * (classes - 1)) / alpha
    sticks = lengths + np.log(-np.expm1(-np.maximum(lengths, 1e-300)))
    chances = rng.beta(priors.on, priors.off, n_lists * classes)
    logits = np.clip(np.log(chances) - np.log1p(-chances), -LARGEST_LOGIT, LARGEST_LOGIT)
    theta = np.concatenate([sticks, logits])
    empty = make_target(
        np.ones((1, n_lists), int), *np.zeros((2, 1), int), n_strata, priors, classes
    )
    weights, chances = (each[0] for each in mixture(theta[None], empty))
    cells = np.ones((1, classes))
    for chance in chances:
        cells = np.stack([cells * (1 - chance), cells * chance], axis=1).reshape(-1, classes)
    shares = (weights @ cells.T)[:, 1:]
    counts = np.zeros((2**n_lists, n_strata), dtype=np.int64)
    counts[1:] = rng.multinomial(persons, shares / shares.sum(axis=1, keepdims=True)).T
    odds = (weights @ cells.T)[:, 0] / shares.sum(axis=1)
    hidden = rng.poisson(np.minimum(rng.standard_gamma(persons, n_strata) * odds, 1e18))
    return alpha, theta, counts, hidden


def target_of(counts: np.ndarray, classes: int, priors: Priors) -> Any:
    """Put the posterior of counts (C, S) together."""
    n_lists = int(counts.shape[0]).bit_length() - 1
    cells, strata = np.nonzero(counts)
    members = cells[:, None] >> np.arange(n_lists - 1, -1, -1) & 1
    return make_target(members, counts[cells, strata], strata, counts.shape[1], priors, classes)


def quantities(theta: np.ndarray, target: Any) -> dict[str, np.ndarray]:
    """Figures of states (M, D) that do not depend on the labels of the classes."""
    weights, chances = mixture(theta, target)
    work = make_workspace(target)
    return {
        "largest class": weights[:, 0].max(axis=1),
        "first list": (weights[:, 0] * chances[:, 0]).sum(axis=1),
        "log likelihood": np.array([evaluate(one, target, work)[0] for one in theta]),
    }


def ranks_of_worlds(
    n_lists: int,
    classes: int,
    persons: int,
    worlds: int,
    *,
    n_strata: int = 1,
    priors: Priors | None = None,
    length: Length = LENGTH,
) -> dict[str, np.ndarray]:
    """Ranks of the true values among the draws of the sampler, by quantity."""
    found: dict[str, list[int]] = {name: [] for name in QUANTITIES}
    for w in range(worlds):
        rng = np.random.default_rng([SEED, n_lists, n_strata, w])
        alpha, theta, counts, hidden = world(rng, n_lists, classes, persons, n_strata)
        target = target_of(counts, classes, priors or Priors())
        drawn = sample(target, length, seed=w, progress=False)
        true = {name: float(x[0]) for name, x in quantities(theta[None], target).items()}
        draws = quantities(drawn.theta[0], target)
        true |= {"hidden": float(hidden[0]), "alpha": alpha}
        draws |= {
            "hidden": drawn.hidden[0, :, 0],
            "alpha": concentrations(drawn.theta, target, w)[0],
        }
        for name, ranks in found.items():
            ranks.append(rank(true[name], draws[name], rng))
    return {name: np.asarray(ranks) for name, ranks in found.items()}


def report(*sizes: int, **options: Any) -> dict[str, Any]:
    """Uniformity of the ranks, by quantity."""
    length = options.get("length", LENGTH)
    ranks = ranks_of_worlds(*sizes, **options)
    return {name: uniformity(each, length.draws) for name, each in ranks.items()}


def main() -> None:
    """Measure, and write the results."""
    start = time.process_time()
    results: dict[str, Any] = {
        "3 lists, 3 classes, 60 persons": report(3, 3, 60, 1000),
        "4 lists, 5 classes, 500 persons": report(4, 5, 500, 500),
        "3 lists, 3 classes, 2 strata of 80 persons": report(3, 3, 80, 500, n_strata=2),
        "negative control: another prior": report(3, 3, 60, 200, priors=Priors(on=3.0)),
    }
    for name, found in results.items():
        print(name, {key: f"{value['p_value']:.2g}" for key, value in found.items()})
    results["seconds"] = round(time.process_time() - start, 1)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
