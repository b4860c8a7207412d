"""The operators that the importer knows: adding one is adding a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from onnx import NodeProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer.node_context import Lowered, NodeContext

__all__ = [
    "CHANNELS_LAST",
    "MICROSOFT",
    "NAMED_QONNX",
    "ONNX",
    "QONNX",
    "Lowering",
    "accepted",
    "domain_of",
    "find",
    "operator",
    "refuse",
]

ONNX = ("",)
MICROSOFT = ("com.microsoft",)
CHANNELS_LAST = ("qonnx.custom_op.channels_last",)
NAMED_QONNX = ("qonnx.custom_op.general", "finn.custom_op.general")
QONNX = ("", "onnx.brevitas", *NAMED_QONNX)

MOST_LISTED = 12
"""Operators that one sentence can hold."""

Lowering: TypeAlias = Callable[[NodeContext], Lowered]

_OPERATORS: dict[tuple[str, str], Lowering] = {}
_REFUSED: dict[str, str] = {}


def domain_of(node: NodeProto) -> str:
    """The node's domain, "" for ONNX's own."""
    return "" if node.domain == "ai.onnx" else str(node.domain)


def operator(*names: str, domains: Sequence[str] = ONNX) -> Callable[[Lowering], Lowering]:
    """Register a lowering function for the operators `names` of `domains`.

    It is called for nodes with an input that depends on the network's input, and raises BcsimError with a
    reason to which the node's name and operator are added.
    """

    def register(lowering: Lowering) -> Lowering:
        for domain in domains:
            for name in names:
                _OPERATORS[domain, name] = lowering
        return lowering

    return register


def refuse(reason: str, *names: str) -> None:
    """Register `reason` for ONNX operators that are known and not supported."""
    _REFUSED.update(dict.fromkeys(names, reason))


def accepted() -> list[tuple[str, str]]:
    """The domain and name of every operator that is lowered."""
    return sorted(_OPERATORS)


def find(node: NodeProto) -> Lowering:
    """The lowering function of the node's operator. Raises BcsimError with the reason where there is none."""
    domain = domain_of(node)
    lowering = _OPERATORS.get((domain, node.op_type))
    if lowering is not None:
        return lowering
    if not domain and node.op_type in _REFUSED:
        raise BcsimError(_REFUSED[node.op_type])
    of_domain = sorted(op for known, op in _OPERATORS if known == domain)
    if not of_domain:
        accepted = ", ".join(repr(known) for known in sorted({known for known, _ in _OPERATORS}))
        raise BcsimError(f"operators of domain {domain!r} are not supported; accepted domains are {accepted}")
    name = f"of domain {domain!r} " if domain else ""
    few = len(of_domain) <= MOST_LISTED
    known_ones = f"accepted are {', '.join(of_domain)}" if few else "docs/onnx.md lists those that are"
    raise BcsimError(f"this operator {name}is not supported; {known_ones}")
