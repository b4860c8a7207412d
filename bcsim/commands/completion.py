"""What a shell offers behind the options: networks, data sets and machines by name, and files."""

from __future__ import annotations

from collections.abc import Iterable
from glob import escape, glob
from pathlib import Path

from bcsim.common.shipped import SHIPPED

__all__ = ["complete_data", "complete_machine", "complete_model"]


def complete_model(incomplete: str) -> list[str]:
    """Bundled networks, .onnx files and folders."""
    return _beginning(SHIPPED, incomplete) + _paths(incomplete, ".onnx")


def complete_data(incomplete: str) -> list[str]:
    """Data sets by name, .npz files and folders."""
    from bcsim.data import NAMES

    return _beginning(NAMES, incomplete) + _paths(incomplete, ".npz")


def complete_machine(incomplete: str) -> list[str]:
    """Presets."""
    from bcsim.machine.parameters import PRESETS

    return _beginning(PRESETS, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _paths(incomplete: str, suffix: str) -> list[str]:
    found = sorted(glob(f"{escape(incomplete)}*"))
    return [
        path + "/" if Path(path).is_dir() else path
        for path in found
        if Path(path).is_dir() or path.endswith(suffix)
    ]
