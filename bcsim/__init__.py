"""bcsim: compile, simulate and generate hardware for networks whose weights are one bit.

model = bcsim.load("network.onnx")
program = bcsim.compile(model, bits=[8, 4, 4, 4], calibration="mnist")
result = bcsim.simulate(program, "mnist", machine="medium", reference=model)

What is public is in `__all__`; docs/python.md describes it.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING

_here = _Path(__file__).resolve().parent
if not (_here / "compiler").is_dir():
    # In a checkout the sub-packages compiler/, rtl/ and models/ stand beside bcsim/; a wheel holds them inside.
    __path__.append(str(_here.parent))

from bcsim.common.version import __version__ as __version__  # noqa: E402  (found once the packages are)

if _TYPE_CHECKING:
    from bcsim.api import compile, load, save, simulate, verify, verilog
    from bcsim.common.errors import BcsimError
    from bcsim.data import Dataset, load_dataset
    from bcsim.interface.program import Prediction, Program
    from bcsim.interface.result import Result
    from bcsim.machine.parameters import PRESETS, Machine, parse_machine
    from bcsim.results.model import Model
    from bcsim.results.result import to_json

_HOMES = {
    "compile": "bcsim.api",
    "load": "bcsim.api",
    "save": "bcsim.api",
    "simulate": "bcsim.api",
    "verify": "bcsim.api",
    "verilog": "bcsim.api",
    "Dataset": "bcsim.data",
    "load_dataset": "bcsim.data",
    "BcsimError": "bcsim.common.errors",
    "PRESETS": "bcsim.machine.parameters",
    "Machine": "bcsim.machine.parameters",
    "parse_machine": "bcsim.machine.parameters",
    "Model": "bcsim.results.model",
    "Prediction": "bcsim.interface.program",
    "Program": "bcsim.interface.program",
    "Result": "bcsim.interface.result",
    "to_json": "bcsim.results.result",
}

__all__ = [
    "PRESETS",
    "BcsimError",
    "Dataset",
    "Machine",
    "Model",
    "Prediction",
    "Program",
    "Result",
    "__version__",
    "compile",
    "load",
    "load_dataset",
    "parse_machine",
    "save",
    "simulate",
    "to_json",
    "verify",
    "verilog",
]


def __getattr__(name: str) -> object:
    # Loaded at first use: onnx and numba take a second that `bcsim --help` need not wait for.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
