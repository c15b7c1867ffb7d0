"""Places in plain words: which have most, how sure that is, and what the figures do not say."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from mse.answer.shown import Section, filled, layout, persons, span, words_for
from mse.messages import Message
from mse.monitoring.draws import PER
from mse.monitoring.places import TOP, Places
from mse.words.catalogue import SOURCE, language_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

#: Rows of places in a summary; all are in the frame.
MOST_ROWS = 15
_EN = language_of(SOURCE)


def said_of(places: Places) -> Iterator[Message]:
    """Sentences about who can be among those with most, by estimated and by registered persons."""
    monitor, top = places.monitor, min(TOP, len(places.levels))
    frame = places.ranking()
    level = _EN.level(monitor.level)
    seen = int((frame["registered"] > 0).sum())
    yield Message("places.counted", n=len(frame), name=places.name, registered=seen)
    if frame["rank"].isna().all():
        reason = places.monitor.at(None, **{places.name: places.levels[0]}).reason
        if isinstance(reason, Message):
            yield reason
        return
    if top < len(places.levels):
        chosen = frame[frame["candidate"]].sort_values("top", ascending=False, kind="stable")
        names = tuple(map(str, chosen[places.name]))
        told = {"top": top, "period": monitor.period, "level": level}
        yield Message("places.candidates", n=len(names), names=names, **told)
        sure = tuple(map(str, chosen[places.name][chosen["top"] >= monitor.level]))
        yield (
            Message("places.sure", level=level, names=sure) if sure else Message("places.none_sure")
        )
        most = frame[frame["registered"] > 0].nlargest(top, "registered")
        yield Message("places.registered", top=len(most), names=tuple(map(str, most[places.name])))


def cautions(places: Places) -> Iterator[Message]:
    """Sentences about how persons count, and what the figures do not say."""
    placed = places.placed
    if placed is not None and placed.several:
        rule = Message(f"places.rule_{placed.rule}")
        yield Message("places.several", several=placed.several, persons=placed.persons, rule=rule)
    often = placed is not None and placed.rule == "each"
    yield Message("places.counts_often" if often else "places.adds_up")
    if places.pooled:
        yield Message("places.pooled")
        yield Message("places.alike")
    yield Message("places.ranks")
    yield Message("places.moves")


@words_for(Places)
def place_sections(places: Places) -> list[Section]:
    """Lay out the places: the candidates, those with most, the regions, and what to keep in mind."""
    heading, period = _EN("places.further", name=places.name), places.monitor.period
    return filled(
        Section(heading, paragraphs=tuple(map(str, said_of(places)))),
        Section(_EN("places.ranking", period=period), verbatim=_ranked(places)),
        Section(_EN("places.regions"), verbatim=_regions(places)),
        Section("What these figures do not say", bullets=tuple(map(str, cautions(places)))),
    )


def _ranked(places: Places) -> str:
    frame, level = places.ranking(), _EN.level(places.monitor.level)
    head = ["", "registered", "estimated total", "rank", f"ranks, {level}", f"among the {TOP}"]
    head += [f"per {PER:,}"] if places.monitor.has_rates else []
    rows = [_rank_row(places, row) for row in frame.head(MOST_ROWS).to_dict(orient="records")]
    text = layout(head, rows)
    if len(frame) > MOST_ROWS:
        text += f"\n... and {len(frame) - MOST_ROWS:,} more places: see ranking()."
    return text


def _rank_row(places: Places, row: dict[Any, Any]) -> list[str]:
    known = not isnan(row["total"])
    total = places.at(row[places.name]).figures["total"]
    found = [str(row[places.name]), persons(row["registered"])]
    found += [
        span(total.low, total.high) if known else "not estimated",
        str(row["rank"]) if known else "-",
    ]
    found += [f"{row['rank_low']} to {row['rank_high']}", _EN.probability(row["top"])]
    if places.monitor.has_rates:
        found.append("-" if isnan(row["rate"]) else f"{row['rate']:,.1f}")
    return found


def _regions(places: Places) -> str:
    frame: pd.DataFrame = places.by_region()
    if frame.empty:
        return ""
    head = ["", places.monitor.period, "registered", "estimated total", "point"]
    rows = []
    for row in frame.to_dict(orient="records"):
        when = row[places.monitor.period]
        figures = (
            ["not estimated", "-"]
            if isnan(row["total"])
            else [span(row["low"], row["high"]), persons(row["total"])]
        )
        rows.append(
            [
                row["region"],
                "all" if when is None else str(when),
                persons(row["registered"]),
                *figures,
            ]
        )
    return layout(head, rows)
