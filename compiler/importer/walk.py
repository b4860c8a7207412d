"""The walk over a file's nodes: constants are folded, the rest lowered, every finding kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from onnx import NodeProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.integer_weights import IntegerWeights
from bcsim.compiler.graph.nodes import AveragePool, Conv, Curve, Dense, MaxPool, Node, Quant
from bcsim.compiler.graph.onnx_file import OnnxFile, tensor_array, tensor_elements, type_name
from bcsim.compiler.importer import registry
from bcsim.compiler.importer.folding import Folded, fold
from bcsim.compiler.importer.linear_quant import passed, passes
from bcsim.compiler.importer.node_context import NodeContext, label
from bcsim.compiler.importer.structure import Structure
from bcsim.compiler.importer.values import Activation, Broken, Constant, Scores, Value

__all__ = ["NodeReport", "Status", "Walk"]

# Curves that rise everywhere and are positive, or above a half, where their input is positive.
_ODD = ("Erf", "Sigmoid", "Softsign", "Tanh")
_KEPT = "it changes no value that the classes depend on"

# The names of ONNX' types, and numpy's.
_PRECISIONS = {"float": "float32", "float16": "float16", "bfloat16": "bfloat16", "double": "float64"}

Status: TypeAlias = Literal["lowered", "folded", "dropped", "unsupported"]


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What became of one ONNX node.

    status : "lowered" to graph nodes, "folded" into a constant, "dropped" because it changes no value or nothing
        uses it, or "unsupported".
    into : the graph nodes or the constant, in words.
    reason : why it is unsupported or dropped, or a note on how it was read.
    """

    name: str
    op: str
    domain: str
    status: Status
    into: str = ""
    reason: str = ""

    @property
    def error(self) -> BcsimError:
        return BcsimError(f"Node {self.name!r} ({self.op}): {self.reason}")


