"""Machines drawn at random, small ones, of every parameter that the hardware depends on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import Machine

__all__ = ["random_machine"]


def random_machine(generator: np.random.Generator) -> Machine:
    """The first draw that is a machine: its memories hold the networks of the benches, some weights stream.

    All have counters, which the bench compares.
    """
    while True:
        try:
            return Machine(**_draw(generator))
        except BcsimError:
            continue


def _draw(generator: np.random.Generator) -> dict[str, Any]:
    def one(*values: Any) -> Any:
        return values[generator.integers(len(values))]

    def often(share: float) -> bool:
        return bool(generator.random() < share)

    spatial = often(0.75)
    lanes = one(2, 4, 6, 8, 12)
    pes = lanes * one(1, 2, 3) if spatial else one(*range(1, 13))
    digit, reuse = one(1, 2, 4, 8), one(1, 2, 4, 8) if spatial else 1
    drawn = {
        "lanes": lanes,
        "pes": pes,
        "digit": digit,
        "activation_bits": one(*range(digit, 9)),
        "requantisers": one(*(units for units in range(1, 13) if lanes % units == pes % units == 0)),
        "activation_words": 4096 if spatial else 1024,
        "weight_words": 32768,
        "parameter_words": 4096,
        "input_buffers": one(1, 2),
        "input_bytes": one(1, 2, 4, 8),
        "shift_planes": often(0.7),
        "spatial": spatial,
        "divide_cycles": one(1, 2),
        "pipeline_registers": one(*range(5)),
        "parity": often(0.2),
        "watchdog": often(0.8),
        "readable_parameters": often(0.7),
        "six_input_luts": often(0.3),
        "activation_banks": one(1, 1, 1, 2),
        "reuse": reuse,
        "drains": one(1, 2) if reuse > 1 else 1,
        "batch": one(*(images for images in (1, 2, 4, 8) if images <= reuse)),
    }
    if often(0.35):
        drawn |= {"weight_stream_bytes": one(1, 2, 4, 8), "weight_words": 40 if spatial else 20}
    return drawn
