"""What the size of each block of a machine depends on: counts of bits, which a calibration gives LUTs and flip-flops.

The datapath's features are the inventory of bcsim.costs.structure; the control's are those widths of records and
addresses that the hardware keeps.
"""

from __future__ import annotations

from collections.abc import Mapping

from bcsim.costs.control_widths import (
    SHORT,
    Widths,
    drain_widths,
    issue_widths,
    stream_widths,
    weight_stream_widths,
)
from bcsim.costs.structure import machine_units
from bcsim.costs.units import Unit
from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS, address_bits

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
    "output": ("output", "output_"),
    "registers": ("registers",),
    "weight_loader": ("weight_loader",),
    "glue": ("top", "array"),
}
"""Blocks of the model, and the modules of the design that each holds, with all modules within."""


def block_numbers(machine: Machine) -> dict[str, int]:
    """How many of each block the machine has."""
    numbers = dict.fromkeys(BLOCKS, 1) | {
        "element": machine.pes,
        "requantiser": machine.drains * machine.requantisers,
    }
    return numbers | {"weight_loader": int(machine.weight_stream_bytes > 0)}


def _bits(units: tuple[Unit, ...], blocks: tuple[str, ...], kind: str) -> int:
    return sum(unit.bits * unit.number for unit in units if unit.block in blocks and unit.kind == kind)


def _adders(units: tuple[Unit, ...], block: str, share: int) -> dict[str, float]:
    """Bits of a block's sums: in carry chains, of two bits a cell, and in LUTs."""
    sums = [(unit.bits + 1, unit.number) for unit in units if unit.block == block and unit.kind == "adder"]
    return {
        f"{block} chains": sum((bits + bits % 2) * n for bits, n in sums if bits > SHORT) / share,
        f"{block} sums": sum(bits * n for bits, n in sums if bits <= SHORT) / share,
    }


def datapath_registers(machine: Machine) -> int:
    """Flip-flops of array, requantisers and memories' outputs: exact, from the inventory."""
    return sum(
        unit.bits * unit.number
        for unit in machine_units(machine)
        if unit.kind == "register" and not unit.shares
    )


def block_features(machine: Machine) -> dict[str, dict[str, float]]:
    """For one of each block the bits that its size follows from; every block also has a constant."""
    return {
        **_datapath(machine),
        "issue": _issue(machine),
        "drain": _drain(machine),
        **_streams(machine),
        **_bus(machine),
    }


def _datapath(machine: Machine) -> dict[str, dict[str, float]]:
    units, m = machine_units(machine), machine
    rounds, requantisers = m.pes // m.requantisers, m.drains * m.requantisers
    element: dict[str, float] = {
        "terms": _bits(units, ("terms",), "bitwise") / m.pes,
        **_adders(units, "terms", m.pes),
        **_adders(units, "tree", m.pes),
        **_adders(units, "horner", m.pes),
        **_adders(units, "accumulator", m.pes),
        "choices": _bits(units, ("accumulator",), "bitwise") / m.pes,
    }
    return {
        "element": element,
        "lanes": {
            **_adders(units, "lanes", 1),
            "padding": _bits(units, ("padding",), "bitwise"),
        },
        # A choice among n takes n - 1 LUTs of 4 inputs a bit, and the fewer the more of a LUT's inputs are used.
        "selector": {"choices": requantisers * m.accumulator_bits * (rounds - 1)},
        "requantiser": {
            **_adders(units, "requantiser", requantisers),
            "bitwise": _bits(units, ("requantiser",), "bitwise") / requantisers,
            "accumulator": m.accumulator_bits,
            "spatial": m.spatial,
            "halves": m.divide_cycles > 1,
        },
    }


def _live(machine: Machine) -> float:
    """Of the bits of records those that differ in some of them; where nothing writes them, as of random words."""
    return 1.0 if machine.loading else 1 - 2.0 ** (1 - machine.layers)


def _walker(machine: Machine, widths: Widths) -> dict[str, float]:
    """What issue and drain walker have both."""
    live = _live(machine)
    return {
        "loops": widths.loops * (1 + live) / 2,
        "short loops": widths.short_loops * (1 + live) / 2,
        "sums": widths.sums,
        "strides": widths.strides * live,
        "taken": widths.taken * live,
    }


def _issue(machine: Machine) -> dict[str, float]:
    m, weight = machine, address_bits(machine.weight_words)
    return {
        **_walker(m, issue_widths(m)),
        "words": (not m.spatial) * address_bits(m.activation_words),
        "weights": weight,
        "replays": m.spatial * weight,
        "jumps": (m.weight_stream_bytes > 0) * weight,
        "spatial": m.spatial,
        "strips": m.reuse > 1,
        "banks": m.activation_banks > 1,
    }


