"""Counting what a design takes, and what multiplies in it."""

from pathlib import Path

import pytest

from bcsim.rtl.tools.memory_images import without_contents
from bcsim.rtl.tools.synthesis import FAMILIES, Resources, count_multipliers, synthesise

SUM = """
module sum(input clk, input [7:0] a, input [7:0] b, output reg [7:0] total);
  always @(posedge clk) total <= a + b;
endmodule
"""
PRODUCT = """
module product(input clk, input [15:0] a, input [15:0] b, output reg [31:0] total);
  always @(posedge clk) total <= a * b;
endmodule
"""
TABLE = """
module table_(input clk, input we, input [9:0] address, input [15:0] in, output reg [15:0] out);
  reg [15:0] words [1023:0];
  initial begin : initialise_words
    $readmemh("absent.mem", words);
  end
  always @(posedge clk) begin
    if (we) words[address] <= in; else out <= words[address];
  end
endmodule
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "design.v"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("family", "luts"),
    # An 8-bit adder: 8 LUT sites where a site has its own carry; ECP5's carry cells hold two sites.
    [("ecp5", 8), ("ice40", 8), ("7-series", 8)],
)
def test_an_adder_takes_a_lut_a_bit(tmp_path: Path, family: str, luts: int) -> None:
    used = synthesise(write(tmp_path, SUM), "sum", FAMILIES[family])
    assert luts <= used.luts <= luts + 2
    assert (used.flip_flops, used.memories, used.dsps) == (8, 0, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_product_is_caught_before_and_after_synthesis(tmp_path: Path, family: str) -> None:
    source = write(tmp_path, PRODUCT)
    assert count_multipliers(source, "product") == 1
    assert synthesise(source, "product", FAMILIES[family]).dsps >= 1


def test_a_sum_multiplies_nothing(tmp_path: Path) -> None:
    assert count_multipliers(write(tmp_path, SUM), "sum") == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_memory_takes_block_memories_and_its_contents_do_not_count(tmp_path: Path, family: str) -> None:
    used = synthesise(write(tmp_path, TABLE), "table_", FAMILIES[family])
    assert isinstance(used, Resources)
    assert used.memories >= 1
    assert used.luts < 16


def test_contents_of_a_memory_that_nothing_writes_stay() -> None:
    constant = TABLE.replace("if (we) words[address] <= in; else ", "")
    assert without_contents(constant) == constant
    assert "readmemh" not in without_contents(TABLE)
