"""What an estimator declares of itself: its name, what it rests on, whom to cite, whether it is a lower bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mse.messages import Message

#: How lists may depend on each other, where a method has no sentence of its own.
DEPENDENCE = Message("assumption.dependence")

#: In how far members of the population are alike, where a method has no sentence of its own.
HOMOGENEITY = Message("assumption.homogeneity")

#: Why a total is a lower bound that holds however persons differ.
LOWER_BOUND = Message("remark.lower_bound")

#: What no agreement of models can show.
ALIKE = Message("models.alike")


@dataclass(frozen=True, slots=True)
class Method:
    """What an estimator declares of itself, carried along by every answer that it gives.

    An estimator has it as the attribute ``method`` of its class, or as a property where its settings
    change it.

    Parameters
    ----------
    name : str
        The method in words, ``"Chapman, two independent lists"`` for instance.
    dependence : str, optional
        One or two sentences on how lists may depend on each other.
    references : tuple of str
        The publications behind it.
    lower_bound : str
        Why its total is a lower bound, in a sentence such as `LOWER_BOUND`; empty if it is none.
    homogeneity : str, optional
        In how far members are taken for alike; empty where people may differ as `dependence` says.
    takes : {"lists", "persons", "counts"}, default "lists"
        Whether it takes a `mse.CaptureTable`, a `mse.PersonTable` or a `mse.CountTable`.

    Examples
    --------
    >>> import mse
    >>> mse.Chapman().method.name
    'Chapman, two independent lists'
    >>> bool(mse.ClosedPopulation("Mth", heterogeneity="chao").method.lower_bound)
    True
    """

    name: str
    dependence: str = DEPENDENCE
    references: tuple[str, ...] = ()
    lower_bound: str = ""
    homogeneity: str = HOMOGENEITY
    takes: Literal["lists", "persons", "counts"] = "lists"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What its estimates rest on, one or two sentences for each assumption."""
        of_one = "_register" * (self.takes == "counts")
        closed, linkage = Message(f"assumption.closed{of_one}"), Message("assumption.linkage")
        own = map(Message.known, filter(None, (self.dependence, self.homogeneity)))
        after = (Message(f"assumption.{name}{of_one}") for name in ("overcoverage", "positive"))
        return (closed, linkage, *own, *after)


#: The assumptions of an estimate whose method names no others.
STANDARD_ASSUMPTIONS = Method("").assumptions
