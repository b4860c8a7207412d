"""Checkpoints that survive an interruption (needs PyTorch)."""

from pathlib import Path
from typing import Any

import torch

from bcsim.common.errors import BcsimError
from bcsim.common.files import atomic_write

_FORMAT = "bcsim-checkpoint-2"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors and plain values) to `path`, which is never seen half written."""
    with atomic_write(path) as file:
        torch.save({"format": _FORMAT, **state}, file)


def load(path: Path) -> dict[str, Any]:
    """The state that `save` wrote; raises BcsimError for anything else."""
    if not path.is_file():
        raise BcsimError(f"Checkpoint {path} does not exist")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a foreign file fails in many ways
        raise BcsimError(f"Checkpoint {path} is not one that bcsim wrote") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise BcsimError(f"Checkpoint {path} is not one that bcsim wrote")
    return state
