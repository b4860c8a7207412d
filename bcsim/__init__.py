"""bcsim: compile, simulate and generate hardware for networks whose weights are one bit."""

from pathlib import Path as _Path

_here = _Path(__file__).resolve().parent
if not (_here / "compiler").is_dir():
    # In a checkout the sub-packages compiler/, rtl/ and models/ stand beside bcsim/; a wheel holds them inside.
    __path__.append(str(_here.parent))

__version__ = "0.1.0"
