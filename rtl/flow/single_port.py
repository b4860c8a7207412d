"""iCE40 UP5K's single-port memories in place of a design's activation banks.

Yosys' own mapping gives each group of lanes that is written alone a memory of 16 bits.
"""

from __future__ import annotations

from bcsim.costs.single_ports import (
    SPRAM_BITS,
    SPRAM_ENABLE,
    SPRAM_WORDS,
    single_port_memories,
    spram_cells,
)
from bcsim.machine.parameters import Machine

__all__ = ["BITS", "SPRAM_WORDS", "single_port_banks", "single_port_memories"]

BITS = SPRAM_WORDS * SPRAM_BITS
"""What one holds."""

BANK = """\
module activation_bank(clk, rst, address, write_enable, write_data, read_enable, read_data);
  input clk;
  input rst;
  input [{top_address}:0] address;
  input [{top_group}:0] write_enable;
  input [{top_bit}:0] write_data;
  input read_enable;
  output [{top_bit}:0] read_data;
  wire [{top_cell_bit}:0] in = write_data;
  wire [{top_cell_bit}:0] out;
  wire [{top_nibble}:0] mask;
  assign read_data = out;
{masks}{cells}endmodule
"""

CELL = """\
  SB_SPRAM256KA cell_{index} (
    .ADDRESS({address}), .DATAIN(in[{high}:{low}]), .MASKWREN(mask[{high_nibble}:{low_nibble}]),
    .WREN(|write_enable), .CHIPSELECT(|write_enable | read_enable), .CLOCK(clk),
    .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(out[{high}:{low}])
  );
"""


def single_port_banks(machine: Machine) -> str:
    """Verilog of module `activation_bank`, port for port that of rtl/common/activation_bank.py."""
    bits, cells, width = (
        machine.lanes * machine.digit,
        spram_cells(machine),
        (machine.bank_words - 1).bit_length(),
    )
    nibbles = machine.requantisers * machine.digit // SPRAM_ENABLE
    masks = "".join(
        f"  assign mask[{nibble}] = "
        + (f"write_enable[{nibble // nibbles}];\n" if nibble * SPRAM_ENABLE < bits else "1'b0;\n")
        for nibble in range(cells * SPRAM_BITS // SPRAM_ENABLE)
    )
    return BANK.format(
        top_address=width - 1,
        top_group=machine.groups - 1,
        top_bit=bits - 1,
        top_cell_bit=cells * SPRAM_BITS - 1,
        top_nibble=cells * SPRAM_BITS // SPRAM_ENABLE - 1,
        masks=masks,
        cells="".join(_cell(index, width) for index in range(cells)),
    )


def _cell(index: int, width: int) -> str:
    low, nibbles = index * SPRAM_BITS, SPRAM_BITS // SPRAM_ENABLE
    unused = SPRAM_WORDS.bit_length() - 1 - width
    return CELL.format(
        index=index,
        address=f"{{{unused}'d0, address}}" if unused else "address",
        high=low + SPRAM_BITS - 1,
        low=low,
        high_nibble=(index + 1) * nibbles - 1,
        low_nibble=index * nibbles,
    )
