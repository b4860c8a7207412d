"""Yosys scripts, run by the pyosys package: no `yosys` command is needed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from bcsim.common.errors import BcsimError

__all__ = ["run_yosys"]

PASSES = Path(__file__).with_name("run_passes.py")


def run_yosys(script: str, *, cwd: Path) -> str:
    """The log of a Yosys script, one pass a line, whose file names are relative to `cwd`.

    Raises BcsimError where the hdl extra is missing, or with Yosys' own message where a pass fails.
    """
    if find_spec("pyosys") is None:
        raise BcsimError(
            "Yosys is needed here: install the hdl extra (pip install 'bcsim[hdl]'), which has it as pyosys"
        )
    done = subprocess.run(
        [sys.executable, str(PASSES)], input=script, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BcsimError(f"Yosys failed: {_failure(done)}")
    return done.stdout


def _failure(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or [f"exit status {done.returncode}"])[-1]
