"""What an estimator declares of itself: its name, what it rests on, whom to cite, whether it is a lower bound."""

from __future__ import annotations

from dataclasses import dataclass

#: How lists may depend on each other, where a method has no sentence of its own.
DEPENDENCE = (
    "Dependence as modeled: being on one list changes the chance of being on another only as the "
    "model allows. Dependence among all lists at once cannot be seen in the data."
)

#: Why a total is a lower bound that holds however persons differ.
LOWER_BOUND = (
    "The total is a lower bound: it is aimed at what the population has at least, whatever the "
    "differences between persons, and not at the population itself."
)

#: What no agreement of models can show.
ALIKE = (
    "All of these models take people for alike apart from what is modeled. Whether the models agree says "
    "nothing about that, and no check of such a table can show that it is so."
)


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

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What its estimates rest on, one or two sentences for each assumption."""
        return (
            (
                "Closed population: all lists cover the same population, place and period; nobody enters "
                "or leaves it in between."
            ),
            (
                "Correct linkage: records of one person are recognized as such. Missed links raise the "
                "estimate, false links lower it."
            ),
            self.dependence,
            (
                "Homogeneity: apart from what is modeled, members of the population have equal chances "
                "of being on a list. Unequal chances mostly lower the estimate."
            ),
            "No overcoverage: everyone on a list belongs to the population.",
            (
                "Positive probability: everyone in the population could have come onto a list. Those who "
                "could not are not in the estimate."
            ),
        )


#: The assumptions of an estimate whose method names no others.
STANDARD_ASSUMPTIONS = Method("").assumptions
