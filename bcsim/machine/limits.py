"""The parameters that hardware can have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from bcsim.common.errors import BcsimError
from bcsim.machine.record_parts import RECORDS, fields_of
from bcsim.machine.widths import ADDRESS_BITS, WEIGHT_ADDRESS_BITS

if TYPE_CHECKING:
    from bcsim.machine.parameters import Machine

__all__ = ["DIGITS", "RANGES", "check_machine"]

DIGITS = (1, 2, 4, 8)
"""Widths of a digit."""

RECORD_BITS = re.compile(r"([a-z_]+:[0-9]{1,2}( [a-z_]+:[0-9]{1,2})*)?")

WIDTHS: Mapping[str, int] = dict(fields_of(*RECORDS))
"""Of every field on a machine for any program; a field of several records is as wide in each."""

# Depths are what the address fields of the records hold (widths.py); the others keep absurd sizes out.
RANGES: Mapping[str, tuple[int, int]] = {
    "lanes": (2, 1024),
    "pes": (1, 1024),
    "accumulator_bits": (4, 40),
    "fraction_bits": (0, 24),
    "requantisers": (1, 1024),
    "activation_words": (2, 1 << ADDRESS_BITS),
    "weight_words": (1, 1 << WEIGHT_ADDRESS_BITS),
    "parameter_words": (2, 1 << ADDRESS_BITS),
    "layers": (1, 256),
    "input_buffers": (1, 2),
    "input_bytes": (1, 64),
    "outputs": (1, 4096),
    "divide_cycles": (1, 2),
    "weight_stream_bytes": (0, 64),
    "weight_stream_latency": (0, 100_000),
    "weight_stream_interval": (1, 1000),
    "offset_bits": (0, 60),
    "step_bits": (0, 59),
    "reuse": (1, 16),
    "drains": (1, 2),
    "activation_banks": (1, 2),
    "batch": (1, 16),
    "pipeline_registers": (0, 4),
}


def _check_range(machine: Machine, name: str, low: int, high: int) -> None:
    value = getattr(machine, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BcsimError(f"Machine parameter {name} must be an integer from {low} to {high}, not {value!r}")
    if not low <= value <= high:
        raise BcsimError(f"Machine parameter {name} must be from {low} to {high}, not {value!r}")


def check_machine(machine: Machine) -> None:
    """Raise BcsimError naming the first parameter that no hardware could have, and what it may be."""
    for name, (low, high) in RANGES.items():
        _check_range(machine, name, low, high)
    _check_flags(machine)
    if machine.lanes % 2:
        raise BcsimError(f"Machine parameter lanes must be even (lanes work in pairs), not {machine.lanes!r}")
    if machine.digit not in DIGITS:
        raise BcsimError(f"Machine parameter digit must be one of 1, 2, 4, 8, not {machine.digit!r}")
    if not machine.digit <= machine.activation_bits <= 8:
        raise BcsimError(
            f"Machine parameter activation_bits must be from digit ({machine.digit}) to 8, "
            f"not {machine.activation_bits!r}"
        )
    for divided in ("lanes", "pes"):
        if getattr(machine, divided) % machine.requantisers:
            raise BcsimError(
                f"Machine parameter requantisers must divide {divided} ({getattr(machine, divided)}), "
                f"not {machine.requantisers!r}"
            )
    if machine.lanes % machine.input_bytes or machine.input_bytes & (machine.input_bytes - 1):
        raise BcsimError(
            f"Machine parameter input_bytes must be a power of two that divides lanes ({machine.lanes}), "
            f"not {machine.input_bytes!r}"
        )
    _check_banks(machine)
    _check_weight_stream(machine)
    _check_widths(machine)
    _check_reuse(machine)
    _check_batch(machine)
    if machine.accumulator_bits + machine.fraction_bits > 50:
        raise BcsimError(
            "Machine parameters accumulator_bits and fraction_bits must not exceed 50 together, "
            f"not {machine.accumulator_bits} and {machine.fraction_bits}"
        )
    if not isinstance(machine.clock_mhz, int | float) or not 0 < machine.clock_mhz <= 10_000:
        raise BcsimError(
            f"Machine parameter clock_mhz must be above 0 and at most 10000, not {machine.clock_mhz!r}"
        )


def _check_flags(machine: Machine) -> None:
    for field in fields(machine):
        value = getattr(machine, field.name)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise BcsimError(f"Machine parameter {field.name} must be true or false, not {value!r}")


def _check_banks(machine: Machine) -> None:
    # The highest bit of an address is the bank's number.
    if machine.activation_banks > 1 and machine.activation_words & (machine.activation_words - 1):
        raise BcsimError(
            "Machine parameter activation_words must be a power of two where activation_banks is 2, "
            f"not {machine.activation_words!r}"
        )


def _check_weight_stream(machine: Machine) -> None:
    if machine.weight_stream_bytes & (machine.weight_stream_bytes - 1):
        raise BcsimError(
            "Machine parameter weight_stream_bytes must be 0 or a power of two up to 64, "
            f"not {machine.weight_stream_bytes!r}"
        )
    if machine.weight_stream_bytes and machine.spatial and machine.pes % machine.lanes:
        raise BcsimError(
            f"Machine parameter pes must be a multiple of lanes ({machine.lanes}) where spatial and "
            f"weight_stream_bytes are set, not {machine.pes!r}"
        )


def _check_widths(machine: Machine) -> None:
    most = machine.offset_bits or machine.accumulator_bits + machine.fraction_bits + 10
    if machine.offset_bits and machine.offset_bits <= machine.accumulator_bits + machine.fraction_bits:
        raise BcsimError(
            "Machine parameter offset_bits must be 0 or more than accumulator_bits and fraction_bits together "
            f"({machine.accumulator_bits + machine.fraction_bits}), not {machine.offset_bits!r}"
        )
    if machine.step_bits >= most:
        raise BcsimError(
            f"Machine parameter step_bits must be less than the remainder's {most} bits, not {machine.step_bits!r}"
        )
    _check_record_bits(machine)


def _check_record_bits(machine: Machine) -> None:
    text = machine.record_bits
    if not isinstance(text, str) or not RECORD_BITS.fullmatch(text):
        raise BcsimError(
            "Machine parameter record_bits must be fields and their widths such as 'chunks:3 tiles:2', "
            f"not {text!r}"
        )
    named = [part.partition(":")[0] for part in text.split()]
    if twice := [name for name in named if named.count(name) > 1]:
        raise BcsimError(f"Machine parameter record_bits must name a field once, not {twice[0]!r} again")
    for name, bits in machine.field_bits.items():
        if name not in WIDTHS:
            raise BcsimError(
                f"Machine parameter record_bits names {name!r}, which no record has; the fields are "
                f"{', '.join(WIDTHS)}"
            )
        if bits > WIDTHS[name]:
            raise BcsimError(
                f"Machine parameter record_bits must give {name} at most {WIDTHS[name]} bits, not {bits}"
            )


def _check_reuse(machine: Machine) -> None:
    if machine.reuse & (machine.reuse - 1):
        raise BcsimError(
            f"Machine parameter reuse must be a power of two from 1 to 16, not {machine.reuse!r}"
        )
    if machine.drains > machine.reuse:
        raise BcsimError(f"Machine parameter drains must be 1 where reuse is 1, not {machine.drains!r}")
    if machine.reuse == 1:
        return
    if not machine.spatial:
        raise BcsimError(
            f"Machine parameter spatial must be true where reuse is above 1 ({machine.reuse}): "
            "a weight is used again at other positions"
        )
    # A tile's values fill whole words of each of its positions, which are written one behind the other.
    if machine.pes % machine.lanes:
        raise BcsimError(
            f"Machine parameter pes must be a multiple of lanes ({machine.lanes}) where reuse is above 1, "
            f"not {machine.pes!r}"
        )


def _check_batch(machine: Machine) -> None:
    if machine.batch == 1:
        return
    if machine.batch & (machine.batch - 1) or machine.batch > machine.reuse:
        raise BcsimError(
            f"Machine parameter batch must be a power of two up to reuse ({machine.reuse}), not {machine.batch!r}"
        )
