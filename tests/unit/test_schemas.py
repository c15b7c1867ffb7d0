"""The schemas of the package: whole, and what is read checked against them."""

from __future__ import annotations

import copy
import json
import random
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import mse
from mse import _schemas
from mse.cli import app
from mse.errors import ModelError


def keywords(part: Any, *, names: bool = False) -> set[str]:
    """Every keyword of a schema; what stands below ``properties`` are names."""
    if isinstance(part, list):
        return set().union(*map(keywords, part))
    if not isinstance(part, dict):
        return set()
    inner = (
        keywords(value, names=key in ("properties", "$defs") and not names)
        for key, value in part.items()
        if names or key not in ("const", "enum")
    )
    return (set() if names else set(part)).union(*inner)


def test_the_check_knows_every_keyword() -> None:
    stored = list(files("mse").joinpath("schema").iterdir())
    assert stored
    for each in stored:
        assert keywords(json.loads(each.read_text(encoding="utf-8"))) <= set(_schemas.KEYWORDS)


@pytest.mark.parametrize("name", _schemas.SCHEMAS)
def test_a_schema_resolves_by_itself(name: str) -> None:
    printed = CliRunner().invoke(app, ["schema", name])
    whole = json.loads(printed.stdout)
    Draft202012Validator.check_schema(whole)
    # Without a registry: a reference that does not resolve is an error.
    assert not Draft202012Validator(whole).is_valid({"schema": whole["title"]})


def test_what_the_library_writes_follows_the_whole_schema() -> None:
    found = mse.compare("kosovo", ["LogLinear('main')"]).to_dict()
    Draft202012Validator(_schemas.schema("comparison")).validate(found)
    assert "urn:mse:population:2" in json.dumps(_schemas.schema("comparison"))


def test_there_is_no_such_schema() -> None:
    for wrong in ("populations", "../errors", "population-9"):
        with pytest.raises(ModelError, match="there are population"):
            _schemas.schema(wrong)


def parts(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in some JSON."""
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [path, *(each for key in keys for each in parts(data[key], (*path, key)))]


def mutated(data: Any, chance: random.Random) -> Any:
    """Change one place: another value, none, one key more or fewer."""
    found = copy.deepcopy(data)
    path = chance.choice(parts(found)[1:])
    *before, last = path
    home = found
    for key in before:
        home = home[key]
    how = chance.randrange(4)
    other = chance.choice([None, True, -1, 0.5, 10**400, "invented", [], {}, [[1]], {"a": 1}])
    if how == 0 and isinstance(home, dict):
        del home[last]
    elif how == 1 and isinstance(home[last], dict):
        home[last]["another"] = other
    else:
        home[last] = other
    return found


@pytest.mark.parametrize(
    "make",
    [
        lambda: mse.estimate("kosovo", replicates=100, seed=1),
        lambda: (
            mse.LogLinear("S1*S2 + S3 + ethnicity").fit(mse.load_dataset("spina_bifida")).population
        ),
    ],
    ids=["kosovo", "strata"],
)
def test_mutated_json_is_read_or_refused_and_never_against_the_schema(make: Any) -> None:
    data = json.loads(make().to_json())
    outside = Draft202012Validator(_schemas.schema("population"))
    chance, refused = random.Random(5), 0
    for _ in range(250):
        wrong = mutated(data, chance)
        follows = outside.is_valid(wrong)
        try:
            mse.PopulationEstimate.from_json(json.dumps(wrong))
            said = ""
        except ModelError as error:
            refused, said = refused + 1, str(error)
        # What follows the schema may be refused for a contradiction, not by the check.
        assert follows or said
        assert not (follows and "do not follow the schema" in said)
    assert refused > 100


def test_what_is_no_json_or_too_deep_is_said() -> None:
    for text in ("", "[" * 100_000, "nothing", "[]", '{"schema": "mse.population/3"}'):
        with pytest.raises(ModelError):
            mse.PopulationEstimate.from_json(text)
    data: dict[str, Any] = json.loads(
        mse.LogLinear("main").fit(mse.load_dataset("kosovo")).population.to_json()
    )
    data["status"] = "splendid"
    with pytest.raises(ModelError, match=r'status is "splendid"'):
        mse.PopulationEstimate.from_dict(data)
