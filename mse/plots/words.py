"""The words in pictures, all of them, and how numbers are written.

A picture in another language is the same call with ``words={"total": "geschat totaal", ...}``, which
may leave out or reorder the fields in braces.
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
        "intervals_given": "{level} intervals, {given}",
        "interval_point": "{level} interval (point)",
        "synthetic": "SYNTHETIC DATA",
        "unknown": "not known",
        "status_boundary": "on the boundary of the model",
        "all_boundary": "all on the boundary of their model",
        "status_not_estimable": "not estimable",
        "status_not_converged": "the computation failed",
        "status_not_applicable": "not applicable",
        "status_across_scopes": "scopes not comparable",
        "status_suppressed": "not shown, to protect persons",
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
        # Models, likelihoods, draws
        "title_models": "Models: distance from the best one, and the total that each gives",
        "models_near": "shaded: totals of the {number} models within {within} of the best {criterion}, {range}",
        "models_near_one": "one model only within {within} of the best {criterion}: {range}",
        "models_area": "area: weight of the model by {criterion}",
        "models_intervals": "lines: {level} intervals given the model, of models with 1% of the weight or more",
        "models_missing": "\N{MULTIPLICATION SIGN} at the right: {number} models that are not estimable",
        "models_missing_one": "\N{MULTIPLICATION SIGN} at the right: one model that is not estimable",
        "model_number": "model {number}",
        "models_difference": "{criterion} less that of the best model with an estimate",
        "title_likelihood": "Profile likelihood of the total",
        "likelihood_axis": "log likelihood, below its maximum",
        "likelihood_cut": "{level}: {drop} below the maximum",
        "title_density": "Draws of the total",
        "draws_axis": "share of the draws",
        "draws_infinite": "{number} of {of} draws have no upper bound and are not drawn",
        "draws_infinite_one": "one of {of} draws has no upper bound and is not drawn",
        "draws_beyond": "{number} of {of} draws lie outside {range} and are not drawn",
        "draws_beyond_one": "one of {of} draws lies outside {range} and is not drawn",
        # Trends
        "title_total": "Estimated total by {period}",
        "title_hidden": "Estimated hidden persons by {period}",
        "title_coverage": "Registered share of the estimated total by {period}",
        "title_rate": "Estimated persons per 100,000 inhabitants by {period}",
        "title_coverage_groups": "Registered share of the estimated total",
        "title_changes": "Changes of the estimated total",
        "trend_bands": "bands and bars: {level} intervals, {given}",
        "trend_observed": "squares, dashed: registered persons",
        "scope_break": "between {first} and {last} the scope changes: {scope}",
        "change_axis": "times the earlier estimated total",
        "change_said": "{level} interval (point), probability of a rise",
        "change_explained": "to the right of 1: a rise",
        "rise": "rise {share}",
        # Dependence
        "title_graph": "Dependence between lists",
        "graph_odds": (
            "lines: odds ratio of being on both lists; solid above 1, dashed below 1, dotted where nobody is "
            "on both or it is not known"
        ),
        "graph_shares": "lines: probability of the interaction",
        "graph_areas": "hatched areas: interactions of three lists or more",
        "graph_labeled": "labels: the {number} strongest of {of}",
        "graph_covariates": "interactions with covariates are not drawn",
        # Sensitivity
        "title_left_out": "Estimated total without each of the lists",
        "title_merged": "Estimated total with pairs of lists merged",
        "title_priors": "Estimated total under other priors",
        "all_lists": "all lists",
        "lists_apart": "all lists apart",
        "without": "without {name}",
        "either": "{first} or {second}",
        "band_of_first": "gray band: the interval of the first row, {name}",
        "intervals_are": "intervals: {kinds}",
        "title_highest_order": "Estimated total if the lists have an interaction of the highest order",
        "xi": "xi, by which the assumption is wrong",
        "xi_explained": "1 is the assumption itself, which no data can test; below 1 more are hidden",
        "title_odds_ratio": "Estimated total by the odds ratio of two lists",
        "odds_explained": "across: odds ratio that is set; 1 is independence",
        # Checks
        "title_validation": "Lists as populations of known size, estimated from the other lists",
        "validation": "dotted line at 1: the known size, in parentheses",
        "ratio_to_truth": "estimated total, times the known size",
        "miss_under": "too low",
        "miss_over": "too high",
        "title_predictive": "Histories: observed, and predicted by the posterior",
        "predictive_p": "p = {value} of the whole table (Freeman-Tukey)",
        "title_residuals": "Residuals of capture histories",
        "residual": "deviance residual; dotted: 2 either way",
        "emptied": "{number} histories, in which the model expects nobody and nobody is, have no residual",
        "emptied_one": "one history, in which the model expects nobody and nobody is, has no residual",
        "counts_said": "{observed} observed, {fitted} fitted",
        "title_influence": "Influence of single persons",
        "change_persons": "change of the estimated total with one person less, persons",
        "influence_said": "{change} ({observed} observed)",
        "total_said": "estimated total with everybody: {number}",
        "shown_of": "{number} of {of} histories, the largest first",
        # Histories and lists
        "title_histories": "Capture histories: persons on exactly these lists",
        "histories_extent": "{number} persons, {histories} of {possible} possible histories",
        "histories_partly": "{number} known in part (?)",
        "histories_left_out": "not drawn: {number} rarer histories, {persons} persons together",
        "histories_left_out_one": "not drawn: one rarer history, {persons} persons",
        "only_margins": "{number} persons; only the totals of lists are known, no histories",
        "summed_over": "summed over {names}",
        "persons_on_list": "on the list",
        "title_overlaps": "Overlaps of lists, and odds ratios",
        "overlap_below": (
            "on the diagonal: persons on the list; below: persons on both lists, and their share of the "
            "smaller list; hatched: nobody"
        ),
        "overlap_above": (
            "above: odds ratio of being on both, with {level} interval, among persons on at least one "
            "other list; bold where the interval leaves out 1, independence"
        ),
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
    """English words, some of them replaced by the keys of `ENGLISH`.

    Examples
    --------
    >>> words = Words({"thousands": ".", "range": "{low} tot {high}"})
    >>> words.span(48534.2, 164675.1)
    '48.534 tot 164.675'
    """

    own: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for key, text in (self.own or {}).items():
            if key not in ENGLISH:
                near = get_close_matches(key, ENGLISH, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ModelError(
                    f"words has {key!r}, which no picture holds; expected keys of mse.plots.ENGLISH.{hint}"
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

    def counted(self, key: str, count: int, **values: object) -> str:
        """Fill in a phrase with the ``{number}`` of something, or that for one of it, ``key_one``."""
        return self(f"{key}_one" if count == 1 else key, number=self.number(count), **values)

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

    def shortest(self, value: float) -> str:
        """Write a number with fractions only where an axis needs them."""
        whole = abs(value - round(value)) < 1e-6 * max(abs(value), 1.0)
        return self.number(value) if whole or abs(value) >= 100 else self.ratio(value)

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

    def bounded(self, text: str, *, lower_bound: bool) -> str:
        """Write "at least" before a figure of a lower bound."""
        return self("at_least", low=text) if lower_bound else text

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
