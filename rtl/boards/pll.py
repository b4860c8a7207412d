"""The clock of a design from a board's oscillator: a PLL's settings, by family.

Ranges: Lattice FPGA-TN-02052 (iCE40), FPGA-TN-02200 (ECP5), Gowin UG286, and the tools icepll, ecppll and gowin_pll.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.rtl.boards.board import Board

__all__ = ["ClockSettings", "clock_settings"]

OUT_OF_LOCK = 0.9
"""Part of the wanted clock below which no setting counts as one for it."""


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """hz : of the design's clock. parameters : of the PLL's instance; none where there is none."""

    hz: float
    parameters: Mapping[str, Any]


def clock_settings(board: Board, wanted_mhz: float) -> ClockSettings:
    """The fastest clock that is not above `wanted_mhz`. Raises BcsimError where the board has none near it."""
    candidates = {
        "": _oscillator,
        "SB_PLL40_PAD": _ice40,
        "SB_PLL40_CORE": _ice40,
        "EHXPLLL": _ecp5,
        "MMCME2_BASE": _series7,
        "rPLL": _gowin,
    }
    limit = wanted_mhz * 1e6 * (1 + 1e-9)
    found = max(
        (each for each in candidates[board.pll](board.oscillator_hz) if each.hz <= limit),
        key=lambda each: each.hz,
        default=None,
    )
    if found is None or found.hz < OUT_OF_LOCK * wanted_mhz * 1e6:
        slower = f", only {board.oscillator_hz / 1e6:g} MHz" if not board.pll else ""
        raise BcsimError(f"Board {board.name} has no clock of {wanted_mhz:g} MHz{slower}")
    return found


def _oscillator(hz: float) -> Iterator[ClockSettings]:
    yield ClockSettings(hz, {})


def _ice40(hz: float) -> Iterator[ClockSettings]:
    """Divided by DIVR + 1 (10 to 133 MHz), times DIVF + 1 (533 to 1066 MHz), divided by 2 ** DIVQ (16 to 275 MHz)."""
    for divr, divf, divq in product(range(16), range(128), range(1, 7)):
        phase = hz / (divr + 1)
        oscillation = phase * (divf + 1)
        out = oscillation / 2**divq
        if 10e6 <= phase <= 133e6 and 533e6 <= oscillation <= 1066e6 and 16e6 <= out <= 275e6:
            filter_range = sum(phase >= limit for limit in (0, 17e6, 26e6, 44e6, 66e6, 101e6))
            yield ClockSettings(
                out,
                {
                    "FEEDBACK_PATH": "SIMPLE",
                    "DIVR": divr,
                    "DIVF": divf,
                    "DIVQ": divq,
                    "FILTER_RANGE": filter_range,
                },
            )


GOWIN_DIVIDERS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
"""What ODIV_SEL can be."""


def _gowin(hz: float) -> Iterator[ClockSettings]:
    """Divided by IDIV_SEL + 1 (3 to 400 MHz), times FBDIV_SEL + 1; oscillates ODIV_SEL times as fast, at 500 to 1200.

    That is what GW1NR-9 at C6/I5 and GW2AR-18 at C8/I7 have in common.
    """
    for divided, times, divider in product(range(1, 65), range(1, 65), GOWIN_DIVIDERS):
        out = hz / divided * times
        if 3e6 <= hz / divided <= 400e6 and 500e6 <= out * divider <= 1200e6 and 4e6 <= out <= 600e6:
            yield ClockSettings(
                out,
                {
                    "FCLKIN": f"{hz / 1e6:g}",
                    "IDIV_SEL": divided - 1,
                    "FBDIV_SEL": times - 1,
                    "ODIV_SEL": divider,
                },
            )


def _series7(hz: float) -> Iterator[ClockSettings]:
    """Times CLKFBOUT_MULT_F in eighths, 600 to 1200 MHz, divided by CLKOUT0_DIVIDE_F (AMD DS181, speed grade 1)."""
    for eighths, divided in product(range(16, 513), range(2, 129)):
        oscillation = hz * eighths / 8
        if 600e6 <= oscillation <= 1200e6:
            yield ClockSettings(
                oscillation / divided,
                {
                    "CLKIN1_PERIOD": 1e9 / hz,
                    "CLKFBOUT_MULT_F": eighths / 8,
                    "CLKOUT0_DIVIDE_F": float(divided),
                },
            )


def _ecp5(hz: float) -> Iterator[ClockSettings]:
    """Divided by CLKI_DIV (3.125 to 400 MHz), times CLKFB_DIV; it oscillates CLKOP_DIV times as fast, at 400 to 800."""
    for divided, times in product(range(1, 17), range(1, 81)):
        out = hz / divided * times
        if not 3.125e6 <= hz / divided <= 400e6 or not 10e6 <= out <= 400e6:
            continue
        output_divider = round(600e6 / out)
        if 1 <= output_divider <= 128 and 400e6 <= out * output_divider <= 800e6:
            yield ClockSettings(
                out,
                {
                    "CLKI_DIV": divided,
                    "CLKFB_DIV": times,
                    "CLKOP_DIV": output_divider,
                    "CLKOP_CPHASE": output_divider // 2,
                    "CLKOP_FPHASE": 0,
                    "CLKOP_ENABLE": "ENABLED",
                    "FEEDBK_PATH": "CLKOP",
                },
            )
