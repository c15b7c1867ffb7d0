"""The estimators by name: where each lives, and how one is written as text.

A new estimator is its own file and one line here. By that line `mse.NAME`, comparisons, the command line
and the tests of all estimators know it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mse.errors import ModelError

if TYPE_CHECKING:
    from mse.answer.protocols import Estimator

#: The module of each estimator, which is loaded when the estimator is first asked for.
ESTIMATORS = {
    "BayesianLogLinear": "mse.bayes.model_average",
    "Chapman": "mse.classical.two_lists",
    "ClosedPopulation": "mse.classical.closed_population",
    "DecomposableGraphs": "mse.bayes.decomposable",
    "HeterogeneousLogLinear": "mse.bayes.heterogeneity",
    "LatentClasses": "mse.bayes.latent_classes",
    "LincolnPetersen": "mse.classical.two_lists",
    "LogLinear": "mse.loglinear",
    "LogLinearSearch": "mse.loglinear",
    "PooledLogLinear": "mse.bayes.pooled",
    "SampleCoverage": "mse.classical.sample_coverage",
    "SingleRegister": "mse.classical.single_register",
    "SingleRegisterSearch": "mse.classical.register_search",
    "ThresholdedLogLinear": "mse.bayes.thresholded",
}


def estimator_of(text: str) -> Estimator:
    """Make an estimator from its text: a name, and settings as they are written in Python.

    Nothing in the text is run: settings are numbers, texts, True, False, None, and tuples, lists and
    dictionaries of these.

    text: ``"SampleCoverage()"`` or ``"LogLinearSearch(criterion='aic')"``; without settings the
        parentheses may be left out
    Raises ModelError: if it is no such text, or names an estimator or a setting that there is not

    Examples
    --------
    >>> estimator_of("LogLinear('[12,23]')")
    LogLinear(model='[12,23]', interval='profile', trend={})
    """
    import inspect
    from difflib import get_close_matches

    name, values, settings = _read(text)
    if name not in ESTIMATORS:
        near = get_close_matches(name, ESTIMATORS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ModelError(
            f"{name!r} is not an estimator.{hint} Known are: {', '.join(ESTIMATORS)}; settings follow in "
            "parentheses, LogLinear('main')."
        )
    kind = getattr(import_module(ESTIMATORS[name]), name)
    try:
        inspect.signature(kind).bind(*values, **settings)
        made: Estimator = kind(*values, **settings)
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        every = inspect.signature(kind).parameters.values()
        plain = (str(each.replace(annotation=each.empty)) for each in every)
        known = ", ".join(each.removesuffix("=<factory>") for each in plain)
        raise ModelError(
            f"{text} cannot be made: {error}. The settings of {name}: {known or 'there are none'}."
        ) from error
    return made


def _read(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Take a text apart into a name, values and named settings."""
    import ast

    try:
        found = ast.parse(text.strip().removeprefix("mse."), mode="eval").body
        match found:
            case ast.Name(id=name):
                return name, [], {}
            case ast.Call(func=ast.Name(id=name), args=values, keywords=settings):
                named = {
                    str(each.arg): ast.literal_eval(each.value) for each in settings if each.arg
                }
                if len(named) == len(settings):
                    return name, [ast.literal_eval(each) for each in values], named
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise ModelError(
        f"{text!r} is not an estimator: expected one of {', '.join(ESTIMATORS)} with settings that are "
        "written out, such as SampleCoverage() or LogLinear('[12,3]', interval='lognormal')."
    )
