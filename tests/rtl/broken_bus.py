"""Subordinates of AXI4-Lite and transmitters of AXI4-Stream that break a rule each, on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace

from amaranth.hdl import Const, Module, ResetSignal, Signal, Value

__all__ = ["BROKEN", "BROKEN_STREAM"]

Spoil = Callable[[Module, SimpleNamespace], None]


def behind(m: Module, value: Value) -> Signal:
    """The value in the cycle before."""
    held = Signal.like(value, name="held", reset_less=True)
    m.d.sync += held.eq(value)
    return held


def copied(seen: SimpleNamespace, m: Module, name: str) -> Signal:
    """A signal as the subordinate drives it; what is seen of it is driven anew."""
    whole, own = getattr(seen, name), Signal.like(getattr(seen, name), name=f"own_{name}")
    setattr(seen, name, own)
    return whole


def late(name: str, ready: str, change: Callable[[Value, Value], Value]) -> Spoil:
    """A signal that changes where its channel was left waiting in the cycle before."""

    def spoil(m: Module, seen: SimpleNamespace) -> None:
        valid = getattr(seen, f"{ready[0]}valid")
        waited = behind(m, valid & ~getattr(seen, ready))
        whole = copied(seen, m, name)
        m.d.comb += getattr(seen, name).eq(change(whole, waited))

    return spoil


def always(name: str, change: Callable[[Module, Value, SimpleNamespace], Value]) -> Spoil:
    """A signal that is another one."""

    def spoil(m: Module, seen: SimpleNamespace) -> None:
        whole = copied(seen, m, name)
        m.d.comb += getattr(seen, name).eq(change(m, whole, seen))

    return spoil


def never(name: str) -> Spoil:
    return always(name, lambda m, whole, seen: Const(0))


BROKEN: Mapping[str, Spoil] = {
    "BVALID after reset": always("bvalid", lambda m, whole, seen: whole | behind(m, ResetSignal())),
    "RVALID after reset": always("rvalid", lambda m, whole, seen: whole | behind(m, ResetSignal())),
    "BVALID stays": late("bvalid", "bready", lambda whole, waited: whole & ~waited),
    "RVALID stays": late("rvalid", "rready", lambda whole, waited: whole & ~waited),
    "BRESP stable": late("bresp", "bready", lambda whole, waited: whole ^ (waited << 1)),
    "RRESP stable": late("rresp", "rready", lambda whole, waited: whole ^ (waited << 1)),
    "RDATA stable": late("rdata", "rready", lambda whole, waited: whole ^ (waited << 31)),
    "BVALID free": always("bvalid", lambda m, whole, seen: whole & seen.bready),
    "RVALID free": always("rvalid", lambda m, whole, seen: whole & seen.rready),
    "B after AW": always("bvalid", lambda m, whole, seen: whole | (seen.wvalid & ~seen.awvalid)),
    "B after W": always("bvalid", lambda m, whole, seen: whole | (seen.awvalid & ~seen.wvalid)),
    "R after AR": always("rvalid", lambda m, whole, seen: whole | behind(m, whole & seen.rready)),
    "B for each AW": never("bvalid"),
    "B for each W": never("bvalid"),
    "R for each AR": never("rvalid"),
    "AW and W accepted": never("awready"),
    "AR accepted": never("arready"),
    "BRESP of AXI4-Lite": always("bresp", lambda m, whole, seen: whole | 1),
    "RRESP of AXI4-Lite": always("rresp", lambda m, whole, seen: Const(1, 2)),
    "WSTRB": always("write", lambda m, whole, seen: seen.awvalid & seen.awready),
    "write of its address": always("write_address", lambda m, whole, seen: behind(m, whole)),
    "read of its address": always("rdata", lambda m, whole, seen: behind(m, whole)),
}
"""By the rule of bcsim.rtl.formal.lite_rules that each breaks."""

BROKEN_STREAM: Mapping[str, Spoil] = {
    "TVALID after reset": always("tvalid", lambda m, whole, seen: whole | behind(m, ResetSignal())),
    "TVALID stays": late("tvalid", "tready", lambda whole, waited: whole & ~waited),
    "TDATA stable": late("tdata", "tready", lambda whole, waited: whole ^ waited),
    "TLAST stable": late("tlast", "tready", lambda whole, waited: whole ^ waited),
    "TVALID free": always("tvalid", lambda m, whole, seen: whole & seen.tready),
    "TLAST with the last": never("tlast"),
    "no word beyond": always("tvalid", lambda m, whole, seen: whole | behind(m, whole & seen.tlast)),
}
"""Transmitters of AXI4-Stream, by the rule of bcsim.rtl.formal.stream_rules that each breaks."""
