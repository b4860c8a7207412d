"""One output of one layer at every level: the tables of docs/architecture.md.

    python -m bench.follow

The network is the bundled `digits`, the machine `tiny`, the layer its first, the output number 0, the image the
first of the test. Every value is read from the level it belongs to, none is computed from another level's.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from bcsim.api import compile, load
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.mapping.weight_words import matching_constants, unpack_weights
from bcsim.compiler.program.layers import Divide, Encoding, Program
from bcsim.data import Dataset, load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import program_input
from bcsim.machine.latency import array_latency, shadow_latency
from bcsim.machine.parameters import parse_machine
from bcsim.results.model import Model
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.simulator.array import load_layer
from bcsim.simulator.simulator import MachineRun, run_machine

__all__ = ["MACHINE", "NETWORK", "Rows", "follow", "table"]

NETWORK, MACHINE = "digits", "tiny"

Rows: TypeAlias = list[tuple[str, str]]
"""What a value is, and the value as the page has it."""


def follow() -> dict[str, Rows]:
    """The rows of every level, in the order in which the network passes through them."""
    model = load(NETWORK)
    program = compile(model)
    mapping = map_program(program, parse_machine(MACHINE))
    image = load_dataset(NETWORK, "test", 1)
    q = program_input(program, image).astype(np.uint8)
    return {
        "The ONNX file": _onnx_rows(model, image),
        "The program": _program_rows(program, q),
        "The mapping": _mapping_rows(mapping),
        "The simulator": _simulator_rows(run_machine(mapping, q, record=1)),
        "The Verilog": _verilog_rows(mapping),
    }


def table(rows: Rows) -> str:
    """Rows as a table in Markdown."""
    return "\n".join(["| what | value |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def _onnx_rows(model: Model, image: Dataset) -> Rows:
    """What the file holds of output 0, and what the float network makes of the image."""
    file = onnx.load(model.path)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
    nodes = [node for node in file.graph.node if node.op_type != "DequantizeLinear"][:3]
    pixels = image.x.reshape(1, -1).astype(np.float32) * np.float32(2 / image.full) - np.float32(1)
    names = [node.output[0] for node in nodes]
    product, normalised, activation = (
        float(x[0, 0]) for x in ReferenceEvaluator(file).run(names, {file.graph.input[0].name: pixels})
    )
    column = stored["weight1"][:, 0]
    gamma, beta, mean, variance = (float(stored[name][0]) for name in nodes[1].input[1:])
    return [
        ("nodes", ", ".join(f"`{node.name}` ({node.op_type})" for node in nodes)),
        ("weights of all outputs", f"{stored['weight1'].shape[0]} x {stored['weight1'].shape[1]}"),
        ("weights of output 0, first eight", _signs(column[:8])),
        ("weights of output 0 that are -1", f"{np.count_nonzero(column < 0)} of {len(column)}"),
        ("its gamma, beta, mean, variance", f"{gamma:.4f}, {beta:.4f}, {mean:.4f}, {variance:.4f}"),
        ("product for the image", f"{product:.4f}"),
        ("behind the batch normalisation, behind the ReLU", f"{normalised:.4f}, {activation:.4f}"),
    ]


def _program_rows(program: Program, q: NDArray[np.uint8]) -> Rows:
    """The first layer's integers, and what they make of the image."""
    layer = program.layers[0]
    divide = layer.requantiser
    assert isinstance(divide, Divide)
    execution = execute(program, q, keep=True)
    result = int(execution.hidden[0][0, 0])
    return [
        ("input", _encoding(layer.source)),
        ("output", _encoding(layer.target)),
        ("least and greatest accumulator", f"{layer.low}, {layer.high}"),
        ("requantiser", f"`Divide` with F = {divide.fraction_bits}"),
        ("T and D of output 0", f"{divide.offset[0]}, {divide.divisor[0]}"),
        ("input q of the image, values 32 to 39", ", ".join(str(value) for value in q[0, 32:40])),
        ("accumulator of output 0", str(int(layer.weights()[0] @ q[0].astype(np.int64)))),
        ("its q", str(result)),
        ("what q means", f"{float(layer.target.decode(np.array(result))):.4f}"),
    ]


