"""A machine fitted to a program: every parameter that decides no cycle as small as the program allows.

What decides cycles stays as it is: lanes, processing elements, digit, requantisers, input buffers, the streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Mapping, Placement, map_program
from bcsim.compiler.mapping.record_words import (
    coordinate_bits,
    drain_record,
    issue_record,
    narrowed,
    stream_record,
    weight_stream_records,
)
from bcsim.compiler.mapping.shortfall import MachineTooSmallError, Shortfall
from bcsim.compiler.mapping.weight_streaming import place_weights
from bcsim.compiler.program.layers import Program, Search
from bcsim.machine.limits import RANGES
from bcsim.machine.parameters import Machine
from bcsim.machine.records import (
    drain_fields,
    issue_fields,
    stream_fields,
    unpack,
    weight_stream_fields,
)

__all__ = ["cycle_machine", "map_fitted", "map_with_enough", "sized_machine"]

ROUNDS = 5
"""Of giving a machine what it lacks: wider fractions or features may need more of something else."""

LEAST_BITS = {
    "wait": 2,
    "digits": 1,
    "scores": 1,
    "last": 1,
    "first": 1,
    "streamed": 1,
    "streams": 1,
    "search": 1,
    "fingerprint": 32,
}
"""Fields that the walkers take apart or count in: the wait starts at LAYER_GAP."""

LOOPS = (
    *(
        "chunks",
        "planes",
        "tiles",
        "sources",
        "kernel_rows",
        "kernel_columns",
        "window_rows",
        "window_columns",
    ),
    *("rows", "columns", "streamed_tiles", "positions", "window"),
)
"""Trip counts, which need no bits where a loop always has one trip; any other field keeps one bit."""


def map_fitted(program: Program, machine: Machine) -> Mapping:
    """The program on the smallest machine of the same speed as `machine`.

    Kept are lanes, pes, digit, reuse, batch, requantisers, input_buffers, input_bytes, the weight stream (whose machine
    also keeps as many weight words as it has room for, at most) and the clock. Everything else, what `machine` says of
    it included, follows from the program: the depths of memories, the widths of accumulators, parameter words and
    record fields, and whether it is spatial or doubles accumulators.

    Raises BcsimError where no machine of these lanes and elements has enough.
    """
    name = f"{machine.name}, fitted" if machine.name != "custom" else "fitted"
    least = replace(
        machine,
        name=name,
        activation_bits=machine.digit,
        accumulator_bits=RANGES["accumulator_bits"][0],
        fraction_bits=0,
        activation_words=RANGES["activation_words"][0],
        weight_words=machine.weight_words if machine.weight_stream_bytes else RANGES["weight_words"][0],
        parameter_words=RANGES["parameter_words"][0],
        layers=1,
        outputs=1,
        shift_planes=False,
        spatial=machine.reuse > 1,
        offset_bits=RANGES["offset_bits"][1],
        step_bits=RANGES["step_bits"][1],
        record_bits="",
    )
    mapping = map_with_enough(program, least)
    mapping = map_with_enough(program, _with_least_steps(mapping))
    found = mapping.machine
    found = replace(found, offset_bits=max(found.offset_bits, found.step_bits + 1))
    return map_program(program, replace(found, record_bits=_record_bits(mapping)))


def cycle_machine(program: Program, machine: Machine) -> Machine:
    """The machine with the features of the one fitted to the program, as far as they decide cycles."""
    layers = program.layers
    widest = max([layer.source.bits for layer in layers] + [layer.target.bits for layer in layers[:-1]])
    return replace(
        machine,
        activation_bits=max(machine.digit, widest),
        spatial=machine.reuse > 1 or not all(layer.geometry.point for layer in layers),
        offset_bits=0,
        step_bits=0,
        record_bits="",
    )


def _with_least_steps(mapping: Mapping) -> Machine:
    """The machine with parameter words as narrow as any may be, and no more weight words than are used."""
    machine = mapping.machine
    return replace(
        machine,
        weight_words=_least_weight_words(mapping),
        offset_bits=machine.accumulator_bits + machine.fraction_bits + 1,
        step_bits=1,
    )


def _least_weight_words(placement: Placement) -> int:
    """Weight words that are used; the machine's own where other layers would stream with so few."""
    machine, used = placement.machine, placement.weight_words
    least = Shortfall(replace(machine, weight_words=max(1, used)))
    nests, _, slots = place_weights(placement.nests, least)
    streamed = [nest.streamed for nest in placement.nests]
    same = slots == placement.slots and [nest.streamed for nest in nests] == streamed
    return used if same else machine.weight_words


