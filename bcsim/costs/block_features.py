"""What the size of each block of a machine depends on: counts of bits, which a calibration gives LUTs and flip-flops.

The datapath's features are the inventory of bcsim.costs.structure; the control's are widths of records and addresses.
"""

from __future__ import annotations

from collections.abc import Mapping

from bcsim.costs.structure import machine_units
from bcsim.costs.units import Unit
from bcsim.machine.parameters import Machine
from bcsim.machine.records import drain_fields, issue_fields, record_bits, stream_fields

__all__ = [
    "BLOCKS",
    "Features",
    "block_features",
    "block_numbers",
    "datapath_registers",
]

Features = Mapping[str, float]

BLOCKS: Mapping[str, tuple[str, ...]] = {
    "element": ("processing_element",),
    "lanes": ("lanes", "padding"),
    "selector": ("round_selector",),
    "requantiser": ("requantiser",),
    "issue": ("issue_walker",),
    "drain": ("drain_walker",),
    "writer": ("drain_writer", "write_arbiter"),
    "loader": ("loader",),
    "output": ("output",),
    "registers": ("registers",),
    "weight_loader": ("weight_loader",),
    "glue": ("top", "array"),
}
"""Blocks of the model, and the modules of the design that each holds, with all modules within."""

SURROUNDINGS = ("loading", "counters", "readable_parameters", "watchdog")
SURROUNDING_LUTS = 401
"""A quarter of what they took on ECP5 when the tables were measured: `tiny` had 3,872 LUTs with them, 2,267 without."""


def block_numbers(machine: Machine) -> dict[str, int]:
    """How many of each block the machine has."""
    numbers = dict.fromkeys(BLOCKS, 1) | {
        "element": machine.pes,
        "requantiser": machine.drains * machine.requantisers,
    }
    return numbers | {"weight_loader": int(machine.weight_stream_bytes > 0)}


def _bits(units: tuple[Unit, ...], blocks: tuple[str, ...], kind: str) -> int:
    return sum(unit.bits * unit.number for unit in units if unit.block in blocks and unit.kind == kind)


def datapath_registers(machine: Machine) -> int:
    """Flip-flops of array, requantisers and memories' outputs: exact, from the inventory."""
    return sum(
        unit.bits * unit.number
        for unit in machine_units(machine)
        if unit.kind == "register" and not unit.shares
    )


def _address(depth: int) -> int:
    return max(1, (depth - 1).bit_length())


def block_features(machine: Machine) -> dict[str, dict[str, float]]:
    """For one of each block the bits that its size follows from; every block also has a constant."""
    units, m = machine_units(machine), machine
    widths = dict(issue_fields(m))
    loops = sum(
        widths.get(name, 0) for name in widths if "stride" not in name and name not in ("wait", "doubles")
    )
    strides = sum(bits for name, bits in widths.items() if name.endswith("stride"))
    address, weight = _address(m.activation_words), _address(m.weight_words)
    values = -(-m.activation_bits // m.digit) * m.digit
    rounds = m.pes // m.requantisers
    several, streams = m.reuse > 1, m.weight_stream_bytes > 0
    element: dict[str, float] = {
        f"{block} {kind}": _bits(units, (block,), kind) / m.pes
        for block, kind in (
            ("terms", "bitwise"),
            ("terms", "adder"),
            ("tree", "adder"),
            ("horner", "adder"),
            ("accumulator", "adder"),
            ("accumulator", "bitwise"),
        )
    }
    element["strips"] = several * m.accumulator_bits
    return {
        "element": element,
        "lanes": {
            "pair sums": _bits(units, ("lanes",), "adder"),
            "padding": _bits(units, ("padding",), "bitwise"),
        },
        "selector": {"muxes": m.drains * m.requantisers * m.accumulator_bits * (rounds - 1)},
        "requantiser": {
            "remainder": m.remainder_bits,
            "divisor": m.divisor_bits,
            "pooled": m.spatial * (1 + _address(rounds)),
            "spatial": m.spatial,
            "halves": m.divide_cycles > 1,
        },
        "issue": {
            "loops": loops,
            "strides": strides,
            "address": address,
            "weights": weight,
            "spatial": m.spatial,
            "walks": m.spatial * address,
            "strips": several,
            "streams": streams,
        },
        "drain": {
            "record": record_bits(drain_fields(m)),
            "address": address,
            "parameters": _address(m.parameter_words),
            "spatial": m.spatial,
            "places": m.spatial * address,
            "strips": several,
        },
        "writer": {
            "words": m.requantisers * m.digit,
            "digits": m.requantisers * values,
            "lanes": m.lanes * m.digit,
            "address": address,
            "banks": (m.activation_banks - 1) * m.lanes * m.digit,
        },
        "loader": {
            "values": m.lanes * values,
            "digits": m.lanes * (values - m.digit),
            "stream": record_bits(stream_fields(m)),
            "images": m.batch > 1,
        },
        "output": {
            "scores": m.requantisers,
            "record": record_bits(stream_fields(m)),
            "images": m.batch > 1,
        },
        "registers": {
            "surroundings": SURROUNDING_LUTS * sum(getattr(m, name) for name in SURROUNDINGS),
            "requantisers": m.requantisers,
            "slices": m.slots / 32,
            "address": max(weight, _address(m.parameter_words)),
        },
        "weight_loader": {"weights": m.slots / 32},
        "glue": {
            "requantisers": m.requantisers,
            "parameters": m.requantisers * _address(m.parameter_words),
            "slices": m.slots / 32,
        },
    }
