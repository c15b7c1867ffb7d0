"""Bootstrap of any estimator: the interval that includes the choice of model."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from mse._progress import track
from mse._settings import check_seed, check_whole, is_whole
from mse.answer.intervals import (
    DEFAULT_LEVEL,
    TOO_FEW,
    BootstrapInterval,
    ReplicatedParts,
    acceleration,
    bca_levels,
    bias_correction,
    order_quantile,
)
from mse.answer.protocols import Refits, Refittable, Refitter, TableRefitter, suited
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.data.datasets import data_from
from mse.data.persons import PersonTable
from mse.errors import ConvergenceWarning, ModelError, MSEError
from mse.messages import Message, joined
from mse.redrawing import RESAMPLING, Drawing, LeftOut, Resampling, drawing_of, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mse._typing import FloatArray, Seed
    from mse.answer.population import PopulationEstimate
    from mse.answer.protocols import Estimator, Fit
    from mse.data.table import CaptureTable

    Limits = np.ndarray[tuple[int, int], np.dtype[np.int8]]

__all__ = [
    "BootstrapInterval",
    "acceleration",
    "bca_levels",
    "bias_correction",
    "bootstrap",
    "order_quantile",
]

IntervalKind = Literal["bca", "percentile", "basic"]

#: Replicates in one task. It does not depend on the number of workers, and nor do the answers.
CHUNK = 25
#: Rounds in which replicates without any answer are drawn again before they are left out.
MAX_ROUNDS = 20
#: Share of replicates without an answer beyond which the interval describes a selected part of them.
MANY_REDRAWN = 0.05
#: Share of the draws beyond one end of a 95 % interval, of which 2.5 % are meant to be, that is said.
MANY_BEYOND = 0.05
#: Replicates below which the ends of an interval are so uncertain that their error is said.
FEW = 100
_KILLED = (
    "A worker was killed before anything was finished, perhaps for want of memory. Ask for fewer workers, "
    "n_jobs=1 (--workers 1), or for a smaller model."
)
#: Replicates that are usual.
USUAL = 1000


class _Replicates(NamedTuple):
    """Outcomes of the replicates in which some stratum has an answer."""

    strata: FloatArray  # (M, S) totals: infinite without bound, NaN where not determined
    limits: Limits  # (M, S)
    settling: FloatArray  # (M, J) totals
    n_redrawn: int
    n_missing: int


class _Outcomes(NamedTuple):
    """Replicates as they were drawn: totals (B, S), limits (B, S), and totals on the way (B, J)."""

    totals: FloatArray
    limits: Limits
    settling: FloatArray


# Replicates that outlive an interruption ----------------------------------------------------------


class _Checkpoint:
    """A folder with the outcomes of finished chunks, and what they are of.

    folder: is made if it does not exist
    asked: what the replicates depend on; a seed that is None is that of the first call
    """

    def __init__(self, folder: Path, asked: dict[str, Any]) -> None:
        self.folder, record = folder, folder / "asked.json"
        if record.exists():
            before = json.loads(record.read_text(encoding="utf-8"))
            if asked["seed"] is None:
                asked["seed"] = before["seed"]
            other = [name for name, value in asked.items() if before.get(name) != value]
            if other:
                raise ModelError(
                    f"The checkpoint {folder} holds replicates of something else: it has "
                    + ", ".join(f"{name}={before.get(name)!r}" for name in other)
                    + ", and asked is "
                    + ", ".join(f"{name}={asked[name]!r}" for name in other)
                    + ". Repeat the first call, or name another folder."
                )
        else:
            folder.mkdir(parents=True, exist_ok=True)
            asked["seed"] = _drawn_seed() if asked["seed"] is None else asked["seed"]
            record.write_text(json.dumps(asked, indent=1), encoding="utf-8")
        self.seed: int = asked["seed"]

    def _path(self, turn: int | None, chunk: int) -> Path:
        return self.folder / f"{turn}-{chunk}.npz"

    def write(self, turn: int | None, chunk: int, outcomes: _Outcomes) -> None:
        """Keep a chunk: a file that is there is whole."""
        part = self._path(turn, chunk).with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **outcomes._asdict())
        part.replace(self._path(turn, chunk))

    def read(self, turn: int | None, chunk: int) -> _Outcomes | None:
        """Take up a chunk; None where it was not finished."""
        path = self._path(turn, chunk)
        if not path.exists():
            return None
        with np.load(path) as kept:
            return _Outcomes(*(kept[name] for name in _Outcomes._fields))


def _drawn_seed() -> int:
    """Draw a seed that nobody named, which is kept so that every interval can be had again."""
    return int(np.random.SeedSequence().generate_state(1)[0])


@dataclass(frozen=True)
class _Workers:
    """Who does tasks in parallel, and where their outcomes are kept."""

    n_jobs: int | None
    progress: bool | None
    kept: _Checkpoint | None

    def __call__(
        self, work: Sequence[Any], task: Callable[..., Any], refitter: Refitter, turn: int | None
    ) -> list[Any]:
        """Do the tasks that are left of a turn; the outcomes in order, if interrupted the finished ones."""
        kept = self.kept if turn is not None else None
        known = {i: kept.read(turn, i) for i in range(len(work))} if kept else {}
        known = {i: outcome for i, outcome in known.items() if outcome is not None}
        left = [i for i in range(len(work)) if i not in known]
        results = self._results([work[i] for i in left], task, refitter)
        try:
            for i, outcome in zip(left, results, strict=True):
                known[i] = outcome
                if kept:
                    kept.write(turn, i, outcome)
        except KeyboardInterrupt:
            if not known:
                raise
        except BrokenExecutor as error:
            if not known:
                raise MSEError(_KILLED) from error
        return [known[i] for i in sorted(known)]

    def _results(
        self, work: list[Any], task: Callable[..., Any], refitter: Refitter
    ) -> Iterator[Any]:
        from joblib import Parallel, delayed

        prefer = "threads" if refitter.releases_gil else "processes"
        parallel = Parallel(n_jobs=self.n_jobs, prefer=prefer, return_as="generator")
        results: Iterator[Any] = parallel(delayed(task)(*each) for each in work)
        shown = self.progress if task is _redraw else False
        return track(results, len(work), "Bootstrap", progress=shown)


def _redraw(drawing: Drawing, refitter: Refitter, rng: np.random.Generator, size: int) -> _Outcomes:
    """Draw some tables and refit to them."""
    found = []
    for counts in drawing.batches(rng, size):
        refits = refitter(counts)
        registered = registered_beside(refits, drawing.registered(counts))
        settling = refits.settling + registered.sum(axis=1, keepdims=True)
        found.append(_Outcomes(totals_of(refits, registered), refits.limits, settling))
    return _Outcomes(*(np.concatenate(each) for each in zip(*found, strict=True)))


def registered_beside(refits: Refits, registered: FloatArray) -> FloatArray:
    """Count the registered persons of the strata that an estimator knows: all together, if it knows none."""
    if registered.shape[1] == refits.hidden.shape[1]:
        return registered
    return np.asarray(registered.sum(axis=1, keepdims=True))


def _replicates(
    drawing: Drawing,
    refitter: Refitter,
    size: int,
    rng: np.random.Generator,
    run: Callable[..., list[_Outcomes]],
) -> _Replicates:
    """Draw and refit until every replicate has determined something."""
    found: list[_Outcomes] = []
    missing, redrawn = size, 0
    for turn in range(MAX_ROUNDS):
        sizes = [min(CHUNK, missing - at) for at in range(0, missing, CHUNK)]
        # Each chunk has a generator of its own, so the memory does not grow with the replicates.
        children = rng.spawn(len(sizes))
        work = [(drawing, refitter, *each) for each in zip(children, sizes, strict=True)]
        done = run(work, _redraw, refitter, turn)
        for each in done:
            keep = (each.limits != INDETERMINATE).any(axis=1)
            found.append(_Outcomes(*(part[keep] for part in each)))
            redrawn += int((~keep).sum())
            missing -= int(keep.sum())
        if missing == 0 or len(done) < len(work):
            break
    strata, limits, settled = (np.concatenate(each) for each in zip(*found, strict=True))
    return _Replicates(strata, limits, settled, redrawn, missing)


def totals_of(refits: Refits, registered: FloatArray) -> FloatArray:
    """Totals by stratum, (B, S), with limits as numbers: infinite, the registered persons, or NaN."""
    hidden = refits.hidden.copy()
    hidden[refits.limits == INFINITE] = np.inf
    hidden[refits.limits == ZERO] = 0.0
    hidden[refits.limits == INDETERMINATE] = nan
    return np.asarray(registered + hidden)


def joint_limits(limits: Limits) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Limit of a sum of strata: infinite if one is, indeterminate if one is, else finite.

    A stratum that goes to zero adds its observed persons and nothing else; with no other strata
    the sum goes to zero.
    """
    joint = np.full(len(limits), FINITE, dtype=np.int8)
    joint[(limits == ZERO).all(axis=1)] = ZERO
    joint[(limits == INFINITE).any(axis=1)] = INFINITE
    joint[(limits == INDETERMINATE).any(axis=1)] = INDETERMINATE
    return joint


