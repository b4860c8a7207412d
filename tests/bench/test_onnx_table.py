"""The table of operators in docs/onnx.md says what its networks reach, and has every operator that is read."""

from dataclasses import replace

import pytest

from bcsim.compiler.importer.registry import accepted
from bench.onnx_networks import ROWS, Row
from bench.onnx_table import HEADER, PAGE, check_row, check_verilog, row_text

NAMES = [", ".join(row.operators[:3]) or "maps" for row in ROWS]


def names_in(row: Row) -> set[str]:
    """The operators in the networks of a row, those of a domain as "domain.Name"."""
    nodes = [node for network in row.networks for node in network.model().graph.node]
    return {f"{node.domain}.{node.op_type}".lstrip(".") for node in nodes}


def test_every_operator_that_is_read_has_a_row() -> None:
    listed = {name for row in ROWS for name in row.operators}
    assert {f"{domain}.{name}".lstrip(".") for domain, name in accepted()} == listed


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_networks_of_a_row_have_its_operators(row: Row) -> None:
    assert set(row.operators) - names_in(row) == set()


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_page_says_what_the_networks_reach(row: Row) -> None:
    """Verilog is what the machine runs, generated; `python -m bench.onnx_table --verilog` simulates it."""
    reached = check_row(row)
    verilog = (True, None) if reached.machine else (False,)
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert any(row_text(row, replace(reached, verilog=ran)) in lines for ran in verilog)


def test_the_page_has_no_other_rows() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(HEADER[0])
    table = [line for line in lines[start:] if line.startswith("|")]
    assert len(table) >= len(ROWS) + 2
    assert not lines[start + len(ROWS) + 2].startswith("|")


@pytest.mark.rtl
def test_a_row_in_verilator() -> None:
    row = next(row for row in ROWS if "Where" in row.operators)
    assert list(check_verilog([row])) == [True]
