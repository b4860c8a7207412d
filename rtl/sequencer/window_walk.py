"""Where the steps of a convolution read: addresses, and the padding around the tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import ADDRESS_BITS, COORDINATE_BITS, address_bits
from bcsim.rtl.common.records import issue_layout
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.sequencer.loop_order import STREAMED_ISSUE, STRIP, issue_order, with_strips
from bcsim.rtl.sequencer.nested_sum import NestedSum

__all__ = ["STRIDES", "WindowWalk", "window_reads"]


@dataclass(frozen=True, slots=True)
class LoopSum:
    """What steps add up over the loops from `innermost` out.

    strides : the loops that add something, and the record's field that says how much. The innermost adds 1 where none
        does.
    """

    innermost: str
    strides: Mapping[str, str]

    def inside_out(self, loops: Sequence[str]) -> Sequence[str]:
        """Those of a walker's loops that the sum goes over."""
        strips = STRIP in loops and STRIP in self.strides
        return loops[loops.index(STRIP if strips else self.innermost) :]


STRIDES = {
    "strip": "strip_stride",
    "kernel_columns": "kernel_column_stride",
    "kernel_rows": "kernel_row_stride",
    "sources": "source_stride",
    "window_columns": "window_column_stride",
    "window_rows": "window_row_stride",
    "tiles": "tile_stride",
    "columns": "column_stride",
    "rows": "row_stride",
    "streamed_tiles": "tile_stride",
}
"""Each loop's stride in the record, in words."""

WORDS = LoopSum("kernel_columns", STRIDES)
ROWS = LoopSum("kernel_rows", {"window_rows": "down", "rows": "pool_down"})
COLUMNS = LoopSum(
    "kernel_columns", {"strip": "strip_right", "window_columns": "right", "columns": "pool_right"}
)


def window_reads(record: Mapping[str, int], base: int) -> list[tuple[int, bool, int]]:
    """(address, outside, digit of the padding's level, counted from the least significant) of a layer's steps."""
    reads = []
    loops = [name for name in reversed(with_strips(STREAMED_ISSUE).names) if name in record]
    for trip in product(*(range(record[name] + 1) for name in loops)):
        counts = dict(zip(loops, trip, strict=True))
        if counts["columns"] == record["columns"] and counts.get(STRIP, 0) > record.get("short_strip", 0):
            continue
        address = base + record["origin"] + counts["chunks"] * (record["digits"] + 1) + counts["digits"]
        address += sum(counts[name] * record[STRIDES[name]] for name in loops if name in STRIDES)
        row = (
            record["top"]
            + counts["kernel_rows"]
            + sum(counts[n] * record[s] for n, s in ROWS.strides.items())
        )
        column = (
            record["left"]
            + counts["kernel_columns"]
            + sum(counts[n] * record[s] for n, s in COLUMNS.strides.items() if n in counts)
        )
        outside = (
            row % 2**COORDINATE_BITS >= record["height"] or column % 2**COORDINATE_BITS >= record["width"]
        )
        reads.append((address % 2**ADDRESS_BITS, outside, record["digits"] - counts["digits"]))
    return reads


class WindowWalk(wiring.Component):
    """The activation address of every step of a layer, and which steps lie outside of the tensor.

    Latency: 1 cycle from `start` or `advance` to the outputs.

    Parameters
    ----------
    machine : Machine
        A spatial one.

    Members
    -------
    start : In(1)
        The layer's first step comes in the next cycle.
    record : In(issue_layout(machine))
        The layer, in the cycle of `start`.
    base : In(ADDRESS_BITS)
        The first source's first word, in the cycle of `start`.
    layer : In(issue_layout(machine))
        The layer, behind `start`.
    advance : In(1)
        A step is issued.
    turns, ends : In(StructLayout)
        As in NestedLoops, of the machine's loops.
    address : Out(address_bits(machine.activation_words))
    pad : Out(1)
        The step reads the padding.
    pad_digit : Out(machine.digit)
        What every lane of the padding holds.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        order = issue_order(machine)
        self.loops, self.strips = order.names, order.strips
        flags = In(StructLayout(dict.fromkeys(self.loops, 1)))
        super().__init__(
            {
                "start": In(1),
                "record": In(issue_layout(machine)),
                "base": In(ADDRESS_BITS),
                "layer": In(issue_layout(machine)),
                "advance": In(1),
                "turns": flags,
                "ends": flags,
                "address": Out(address_bits(machine.activation_words)),
                "pad": Out(1),
                "pad_digit": Out(machine.digit),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, record = self.layer, self.record
        width = len(self.address)
        strides = {"words": 1} | self._strides(WORDS, width)
        if self.strips:
            strides["chunks"] = min(len(layer.digits) + 1, width)
        m.submodules.words = words = NestedSum(width=width, strides=strides)
        m.submodules.row = row = self._position(ROWS, len(record.top))
        m.submodules.column = column = self._position(COLUMNS, len(record.left))
        self._connect(m, words, WORDS)
        self._connect(m, row, ROWS)
        self._connect(m, column, COLUMNS)
        m.d.comb += [
            words.turns.words.eq(self.turns.digits if self.strips else self.turns.digits | self.turns.chunks),
            words.strides.words.eq(1),
            words.initial.eq(self.base + record.origin),
            row.strides.kernel_rows.eq(1),
            row.initial.eq(record.top),
            column.strides.kernel_columns.eq(1),
            column.initial.eq(record.left),
            self.address.eq(words.value),
            # As unsigned numbers negative positions are beyond the tensor's end, too.
            self.pad.eq((row.value >= layer.height) | (column.value >= layer.width)),
        ]
        if self.strips:
            m.d.comb += words.strides.chunks.eq(layer.digits + 1)
        self._select_digit(m)
        return m

    def _strides(self, sums: LoopSum, most: int) -> dict[str, int]:
        """Stride widths of the loops that the sum goes over."""
        layout, fields = issue_layout(self.machine), sums.strides
        return {
            name: min(layout[fields[name]].width, most) if name in fields else 0
            for name in sums.inside_out(self.loops)
        }

    def _position(self, sums: LoopSum, width: int) -> NestedSum:
        return NestedSum(width=width, strides=self._strides(sums, width) | {sums.innermost: 1})

    def _connect(self, m: Module, total: NestedSum, sums: LoopSum) -> None:
        m.d.comb += [total.start.eq(self.start), total.advance.eq(self.advance)]
        m.d.comb += [total.turns[name].eq(self.turns[name]) for name in total.loops if name in self.loops]
        m.d.comb += [
            total.strides[name].eq(self.layer[field])
            for name, field in sums.strides.items()
            if name in total.counting and name in self.loops
        ]

    def _select_digit(self, m: Module) -> None:
        """The digit of the padding's level that the step would read."""
        digit = Signal.like(self.layer.digits)
        with m.If(self.start):
            m.d.sync += digit.eq(self.record.digits)
        with m.Elif(self.advance):
            m.d.sync += digit.eq(Mux(self.ends.digits, self.layer.digits, digit - 1))
        # As wide as every digit that may be selected, however narrow the record's field is.
        level = Signal(self.machine.digit << len(digit))
        m.d.comb += [
            level.eq(self.layer.pad_level),
            self.pad_digit.eq(level.word_select(digit, self.machine.digit)),
        ]
