"""Random programs and machines from a seed, for tests that hold one level to another.

They use every feature a program can have: 1 to 8 bits in any order, several weight planes with and without
doubling, divided and searched requantisers, offsets that saturate, channels that are constant.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.layers import (
    DenseLayer,
    Divide,
    Encoding,
    InputCoding,
    Program,
    Requantiser,
    Search,
    WeightPlane,
)
from bcsim.machine.parameters import Machine

SHIFTS = ((0,), (0,), (0,), (0, 0), (1, 0), (2, 1, 0), (1, 0, 0))


def _requantiser(rng: np.random.Generator, outputs: int, bits: int, low: int, high: int) -> Requantiser:
    if bits <= 4 and rng.random() < 0.4:
        thresholds = np.sort(rng.integers(low, high + 2, (outputs, 2**bits - 1)), axis=1)
        return Search(bits, thresholds.astype(np.int64))
    fraction = int(rng.integers(0, 7))
    span = max(1, (high - low) << fraction)
    step = np.maximum(1, (span * rng.uniform(0.3, 2, outputs) / 2**bits).astype(np.int64))
    offset = (low << fraction) + (span * rng.uniform(-0.2, 0.9, outputs)).astype(np.int64)
    constant = rng.random(outputs) < (0.1 if bits < 8 else 0)
    step = np.where(constant, span + 1, step)
    offset = np.where(constant, -step * rng.integers(0, 2**bits, outputs) + (low << fraction), offset)
    return Divide(bits, fraction, offset.astype(np.int64), step.astype(np.int64))


def random_layer(
    rng: np.random.Generator, inputs: int, outputs: int, source: Encoding, bits: int, name: str
) -> DenseLayer:
    """A layer with random weights whose requantiser spreads over its accumulators' range."""
    planes = tuple(
        WeightPlane.pack(rng.integers(0, 2, (outputs, inputs)) * 2 - 1, shift)
        for shift in SHIFTS[rng.integers(len(SHIFTS))]
    )
    blank = Divide(bits, 0, np.zeros(outputs, np.int64), np.ones(outputs, np.int64))
    layer = DenseLayer(
        name,
        inputs,
        outputs,
        source,
        Encoding(bits, Fraction(1), Fraction(0)),
        planes,
        blank,
        0,
        0,
        True,
        name,
    )
    weights = layer.weights().astype(np.int64)
    top = source.levels - 1
    low = int(np.minimum(weights, 0).sum(axis=1).min()) * top
    high = int(np.maximum(weights, 0).sum(axis=1).max()) * top
    requantiser = _requantiser(rng, outputs, bits, low, high)
    return DenseLayer(name, inputs, outputs, source, layer.target, planes, requantiser, low, high, True, name)


def random_program(
    rng: np.random.Generator,
    *,
    largest: int = 40,
    layers: int = 4,
    widest: int = 8,
    classes: int | None = None,
) -> Program:
    """Up to `layers` layers of up to `largest` values of up to `widest` bits, ending in `classes` or 1 to 12 scores."""
    count = int(rng.integers(1, layers + 1))
    sizes = rng.integers(1, largest + 1, count + 1)
    drawn = rng.integers(1, 13)
    sizes[-1] = classes or drawn
    bits = [*rng.integers(1, widest + 1, count), 16]
    built: list[DenseLayer] = []
    source = Encoding(int(bits[0]), Fraction(1), Fraction(0))
    for index in range(count):
        built.append(
            random_layer(
                rng, int(sizes[index]), int(sizes[index + 1]), source, int(bits[index + 1]), f"layer{index}"
            )
        )
        source = built[-1].target
    coding = InputCoding(built[0].source, built[0].source)
    return Program("random", coding, (built[0].inputs,), tuple(built))


def random_images(rng: np.random.Generator, program: Program, count: int) -> NDArray[np.uint8]:
    """uint8 (count, inputs); some all least, some all greatest."""
    q = rng.integers(0, program.input.stream.levels, (count, program.inputs))
    extreme = rng.random(count)
    q[extreme < 0.1] = 0
    q[extreme > 0.9] = program.input.stream.levels - 1
    return q.astype(np.uint8)


def random_spatial_machine(rng: np.random.Generator) -> Machine:
    """A small machine that every random convolutional program fits; half of them use a weight again."""
    machine = replace(random_machine(rng), spatial=True, activation_words=16384)
    reuse = int(rng.choice([1, 1, 1, 2, 4, 8]))
    if reuse == 1:
        return machine
    pes, drains = machine.lanes * int(rng.integers(1, 3)), int(rng.integers(1, 3))
    return replace(machine, reuse=reuse, drains=drains, pes=pes)


def random_machine(rng: np.random.Generator) -> Machine:
    """A small machine that every random program of the default size fits."""
    digit = int(rng.choice([1, 2, 4, 8]))
    requantisers = int(rng.choice([1, 2, 4]))
    lanes = int(requantisers * rng.choice([2, 4, 6]))
    return Machine(
        name="random",
        lanes=lanes,
        pes=int(requantisers * rng.integers(1, 6)),
        digit=digit,
        requantisers=requantisers,
        accumulator_bits=20,
        fraction_bits=8,
        activation_words=1024,
        weight_words=65536,
        parameter_words=4096,
        input_buffers=int(rng.integers(1, 3)),
        input_bytes=int(rng.choice([b for b in (1, 2, 4) if lanes % b == 0])),
        shift_planes=True,
        divide_cycles=1 + (lanes % 3 == 0),
        pipeline_registers=max(0, lanes // requantisers - 3),
    )
