"""ONNX files to float graphs: one small function for each operator, and one clear sentence for anything else.

Stands on compiler.graph, whose nodes it makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bcsim.common.errors import BcsimError
from bcsim.common.escape import printable
from bcsim.common.metadata import STANDARD_KEY, WEIGHTS_KEY
from bcsim.compiler.graph.nodes import Flatten, Graph, Node, Values
from bcsim.compiler.graph.onnx_file import OnnxFile, read_model
from bcsim.compiler.graph.shapes import check_sizes
from bcsim.compiler.importer import (  # noqa: F401  (importing them registers their operators)
    activations,
    channels_last,
    comparisons,
    convolution,
    curves,
    dense,
    elementwise,
    endings,
    image_patches,
    joining,
    linear_quant,
    parts,
    pooling,
    qlinear,
    qonnx,
    refused,
    resizing,
    truncation,
    views,
)
from bcsim.compiler.importer.folding import folding_room
from bcsim.compiler.importer.structure import read_structure
from bcsim.compiler.importer.values import Activation, Codes, Scores
from bcsim.compiler.importer.walk import NodeReport, Walk

__all__ = ["NodeReport", "import_onnx", "inspect_onnx"]


def import_onnx(path: str | Path, weight_bits: int | None = None) -> Graph:
    """The float graph of the ONNX file `path`.

    weight_bits : 2 to 8, that real weights are rounded to, for each output; None to refuse them.

    Raises BcsimError for a file that is no ONNX model and for the first thing in it that is not supported: one
    sentence with the node's name, its operator, the reason and what is accepted.
    """
    file = read_model(path)
    metadata = {entry.key: entry.value for entry in file.model.metadata_props}
    if metadata.get(WEIGHTS_KEY) == "real" and weight_bits is None:
        raise BcsimError(
            f"File {file.path} says that its weights are real ({WEIGHTS_KEY}): it runs as a float network, in "
            "onnxruntime, and compiles with --weight-bits alone, which rounds them"
        )
    _refuse_standard(file)
    walk = Walk(file, read_structure(file.model), folding_room(file), weight_bits).run()
    for report in walk.reports:
        if report.status == "unsupported":
            raise report.error
    scores = _scores(walk)
    graph = Graph(
        name=printable(file.path.stem),
        input=walk.structure.input,
        input_shape=walk.structure.shape,
        nodes=_with_flat(walk.nodes, scores, _output(walk, scores)),
        output=_output(walk, scores),
        dropped=tuple(walk.dropped),
        notes=(*walk.notes, *_map_notes(walk, scores)),
        metadata=metadata,
    )
    check_sizes(graph)
    return graph


def inspect_onnx(path: str | Path, weight_bits: int | None = None) -> list[NodeReport]:
    """What every node of the ONNX file `path` lowers to, or why it cannot be lowered, in the file's order.

    weight_bits : as in `import_onnx`.
    What is wrong with the network as a whole comes last, as a report with the operator "graph". Raises BcsimError
    only for a file that is no ONNX model.
    """
    file = read_model(path)
    reports: list[NodeReport] = []
    try:
        _refuse_standard(file)
        walk = Walk(file, read_structure(file.model), folding_room(file), weight_bits).run()
        reports = walk.reports
        if all(report.status != "unsupported" for report in reports):
            _scores(walk)
    except BcsimError as error:
        reports.append(NodeReport(file.model.graph.name, "graph", "", "unsupported", reason=str(error)))
    return reports


def _refuse_standard(file: OnnxFile) -> None:
    """Raise BcsimError for a file that bcsim wrote for other runtimes."""
    if any(entry.key == STANDARD_KEY for entry in file.model.metadata_props):
        raise BcsimError(
            f"File {file.path} is a program in standard operators, for onnxruntime and other runtimes; for bcsim "
            "compile the network without --standard"
        )


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
    if value.shape is None:
        raise BcsimError(
            f"Output {name!r} has a shape that is not known; expected class scores or a map of them"
        )
    if value.name == walk.structure.input:
        raise BcsimError(f"Output {name!r} is the network's input itself; expected the class scores")
    return value


def _output(walk: Walk, scores: Activation) -> str:
    """The graph's name for the scores: that of a tensor of the file which holds them in the same order."""
    if scores.layout.in_order:
        return scores.name
    value = walk.values[walk.structure.output]
    return value.tensor if isinstance(value, Scores) else walk.structure.output


def _with_flat(nodes: Sequence[Node], scores: Activation, output: str) -> tuple[Node, ...]:
    """The nodes, and behind a map of scores what puts them in the file's order, in the tensor `output`."""
    if len(scores.layout.stored) == 1 and scores.layout.in_order:
        return tuple(nodes)
    image = f"{scores.name}/map"
    renamed = {scores.name: image}
    moved = (
        replace(
            node,
            inputs=tuple(renamed.get(name, name) for name in node.inputs),
            output=renamed.get(node.output, node.output),
        )
        for node in nodes
    )
    if scores.layout.in_order:
        return (*moved, Flatten(scores.name, "Flatten", (image,), scores.name))
    flat = f"{scores.name}/flat"
    ordered = Values(scores.name, "Transpose", (flat,), output, scores.layout.sources())
    return (*moved, Flatten(scores.name, "Flatten", (image,), flat), ordered)


def _map_notes(walk: Walk, scores: Activation) -> tuple[str, ...]:
    assert scores.shape is not None
    if len(scores.shape) == 1:
        return ()
    size = "x".join(map(str, scores.shape))
    return (
        f"Output {walk.structure.output!r} is a map of {size} scores: they come flattened, in this order, and the "
        "class is the place of the greatest",
    )
