"""What a machine is built of, as far as it is counted: adders, bitwise units, registers and memories, block by block.

`tests/bcsim/costs/test_structure.py` holds every block equal to the elaborated Amaranth design, by number and width.
A unit also says when it is at work, so that counts are this inventory times `times_at_work`, and nothing else.

Letters: N lanes, M processing elements, R requantisers, p digit bits, A accumulator bits and F fraction bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bcsim.costs.units import MemoryShape, Unit, When
from bcsim.machine.latency import pipeline_stages, tree_levels
from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS, SLICE_BITS

__all__ = ["CONTROL", "machine_memories", "machine_units"]

FLAGS = 4
"""Flags of a step: valid, last digit, double, last."""


def flag_bits(machine: Machine) -> int:
    """FLAGS and, where weights are used again, whether the pass begins and which of an element's accumulators it is."""
    return FLAGS + (1 + accumulator_bits(machine) if machine.reuse > 1 else 0)


def accumulator_bits(machine: Machine) -> int:
    """Of the number of one of an element's 2 * reuse accumulators."""
    return machine.reuse.bit_length()


CONTROL = (
    "top",
    "registers",
    "issue",
    "drain",
    "drain_writer",
    "loader",
    "output",
    "weight_loader",
    "stream_record",
    "issue_memory",
    "drain_memory",
    "weight_stream_memory",
    "write_arbiter",
    "unanswered",
)
"""Blocks whose registers and logic are not counted: sequencer, streams, bus, and what connects them."""


