"""Published chips as a second witness of the energy model: what it says of machines as near to them as there are.

A chip's published figures give node, voltage, lanes a cycle and, of TCN-CUTIE, the network's layers and channels. The
counted energy of that network, 45 nm at 0.9 V, is scaled as a switched capacitance: with the feature size and with the
voltage's square. Off-chip traffic is left out, as it is in the published figures.

Not published where it could be had: ChewBaccaNN's network of 1.3 uJ, and the sizes of TCN-CUTIE's layers. So the first
is held to its energy an operation, with kernels of 7 x 7, and the second's pooling is assumed behind layers 3 and 6.

python -m bench.chips [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import numpy as np

from bcsim.compiler.mapping.fitted_machine import sized_machine
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import (
    ConvLayer,
    Divide,
    Encoding,
    InputCoding,
    Program,
    Requantiser,
    Search,
    WeightPlane,
)
from bcsim.costs.counts import count_mapping
from bcsim.costs.energy import TABLES, energy_of, load_table
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.simulator.cycles import scheduled_cycles
from bench.common import run_main

NODE, VOLTS = 45.0, 0.9
"""Of the table horowitz-45nm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """channels, kernel, sizes : of the network's layers; one whose next one is smaller is pooled. inputs : channels of
    the first. bits, planes : of activations and weights. published : fJ an operation or uJ an image.
    """

    name: str
    source: str
    node: float
    volts: float
    machine: str
    inputs: int
    channels: int
    kernel: int
    sizes: Sequence[int]
    bits: int
    planes: int
    published: float
    an_image: bool


CHIPS = (
    Chip(
        name="ChewBaccaNN",
        source="arXiv 2005.07137: 22 nm, 0.4 V, 241 GOp/s at 154 MHz (784 lanes), 223 TOp/s/W with 7 x 7 kernels",
        node=22.0,
        volts=0.4,
        machine="lanes=28,pes=28,digit=1,activation_bits=1,requantisers=4,spatial=true,reuse=8",
        inputs=56,
        channels=56,
        kernel=7,
        sizes=(32, 32),
        bits=1,
        planes=1,
        published=1000 / 223,
        an_image=False,
    ),
    Chip(
        name="TCN-CUTIE",
        source="arXiv 2212.00688: 22 nm, 0.5 V, ternary, 9 layers of 96 channels, CIFAR-10, 2.72 uJ an image",
        node=22.0,
        volts=0.5,
        machine="lanes=96,pes=96,digit=2,activation_bits=2,requantisers=8,spatial=true,reuse=8",
        inputs=3,
        channels=96,
        kernel=3,
        sizes=(32, 32, 32, 16, 16, 16, 8, 8, 8),
        bits=2,
        planes=2,
        published=2.72,
        an_image=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """counted : uJ at 45 nm. predicted, published : in the chip's unit. by_part : share of each part."""

    chip: str
    operations: int
    cycles: float
    counted: float
    predicted: float
    published: float
    ratio: float
    by_part: Mapping[str, float]


def network(chip: Chip) -> Program:
    """The chip's layers with random weights; a layer's geometry decides every count."""
    rng, encoding = np.random.default_rng(0), Encoding(chip.bits, Fraction(1), Fraction(0))
    layers: list[ConvLayer] = []
    for index, size in enumerate(chip.sizes):
        behind = chip.sizes[index + 1] if index + 1 < len(chip.sizes) else size
        pool = Pool((2, 2), (2, 2)) if behind < size else None
        pads = (chip.kernel // 2,) * 4
        kernel = (chip.kernel, chip.kernel)
        channels = chip.channels if index else chip.inputs
        geometry = Geometry(size, size, (channels,), kernel=kernel, pads=pads, pool=pool)
        layers.append(_layer(chip, rng, geometry, f"conv{index}", layers, encoding))
    side = chip.sizes[-1]
    end = Geometry(side, side, (chip.channels,), kernel=(side, side))
    scores = _layer(chip, rng, end, "scores", layers, Encoding(16, Fraction(1), Fraction(0)))
    side = chip.sizes[0]
    return Program(chip.name, InputCoding(encoding, encoding), (chip.inputs, side, side), (*layers, scores))


def _layer(
    chip: Chip,
    rng: np.random.Generator,
    geometry: Geometry,
    name: str,
    before: Sequence[ConvLayer],
    target: Encoding,
) -> ConvLayer:
    outputs = 10 if target.bits > chip.bits else chip.channels
    shape = (outputs, geometry.window_inputs)
    planes = tuple(
        WeightPlane.pack(rng.integers(0, 2, shape, np.int8) * 2 - 1, 0) for _ in range(chip.planes)
    )
    high = geometry.window_inputs * chip.planes * ((1 << chip.bits) - 1)
    if target.bits > chip.bits:
        divisor = np.full(outputs, 1, np.int64)
        requantiser: Requantiser = Divide(target.bits, 0, np.full(outputs, -high, np.int64), divisor)
    else:
        levels = np.linspace(-high / 4, high / 4, (1 << chip.bits) - 1).astype(np.int64)
        requantiser = Search(chip.bits, np.tile(levels, (outputs, 1)))
    reads = (before[-1].name if before else "",)
    source = Encoding(chip.bits, Fraction(1), Fraction(0))
    return ConvLayer(
        name,
        geometry.window_inputs,
        outputs,
        source,
        target,
        planes,
        requantiser,
        -high,
        high,
        True,
        name,
        windows=geometry,
        sources=reads,
        minimum=None,
    )


def predict(chip: Chip) -> Prediction:
    """What the counts say of the chip's network on a machine near to it."""
    program, machine = network(chip), parse_machine(chip.machine)
    found = scheduled_cycles(program, machine)
    sized: Machine = sized_machine(found.placement)
    energy = energy_of(count_mapping(replace(found.placement, machine=sized)), load_table(TABLES[0]))
    parts = {name: pj for name, pj in energy.by_part.items() if name != "io"}
    counted = sum(parts.values()) / 1e6
    hidden = zip(program.layers, found.placement.nests, strict=True)
    # A ternary weight is one operation, though it takes two planes here.
    operations = 2 * sum(layer.inputs * layer.outputs * nest.results for layer, nest in hidden)
    scaled = counted * chip.node / NODE * (chip.volts / VOLTS) ** 2
    predicted = scaled if chip.an_image else scaled * 1e9 / operations
    return Prediction(
        chip=chip.name,
        operations=operations,
        cycles=found.per_image,
        counted=counted,
        predicted=predicted,
        published=chip.published,
        ratio=predicted / chip.published,
        by_part={name: pj / 1e6 / counted for name, pj in parts.items() if pj},
    )


def main() -> None:
    """Predict and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    found = [(chip, predict(chip)) for chip in CHIPS]
    if parser.parse_args().json:
        print(json.dumps([asdict(prediction) for _, prediction in found], indent=2))
        return
    for chip, prediction in found:
        unit = "uJ an image" if chip.an_image else "fJ an operation"
        print(f"{chip.name}: {chip.source}")
        print(
            f"  {prediction.operations / 1e6:,.0f} M operations, {prediction.cycles:,.0f} cycles, "
            f"{prediction.counted:.2f} uJ at {NODE:.0f} nm and {VOLTS} V"
        )
        print(
            f"  predicted {prediction.predicted:.2f} {unit}, published {prediction.published:.2f}: "
            f"{prediction.ratio:.2f} times"
        )
        print("  " + ", ".join(f"{name} {share:.0%}" for name, share in prediction.by_part.items()))


if __name__ == "__main__":
    run_main(main)
