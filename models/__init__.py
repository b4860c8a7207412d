"""Trained networks shipped with bcsim, and the BinaryConnect training that made them.

Importing this package needs numpy only, and so do its modules on shapes, recipes, data and files. Those on layers and
training import PyTorch (extra `train`).
Stands on bcsim.common and bcsim.data.
"""

from pathlib import Path

from bcsim.common.shipped import SHIPPED
from bcsim.data.splits import digits_split

__all__ = ["SHIPPED", "digits_split", "shipped_path"]


def shipped_path(name: str) -> Path:
    """Path of the shipped ONNX file called `name`; raises ValueError for a name that is not in SHIPPED."""
    if name not in SHIPPED:
        raise ValueError(f"Shipped network must be one of {', '.join(SHIPPED)}, not {name!r}")
    return Path(__file__).with_name(f"{name}.onnx")
