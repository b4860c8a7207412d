"""Tools that synthesis and placement start."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.rtl.flow.tools import run_tool


def test_a_tool_whose_interpreter_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "placer"
    tool.write_text("#!/absent/python\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BcsimError, match=f"^Tool {tool} cannot be started: No such file or directory$"):
        run_tool("placer", [], cwd=tmp_path, log=tmp_path / "log")
