"""Output on terminals that have few characters: the nearest plain ones, and numbers for the rest."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Mapping

__all__ = ["plain_where_needed"]

PLAIN: Mapping[str, str] = {"→": "->", "–": "-", "×": "x", "µ": "u", "…": "...", "≥": ">=", "±": "+-"}
NAME = "bcsim.plain"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if character in PLAIN:
        return PLAIN[character], error.start + 1
    one = UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
    return codecs.backslashreplace_errors(one)


def plain_where_needed() -> None:
    """Let standard output and standard error take every character, whatever their encoding."""
    codecs.register_error(NAME, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=NAME)
