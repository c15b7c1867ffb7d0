"""People who differ: columns by the number of lists that a person is on, and what they may differ within.

If a person of kind z is on list j with odds exp(b_j + z), the log mean of a history with k lists has beside
the main effects the logarithm of the k-th moment of exp(z) over those on no list, a convex function of k
that is zero at k = 0 (Darroch, Fienberg, Glonek & Junker 1993, JASA 88, 1137-1148; Rivest & Baillargeon
2007, Biometrics 63, 999-1006). A form is a shape for that function.
"""

from __future__ import annotations

from itertools import product
from math import comb
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mse._typing import FloatArray, Level
    from mse.models.terms import HierarchicalModel

#: Forms of heterogeneity by name.
Form = Literal["chao", "poisson", "darroch", "gamma"]
#: Columns as functions of the number of lists k: Poisson with a = 2, the quadratic form of Darroch et al.
#: (normal scores), and gamma with a = 3.5 (Rivest & Baillargeon 2007).
COLUMNS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "poisson": lambda k: 2.0**k - 1,
    "darroch": lambda k: k**2 / 2,
    "gamma": lambda k: np.log(3.5) - np.log(3.5 + k),
}
#: What makes whole numbers of them, in which existence is decided exactly. The logarithms of the gamma form
#: are then those of fourteen digits.
SCALES = {"chao": 1.0, "poisson": 1.0, "darroch": 2.0, "gamma": 2.0**45}
DARROCH_1993 = "Darroch, J. N., Fienberg, S. E., Glonek, G. F. V. and Junker, B. W. (1993). A three-sample multiple-recapture approach to census population estimation with heterogeneous catchability. Journal of the American Statistical Association 88, 1137-1148."
RIVEST_2007 = "Rivest, L.-P. and Baillargeon, S. (2007). Applications and extensions of Chao's moment estimator for the size of a closed population. Biometrics 63, 999-1006."


def heterogeneity_columns(form: str | None, captures: FloatArray, n_lists: int) -> FloatArray:
    """Columns for unequal catchability, (R, h).

    The lower bound model has the columns max(k - j, 0) for j = 2, ..., K - 1 with coefficients that
    are not negative, since the log moments of a mixture are convex in k (Rivest & Baillargeon 2007,
    Biometrics 63, 999-1006).

    form: one of `Form`, or None
    captures: (R,), number of lists k
    n_lists: number of lists K
    """
    if form is None:
        return np.zeros((captures.size, 0))
    if form == "chao":
        return np.maximum(captures[:, None] - np.arange(2, n_lists, dtype=np.float64), 0.0)
    return COLUMNS[form](captures)[:, None]


def column_names(form: str | None, n_lists: int) -> list[str]:
    """Name these columns."""
    if form is None:
        return []
    return [f"eta{j}" for j in range(3, n_lists + 1)] if form == "chao" else [form]


class Heterogeneity(NamedTuple):
    """How people differ in a model.

    form: shape of the function of the number of lists
    within: covariates in whose every combination of levels its strength is another
    nonnegative: whether strengths below zero, which no mixture of people has, are taken for zero
    """

    form: str
    within: tuple[str, ...] = ()
    nonnegative: bool = False

    def notation(self) -> str:
        """Write it as it is asked for."""
        return "*".join((self.form, *self.within))

    def implied(self, model: HierarchicalModel) -> HierarchicalModel:
        """Add the terms that a strength by stratum implies: those of each list with the covariates."""
        axes = [model.axes.index(name) for name in self.within]
        for each in range(model.n_lists) if axes else ():
            model = model.with_term((each, *axes))
        return model


def with_form(model: str, form: str | None) -> str:
    """Write a model with how persons differ in it.

    Examples
    --------
    >>> with_form("[12,3]", "darroch")
    '[12,3] + darroch'
    """
    return model if form is None else f"{model} + {form}"


