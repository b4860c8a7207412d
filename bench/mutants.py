"""Errors planted one at a time in counts, references, traffic, energies and tables: how many do the tests find?

python -m bench.mutants [--file structure.py ...] [--match TEXT] [--jobs 2] [--json] [--list]

Every mutant runs in a process forked from one that has elaborated the designs: the tests see an error in the files
of bcsim/costs and nothing else. Exit status 1 where one survives that is not named in EQUIVALENT.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from importlib.machinery import ModuleSpec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from rich.console import Console
from rich.table import Table

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bench.common import run_main
from bench.mutations import Mutant, source_mutants, table_mutants

ROOT = Path(__file__).resolve().parent.parent
COSTS = ROOT / "bcsim" / "costs"
FILES = ("structure.py", "at_work.py", "counts.py", "float_counts.py", "traffic.py", "energy.py")
NOT_PLANTED = (
    *("fpga_model.py", "calibration.py", "block_features.py", "control_widths.py", "parts.py"),
    *("external_memories.py", "memory_blocks.py", "memory_mapping.py", "memory_use.py"),
    *("single_ports.py", "units.py"),
)
"""Files beside them that count nothing: words, what a part or a memory has, and estimates, held to synthesis."""
TESTS = (
    "tests/bcsim/costs/test_golden.py",
    "tests/bcsim/costs/test_structure.py",
    "tests/bcsim/costs/test_energy_golden.py",
    "tests/bcsim/costs/test_energy.py",
    "tests/bcsim/costs/test_energy_page.py",
    "tests/bcsim/costs/test_counts.py",
    "tests/bcsim/costs/test_traffic.py",
    "tests/rtl/test_at_work.py",
)
SECONDS = 120
"""After which a mutant that makes the tests run on counts as found."""
PASSED = 17
"""Exit status of a child whose tests pass."""
RELOADED = ("bcsim.costs", "bcsim.results", "bcsim.api", "tests.bcsim", "tests.rtl.test")

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("counts.py", "operations", "0 -> -1"): "all layers have the same operations",
    ("float_counts.py", "_traffic", "'' -> 'none'"): "a reference has no design, hence no blocks",
    ("energy.py", "at", "point[0] >= size -> point[0] > size"): "at a point both its lines give its energy",
    ("energy.py", "at", "0 -> -1"): "of one point, the first is the last",
    ("structure.py", "_sums", "0 -> -1"): "one bound is left, the first and the last",
    ("energy.py", "table_text", "'utf-8' -> 'utf-8_'"): "Python takes both for the same encoding",
    ("energy.py", "_read_table", "'utf-8' -> 'utf-8_'"): "Python takes both for the same encoding",
}
"""Mutants that compute the same, by file, function and error: why."""


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a module of bcsim.costs from a mutant's text."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        self.name, self.mutant = name, mutant

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, COSTS / self.mutant.file, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.text, str(COSTS / self.mutant.file), "exec"), module.__dict__)


def all_mutants() -> Iterator[Mutant]:
    for file in FILES:
        yield from source_mutants(file, (COSTS / file).read_text(encoding="utf-8"))
    for table in sorted((COSTS / "tables").glob("*.toml")):
        yield from table_mutants(f"tables/{table.name}", table.read_text(encoding="utf-8"))


def run_all(mutants: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Every mutant, and whether the tests fail with it; `jobs` child processes at a time."""
    running: dict[int, Mutant] = {}
    for mutant in mutants:
        if len(running) == jobs:
            yield _finished(running)
        child = os.fork()
        if not child:
            signal.alarm(SECONDS)
            os._exit(PASSED if _tests_pass(mutant) else 0)
        running[child] = mutant
    while running:
        yield _finished(running)


def _finished(running: dict[int, Mutant]) -> tuple[Mutant, bool]:
    child, status = os.wait()
    return running.pop(child), not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == PASSED)