def _drain(machine: Machine) -> dict[str, float]:
    m = machine
    parameter, address = address_bits(m.parameter_words), address_bits(m.activation_words)
    return {
        **_walker(m, drain_widths(m)),
        "address": address,
        "parameters": parameter,
        "replays": m.spatial * parameter,
        "spatial": m.spatial,
        "strips": m.reuse > 1,
        "pairs": m.drains > 1,
    }


def _streams(machine: Machine) -> dict[str, dict[str, float]]:
    m, stream = machine, stream_widths(machine)
    values = -(-m.activation_bits // m.digit) * m.digit
    address, digits = address_bits(m.activation_words), values // m.digit
    return {
        "writer": {
            "digits": m.requantisers * (values - m.digit),
            "words": m.requantisers * m.digit,
            "pairs": (m.drains > 1) * m.requantisers * values,
            "lanes": m.lanes * m.digit,
            "groups": m.lanes // m.requantisers,
            "address": address,
            "banks": (m.activation_banks - 1) * m.lanes * m.digit,
        },
        "loader": {
            "values": m.lanes * min(values, 8),
            "digits": m.lanes * m.digit * (digits - 1),
            "places": m.lanes // m.input_bytes,
            "counts": stream.counts,
            "address": address,
            "images": m.batch > 1,
        },
        "output": {
            "scores": m.requantisers * QUOTIENT_BITS,
            "choices": (m.requantisers - 1) * QUOTIENT_BITS,
            "classes": stream.classes,
            "images": m.batch > 1,
        },
        "weight_loader": {
            "weights": m.slots / 32,
            "address": address_bits(m.weight_words),
            "counts": weight_stream_widths(machine),
            "unit": max(32, 8 * m.weight_stream_bytes),
            "kept": max(0, 32 - 8 * m.weight_stream_bytes),
        },
    }


def _bus(machine: Machine) -> dict[str, dict[str, float]]:
    m = machine
    slices, parameter = m.slots / 32, address_bits(m.parameter_words)
    return {
        "registers": {
            "loading": m.loading,
            "slices": m.loading * slices,
            "requantisers": m.loading * m.requantisers,
            "address": m.loading * max(address_bits(m.weight_words), parameter),
            "counters": m.counters,
            "parameters": m.readable_parameters,
            "watchdog": m.watchdog,
            "streams": m.weight_stream_bytes > 0,
        },
        "glue": {
            "addresses": m.requantisers * parameter,
            "requantisers": m.requantisers,
            "slices": slices * (m.loading or m.weight_stream_bytes > 0),
            "streams": (m.loading and m.weight_stream_bytes > 0) * slices,
        },
    }


LUTS_OF_BIT: Mapping[str, Mapping[str, float]] = {
    "element": {
        "terms": 0.5,
        "terms sums": 2,
        "tree sums": 2,
        "horner chains": 1.3,
        "horner sums": 2.5,
        "1": 5,
    },
    "lanes": {"lanes sums": 2, "1": 1},
    "selector": {"1": 0},
    "requantiser": {"accumulator": 0.5, "spatial": 50, "halves": 5, "1": 35},
    "issue": {
        "loops": 2.5,
        "short loops": 3,
        "taken": 2,
        "weights": 3,
        "spatial": 40,
        "strips": 40,
        "banks": 10,
        "1": 30,
    },
    "drain": {
        "loops": 2.5,
        "short loops": 3,
        "parameters": 2,
        "address": 2,
        "spatial": 40,
        "strips": 40,
        "pairs": 20,
        "1": 100,
    },
    "writer": {"digits": 0.7, "words": 0.2, "groups": 3, "banks": 0.9, "1": 15},
    "loader": {"values": 0.6, "digits": 0.5, "places": 3, "counts": 3, "images": 30, "1": 20},
    "output": {"scores": 0.1, "classes": 2, "images": 30, "1": 95},
    "weight_loader": {"weights": 2, "counts": 2.5, "1": 20},
    "registers": {
        "loading": 200,
        "slices": 3,
        "requantisers": 10,
        "address": 8,
        "counters": 120,
        "parameters": 20,
        "watchdog": 40,
        "streams": 10,
        "1": 150,
    },
    "glue": {"addresses": 1, "requantisers": 5, "slices": 3, "1": 15},
}
"""What is assumed beside measurements: LUTs of 4 inputs for a bit of a feature, 1 where nothing stands here."""
