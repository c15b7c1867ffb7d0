"""Formulas of covariates as matrices, by formulaic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mse.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from mse._typing import FloatArray


def design_matrix(frame: pd.DataFrame, formula: str) -> tuple[FloatArray, tuple[str, ...]]:
    """Columns that a formula makes of a frame, the intercept first, and their names.

    frame: covariates without missing values, categories as pandas categories
    formula: its right-hand side, ``"severity + age"``
    Raises ModelError: if it is no formula, names a column that there is not, or leaves out the intercept

    Examples
    --------
    >>> import pandas as pd
    >>> design_matrix(pd.DataFrame({"age": [20.0, 31.0]}), "age")[1]
    ('Intercept', 'age')
    """
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    columns = ", ".join(map(str, frame.columns)) or "there are none"
    try:
        terms = Formula(formula)
        unknown = sorted(terms.required_variables - {*frame.columns})
        if unknown:
            raise ModelError(
                f"The formula {formula!r} names {', '.join(unknown)}; expected covariates: {columns}."
            )
        made = terms.get_model_matrix(frame, na_action="raise")
        names = tuple(map(str, made.columns))
    except (FormulaicError, SyntaxError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"{formula!r} is not a formula of the covariates ({columns}); expected one such as "
            "'severity + age', its right-hand side."
        ) from None
    if "Intercept" not in names:
        raise ModelError(
            f"The formula {formula!r} leaves out the intercept; write it without 0 or -1."
        )
    matrix = made.to_numpy(dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise ModelError(
            f"The formula {formula!r} makes values that are not finite of the covariates."
        )
    return matrix, names