def _jackknife(
    drawing: Drawing, refitter: Refitter, rng: np.random.Generator, run: Callable[..., list[Any]]
) -> tuple[FloatArray, FloatArray]:
    """Totals by stratum without one person of each nonempty history, and how many each stands for."""
    left_out = drawing.left_out(rng)
    work = [
        (left_out, drawing, refitter, start) for start in range(0, len(left_out.columns), CHUNK)
    ]
    totals = np.concatenate(run(work, _without, refitter, None))
    return totals, left_out.weights[: len(totals)]


def _without(left_out: LeftOut, drawing: Drawing, refitter: Refitter, start: int) -> FloatArray:
    """Totals by stratum without one person, from one of a chunk of histories after the other."""
    totals = []
    stop = min(start + CHUNK, len(left_out.columns))
    for part in parts(stop - start, left_out.whole.size):
        tables = left_out.tables(start + part.start, start + part.stop)
        refits = refitter(tables)
        totals.append(refits.hidden + registered_beside(refits, drawing.registered(tables)))
    return np.concatenate(totals)


def bootstrap(
    estimator: Estimator,
    table: CaptureTable,
    replicates: int = 1000,
    resampling: Resampling = "population",
    interval: IntervalKind = "percentile",
    seed: Seed = None,
    *,
    cluster: str | None = None,
    candidates: int | None = None,
    n_jobs: int | None = None,
    progress: bool | None = None,
    checkpoint: str | Path | None = None,
) -> PopulationEstimate:
    """Estimate N with an interval from repeating the whole method on persons drawn anew.

    Parameters
    ----------
    estimator : Estimator
        Any estimator. A search chooses its model again in every replicate.
    table : CaptureTable, CountTable or PersonTable
        A table that the estimator takes; records that are known in part are drawn as they are.
    replicates : int, default 1000
        Number of bootstrap replicates M. Below 100 the Monte Carlo error of the ends is said, below 20
        there is no interval.
    resampling : {"population", "multinomial", "parametric"}, default "population"
        Draw N-hat persons anew, over the observed histories and the hidden ones, who are then forgotten;
        draw only the registered persons again, n fixed, as is published for most of these methods; or
        draw N-hat persons from the fitted means.
    interval : {"percentile", "bca", "basic"}, default "percentile"
        Quantiles of the draws, bias-corrected and accelerated ones (Efron 1987), or quantiles reflected at
        the estimate. In the simulations of ``docs/calibration.md`` the percentile interval came nearest
        to what it promises, and it is the one that its own draws never contradict.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same answer whatever the number of workers.
    cluster : str, optional
        Covariate of a `PersonTable` whose levels are drawn whole, such as cases or households; by default the
        clusters with which the table was made.
    candidates : int, optional
        Choose only among the models that are best on the original table, as
        Silverman, Chan & Vincent (2024) do; by default among all.
    n_jobs : int, optional
        Workers, as in joblib; `joblib.parallel_config` sets other backends.
    progress : bool, optional
        Show a bar; by default in terminals and notebooks.
    checkpoint : str or path, optional
        Folder in which finished replicates are kept, 25 to a file. The same call goes on from there after
        an interruption, however it came about.

    Returns
    -------
    PopulationEstimate
        The estimate with ``draws``, and ``uncertainty`` a `BootstrapInterval`. Where the table
        itself determines no estimate it is returned as it is, but for draws of the strata that it
        determines.

    Raises
    ------
    ModelError
        If an option is not known, or does not go with the estimator; if a checkpoint holds replicates of
        something else.

    Notes
    -----
    What is estimated is N, of which n persons are known, so an interval has to hold the chance in how
    many of the N are registered. Each stratum is drawn with its own N-hat (Buckland & Garthwaite 1991);
    a fraction of a person is rounded at random. A draw is the total of a replicate: its registered persons
    plus its hidden ones. No end lies below the persons who were registered. Intervals of the hidden number
    are those of N minus n, of the share registered n over N. Where records are known in part they are
    drawn as they were recorded, together with the hidden persons of each stratum, in one multinomial; a
    count within bounds is imputed within them from the fit and bounded again; of margins, persons are
    drawn from independent lists and the margins and the union computed again. Clusters are drawn whole, and
    those that nobody saw are taken to be as large as the others.

    ``"multinomial"`` keeps n fixed. Its draws lack the variance N p0 / (1 - p0), p0 the share hidden:
    little where few are registered, and nearly all where nearly everybody is.

    A replicate whose hidden count has no bound counts as infinity and one that goes to zero as the
    observed number; one that determines nothing is drawn again and counted. An upper end among
    infinite draws is infinite. A stratum without an estimate keeps its registered persons; a replicate
    that does not determine a stratum does not count for that stratum and for sums with it.

    The acceleration of BCa is that of the jackknife over registered persons. Of tables with more than 1,000
    different histories by stratum 1,000 persons are drawn for it.

    An interrupt, or a worker that is killed, keeps the replicates that are finished, with a `ConvergenceWarning`. The memory taken does
    not grow with the replicates, but for a number each by stratum.

    Measured coverage is in ``docs/calibration.md``.

    References
    ----------
    Buckland, S. T. & Garthwaite, P. H. (1991). Quantifying precision of mark-recapture estimates using
    the bootstrap and related methods. Biometrics 47, 255-268.

    Chan, L., Silverman, B. W. & Vincent, K. (2021). Multiple systems estimation for sparse capture
    data. JASA 116, 1297-1306.

    Examples
    --------
    >>> import mse
    >>> p = mse.bootstrap(mse.LogLinearSearch(), mse.load_dataset("korea"), 200, seed=1)
    >>> low, high = p.interval(0.95)
    >>> 123 <= low < p.total < high, p.interval_kind, len(p.draws)
    (True, 'percentile', 200)
    """
    _check_seed_and_workers(seed, n_jobs)
    _check_options(replicates, resampling, interval, candidates)
    table = _clustered(data_from(table), cluster)
    kept = None
    if checkpoint is not None:
        kept = _checkpoint(checkpoint, estimator, table, replicates, resampling, seed, candidates)
        seed = kept.seed
    seed = _drawn_seed() if seed is None else seed
    rng = np.random.default_rng(seed)
    table = suited(estimator, table)
    fit = estimator.fit(table)
    population = fit.population
    if not _something_to_draw(population):
        return population
    refitter = _refitter(fit, estimator, table, candidates)
    drawing = drawing_of(fit, table, resampling)

    run = _Workers(n_jobs, progress, kept)
    found = _replicates(drawing, refitter, replicates, rng, run)
    left_out = np.zeros((0, found.strata.shape[1])), np.zeros(0)
    if interval == "bca":
        left_out = _jackknife(drawing, refitter, rng, run)
    asked = {
        "replicates": len(found.strata),
        "resampling": resampling,
        "interval": interval,
        "seed": seed if isinstance(seed, int) else None,
        "candidates": candidates,
    }
    return _answer(population, found, left_out, refitter, asked, replicates)


