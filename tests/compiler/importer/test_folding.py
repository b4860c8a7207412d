import re

import numpy as np
import pytest
from onnx import StringStringEntryProto, TensorProto, numpy_helper

from bcsim.compiler.graph.nodes import Affine
from bcsim.compiler.graph.onnx_file import read_model
from bcsim.compiler.importer.folding import folding_room
from bcsim.compiler.importer.structure import read_structure
from bcsim.compiler.importer.walk import Walk
from tests.compiler.build import imported, model, node, refusal, save, tensors

ADD = node("Add", "x c", "y")
TENTH = float(np.float32(0.1))


@pytest.fixture
def shift(tmp_path):
    """The constant c that a model adds to its input, computed by `nodes`."""

    def added(nodes, opset=13, **arrays):
        (found,) = imported(model([*nodes, ADD], tensors(**arrays), opset=opset), tmp_path).nodes
        assert isinstance(found, Affine)
        return found.shift.tolist()

    return added


def test_float32_arithmetic_is_done_in_float64(shift):
    assert shift([node("Mul", "a a", "c")], a=0.1) == TENTH * TENTH
    assert shift([node("Pow", "a h", "c")], a=0.1, h=0.5) == TENTH**0.5


@pytest.mark.parametrize(
    ("made", "opset", "expected"),
    [
        (node("Sqrt", "a", "c"), 13, 2),
        (node("ReduceSum", "v", "c"), 13, 10),
        (node("Gather", "v i", "c"), 13, [4, 1, 2, 3]),
        (node("Slice", "eight zero four", "c"), 13, [0, 1, 2, 3]),
        (node("Concat", "pair pair", "c", axis=0), 13, [5, 6, 5, 6]),
        (node("Expand", "a four", "c"), 13, [4, 4, 4, 4]),
        (node("Tile", "pair two", "c"), 13, [5, 6, 5, 6]),
        (node("Range", "r0 r4 r1", "c"), 13, [0, 1, 2, 3]),
        (node("Clip", "v", "c", min=2.0, max=3.0), 6, [2, 2, 3, 3]),
        (node("Where", "yes v pair2", "c"), 13, [1, 2, 3, 4]),
        (node("Constant", "", "c", value_float=0.5), 13, 0.5),
        (node("Constant", "", "c", value_floats=[1.0, 2.0, 3.0, 4.0]), 13, [1, 2, 3, 4]),
        (node("Constant", "", "c", value_int=3), 13, 3),
        (node("Constant", "", "c", value_ints=[1, 2, 3, 4]), 13, [1, 2, 3, 4]),
        (node("Constant", "", "c", value=numpy_helper.from_array(np.float32([0.25]))), 13, 0.25),
        (
            node("ConstantOfShape", "four", "c", value=numpy_helper.from_array(np.float32([0.25]))),
            13,
            [0.25] * 4,
        ),
    ],
)
def test_operators(made, opset, expected, shift):
    arrays = {"a": 4.0, "v": [1.0, 2, 3, 4], "i": np.int64([3, 0, 1, 2]), "eight": np.arange(8.0)}
    arrays |= {"zero": np.int64([0]), "four": np.int64([4]), "pair": [5.0, 6.0], "two": np.int64([2])}
    arrays |= {"r0": 0.0, "r4": 4.0, "r1": 1.0, "yes": np.array([True]), "pair2": 9.0}
    assert shift([made], opset, **arrays) == expected


def test_cast_rounds_as_it_says(shift):
    nodes = [node("Cast", "a", "h", to=TensorProto.FLOAT16), node("Cast", "h", "c", to=TensorProto.FLOAT)]
    assert shift(nodes, a=0.1) == float(np.float16(0.1))


def huge(op, inputs, **attributes):
    return [node(op, inputs, "c", **attributes), ADD]


LIMIT = re.compile(r"; constants of a file of this size may take up to \d+ more$")
COLUMN, ROW = np.ones((2**15, 1)), np.ones((1, 2**15))


@pytest.mark.parametrize(
    ("nodes", "elements"),
    [
        (huge("ConstantOfShape", "shape"), 2**40),
        (huge("Expand", "one shape"), 2**40),
        (huge("Tile", "one shape"), 2**40),
        (huge("Range", "zero big one"), 2**40),
        (huge("Mul", "column row"), 2**30),
        (huge("Gather", "row i", axis=0), 2**29),
    ],
)
def test_results_too_large_are_refused_before_they_are_made(nodes, elements, tmp_path):
    arrays = tensors(
        shape=np.int64([2**20, 2**20]),
        one=np.float32(1),
        zero=np.float32(0),
        big=np.float32(2**40),
        column=COLUMN,
        row=ROW,
        i=np.zeros(2**14, np.int64),
    )
    told = refusal(model(nodes, arrays), tmp_path)
    assert told.startswith(f"Node 'n_c' ({nodes[0].op_type}): it would produce {elements} values; ")
    assert LIMIT.search(told)


def test_a_small_file_has_less_computed_than_a_large_one(tmp_path):
    def room(count):
        return folding_room(read_model(save(model([ADD], tensors(c=np.ones(count))), tmp_path)))

    assert 2**22 <= room(1) < 2**22 + 2**14
    assert room(4096) >= 2**22 + 16 * 4 * 4096


def test_external_data_that_are_not_there_give_no_room(tmp_path):
    tensor = TensorProto(
        name="c", dims=[2**30], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL
    )
    for location in ("nothing.bin", "a\0b"):
        tensor.external_data.append(StringStringEntryProto(key="location", value=location))
    assert folding_room(read_model(save(model([ADD], [tensor]), tmp_path))) < 2**22 + 2**14