@dataclass(slots=True)
class Walk:
    """A walk's findings.

    reports : one for each ONNX node. values : what every tensor is known to be. dropped : the nodes
    behind the last graph node. room : constants still allowed, elements. weight_bits : that real weights are
    rounded to, None to refuse them.
    """

    file: OnnxFile
    structure: Structure
    room: int
    weight_bits: int | None = None
    nodes: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reports: list[NodeReport] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def run(self) -> Walk:
        """Visit every node. Nothing is raised: what is not supported is reported, and the walk goes on."""
        self.values[self.structure.input] = Activation(self.structure.input, self.structure.shape, raw=True)
        last_use = {name: i for i, node in enumerate(self.structure.nodes) for name in node.input}
        for i, node in enumerate(self.structure.nodes):
            self.reports.append(self._visit(node))
            self._forget(name for name in node.input if last_use[name] == i)
        self._drop_last_curves()
        return self

    def _drop_last_curves(self) -> None:
        """Leave out a Sigmoid of the scores and its like: it keeps their order, and which of them are positive."""
        name = self.structure.output
        while isinstance(value := self.values.get(name), Activation) and self.nodes:
            last = self.nodes[-1]
            if not isinstance(last, Curve) or last.function not in _ODD or last.output != value.name:
                return
            self.nodes.pop()
            self.values[name] = value.at(last.inputs[0]) if value.layout.in_order else self._before(last)
            self.dropped.insert(0, f"{last.name} ({last.op})")
            self.reports = [
                replace(report, status="dropped", into="", reason=_KEPT)
                if (report.name, report.op) == (last.name, last.op)
                else report
                for report in self.reports
            ]

    def _before(self, curve: Node) -> Value:
        """The scores in the order that the file has them in where it reads them for `curve`."""
        tensor = next(node.input[0] for node in self.structure.nodes if label(node) == curve.name)
        source = self.values[tensor]
        assert isinstance(source, Activation)
        return Scores(source, f"node {curve.name!r} ({curve.op})", tensor)

    def _forget(self, names: Iterable[str]) -> None:
        """Free the constants `names`: those of a large network take more memory than all that is made of them."""
        for name in names:
            if isinstance(self.values.get(name), Constant):
                del self.values[name]

    def _visit(self, node: NodeProto) -> NodeReport:
        if not self.structure.live.intersection(node.output):
            return _report(node, "dropped", reason="nothing uses its result")
        try:
            context = self._context(node)
            if any(isinstance(value, Broken) for value in context.operands):
                raise BcsimError("one of its constants could not be computed")
            return self._fold(context) if _is_constant(context) else self._lower(context)
        except BcsimError as error:
            self._mark_unknown(node)
            return _report(node, "unsupported", reason=str(error))

    def _context(self, node: NodeProto) -> NodeContext:
        operands = tuple(self._value(name) for name in node.input)
        opset = self.structure.opsets.get(registry.domain_of(node), 1)
        return NodeContext(
            node, operands, opset, self.file.folder, self.structure.batch, self._precision, self.weight_bits
        )

    @property
    def _precision(self) -> str:
        """The one type of float that the file stores, float32 where it stores several or none."""
        stored = {type_name(tensor.data_type) for tensor in self.structure.initializers.values()}
        floats = stored & set(_PRECISIONS)
        return _PRECISIONS[floats.pop()] if len(floats) == 1 else "float32"

    def _value(self, name: str) -> Value | None:
        """What a tensor is; an initialiser is read when a node first needs it."""
        if not name:
            return None
        if name not in self.values:
            self.values[name] = self._read(name)
        return self.values[name]

    def _read(self, name: str) -> Constant:
        if name not in self.structure.initializers:
            raise BcsimError(f"its input {name!r} is a further output of a node; accepted are first outputs")
        tensor = self.structure.initializers[name]
        # What a file stores is bounded by its size, so it leaves the room for what is computed from it.
        self._check_room(tensor_elements(tensor))
        return Constant.of(
            tensor_array(tensor, self.file.folder), kind=type_name(tensor.data_type), latent=True
        )

    def _check_room(self, elements: int) -> None:
        if elements > self.room:
            raise BcsimError(
                f"the file's constants take {elements} values more, which a file of its size may not; accepted are up "
                f"to {self.room}"
            )

    def _reserve(self, elements: int) -> None:
        self._check_room(elements)
        self.room -= elements

    def _fold(self, context: NodeContext) -> NodeReport:
        folded: Folded = fold(context, self.room)
        self._reserve(sum(array.size for value in folded.values for array in value.arrays))
        self.values.update(zip(context.proto.output, folded.values, strict=False))
        self.notes += folded.notes
        shape = folded.values[0].arrays[0].shape
        return _report(context.proto, "folded", into=f"constant {shape}", reason="; ".join(folded.notes))

    def _lower(self, context: NodeContext) -> NodeReport:
        lowering = registry.find(context.proto)
        lowered = passed(context, lowering) if passes(context) else lowering(context)
        self.values.update(zip(context.proto.output, (lowered.value, *lowered.more), strict=False))
        self._add((*context.before, *lowered.nodes))
        self.notes += lowered.notes
        if isinstance(lowered.value, Constant):
            return _report(context.proto, "folded", into=f"constant {lowered.value.arrays[0].shape}")
        if not lowered.nodes:
            self.dropped.append(f"{context.name} ({context.op})")
            return _report(context.proto, "dropped", reason=_KEPT)
        self.dropped.clear()
        into = ", ".join(_describe(node) for node in lowered.nodes)
        return _report(context.proto, "lowered", into=into, reason="; ".join(lowered.notes))

    def _add(self, nodes: Iterable[Node]) -> None:
        """Add nodes to the graph; one that two operators need in the same place is added once."""
        present = {node.output for node in self.nodes}
        self.nodes += [node for node in nodes if node.output not in present]

    def _mark_unknown(self, node: NodeProto) -> None:
        """Give the outputs of an unsupported node a value that lets the walk go on."""
        depends = any(not isinstance(self.values.get(name), Constant | Broken | None) for name in node.input)
        for name in node.output:
            self.values[name] = Activation(name, None) if depends else Broken()


def _is_constant(context: NodeContext) -> bool:
    return all(value is None or isinstance(value, Constant) for value in context.operands)


def _report(node: NodeProto, status: Status, into: str = "", reason: str = "") -> NodeReport:
    return NodeReport(label(node), node.op_type, node.domain, status, into, reason)


def _describe(node: Node) -> str:
    match node:
        case Dense():
            return f"Dense {_linear(node)}"
        case Conv():
            groups = f", {node.groups} groups" if node.groups > 1 else ""
            return f"Conv {_by(node.kernel)} {_linear(node, node.groups)}{groups}"
        case MaxPool() | AveragePool():
            return f"{type(node).__name__} {_by(node.kernel)}"
        case Quant():
            return f"Quant {node.low} to {node.high}"
    return type(node).__name__


def _linear(node: Dense | Conv, groups: int = 1) -> str:
    outputs, inputs = node.weights.shape[:2]
    kind = IntegerWeights(node.weights, node.scale, 0.0).kind
    return f"{inputs * groups} to {outputs}, weights {kind}"


def _by(kernel: tuple[int, int]) -> str:
    return f"{kernel[0]}x{kernel[1]}"
