"""docs/first-steps.ipynb runs as it stands, and ends in the figures that it should."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first-steps.ipynb"


def test_no_outputs_are_stored() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    """The code cells with their outputs, and the folder in which they ran."""
    pytest.importorskip("torch")
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"], folder


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.mark.train
def test_the_figures_at_the_end(executed: tuple[list[Any], Path]) -> None:
    cells, _ = executed
    lines = dict(re.findall(r"^(.*) ([\d.]+)%?$", printed(cells[-1]), re.MULTILINE))
    figures = {name: float(value) for name, value in lines.items()}
    assert figures.pop("cycles per image") == 181
    assert figures.pop("classes that differ in onnxruntime") == 0
    assert figures.pop("same class") > 97
    assert min(figures["float network"], figures["integer program"]) > 93
    assert len(figures) == 2


@pytest.mark.train
def test_what_it_shows_and_writes(executed: tuple[list[Any], Path]) -> None:
    """Tables for programs and results, the report, the trace; nothing on standard error."""
    cells, folder = executed
    assert [o for cell in cells for o in cell.outputs if o.get("name") == "stderr"] == []
    shown = [o.data for cell in cells for o in cell.outputs if o.output_type == "execute_result"]
    assert sum("<table" in data.get("text/html", "") for data in shown) >= 2
    assert {"net.onnx", "report.html", "trace.json.gz", "standard.onnx"} <= {p.name for p in folder.iterdir()}
    assert "</html>" in (folder / "report.html").read_text(encoding="utf-8")
