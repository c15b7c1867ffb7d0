"""The JSON schemas of the package, ready to check output against."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from jsonschema import Draft202012Validator
from referencing import Registry, Resource


@cache
def validator(name: str) -> Draft202012Validator:
    """Make a validator of the present version of ``mse.<name>``, after checking the schema itself."""
    schemas = [
        json.loads(files("mse").joinpath(f"schema/{each}.json").read_text(encoding="utf-8"))
        for each in ("population-2", "comparison-1", "monitor-2", "report-1", "reach-1")
    ]
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    chosen = next(schema for schema in schemas if schema["title"].startswith(f"mse.{name}/"))
    Draft202012Validator.check_schema(chosen)
    return Draft202012Validator(chosen, registry=registry)
