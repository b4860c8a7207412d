"""The lookup backend: a program packed for the compiled kernels, run block by block on several threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.vectors import LANES
from bcsim.compiler.program.dependencies import INPUT, layer_reads
from bcsim.compiler.program.layers import ConvLayer, Program
from bcsim.execution.kernels import lookup
from bcsim.execution.kernels.packing import Step, layer_step, pool_step
from bcsim.execution.kernels.rows import place_rows
from bcsim.execution.kernels.transfer import gather, scatter
from bcsim.execution.kernels.windows import windows

__all__ = ["Lookup"]

Levels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Outputs: TypeAlias = tuple[NDArray[np.uint16] | None, ...]

TASK_BLOCKS, TASK_BYTES = 8, 64 << 20
"""Blocks of 32 images in a task, which share a layer's weights in a second-level cache; and the memory that more than
two of them may take."""

MEMORY = 2 << 30
"""What the rows of all threads together may take; a network whose rows need more runs on fewer threads."""


def _aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros that start on a 64-byte boundary, so that no vector straddles two cache lines."""
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


class Lookup:
    """A program packed for the lookup kernels.

    Raises BcsimError for a layer whose accumulators need more than 32 bits, or its numerators more than 50.
    """

    def __init__(self, program: Program) -> None:
        reads = layer_reads(program)
        self.rows = place_rows(program, reads)
        self.steps = [list(self._layer_steps(program, index, sources)) for index, sources in enumerate(reads)]
        self._blocks = _blocks(self.rows.count * lookup.ROW)

    def _layer_steps(
        self, program: Program, index: int, sources: tuple[int, ...]
    ) -> Iterator[tuple[Step, int]]:
        """The kernel calls of a layer, each with the row of its first output."""
        layer, rows = program.layers[index], self.rows
        target = rows.bases[index]
        unpooled = rows.unpooled.get(index)
        yield (
            layer_step(layer, [rows.bases[source] for source in sources], rows.fixed),
            target if unpooled is None else unpooled,
        )
        if unpooled is not None:
            minimum = layer.minimum if isinstance(layer, ConvLayer) else None
            yield pool_step(layer.geometry, layer.outputs, unpooled, minimum), target

    def run(self, q: Levels, outputs: Outputs, threads: int) -> None:
        """Write every layer's q into its array of `outputs`, (n, values) each, or None where nobody asked."""
        workers = max(1, min(threads, MEMORY // (self._blocks * self.rows.count * lookup.ROW)))
        size = min(self._blocks * LANES, 2 * LANES * -(-len(q) // (2 * LANES * workers)))
        tasks: SimpleQueue[slice] = SimpleQueue()
        for start in range(0, len(q), size or 1):
            tasks.put(slice(start, start + size))

        def work() -> None:
            worker = _Worker(self, size // LANES)
            while True:
                try:
                    images = tasks.get_nowait()
                except Empty:
                    return
                worker.run(q[images], tuple(None if output is None else output[images] for output in outputs))

        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(work) for _ in range(min(workers, tasks.qsize()))]:
                done.result()


def _blocks(block_bytes: int) -> int:
    """Blocks in a task, an even number."""
    return max(2, min(TASK_BLOCKS, TASK_BYTES // block_bytes // 2 * 2))


class _Worker:
    """One thread's arrays: the rows of a task's blocks, and the kernels' scratch."""

    def __init__(self, packed: Lookup, blocks: int) -> None:
        self._packed = packed
        self._rows = _aligned((blocks, packed.rows.count, LANES), np.uint16)
        for level, row in packed.rows.fixed.items():
            self._rows[:, row] = level
        table = _aligned((lookup.TABLE, LANES), np.uint16)
        self._scratch = [[_scratch(step.sizes, table) for step, _ in steps] for steps in packed.steps]

    def run(self, q: Levels, outputs: Outputs) -> None:
        """At most as many images as the blocks hold."""
        packed = self._packed
        live = -(-len(q) // LANES)
        scatter(q, self._rows, packed.rows.bases[INPUT])
        for steps, scratches, base, output in zip(
            packed.steps, self._scratch, packed.rows.bases, outputs, strict=False
        ):
            for (step, target), scratch in zip(steps, scratches, strict=True):
                windows(
                    self._rows,
                    live,
                    target,
                    step.places,
                    step.addresses,
                    step.weights,
                    scratch,
                    step.constants,
                )
            if output is not None:
                gather(self._rows, base, output)


def _scratch(sizes: tuple[int, int, int], table: NDArray[np.uint16]) -> tuple[NDArray[Any], ...]:
    """The scratch of `windows`; sizes as in Step."""
    inputs, sums, outputs = sizes
    return (
        table,
        np.empty(inputs, dtype=np.int64),
        _aligned((2, sums, LANES), np.uint16),
        _aligned((outputs, LANES), np.int32),
        _aligned((2, outputs, LANES), np.int32),
    )
