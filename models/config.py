"""Recipes as TOML files: the fields of `Recipe`, one to a line (no PyTorch here)."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file
from bcsim.models.recipes import Recipe

_MOST_BYTES = 1 << 20
_KINDS = {str: "text", int: "an integer", float: "a number", bool: "true or false"}


def read_config(path: Path) -> dict[str, Any]:
    """The fields that the TOML file `path` gives; raises BcsimError for an unknown field or a wrong type."""
    try:
        values = tomllib.loads(read_file(path, _MOST_BYTES, "Recipe").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BcsimError(f"Recipe {path} is not TOML: {error}") from None
    return check_fields(path, values)


def check_fields(path: Path, values: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a recipe that the file `path` holds; raises BcsimError for an unknown one or a wrong type."""
    kinds = _kinds()
    for name in values:
        if name not in kinds:
            near = get_close_matches(name, kinds, n=3)
            meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise BcsimError(
                f"Recipe {path} has an unknown field {name!r}; {meant}docs/training.md lists all of them"
            )
    return {name: _checked(path, name, value, kinds[name]) for name, value in values.items()}


def _kinds() -> dict[str, Any]:
    hints = get_type_hints(Recipe)
    return {field.name: _kind(hints[field.name]) for field in fields(Recipe)}


def _kind(hint: Any) -> Any:
    """The plain type of a field: str for a Literal, int for `int | None`."""
    if get_origin(hint) is Literal:
        return str
    return next(iter(get_args(hint))) if isinstance(hint, UnionType) else hint


def _checked(path: Path, name: str, value: object, kind: Any) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise BcsimError(f"Recipe {path} must give {_KINDS[kind]} for {name!r}, not {value!r}")
    return value
