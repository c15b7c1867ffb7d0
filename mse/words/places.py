"""Places in plain words."""
from mse.answer.shown import words_for, Section
from mse.monitoring.places import Places
@words_for(Places)
def place_sections(places: Places) -> list[Section]:
    return []
