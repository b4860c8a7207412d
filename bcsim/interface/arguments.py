"""Arguments as users write them: data sets, names, paths and arrays; models, paths and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import ArrayLike

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Program
from bcsim.data import Dataset
from bcsim.data.load import dataset_of
from bcsim.machine.parameters import Machine
from bcsim.results.model import Model, load

__all__ = ["Data", "model_of", "named_or_dataset", "require_machine", "require_program"]

Data: TypeAlias = str | Path | Dataset | ArrayLike
"""A data set, what `load_dataset` takes, or an array (images, ...) of uint8 levels or of floats."""


def named_or_dataset(data: Any, labels: Any = None) -> str | Dataset:
    """The data set of an array and its labels; a name or path as text, a data set as it is.

    Raises BcsimError for whatever is none of them, and for labels beside a name or a data set.
    """
    if isinstance(data, str | Path | Dataset):
        if labels is not None:
            raise BcsimError("Labels belong to an array of images; a data set or a file brings its own")
        return data if isinstance(data, Dataset) else str(data)
    return dataset_of(data, labels)


def model_of(model: Any) -> Model:
    """The model, loaded where it is a path or a bundled network's name; raises BcsimError for anything else."""
    if isinstance(model, Model):
        return model
    if isinstance(model, str | Path):
        return load(model)
    raise BcsimError(
        f"Model must be what bcsim.load gives, a path or a bundled network's name, not {_kind(model)}"
    )


def require_program(program: Any) -> Program:
    """The program; raises BcsimError where it is none, telling a model that it must be compiled."""
    if isinstance(program, Program):
        return program
    if isinstance(program, Model) and program.program is not None:
        return program.program
    hint = "; compile it first: bcsim.compile(model)" if isinstance(program, Model) else ""
    raise BcsimError(f"Program must be what bcsim.compile gives, not {_kind(program)}{hint}")


def require_machine(machine: Any) -> str | Machine | None:
    """The machine; raises BcsimError for what is neither a Machine nor text."""
    if machine is None or isinstance(machine, str | Machine):
        return machine
    raise BcsimError(
        "Machine must be a preset's name, parameters such as medium,lanes=64 or a bcsim.Machine, "
        f"not {_kind(machine)}"
    )


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
