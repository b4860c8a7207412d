"""A program's result as formulas of its image, and the hardware's in every cycle, for all images at once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.program.classes import least_positive
from bcsim.compiler.program.geometry import taps, window_corners
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Program
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.accelerator_bench import Sink, Source, integers
from bcsim.rtl.formal.aig import FALSE, TRUE, Graph, is_never
from bcsim.rtl.formal.unrolled import Unrolled, netlist_of
from bcsim.rtl.generate.vectors import stream_words
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import run_machine, stream_values

Word: TypeAlias = list[int]
"""Literals, the lowest bit first."""
Values: TypeAlias = list[Word]
"""A tensor's values, row by row, channels innermost."""


PATTERN = 8192
ALL = (1 << PATTERN) - 1


class Patterns:
    """What literals are for some thousand random values of all variables: equal literals have equal patterns."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self._random = graph, random.Random(1)
        self._found = {0: 0}

    def of(self, literal: int) -> int:
        """A literal's pattern."""
        waiting = [literal & ~1]
        while waiting:
            gate = waiting[-1]
            left = [n & ~1 for n in self.graph.operands.get(gate, ()) if n & ~1 not in self._found]
            waiting.extend(left)
            if not left:
                self._found[waiting.pop()] = self._value(gate)
        return self._inverted(literal)

    def _value(self, variable: int) -> int:
        if variable in self._found:
            return self._found[variable]
        if variable not in self.graph.operands:
            return self._random.getrandbits(PATTERN)
        a, b = self.graph.operands[variable]
        return self._inverted(a) & self._inverted(b)

    def _inverted(self, literal: int) -> int:
        return self._found[literal & ~1] ^ (ALL if literal & 1 else 0)


