"""The program level: a whole batch through the integer program, exact and fast."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.classes import classes_of_levels
from bcsim.compiler.program.layers import ConvLayer, Layer, Program
from bcsim.execution.kernels.portable import Portable

__all__ = ["BACKENDS", "Execution", "Prepared", "execute", "prepare"]

Levels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Outputs: TypeAlias = tuple[NDArray[np.uint16] | None, ...]


class Backend(Protocol):
    """A program packed for one way of computing it."""

    def run(self, q: Levels, outputs: Outputs, threads: int) -> None:
        """Write the q of every layer whose array in `outputs` is not None.

        All are (n, values): the input as execute takes it, outputs in the order (row, column, channel).
        """


def _lookup(program: Program) -> Backend:
    # Imported where it is first used: numba alone takes longer to load than a small batch to compute.
    from bcsim.execution.kernels.backend import Lookup

    return Lookup(program)


BACKENDS: Mapping[str, Callable[[Program], Backend]] = {"portable": Portable, "lookup": _lookup}

# Accumulations that NumPy does in about the time it takes to load the compiled kernels, 0.1 s.
SMALL = 1 << 31


@dataclass(frozen=True, slots=True)
class Execution:
    """What a batch of n images came to.

    scores : uint16 (n, classes), the last layer's q.
    classes : int64 (n,), the first greatest score of each image; of one score 1 where it is positive.
    hidden : the q of every layer, uint16, (n, outputs) of a DenseLayer and (n, rows, columns, outputs) of a
        ConvLayer, behind its pooling; the last one holds `scores`. Empty unless kept.
    """

    scores: NDArray[np.uint16]
    classes: NDArray[np.int64]
    hidden: tuple[NDArray[np.uint16], ...] = ()


def _check_levels(program: Program, q: Levels) -> None:
    if q.dtype not in (np.uint8, np.uint16):
        raise BcsimError(f"The program's input must be uint8 or uint16 integers, not {q.dtype}")
    if q.ndim != 2 or q.shape[1] != program.inputs:
        raise BcsimError(
            f"The program's input must have the shape (images, {program.inputs}), not {tuple(q.shape)}"
        )
    top = program.layers[0].source.levels - 1
    if np.iinfo(q.dtype).max > top and q.size and q.max() > top:
        raise BcsimError(f"The program's input must hold integers from 0 to {top}, not {q.max()}")


def _threads(wanted: int | None) -> int:
    if wanted is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if wanted < 1:
        raise BcsimError(f"Threads must be at least 1, not {wanted}")
    return wanted


def _output_shape(layer: Layer) -> tuple[int, ...]:
    return (*layer.geometry.output, layer.outputs) if isinstance(layer, ConvLayer) else (layer.outputs,)


class Prepared:
    """A program with its weights packed once for every backend that is used."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._backends: dict[str, Backend] = {}
        self._work = sum(
            prod(layer.geometry.windows) * layer.inputs * layer.outputs * len(layer.planes)
            for layer in program.layers
        )

    def execute(
        self, q: Levels, *, keep: bool = False, backend: str | None = None, threads: int | None = None
    ) -> Execution:
        """See `execute`."""
        _check_levels(self.program, q)
        layers = self.program.layers
        outputs = tuple(
            np.empty((len(q), prod(_output_shape(layer))), dtype=np.uint16)
            if keep or layer is layers[-1]
            else None
            for layer in layers
        )
        chosen = self._fastest(len(q)) if backend is None else self._backend(backend)
        chosen.run(q if q.flags.c_contiguous else q.copy(), outputs, _threads(threads))
        scores = outputs[-1]
        assert scores is not None
        hidden = tuple(
            output.reshape(-1, *_output_shape(layer))
            for output, layer in zip(outputs, layers, strict=True)
            if output is not None
        )
        return Execution(scores, classes_of_levels(self.program, scores), hidden if keep else ())

    def _fastest(self, images: int) -> Backend:
        """The compiled kernels where they are at hand or worth loading, and take the program."""
        if "lookup" not in self._backends and images * self._work < SMALL:
            return self._backend("portable")
        try:
            return self._backend("lookup")
        except BcsimError:
            return self._backend("portable")

    def _backend(self, name: str) -> Backend:
        if name not in BACKENDS:
            raise BcsimError(f"Unknown backend {name!r}; the backends here are {', '.join(BACKENDS)}")
        if name not in self._backends:
            self._backends[name] = BACKENDS[name](self.program)
        return self._backends[name]


_recent: deque[Prepared] = deque(maxlen=4)


def prepare(program: Program) -> Prepared:
    """The program packed for its backends; the last four programs are remembered."""
    for prepared in tuple(_recent):
        if prepared.program is program:
            return prepared
    prepared = Prepared(program)
    _recent.append(prepared)
    return prepared


def execute(
    program: Program, q: Levels, *, keep: bool = False, backend: str | None = None, threads: int | None = None
) -> Execution:
    """Every image of a batch through the integer program.

    q : (n, inputs), the first layer's source values, an image in the order (row, column, channel);
        bcsim.execution.raw_levels.program_input arranges a data set so.
    keep : also return every layer's q.
    backend : a name of BACKENDS; None takes the fastest here. All return the same integers.
    threads : of the compiled backends; None takes every core this process may use.

    Raises BcsimError for a wrong shape, type or value of q, and for an unknown backend or one that cannot take the
    program.
    """
    return prepare(program).execute(q, keep=keep, backend=backend, threads=threads)
