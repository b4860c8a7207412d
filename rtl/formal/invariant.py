"""Proofs for any number of cycles, by property directed reachability (Bradley, VMCAI 2011) in ABC.

Unlike temporal induction it finds by itself what else holds in every cycle, such as how two counters are related.
"""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from bcsim.common.errors import BcsimError
from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.formal.prove import PREPARE
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["holds", "prove_invariant"]

MAP = (
    *("memory", "opt -full", "techmap", "opt -fast", "setundef -anyseq", "dffunmap", "simplemap", "aigmap"),
    *("delete -output", "opt_clean", "write_aiger -zinit design.aig"),
)
# `sat` is for what `scorr` leaves without a register, which `pdr` does not take.
SEARCH = "read_aiger design.aig; fold; strash; orpos; scorr; dc2; scleanup; pdr -nct -T {limit}; sat"


def prove_invariant(component: wiring.Component, *, limit: int = 300) -> None:
    """Prove every Assert in `component`, in all cycles and for all values of its inputs, its reset included.

    Assumptions (Assume) hold in every cycle.
    limit : seconds for the proof.

    Raises BcsimError where an Assert can fail, where `limit` is too little, or where Yosys is missing.
    """
    with scratch_folder() as folder:
        (folder / "design.il").write_text(rtlil.convert(component, emit_src=False))
        run_yosys("\n".join((*PREPARE, *MAP)), cwd=folder)
        proved = holds(folder, limit=limit)
    if proved is None:
        raise BcsimError(f"ABC found neither a proof nor a counterexample in {limit} s")
    if not proved:
        raise BcsimError("Proof failed: an Assert does not hold in every cycle")


def holds(folder: Path, *, limit: int) -> bool | None:
    """Whether the outputs of design.aig, in a folder, are 0 in all cycles; None where `limit` seconds do not tell."""
    log = _run_abc(SEARCH.format(limit=limit), folder)
    if re.search(r"^(Property proved|UNSATISFIABLE)", log, re.MULTILINE):
        return True
    return False if re.search(r"asserted in frame|^SATISFIABLE", log, re.MULTILINE) else None


def _run_abc(script: str, folder: Path) -> str:
    """The log of ABC, which pyosys brings along."""
    package = find_spec("pyosys")
    assert package is not None, "run_yosys would have failed"
    assert package.origin is not None, "a package with a file"
    command = [str(Path(package.origin).with_name("yosys-abc")), "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