def test_the_limit_holds_for_all_computed_constants_together(tmp_path):
    nodes = [node("Neg", "a", "b"), node("Neg", "b", "c"), ADD]
    file = read_model(save(model(nodes, tensors(a=np.ones(4))), tmp_path))
    structure = read_structure(file.model)
    assert [r.status for r in Walk(file, structure, room=8).run().reports] == ["folded", "folded", "lowered"]
    found = Walk(file, structure, room=7).run().reports
    assert [r.status for r in found] == ["folded", "unsupported", "unsupported"]
    assert (
        found[1].reason == "it would produce 4 values; constants of a file of this size may take up to 3 more"
    )


def test_a_shape_of_too_many_axes(tmp_path):
    built = model(huge("Expand", "one shape"), tensors(one=1.0, shape=np.ones(65, np.int64)))
    assert refusal(built, tmp_path) == "Node 'n_c' (Expand): its shape has 65 axes; accepted are up to 64"


def test_huge_tensor_attribute(tmp_path):
    hostile = TensorProto(name="v", dims=[2**31], data_type=TensorProto.FLOAT)
    told = refusal(model(huge("Constant", "", value=hostile)), tmp_path)
    assert told.startswith(f"Node 'n_c' (Constant): it would produce {2**31} values; ")


def test_huge_initialiser(tmp_path):
    hostile = TensorProto(name="c", dims=[2**29], data_type=TensorProto.FLOAT)
    told = refusal(model([ADD], [hostile]), tmp_path)
    assert told.startswith(
        f"Node 'n_y' (Add): the file's constants take {2**29} values more, which a file of its size"
    )


def test_initialiser_with_fewer_data_than_declared(tmp_path):
    hostile = TensorProto(name="c", dims=[2**20], data_type=TensorProto.FLOAT, raw_data=b"1234")
    assert refusal(model([ADD], [hostile]), tmp_path) == (
        "Node 'n_y' (Add): Tensor 'c' of shape [1048576] has 4 bytes of data; it needs 4194304"
    )


def test_external_initialiser(tmp_path):
    tensor = TensorProto(name="c", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.append(StringStringEntryProto(key="location", value="c.bin"))
    (tmp_path / "c.bin").write_bytes(np.float32([1, 2, 3, 4]).tobytes())
    (found,) = imported(model([ADD], [tensor]), tmp_path).nodes
    assert isinstance(found, Affine)
    assert found.shift.tolist() == [1, 2, 3, 4]
    tensor.external_data[0].value = "../c.bin"
    assert refusal(model([ADD], [tensor]), tmp_path) == (
        "Node 'n_y' (Add): Tensor 'c': external data location '../c.bin' must lie inside the model's folder"
    )


def test_operators_that_are_not_computed(tmp_path):
    for made in (node("RandomNormal", "", "c", shape=[4]), node("MatMul", "a a", "c")):
        assert refusal(model([made, ADD], tensors(a=np.eye(4))), tmp_path) == (
            f"Node 'n_c' ({made.op_type}): its inputs are all constants, and this operator is not computed at compile "
            "time; computed are those that work element by element, rearrange, reduce or quantise"
        )


def test_operators_of_other_domains_are_not_computed(tmp_path):
    built = model([node("Neg", "a", "c", domain="com.example"), ADD], tensors(a=1.0))
    assert refusal(built, tmp_path).startswith(
        "Node 'n_c' (Neg): its inputs are all constants, and this operator is not"
    )


def test_operands_that_do_not_fit(tmp_path):
    message = refusal(model([node("Add", "a b", "c"), ADD], tensors(a=np.ones(3), b=np.ones(2))), tmp_path)
    assert message.startswith("Node 'n_c' (Add): it cannot be computed from its constants (shape mismatch")
    assert "\n" not in message


def test_constant_without_a_value(tmp_path):
    assert refusal(model([node("Constant", "", "c", value_string="a"), ADD]), tmp_path) == (
        "Node 'n_c' (Constant): it must have a tensor or one of value_float, value_floats, value_int, value_ints"
    )


def test_a_constant_that_comes_out_infinite_is_refused_where_it_is_used(tmp_path):
    built = model([node("Reciprocal", "a", "c"), ADD], tensors(a=[0.0, 1, 2, 3]))
    assert (
        refusal(built, tmp_path) == "Node 'n_y' (Add): its constant 'c' has values that are NaN or infinite"
    )


# Float32 divides these to 2.5, which rounds to the even 2; the quotient of the same numbers in float64 is above 2.5.
TIE, STEP = np.float32(0.028718717), np.float32(0.011487487)


def test_a_quantiser_s_integer_is_that_of_the_file_s_own_arithmetic(shift):
    assert np.rint(np.float64(TIE) / np.float64(STEP)) != np.rint(TIE / STEP)
    fake = [node("Div", "w s", "a"), node("Round", "a", "b"), node("Mul", "b s", "c")]
    linear = [node("QuantizeLinear", "w s z", "q"), node("DequantizeLinear", "q s z", "c")]
    for nodes in (fake, linear):
        found = shift(nodes, w=TIE, s=STEP, z=np.int8(0))
        assert found == float(np.rint(TIE / STEP)) * float(STEP)


def test_what_is_computed_on_the_way_rounds_as_the_file_does(shift):
    arrays = {"w": np.float32(0.1), "s": np.float32(3.0)}
    product = float(np.float32(np.float32(0.1) * np.float32(3.0)))
    floor = [node("Mul", "w s", "a"), node("Div", "a w", "b"), node("Floor", "b", "c")]
    assert shift(floor, **arrays) == np.floor(np.float32(product) / np.float32(0.1))
