import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if not (Path(os.environ.get("BCSIM_DATA", os.devnull)) / "mnist").is_dir():
        pytest.skip("BCSIM_DATA names no folder with MNIST in it")
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    monkeypatch.chdir(ROOT)
    exec(compile(found[1], "README.md", "exec"), {})
    accuracy, cycles = capsys.readouterr().out.split()
    assert float(accuracy) > 0.98
    assert int(cycles) < 2884
