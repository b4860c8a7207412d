"""The lookup backend: a program packed for the compiled kernels, run block by block on several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import DenseLayer, Program, Search
from bcsim.errors import BcsimError
from bcsim.kernels import lookup
from bcsim.kernels.lanes import LANES
from bcsim.kernels.requantise import accumulator_bound, reciprocal

__all__ = ["Lookup"]

Levels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Outputs: TypeAlias = tuple[NDArray[np.uint16] | None, ...]

# Images in a task: their values fit a second-level cache beside one layer's offsets.
TASK = 8 * LANES


def _aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros that start on a 64-byte boundary, so that no vector straddles two cache lines."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def _passes(inputs: int) -> int:
    return -(-inputs // lookup.PASS)


def _offsets(layer: DenseLayer) -> NDArray[np.uint64]:
    """Byte offsets into the tables of a pass, four to a word: uint64 (P, B * O, GROUPS / 4)."""
    signs = np.concatenate([plane.signs(layer.inputs) for plane in layer.planes])
    passes = _passes(layer.inputs)
    bits = np.zeros((len(signs), passes * lookup.PASS), dtype=np.uint8)
    bits[:, : layer.inputs] = signs > 0
    groups = bits.reshape(len(signs), passes, lookup.GROUPS, lookup.GROUP)
    entry = (groups << np.arange(lookup.GROUP, dtype=np.uint8)).sum(axis=3, dtype=np.uint64)
    entry += np.arange(lookup.GROUPS, dtype=np.uint64) << np.uint64(lookup.GROUP)
    fours = entry.reshape(len(signs), passes, lookup.GROUPS // 4, 4) * np.uint64(lookup.ROW)
    words = (fours << np.arange(0, 64, 16, dtype=np.uint64)).sum(axis=3, dtype=np.uint64)
    return np.ascontiguousarray(words.transpose(1, 0, 2))


def _constants(layer: DenseLayer) -> tuple[Any, ...]:
    """The requantiser as `lookup.dense` takes it."""
    bound = accumulator_bound(layer)
    if bound >= 1 << 31:
        raise BcsimError(
            f"Layer {layer.name}: accumulators may reach {bound}, and the lookup backend takes up to 2**31 - 1"
        )
    requantiser = layer.requantiser
    if isinstance(requantiser, Search):
        thresholds = np.clip(requantiser.thresholds, -bound, bound + 1).astype(np.int32)
        return np.empty(0), np.empty(0), 0.0, thresholds, requantiser.bits
    constants = reciprocal(requantiser, bound)
    if constants is None:
        raise BcsimError(
            f"Layer {layer.name}: 2**{requantiser.fraction_bits} * accumulator - offset needs more than 50 bits, "
            "which the lookup backend does not take"
        )
    return *constants, float((1 << requantiser.bits) - 1), np.empty((0, 0), dtype=np.int32), 0


@dataclass(frozen=True, slots=True)
class _Dense:
    """One layer, packed for `lookup.dense`, whose parameters these are.

    rows : inputs, padded to whole passes.
    """

    rows: int
    outputs: int
    digits: int
    paired: bool
    offsets: NDArray[np.uint64]
    shifts: NDArray[np.int32]
    constants: tuple[Any, ...]

    @classmethod
    def pack(cls, layer: DenseLayer) -> _Dense:
        top = layer.source.levels - 1
        constants = _constants(layer)  # first, since it is what refuses a layer
        return cls(
            _passes(layer.inputs) * lookup.PASS,
            layer.outputs,
            -(-layer.source.bits // lookup.DIGIT_BITS),
            top * lookup.PASS < 1 << 8 and top * layer.inputs < 1 << 16,
            _offsets(layer),
            np.array([plane.shift for plane in layer.planes], dtype=np.int32),
            constants,
        )

    def scratch(self, table: NDArray[np.uint16]) -> tuple[NDArray[Any], ...]:
        sums = _aligned((2, self.offsets.shape[1], LANES), np.uint16)
        return table, sums, _aligned((self.outputs, LANES), np.int32)

    def __call__(
        self, q: NDArray[np.uint16], scratch: tuple[NDArray[Any], ...], out: NDArray[np.uint16]
    ) -> None:
        lookup.dense(q, self.digits, self.paired, self.offsets, self.shifts, scratch, self.constants, out)


class _Worker:
    """One thread's arrays: every layer's input in lanes, the last output, and the kernels' scratch."""

    def __init__(self, layers: tuple[_Dense, ...]) -> None:
        rows = [layer.rows for layer in layers] + [layers[-1].outputs]
        table = _aligned((lookup.TABLE, LANES), np.uint16)
        self._layers = layers
        self._values = [_aligned((TASK // LANES, count, LANES), np.uint16) for count in rows]
        self._scratch = [layer.scratch(table) for layer in layers]

    def run(self, q: Levels, outputs: Outputs) -> None:
        """At most TASK images."""
        blocks = 2 * -(-len(q) // (2 * LANES))
        values = [value[:blocks] for value in self._values]
        lookup.scatter(q, values[0])
        for layer, scratch, source, target, output in zip(
            self._layers, self._scratch, values[:-1], values[1:], outputs, strict=True
        ):
            layer(source, scratch, target)
            if output is not None:
                lookup.gather(target, output)


class Lookup:
    """A program packed for the lookup kernels.

    Raises BcsimError for a layer whose accumulators need more than 32 bits, or its numerators more than 50.
    """

    def __init__(self, program: Program) -> None:
        self._layers = tuple(_Dense.pack(layer) for layer in program.layers)

    def run(self, q: Levels, outputs: Outputs, threads: int) -> None:
        """Write every layer's q into its array of `outputs`, (n, O) each, or None where nobody asked."""
        tasks: SimpleQueue[int] = SimpleQueue()
        for start in range(0, len(q), TASK):
            tasks.put(start)

        def work() -> None:
            worker = _Worker(self._layers)
            while True:
                try:
                    start = tasks.get_nowait()
                except Empty:
                    return
                rows = slice(start, start + TASK)
                worker.run(q[rows], tuple(None if output is None else output[rows] for output in outputs))

        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(work) for _ in range(min(threads, tasks.qsize()))]:
                done.result()
