"""What a bench needs to compare hardware with a run of the simulator, as arrays (see accelerator_bench.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.mapping import Mapping
from bcsim.machine.parameters import Machine
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import MachineRun, Writes, stream_values, whole_batches
from bcsim.simulator.weight_stream import memory_gaps

__all__ = ["bench_vectors", "stream_words", "weight_words"]


def bench_vectors(run: MachineRun, q: NDArray[np.uint8], pauses: Pauses) -> dict[str, NDArray[Any]]:
    """Stimulus and expectation of a run of images q, uint8 (n, inputs), all of them recorded.

    Images of zeros fill the last batch, as in the run.
    """
    mapping = run.mapping
    values = stream_values(mapping, whole_batches(q, mapping.images))
    tdata, tkeep, tlast = stream_words(values, mapping.machine.input_bytes)
    outputs, writes = run.outputs, run.writes
    return {
        "tdata": tdata,
        "tkeep": tkeep,
        "tlast": tlast,
        "gaps": pauses.before_words(0, len(tdata)),
        "holds": pauses.behind_words(0, len(outputs.cycle)),
        "write_cycle": writes.cycle,
        "write_address": writes.address,
        "write_mask": writes.mask,
        "write_data": _pack_words(writes, mapping.machine),
        "output_cycle": outputs.cycle,
        "output_data": outputs.data,
        "output_last": outputs.last,
        "group_bits": np.array(mapping.machine.requantisers * mapping.machine.digit),
        **_weight_vectors(mapping, mapping.batches(len(q)), pauses.weight_gaps),
    }


def _weight_vectors(mapping: Mapping, batches: int, gaps: Sequence[int] | None) -> dict[str, NDArray[Any]]:
    """The weight stream of so many batches, where the machine has one."""
    if not mapping.machine.weight_stream_bytes:
        return {}
    data, last = weight_words(mapping)
    pauses = memory_gaps(mapping, batches) if gaps is None else np.asarray(gaps, np.int64)
    return {"weight_data": data, "weight_last": last, "weight_gaps": pauses}


def weight_words(mapping: Mapping) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One batch's words of the weight stream: data uint8 (W, bytes of a word), last (W,)."""
    machine, words = mapping.machine, mapping.image.streamed
    padded = np.zeros((len(words), machine.weight_beats * machine.weight_stream_bytes), np.uint8)
    padded[:, : words.shape[1]] = words
    data = padded.reshape(-1, machine.weight_stream_bytes)
    return data, np.arange(len(data)) == len(data) - 1


def stream_words(
    values: NDArray[np.integer], width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Input words of images (n, positions, channels): data uint8 (W, width), bytes that count (W,), last (W,).

    Every position begins with a new word; the last word of an image is marked.
    """
    images, positions, channels = values.shape
    beats = -(-channels // width)
    padded = np.zeros((images, positions, beats * width), np.uint8)
    padded[:, :, :channels] = values
    kept = np.full((images, positions, beats), width, np.uint8)
    kept[:, :, -1] = channels - (beats - 1) * width
    last = np.zeros((images, positions * beats), bool)
    last[:, -1] = True
    return padded.reshape(-1, width), kept.ravel(), last.ravel()


def _pack_words(writes: Writes, machine: Machine) -> NDArray[np.uint8]:
    """The written words, uint8 (W, bytes), lane n in bits n * digit and up."""
    bits = np.unpackbits(writes.data[:, :, None], axis=2, count=machine.digit, bitorder="little")
    return np.packbits(bits.reshape(len(bits), -1), axis=1, bitorder="little")
