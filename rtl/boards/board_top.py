"""The top module of a board: clock, reset, LEDs, and an accelerator behind its serial link."""

from __future__ import annotations

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    Instance,
    IOPort,
    Module,
    ResetInserter,
    ResetSignal,
    Signal,
)
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect

from bcsim.rtl.boards.board import Board
from bcsim.rtl.boards.flash_pads import clock_pad, line_pad
from bcsim.rtl.boards.pll import ClockSettings
from bcsim.rtl.link.flash_reader import FlashReader
from bcsim.rtl.link.linked import LinkedAccelerator

__all__ = ["RESET_CYCLES", "BoardTop"]

RESET_CYCLES = 32
"""Cycles that the reset lasts after the PLL has locked; also long enough for iCE40's block memories to wake up."""


class BoardTop(wiring.Component):
    """An accelerator on a board, ready when it has its bitstream.

    Parameters
    ----------
    board : Board
    clock : ClockSettings
    linked : LinkedAccelerator
    reader : FlashReader or None
        Where its weights come from, if they stream.

    Members
    -------
    clk : In(1)
        The oscillator.
    rx, tx : In(1), Out(1)
    led_running, led_error, led_done : Out(1)
        Those that the board has.
    flash_select, flash_clock : Out(1)
        Only with a reader, and the clock only where it has a pin of its own (Flash).

    Attributes
    ----------
    lines : of the flash, with a reader: bidirectional ports, which no signature has.
    """

    def __init__(
        self,
        board: Board,
        clock: ClockSettings,
        linked: LinkedAccelerator,
        reader: FlashReader | None = None,
    ) -> None:
        self.board, self.clock = board, clock
        self._linked, self._reader = linked, reader
        self.lines = [IOPort(1, name=f"flash_line_{index}") for index in range(4)] if reader else []
        lights = {f"led_{role}": Out(1) for role in board.pins.leds}
        flash = {"flash_select": Out(1, init=1)} if reader else {}
        if reader and board.flash and board.flash.clock:
            flash["flash_clock"] = Out(1)
        super().__init__({"clk": In(1), "rx": In(1, init=1), "tx": Out(1, init=1), **lights, **flash})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.linked = linked = self._linked
        self._make_clock(m)
        m.d.comb += [linked.rx.eq(self.rx), self.tx.eq(linked.tx)]
        foreign = self._connect_flash(m, self._reader) if self._reader else Const(0)
        lights = {"running": linked.running, "error": linked.error | foreign, "done": linked.done}
        for role in self.board.pins.leds:
            light = lights[role]
            m.d.comb += getattr(self, f"led_{role}").eq(~light if self.board.pins.leds_low else light)
        return m

    def _connect_flash(self, m: Module, reader: FlashReader) -> Signal:
        """The reader between the flash's pins and the weights' port; returns whether the flash is another design's."""
        linked = self._linked
        m.submodules.flash_reader = ResetInserter(linked.restart)(reader)
        connect(m, reader.stream, linked.weights)
        m.d.comb += self.flash_select.eq(reader.select)
        if "flash_clock" in self.signature.members:
            m.d.comb += self.flash_clock.eq(reader.clock)
        else:
            m.submodules.flash_clock = clock_pad(reader, ResetSignal())
        for index, line in enumerate(self.lines):
            m.submodules[f"line_{index}"] = line_pad(self.board.family, reader, index, line)
        return reader.foreign

    def _make_clock(self, m: Module) -> None:
        """Domain `sync` from the PLL; its reset ends some cycles after the lock. Domain `start` counts them."""
        m.domains.sync = ClockDomain()
        m.domains.start = ClockDomain(reset_less=True)
        clock, locked, steady = Signal(), Signal(), Signal()
        count = Signal(range(RESET_CYCLES + 1))
        # A register of its own: on a large die the count's comparison would be in the path of all that resets.
        reset = Signal(init=1)
        m.d.start += reset.eq(count != RESET_CYCLES)
        m.d.comb += [
            ClockSignal("sync").eq(clock),
            ClockSignal("start").eq(clock),
            ResetSignal("sync").eq(reset),
        ]
        m.submodules.lock = FFSynchronizer(locked, steady, o_domain="start")
        with m.If(~steady):
            m.d.start += count.eq(0)
        with m.Elif(count != RESET_CYCLES):
            m.d.start += count.eq(count + 1)
        if not self.board.pll:
            m.d.comb += [clock.eq(self.clk), locked.eq(1)]
            return
        m.submodules.pll = self._pll(m, clock, locked)

    def _pll(self, m: Module, clock: Signal, locked: Signal) -> Instance:
        parameters = {f"p_{name}": _parameter(name, value) for name, value in self.clock.parameters.items()}
        if self.board.pll == "EHXPLLL":
            return Instance(
                "EHXPLLL",
                **parameters,
                i_CLKI=self.clk,
                i_CLKFB=clock,
                i_RST=Const(0),
                i_STDBY=Const(0),
                i_PHASESEL0=Const(0),
                i_PHASESEL1=Const(0),
                i_PHASEDIR=Const(0),
                i_PHASESTEP=Const(0),
                i_PHASELOADREG=Const(0),
                i_PLLWAKESYNC=Const(0),
                i_ENCLKOP=Const(0),
                o_CLKOP=clock,
                o_LOCK=locked,
            )
        if self.board.pll == "rPLL":
            zeros = {"RESET": 1, "RESET_P": 1, "CLKFB": 1, "PSDA": 4, "DUTYDA": 4, "FDLY": 4}
            zeros |= {"FBDSEL": 6, "IDSEL": 6, "ODSEL": 6}
            inputs = {f"i_{name}": Const(0, bits) for name, bits in zeros.items()}
            return Instance("rPLL", **parameters, **inputs, i_CLKIN=self.clk, o_CLKOUT=clock, o_LOCK=locked)
        if self.board.pll == "MMCME2_BASE":
            m.submodules.buffer = Instance("BUFG", i_I=(made := Signal()), o_O=clock)
            feedback = Signal()
            return Instance(
                "MMCME2_BASE",
                **parameters,
                i_CLKIN1=self.clk,
                i_CLKFBIN=feedback,
                i_RST=Const(0),
                i_PWRDWN=Const(0),
                o_CLKFBOUT=feedback,
                o_CLKOUT0=made,
                o_LOCKED=locked,
            )
        source = "i_PACKAGEPIN" if self.board.pll == "SB_PLL40_PAD" else "i_REFERENCECLK"
        return Instance(
            self.board.pll,
            **parameters,
            **{source: self.clk},
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )


WIDTHS = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}


def _parameter(name: str, value: object) -> object:
    return Const(value, WIDTHS[name]) if name in WIDTHS else value
