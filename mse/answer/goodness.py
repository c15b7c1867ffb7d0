"""How well a model describes the observed histories: one test, and its words.

Every log-linear fit is tested in the same way, so that summaries, JSON, reports and checks name one
deviance and one number of degrees of freedom.

References
----------
Cochran, W. G. (1954). Some methods for strengthening the common chi-squared tests. Biometrics 10,
417-451.
Fienberg, S. E. and Rinaldo, A. (2012). Maximum likelihood estimation in log-linear models. Annals
of Statistics 40, 996-1023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from mse.messages import Message, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse._typing import FloatArray

#: A chi-squared p-value is trusted with no fitted mean below 1 and at most a fifth of them below 5
#: (Cochran 1954, section 2).
LEAST_MEAN, SMALL_MEAN, MOST_SMALL = 1.0, 5.0, 0.2
#: Level of the test of fit.
POOR_FIT = 0.05

NOTHING_LEFT = Message("remark.nothing_left")
MISFIT = Message("remark.misfit")
TWO_LISTS = Message("remark.two_cannot_test")


@dataclass(frozen=True, slots=True)
class FitTest:
    """Test of the fit of one model.

    Parameters
    ----------
    deviance : float
        Over the cells that the model can fill.
    df : int
        Those cells less the rank on them (``df_adjusted``); 0 where nothing is left to test.
    df_residual : int
        Observable cells less parameters, before any cell is fitted at zero.
    p_value : float
        Of the chi-squared distribution; NaN where nothing is left to test.
    n_means, n_small : int
        Cells that the model can fill, and those of them with a fitted mean below 5.
    sparse : bool
        Whether fitted means are too small for the chi-squared distribution.
    """

    deviance: float
    df: int
    df_residual: int
    p_value: float
    n_means: int
    n_small: int
    sparse: bool

    def record(self, *, selected: bool = False) -> dict[str, Any]:
        """Write the test down as JSON can hold it, under the key ``fit`` of a provenance.

        Parameters
        ----------
        selected : bool, default False
            Whether the model was chosen by the data that it is tested on.
        """
        return {
            "deviance": self.deviance,
            "df": self.df,
            "df_residual": self.df_residual,
            "p_value": None if math.isnan(self.p_value) else self.p_value,
            "test": "chi-squared" if self.df else None,
            "sparse": self.sparse,
            "selected": selected,
        }


def chi_squared_fit(
    deviance: float, df: int, df_residual: int, means: FloatArray
) -> FitTest | None:
    """Test the fit of a model by the chi-squared distribution of its deviance.

    deviance: over the cells that the model can fill
    df: those cells less the rank on them (Fienberg & Rinaldo 2012, section 3)
    df_residual: observable cells less parameters
    means: fitted means of the observable cells, persons
    Returns None where there is no deviance, since a computation failed

    Of 1,000 tables drawn from a fitted model, the main effects and the best one by BIC of each bundled
    complete table of at most six lists, this test rejected that model at 5% in 0 to 6.6% (Monte Carlo
    error 0.7; ``benchmarks/fit_test.py``), and in fewer than 1% for 12 of the 27 models that are sparse.
    So a small p-value says that a model does not fit, on sparse tables as well; a large one says next
    to nothing there.

    Examples
    --------
    >>> found = chi_squared_fit(18.5, 3, 3, np.full(7, 20.0))
    >>> round(found.p_value, 5), found.sparse
    (0.00035, False)
    """
    if math.isnan(deviance):
        return None
    inside = means[means > 0]
    small = int((inside < SMALL_MEAN).sum())
    df = max(df, 0)
    return FitTest(
        deviance=plain_zero(deviance),
        df=df,
        df_residual=df_residual,
        p_value=float(chdtrc(df, max(deviance, 0.0))) if df else math.nan,
        n_means=int(inside.size),
        n_small=small,
        sparse=bool(small > MOST_SMALL * inside.size or np.any(inside < LEAST_MEAN)),
    )


def fits_poorly(record: Mapping[str, Any]) -> bool:
    """Whether a test that was written down says that the model does not fit."""
    p_value = record.get("p_value")
    return p_value is not None and p_value < POOR_FIT


# Words -------------------------------------------------------------------------------------------


def plain_zero(value: float) -> float:
    """Take a deviance that rounding puts below zero as zero."""
    return 0.0 if value <= 0 else value


def short_p(value: float, least: float = 0.0) -> str:
    """Write a p-value with its sign: ``= 0.023``, ``< 0.001``, and ``<= 0.001`` at its floor.

    value: the p-value; NaN gives a dash
    least: the smallest value it could have taken, 1 / (1 + B) of B replicates

    Examples
    --------
    >>> short_p(0.0231), short_p(2e-7), short_p(1 / 1000, 1 / 1000), short_p(0.05, 0.05)
    ('= 0.023', '< 0.001', '<= 0.001', '<= 0.050')
    """
    if math.isnan(value):
        return "-"
    if least > 0 and value <= least * (1 + 1e-9):
        # Floors below a thousandth keep a digit of their own.
        return Message("test.p_floor" if least >= 0.0005 else "test.p_low_floor", p=least)
    return Message("test.p_small", p=0.001) if value < 0.001 else Message("test.p", p=value)


def deviance_in_words(deviance: float, df: int, p: str, how: Sequence[str]) -> Message:
    """Write the one sentence on a test of fit; ``p`` as of `short_p`."""
    return Message("remark.deviance", deviance=plain_zero(deviance), n=df, p=p, how=tuple(how))


def how_tested(*, selected: bool, drawn: bool = False, seed: int | None = None) -> list[str]:
    """Say how a p-value was found: from a distribution, or from replicates of some seed."""
    said: list[str] = [Message("test.bootstrap" if drawn else "test.chi_squared")]
    if seed is not None:
        said.append(Message("test.seed", seed=seed))
    return [*said, Message("test.selected")] if selected else said


def fit_in_words(record: Mapping[str, Any]) -> str:
    """Put a test that was written down in words, none of which reassures.

    record: what `FitTest.record` wrote

    Examples
    --------
    >>> fit_in_words(chi_squared_fit(245.94, 10, 10, np.full(15, 200.0)).record())
    'The model does not fit. Deviance 245.9 on 10 degrees of freedom, p < 0.001 (chi-squared).'
    """
    if not record.get("df") or record.get("p_value") is None:
        return NOTHING_LEFT
    how = how_tested(selected=record["selected"])
    p = short_p(float(record["p_value"]))
    tested = deviance_in_words(record["deviance"], record["df"], p, how)
    if fits_poorly(record):
        return joined(Message("remark.does_not_fit"), tested)
    sparse = Message("remark.sparse_fit") if record["sparse"] else ""
    return joined(tested, sparse, Message("remark.unseen"))


def fit_warnings(record: Mapping[str, Any] | None, n_lists: int) -> Iterator[str]:
    """Say what a reader must know of the fit: that it is poor, or that nothing can be tested.

    record: what `FitTest.record` wrote; None where there was no test
    n_lists: of the table
    """
    if record is not None:
        if not record["df"]:
            yield NOTHING_LEFT
        elif fits_poorly(record):
            yield joined(fit_in_words(record), MISFIT)
    if n_lists == 2:
        yield TWO_LISTS
