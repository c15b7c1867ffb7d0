"""Log-linear models of dependence between lists and persons who differ."""

from __future__ import annotations

import warnings
from itertools import product
from math import isnan

import numpy as np
import pytest
from scipy.optimize import minimize

import mse
from mse.core.large_factor import factor_of
from mse.models.heterogeneity import Heterogeneity, columns_of, read_heterogeneity
from tests.existence_oracle import classify, design_matrix

FORMS = ("chao", "poisson", "darroch", "gamma")


def function_of(form: str, k: np.ndarray, n_lists: int) -> np.ndarray:
    """Columns as they are published, written once more."""
    if form == "chao":
        return np.column_stack([np.maximum(k - j, 0.0) for j in range(2, n_lists)])
    values = {"poisson": 2.0**k - 1, "darroch": k**2 / 2, "gamma": -np.log((3.5 + k) / 3.5)}
    return values[form][:, None]


def written_out(
    shape: tuple[int, ...], n_lists: int, terms: tuple[tuple[int, ...], ...], form: str, by: bool
) -> np.ndarray:
    """Design matrix: indicators, then the columns of a form, of each stratum if `by`."""
    cells = np.asarray(list(product(*map(range, shape))))
    extra = function_of(form, cells[:, :n_lists].sum(axis=1).astype(float), n_lists)
    if by:
        levels = range(shape[-1])
        extra = np.hstack([extra * (cells[:, -1:] == level) for level in levels])
    return np.hstack([design_matrix(shape, terms), extra])


def table_of(counts: np.ndarray, n_lists: int) -> mse.CaptureTable:
    names = "abcdef"[:n_lists]
    levels = {"sex": [f"s{i}" for i in range(counts.shape[-1])]} if counts.ndim > n_lists else {}
    some = np.ones_like(counts)
    some[(0,) * n_lists] = 0
    return mse.CaptureTable.from_array(some, list(names), levels).with_counts(counts)


def random_case(rng: np.random.Generator) -> tuple[np.ndarray, int, str, str, bool, bool]:
    """Draw counts, lists, a model, a form, whether its strength is by stratum, and nonnegative."""
    n_lists, strata = int(rng.integers(3, 6)), bool(rng.random() < 0.4)
    if strata:
        n_lists = min(n_lists, 4)
    shape = (2,) * n_lists + ((2,) if strata else ())
    counts = rng.poisson(rng.choice([0.15, 0.4, 1.0, 3.0]), size=shape)
    counts[(0,) * n_lists] = 0
    names = list("abcdef"[:n_lists])
    pairs = [f"{x}*{y}" for i, x in enumerate(names) for y in names[i + 1 :]]
    chosen = rng.choice(pairs, size=int(rng.integers(0, len(pairs) + 1)), replace=False)
    terms = [*names, *chosen, *(["a*sex", "sex"] if strata and rng.random() < 0.5 else [])]
    terms += ["sex"] if strata else []
    form = str(rng.choice(FORMS))
    by = strata and bool(rng.random() < 0.5)
    return counts, n_lists, " + ".join(terms), form, by, bool(rng.random() < 0.4)


@pytest.mark.property
@pytest.mark.parametrize("tables", [350, pytest.param(1050, marks=pytest.mark.slow)])
def test_existence_is_that_of_linear_programs(rng, tables: int) -> None:
    found = {}
    n_cases = 0
    while n_cases < tables:
        counts, n_lists, model, form, by, nonnegative = random_case(rng)
        if not counts.any():
            continue
        n_cases += 1
        asked = form + "*sex" * by
        fit = mse.LogLinear(model, heterogeneity=asked, nonnegative=nonnegative).fit(
            table_of(counts, n_lists)
        )
        design = written_out(counts.shape, n_lists, fit.structure.terms, form, by)
        n_hidden = counts.size >> n_lists
        strengths = range(
            len(fit._layout.terms) - int(fit._layout.strengths.sum()), design.shape[1]
        )
        bounded = tuple(strengths) if nonnegative or form == "chao" else ()
        face, limits = classify(design, counts.ravel().astype(float), n_hidden, bounded)
        said = (counts, model, asked, nonnegative)
        assert fit.status != "not_converged", said
        assert list(fit._limits) == limits, said
        assert np.array_equal(fit._fit.face[n_hidden:], face), said
        found[(form, nonnegative, fit.status)] = found.get((form, nonnegative, fit.status), 0) + 1
    every = {status for _, _, status in found}
    assert every == {"ok", "boundary", "not_estimable"}


