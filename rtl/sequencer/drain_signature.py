"""The ports of the drain walker."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS, address_bits
from bcsim.rtl.common.layouts import PoolLayout
from bcsim.rtl.common.records import drain_layout
from bcsim.rtl.sequencer.round_phases import PlaceLayout

__all__ = ["DrainSignature"]


class DrainSignature(wiring.Signature):
    """What the drain walker says and hears.

    Members
    -------
    record_address : Out(address_bits(machine.layers))
    record : In(drain_layout(machine))
        Of the address two cycles ago.
    tile : In(1)
        Two cycles before a tile's first round; not before another tile's rounds have begun and lasted.
    shift : Out(1)
        Two cycles before a round's first, as in Array.
    positions : In(range(machine.reuse))
        Where weights are used again, in the cycle of `tile`: the positions of its strip, minus one.
    onward : Out(1)
        Where weights are used again, as in Array.
    alone : Out(1)
        Where two positions drain at once, as in Array.
    load, step, done, search, probe : Out
        As in Requantiser.
    select : Out(1)
        The parameter address is that of a search's next threshold, counted from `parameter_address`.
    parameter_address : Out(address_bits(machine.parameter_words))
        The round's first word, from the cycle behind `shift` to the round's last read; what `select` counts from.
    parameter_enable : Out(1)
        A requantiser takes the word of this address
    parameter_odd : Out(1)
        and with it this one of the two.
    place : Out(PlaceLayout(machine))
        In the cycle of `write`.
    write : Out(1)
        As `done`, of the rounds whose values are written.
    pool : Out(PoolLayout(machine))
        On a spatial machine, as in Requantiser.
    """

    def __init__(self, machine: Machine) -> None:
        members = {
            "record_address": Out(address_bits(machine.layers)),
            "record": In(drain_layout(machine)),
            "tile": In(1),
            "shift": Out(1),
            "load": Out(1),
            "step": Out(1),
            "done": Out(1),
            "search": Out(1),
            "probe": Out(QUOTIENT_BITS),
            "select": Out(1),
            "parameter_address": Out(address_bits(machine.parameter_words)),
            "parameter_enable": Out(1),
            "parameter_odd": Out(1),
            "place": Out(PlaceLayout(machine)),
            "write": Out(1),
        }
        if machine.spatial:
            members["pool"] = Out(PoolLayout(machine))
        if machine.reuse > 1:
            members |= {"positions": In(range(machine.reuse)), "onward": Out(1)}
        if machine.drains > 1:
            members["alone"] = Out(1)
        super().__init__(members)