def _mapping_rows(mapping: Mapping) -> Rows:
    """Where the first layer lies in the memories, and its first words."""
    placed, machine, image = mapping.layers[0], mapping.machine, mapping.image
    nest = placed.nest
    last = placed.write_base + nest.output_words - 1
    weights, sign_bits = unpack_weights(image.weights[: nest.tile_words], machine)
    minus, signs = np.count_nonzero(weights[:, 0] < 0), sign_bits[:, 0].sum()
    constant = matching_constants(weights, sign_bits, machine.digit, nest.digits)[:, 0].sum()
    return [
        (
            "loop nest",
            f"{nest.tiles} tiles of {nest.chunks} chunks of {nest.digits} digits: {nest.steps} steps",
        ),
        (
            "input words",
            " or ".join(f"{base} to {base + nest.source_words - 1}" for base in placed.read_bases),
        ),
        ("output words", f"{placed.write_base} to {last}"),
        ("weight words", f"{nest.weight_words} of {machine.lanes * machine.pes} bits"),
        ("weight word 0", f"`{bytes(image.weights[0])[::-1].hex()}`"),
        ("output 0: weights of -1, pairs whose sign bit is set", f"{minus}, {signs}"),
        ("output 0: constant that the array adds", str(constant)),
        ("rounds of a tile, cycles of a round", f"{nest.rounds_full}, {nest.round_cycles}"),
        ("parameter word 0 of requantiser 0: offset", str(image.offsets[0, 0])),
        ("parameter word 0 of requantiser 0: divisor", str(image.divisors[0, 0])),
        ("issue record 0", f"`{image.issue[0]:x}`"),
    ]


def _simulator_rows(run: MachineRun) -> Rows:
    """When output 0 is computed, and the writes that carry it."""
    mapping, machine = run.mapping, run.mapping.machine
    placed, times = mapping.layers[0], run.schedules[0].image_times
    layer, nest = times.layers[0], placed.nest
    memory = np.zeros((1, mapping.activation_words, machine.lanes), dtype=np.uint8)
    loaded = nest.source_words
    memory[0, run.writes.address[:loaded]] = run.writes.data[:loaded]
    step = load_layer(mapping, placed)
    sums = step.accumulate(step.read(memory, np.array(placed.read_bases[:1])))
    accumulator, done = int(sums.ravel()[0]), int(layer.last[0])
    remainder = (accumulator << machine.fraction_bits) - int(step.offsets[0])
    first = int(times.round_writes[0][0])
    written = [
        int(np.flatnonzero(run.writes.cycle == first + digit)[0]) for digit in range(nest.target_digits)
    ]
    return [
        ("first input word accepted, image loaded", f"cycle 0, cycle {int(times.load_writes[-1]) + 1}"),
        ("steps of tile 0", f"cycles {layer.first} to {done}"),
        ("accumulator of element 0, constant included", str(accumulator)),
        ("tile 0 in the shadow registers", f"cycle {done + array_latency(machine)}"),
        ("remainder: accumulator * 2**16 - offset", str(remainder)),
        ("round 0 starts", f"cycle {done + shadow_latency(machine)}"),
        *((f"digit {digit} of round 0", _write(run, index)) for digit, index in enumerate(written)),
        ("class sent", f"{int(run.classes[0])}, in cycle {int(times.scores[-1])}"),
    ]


def _verilog_rows(mapping: Mapping) -> Rows:
    """What the memories hold at power-up, read back from the files that the Verilog loads."""
    machine = mapping.machine
    verilog = to_verilog(Accelerator(machine, image=mapping.image), "accelerator")
    word = {name: lines.splitlines()[0] for name, lines in verilog.images.items()}
    both, divisor = verilog.images["parameter_memory_0_words.mem"].splitlines()[:2]
    offset = int(both, 16) - int(divisor, 16)
    return [
        ("`issue_memory_words.mem`, word 0", f"`{word['issue_memory_words.mem']}`"),
        ("`weight_memory_words.mem`, word 0", f"`{word['weight_memory_words.mem']}`"),
        ("`parameter_memory_0_words.mem`, word 0: offset and divisor", f"`{both}`"),
        ("`parameter_memory_0_words.mem`, word 1: divisor", f"`{divisor}`"),
        ("their difference: offset", str(offset)),
    ]


def _signs(weights: NDArray[np.generic]) -> str:
    return " ".join("-" if weight < 0 else "+" for weight in weights.tolist())


def _encoding(encoding: Encoding) -> str:
    """What its integers mean; a scale that is no small fraction is rounded."""
    small = encoding.scale == Fraction(encoding.scale).limit_denominator(1000)
    scale = str(encoding.scale) if small else f"{float(encoding.scale):.6f}"
    offset = f" - {-encoding.offset}" if encoding.offset < 0 else ""
    return f"q of {encoding.bits} bits, x = {scale} q{offset}"


def _write(run: MachineRun, index: int) -> str:
    """A write to the activation memory, in words."""
    writes, machine = run.writes, run.mapping.machine
    group = int(np.flatnonzero(writes.mask[index])[0])
    lanes = writes.data[index][group * machine.requantisers : (group + 1) * machine.requantisers]
    values = ", ".join(str(value) for value in lanes)
    return f"cycle {writes.cycle[index]}, word {writes.address[index]}, group {group}: {values}"


def main() -> None:
    """Print every level's table."""
    for level, rows in follow().items():
        print(f"{level}\n\n{table(rows)}\n")


if __name__ == "__main__":
    main()