@pytest.mark.property
def test_finite_fits_are_those_of_a_generic_glm(rng) -> None:
    sm = pytest.importorskip("statsmodels.api")
    n_compared = 0
    while n_compared < 60:
        counts, n_lists, model, form, by, _ = random_case(rng)
        counts = counts * 7 + rng.poisson(4.0, size=counts.shape)
        counts[(0,) * n_lists] = 0
        if form == "chao":
            form = "poisson"
        asked = form + "*sex" * by
        fit = mse.LogLinear(model, heterogeneity=asked).fit(table_of(counts, n_lists))
        if fit.status != "ok" or fit.df_residual == 0:
            continue
        n_compared += 1
        design = written_out(counts.shape, n_lists, fit.structure.terms, form, by)
        n_hidden = counts.size >> n_lists
        glm = sm.GLM(counts.ravel()[n_hidden:], design[n_hidden:], family=sm.families.Poisson())
        with warnings.catch_warnings():
            # Counts that a model happens to meet are no separation: the estimate is finite.
            warnings.simplefilter("ignore")
            other = glm.fit(tol=1e-14, maxiter=200)
        hidden = np.exp(design[:n_hidden] @ other.params)
        assert fit.population.hidden == pytest.approx(hidden.sum(), rel=1e-8)
        assert fit.deviance == pytest.approx(other.deviance, rel=1e-8, abs=1e-8)
        assert fit.coefficients.to_numpy() == pytest.approx(other.params, rel=1e-7, abs=1e-7)
        covariance = design[:n_hidden] @ other.cov_params() @ design[:n_hidden].T
        variance = hidden @ covariance @ hidden + hidden.sum()
        assert fit.standard_error == pytest.approx(np.sqrt(variance), rel=1e-6)


@pytest.mark.property
def test_hundreds_of_places_that_are_eliminated(rng) -> None:
    sm = pytest.importorskip("statsmodels.api")
    n_places = 130
    k = np.indices((2, 2, 2)).sum(axis=0)
    means = np.exp(-0.9 * k + 0.25 * k**2)[..., None] * np.exp(rng.normal(3.0, 0.5, n_places))
    counts = rng.poisson(means)
    counts[0, 0, 0] = 0
    levels = {"place": [f"p{i}" for i in range(n_places)]}
    table = mse.CaptureTable.from_array(counts, list("abc"), levels)
    fit = mse.LogLinear("a*place + b*place + c*place", heterogeneity="darroch").fit(table)
    assert factor_of(fit._design) is not None
    design = written_out(counts.shape, 3, fit.structure.terms, "darroch", by=False)
    seen, rows = counts.ravel()[n_places:], design[n_places:]
    poisson = sm.GLM(seen, rows, family=sm.families.Poisson())
    start = np.linalg.lstsq(rows, np.log(seen + 0.5), rcond=None)[0]
    glm = poisson.fit(start, method="newton", max_start_irls=0)
    hidden = np.exp(design[:n_places] @ glm.params)
    assert fit._fit.hidden == pytest.approx(hidden, rel=1e-8)
    assert fit.coefficients["darroch"] == pytest.approx(glm.params[-1], rel=1e-8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["diabetes", "hiv_rome", "kosovo", "snowshoe_hare"])
def test_beside_main_effects_it_is_mth(form: str, name: str) -> None:
    table = mse.load_dataset(name)
    one = mse.ClosedPopulation("Mth", heterogeneity=form).fit(table)
    other = mse.LogLinear("main", heterogeneity=form).fit(table)
    assert other.population.total == pytest.approx(one.population.total, rel=1e-9)
    assert other.deviance == pytest.approx(one.deviance, rel=1e-9)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-8)
    assert other.coefficients.to_numpy() == pytest.approx(one.coefficients.to_numpy(), abs=1e-7)
    assert other.n_parameters == one.n_parameters
    assert other.status == one.status
    assert other.population.interval() == pytest.approx(one.population.interval(), rel=1e-7)
    assert other.population.lower_bound == one.population.lower_bound