def _clustered(table: Any, cluster: str | None) -> Any:
    """Let persons come in clusters, where that is asked for."""
    if cluster is None or (isinstance(table, PersonTable) and table.cluster == cluster):
        return table
    if not isinstance(table, PersonTable):
        raise ModelError(
            f"cluster={cluster!r} is for persons and the table holds counts, which do not say who came together. "
            "Make a table with mse.PersonTable.from_frame(df, lists=[...], cluster=...)."
        )
    return table.clustered_by(cluster)


def _checkpoint(
    folder: str | Path,
    estimator: Estimator,
    table: CaptureTable,
    replicates: int,
    resampling: str,
    seed: Seed,
    candidates: int | None,
) -> _Checkpoint:
    """Open a checkpoint of a bootstrap."""
    if not (seed is None or is_whole(seed)):
        raise ModelError(
            f"checkpoint={str(folder)!r} needs a seed with which the replicates can be had again, and "
            f"seed is {seed!r}: expected a whole number, or none."
        )
    asked = {
        "table": table.fingerprint,
        "estimator": repr(estimator),
        "replicates": int(replicates),
        "resampling": resampling,
        "candidates": candidates,
        "seed": None if seed is None else int(seed),  # type: ignore[arg-type]
    }
    return _Checkpoint(Path(folder), asked)


