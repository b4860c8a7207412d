"""Errors that bench.mutants plants: which ones, and that each is another program."""

import ast
from pathlib import Path

import pytest

from bench.mutants import COSTS, EQUIVALENT, FILES, NOT_PLANTED, all_mutants
from bench.mutations import source_mutants, table_mutants

SOURCE = '''"""A docstring."""
__all__ = ["f"]
def f(machine: Machine) -> int:
    if not machine:
        raise ValueError("text of an error")
    yield Unit(2 * machine.lanes, read=a, written=b)
'''


def test_errors_of_a_source() -> None:
    errors = {mutant.error for mutant in source_mutants("f.py", SOURCE)}
    assert errors == {
        "not machine -> not not machine",
        "not machine -> machine",
        "yield Unit(2 * machine.lanes, read=a, written=b) -> pass",
        "yield Unit(2 * machine.lanes, read=a, written=b) -> twice",
        "Unit(2 * machine.lanes, read=a, written=b) -> Unit(2 * machine.lanes, written=b)",
        "Unit(2 * machine.lanes, read=a, written=b) -> Unit(2 * machine.lanes, read=a)",
        "Unit(2 * machine.lanes, read=a, written=b) -> Unit(2 * machine.lanes, read=b, written=a)",
        "2 * machine.lanes -> 2 + machine.lanes",
        "2 * machine.lanes -> 2",
        "2 * machine.lanes -> machine.lanes",
        "2 -> 3",
        "2 -> 1",
        "machine.lanes -> machine.pes",
    }


def test_errors_of_a_table() -> None:
    found = list(table_mutants("t.toml", '[adder]\npoints = [[8, 0.03], [32, 0.1]]\nsource = "32 bits"\n'))
    assert [mutant.error for mutant in found] == ["8 -> 8.8", "0.03 -> 0.033", "32 -> 35.2", "0.1 -> 0.11"]
    assert found[3].text == '[adder]\npoints = [[8, 0.03], [32, 0.11]]\nsource = "32 bits"\n'
    assert {mutant.where for mutant in found} == {"[adder]"}


@pytest.mark.parametrize("file", FILES)
def test_mutants_are_programs(file: str) -> None:
    source = (COSTS / file).read_text(encoding="utf-8")
    mutants = list(source_mutants(file, source))
    assert len(mutants) > 100
    for mutant in mutants[::10]:
        assert ast.dump(ast.parse(mutant.text)) != ast.dump(ast.parse(source)), mutant.error


def test_files_are_all_that_there_are_and_equivalents_exist() -> None:
    files = {path.name for path in Path(COSTS).glob("*.py")} - {"__init__.py"}
    assert files == {*FILES, *NOT_PLANTED}
    planted = {(mutant.file, mutant.where, mutant.error) for mutant in all_mutants()}
    assert set(EQUIVALENT) <= planted