def map_with_enough(program: Program, machine: Machine) -> Mapping:
    """The program on the machine or, where it does not fit, on one with more of what it lacks, as much as suffices.

    Raises BcsimError where no machine has enough.
    """
    for _ in range(ROUNDS):
        try:
            return map_program(program, machine)
        except MachineTooSmallError as error:
            machine = _with_more(machine, error)
    return map_program(program, machine)


def _with_more(machine: Machine, lacking: MachineTooSmallError) -> Machine:
    for parameter, least in lacking.needed.items():
        most = RANGES.get(parameter, (0, least))[1]
        if least > most:
            raise BcsimError(f"{lacking}; no machine has {parameter} above {most}")
    needed = dict(lacking.needed)
    if "step_bits" in needed:
        needed["offset_bits"] = max(needed.get("offset_bits", machine.offset_bits), needed["step_bits"] + 1)
    return replace(machine, **needed)  # type: ignore[arg-type]


def sized_machine(placement: Placement) -> Machine:
    """About the machine that `map_fitted` makes for a placed program, in a hundredth of the time.

    Depths and record fields are exact. Accumulators are as wide as the greatest sum of any weights needs, perhaps a bit
    more than that of these weights; parameter words follow from them as those of trained networks do.
    """
    program, machine, nests = placement.program, placement.machine, placement.nests
    requantisers = [layer.requantiser for layer in program.layers]
    fraction = max((r.fraction_bits for r in requantisers if not isinstance(r, Search)), default=0)
    accumulator = min(
        max(_greatest(nest, machine).bit_length() for nest in nests), RANGES["accumulator_bits"][1]
    )
    words = accumulator + fraction
    sized = replace(
        machine,
        accumulator_bits=accumulator,
        fraction_bits=fraction,
        activation_words=max(2, placement.activation_words),
        weight_words=max(1, _least_weight_words(placement)),
        parameter_words=max(2, sum(nest.parameter_span for nest in nests)),
        layers=len(program.layers),
        outputs=program.classes,
        shift_planes=any(nest.doubles for nest in nests),
        offset_bits=words + OFFSET_MARGIN,
        step_bits=max(1, words - STEP_MARGIN),
    )
    general = replace(placement, machine=sized)
    return replace(sized, record_bits=_record_bits(general))


OFFSET_MARGIN, STEP_MARGIN = 2, 2
"""Bits of offsets beyond those of accumulators and fractions, and of divisors below: of the bundled networks 2 and 1 to
6."""


def _greatest(nest: LoopNest, machine: Machine) -> int:
    """No less than any accumulator: every input counts its greatest level, and every second pair its sign."""
    level = (1 << machine.digit * nest.digits) - 1
    inputs = nest.taps * nest.chunks * machine.lanes if nest.cancels else nest.layer.inputs
    planes = sum(1 << plane.shift for plane in nest.layer.planes) * nest.factor
    return planes * (inputs * level + inputs // 4 * (level // ((1 << machine.digit) - 1)))


def _record_bits(placement: Placement) -> str:
    """The least width of every field of the machine's records, in the order in which records have them."""
    widths: dict[str, int] = {}
    for values in _field_values(placement):
        for name, value in values.items():
            least = 0 if name in LOOPS else LEAST_BITS.get(name, 1)
            widths[name] = max(widths.get(name, least), value.bit_length())
    if placement.machine.spatial:
        for layer in placement.layers:
            for name, bits in coordinate_bits(layer).items():
                widths[name] = max(widths[name], bits)
    return " ".join(f"{name}:{bits}" for name, bits in widths.items())


def _field_values(placement: Placement) -> Iterator[dict[str, int]]:
    """What the fields of every record hold on a machine of the narrowest fields; positions as they are, unsigned."""
    machine, slots = placement.machine, placement.slots
    for layer in placement.layers:
        issue, drain = issue_record(layer, machine, slots), drain_record(layer, machine)
        for values in (unpack(issue_fields(machine), issue), unpack(drain_fields(machine), drain)):
            unplaced = {name: 0 for name in ("top", "left") if name in values}
            yield values | narrowed(layer, machine, values) | unplaced
    stream = stream_record(
        placement.layers, machine, slots, placement.beats, placement.position_beats, placement.images
    )
    yield unpack(stream_fields(machine), stream)
    for word in weight_stream_records(placement.nests, machine):
        yield unpack(weight_stream_fields(machine), word)