def _something_to_draw(population: PopulationEstimate) -> bool:
    """Whether the total or some stratum has an estimate."""
    if population.status in ("ok", "boundary"):
        return True
    strata = population.strata
    return strata is not None and bool(np.isfinite(strata.hidden).any())


def _answer(
    population: PopulationEstimate,
    found: _Replicates,
    left_out: tuple[FloatArray, FloatArray],
    refitter: Refitter,
    asked: dict[str, Any],
    replicates: int,
) -> PopulationEstimate:
    """Put draws, intervals and what there is to say about them into an estimate."""
    kind = asked["interval"]
    known = population.status in ("ok", "boundary")
    draws = found.strata.sum(axis=1)
    whole = draws[~np.isnan(draws)]
    skew = acceleration(left_out[0].sum(axis=1), left_out[1]) if kind == "bca" else 0.0
    uncertainty = BootstrapInterval(
        kind=kind,
        given=refitter.given,
        estimate=population.total,
        observed=population.observed,
        draws=whole,
        acceleration=skew if isfinite(skew) else 0.0,
        n_infinite=int(np.isinf(whole).sum()),
        n_zero=int((joint_limits(found.limits) == ZERO).sum()),
        n_redrawn=found.n_redrawn,
        settling_draws=found.settling,
        checkpoints=refitter.checkpoints,
        least_draws=TOO_FEW,
    )
    counted = {
        "infinite": uncertainty.n_infinite,
        "zero": uncertainty.n_zero,
        "redrawn": found.n_redrawn,
        "undetermined": int(np.isnan(draws).sum()) if known else 0,
    }
    notes = [
        *_notes(found, replicates, counted),
        *(_interval_notes(uncertainty, skew) if known else ()),
    ]
    return replace(
        population,
        uncertainty=uncertainty if known else None,
        strata=_strata(population, found.strata, left_out, kind, refitter.given),
        draws=draws if known else None,
        stratum_draws=_stratum_frame(population, found.strata),
        warnings=(*population.warnings, *notes),
        provenance={**population.provenance, "bootstrap": {**asked, **counted}},
    )


