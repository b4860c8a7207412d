"""The licences of everything that bcsim installs, from the packages' own metadata.

`python -m tests.licences` prints docs/licences.md; it needs all extras installed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"

NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-2-clause": "BSD-2-Clause",
    "ISC License": "ISC",
    "ISC license": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""SPDX's names of what older metadata say in words."""

READ = {
    "amaranth-boards": "BSD-2-Clause",
    "cocotb-bus": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "ptyprocess": "ISC",
    "verilator": "LGPL-3.0-only OR Artistic-2.0",
}
"""Where the metadata say nothing or less: the licence files in the packages, for Verilator the program's own."""

HEAD = """\
# Licences of what bcsim installs

bcsim itself is Apache-2.0. These are the packages of `constraints.txt`, by the part that brings
them in, with the licences that they state. bcsim contains none of them: pip fetches each from where
it is published.

One is under the GPL: scapy, which cocotb-bus asks for. It comes with the extra `[hdl]` alone, for
benches, and nothing of bcsim imports it. Verilator runs as a program of its own, and what it
generates is not under its licence.

`python -m tests.licences` makes this page from the packages' metadata, and a test compares it.

| package | version | part | licence |
|---|---|---|---|
"""


def pins() -> dict[str, str]:
    """The version of every package of constraints.txt, by its normalised name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normalised(name): version for name, version in pairs}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parts() -> dict[str, str]:
    """The part of bcsim that brings each package in: the core, or the first extra that needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {"core": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, str] = {}
    for part, requirements in wanted.items():
        for name in closure(requirements):
            found.setdefault(name, part)
    return found


def closure(requirements: list[str]) -> Iterator[str]:
    """The packages that requirements need, and those that these need, as far as they are installed."""
    waiting, seen = [(Requirement(text), {""}) for text in requirements], set[str]()
    while waiting:
        requirement, asked = waiting.pop()
        name = normalised(requirement.name)
        marker = requirement.marker
        if name in seen or (marker and not any(marker.evaluate({"extra": extra}) for extra in asked)):
            continue
        seen.add(name)
        yield name
        try:
            extras = requirement.extras or {""}
            waiting += [(Requirement(text), extras) for text in metadata.requires(name) or ()]
        except metadata.PackageNotFoundError:
            continue


def licence(name: str) -> str:
    """The licence of an installed package, by its SPDX name. Raises LookupError where its metadata say none."""
    if name in READ:
        return READ[name]
    stated = metadata.metadata(name)
    classifiers = [
        text.rpartition(" :: ")[2] for text in stated.get_all("Classifier") or () if "License" in text
    ]
    words = (stated.get("License-Expression"), stated.get("License"), *classifiers)
    for text in words:
        if text and len(text) < 200 and "\n" not in text.strip():
            return NAMES.get(text.strip(), text.strip())
    raise LookupError(f"{name} states no licence: read its licence file and add it to READ")


def rows() -> Iterator[tuple[str, str]]:
    """The name and the table's row of every pinned package that is installed."""
    found = parts()
    for name, version in sorted(pins().items()):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        yield name, f"| {name} | {version} | {found.get(name, '')} | {licence(name)} |"


if __name__ == "__main__":
    print(HEAD + "\n".join(row for _, row in rows()))
