"""Changes of hierarchical models: terms added, dropped and exchanged."""

from __future__ import annotations

import numba as nb
import numpy as np

#: Share of the moves between models that exchange two terms.
EXCHANGES = 0.3
#: Kinds of changes of a model, to be added up.
ADDING, DROPPING = 1, 2


@nb.njit(cache=True, nogil=True)
def may_change(members, scope, t, kinds):  # type: ignore[no-untyped-def]
    """Whether a model stays hierarchical when term t is added or dropped, if that is among the kinds."""
    if members[t]:
        if kinds & DROPPING == 0 or not scope.free[t]:
            return False
        for other in range(t + 1, members.size):
            for f in range(scope.facets.shape[1]):
                if members[other] and scope.facets[other, f] == t:
                    return False
        return True
    if kinds & ADDING == 0:
        return False
    for f in range(scope.facets.shape[1]):
        if scope.facets[t, f] >= 0 and not members[scope.facets[t, f]]:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def _change(members, scope, kinds, kinds_back, skipped, rng):  # type: ignore[no-untyped-def]
    """Add or drop a random term but for one; the number of choices, the term, and the choices back."""
    n, found, back = 0, -1, 0
    for t in range(members.size):
        if t != skipped and may_change(members, scope, t, kinds):
            n += 1
            # Each choice replaces the last with probability 1/n: all are equally likely in the end.
            if rng.random() * n < 1.0:
                found = t
    if found >= 0:
        members[found] = not members[found]
        for t in range(members.size):
            back += may_change(members, scope, t, kinds_back)
    return n, found, back


@nb.njit(cache=True, nogil=True)
def propose_terms(members, scope, proposed, rng):  # type: ignore[no-untyped-def]
    """Propose to add, drop or exchange terms.

    Parameters
    ----------
    members : bool array (T,)
        The model.
    scope : Scope
        The terms.
    proposed : bool array (T,)
        Receives another model, or the same where there is nothing to do.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    float
        Log of the probability of the way back over that of the way there.
    """
    for t in range(members.size):
        proposed[t] = members[t]
    exchange = rng.random() < EXCHANGES
    # Numbers that are computed: for each constant the code would be compiled again.
    kinds = ADDING + DROPPING - exchange
    n, changed, back = _change(proposed, scope, kinds, kinds, members.size, rng)
    if n == 0:
        return 0.0
    if exchange:
        # What was dropped could be added again, on the way there as on the way back.
        others, _, back = _change(proposed, scope, kinds - DROPPING + ADDING, kinds, changed, rng)
        if others == 0:
            proposed[changed] = True
            return 0.0
    return np.log(n / back)
