"""The tools behind synthesis: native ones from the PATH, else those of the extra [fpga]."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bcsim.common.errors import BcsimError

__all__ = ["ToolError", "find_tool", "run_tool"]


class ToolError(BcsimError):
    """A tool that ended with an error; log : what it printed."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def find_tool(name: str) -> str:
    """The command of a tool: native where the PATH has it, as WebAssembly is slower, else YoWASP's.

    Raises BcsimError where there is neither.
    """
    beside = Path(sys.executable).parent
    search = os.pathsep.join([str(beside), os.environ.get("PATH", "")])
    found = (
        shutil.which(name) or shutil.which(name, path=search) or shutil.which(f"yowasp-{name}", path=search)
    )
    if found is None:
        raise BcsimError(f"Neither {name} nor yowasp-{name} is installed: pip install 'bcsim[fpga]'")
    return found


def run_tool(name: str, arguments: Sequence[str], *, cwd: Path, log: Path) -> str:
    """Run a tool in `cwd`, its output kept in the file `log`, which is returned.

    File names among the arguments must be relative: YoWASP's tools see the working folder only.
    Raises ToolError with the tool's own words where it fails, and BcsimError where it cannot be started.
    """
    command = [find_tool(name), *arguments]
    with log.open("w", encoding="utf-8", errors="replace") as file:
        file.write(f"$ {name} {' '.join(arguments)}\n")
        file.flush()
        try:
            done = subprocess.run(command, cwd=cwd, stdout=file, stderr=subprocess.STDOUT, check=False)
        except OSError as error:
            raise BcsimError(f"Tool {command[0]} cannot be started: {error.strerror}") from error
    text = log.read_text(encoding="utf-8", errors="replace")
    if done.returncode:
        raise ToolError(f"{name} failed: {_failure(text, done.returncode)}", text)
    return text


def _failure(text: str, status: int) -> str:
    errors = [line.partition("ERROR:")[2].strip() for line in text.splitlines() if line.startswith("ERROR:")]
    return errors[0] if errors else f"exit status {status}"