def test_columns_are_their_functions() -> None:
    levels = {"sex": ["f", "m", "x"], "age": ["young", "old"]}
    cells = list(product((0, 1), (0, 1), (0, 1), range(3), range(2)))
    k = np.asarray([sum(cell[:3]) for cell in cells], dtype=float)
    for form in FORMS:
        asked = Heterogeneity(form, ("age", "sex"))
        wanted = function_of(form, k, 3) * {"darroch": 2.0, "gamma": 2.0**45}.get(form, 1.0)
        found = list(columns_of(asked, 3, levels))
        assert len(found) == 6 * wanted.shape[1]
        for column in found:
            place = column.name.split(":")
            age, sex = (part.split("=")[1] for part in place[1:])
            values = np.asarray([_value(column.weights, cell) for cell in cells])
            inside = np.asarray(
                [levels["sex"][c[3]] == sex and levels["age"][c[4]] == age for c in cells]
            )
            assert values[~inside].any() == 0
            assert any(np.allclose(values[inside], w[inside], rtol=1e-12, atol=1) for w in wanted.T)


def _value(weights: dict, cell: tuple[int, ...]) -> float:
    """Sum the effects that a cell contains."""
    total = 0
    for (lists, levels), weight in weights.items():
        on = all(cell[i] for i in lists)
        there = all(at in (0, cell[3 + i]) for i, at in enumerate(levels))
        total += weight * (on and there)
    return float(total)


# What the data cannot tell ------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["poisson", "gamma", "chao"])
def test_all_pairs_of_three_lists_leave_nothing_for_a_strength(form: str) -> None:
    fit = mse.LogLinear("all two-way", heterogeneity=form).fit(avoiding())
    assert fit.status == "not_estimable"
    assert "Without heterogeneity the total is determined" in fit.reason
    assert isnan(fit.population.total)


def test_darroch_lies_in_the_pairs() -> None:
    table = mse.load_dataset("diabetes")
    plain = mse.LogLinear("all two-way").fit(table)
    for nonnegative in (False, True):
        fit = mse.LogLinear("all two-way", heterogeneity="darroch", nonnegative=nonnegative).fit(
            table
        )
        assert fit.status == "boundary"
        assert fit.reason == "Not determined by the remaining cells: darroch."
        assert fit.population.total == pytest.approx(plain.population.total)
        assert isnan(fit.coefficients["darroch"])


def avoiding() -> mse.CaptureTable:
    """Make a table on which pairs of lists overlap less than by chance."""
    counts = {"100": 60, "010": 55, "001": 50, "110": 20, "101": 18, "011": 16, "111": 1}
    return mse.CaptureTable.from_counts(counts, lists=["a", "b", "c"])


def test_a_strength_below_zero_says_so_or_is_at_its_bound() -> None:
    table = avoiding()
    free = mse.LogLinear("main", heterogeneity="darroch").fit(table)
    assert free.coefficients["darroch"] < 0
    assert "coefficient of heterogeneity is -" in free.population.warnings[0]
    kept = mse.LogLinear("main", heterogeneity="darroch", nonnegative=True).fit(table)
    plain = mse.LogLinear("main").fit(table)
    assert kept.coefficients["darroch"] == 0
    assert kept.population.total == pytest.approx(plain.population.total)
    assert kept.n_parameters == plain.n_parameters
    assert "at its bound of zero" in kept.population.warnings[0]


# Bounds -------------------------------------------------------------------------------------------


def with_bounds(design: np.ndarray, counts: np.ndarray, n_hidden: int, bounded: tuple[int, ...]):
    """Maximize the Poisson likelihood under bounds by a quasi-Newton method."""
    rows, seen = design[n_hidden:], counts.ravel()[n_hidden:]
    low = [(0, None) if j in bounded else (None, None) for j in range(design.shape[1])]

    def loss(b):
        means = np.exp(rows @ b)
        return means.sum() - seen @ (rows @ b), rows.T @ (means - seen)

    start = np.zeros(design.shape[1])
    start[0] = np.log(seen.mean() + 1)
    return minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=low,
        options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 40},
    )


