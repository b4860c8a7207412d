"""Proofs by temporal induction, with the SAT solver inside Yosys."""

from __future__ import annotations

from amaranth.back import rtlil
from amaranth.lib import wiring

from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["prove"]

PREPARE = ("read_rtlil design.il", "proc", "flatten", "memory", "async2sync", "chformal -lower", "opt_clean")


def prove(component: wiring.Component, *, steps: int) -> None:
    """Prove every Assert in `component`, for all values of its inputs in every cycle after its initial state.

    Assumptions (Assume) hold in every cycle. Raises BcsimError where an Assert can fail, where `steps` cycles are
    too few for the induction, or where Yosys is missing.
    """
    proof = f"sat -tempinduct -prove-asserts -set-assumes -seq 0 -maxsteps {steps} -verify"
    with scratch_folder() as folder:
        (folder / "design.il").write_text(rtlil.convert(component, emit_src=False))
        run_yosys("\n".join((*PREPARE, proof)), cwd=folder)
