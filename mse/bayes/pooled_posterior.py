"""A table and the settings of `PooledLogLinear` as arrays for `mse.core.pooled`."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from mse._notice import in_notebook
from mse._progress import track
from mse.core.pooled import Parameters, Pooled, Prior, density, log_posterior
from mse.core.pooled_chain import advance, begin
from mse.errors import ModelError
from mse.loglinear.partly_known import is_vague, look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mse._typing import FloatArray, IntArray
    from mse.data.table import CaptureTable
    from mse.loglinear.partly_known import Seen


class _Settings(Protocol):
    """The settings of `mse.PooledLogLinear`."""

    @property
    def time(self) -> str | None: ...
    @property
    def rate(self) -> tuple[float, float]: ...
    @property
    def dependence(self) -> float: ...
    @property
    def variation(self) -> float: ...
    @property
    def dependence_variation(self) -> float: ...
    @property
    def size_variation(self) -> float: ...
    @property
    def sampler(self) -> str: ...
    @property
    def draws(self) -> int: ...
    @property
    def tune(self) -> int: ...
    @property
    def chains(self) -> int: ...
    @property
    def target_accept(self) -> float: ...
    @property
    def seed(self) -> int: ...


# In which coordinates a sampler should move the effects of `PooledLogLinear` ----------------------
# Where data say much about an effect, compared to how much such effects vary, the effect itself is what to
# move; where they say little, its standardized value (Papaspiliopoulos, Roberts & Skold 2003, Bayesian
# Statistics 7, 307-326). The share a = s^2 / (s^2 + e^2), with s the spread of the effects and e the error of
# one, is in between. Both are guessed from counts, for the effects of levels on sizes. Those of levels on lists
# and pairs stay standardized: several of them share what a count says, and moving them themselves made
# trajectories diverge. A bad guess costs draws, and changes no answer.

#: Standard errors that a spread is taken below its estimate: a spread that is guessed too large makes funnels.
CAUTION = 2.0


class Centering(NamedTuple):
    """Coordinates of all effects; see `mse.core.pooled.Prior`."""

    owner: IntArray  # (Z,) scales; -1 for none
    degree: FloatArray  # (Z,) between 0 and 1
    usual: FloatArray  # log scales


def choose_centering(expected: FloatArray, data: Pooled, scales: FloatArray) -> Centering:
    """Choose from counts.

    expected: (S,), persons in sight by stratum
    data: how strata hang together
    scales: scale of the prior of each scale
    """
    n_lists, n_effects = data.shape.size, data.cells.size
    owner, degree, usual = [np.full(n_effects, -1)], [np.zeros(n_effects)], np.log(scales / 2)
    scale_at = 2
    for b, sized in enumerate(data.sized):
        steps = data.steps[data.first[b] : data.first[b + 1]]
        of_level = np.zeros((steps.size, n_effects + 1 + int(sized)))
        if sized:
            persons = np.zeros(steps.size)
            np.add.at(persons, data.place[b], expected)
            spread, of_level[:, 0] = _of_sizes(persons, steps)
            usual[scale_at] = np.log(spread)
        scale_of = np.full(of_level.shape, -1)
        scale_of[:, : int(sized)] = scale_at
        owner.append(scale_of.ravel())
        degree.append(of_level.ravel())
        scale_at += int(sized) + n_lists + 2
    rest = int(data.n_kinds[0]) - 1 + int(data.deviating[0]) * expected.size * (n_lists + 1)
    owner.append(np.full(rest, -1))
    degree.append(np.zeros(rest))
    return Centering(np.concatenate(owner).astype(np.int64), np.concatenate(degree), usual)


def _of_sizes(persons: FloatArray, steps: FloatArray) -> tuple[float, FloatArray]:
    """Guess the spread of the effects of levels on sizes, and the share of each that data tell."""
    value, noise = np.log(persons + 0.5), 1 / (persons + 0.5)
    told = np.ones(steps.size, dtype=np.bool_)
    if steps[0] >= 0:
        # A random walk: its steps are what is moved, and the first has none.
        told[0] = False
        apart = np.where(told, steps, 1.0)
        value = np.diff(value, prepend=value[0]) / apart
        noise = (noise + np.roll(noise, 1)) / apart**2
    excess = float(value[told].var() - noise[told].mean()) if told.any() else 0.0
    caution = np.exp(-CAUTION / np.sqrt(2 * max(int(told.sum()) - 1, 1)))
    spread = max(float(np.sqrt(max(excess, 0.0)) * caution), LEAST_SPREAD)
    return spread, np.where(told, spread**2 / (spread**2 + noise), 0.0)


# A table and the settings of `PooledLogLinear` as arrays for `mse.core.pooled` --------------------

#: Fewest persons of a stratum whose expected number in sight is sampled itself.
CENTERED_FROM = 3.0
#: Standard deviations that the spread of sizes, log scale, may be below a first guess of it.
RESERVE = 16.0
#: Smallest guess of that spread.
LEAST_SPREAD = 0.05
#: Prior standard deviation of the level of persons in sight, log scale: a factor of 50 either way.
LEVEL_SD = 2.0
#: Steps of a random walk have this part of the prior scale of exchangeable levels.
WALK = 0.5
#: Persons that a count without upper bound may hold beyond its lower one, for a start.
SPARE = 10


@dataclass(frozen=True, eq=False)
class Layout:
    """What a sampler needs to know.

    Attributes
    ----------
    data : Pooled
        What is known, and how strata hang together.
    prior : Prior
        Priors that are not standard normal.
    scale_names : tuple of str
        What each scale is of.
    """

    data: Pooled
    prior: Prior
    scale_names: tuple[str, ...]

    @cached_property
    def dimension(self) -> int:
        """Parameters in all."""
        return int(self.prior.cuts[2]) + len(self.data.counts)

    @cached_property
    def start(self) -> FloatArray:
        """A point amid the prior, at the data where there are any."""
        point = np.zeros(self.dimension)
        point[0] = self.prior.level[0]
        cuts = self.prior.cuts
        point[cuts[0] : cuts[1]] = np.log(self.prior.scales / 2)
        return point

    @property
    def uncentered(self) -> Pooled:
        """The same data with every stratum's size measured from its prior, for draws from that."""
        return self.data._replace(width=np.zeros_like(self.data.width))