def _strata(
    population: PopulationEstimate,
    draws: FloatArray,
    left_out: tuple[FloatArray, FloatArray],
    kind: str,
    given: str,
) -> Any:
    """Strata of an estimate, with intervals of the kind of that of the total."""
    strata = population.strata
    if strata is None:
        return None
    totals = strata.observed + strata.hidden
    parts = ReplicatedParts(
        kind, given, totals, strata.observed, draws, *left_out, least_draws=TOO_FEW
    )
    return replace(strata, intervals=parts)


def _refitter(
    fit: Fit, estimator: Estimator, table: CaptureTable, candidates: int | None
) -> Refitter:
    if isinstance(fit, Refittable):
        return fit.refitter(candidates)
    if candidates is not None:
        raise ModelError(
            f"{estimator!r} does not choose among models, so candidates={candidates} cannot be asked "
            "of it. Leave candidates out."
        )
    return TableRefitter(estimator, table)


def _check_seed_and_workers(seed: Seed, n_jobs: int | None) -> None:
    check_seed(seed)
    if n_jobs == 0:
        raise ModelError("n_jobs=0; expected a number of workers, or -1 for every core.")


def _check_options(replicates: int, resampling: str, interval: str, candidates: int | None) -> None:
    check_whole("replicates", replicates, 1)
    if resampling not in RESAMPLING:
        known = "'population', 'multinomial' or 'parametric'"
        raise ModelError(f"resampling={resampling!r} is not known; expected {known}.")
    if interval not in ("bca", "percentile", "basic"):
        raise ModelError(
            f"interval={interval!r} is not known; expected 'bca', 'percentile' or 'basic'."
        )
    if candidates is not None:
        check_whole("candidates", candidates, 1)


