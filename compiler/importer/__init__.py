"""ONNX files to float graphs: one small function for each operator, and one clear sentence for anything else.

Stands on compiler.graph, whose nodes it makes.
"""

from __future__ import annotations

from pathlib import Path

from bcsim.common.errors import BcsimError
from bcsim.common.escape import printable
from bcsim.common.metadata import WEIGHTS_KEY
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.graph.onnx_file import read_model
from bcsim.compiler.importer import (  # noqa: F401  (importing them registers their operators)
    activations,
    comparisons,
    convolution,
    curves,
    dense,
    elementwise,
    endings,
    joining,
    linear_quant,
    pooling,
    qlinear,
    qonnx,
    refused,
    views,
)
from bcsim.compiler.importer.structure import read_structure
from bcsim.compiler.importer.values import Activation, Codes, Scores
from bcsim.compiler.importer.walk import NodeReport, Walk

__all__ = ["NodeReport", "import_onnx", "inspect_onnx"]


def import_onnx(path: str | Path) -> Graph:
    """The float graph of the ONNX file `path`.

    Raises BcsimError for a file that is no ONNX model and for the first thing in it that is not supported: one
    sentence with the node's name, its operator, the reason and what is accepted.
    """
    file = read_model(path)
    metadata = {entry.key: entry.value for entry in file.model.metadata_props}
    if metadata.get(WEIGHTS_KEY) == "real":
        raise BcsimError(
            f"File {file.path} says that its weights are real ({WEIGHTS_KEY}): it runs as a float network, in "
            "onnxruntime, and only networks with few-valued weights compile"
        )
    walk = Walk(file, read_structure(file.model)).run()
    for report in walk.reports:
        if report.status == "unsupported":
            raise report.error
    return Graph(
        name=printable(file.path.stem),
        input=walk.structure.input,
        input_shape=walk.structure.shape,
        nodes=tuple(walk.nodes),
        output=_scores(walk).name,
        dropped=tuple(walk.dropped),
        notes=tuple(walk.notes),
        metadata=metadata,
    )


def inspect_onnx(path: str | Path) -> list[NodeReport]:
    """What every node of the ONNX file `path` lowers to, or why it cannot be lowered, in the file's order.

    What is wrong with the network as a whole comes last, as a report with the operator "graph". Raises BcsimError
    only for a file that is no ONNX model.
    """
    file = read_model(path)
    reports: list[NodeReport] = []
    try:
        walk = Walk(file, read_structure(file.model)).run()
        reports = walk.reports
        if all(report.status != "unsupported" for report in reports):
            _scores(walk)
    except BcsimError as error:
        reports.append(NodeReport(file.model.graph.name, "graph", "", "unsupported", reason=str(error)))
    return reports


def _scores(walk: Walk) -> Activation:
    """The class scores. Raises BcsimError where the file's output is none."""
    name = walk.structure.output
    value = walk.values.get(name)
    if isinstance(value, Scores):
        value = value.source
    if isinstance(value, Codes):
        raise BcsimError(f"Output {name!r} is what QuantizeLinear makes; a DequantizeLinear must follow it")
    if not isinstance(value, Activation):
        raise BcsimError(f"Output {name!r} does not depend on the network's input; expected the class scores")
    if value.shape is None or len(value.shape) != 1:
        raise BcsimError(
            f"Output {name!r} has the shape {value.shape} behind the batch axis; expected one score for each class"
        )
    if not value.layout.in_order:
        raise BcsimError(
            f"Output {name!r} is flattened in another order than (channels, rows, columns); expected scores in order"
        )
    return value