def lay_out(estimator: _Settings, table: CaptureTable) -> Layout:
    """Put a table and the settings together.

    estimator: settings
    table: with covariates; known in part or not
    Raises ModelError: if the table has margins only or no covariates, or `time` is not one of them
    """
    _check(estimator, table)
    seen = look_at(table)
    n_strata, n_cells = table.n_strata, 2**table.n_lists
    counts = np.ascontiguousarray(seen.base.reshape(n_cells, n_strata).T)
    boxes = seen.observations.boxes
    places = np.where(boxes < 0, -1, boxes % n_strata * n_cells + boxes // n_strata)
    kind, n_kinds = _kinds(seen)
    expected = (counts + _partly_known(seen, places, counts.shape)).sum(axis=1)
    place, first, steps, sized = _covariates(estimator, table)
    many = _many(expected.reshape(table.shape[table.n_lists :]), residual=bool(sized.any()))
    width = np.where(expected >= many, 1 / np.sqrt(expected + 1), 0.0)
    lists = range(table.n_lists)
    bits = [1 << (table.n_lists - 1 - k) for k in lists]
    effects = np.asarray([*bits, *(bits[i] + bits[j] for i, j in combinations(lists, 2))])
    data = Pooled(
        shape=np.full(table.n_lists, 2, dtype=np.int64),
        counts=counts,
        observable=np.ascontiguousarray(seen.observable.reshape(n_cells, n_strata).T),
        anchor=np.log(expected + 0.5),
        width=width,
        place=place,
        first=first,
        steps=steps,
        sized=sized,
        deviating=np.asarray([len(table.covariates) > 1]),
        cells=effects,
        rate_prior=np.asarray(estimator.rate, dtype=np.float64),
        first_box=seen.observations.first,
        boxes=places.astype(np.int64),
        low=np.ascontiguousarray(seen.observations.low),
        high=np.ascontiguousarray(seen.observations.high),
        kind=kind,
        n_kinds=np.asarray([n_kinds]),
        sums=counts @ ((np.arange(n_cells)[:, None] & effects) == effects).astype(np.float64),
    )
    names, scales = zip(*_scales(estimator, table, data), strict=True)
    return Layout(data, _prior(data, np.asarray(scales), expected), names)


def _check(estimator: _Settings, table: CaptureTable) -> None:
    if table.margins is not None:
        raise ModelError(
            "The table holds margins only; PooledLogLinear needs counts by capture history. "
            "LogLinear('main') takes margins."
        )
    if not table.covariates:
        raise ModelError(
            "The table has no covariates, so there are no strata to pool: use BayesianLogLinear or "
            "ThresholdedLogLinear, or name covariates when the table is made."
        )
    names = list(table.covariates)
    if estimator.time is not None and estimator.time not in names:
        near = get_close_matches(estimator.time, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ModelError(
            f"time={estimator.time!r} is not a covariate; the table has {', '.join(names)}.{hint}"
        )


def _kinds(seen: Seen) -> tuple[IntArray, int]:
    """Give a number to each kind of record, where it matters which entries are missing.

    That is where counts within bounds stand beside records that lack entries: the mean of such a count
    is then only a share of that of its cells (see `mse.loglinear.partly_known.make_data`).
    """
    occurring = np.unique(np.concatenate([[0], seen.kinds]))
    if not is_vague(seen) or occurring.size == 1:
        return np.zeros(seen.kinds.size, dtype=np.int64), 1
    return np.searchsorted(occurring, seen.kinds).astype(np.int64), int(occurring.size)


def _partly_known(seen: Seen, places: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Persons of partly known records, (S, C), spread over the cells they may be in."""
    observations = seen.observations
    middle = (observations.low + np.minimum(observations.high, observations.low + SPARE)) / 2
    owner = np.repeat(np.arange(middle.size), np.diff(observations.first))
    inside = places >= 0
    share = middle / np.maximum(np.bincount(owner[inside], minlength=middle.size), 1)
    found = np.zeros(shape[0] * shape[1])
    np.add.at(found, places[inside], share[owner[inside]])
    return found.reshape(shape)


def _many(expected: FloatArray, *, residual: bool) -> float:
    """Find the persons of a stratum from which they say more about its size than their prior does.

    That is where their Poisson error, log scale, is below any likely value of the spread of sizes: else
    sampling expected numbers themselves makes a funnel at a small spread.
    """
    logs = np.log(expected + 0.5)
    spare = float(expected.size - 1)
    left = logs - logs.mean()
    if residual:
        for axis, size in enumerate(expected.shape):
            others = tuple(other for other in range(expected.ndim) if other != axis)
            left = left - left.mean(axis=others, keepdims=True)
            spare -= size - 1
    noise = float((1 / (expected + 1)).mean())
    variance = float((left**2).sum()) / spare - noise if spare > 0 else 0.0
    spread = max(np.sqrt(max(variance, 0.0)), LEAST_SPREAD)
    least = spread * np.exp(-RESERVE / np.sqrt(2 * max(spare, 1.0)))
    return max(CENTERED_FROM, float(least**-2))


def _covariates(
    estimator: _Settings, table: CaptureTable
) -> tuple[IntArray, IntArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Level of each stratum on each covariate, and how the levels hang together."""
    sizes = [len(levels) for levels in table.covariates.values()]
    place = np.stack(np.unravel_index(np.arange(table.n_strata), sizes)).astype(np.int64)
    steps = [
        _steps(levels) if name == estimator.time else np.full(len(levels), -1.0)
        for name, levels in table.covariates.items()
    ]
    # With one covariate without order its levels are the strata, whose sizes vary by themselves.
    sized = [len(sizes) > 1 or name == estimator.time for name in table.covariates]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return place, first, np.concatenate(steps), np.asarray(sized)


def _steps(levels: tuple[object, ...]) -> FloatArray:
    """Scale the steps of a random walk, in units of the standard deviation of one of distance 1."""
    numbers = [level for level in levels if isinstance(level, (int, float))]
    gaps = np.diff(np.asarray(numbers, dtype=np.float64))
    if len(numbers) < len(levels) or not (gaps > 0).all():
        gaps = np.ones(len(levels) - 1)
    return np.concatenate([[0.0], np.sqrt(gaps)])


def _scales(estimator: _Settings, table: CaptureTable, data: Pooled) -> Iterator[tuple[str, float]]:
    """Yield what each scale is of, and the scale of its half-normal prior."""
    yield "sizes of strata", estimator.size_variation
    yield "dependence", estimator.dependence
    for name, sized in zip(table.covariates, data.sized, strict=True):
        part = WALK if name == estimator.time else 1.0
        if sized:
            yield f"sizes by {name}", part * estimator.size_variation
        yield f"all lists by {name}", part * estimator.variation
        for each in table.lists:
            yield f"{each} by {name}", part * estimator.variation
        yield f"dependence by {name}", part * estimator.dependence_variation
    if data.deviating[0]:
        yield "all lists by stratum", estimator.variation
        for each in table.lists:
            yield f"{each} by stratum", estimator.variation


def _prior(data: Pooled, scales: FloatArray, expected: FloatArray) -> Prior:
    centering = choose_centering(expected, data, scales)
    cuts = np.cumsum([1, scales.size, centering.owner.size]).astype(np.int64)
    level = np.asarray([np.log(max(float(expected.mean()), 0.5)), LEVEL_SD])
    return Prior(level, scales.astype(np.float64), cuts, *centering)


# The model of `PooledLogLinear` in PyMC -----------------------------------------------------------
# Its likelihood, with the prior of the sizes of strata, is one operation that evaluates the compiled density
# of `mse.core.pooled` and its gradient. The other priors are PyMC's.


def pymc_model(layout: Layout) -> Any:
    """Build the model.

    layout: table and settings as arrays
    Returns with the variables ``level``, ``scales``, ``z`` and ``r`` of
        `mse.core.pooled.Parameters`
    """
    import pymc as pm

    prior, n_strata = layout.prior, len(layout.data.counts)
    with pm.Model(coords={"scale": layout.scale_names}) as model:
        level = pm.Normal("level", prior.level[0], prior.level[1], shape=1)
        scales = pm.HalfNormal("scales", prior.scales, dims="scale")
        z = pm.Normal("z", 0.0, 1.0, shape=int(prior.cuts[2] - prior.cuts[1]))
        # Its prior, that of the sizes of strata, is part of the operation.
        r = pm.Flat("r", shape=n_strata)
        pm.Potential("likelihood", _operation(layout)(level, scales, z, r)[0])
    return model


def _operation(layout: Layout) -> Any:
    """Make the density of a layout an operation of PyTensor."""
    import pytensor.tensor as pt
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op

    class PooledDensity(Op):  # type: ignore[misc, unused-ignore]
        """Log density and its gradient, computed together."""

        def make_node(self, *inputs: Any) -> Any:
            tensors = [pt.as_tensor_variable(each) for each in inputs]
            return Apply(self, tensors, [pt.dscalar(), *(each.type() for each in tensors)])

        def perform(self, node: Any, inputs: Sequence[Any], output_storage: Any) -> None:  # noqa: ARG002
            point = Parameters(*(np.array(each, dtype=np.float64) for each in inputs))
            gradient = Parameters(*(np.zeros_like(each) for each in point))
            value = np.asarray(density(point, layout.data, gradient))
            for storage, result in zip(output_storage, (value, *gradient), strict=True):
                storage[0] = result

        def connection_pattern(self, node: Any) -> list[list[bool]]:
            return [[o == 0 for o in range(len(node.outputs))] for _ in node.inputs]

    def slopes(_: Any, __: Any, outputs: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
        return [weights[0] * each for each in outputs[1:]]

    # PyTensor 2 asks for `L_op`; PyTensor 3 for `pullback`, and warns of the other.
    setattr(PooledDensity, "pullback" if hasattr(Op, "pullback") else "L_op", slopes)
    return PooledDensity()


# Samplers of the posterior of `PooledLogLinear`: nutpie's and PyMC's No-U-Turn sampler ------------

#: Draws that a chain makes before it waits for the others, and can be interrupted.
TOGETHER = 25
#: Chains start within this distance of the middle of the prior, in each coordinate.
JITTER = 1.0


class Sampled(NamedTuple):
    """Draws of all parameters."""

    points: FloatArray  # (chains, draws, dim): level, log scales, y, r
    diverging: np.ndarray[tuple[int, int], np.dtype[np.bool_]]  # (chains, draws)
    steps: FloatArray  # (chains, draws) of the integrator


def sample(estimator: _Settings, layout: Layout) -> Sampled:
    """Sample the posterior with the sampler that the estimator names.

    estimator: settings
    layout: table and settings as arrays
    """
    run = _SAMPLERS[estimator.sampler]
    seed = int(np.random.SeedSequence(estimator.seed).generate_state(1)[0])
    return run(estimator, layout, seed)


def _shown() -> bool:
    return sys.stderr.isatty() or in_notebook()


def _cores(estimator: _Settings) -> int:
    return min(estimator.chains, os.cpu_count() or 1)


def _interwoven(estimator: _Settings, layout: Layout, seed: int) -> Sampled:
    """Move the chains of `mse.core.pooled_chain` on side by side: compiled code needs no lock."""
    import joblib

    streams = [
        np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(estimator.chains)
    ]
    states = [begin(_start(layout, rng), estimator.tune) for rng in streams]
    shape = (estimator.chains, estimator.tune + estimator.draws)
    # The warm-up is overwritten: only its last round is held.
    points, stats = np.zeros((shape[0], estimator.draws, layout.dimension)), np.zeros((*shape, 2))
    spare = np.zeros((shape[0], TOGETHER, layout.dimension))

    def move(chain: int, start: int, stop: int) -> None:
        warming = start < estimator.tune
        kept = (
            spare[chain, : stop - start]
            if warming
            else points[chain, start - estimator.tune : stop - estimator.tune]
        )
        advance(
            streams[chain],
            *states[chain],
            layout.prior,
            layout.data,
            estimator.target_accept,
            kept,
            stats[chain, start:stop],
        )

    cuts = [
        *range(0, estimator.tune, TOGETHER),
        *range(estimator.tune, shape[1], TOGETHER),
        shape[1],
    ]
    rounds = [*pairwise(cuts)]
    with joblib.Parallel(n_jobs=_cores(estimator), require="sharedmem") as parallel:
        for span in track(rounds, len(rounds), "PooledLogLinear"):
            parallel(joblib.delayed(move)(chain, *span) for chain in range(shape[0]))
    drawn = stats[:, estimator.tune :]
    return Sampled(points, drawn[:, :, 0] > 0, drawn[:, :, 1])


def _with_nutpie(estimator: _Settings, layout: Layout, seed: int) -> Sampled:
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


def _with_pymc(estimator: _Settings, layout: Layout, seed: int) -> Sampled:
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


_SAMPLERS: dict[str, Callable[[Any, Layout, int], Sampled]] = {
    "interwoven": _interwoven,
    "nutpie": _with_nutpie,
    "pymc": _with_pymc,
}
