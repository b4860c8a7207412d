"""Plain arguments of the Python interface: numbers, switches, texts and paths, each of its type or one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Rational, Real
from pathlib import Path
from typing import Any

from bcsim.common.errors import BcsimError

__all__ = ["require_number", "require_path", "require_switch", "require_text", "require_whole"]


def require_whole(name: str, value: Any, least: int) -> None:
    """Raise BcsimError for what is no integer from `least` up, of Python or numpy."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole:
        raise BcsimError(f"{name} must be an integer of at least {least}, not {_told(value)}")
    if value < least:
        raise BcsimError(f"{name} must be at least {least}, not {value}")


def require_number(name: str, value: Any) -> None:
    """Raise BcsimError for what is no real number, of Python or numpy."""
    if isinstance(value, bool) or not _is_number(value):
        raise BcsimError(f"{name} must be a number, not {_told(value)}")


def require_switch(name: str, value: Any) -> None:
    """Raise BcsimError for what is neither True nor False."""
    if not isinstance(value, bool):
        raise BcsimError(f"{name} must be True or False, not {_told(value)}")


def require_text(name: str, value: Any, accepted: Sequence[str] = ()) -> None:
    """Raise BcsimError for what is no text, or none of the texts accepted, where there are any."""
    if not isinstance(value, str) or (accepted and value not in accepted):
        wanted = " or ".join(accepted) if len(accepted) < 3 else f"one of {', '.join(accepted)}"
        raise BcsimError(f"{name} must be {wanted or 'text'}, not {_told(value)}")


def require_path(name: str, value: Any) -> None:
    """Raise BcsimError for what is no path, nor text that can be one."""
    if not isinstance(value, str | Path):
        raise BcsimError(f"{name} must be a path, not {_told(value)}")
    if "\0" in str(value):
        raise BcsimError(f"{name} {str(value)!r} cannot be a path: it has a null character")


def _is_number(value: Any) -> bool:
    # numpy registers its own with these, so that numpy need not be loaded to know them.
    return isinstance(value, Integral) or (isinstance(value, Real) and not isinstance(value, Rational))


def _told(value: Any) -> str:
    """A number, text or nothing as it is; of anything else the type."""
    plain = value is None or isinstance(value, str) or _is_number(value)
    return repr(value) if plain else f"one of type {type(value).__name__}"
