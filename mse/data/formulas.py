"""Formulas of covariates, such as ``"sex + log(age)"``, turned into columns by formulaic."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.data.checks import near
from mse.errors import MissingDependencyError, ModelError

if TYPE_CHECKING:
    import pandas as pd

    from mse._typing import FloatArray

#: Functions that a formula may call, and those of them that formulaic does not have. Nothing else in it is
#: run: formulas come from files and commands too.
FUNCTIONS = ("C", "abs", "bs", "center", "cr", "cs", "exp", "log", "log1p", "poly", "scale", "sqrt")
_OURS = {"abs": np.abs, "log1p": np.log1p, "sqrt": np.sqrt}
#: What would let a formula reach further than its columns.
_FORBIDDEN = (ast.Attribute, ast.Subscript, ast.Lambda, ast.comprehension, ast.NamedExpr)


def design_matrix(
    frame: pd.DataFrame, formula: str, *, intercept: bool = False
) -> tuple[FloatArray, tuple[str, ...]]:
    """Columns of a formula: (R, P), and their names.

    frame: covariates by row; a category's first level is the reference
    formula: the right-hand side, ``"1"`` for a constant alone
    intercept: whether there has to be one, which is the first column then
    Raises ModelError: for a formula that cannot be read, or names a column that there is not
    Raises MissingDependencyError: without formulaic, unless the formula is a constant

    Examples
    --------
    >>> import pandas as pd
    >>> design_matrix(pd.DataFrame({"age": [20.0, 30.0]}), "age")[1]
    ('Intercept', 'age')
    """
    if not isinstance(formula, str):
        raise ModelError(f"formula={formula!r}; expected text such as 'severity + age'.")
    if formula.strip() == "1":
        return np.ones((len(frame), 1)), ("Intercept",)
    formulaic = _package()
    parsed = _parsed(formulaic, formula)
    _check_names(sorted(variables(formula)), [*frame.columns], formula)
    try:
        with np.errstate(all="ignore"):
            found = parsed.get_model_matrix(frame, na_action="raise", context=_OURS)
    except Exception as error:
        # Of many kinds, for what the functions of a formula cannot do with a column.
        raise ModelError(
            f"The formula {formula!r} cannot be computed: {_first_line(error)}"
        ) from error
    matrix = np.asarray(found, dtype=np.float64)
    if not np.isfinite(matrix).all():
        wrong = [
            name
            for name, column in zip(found.columns, matrix.T, strict=True)
            if not np.isfinite(column).all()
        ]
        raise ModelError(
            f"The formula {formula!r} gives no number in some rows of {', '.join(wrong)}: expected numbers "
            "throughout. A logarithm of zero may be one, log1p(x) has none."
        )
    if intercept and (not len(found.columns) or found.columns[0] != "Intercept"):
        raise ModelError(
            f"The formula {formula!r} leaves out the intercept; write it without 0 or -1."
        )
    return matrix, tuple(map(str, found.columns))


def variables(formula: str) -> frozenset[str]:
    """Columns that a formula names."""
    if formula.strip() == "1":
        return frozenset()
    parsed = _parsed(_package(), formula)
    return frozenset(
        name for term in parsed for each in term.factors for name in _names(each, formula)
    )


def _package() -> Any:
    try:
        import formulaic
    except ImportError as error:
        msg = (
            "Formulas with covariates need the package formulaic: install it with "
            "pip install 'multiple-systems[formulas]'."
        )
        raise MissingDependencyError(msg) from error
    return formulaic


def _parsed(formulaic: Any, formula: str) -> Any:
    try:
        parsed = formulaic.Formula(formula)
    except Exception as error:
        raise ModelError(f"The formula {formula!r} cannot be read: {_first_line(error)}") from error
    if type(parsed).__name__ != "SimpleFormula":
        raise ModelError(
            f"The formula {formula!r} has several parts: expected the covariates alone, 'sex + age'."
        )
    return parsed


def _names(factor: Any, formula: str) -> set[str]:
    """Columns that a factor names; nothing but known functions may be called in it."""
    if factor.eval_method.value == "literal":
        return set()
    if factor.eval_method.value == "lookup":
        return {factor.expr}
    try:
        parts = [*ast.walk(ast.parse(factor.expr.strip(), mode="eval"))]
    except SyntaxError:
        parts = [*ast.walk(ast.parse("lambda: 0"))]
    called = {
        each.func.id
        for each in parts
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
    }
    if any(isinstance(each, _FORBIDDEN) for each in parts) or not called <= {*FUNCTIONS}:
        raise ModelError(
            f"{factor.expr!r} in the formula {formula!r} cannot be read: expected columns, numbers, + - * / ** "
            f"and the functions {', '.join(FUNCTIONS)}. Compute other columns beforehand."
        )
    return {each.id for each in parts if isinstance(each, ast.Name)} - called


def _check_names(names: list[str], columns: list[Any], formula: str) -> None:
    unknown = [name for name in names if name not in columns]
    if unknown:
        hints = "".join(near(name, columns) for name in unknown)
        raise ModelError(
            f"The formula {formula!r} names {', '.join(unknown)}, which no covariate is called; the covariates "
            f"are: {', '.join(map(str, columns)) or 'none'}.{hints}"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
