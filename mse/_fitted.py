"""Fits shown: what was learned, above the answer, as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Protocol

from mse._drawing import Drawn

if TYPE_CHECKING:
    from mse.population import PopulationEstimate

__all__ = ["Fitted"]


class _Answering(Protocol):
    @property
    def population(self) -> PopulationEstimate: ...

    def _headline(self) -> str: ...


class Fitted(Drawn):
    """What all fits can do beside giving their ``population``.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> print(fit.summary().splitlines()[0])
    [12,23]: 6 parameters, deviance 1.93 on 1 df, AIC 40.27, BIC 57.14
    """

    __slots__ = ()

    def _headline(self) -> str:
        """Say what was fitted and how well; empty where the answer says it all."""
        return ""

    def summary(self: _Answering) -> str:
        """Describe what was learned, and the answer, in words."""
        head = self._headline()
        answer = self.population.summary()
        return f"{head}\n\n{answer}" if head else answer

    def _repr_html_(self: _Answering) -> str:
        head = self._headline()
        answer = self.population._repr_html_()
        return f"<pre>{escape(head)}</pre>{answer}" if head else answer
