"""One processing element with the lanes and the delays that an array has around it."""

from amaranth.hdl import ClockDomain, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.step import StepLayout
from bcsim.rtl.datapath.lanes import Lanes
from bcsim.rtl.datapath.processing_element import ProcessingElement


class ElementBehindLanes(wiring.Component):
    """A processing element whose activation, weights and step are presented in the same cycle.

    Latency: `latency` cycles from a tile's last step to `shadow`.
    """

    def __init__(self, element: ProcessingElement, *, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(
            {
                "activation": In(lanes * element.digit),
                "weights": In(lanes),
                "step": In(StepLayout()),
                "reset": In(1),
                "shadow": Out(element.shadow.shape()),
            }
        )

    @property
    def latency(self) -> int:
        return 3 + self.element.levels + self.element.horner

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        element = self.element
        m.submodules.element = element
        m.submodules.lanes = lanes = Lanes(lanes=self.lanes, digit=element.digit)
        weights, step = Signal(self.lanes), self.step
        for cycle in range(2 + element.levels):
            delayed = Signal(StepLayout(), name=f"step_{cycle}")
            m.d.sync += delayed.eq(step)
            step = delayed
        m.d.sync += weights.eq(self.weights)
        m.d.comb += [
            ResetSignal().eq(self.reset),
            lanes.activation.eq(self.activation),
            element.pairs.eq(lanes.pairs),
            element.weights.eq(View(element.weights.shape(), weights)),
            element.step.eq(step),
            self.shadow.eq(element.shadow),
        ]
        return m