def _notes(found: _Replicates, asked: int, counted: dict[str, int]) -> Iterator[str]:
    """Sentences about replicates that went another way."""
    done = len(found.strata)
    unbounded, empty = counted["infinite"], counted["zero"]
    many = Message("remark.many_redrawn")
    if unbounded:
        yield Message("remark.unbounded", n=unbounded, of=done)
    if empty:
        yield Message("remark.zero", n=empty, of=done)
    if found.n_redrawn:
        text = Message("remark.redrawn", n=found.n_redrawn)
        yield joined(text, many if found.n_redrawn > MANY_REDRAWN * max(done, 1) else "")
    if counted["undetermined"]:
        text = Message("remark.undetermined", n=counted["undetermined"], of=done)
        yield joined(text, many if counted["undetermined"] > MANY_REDRAWN * done else "")
    if found.n_missing:
        text = Message("remark.unfinished", n=done, of=asked)
        warnings.warn(text, ConvergenceWarning, stacklevel=4)
        yield text


def _interval_notes(interval: BootstrapInterval, skew: float) -> Iterator[str]:
    """Sentences about an interval and its own draws."""
    size = interval.draws.size
    if isnan(skew):
        yield Message("remark.no_acceleration")
    if size < TOO_FEW:
        yield Message("remark.no_interval", n=size, least=TOO_FEW, usual=USUAL)
        return
    if size < FEW:
        yield _few_replicates(interval)
    yield from _beyond(interval)


def _few_replicates(interval: BootstrapInterval) -> str:
    """Say how uncertain the ends are with few replicates."""
    errors = interval.monte_carlo_error(DEFAULT_LEVEL)
    low, high = (each if isfinite(each) else Message("number.without_bound") for each in errors)
    size = interval.draws.size
    return Message(
        "remark.few_replicates", n=size, level=DEFAULT_LEVEL, low=low, high=high, usual=USUAL
    )


def _beyond(interval: BootstrapInterval) -> Iterator[str]:
    """Say where an interval leaves out many of its own draws, and why."""
    why = Message(f"beyond.{interval.kind}")
    for share, name in zip(interval.beyond(DEFAULT_LEVEL), ("below", "above"), strict=True):
        if share > MANY_BEYOND:
            side = Message(f"beyond.{name}")
            yield Message("remark.beyond", share=share, side=side, level=DEFAULT_LEVEL, why=why)


def _stratum_frame(population: PopulationEstimate, totals: FloatArray) -> pd.DataFrame | None:
    if population.strata is None:
        return None
    cells = population.strata.cells
    names = list(population.strata.levels)
    return pd.DataFrame(totals, columns=pd.MultiIndex.from_tuples(cells, names=names))