def test_fits_under_bounds_are_maxima(rng) -> None:
    at_bound = 0
    for _ in range(40):
        counts, n_lists, model, form, by, _ = random_case(rng)
        counts = counts * 3 + rng.poisson(3.0, size=counts.shape)
        counts[(0,) * n_lists] = 0
        if form == "gamma":
            form = "darroch"
        asked = form + "*sex" * by
        fit = mse.LogLinear(model, heterogeneity=asked, nonnegative=True).fit(
            table_of(counts, n_lists)
        )
        if fit.status != "ok":
            continue
        design = written_out(counts.shape, n_lists, fit.structure.terms, form, by)
        n_strengths = int(fit._layout.strengths.sum())
        bounded = tuple(range(design.shape[1] - n_strengths, design.shape[1]))
        n_hidden = counts.size >> n_lists
        best = with_bounds(design, counts, n_hidden, bounded)
        strengths = fit.coefficients.to_numpy()[-n_strengths:]
        assert (strengths >= 0).all()
        at_bound += bool((strengths == 0).any())
        seen = counts.ravel()[n_hidden:]
        means = fit.fitted.ravel()[n_hidden:]
        assert means.sum() - seen @ np.log(means) <= best.fun + 1e-7 * abs(best.fun)
    assert at_bound > 3


def profile_by_search(design, counts, n_hidden, bounded, hidden: float) -> float:
    """Profile log likelihood at a hidden total, by brute force over the multinomial likelihood."""
    rows, n = design, counts.sum()
    seen = counts.ravel()[n_hidden:]
    low = [(0, None) if j in bounded else (None, None) for j in range(design.shape[1])]
    free = range(design.shape[1])

    def loss(b):
        logs = rows @ b
        logs = logs - logs.max()
        means = np.exp(logs)
        total, unseen = means.sum(), means[:n_hidden].sum()
        value = seen @ logs[n_hidden:] + hidden * np.log(unseen) - (n + hidden) * np.log(total)
        slope = rows[n_hidden:].T @ seen + hidden * rows[:n_hidden].T @ means[:n_hidden] / unseen
        return -value, -(slope - (n + hidden) * rows.T @ means / total)

    low[0] = (0, 0)
    best = min(
        minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=low,
            options={"maxiter": 20000, "maxfun": 50000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 40},
        ).fun
        for start in (np.zeros(len(free)), np.where([j in bounded for j in free], 0.3, -0.5))
    )
    return -best


@pytest.mark.parametrize(
    ("name", "model", "asked", "form"),
    [
        ("diabetes", "[12,3,4]", "chao", "chao"),
        ("hiv_rome", "[12,3,4]", "darroch", "darroch"),
        ("spina", "a + b + c + sex", "darroch*sex", "darroch"),
    ],
)
def test_profile_under_bounds_is_that_of_a_search(name, model, asked, form) -> None:
    if name == "spina":
        counts = np.asarray(
            [[0, 0], [40, 30], [50, 20], [9, 2], [60, 25], [10, 4], [11, 5], [6, 1]]
        ).reshape(2, 2, 2, 2)
        table = table_of(counts, 3)
    else:
        table = mse.load_dataset(name)
        counts = np.asarray(table.counts)
    fit = mse.LogLinear(model, heterogeneity=asked, nonnegative=True).fit(table)
    assert fit.status in ("ok", "boundary")
    curve = fit.profile_curve()
    n_hidden = counts.size >> table.n_lists
    design = written_out(counts.shape, table.n_lists, fit.structure.terms, form, "*" in asked)
    n_strengths = int(fit._layout.strengths.sum())
    bounded = tuple(range(design.shape[1] - n_strengths, design.shape[1]))
    at = np.log(fit.population.hidden) + np.asarray([-0.6, 0.0, 0.5])
    found = np.asarray([curve(x) for x in at])
    from mse.core.dense import log_orderings

    n = float(counts.sum())
    wanted = np.asarray(
        [
            profile_by_search(design, counts, n_hidden, bounded, float(np.exp(x)))
            + log_orderings(n, float(np.exp(x)))
            for x in at
        ]
    )
    assert found - found[1] == pytest.approx(wanted - wanted[1], abs=2e-5)


# Records known in part, resampling, options ---------------------------------------------------------