class Reference:
    """The integer program on formulas, from its definition in compiler/program/layers.py.

    A requantiser is the table of its own `apply` over all accumulators. Behind every layer but the last stand fresh
    variables: what is proved of the next one holds for all that it may read.

    packets : the output words of each image, scores in order, then the class.
    """

    def __init__(self, graph: Graph, program: Program, images: Sequence[Values]) -> None:
        self.graph, self.program = graph, program
        self._cuts: dict[int, tuple[int, int]] = {}
        self.same: list[tuple[int, int]] = []
        self._patterns = Patterns(graph)
        self.packets = [self._packet(image) for image in images]

    def cut(self, literal: int) -> tuple[int, int] | None:
        """The formula of a tensor's bit that a literal seems to be, and the variable that stands for it behind."""
        return self._cuts.get(self._patterns.of(literal))

    def _packet(self, image: Values) -> Values:
        tensors = {"": image}
        before = image
        for layer in self.program.layers:
            sources = [tensors[name] for name in layer.sources] if isinstance(layer, ConvLayer) else [before]
            before = self._layer(layer, sources)
            if layer is not self.program.layers[-1]:
                before = [[self._fresh(bit) for bit in word] for word in before]
            tensors[layer.name] = before
        return [*before, self._class(before)]

    def _fresh(self, bit: int) -> int:
        """A variable for a tensor's bit, the same for equal ones; that they are equal is one more thing to prove."""
        pattern = self._patterns.of(bit)
        if pattern in (0, ALL):
            return bit
        formula, variable = self._cuts.setdefault(pattern, (bit, 0))
        if not variable:
            variable = self.graph.variable()
            self._cuts[pattern] = formula, variable
        if formula != bit:
            self.same.append((formula, bit))
        return variable

    def _layer(self, layer: DenseLayer, sources: Sequence[Values]) -> Values:
        geometry = layer.geometry
        weights = layer.weights()
        rows, columns = window_corners(geometry)
        outputs = []
        for ys, xs in zip(rows.tolist(), columns.tolist(), strict=True):
            for output in range(layer.outputs):
                pooled = [
                    self._value(layer, sources, weights, y, x, output) for y, x in zip(ys, xs, strict=True)
                ]
                minimum = isinstance(layer, ConvLayer) and layer.minimum is not None and layer.minimum[output]
                outputs.append(self._extreme(pooled, bool(minimum)))
        return outputs

    def _value(
        self, layer: DenseLayer, sources: Sequence[Values], weights: np.ndarray, y: int, x: int, output: int
    ) -> Word:
        """q of an output at the window whose first tap is there."""
        window = self._window(layer, sources, y, x, output)
        terms = [(int(w), q) for w, q in zip(weights[output], window, strict=True)]
        return self._requantise(layer, output, self._sum(terms, layer.low, layer.high))

    def _window(
        self, layer: DenseLayer, sources: Sequence[Values], y: int, x: int, output: int
    ) -> Iterator[Word]:
        geometry = layer.geometry
        group = output * geometry.groups // layer.outputs
        for source, row, column in taps(geometry):
            channels = geometry.channels[source]
            each = channels // geometry.groups
            inside = 0 <= y + row < geometry.height and 0 <= x + column < geometry.width
            place = ((y + row) * geometry.width + x + column) * channels + group * each
            pad = [geometry.pad_level >> bit & 1 for bit in range(layer.source.bits)]
            yield from sources[source][place : place + each] if inside else [pad] * each

    def _sum(self, terms: Sequence[tuple[int, Word]], low: int, high: int) -> Word:
        """The sum of products in two's complement, of as many bits as low to high needs."""
        width = max(high, -low, 1).bit_length() + 2
        total = [FALSE] * width
        for weight, q in terms:
            for shift in range(abs(weight).bit_length()):
                if abs(weight) >> shift & 1:
                    padded = ([FALSE] * shift + q + [FALSE] * width)[:width]
                    negative = weight < 0
                    total = self._add(total, [bit ^ negative for bit in padded], int(negative))
        return total

    def _add(self, a: Word, b: Word, carry: int) -> Word:
        graph, result = self.graph, []
        for x, y in zip(a, b, strict=True):
            half = graph.differ(x, y)
            result.append(graph.differ(half, carry))
            carry = graph.either(graph.both(x, y), graph.both(half, carry))
        return result

    def _requantise(self, layer: DenseLayer, output: int, accumulator: Word) -> Word:
        values = np.arange(layer.low, layer.high + 1)
        columns = np.zeros((len(values), layer.outputs), np.int64)
        columns[:, output] = values
        table = layer.requantiser.apply(columns)[:, output].tolist()
        bits = [FALSE] * layer.target.bits
        for value, q in zip(values.tolist(), table, strict=True):
            here = TRUE
            for place, bit in enumerate(accumulator):
                here = self.graph.both(here, bit if value >> place & 1 else bit ^ 1)
            bits = [self.graph.either(bit, here) if q >> n & 1 else bit for n, bit in enumerate(bits)]
        return bits

    def _above(self, a: Word, b: Word) -> int:
        """a > b, unsigned."""
        found = FALSE
        for x, y in zip(a, b, strict=True):
            found = self.graph.choose(self.graph.differ(x, y), x, found)
        return found

    def _extreme(self, values: Values, minimum: bool) -> Word:
        best = values[0]
        for value in values[1:]:
            better = self._above(best, value) if minimum else self._above(value, best)
            best = [self.graph.choose(better, new, old) for new, old in zip(value, best, strict=True)]
        return best

    def _class(self, scores: Values) -> Word:
        """The first greatest, or of one score whether it is positive."""
        if len(scores) == 1:
            least = least_positive(self.program.layers[-1].target) - 1
            if least < 0:
                return [TRUE]
            bound = [least >> n & 1 for n in range(17)]
            return [self._above([*scores[0], *[FALSE] * 17][:17], bound)]
        best, index = scores[0], [FALSE] * 16
        for number, score in enumerate(scores[1:], 1):
            better = self._above(score, best)
            best = [self.graph.choose(better, new, old) for new, old in zip(score, best, strict=True)]
            index = [self.graph.choose(better, number >> n & 1, old) for n, old in enumerate(index)]
        return index


def stream_literals(mapping: Mapping, images: Sequence[Values]) -> list[tuple[Any, int, int]]:
    """The input stream of images: literals of each word, the bytes that count, and whether it is an image's last."""
    count, inputs = len(images), mapping.program.inputs
    # Numbers stand for values, the first ones for themselves: the host fills in the padding of windows.
    constants = 1 + mapping.program.layers[0].geometry.pad_level
    places = constants + np.arange(count * inputs).reshape(count, inputs)
    data, kept, last = stream_words(stream_values(mapping, places), mapping.machine.input_bytes)
    values = [[level >> bit & 1 for bit in range(8)] for level in range(constants)]
    values += [[*value, *[FALSE] * 8][:8] for image in images for value in image]
    words = [[bit for place in row for bit in values[place]] for row in data.tolist()]
    return list(zip(words, kept.tolist(), last.tolist(), strict=True))


class _Pins:
    """Pins as the benches' sources and sinks know them."""

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, SimpleNamespace(value=value))


