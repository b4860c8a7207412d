"""Files damaged by structure: protobuf messages of models and programs, and the bytes of any file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx import ModelProto, TensorProto, numpy_helper

from bcsim.compiler.importer.registry import accepted

__all__ = ["mutated_bytes", "mutated_model"]

Generator: TypeAlias = np.random.Generator
Place: TypeAlias = tuple[Message, FieldDescriptor]

NUMBERS = (0, 1, -1, 2, 3, 7, 8, 16, 255, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-30, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "x", "y", "t1", "c0", "n0", "é\u202e", "\0", "a\nb", "'\"`;$(id)", "x" * 5000, "[red]", "1e999999999",
         "1/0", "nan", "-1", "ai.onnx", "onnx.brevitas", "bcsim", "com.microsoft")  # fmt: skip
OPERATORS = accepted()


def mutated_model(model: ModelProto, random: Generator) -> bytes:
    """The file with one mutation, or up to four; now and then of its bytes too."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for _ in range(max(1, int(random.integers(-1, 5)))):
        MUTATIONS[random.integers(len(MUTATIONS))](copy, random)
    raw = copy.SerializeToString()
    return mutated_bytes(raw, random) if random.random() < 0.1 else raw


def mutated_bytes(raw: bytes, random: Generator) -> bytes:
    """Bytes changed, cut, doubled or put in."""
    made = bytearray(raw)
    for _ in range(int(random.integers(1, 5))):
        place, length = int(random.integers(len(made) + 1)), int(random.integers(1, 17))
        kind = random.integers(5)
        if kind == 0:
            del made[place:]
        elif kind == 1:
            del made[place : place + length]
        elif kind == 2:
            made[place:place] = random.bytes(length)
        elif kind == 3:
            made[place:place] = made[place : place + length]
        else:
            made[place : place + 1] = random.bytes(1)
    return bytes(made)


def _places(message: Message) -> Iterator[Place]:
    for field, value in message.ListFields():
        yield message, field
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                yield from _places(part)


def _choice(items: Any, random: Generator) -> Any:
    return items[int(random.integers(len(items)))]


def _any_field(model: ModelProto, random: Generator) -> None:
    """Any field that is set, of any message."""
    _change(*_choice(list(_places(model)), random), random)


def _node_field(model: ModelProto, random: Generator) -> None:
    if model.graph.node:
        _change(*_choice(list(_places(_choice(model.graph.node, random))), random), random)


def _change(message: Message, field: FieldDescriptor, random: Generator) -> None:
    if field.is_repeated:
        _change_list(getattr(message, field.name), field, random)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _value(field, getattr(message, field.name), random))


def _change_list(values: Any, field: FieldDescriptor, random: Generator) -> None:
    kind, place = random.integers(4), int(random.integers(len(values)))
    message = field.type == FieldDescriptor.TYPE_MESSAGE
    if kind == 0 or (message and kind == 1):
        del values[place]
    elif kind == 1:
        values[place] = _value(field, values[place], random)
    elif kind == 2 and message:
        values.add().CopyFrom(values[place])
    elif kind == 2:
        values.append(values[place])
    else:
        other = int(random.integers(len(values)))
        parts = list(values)
        parts[place], parts[other] = parts[other], parts[place]
        parts = [type(part).FromString(part.SerializeToString()) for part in parts] if message else parts
        del values[:]
        values.extend(parts)


def _value(field: FieldDescriptor, old: Any, random: Generator) -> Any:
    """Another value of the field's type, often one at its edge."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return _choice(TEXTS, random)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return mutated_bytes(old, random)
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return _choice(FLOATS, random)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return int(_choice(field.enum_type.values, random).number)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return not old
    number = int(_choice(NUMBERS, random)) if random.random() < 0.6 else old + int(random.integers(-2, 3))
    low, high = LIMITS.get(field.type, (-(2**63), 2**63 - 1))
    return min(max(number, low), high)


LIMITS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


def _retarget(model: ModelProto, random: Generator) -> None:
    """An input of a node becomes another tensor, or none."""
    node = _choice(model.graph.node, random) if model.graph.node else None
    if node is not None and node.input:
        names = [name for other in model.graph.node for name in (*other.input, *other.output)]
        node.input[int(random.integers(len(node.input)))] = _choice([*names, "", "nowhere"], random)


def _operator(model: ModelProto, random: Generator) -> None:
    if model.graph.node:
        node = _choice(model.graph.node, random)
        node.domain, node.op_type = _choice(OPERATORS, random)


def _order(model: ModelProto, random: Generator) -> None:
    """A node dropped, doubled or moved."""
    nodes = model.graph.node
    if nodes:
        _change_list(nodes, model.graph.DESCRIPTOR.fields_by_name["node"], random)


def _tensor(model: ModelProto, random: Generator) -> None:
    """Other values, another type or another shape of a stored tensor, whole in itself."""
    if not model.graph.initializer:
        return
    tensor = _choice(model.graph.initializer, random)
    if tensor.data_location == TensorProto.EXTERNAL:
        return
    try:
        array = numpy_helper.to_array(tensor).copy()
    except Exception:  # damaged by a mutation before
        return
    kind = random.integers(4)
    if kind == 0 and array.size:
        values = FLOATS if array.dtype.kind == "f" else NUMBERS
        with np.errstate(all="ignore"):
            array.reshape(-1)[int(random.integers(array.size))] = np.asarray(_choice(values, random)).astype(
                array.dtype
            )
    elif kind == 1:
        with np.errstate(all="ignore"):
            array = array.astype(_choice(("f2", "f4", "f8", "i1", "u1", "i4", "i8", "u8", "?"), random))
    elif kind == 2:
        array = array.reshape(_choice(((-1,), (1, -1), (-1, 1), array.shape[::-1]), random))
    else:
        array = np.resize(array, [max(0, size + int(random.integers(-1, 3))) for size in array.shape])
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _text(model: ModelProto, random: Generator) -> None:
    """Metadata that bcsim reads, or any other."""
    key = _choice(("bcsim.input_scale", "bcsim.input_offset", "bcsim.dataset", "bcsim.reading", "bcsim.notes",
                   "bcsim.weights", "bcsim.rounding", "bcsim.checked_thresholds", "other"), random)  # fmt: skip
    entry = model.metadata_props.add()
    entry.key, entry.value = (
        key,
        _choice((*TEXTS, "0", "1e400", "0.5", "[1]", "{}", '{"source": 3}', "mnist"), random),
    )


MUTATIONS: tuple[Callable[[ModelProto, Generator], None], ...] = (
    _any_field,
    _any_field,
    _node_field,
    _node_field,
    _retarget,
    _operator,
    _order,
    _tensor,
    _tensor,
    _text,
)
