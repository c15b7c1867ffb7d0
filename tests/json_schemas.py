"""The JSON schemas of the package, ready to check output against."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from jsonschema import Draft202012Validator
from referencing import Registry, Resource


@cache
def validator(name: str) -> Draft202012Validator:
    """Make a validator of ``mse.<name>/1``, after checking the schema itself."""
    schemas = [
        json.loads(files("mse").joinpath(f"schema/{each}-1.json").read_text(encoding="utf-8"))
        for each in ("population", "comparison", "monitor", "report")
    ]
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    chosen = next(schema for schema in schemas if schema["title"] == f"mse.{name}/1")
    Draft202012Validator.check_schema(chosen)
    return Draft202012Validator(chosen, registry=registry)
