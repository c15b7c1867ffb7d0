"""The words in pictures, all of them, and how numbers are written.

A picture in another language is the same call with ``words={"total": "geschat totaal", ...}``: a
mapping from the keys of `ENGLISH`; what it leaves out stays English. Fields in braces are filled in
by the picture, and a translation may leave them out or reorder them, but not invent others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENGLISH", "Words"]

#: Every word and phrase that a picture may hold.
ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        # Numbers
        "thousands": ",",
        "decimal": ".",
        "percent": "{value}%",
        # Intervals and statuses
        "interval": "{level} interval",
        "interval_of_kind": "{level} {kind} interval",
        "range": "{low} to {high}",
        "at_least": "at least {low}",
        "no_upper_bound": "no upper bound",
        "no_interval": "no interval",
        "interval_point": "{level} interval (point)",
        "synthetic": "SYNTHETIC DATA",
        "status_boundary": "on the boundary of the model",
        "status_not_estimable": "not estimable",
        "status_not_converged": "the computation failed",
        "status_not_applicable": "not applicable",
        "status_across_scopes": "scopes not comparable",
        # What intervals take for granted
        "given_model": "given the model",
        "given_models": "given that one of the averaged models is right",
        "given_reselected": "the model re-selected in every replicate",
        "given_repeated": "the method repeated in every replicate",
        # Kinds of intervals, as an estimate names them
        "profile": "profile likelihood",
        "lognormal": "log-normal",
        "percentile": "bootstrap percentile",
        "basic": "basic bootstrap",
        "bca": "BCa bootstrap",
        "averaged": "model-averaged",
        "quantiles": "quantile",
        "credible": "credible",
        # Quantities
        "persons": "persons",
        "observed": "registered",
        "hidden": "hidden, estimated",
        "total": "estimated total",
        "total_persons": "estimated total, persons",
        "hidden_persons": "estimated hidden, persons",
        "coverage": "registered share of the estimated total",
        "rate": "estimated per 100,000 inhabitants",
        # Sizes
        "title_estimate": "Observed and hidden persons",
        "title_methods": "Estimated total, by method",
        "title_strata": "Estimated total, by {names}",
        "near_models": "{number} models within {within} of the best {criterion}",
        "mark_observed": "upright stroke: registered persons",
        "line_observed": "dotted line: {number} registered persons",
    }
)

_GIVEN = {
    "given the model": "given_model",
    "that one of the averaged models is right": "given_models",
    "the model re-selected in every replicate": "given_reselected",
    "the method repeated in every replicate": "given_repeated",
}
#: Numbers from here on are written in powers of ten: digits beyond would be taken for knowledge.
_MOST = 1e12


@dataclass(frozen=True)
class Words:
    """English words, some of them replaced.

    Parameters
    ----------
    own : mapping of str to str, optional
        Replacements, by the keys of `ENGLISH`.

    Raises
    ------
    ModelError
        If a key is not known, or a text has a field in braces that the English one does not have.

    Examples
    --------
    >>> words = Words({"thousands": ".", "range": "{low} tot {high}"})
    >>> words.span(48534.2, 164675.1)
    '48.534 tot 164.675'
    >>> words("near_models", number=words.number(1200), criterion="BIC", within="10")
    '1.200 models within 10 of the best BIC'
    """

    own: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for key, text in (self.own or {}).items():
            if key not in ENGLISH:
                near = get_close_matches(key, ENGLISH, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ModelError(
                    f"words has {key!r}, which no picture holds; expected keys of "
                    f"mse.plots.ENGLISH.{hint}"
                )
            unknown = _fields(text) - _fields(ENGLISH[key])
            if unknown:
                raise ModelError(
                    f"words[{key!r}] has the field {{{min(unknown)}}}; the English text is "
                    f"{ENGLISH[key]!r}."
                )

    def __call__(self, key: str, **values: object) -> str:
        """Fill in a phrase."""
        return (self.own or {}).get(key, ENGLISH[key]).format(**values)

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with thousands marked; infinite ones as words."""
        if math.isinf(value):
            return self("no_upper_bound")
        if abs(value) >= _MOST:
            mantissa, power = f"{value:.1e}".split("e")
            return f"{self._local(mantissa)}e{int(power)}"
        return self._local(f"{value:,.{digits}f}")

    def ratio(self, value: float) -> str:
        """Write a ratio to two or three significant digits."""
        if 0 < abs(value) < 1e-3 or math.isinf(value):
            return self._local(f"{value:.1g}")
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
        return self._local(f"{value:,.{digits}f}")

    def share(self, value: float, digits: int = 0) -> str:
        """Write a share as a percentage."""
        return self("percent", value=self.number(100 * value, digits))

    def level(self, level: float) -> str:
        """Write the level of an interval."""
        return self("percent", value=self._local(f"{100 * level:g}"))

    def span(self, low: float, high: float) -> str:
        """Write an interval of numbers of persons."""
        if math.isnan(low) or math.isnan(high):
            return self("no_interval")
        if math.isinf(high):
            return self("at_least", low=self.number(low))
        return self("range", low=self.number(low), high=self.number(high))

    def status(self, status: str) -> str:
        """Name a status; empty for ``ok``."""
        return "" if status == "ok" else self(f"status_{status}")

    def kind(self, kind: str, level: float) -> str:
        """Name an interval by its level and kind."""
        if not kind:
            return self("no_interval")
        known = self(kind) if kind in ENGLISH else kind
        return self("interval_of_kind", level=self.level(level), kind=known)

    def given(self, given: str) -> str:
        """Say what an interval takes for granted, as an estimate names it."""
        return self(_GIVEN[given]) if given in _GIVEN else given

    def _local(self, text: str) -> str:
        """Put the marks of the language in an English number."""
        marks = {",": self("thousands"), ".": self("decimal")}
        return "".join(marks.get(each, each) for each in text).replace("-", "\N{MINUS SIGN}")


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
