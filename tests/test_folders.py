"""Which folder may import which: the order in which a network passes through the project, held by its imports."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bcsim", "compiler", "rtl", "models")

HARDWARE = "rtl/common rtl/datapath rtl/sequencer rtl/streams rtl/bus rtl/accelerator.py"
COMPILER = (
    "compiler/graph compiler/program compiler/importer compiler/lowering compiler/mapping compiler/standard"
)
LEVELS = f"bcsim/common bcsim/machine {COMPILER} bcsim/data bcsim/execution bcsim/simulator bcsim/costs"

# A folder, and the folders that its files may import beside their own.
MAY_IMPORT = {
    "compiler": "",
    "rtl": "",
    "bcsim/common": "",
    "bcsim/machine": "bcsim/common",
    "bcsim/data": "bcsim/common",
    "compiler/graph": "bcsim/common",
    "compiler/program": "bcsim/common bcsim/machine compiler/graph",
    "compiler/importer": "bcsim/common compiler/graph",
    "compiler/lowering": "bcsim/common bcsim/machine compiler/graph compiler/program",
    "compiler/mapping": "bcsim/common bcsim/machine compiler/program",
    "compiler/standard": "bcsim/common compiler/program",
    "bcsim/execution": "bcsim/common bcsim/data compiler/graph compiler/program bcsim/execution/kernels",
    "bcsim/execution/kernels": "bcsim/common compiler/program compiler/mapping",
    "bcsim/host": (
        "bcsim/common bcsim/machine compiler/program compiler/mapping bcsim/simulator rtl/common rtl/link"
    ),
    "bcsim/simulator": "bcsim/common bcsim/machine compiler/program compiler/mapping",
    "bcsim/costs": "bcsim/common bcsim/machine compiler/program compiler/mapping",
    "bcsim/search": LEVELS,
    "bcsim/results": LEVELS,
    "bcsim/interface": (
        f"{LEVELS} bcsim/results bcsim/report bcsim/host rtl/bus rtl/generate rtl/boards rtl/flow"
    ),
    "bcsim/api.py": f"{LEVELS} bcsim/results bcsim/interface",
    "rtl/common": "bcsim/machine",
    "rtl/datapath": "bcsim/machine rtl/common",
    "rtl/sequencer": "bcsim/machine rtl/common",
    "rtl/streams": "bcsim/machine rtl/common",
    "rtl/bus": "bcsim/machine compiler/mapping rtl/common",
    "rtl/accelerator.py": (
        "bcsim/machine compiler/mapping rtl/common rtl/datapath rtl/sequencer rtl/streams rtl/bus"
    ),
    "rtl/link": "bcsim/common bcsim/machine rtl/common rtl/bus rtl/accelerator.py",
    "rtl/bench": "rtl/common bcsim/host rtl/link",
    "rtl/tools": "bcsim/common",
    "rtl/formal": f"bcsim/common bcsim/machine rtl/tools rtl/link {HARDWARE}",
    "rtl/generate": (
        "bcsim/common bcsim/machine compiler/mapping bcsim/simulator bcsim/costs rtl/bench rtl/tools rtl/link "
        f"{HARDWARE}"
    ),
    "rtl/boards": "bcsim/common rtl/link",
    "rtl/flow": (
        "bcsim/common bcsim/machine compiler/mapping bcsim/simulator bcsim/costs rtl/accelerator.py rtl/bus "
        "rtl/bench rtl/boards rtl/generate rtl/link rtl/tools"
    ),
    "models": "bcsim/common bcsim/data",
    "bcsim/report": "bcsim/common bcsim/costs bcsim/simulator bcsim/results",
    "bcsim/commands": (
        f"bcsim/api.py {LEVELS} bcsim/search bcsim/results bcsim/report bcsim/interface bcsim/host rtl/generate "
        "rtl/boards rtl/flow models"
    ),
    "bcsim/cli.py": "bcsim/common bcsim/commands",
    "bcsim/__main__.py": "bcsim/cli.py",
    "bcsim": "bcsim/api.py bcsim/common bcsim/data bcsim/machine bcsim/interface bcsim/results",
}
PARTED = ("bcsim", "compiler", "rtl")
"""Packages whose files stand in folders; those beside the folders have rows of their own."""


def place(file: Path) -> str:
    """The row of MAY_IMPORT that holds for a file."""
    relative = file.relative_to(ROOT)
    folder = str(relative.parent)
    if folder not in PARTED:
        return folder
    return folder if file.name == "__init__.py" else str(relative)


def module_file(name: str) -> Path | None:
    """The file of a module of ours, None for a name in a module and for others' modules."""
    parts = name.split(".")
    if parts[0] != "bcsim":
        return None
    path = ROOT.joinpath(*(parts[1:] if len(parts) > 1 and parts[1] in PACKAGES else parts))
    return next((f for f in (path / "__init__.py", path.with_suffix(".py")) if f.is_file()), None)


def imports(tree: ast.AST) -> Iterator[tuple[int, Path]]:
    """Line and file of every module of ours that is imported, at the top of a file or anywhere in it."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if module_file(name) else node.module for name in inner]
        yield from ((node.lineno, file) for name in names if (file := module_file(name)))


def broken(file: Path, source: str) -> list[str]:
    """What a file imports against the table, as sentences."""
    mine = place(file)
    if mine not in MAY_IMPORT:
        return [f"{file.relative_to(ROOT)}: {mine} has no row in MAY_IMPORT"]
    allowed = {mine, *MAY_IMPORT[mine].split()}
    return [
        f"{file.relative_to(ROOT)}:{line}: {mine} may not import {place(other)} ({other.relative_to(ROOT)}); "
        f"it may import {MAY_IMPORT[mine] or 'nothing of ours'}"
        for line, other in imports(ast.parse(source))
        if place(other) not in allowed
    ]


FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def test_no_folder_imports_one_above_it() -> None:
    assert [sentence for file in FILES for sentence in broken(file, file.read_text())] == []


def test_the_table_has_no_circle_and_no_row_for_what_is_gone() -> None:
    order = list(TopologicalSorter({name: row.split() for name, row in MAY_IMPORT.items()}).static_order())
    assert set(order) == set(MAY_IMPORT)
    assert set(MAY_IMPORT) == {place(file) for file in FILES}


@pytest.mark.parametrize(
    "folder", sorted(row for row in MAY_IMPORT if (ROOT / row).is_dir() and row not in PARTED)
)
def test_a_folder_says_what_it_stands_on(folder: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8")))
    assert text is not None
    assert "Stands on " in text
    for package, name in re.findall(r"\b(bcsim|compiler|rtl)\.(\w+)", text.partition("Stands on ")[2]):
        assert {f"{package}/{name}", f"{package}/{name}.py"} & set(MAY_IMPORT[folder].split()), (
            f"{package}.{name}"
        )


@pytest.mark.parametrize(
    "source",
    [
        "import bcsim.api",
        "from bcsim import api",
        "from bcsim.api import load",
        "def late():\n    from bcsim.api import load",
    ],
)
def test_an_import_of_what_stands_above_is_told_with_file_line_and_rule(source: str) -> None:
    line = source.count("\n") + 1
    assert broken(ROOT / "bcsim" / "machine" / "latency.py", source) == [
        f"bcsim/machine/latency.py:{line}: bcsim/machine may not import bcsim/api.py (bcsim/api.py); "
        "it may import bcsim/common"
    ]
