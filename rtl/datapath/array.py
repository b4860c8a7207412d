"""The array: lanes, processing elements, and what drains them."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, View
from amaranth.lib.wiring import In, Out

from bcsim.machine.latency import pipeline_stages
from bcsim.machine.parameters import Machine
from bcsim.rtl.common.delay import delayed
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.common.step import StepLayout
from bcsim.rtl.datapath.lanes import Lanes
from bcsim.rtl.datapath.processing_element import ProcessingElement
from bcsim.rtl.datapath.round_selector import RoundSelector

__all__ = ["Array", "processing_element"]


def processing_element(machine: Machine) -> ProcessingElement:
    """One of the machine's processing elements."""
    return ProcessingElement(
        lanes=machine.lanes,
        digit=machine.digit,
        digits=-(-machine.activation_bits // machine.digit),
        width=machine.accumulator_bits,
        doubling=machine.shift_planes,
        reuse=machine.reuse,
        drains=machine.drains,
        six_input_luts=machine.six_input_luts,
    )


class Array(wiring.Component):
    """N lanes and M processing elements with their shadow registers, R of which are drained in a round.

    Where weights are used again every element has several sums to drain, those of a strip's positions in turn.

    Latency: `array_latency(machine) - 3` cycles from `step` to `tile`; one step a cycle, tiles back to back.
    In the cycles of a step issued in cycle t, with the `a` registers of its weight address beyond the first
    (`pipeline_stages(machine)`):

    ============== ========================================================================
    t + 2          `activation`, `step`
    t + 3 + a      `weights`, at least a cycle behind: N * M registers fewer than delaying them here
    s - 2          `tile`, for a tile's last step; s = t + `shadow_latency(machine)`
    s + k * V - 2  `shift`, for round k
    s + k * V      `drained` begins to hold elements k * R to k * R + R - 1
    ============== ========================================================================

    Parameters
    ----------
    machine : Machine
        Its lanes, pes, digit, activation_bits, accumulator_bits, requantisers, shift_planes, reuse, drains and
        pipeline_registers count here.

    Members
    -------
    activation : In(N * p)
        Lane n in bits n * p and up.
    weights : In(N * M)
        Element m in bits m * N and up: for pair j bit 2 * j is sign, bit 2 * j + 1 differ.
    step : In(StepLayout(machine.reuse))
    shift : In(1)
        Two cycles before a round's first: `drained` goes on to its R elements, or a tile's first R.
    tile : Out(1)
        Two cycles before the first of a tile's round 0.
    onward : In(1)
        Where weights are used again, with `shift`: the round is the first of the strip's next position.
    positions : Out(range(machine.reuse))
        Where weights are used again, with `tile`: the strip's positions, minus one.
    alone : In(1)
        Where two positions drain at once: this layer's do not.
    drained : Out(ArrayLayout(A, drains * R))
        The accumulators of the round, one for each requantiser; those of a second position behind those of the first.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "activation": In(machine.lanes * machine.digit),
                "weights": In(machine.lanes * machine.pes),
                "step": In(StepLayout(machine.reuse)),
                "shift": In(1),
                "tile": Out(1),
                **({"onward": In(1), "positions": Out(range(machine.reuse))} if machine.reuse > 1 else {}),
                **({"alone": In(1)} if machine.drains > 1 else {}),
                "drained": Out(ArrayLayout(machine.accumulator_bits, machine.drains * machine.requantisers)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        machine = self.machine
        elements = [processing_element(machine) for _ in range(machine.pes)]
        m.submodules.lanes = lanes = Lanes(
            lanes=machine.lanes, digit=machine.digit, registers=machine.pipeline_registers
        )
        m.d.comb += lanes.activation.eq(self.activation)
        step = self._flags(m, elements[0])
        weights = delayed(m, self.weights, pipeline_stages(machine)[1], "weights")
        for i, element in enumerate(elements):
            m.submodules[f"element_{i}"] = element
            m.d.comb += [
                element.pairs.eq(lanes.pairs),
                element.weights.eq(weights.word_select(i, machine.lanes)),
                element.step.eq(step),
            ]
        restart = self.tile | self.onward if machine.reuse > 1 else self.tile
        shown = [element.shadow for element in elements]
        if machine.drains == 1:
            m.d.comb += self.drained.eq(self._select(m, "selector", shown, restart))
        else:
            width = machine.accumulator_bits
            sets = [[shadow.word_select(index, width) for shadow in shown] for index in range(machine.drains)]
            drained = [self._select(m, f"selector_{i}", words, restart) for i, words in enumerate(sets)]
            m.d.comb += Cat(self.drained).eq(Cat(map(Cat, drained)))
        if machine.reuse > 1:
            self._drain(m, elements, step)
        return m

    def _select(self, m: Module, name: str, shadows: list[Value], restart: Value) -> View:
        """The sums of one position that the round's requantisers see."""
        selector = RoundSelector(
            elements=self.machine.pes,
            requantisers=self.machine.requantisers,
            width=self.machine.accumulator_bits,
        )
        m.submodules[name] = selector
        m.d.comb += [
            Cat(selector.shadows).eq(Cat(shadows)),
            selector.shift.eq(self.shift),
            selector.restart.eq(restart),
        ]
        return selector.drained

    def _drain(self, m: Module, elements: list[ProcessingElement], step: View) -> None:
        """Show the sums of the strip's positions in turn, from the set that its pass has left."""
        last, drained = step.accumulator, Signal.like(step.accumulator)
        if elements[0].horner:
            last = Signal.like(step.accumulator)
            m.d.sync += last.eq(step.accumulator)
        m.d.comb += [self.positions.eq(last), *(element.drained.eq(drained) for element in elements)]
        with m.If(self.tile):
            m.d.sync += drained.eq(last & (1 << len(last) - 1))
        with m.Elif(self.onward):
            by = Cat(self.alone, ~self.alone) if self.machine.drains > 1 else 1
            m.d.sync += drained.eq(drained + by)

    def _flags(self, m: Module, element: ProcessingElement) -> View:
        """The step's flags beside the terms' sum; `tile` beside a tile's last total at its accumulator."""
        step = before = self.step
        for cycle in range(3, 5 + self.machine.pipeline_registers + element.levels):
            delayed = Signal(StepLayout(self.machine.reuse), name=f"step_{cycle}")
            m.d.sync += delayed.eq(step)
            before, step = step, delayed
        # From a register: the drain walker takes it through all that it has to decide in the cycle.
        finishing = step if element.horner else before
        m.d.sync += self.tile.eq(finishing.valid & finishing.last)
        return step
