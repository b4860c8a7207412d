"""Checkpoints that survive an interruption (needs PyTorch)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bcsim.common.errors import BcsimError
from bcsim.common.files import atomic_write
from bcsim.models.config import check_fields
from bcsim.models.recipes import Recipe

_FORMAT = "bcsim-checkpoint-2"
_ENTRIES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("recipe", "model", "optimiser", "best_state"), (dict,)),
    **dict.fromkeys(("history", "cuda_generators"), (list,)),
    "generator": (torch.Tensor,),
    "pass": (dict, type(None)),
    "average": (list, type(None)),
}


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
    state.setdefault("average", None)  # those of version 0.1 know no averages
    for name, kinds in _ENTRIES.items():
        if not isinstance(state.get(name, ...), kinds):
            raise BcsimError(
                f"Checkpoint {path} is damaged: its entry {name!r} is missing or of a wrong kind"
            )
    return state


def recipe_of(path: Path, state: dict[str, Any]) -> Recipe:
    """The recipe in a checkpoint's state; raises BcsimError for one that no training has."""
    given = {name: value for name, value in state["recipe"].items() if value is not None}
    if "network" not in given:
        raise BcsimError(f"Checkpoint {path} is damaged: its recipe names no network")
    return Recipe(**check_fields(path, given))