def machine_memories(machine: Machine) -> dict[str, MemoryShape]:
    """The memories whose traffic is counted, and on a spatial machine the one that keeps pooled values.

    Where weights are used again the accumulators are memories, too, one in each element.
    A parameter memory has two words for each of `parameter_words`, with the bit `minimum` on a spatial machine. Every
    memory has at least two words.
    """
    n, r = machine.lanes, machine.requantisers
    parameter = _with_parity(machine, machine.parameter_bits + machine.spatial)
    kept = machine.reuse * (machine.pes // r)
    pool = {"pool": MemoryShape("pool", machine.drains * r, kept, QUOTIENT_BITS)} if machine.spatial else {}
    sums = MemoryShape("accumulator", machine.pes, 2 * machine.reuse, machine.accumulator_bits)
    shapes = {
        "activation": MemoryShape(
            "activation_memory", machine.activation_banks, machine.bank_words, n * machine.digit
        ),
        "weight": MemoryShape("weight_memory", 1, machine.weight_words, _with_parity(machine, machine.slots)),
        "parameter": MemoryShape("parameter_memory", r, 2 * machine.parameter_words, parameter),
        "output": MemoryShape("output", 1, _score_words(machine), r * QUOTIENT_BITS),
        **({"accumulator": sums} if machine.reuse > 1 else {}),
        **pool,
    }
    return {name: replace(shape, words=max(2, shape.words)) for name, shape in shapes.items()}


def _score_words(machine: Machine) -> int:
    """R scores a word; of several images at once each has a place of as many words as an address counts."""
    words = -(-machine.outputs // machine.requantisers)
    return machine.batch << (words - 1).bit_length() if machine.batch > 1 else words


def _with_parity(machine: Machine, bits: int) -> int:
    """The bits of a program memory's word, with one for every 32 of them where the machine has parity."""
    return bits - (-bits // SLICE_BITS if machine.parity else 0)


def machine_units(machine: Machine) -> tuple[Unit, ...]:
    """Every adder, register and selecting unit between the memories."""
    return (
        *_memory_outputs(machine),
        *(_padding(machine) if machine.spatial else ()),
        *_lanes(machine),
        *_flags(machine),
        *_terms(machine),
        *_sums(machine),
        *_accumulators(machine),
        *_round_selector(machine),
        *_requantisers(machine),
        *(_pool(machine) if machine.spatial else ()),
    )


def _register(name: str, block: str, bits: int, number: int, when: When, shares: str = "") -> Unit:
    return Unit(name, block, "registers", "register", bits, number, when, shares)


def _adder(name: str, block: str, bits: int, number: int, when: When) -> Unit:
    return Unit(name, block, "adders", "adder", bits, number, when)


def _select(name: str, block: str, bits: int, number: int, when: When = When.STEP) -> Unit:
    return Unit(name, block, "select", "bitwise", bits, number, when)


def _memory_outputs(machine: Machine) -> Iterator[Unit]:
    """Behind every memory's own read register one more, which the memory does not contain."""
    memories = machine_memories(machine)
    for memory, when in (("activation", When.READ), ("weight", When.WEIGHT), ("parameter", When.PARAMETER)):
        shape = memories[memory]
        outputs = 1 if memory == "activation" else shape.memories
        yield _register(f"{memory} words", shape.block, shape.word_bits, outputs, when)
        if machine.parity and memory != "activation":
            yield _register(f"{memory} parity flags", shape.block, 1, 3 * shape.memories, when)


def _padding(machine: Machine) -> Iterator[Unit]:
    """What the lanes see outside of a tensor: a multiplexer as wide as a word, its choice two cycles delayed."""
    yield _select("padding", "padding", machine.lanes * machine.digit, 1)
    yield _register("padding flags", "padding", 1, 2, When.STEP)
    yield _register("padding digits", "padding", machine.digit, 2, When.STEP)


def _late_pairs(machine: Machine) -> int:
    """Pairs whose terms have no register of their own: the odd ones of digits of 4 bits and more."""
    return machine.lanes // 4 if machine.digit in (4, 8) else 0


def _lanes(machine: Machine) -> Iterator[Unit]:
    """`same` and `differ` of every pair, once for all elements; a late pair's digits wait for a cycle.

    Of the pipeline's registers the last is behind the pairs, the others are before them.
    """
    pairs, digit, further = machine.lanes // 2, machine.digit, machine.pipeline_registers
    yield _register("late digits", "lanes", 2 * digit, _late_pairs(machine), When.STEP)
    yield _adder("pair sums", "lanes", digit, 2 * pairs, When.STEP)
    yield _register("pairs", "lanes", 2 * (digit + 1), pairs, When.STEP)
    if further:
        yield _register("pipelined digits", "lanes", 2 * pairs * digit, further - 1, When.STEP)
        yield _register("pipelined pairs", "lanes", 2 * (digit + 1), pairs, When.STEP)


def _flags(machine: Machine) -> Iterator[Unit]:
    """A step's flags beside its sums; where there is a Horner stage, each element has its own beside it.

    And the pipeline's registers of weights, which are beside them.
    """
    bits, several = flag_bits(machine), machine.reuse > 1
    cycles = machine.pipeline_registers + tree_levels(machine) + 2
    yield _register("flags", "array", bits, cycles, When.STEP)
    yield _register("tile flag", "array", 1, 1, When.PASS)
    if machine.pipeline_registers:
        yield _register("pipelined weights", "array", machine.slots, pipeline_stages(machine)[1], When.WEIGHT)
    if several:
        yield _register("drained accumulator", "array", accumulator_bits(machine), 1, When.SUM)
        yield _adder("drained accumulator", "array", accumulator_bits(machine), 1, When.SUM)
    if machine.activation_bits > machine.digit:
        yield _register("element flags", "element", bits, machine.pes, When.STEP)
        if several:
            yield _register("accumulator of a tile", "array", accumulator_bits(machine), 1, When.STEP)


def _terms(machine: Machine) -> Iterator[Unit]:
    """Selection and complement of every pair's term in each element, and the first level of additions."""
    pairs, late, pes, width = machine.lanes // 2, _late_pairs(machine), machine.pes, machine.digit + 1
    yield _select("term multiplexers", "terms", width, pairs * pes)
    yield _select("term complements", "terms", width, pairs * pes)
    yield _register("late weights", "terms", 2, late * pes, When.WEIGHT)
    yield _register("terms", "terms", width, (pairs - late) * pes, When.STEP)
    if pairs > 1:
        # ~(~a - b) has ones above a, where a + b has nothing.
        wider = machine.six_input_luts and late > 0
        yield _adder("term sums", "terms", width + wider, pairs // 2 * pes, When.STEP)
        yield _register("term sums", "terms", width + 1, (pairs + 1) // 2 * pes, When.STEP)


def _tree_bounds(machine: Machine) -> list[int]:
    """The greatest values of the operands of an element's tree: sums of two terms, the last one perhaps of one."""
    term, pairs = (2 << machine.digit) - 1, machine.lanes // 2
    return [term * min(2, pairs - first) for first in range(0, pairs, 2)]


def _sums(machine: Machine) -> Iterator[Unit]:
    """The rest of each element's adder tree, no wider than its sums need, and the Horner stage behind it."""
    bounds, adders, registers = _tree_bounds(machine), Counter[int](), Counter[int]()
    while len(bounds) > 1:
        adders.update(bound.bit_length() for bound in bounds[0 : len(bounds) - 1 : 2])
        bounds = [sum(bounds[first : first + 2]) for first in range(0, len(bounds), 2)]
        registers.update(bound.bit_length() for bound in bounds)
    for width, number in adders.items():
        yield _adder("tree sums", "tree", width, number * machine.pes, When.STEP)
    for width, number in registers.items():
        yield _register("tree sums", "tree", width, number * machine.pes, When.STEP)
    if machine.activation_bits > machine.digit:
        yield from _horner(machine, bounds[0])


def _horner(machine: Machine, greatest: int) -> Iterator[Unit]:
    """t = (t << p) + s: the low p bits of s meet zeros, so that the adder is no wider than t before its last digit.

    greatest : of s.
    """
    digit, digits = machine.digit, -(-machine.activation_bits // machine.digit)
    before, whole = (
        sum(greatest << digit * position for position in range(count)).bit_length()
        for count in (digits - 1, digits)
    )
    yield _adder("digit sums", "horner", before, machine.pes, When.STEP)
    yield _register("partial totals", "horner", before, machine.pes, When.STEP)
    yield _register("chunk totals", "horner", whole, machine.pes, When.STEP)


def _accumulators(machine: Machine) -> Iterator[Unit]:
    """An element's accumulator takes a total a chunk, and may double before; its shadow register takes a pass' sum.

    Where there are several, they are a memory, and a pass begins by not taking what is there.
    """
    width, pes, several = machine.accumulator_bits, machine.pes, machine.reuse > 1
    if several:
        yield _select("first sums", "accumulator", width, pes, When.CHUNK)
    if machine.shift_planes:
        yield _select("doubling", "accumulator", width, pes, When.CHUNK)
    yield _adder("accumulations", "accumulator", width, pes, When.CHUNK)
    if not several:
        yield _register("accumulators", "accumulator", width, pes, When.CHUNK)
        yield _register("shadows", "accumulator", width, pes, When.PASS)


def _round_selector(machine: Machine) -> Iterator[Unit]:
    """R of the shadow registers at a time, and the number of the round."""
    position = (machine.pes // machine.requantisers - 1).bit_length()
    yield _register(
        "drained sums",
        "selector",
        machine.requantisers * machine.accumulator_bits,
        machine.drains,
        When.ROUND,
    )
    if position:
        yield _adder("round number", "selector", position, machine.drains, When.ROUND)
        yield _register("round number", "selector", position, machine.drains, When.ROUND)


def _requantisers(machine: Machine) -> Iterator[Unit]:
    """One subtractor: a threshold meets the accumulator above its F fraction bits.

    A division keeps a remainder at its start and after each bit but the last, whose remainder nothing needs. It is
    doubled, so that its bits are those of the offset and one, or of the divisor and three.
    """
    number, width = (
        machine.drains * machine.requantisers,
        max(machine.remainder_bits + 1, machine.divisor_bits + 3),
    )
    low, start = machine.fraction_bits, width - machine.fraction_bits

    def unit(name: str, kind: str, bits: int, when: When, shares: str = "") -> Unit:
        return Unit(name, "requantiser", "requantiser", kind, bits, number, when, shares)

    if machine.divide_cycles == 1 or not low:
        yield unit("subtractions", "adder", width, When.QUOTIENT)
        yield unit("thresholds", "comparator", start, When.THRESHOLD, "subtractions")
    else:
        yield unit("lower subtractions", "adder", low, When.QUOTIENT)
        yield unit("upper subtractions", "adder", start + 1, When.QUOTIENT)
        yield unit("thresholds", "comparator", start, When.THRESHOLD, "upper subtractions")
        yield _register("carries", "requantiser", 1, number, When.QUOTIENT)
    yield unit("distances", "bitwise", width - 1, When.REMAINDER)
    yield _register("remainders", "requantiser", width, number, When.REMAINDER)
    yield _register("directions", "requantiser", 1, number, When.REMAINDER)
    yield _register("found bits", "requantiser", QUOTIENT_BITS, number, When.THRESHOLD)
    yield _register("trial values", "requantiser", QUOTIENT_BITS, number, When.BIT)
    yield _register("values", "requantiser", QUOTIENT_BITS, number, When.ROUND)


def _pool(machine: Machine) -> Iterator[Unit]:
    """A value against the one kept for its channel, bit by bit; one word of the kept ones is written a round."""
    number = machine.drains * machine.requantisers
    yield _register("orders", "pool", 1, 2 * number, When.BIT)
    yield Unit("kept bits", "pool", "requantiser", "bitwise", QUOTIENT_BITS, number, When.BIT)
    yield Unit("kept values", "pool", "requantiser", "bitwise", QUOTIENT_BITS, number, When.ROUND)
    yield _register("kept values", "pool", QUOTIENT_BITS, number, When.ROUND, "pool")


def by_block(units: tuple[Unit, ...]) -> Mapping[tuple[str, str, int], int]:
    """How many units there are by block, kind and width, each piece of hardware once."""
    total: Counter[tuple[str, str, int]] = Counter()
    for unit in units:
        if not unit.shares:
            total[unit.block, unit.kind, unit.bits] += unit.number
    return +total