def test_records_known_in_part() -> None:
    table = mse.load_dataset("kosovo")
    frame = table.to_frame()
    complete = mse.LogLinear("main", heterogeneity="darroch").fit(table)
    # Split over a list that is unknown for nobody: the same likelihood by another road.
    frame = frame.astype({"n": str})
    same = mse.CaptureTable.from_frame(frame, list(table.lists), count="n")
    assert mse.LogLinear("main", heterogeneity="darroch").fit(
        same
    ).population.total == pytest.approx(complete.population.total)
    frame.loc[frame["n"] == "18", "n"] = "<20"
    vague = mse.CaptureTable.from_frame(frame, list(table.lists), count="n")
    fit = mse.LogLinear("main", heterogeneity="darroch").fit(vague)
    assert fit.status == "ok"
    assert fit.population.total == pytest.approx(complete.population.total, rel=0.1)
    with pytest.raises(mse.ModelError, match="complete tables only"):
        mse.LogLinear("main", heterogeneity="chao").fit(vague)


def test_an_unknown_membership_is_summed_over() -> None:
    counts = np.asarray([0, 50, 60, 20, 70, 18, 25, 14]).reshape(2, 2, 2)
    rows = [[*cell, counts[cell]] for cell in product((0, 1), repeat=3) if counts[cell]]
    rows += [[1, 0, None, 12], [None, 1, 1, 5]]
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["a", "b", "c", "n"])
    table = mse.CaptureTable.from_frame(frame, ["a", "b", "c"], count="n")
    fit = mse.LogLinear("main", heterogeneity="darroch").fit(table)
    design = written_out((2, 2, 2), 3, fit.structure.terms, "darroch", False)

    def loss(b):
        means = np.exp(design @ b)
        means[0] = 0
        seen = counts.ravel()
        value = means.sum() - seen[1:] @ (design @ b)[1:]
        value -= 12 * np.log(means[4] + means[5]) + 5 * np.log(means[3] + means[7])
        return value

    best = minimize(
        loss, np.r_[4.0, np.zeros(4)], method="BFGS", options={"gtol": 1e-8, "maxiter": 5000}
    )
    assert fit.population.hidden == pytest.approx(np.exp(best.x[0]), rel=1e-4)
    assert fit.coefficients["darroch"] == pytest.approx(best.x[-1], abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "nonnegative"), [("darroch", False), ("darroch", True), ("chao", False)]
)
def test_replicates_are_fitted_as_tables_are(asked: str, nonnegative: bool, rng) -> None:
    table = avoiding()
    estimator = mse.LogLinear("a*b + c", heterogeneity=asked, nonnegative=nonnegative)
    counts = rng.poisson(np.asarray(table.counts, dtype=float).ravel(), size=(20, 8)).astype(float)
    counts[:, 0] = 0
    found = estimator.fit(table).refitter()(counts)
    for row, hidden, limit in zip(counts, found.hidden, found.limits, strict=True):
        again = estimator.fit(table.with_counts(row.reshape(2, 2, 2).astype(int)))
        assert again._fit.limits.tolist() == limit.tolist()
        assert hidden == pytest.approx(again._fit.hidden, rel=1e-8, nan_ok=True)


def test_bootstrap_compare_and_json() -> None:
    table = mse.load_dataset("diabetes")
    fit = mse.LogLinear("[12,3,4]", heterogeneity="darroch").fit(table)
    boot = mse.bootstrap(fit.estimator, table, replicates=50, seed=1)
    low, high = boot.interval(0.9)
    assert low < fit.population.total < high
    shown = mse.compare(table, [fit.estimator, mse.LogLinear("[12,3,4]")]).to_frame()
    assert shown["total"].iloc[0] == pytest.approx(fit.population.total)
    again = mse.PopulationEstimate.from_json(fit.population.to_json())
    assert again.total == fit.population.total
    assert again.model == "[12,3,4] + darroch"
    assert eval(repr(fit.estimator), vars(mse)) == fit.estimator


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heterogeneity": "darrock"}, "is not known; expected one of 'chao'"),
        ({"nonnegative": True}, "name its form"),
        ({"heterogeneity": True}, "estimator of its own"),
        ({"heterogeneity": "darroch*sex*sex"}, "repeats a name"),
    ],
)
def test_options_that_mean_nothing(settings: dict, said: str) -> None:
    with pytest.raises(mse.ModelError, match=said):
        mse.LogLinear("main", **settings)


def test_strata_that_there_are_not() -> None:
    table = mse.load_dataset("korea")
    with pytest.raises(mse.ModelError, match="the covariates of the table are: none"):
        mse.LogLinear("main", heterogeneity="darroch*sex").fit(table)
    assert read_heterogeneity(None, nonnegative=False) is None


