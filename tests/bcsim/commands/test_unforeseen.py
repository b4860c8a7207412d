"""Errors that nobody foresaw, and signals: one sentence, an exit code of their own, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bcsim import cli
from bcsim.commands import machines


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a\x1b[31mb " + "c" * 1000)

    monkeypatch.setattr(machines, "standard_output", broken)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


@pytest.mark.usefixtures("defect")
def test_a_defect_is_one_sentence_with_a_way_to_report_it() -> None:
    found = invoke("machines")
    assert found.exit_code == 70
    assert found.stdout == ""
    assert found.stderr.startswith(
        "bcsim: Unforeseen error, a defect of bcsim: ZeroDivisionError: a\\x1b[31mb ccc"
    )
    assert found.stderr.endswith(
        ". Please report it with the command and its files; bcsim --debug COMMAND ... shows the traceback\n"
    )
    assert len(found.stderr) < 380


@pytest.mark.usefixtures("defect")
def test_debug_shows_the_traceback() -> None:
    found = invoke("--debug", "machines")
    assert isinstance(found.exception, ZeroDivisionError)
    assert invoke("machines").exit_code == 70


def test_a_terminated_run_leaves_nothing_half_written(tmp_path: Path) -> None:
    """SIGTERM in the middle of a run: the exit code of a shell, one sentence, no half-written file."""
    code = (
        "import sys, time; from bcsim import cli; from bcsim.commands import machines; from bcsim.common import files\n"
        "def slow(*_):\n"
        "    with files.atomic_write('out') as file:\n"
        "        file.write(b'half'); print('ready', flush=True); time.sleep(60)\n"
        "machines.standard_output = slow; sys.argv = ['bcsim', 'machines']; cli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (128 + signal.SIGTERM, "bcsim: Terminated\n")
    assert list(tmp_path.iterdir()) == []
