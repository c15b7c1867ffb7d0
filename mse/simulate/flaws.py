"""What goes wrong between persons and their registrations, as settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mse._frozen import FrozenDict
from mse.errors import ModelError
from mse.simulate.dutch import INVESTIGATIVE, LISTS, REMAINING_2018

__all__ = ["Dropout", "Flaws", "Linkage", "as_tuple", "check_positive", "check_share"]

#: Registers differ in what they leave out; above this the worst would have to leave out nearly everything.
MOST_MISSING = 0.6


@dataclass(frozen=True)
class Dropout:
    """Lists that stop reporting.

    The default is what happened in the Netherlands: in 2018 care organizations read privacy law as
    forbidding reports, and of over 550 a year 150 were left (National Rapporteur, fact sheet
    2014-2018).

    Parameters
    ----------
    years : tuple of int
        The years in which they do not report.
    lists : tuple of str
        The lists.
    remaining : float
        Share of their registrations that is made all the same, at random.

    Examples
    --------
    >>> import mse
    >>> mse.simulate.Dropout(years=(2018, 2019), lists=("others",), remaining=0.0)
    Dropout(years=(2018, 2019), lists=('others',), remaining=0.0)
    """

    years: tuple[int, ...] = (2018,)
    lists: tuple[str, ...] = tuple(name for name in LISTS if name not in INVESTIGATIVE)
    remaining: float = REMAINING_2018

    def __post_init__(self) -> None:
        years, lists = as_tuple(self.years), as_tuple(self.lists)
        object.__setattr__(self, "years", years)
        object.__setattr__(self, "lists", lists)
        check_share(self.remaining, "remaining share of a drop-out", 1.0)
        if not years or not lists:
            msg = f"{self!r} names no year or no list: expected at least one of each."
            raise ModelError(msg)


@dataclass(frozen=True)
class Linkage:
    """Errors in telling who is who.

    Parameters
    ----------
    missed : float
        Share of registrations, beyond the first of a person in a year, that are not recognized as
        that person's and get a pseudonym of their own. Estimates go up.
    false : float
        Share of registered persons who are taken for somebody else in the same stratum and get that
        person's pseudonym. Estimates go down. A stratum keeps one person at least, so a share that
        small strata do not allow is refused when the world is drawn.

    Examples
    --------
    >>> import mse
    >>> mse.simulate.Linkage(missed=0.1)
    Linkage(missed=0.1, false=0.0)
    """

    missed: float = 0.0
    false: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            check_share(getattr(self, part.name), f"share of {part.name} links", 1.0)


@dataclass(frozen=True)
class Flaws:
    """Everything that can be wrong with the registrations of a world; by default nothing is.

    Parameters
    ----------
    dropout : Dropout, optional
        Lists that stop reporting.
    missing : mapping of str to float
        Covariate to the share of registrations without it, at most 0.6. Later lists leave it out more
        often than earlier ones, up to three times, and nothing else matters: missing at random.
    linkage : Linkage
        Errors in telling who is who.
    overcoverage : mapping of str to float
        List to the share of its registrations that is about persons outside the population. They
        are on no other list.
    suppress : int, optional
        Counts of 1 to `suppress` - 1 are not published; ``"<5"`` stands for them when it is 5.
    """

    dropout: Dropout | None = None
    missing: Mapping[str, float] = field(default_factory=FrozenDict)
    linkage: Linkage = field(default_factory=Linkage)
    overcoverage: Mapping[str, float] = field(default_factory=FrozenDict)
    suppress: int | None = None

    def __post_init__(self) -> None:
        for name, most in (("missing", MOST_MISSING), ("overcoverage", 0.9)):
            shares = getattr(self, name)
            if not isinstance(shares, Mapping):
                msg = f"`{name}` is {shares!r}: expected a mapping from names to shares."
                raise ModelError(msg)
            for key, share in shares.items():
                check_share(share, f"share of {name} for {key!r}", most)
            object.__setattr__(self, name, FrozenDict(shares))
        few = self.suppress
        if few is not None and few < 2:
            msg = f"`suppress` is {few!r}: expected the smallest count that is shown, 2 or more."
            raise ModelError(msg)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Flaws:
        """Read what `dataclasses.asdict` and JSON made of it."""
        dropout = data["dropout"]
        return cls(
            dropout=None if dropout is None else Dropout(**dropout),
            missing=data["missing"],
            linkage=Linkage(**data["linkage"]),
            overcoverage=data["overcoverage"],
            suppress=data["suppress"],
        )


def check_share(share: object, what: str, most: float) -> None:
    """Raise ``ModelError`` for what is not a share."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= most:
        msg = f"The {what} is {share!r}: expected a share between 0 and {most:g}."
        raise ModelError(msg)


def check_positive(value: object, what: str) -> None:
    """Raise ``ModelError`` for what is not a positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ModelError(f"The {what} is {value!r}: expected a positive number.")


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One thing, or several, as a tuple."""
    return (value,) if isinstance(value, str | int) else tuple(value)
