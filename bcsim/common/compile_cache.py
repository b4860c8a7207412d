"""Compilation for the host: helpers that become part of their callers, and entry points kept on disk.

Numba's own cache compares the source of the cached function's file alone, and would run yesterday's code after a
change in a file that it takes helpers from. Here an entry point is compiled anew after a change in any of them.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = ["cached", "compiled", "source_digest"]

Function = TypeVar("Function", bound=Callable[..., Any])

IMPORTS = re.compile(r"^from (bcsim[\w.]*) import", re.MULTILINE)


def compiled(function: Function) -> Function:
    """A helper that is compiled into its callers."""
    return cast(Function, njit(nogil=True)(function))


def cached(function: Function) -> Function:
    """An entry point: compiled at the first call and kept on disk where some folder can be written."""
    dispatcher: Any = njit(nogil=True)(function)
    # Where no folder can be written or no source be read, every process compiles at its first call.
    with suppress(OSError, RuntimeError):
        dispatcher._cache = _SourcesCache(function)
    return cast(Function, dispatcher)


class _SourcesCache(FunctionCache):
    """Numba's cache of a function, stale once any of the sources that it is compiled from has changed.

    Raises RuntimeError where no folder can be written, OSError where a source cannot be read.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        locator = self._impl.locator
        self._cache_file = IndexDataCacheFile(  # type: ignore[no-untyped-call]
            cache_path=locator.get_cache_path(),
            filename_base=self._impl.filename_base,
            source_stamp=(locator.get_source_stamp(), source_digest(function.__module__)),
        )


@cache
def source_digest(module: str) -> str:
    """SHA-256 of the sources of a module and of all modules of ours that it imports, in hexadecimal."""
    sources = _sources(module, {})
    return hashlib.sha256(b"".join(sources[name] for name in sorted(sources))).hexdigest()


def _sources(name: str, found: dict[str, bytes]) -> dict[str, bytes]:
    """The sources by module, added to `found`; what is not imported yet is no part of a compiled function."""
    module = sys.modules.get(name)
    if module is not None and name not in found and module.__file__ and module.__spec__:
        found[name] = cast(Any, module.__spec__.loader).get_data(module.__file__)
        for imported in IMPORTS.findall(found[name].decode()):
            _sources(imported, found)
    return found
