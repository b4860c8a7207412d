"""Bits of the sequencer's loops, sums and registers: the records', as far as the machine's memories bound them.

They are those that rtl/sequencer and rtl/streams keep: a stride is no wider than the address that it is added to, and
what a machine has no use for is not kept of its records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bcsim.machine.latency import longest_wait, round_cycles
from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import Fields
from bcsim.machine.records import drain_fields, issue_fields, stream_fields, weight_stream_fields
from bcsim.machine.widths import QUOTIENT_BITS, address_bits

__all__ = [
    "SHORT",
    "StreamWidths",
    "Widths",
    "drain_widths",
    "issue_widths",
    "stream_widths",
    "used_bits",
    "weight_stream_widths",
]

SHORT = 4
"""Bits of a sum for which synthesis takes LUTs, not a carry chain: Yosys' techmap of ECP5 and iCE40."""
ROWS, COLUMNS = ("down", "pool_down"), ("right", "pool_right", "strip_right")
"""Fields that are added to a row's and to a column's number."""
DRAINS = ("drain_full", "drain_last", "short_drain_full", "short_drain_last")
TRIPS = (
    *("chunks", "digits", "planes", "tiles", "streamed_tiles", "sources", "strip", "short_strip"),
    *("kernel_rows", "kernel_columns", "window_rows", "window_columns", "rows", "columns"),
    *("positions", "window"),
)


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of a walker.

    loops, short_loops : of the trip counts and their signs, of those with a carry chain and of those too short for one.
    sums : of the registers of nested sums. strides : of what is added to them.
    taken : of a record's other fields that are kept or compared.
    """

    loops: int
    short_loops: int
    sums: int
    strides: int
    taken: int


def used_bits(machine: Machine, fields: Fields) -> dict[str, int]:
    """Of each field of an issue or drain record the bits that the walkers take, from the least significant up."""
    widths = dict(fields)
    most = _trips(machine) | _bounds(machine, widths)
    return {
        name: min(bits, most.get(name, address_bits(machine.activation_words) if _is_address(name) else bits))
        for name, bits in fields
    }


def _is_address(name: str) -> bool:
    return name.endswith("_stride") or name in ("origin", "read_base", "read_base_odd", "write_base")


def _trips(machine: Machine) -> dict[str, int]:
    """Bits of trip counts at most, as rtl/common/records.py bounds them."""
    own = (machine.parameter_words, *(() if machine.weight_stream_bytes else (machine.weight_words,)))
    most = dict.fromkeys(("tiles", "streamed_tiles"), address_bits(min(own)))
    most |= dict.fromkeys(("chunks", "rows", "columns", "positions"), address_bits(machine.activation_words))
    if not machine.spatial:
        most["digits"] = (-(-machine.activation_bits // machine.digit) - 1).bit_length()
    return most | dict.fromkeys(("strip", "short_strip"), address_bits(machine.reuse))


def _bounds(machine: Machine, widths: Mapping[str, int]) -> dict[str, int]:
    """Bits of other fields at most."""
    rounds = machine.pes // machine.requantisers
    cycles = machine.reuse * rounds * round_cycles(QUOTIENT_BITS, search=True)
    most = dict.fromkeys(DRAINS, cycles.bit_length()) | {"wait": longest_wait(machine).bit_length()}
    most |= dict.fromkeys(("rounds_full", "rounds_last"), address_bits(rounds))
    most |= dict.fromkeys(("weight_base", "weight_base_odd"), address_bits(machine.weight_words))
    if not machine.shift_planes:
        most["doubles"] = 0
    if "top" in widths:
        most |= dict.fromkeys(ROWS, widths["top"]) | dict.fromkeys(COLUMNS, widths["left"])
        most["pad_level"] = machine.digit << widths["digits"]
    elif "chunks" not in widths:
        # The drain walker counts digits of the record, whatever the machine's values have.
        most.pop("digits", None)
    return most


def _loops(used: Mapping[str, int], names: Iterable[str]) -> tuple[int, int]:
    """Bits of the loops' counters, one more than of their trips: with a carry chain, and without."""
    counters = [used[name] + 1 for name in names if used.get(name, 0)]
    chained = sum(bits for bits in counters if bits > SHORT)
    return chained, sum(counters) - chained


def issue_widths(machine: Machine) -> Widths:
    """Of the issue walker."""
    used, address = used_bits(machine, issue_fields(machine)), address_bits(machine.activation_words)
    taken = sum(used.get(name, 0) for name in ("wait", "doubles", "read_base", "read_base_odd", *DRAINS))
    loops = _loops(used, TRIPS)
    if not machine.spatial:
        return Widths(*loops, 0, 0, taken)
    strided = [bits for name, bits in used.items() if name.endswith("_stride")]
    sums = (len(strided) + 1) * address + (1 + len(ROWS)) * (used["top"] + used["left"])
    strides = sum(strided) + sum(used.get(name, 0) for name in (*ROWS, *COLUMNS))
    taken += used["origin"] + max(used["top"], used["height"]) + max(used["left"], used["width"])
    return Widths(*loops, sums, strides, taken)


def drain_widths(machine: Machine) -> Widths:
    """Of the drain walker."""
    used, address = used_bits(machine, drain_fields(machine)), address_bits(machine.activation_words)
    taken = sum(used[name] for name in ("rounds_full", "rounds_last", "bits", "digits", "write_base"))
    strided = [bits for name, bits in used.items() if name.endswith("_stride")]
    loops = _loops(used, [name for name in TRIPS if name != "digits"])
    return Widths(*loops, (len(strided) + 1) * address if strided else 0, sum(strided), taken)


def stream_widths(machine: Machine) -> StreamWidths:
    """Of loader and output."""
    fields = dict(stream_fields(machine))
    beats = address_bits(machine.activation_words * machine.lanes // machine.input_bytes)
    counts = min(fields["beats"], beats) + min(fields.get("position_beats", 0), beats)
    return StreamWidths(counts, min(fields["classes"], address_bits(machine.outputs)))


@dataclass(frozen=True, slots=True)
class StreamWidths:
    """counts : bits of the counts of words of a stream. classes : of a class's number."""

    counts: int
    classes: int


def weight_stream_widths(machine: Machine) -> int:
    """Bits of the weight loader's counts; 0 where nothing streams."""
    if not machine.weight_stream_bytes:
        return 0
    fields = dict(weight_stream_fields(machine))
    return sum(fields[name] for name in ("words", "tiles"))
