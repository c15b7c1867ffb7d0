"""The private bundle: what stays inside, to run again what was published and to check what is to be."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mse.comparing import seeded
from mse.data.table import CaptureTable
from mse.disclosure.attack import attack
from mse.disclosure.between import shown_of, told_between
from mse.disclosure.kept import exact
from mse.disclosure.repeated import together
from mse.disclosure.rules import rules as rules_of
from mse.disclosure.waiting import noted, waiting
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mse.answer.protocols import Estimator
    from mse.disclosure.rules import AnyRules, Rules

_Table = TypeVar("_Table")

SCHEMA = "mse.private/1"
#: Bits of the key: nobody can try them all, as they can try the seeds that people choose.
_BITS = 128
#: Cells up to which tables are compared with what was published before.
_MOST_CELLS = 10_000_000
#: Small differences that an error names.
_MOST_NAMED = 3


@dataclass(frozen=True, repr=False)
class Bundle:
    """The key of the draws, and what was published before. It stays inside.

    Parameters
    ----------
    key : int
        128 secret bits, from which seeds are made.
    runs : tuple of mapping
        What was published, as dictionaries of JSON, each with the counts that it was made from.
    path : Path, optional
        File that it is kept in; without one it is forgotten.

    Examples
    --------
    >>> bundle = Bundle.at(None)
    >>> bundle.seed(1) == bundle.seed(1), bundle.seed(1) == bundle.seed(2), bundle.seed(1) == 1
    (True, False, False)
    """

    key: int
    runs: tuple[Mapping[str, Any], ...] = ()
    path: Path | None = None

    @classmethod
    def at(cls, path: str | Path | None) -> Bundle:
        """Open the bundle of a file, or make one with a new key.

        Raises
        ------
        ModelError
            If the file holds something else.
        """
        if path is None or not Path(path).exists():
            return cls(secrets.randbits(_BITS), (), None if path is None else Path(path))
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise ValueError
            return cls(int(data["key"], 16), tuple(data["runs"]), Path(path))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(
                f"{path} is no private bundle ({type(error).__name__}): expected a file that an earlier run "
                f"wrote (schema {SCHEMA}), or one that does not exist yet."
            ) from None

    def seed(self, asked: int | None = None) -> int:
        """Make a seed of 128 bits of the key and the seed that was asked for."""
        text = f"{self.key:032x}/{asked}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[: _BITS // 8], "big")

    def keyed(
        self, estimators: Iterable[Estimator | str], table: CaptureTable, asked: int | None = None
    ) -> list[Estimator]:
        """Give estimators that draw a seed of the key.

        estimators: or their texts; "all" is every one that suits the table
        table: what they are to be asked of
        asked: the seed that was asked for
        """
        return seeded(estimators, table, self.seed(asked))

    def held(self, table: _Table, rules: AnyRules) -> tuple[_Table, tuple[str, ...]]:
        """Take strata that changed by fewer persons than may be shown as they were when last published.

        A year is published again with a few late registrations: the difference between the two publications is a
        small count. Such a stratum waits, with all its histories, until the difference is large enough. Between two
        publications a stratum then does not differ, or by at least the threshold.

        Parameters
        ----------
        table : CaptureTable
            What is to be published now; tables of another kind pass.
        rules : Rules, str or path
            What is protected.

        Returns
        -------
        CaptureTable
            The table to estimate from and to publish, with a sentence that strata may wait in its notes; the same one
            where persons are not known cell by cell, or nothing is kept.
        tuple of str
            The strata that wait. For those inside: it tells that few persons came or went.

        Examples
        --------
        >>> import mse
        >>> counts = {"11": 40, "10": 90, "01": 70}
        >>> table = mse.CaptureTable.from_counts(counts, lists=["police", "care"])
        >>> later = mse.CaptureTable.from_counts({**counts, "10": 93}, lists=["police", "care"])
        >>> ten = mse.disclosure.rules("ten")
        >>> bundle = Bundle.at(None).with_run({}, ten, table, None)
        >>> later.n_observed, bundle.held(later, ten)[0].n_observed
        (203, 200)
        """
        rules = rules_of(rules)
        kept = self.path is not None or self.runs
        if not rules.suppresses or not kept or not isinstance(table, CaptureTable):
            return table, ()
        small = math.prod(table.shape) <= _MOST_CELLS
        if not table.is_complete or table.margins is not None or not small:
            return table, ()
        return cast("tuple[_Table, tuple[str, ...]]", waiting(self.runs, table, rules.threshold))

    def with_run(
        self,
        published: Mapping[str, Any],
        rules: AnyRules,
        table: CaptureTable | None,
        asked: int | None,
        protected: Iterable[object] = (),
    ) -> Bundle:
        """Check something against what was published before, and note it; the file is written anew.

        published: as a dictionary of JSON
        table: what it was made from; it stays in the bundle
        asked: the seed that was asked for
        protected: what it shows; counts and figures of earlier runs of the same table are one system with its own
        Raises ModelError: if together with what was published before it gives a small count away
        """
        rules = rules_of(rules)
        run: dict[str, Any] = {"seed": asked, "published": dict(published)}
        if table is not None:
            run["fingerprint"] = table.fingerprint
        if isinstance(table, CaptureTable):
            run |= noted(table)
            protected = [*protected]
            run |= shown_of(protected, run)
            run |= together(self.runs, run, table, protected)
        known = all(map(exact, (*self.runs, run)))
        self._refuse_told(published, rules, differences=not known)
        self._refuse_differences(run, rules)
        more = replace(self, runs=(*self.runs, run))
        more._write()
        return more

    def _refuse_told(
        self, published: Mapping[str, Any], rules: Rules, *, differences: bool
    ) -> None:
        """Refuse what a stranger can compute of all publications together and of neither alone.

        differences: also what names let a stranger suppose; where all tables are known these are asked
        Raises ModelError: naming it, for those inside
        """
        alone = set(attack(published, rules).query("exposed")["cell"])
        before = [run["published"] for run in self.runs]
        found = attack([*before, published], rules).query("exposed")
        alone |= set(attack(before, rules).query("exposed")["cell"]) if before else set()
        told = found[~found["cell"].isin(alone) & (differences | (found["what"] != "difference"))]
        if len(told):
            raise ModelError(
                f"Together with what was published before this gives away how many persons are "
                f"{', '.join(dict.fromkeys(told['cell']))}. Publish the same lists and persons as before (Bundle.held "
                "takes strata that changed little as they were), or wait until the difference is larger."
            )

    def _refuse_differences(self, run: Mapping[str, Any], rules: Rules) -> None:
        """Refuse a run whose figures differ from those of other tables by few persons.

        Raises ModelError: naming them, for those inside
        """
        if not rules.suppresses or not exact(run):
            return
        told = {each.label: each.persons for each in told_between(self.runs, run, rules)}
        if told:
            some = "; ".join(f"{label} ({n:,})" for label, n in [*told.items()][:_MOST_NAMED])
            more = f"; and {len(told) - _MOST_NAMED:,} more" * (len(told) > _MOST_NAMED)
            raise ModelError(
                f"Together with what was published before this tells how many persons are {some}{more}: fewer than "
                f"{rules.threshold}. Publish the groups, lists and persons of before, merge levels until they differ by "
                "more, or leave out what differs: estimates and monitors show no counts of lists, as reports do. This "
                "message stays inside."
            )

    def _write(self) -> None:
        """Write the file, for its owner only."""
        if self.path is None:
            return
        data = {"schema": SCHEMA, "key": f"{self.key:032x}", "runs": list(self.runs)}
        part = self.path.with_name(self.path.name + ".part")
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
            part.replace(self.path)
        except OSError as error:
            raise ModelError(f"{self.path} cannot be written: {error.strerror}.") from None

    def __repr__(self) -> str:
        return f"<Bundle: {len(self.runs)} runs, a key that is not shown>"