def test_a_strength_by_stratum_implies_the_lists_by_stratum() -> None:
    table = mse.load_dataset("spina_bifida")
    fit = mse.LogLinear("S1*S2 + S3 + ethnicity", heterogeneity="poisson*ethnicity").fit(table)
    assert fit.model.endswith(" + poisson*ethnicity")
    assert all((i, 3) in fit.structure for i in range(3))
    names = [name for name in fit.coefficients.index if name.startswith("poisson:")]
    assert names == [f"poisson:ethnicity={each}" for each in table.covariates["ethnicity"]]


# Searches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["exhaustive", "stepwise"])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_a_search_over_forms_has_the_models_of_each(strategy: str, nonnegative: bool) -> None:
    table = mse.load_dataset("diabetes")
    settings = {"strategy": strategy, "nonnegative": nonnegative}
    forms = (None, "darroch", "gamma")
    joined = mse.LogLinearSearch(heterogeneity=forms, **settings).fit(table)
    parts = [
        mse.LogLinearSearch(
            heterogeneity=form, strategy=strategy, nonnegative=nonnegative and form is not None
        ).fit(table)
        for form in forms
    ]
    assert joined.n_models == sum(part.n_models for part in parts)
    best = min(parts, key=lambda part: part.bic)
    assert joined.model == best.model == "[13,24,34] + gamma"
    assert joined.population.total == pytest.approx(best.population.total, rel=1e-12)
    for part in parts:
        shown = joined.models.set_index("model")
        assert shown.loc[part.model, "total"] == pytest.approx(part.population.total)
        assert shown.loc[part.model, "bic"] == pytest.approx(part.best.bic)


def test_every_model_of_a_search_is_what_it_is_by_itself() -> None:
    table = avoiding()
    for form, nonnegative in (("darroch", False), ("poisson", True), ("chao", False)):
        search = mse.LogLinearSearch(heterogeneity=form, nonnegative=nonnegative).fit(table)
        for i in range(search.n_models):
            one = search.fit_of(i)
            assert one.model == search._source.notation(i)
            assert search._fits.deviance[0, i] == pytest.approx(one.deviance, abs=1e-8)
            assert search._n_parameters[i] == one.n_parameters
            assert search._totals[i] == pytest.approx(one.population.total, nan_ok=True)


def test_replicates_choose_among_all_models(rng) -> None:
    table = mse.load_dataset("diabetes")
    search = mse.LogLinearSearch(heterogeneity="darroch")
    counts = rng.poisson(np.asarray(table.counts, dtype=float).ravel(), size=(6, 16)).astype(float)
    counts[:, 0] = 0
    found = search.fit(table).refitter()(counts)
    for row, hidden in zip(counts, found.hidden, strict=True):
        again = search.fit(table.with_counts(row.reshape(2, 2, 2, 2).astype(int)))
        assert hidden[0] == pytest.approx(again.population.hidden, rel=1e-6)


def test_a_search_by_p_value_has_no_forms() -> None:
    with pytest.raises(mse.ModelError, match="goes with a criterion"):
        mse.LogLinearSearch("pvalue", "stepwise", heterogeneity="darroch")
    with pytest.raises(mse.ModelError, match="each once"):
        mse.LogLinearSearch(heterogeneity=(None, "darroch", "darroch"))


def test_a_search_of_records_known_in_part() -> None:
    frame = mse.load_dataset("kosovo").to_frame().astype({"n": str})
    frame.loc[frame["n"] == "18", "n"] = "<20"
    table = mse.CaptureTable.from_frame(frame, ["EXH", "ABA", "OSCE", "HRW"], count="n")
    search = mse.LogLinearSearch(heterogeneity="darroch", max_order=2)
    fit = search.fit(table)
    complete = search.fit(mse.load_dataset("kosovo"))
    assert fit.model == complete.model
    assert fit.population.total == pytest.approx(complete.population.total, rel=0.05)
    with pytest.raises(mse.ModelError, match="Name one form"):
        mse.LogLinearSearch(heterogeneity=(None, "darroch")).fit(table)


