"""What estimates from overlapping lists rest on."""

from __future__ import annotations

_DEPENDENCE = (
    "Dependence as modeled: being on one list changes the chance of being on another only as the "
    "model allows. Dependence among all lists at once cannot be seen in the data."
)


def assumptions(dependence: str = _DEPENDENCE) -> tuple[str, ...]:
    """Say what an estimate from overlapping lists rests on.

    Parameters
    ----------
    dependence : str, optional
        The sentence on how lists may depend on each other, where a method has its own.

    Returns
    -------
    tuple of str
        One or two sentences for each assumption.
    """
    return (
        (
            "Closed population: all lists cover the same population, place and period; nobody enters "
            "or leaves it in between."
        ),
        (
            "Correct linkage: records of one person are recognized as such. Missed links raise the "
            "estimate, false links lower it."
        ),
        dependence,
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


#: What no agreement of models can show.
ALIKE = (
    "All of these models take people for alike apart from what is modeled. Whether the models agree says "
    "nothing about that, and no check of such a table can show that it is so."
)


#: The assumptions of an estimate whose method names no others.
STANDARD_ASSUMPTIONS = assumptions()
