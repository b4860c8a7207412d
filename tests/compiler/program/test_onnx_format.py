"""Stored programs: an equal round trip, a standard file, and one sentence for every file that is not one."""

import os
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.compiler.program.onnx_format import is_program, load_program, save_program
from tests.compiler.exact import affine, bipolar, chain_graph, clip, dense, multi_threshold, quant

PIXEL = Encoding(3, Fraction(1, 7), Fraction(-1, 3))


def make_program() -> Program:
    """Three layers: divided, searched with two planes, and scores; an input table."""
    nodes = [
        affine(1.0, 0.0),
        bipolar(),
        dense([[1, -1, 1], [-1, -1, 1]] * 5),
        affine([0.3, -0.7] * 5, 0.1),
        quant(0.25, 0, 7),
        dense([[1, 0] * 5, [0, -1] * 5]),
        multi_threshold([[-1.0, 2.0, 2.5]], 0.5),
        dense([[1, 1], [1, -1]]),
    ]
    graph = replace(chain_graph(nodes, 3, notes=("a note", "ünother")), metadata={"data": "none"}, name="net")
    return lower(graph, pixel=PIXEL)


def same(a: object, b: object) -> bool:
    """Whether two values are equal, arrays, their types and all fields included."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if is_dataclass(a) and type(a) is type(b):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "program.onnx"
    save_program(make_program(), path)
    return path


def test_round_trip_is_equal(stored: Path) -> None:
    assert same(load_program(stored), make_program())


def test_round_trip_without_a_table_or_metadata(tmp_path: Path) -> None:
    program = lower(chain_graph([dense([[1, -1]])], 2), pixel=PIXEL)
    save_program(program, tmp_path / "p.onnx")
    assert same(load_program(tmp_path / "p.onnx"), program)
    assert program.input.table is None


def test_round_trip_of_a_batch_normalisation_that_ends_the_network(tmp_path: Path) -> None:
    graph = chain_graph([dense([[1, -1]]), affine(2.0**-140, 3.0**0.5), clip(-1.0, 9.0)], 2)
    program = lower(graph, pixel=PIXEL)
    save_program(program, tmp_path / "p.onnx")
    assert same(load_program(tmp_path / "p.onnx"), program)


def test_the_same_program_gives_the_same_bytes(stored: Path, tmp_path: Path) -> None:
    save_program(make_program(), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == stored.read_bytes()


def test_the_file_is_a_valid_model_of_modest_versions(stored: Path) -> None:
    model = onnx.load(stored)
    onnx.checker.check_model(model)
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13), ("bcsim", 1)]
    assert [node.op_type for node in model.graph.node] == ["Encode", "Dense", "Dense", "Dense"]


def test_is_program(stored: Path, tmp_path: Path) -> None:
    assert is_program(stored)
    assert not is_program(Path(__file__).parents[3] / "models" / "digits.onnx")
    with pytest.raises(BcsimError, match="cannot be read"):
        is_program(tmp_path / "absent.onnx")


def test_a_failed_write_leaves_the_old_file(stored: Path) -> None:
    before = stored.read_bytes()
    wrong = replace(make_program(), name=b"\xff")  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError)):
        save_program(wrong, stored)
    assert stored.read_bytes() == before
    assert os.listdir(stored.parent) == [stored.name]


def _set(node: int, name: str, value: object) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        attributes = model.graph.node[node].attribute
        (found,) = [a for a in attributes if a.name == name]
        found.CopyFrom(helper.make_attribute(name, value))

    return change


def _drop(node: int, name: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        attributes = model.graph.node[node].attribute
        kept = [a for a in attributes if a.name != name]
        del attributes[:]
        attributes.extend(kept)

    return change


def _tensor(name: str, change_array: Callable[[np.ndarray], object]) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        (found,) = [t for t in model.graph.initializer if t.name == name]
        found.CopyFrom(
            numpy_helper.from_array(np.array(change_array(numpy_helper.to_array(found).copy())), name)
        )

    return change


def _opset(model: ModelProto) -> None:
    model.opset_import[1].version = 7


def _foreign_node(model: ModelProto) -> None:
    model.graph.node[2].domain = ""


def _no_layers(model: ModelProto) -> None:
    del model.graph.node[1:]


def _rewired(model: ModelProto) -> None:
    model.graph.node[2].input[0] = "q0"


def _unnamed_tensor(model: ModelProto) -> None:
    model.graph.node[1].input[1] = "nothing"


def _notes(model: ModelProto) -> None:
    (entry,) = [entry for entry in model.metadata_props if entry.key == "bcsim.notes"]
    entry.value = '{"a": 1}'


def _negative(array: np.ndarray) -> np.ndarray:
    array.reshape(-1)[0] = -1
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_opset, "it has the format version 7; this bcsim reads version 1"),
        (
            _foreign_node,
            "its nodes must be one Encode and then Dense and Conv ones, not Encode, Dense, .Dense, Dense",
        ),
        (_no_layers, "The program has no layers; it needs at least one"),
        (_rewired, "node 'dense#2' does not read the output of the node before it"),
        (_unnamed_tensor, "node 'dense' has no stored tensor as its input 1"),
        (_notes, "its metadata 'bcsim.notes' must be a list of strings in JSON"),
        (_drop(1, "low"), "node 'dense' needs the attribute 'low', an integer"),
        (_set(1, "low", "text"), "node 'dense' needs the attribute 'low', an integer"),
        (
            _set(1, "low", 0),
            "Layer 'dense' states accumulators from 0 to 2; its weights and source give -1 to 2",
        ),
        (
            _set(1, "high", 1),
            "Layer 'dense' states accumulators from -1 to 1; its weights and source give -1 to 2",
        ),
        (_set(1, "exact", 2), "node 'dense' has exact 2; accepted are 0 to 1"),
        (
            _set(1, "float_output", b"\xff"),
            "node 'dense' has the attribute 'float_output', which is not UTF-8",
        ),
        (_set(1, "source_bits", 17), "node 'dense' has source_bits 17; accepted are 1 to 16"),
        (_set(1, "source_scale", "0"), "node 'dense' has the source_scale '0'; it must be above 0"),
        (
            _set(1, "source_scale", "1e9"),
            "node 'dense' has the source_scale '1e9'; it must be a fraction such as '1/255'",
        ),
        (_set(1, "source_offset", "1/0"), "node 'dense' has the source_offset '1/0', which divides by 0"),
        (
            _set(1, "source_offset", "9" * 9000),
            f"node 'dense' has the source_offset '{'9' * 40}'; it must be a fraction such as '1/255'",
        ),
        (
            _set(1, "source_bits", 2),
            "Layer 'dense' takes 3 inputs of 2 bits, but what comes before it gives 3 of 1 bits, or means other values",
        ),
        (_set(0, "input_shape", [0]), "node 'input' has input_shape 0; accepted are 1 to 2147483648"),
        (
            _set(0, "input_shape", [2, 2]),
            "The program's input has the shape (2, 2), which is not the 3 inputs of its first layer",
        ),
        (
            _tensor("input.table", lambda a: a[:4]),
            "The program's input table has the shape (4,), not 8 entries",
        ),
        (_tensor("input.table", lambda a: a + 1), "The program's input table must hold integers from 0 to 1"),
        (
            _tensor("input.table", lambda a: a.astype(np.int32)),
            "tensor 'input.table' has 1 axes of type int32; it needs 1 of type int64",
        ),
        (
            _set(1, "shifts", [1]),
            "Layer 'dense' has planes of shifts [1]; they must fall to 0 in steps of 0 or 1",
        ),
        (_set(1, "shifts", [1, 0]), "node 'dense' has 1 weight planes and 2 shifts"),
        (_set(1, "shifts", [16]), "node 'dense' has shifts 16; accepted are 0 to 15"),
        (
            _tensor("layer0.weights", lambda a: a[:, :9]),
            "Layer 'dense' has packed weights of shape (9, 1) and type uint8; it needs (10, 1) and uint8",
        ),
        (_tensor("layer0.weights", lambda a: a | 8), "Layer 'dense' has packed weights beyond its 3 inputs"),
        (
            _tensor("layer0.weights", lambda a: a[0]),
            "tensor 'layer0.weights' has 2 axes of type uint8; it needs 3 of type uint8",
        ),
        (_set(1, "inputs", 2**40), "node 'dense' has inputs 1099511627776; accepted are 1 to 2147483648"),
        (
            _set(1, "requantiser", "guess"),
            "node 'dense' has the requantiser 'guess'; accepted are 'divide' and 'search'",
        ),
        (_set(1, "fraction_bits", 25), "node 'dense' has fraction_bits 25; accepted are 0 to 24"),
        (
            _tensor("layer0.divisor", lambda a: a * 0),
            "Layer 'dense' has the divisor 0; accepted are 1 to 2305843009213693952",
        ),
        (
            _tensor("layer0.offset", lambda a: a * 0 - 2**61 - 1),
            "Layer 'dense' has the offset -2305843009213693953; accepted are -2305843009213693952 to "
            "2305843009213693952",
        ),
        (
            _tensor("layer0.offset", lambda a: a[:3]),
            "Layer 'dense' has the offset of shape (3,) and type int64; it needs (10,) and int64",
        ),
        (
            _tensor("layer1.thresholds", lambda a: a[:, :2]),
            "Layer 'dense#2' has the thresholds of shape (2, 2) and type int64; it needs (2, 3) and int64",
        ),
        (
            _tensor("layer1.thresholds", lambda a: a[:, ::-1]),
            "Layer 'dense#2' has thresholds that do not ascend",
        ),
    ],
)
def test_damaged_programs(stored: Path, change: Callable[[ModelProto], None], message: str) -> None:
    model = onnx.load(stored)
    change(model)
    stored.write_bytes(model.SerializeToString())
    with pytest.raises(BcsimError, match=f"^{re.escape(f'Program file {str(stored)!r}: {message}')}$"):
        load_program(stored)


def test_other_onnx_models_are_no_programs() -> None:
    path = Path(__file__).parents[3] / "models" / "digits.onnx"
    message = f"File {str(path)!r} is an ONNX model but not a bcsim program (no operators of domain 'bcsim')"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        load_program(path)


def test_truncated_programs_are_refused_or_equal(stored: Path) -> None:
    whole = stored.read_bytes()
    for end in range(1, len(whole), 97):
        stored.write_bytes(whole[:end])
        with pytest.raises(BcsimError):
            load_program(stored)