def test_what_the_highest_interaction_would_change_keeps_the_strength() -> None:
    fit = mse.LogLinear("[12,3,4]", heterogeneity="darroch").fit(mse.load_dataset("diabetes"))
    shown = mse.sensitivity.highest_order(fit, xi=(1.0, 2.0)).to_frame()
    assert shown["hidden"].iloc[0] == pytest.approx(fit.population.hidden)
    assert shown["hidden"].iloc[1] == pytest.approx(fit.population.hidden / 2)
    assert shown[["low", "high"]].iloc[0].tolist() == pytest.approx(
        fit.population.interval(), rel=1e-6
    )


def test_without_a_list_persons_still_differ() -> None:
    table = mse.load_dataset("diabetes")
    estimator = mse.LogLinear("[12,3,4]", heterogeneity="darroch")
    shorter = estimator.asked_of(table, table.drop_lists(["reagents"]), {})
    assert shorter == mse.LogLinear("[12,3]", heterogeneity="darroch")


def test_more_lists_than_can_be_written_out() -> None:
    names = [f"l{i}" for i in range(13)]
    counts = {"1" * 13: 1, **{"0" * i + "1" + "0" * (12 - i): 3 for i in range(13)}}
    table = mse.CaptureTable.from_counts(counts, lists=names)
    with pytest.raises(mse.ModelError, match="at most 12"):
        mse.LogLinear("main", heterogeneity="gamma").fit(table)
    assert mse.LogLinear("main", heterogeneity="darroch").fit(table).status == "not_estimable"


def test_a_list_that_did_not_operate_may_have_held_persons_who_differ() -> None:
    import pandas as pd

    first = [0, 50, 60, 20, 70, 18, 25, 14]
    rows = [[*cell, 2001, n] for cell, n in zip(product((0, 1), repeat=3), first, strict=True) if n]
    second = {(0, 1): 90, (1, 0): 85, (1, 1): 40}
    rows += [[*cell, None, 2002, n] for cell, n in second.items()]
    frame = pd.DataFrame(rows, columns=["a", "b", "c", "year", "n"])
    table = mse.CaptureTable.from_frame(frame, ["a", "b", "c"], ["year"], count="n")
    fit = mse.LogLinear("a + b + c + year", heterogeneity="poisson").fit(table)
    design = written_out((2, 2, 2, 2), 3, fit.structure.terms, "poisson", by=False)

    def loss(b):
        means = np.exp(design @ b).reshape(2, 2, 2, 2)
        value = (
            means[..., 0].sum() - means[0, 0, 0, 0] + means[..., 1].sum() - means[0, 0, :, 1].sum()
        )
        value -= np.asarray(first)[1:] @ np.log(means[..., 0].ravel()[1:])
        return value - sum(n * np.log(means[a, b, :, 1].sum()) for (a, b), n in second.items())

    start = np.r_[4.0, np.zeros(design.shape[1] - 1)]
    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-8, "maxiter": 5000})
    means = np.exp(design @ best.x).reshape(2, 2, 2, 2)
    wanted = [means[0, 0, 0, 0], means[0, 0, :, 1].sum()]
    assert fit._fit.hidden == pytest.approx(wanted, rel=1e-4)


def test_totals_of_lists_cannot_tell_that_persons_differ() -> None:
    table = mse.CaptureTable.from_margins({"a": 53, "b": 70, "c": 40}, union=110)
    fit = mse.LogLinear("main", heterogeneity="darroch").fit(table)
    assert fit.status == "not_estimable"
    assert list(fit.coefficients.index) == ["intercept", "a", "b", "c", "darroch"]


def test_an_average_over_forms() -> None:
    search = mse.LogLinearSearch(heterogeneity=(None, "darroch"))
    fit = search.fit(mse.load_dataset("diabetes"))
    p = fit.average()
    low, high = p.interval()
    assert low < fit.population.total < high


def test_between_two_bounds_a_hidden_count_is_not_determined() -> None:
    """No direction leads it up or down without end, and yet no data tell it: strengths are not below zero."""
    counts = np.zeros((2, 2, 2, 2, 2), dtype=int)
    counts[0, 0, :, 1, 1] = counts[1, 1, 0, :, 1] = counts[0, 1, 1, 0, 0] = 1
    model = "a + b + c + d + c*d + a*b + a*sex"
    fit = mse.LogLinear(model, heterogeneity="chao*sex", nonnegative=True).fit(table_of(counts, 4))
    assert list(fit._limits) == ["zero", "indeterminate"]
