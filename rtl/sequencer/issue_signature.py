"""The ports of the issue walker."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common.records import issue_layout
from bcsim.rtl.common.step import StepLayout

__all__ = ["IssueSignature"]


class IssueSignature(wiring.Signature):
    """What the issue walker says and hears.

    Members
    -------
    record_address : Out(address_bits(machine.layers))
    record : In(issue_layout(machine))
        Of the address two cycles ago.
    loaded : In(1)
        An image is complete in the activation memory.
    release : Out(1)
        Last step of the layer that reads the image: its region is free from the next cycle.
    output_free : In(1)
        The output buffer can take scores.
    reserve : Out(1)
        A layer of scores starts in the next cycle.
    step : Out(StepLayout(machine.reuse))
        The step that the addresses belong to.
    activation_address : Out(address_bits(machine.activation_words))
    pad : Out(1)
        On a spatial machine: the step lies outside of its tensor and reads nothing,
    pad_digit : Out(machine.digit)
        and every lane sees this.
    weight_address : Out(address_bits(machine.weight_words))
    weight_enable : Out(1)
        The step needs a new weight word.
    waits_input, waits_output, waits_drain : Out(1)
        Why there is no step in this cycle; none of them where the walker is between two layers or in reset.
    reading : Out(1)
        Where there are two activation memories: a layer is walked that reads the first of them.
    tiles_arrived, release_tile, waits_weights
        Where weights can stream: as TileGate's `arrived` and `release`, and one more cause.
    """

    def __init__(self, machine: Machine) -> None:
        members = {
            "record_address": Out(address_bits(machine.layers)),
            "record": In(issue_layout(machine)),
            "loaded": In(1),
            "release": Out(1),
            "output_free": In(1),
            "reserve": Out(1),
            "step": Out(StepLayout(machine.reuse)),
            "activation_address": Out(address_bits(machine.activation_words)),
            "weight_address": Out(address_bits(machine.weight_words)),
            "weight_enable": Out(1),
            "waits_input": Out(1),
            "waits_output": Out(1),
            "waits_drain": Out(1),
        }
        if machine.spatial:
            members |= {"pad": Out(1), "pad_digit": Out(machine.digit)}
        if machine.activation_banks > 1:
            members |= {"reading": Out(1)}
        if machine.weight_stream_bytes:
            members |= {"tiles_arrived": In(2), "release_tile": Out(1), "waits_weights": Out(1)}
        super().__init__(members)