def read_heterogeneity(text: str | None, *, nonnegative: bool) -> Heterogeneity | None:
    """Read ``"darroch"``, or ``"darroch*sex"`` for a strength of each sex.

    Raises ModelError: if the form is not known

    Examples
    --------
    >>> read_heterogeneity("darroch*sex", nonnegative=False)
    Heterogeneity(form='darroch', within=('sex',), nonnegative=False)
    """
    known = ", ".join(map(repr, get_args(Form)))
    if text is None:
        if nonnegative:
            raise ModelError(
                f"nonnegative=True is about the strength of heterogeneity: name its form, one of {known}."
            )
        return None
    if not isinstance(text, str):
        raise ModelError(
            f"heterogeneity is {text!r}: expected one of {known}, or None. HeterogeneousLogLinear is an "
            "estimator of its own, with a prior on the strength."
        )
    form, *within = (part.strip() for part in text.split("*"))
    if form not in get_args(Form):
        raise ModelError(
            f"heterogeneity={text!r} is not known; expected one of {known}, or with covariates behind "
            "it for a strength of each level: 'darroch*sex'."
        )
    if len(set(within)) < len(within):
        raise ModelError(f"heterogeneity={text!r} repeats a name; write it once.")
    return Heterogeneity(form, tuple(within), bool(nonnegative) or form == "chao")


def check_within(
    asked: Heterogeneity, covariates: Mapping[str, Sequence[Level]], trend: Mapping[str, int]
) -> None:
    """Raise ``ModelError`` where a strength cannot differ as it was asked."""
    for name in asked.within:
        if name not in covariates:
            known = ", ".join(covariates) or "none"
            raise ModelError(
                f"heterogeneity={asked.notation()!r} names {name!r}; the covariates of the table are: "
                f"{known}."
            )
        if name in trend:
            raise ModelError(
                f"heterogeneity={asked.notation()!r} has a strength of each level of {name!r}, which enters "
                "by a trend: leave one of the two out."
            )


class Column(NamedTuple):
    """One column of heterogeneity as a sum of products of indicators.

    name: of the parameter
    weights: whole weight of each effect, which is a set of lists, and levels by position of covariate
    """

    name: str
    weights: dict[tuple[tuple[int, ...], tuple[int, ...]], int]


def columns_of(
    asked: Heterogeneity, n_lists: int, covariates: Mapping[str, Sequence[Level]]
) -> Iterator[Column]:
    """Write the columns of a form on the effects of lists and covariates, times its scale.

    A function g of the number of lists is the sum over sets A of lists of w(|A|) times the indicator of
    being on all of A, with w(m) = sum over j of (-1)^(m-j) C(m, j) g(j); and the indicator of the first level of
    a covariate is 1 less those of the others.
    """
    k = np.arange(n_lists + 1, dtype=np.float64)
    values = np.rint(heterogeneity_columns(asked.form, k, n_lists) * SCALES[asked.form])
    names = column_names(asked.form, n_lists)
    places = [list(covariates).index(name) for name in asked.within]
    sizes = [len(covariates[name]) for name in asked.within]
    for levels in product(*map(range, sizes)):
        where = [
            f"{name}={covariates[name][i]}" for name, i in zip(asked.within, levels, strict=True)
        ]
        parts = list(_indicator(levels, sizes))
        for name, column in zip(names, values.T, strict=True):
            weights = {}
            for lists, weight in _on_sets([int(v) for v in column], n_lists):
                for chosen, sign in parts:
                    at = [0] * len(covariates)
                    for place, level in zip(places, chosen, strict=True):
                        at[place] = level
                    weights[lists, tuple(at)] = weight * sign
            yield Column(":".join([name, *where]), weights)


def _on_sets(values: list[int], n_lists: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Weights of the sets of lists whose indicators add up to a function of the number of lists."""
    by_size = [
        sum((-1) ** (m - j) * comb(m, j) * values[j] for j in range(m + 1))
        for m in range(n_lists + 1)
    ]
    for chosen in product((0, 1), repeat=n_lists):
        lists = tuple(i for i, on in enumerate(chosen) if on)
        if by_size[len(lists)]:
            yield lists, by_size[len(lists)]


def _indicator(levels: tuple[int, ...], sizes: list[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Write the indicator of some levels on effects, which there are of levels beyond the first only."""
    ways = [
        [(level, 1)] if level else [(0, 1), *((other, -1) for other in range(1, size))]
        for level, size in zip(levels, sizes, strict=True)
    ]
    for way in product(*ways):
        sign = 1
        for _, each in way:
            sign *= each
        yield tuple(level for level, _ in way), sign
