"""What a posterior over decomposable graphs says about itself, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mse.bayes.fit import Undetermined

if TYPE_CHECKING:
    import pandas as pd

    from mse.bayes.decomposable_posterior import Learned

__all__ = ["NOBODY", "headline", "remarks", "share", "undetermined"]

NOBODY = Undetermined("indeterminate", "Nobody is on any list.")

#: A probability that a reader should know of.
_NOTABLE = 0.01
#: Where the median of N is that of graphs that leave N open.
_HALF = 0.5


def share(probability: float) -> str:
    """Write a probability, as a percentage without false precision.

    Examples
    --------
    >>> share(0.084), share(0.99997), share(3e-7)
    ('8.4%', 'more than 99.9%', '3e-07')
    """
    if probability > 1 - 5e-4:
        return "more than 99.9%"
    return f"{probability:.1%}" if probability >= 5e-4 else f"{probability:.0e}"


def undetermined(learned: Learned, *, given: bool) -> Undetermined | None:
    """Say why the data leave the hidden number to the prior; None if they do not.

    Parameters
    ----------
    learned : Learned
        The posterior.
    given : bool
        Whether the user gave a largest hidden count.
    """
    if not given and (learned.tail.decay <= 0).any():
        return Undetermined(
            "infinite",
            "With this prior the probabilities of ever larger totals do not add up to a finite number "
            "under some of the graphs. Use prior='reciprocal', leave out the complete graph with "
            "complete=False, or bound the hidden number with hidden_max.",
        )
    if learned.unbounded <= _HALF:
        return None
    complete = _complete_among_unbounded(learned)
    # Not where nobody is on two lists: then no graph bounds anything.
    flat = complete > _HALF * learned.unbounded and learned.tail.surprises.any()
    cure = (
        "complete=False leaves it out, as most models do."
        if flat
        else "More persons on several lists are needed."
    )
    return Undetermined(
        "indeterminate" if flat else "infinite",
        f"With probability {share(learned.unbounded)} the lists depend on each other in a way under "
        "which no overlap that was seen speaks against any total, however large (the complete graph: "
        f"{share(complete)}): the median would be that of the prior. {cure}",
    )


def _complete_among_unbounded(learned: Learned) -> float:
    """Probability of the graph with all edges."""
    everything = (1 << learned.scores.problem.n_lists) - 1
    whole = learned.scores.sets[np.abs(learned.scores.terms[:, 0])] == everything
    return float(learned.posterior.probability[whole].sum())


def remarks(learned: Learned, *, given: bool) -> tuple[str, ...]:
    """Warnings about the upper tail."""
    found = []
    low, high = learned.support
    beyond = learned.posterior.beyond
    if given and beyond > _NOTABLE:
        found.append(
            f"The hidden number was bounded to {low:,} to {high:,}; without the upper bound "
            f"{share(beyond)} of the posterior probability would lie above it."
        )
    if learned.unbounded > _NOTABLE:
        found.append(
            f"With probability {share(learned.unbounded)} the lists depend on each other in a way under "
            "which the data do not bound the total from above (the complete graph: "
            f"{share(_complete_among_unbounded(learned))}). The upper end of wide intervals rests on "
            "the prior."
        )
    return tuple(found)


def headline(learned: Learned, graphs: pd.DataFrame) -> str:
    """Say what was averaged, and which graphs are most probable."""
    best = graphs.head(3)
    listed = ", ".join(
        f"{model} {share(probability)}"
        for model, probability in zip(best["model"], best["probability"], strict=True)
    )
    how = "summed over" if learned.visits is None else "visited by chains"
    return f"{learned.scores.priors.size:,} decomposable graphs {how}; most probable: {listed}"