def _tests_pass(mutant: Mutant) -> bool:
    """Run here, in the child: the mutant in place, everything that read the original forgotten."""
    import pytest

    for name in [name for name in sys.modules if name.startswith(RELOADED)]:
        del sys.modules[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # What is likely to find it goes first.
    tests = sorted(TESTS, key=lambda test: "energy" not in test) if _is_energy(mutant) else TESTS
    files = [str(ROOT / test) for test in tests]
    options = ["-x", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
    with (
        TemporaryDirectory() as folder,
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        try:
            _plant(mutant, Path(folder))
            return _golden_pass() and pytest.main([*options, *files]) == 0
        except BaseException:
            return False


def _golden_pass() -> bool:
    """Run the hand-made counts without pytest, which takes longer to start; AssertionError where one fails."""
    golden = importlib.import_module("tests.bcsim.costs.test_golden")
    for name, test in vars(golden).items():
        if name.startswith("test_"):
            test()
    return True


def _is_energy(mutant: Mutant) -> bool:
    return mutant.file == "energy.py" or not mutant.file.endswith(".py")


def _plant(mutant: Mutant, folder: Path) -> None:
    if mutant.file.endswith(".py"):
        name = f"bcsim.costs.{mutant.file.removesuffix('.py')}"
        sys.meta_path.insert(0, Planted(name, mutant))
        return
    from bcsim.costs import energy

    tables = folder / "tables"
    tables.mkdir()
    for table in (COSTS / "tables").glob("*.toml"):
        (tables / table.name).write_bytes(table.read_bytes())
    (folder / mutant.file).write_text(mutant.text, encoding="utf-8")
    energy.files = lambda package: folder  # type: ignore[assignment,return-value]


def elaborate_once() -> None:
    """Load what mutants share and elaborate the designs, so that every child has them."""
    from tests.bcsim.costs.test_structure import MACHINES
    from tests.rtl.netlist import elaborated

    for machine in MACHINES.values():
        elaborated(machine)


def _name(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.line} {mutant.where}: {mutant.error}"


def _is_equivalent(mutant: Mutant) -> bool:
    return (mutant.file, mutant.where, mutant.error) in EQUIVALENT


def _print(mutants: Sequence[Mutant], survivors: Sequence[Mutant]) -> None:
    table = Table(title="Planted errors", title_justify="left")
    for heading in ("file", "planted", "equivalent", "found"):
        table.add_column(heading, justify="left" if heading == "file" else "right")
    tried = Counter(mutant.file for mutant in mutants)
    equivalent = Counter(mutant.file for mutant in mutants if _is_equivalent(mutant))
    missed = Counter(mutant.file for mutant in survivors if not _is_equivalent(mutant))
    for file, number in tried.items():
        found = number - equivalent[file] - missed[file]
        table.add_row(file, f"{number}", f"{equivalent[file]}", f"{found}")
    same = sum(equivalent.values())
    table.add_row("all", f"{len(mutants)}", f"{same}", f"{len(mutants) - same - sum(missed.values())}")
    console = Console(width=110)
    console.print(table)
    for mutant in survivors:
        reason = EQUIVALENT.get((mutant.file, mutant.where, mutant.error), "NOT FOUND")
        console.print(f"{_name(mutant)}: {reason}", markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--file", help="only the mutants of these files", nargs="+")
    parser.add_argument("--match", default="", help="only those with this text in what --list shows")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    options = parser.parse_args()
    mutants = [mutant for mutant in all_mutants() if options.file is None or mutant.file in options.file]
    mutants = [mutant for mutant in mutants if options.match in _name(mutant)]
    if options.list:
        for mutant in mutants:
            print(_name(mutant))
        return
    elaborate_once()
    unchanged = (COSTS / FILES[0]).read_text(encoding="utf-8")
    if next(run_all([Mutant(FILES[0], "", 0, "", unchanged)], 1))[1]:
        raise BcsimError("The tests fail without a planted error: mend that first")
    survivors = []
    for mutant, found in track(run_all(mutants, options.jobs), "Planted errors", len(mutants)):
        if not found:
            survivors.append(mutant)
            print(f"survives: {_name(mutant)}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([asdict(mutant) | {"text": None} for mutant in survivors], indent=2))
    else:
        _print(mutants, survivors)
    if any(not _is_equivalent(mutant) for mutant in survivors):
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
