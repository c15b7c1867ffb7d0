"""What everything that is fit to leave has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.disclosure.publication import published
from mse.disclosure.rules import MARK
from mse.disclosure.suppression import choose

if TYPE_CHECKING:
    from mse.disclosure.cells import Cells
    from mse.disclosure.publication import Publication
    from mse.disclosure.rules import Rules

__all__ = ["Protected", "publish"]


class Protected:
    """A thing fit to leave: it holds what is published, and no count that is not.

    Attributes
    ----------
    publication : Publication
        The counts as they leave, and what a reader knows of them; for `attack`.
    """

    publication: Publication

    @property
    def rules(self) -> Rules:
        """The rules it was protected under."""
        return self.publication.rules

    @property
    def suppressed(self) -> tuple[str, ...]:
        """Labels of the suppressed counts."""
        found = zip(self.publication.labels, self.publication.suppressed, strict=True)
        return tuple(name for name, gone in found if gone)

    @property
    def note(self) -> str:
        """Say for the reader what was done; empty if the rules ask for nothing."""
        if not self.rules.active:
            return ""
        number, shown = len(self.suppressed), int(self.publication.shown.sum())
        done = (
            f"{number:,} of {shown:,} counts {'is' if number == 1 else 'are'} suppressed ({MARK})."
        )
        return f"{self.rules.sentence()} {done if number else 'No count had to be suppressed.'}"


def publish(cells: Cells, rules: Rules) -> Publication:
    """Choose what to suppress, and publish the rest."""
    return published(cells, choose(cells, rules), rules)