class Machine:
    """A mapped program's accelerator with symbolic images, run cycle by cycle as `play` of accelerator_bench.py does.

    images : how many, one after another. pauses : of source and sink.
    """

    def __init__(self, mapping: Mapping, images: int, pauses: Pauses) -> None:
        self.mapping, self.pauses = mapping, pauses
        self.unrolled = Unrolled(netlist_of(Accelerator(mapping.machine, mapping.image)))
        bits, inputs = mapping.program.input.stream.bits, mapping.program.inputs
        variable = self.unrolled.graph.variable
        self.images = [[[variable() for _ in range(bits)] for _ in range(inputs)] for _ in range(images)]
        self.reference = Reference(self.unrolled.graph, mapping.program, self.images)
        self.same = list(self.reference.same)

    def play(self, cycles: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, Word, bool]]]:
        """Writes (cycle, address, groups) and output words (cycle, data, last). Raises ValueError where a cycle in
        which something is written or sent depends on the images."""
        pins = _Pins(s_axis_tvalid=0, s_axis_tdata=[], s_axis_tlast=0, s_axis_tkeep=0, s_axis_tready=0)
        words = stream_literals(self.mapping, self.images)
        outputs = len(self.images) * (self.mapping.program.classes + 1)
        source = Source(pins, words, self.pauses.before_words(0, len(words)).tolist())
        sink = Sink(
            _Pins(m_axis_tready=0, m_axis_tvalid=0, m_axis_tdata=0, m_axis_tlast=0),
            self.pauses.behind_words(0, outputs).tolist(),
        )
        written, sent, zero = [], [], None
        for now in range(cycles):
            source.drive()
            sink.drive()
            self._settle(pins, sink)
            if source.sample() and zero is None:
                zero = now
            cycle = now - (zero or 0)
            stand_ins = {}
            if groups := self.unrolled.constant("monitor__write_enable"):
                written.append((cycle, self.unrolled.constant("monitor__write_address"), groups))
                stand_ins = self._stand_ins(groups)
            if word := sink.sample():
                sent.append((cycle, self.unrolled.output("m_axis__tdata"), word[1]))
            if len(sent) == outputs:
                break
            self.unrolled.tick()
            self.unrolled.replace(stand_ins)
        return written, sent

    def _stand_ins(self, groups: int) -> dict[int, int]:
        """The variables that stand for the bits that are written from here on; that they may is to be proved."""
        width = self.mapping.machine.requantisers * self.mapping.machine.digit
        stand_ins = {}
        for place, bit in enumerate(self.unrolled.output("monitor__write_data")):
            if bit > TRUE and groups >> place // width & 1 and (found := self.reference.cut(bit)):
                self.same.append((bit, found[0]))
                stand_ins[bit] = found[1]
        return stand_ins

    def _settle(self, pins: Any, sink: Sink) -> None:
        one = {"tvalid": pins.s_axis_tvalid, "tlast": pins.s_axis_tlast}
        driven = {f"s_axis__{name}": [pin.value] for name, pin in one.items()}
        size = self.mapping.machine.input_bytes
        driven["s_axis__tkeep"] = [pins.s_axis_tkeep.value >> n & 1 for n in range(size)]
        driven["s_axis__tdata"] = (pins.s_axis_tdata.value + [FALSE] * 8 * size)[: 8 * size]
        driven["m_axis__tready"] = [sink.dut.m_axis_tready.value]
        self.unrolled.settle(driven)
        pins.s_axis_tready.value = self.unrolled.constant("s_axis__tready")
        for name in ("tvalid", "tlast"):
            getattr(sink.dut, f"m_axis_{name}").value = self.unrolled.constant(f"m_axis__{name}")


def prove(mapping: Mapping, images: int, pauses: Pauses, limit: int = 300) -> int:
    """Prove that the accelerator sends what the program computes, for all images, and writes and sends when and where
    the simulator does; how many bits of output words are formulas of the images.

    Raises AssertionError where that does not hold.
    """
    q = np.zeros((images, mapping.program.inputs), np.uint8)
    expected = run_machine(mapping, q, record=images, pauses=pauses)
    hardware = Machine(mapping, images, pauses)
    written, sent = hardware.play(expected.outputs.cycle[-1] + 100)
    masks = np.packbits(expected.writes.mask, axis=1, bitorder="little")
    places = zip(expected.writes.cycle, expected.writes.address, integers(masks), strict=True)
    assert written == [tuple(map(int, place)) for place in places], "writes: when and where"
    times = zip(expected.outputs.cycle.tolist(), expected.outputs.last.tolist(), strict=True)
    assert [(cycle, last) for cycle, _, last in sent] == list(times), "output words: when"
    graph = hardware.unrolled.graph
    wanted = [word for packet in hardware.reference.packets for word in packet]
    bits = [
        (found, bit)
        for (_, data, _), word in zip(sent, wanted, strict=True)
        for found, bit in zip(data, [*word, *[FALSE] * 32][:32], strict=True)
    ]
    different = graph.any(graph.differ(found, bit) for found, bit in (*hardware.same, *bits))
    assert is_never(graph, different, limit), (
        "output words differ for some images, or ABC does not tell in time"
    )
    return sum(found > TRUE for found, _ in bits)
