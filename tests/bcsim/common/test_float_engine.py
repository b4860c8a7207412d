"""onnxruntime leaves nothing in the user's folders."""

import os
import subprocess
import sys
from pathlib import Path

from bcsim.common import float_engine

RUN = """
import numpy as np
from onnx import helper
from bcsim.common.float_engine import onnxruntime
one = [helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", one[:1], one[1:])
model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
print(session.run(None, {"x": np.ones(1, np.float32)})[0][0])
"""


def files_left(home: Path, code: str) -> list[str]:
    """What a run leaves in an empty home folder, Python's own caches aside."""
    home.mkdir()
    # onnxruntime writes nothing where it sees that it runs in CI, so these tests must not show it.
    hidden = ("XDG_", "ORT_", "CI", "GITHUB_", "BUILD_", "TF_BUILD")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment = {**kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def test_no_device_identifier_is_written(tmp_path: Path) -> None:
    assert files_left(tmp_path / "home", RUN) == []


def test_the_cache_is_where_one_would_be_seen(tmp_path: Path) -> None:
    found = files_left(tmp_path / "home", "import onnxruntime")
    if sys.platform == "linux" and float_engine.onnxruntime.__version__ == "1.31.1":
        assert ".cache/Microsoft/DeveloperTools/.onnxruntime/deviceid" in found
