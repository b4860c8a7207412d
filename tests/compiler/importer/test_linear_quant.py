import numpy as np
import pytest
from onnx import TensorProto, helper

from bcsim.compiler.graph.nodes import Quant
from tests.compiler.build import check_equal, model, node, refusal, tensors

# Ties at every half, beyond both ends of 8 bits.
X = np.arange(-160, 160).reshape(80, 4) / 2 * 0.5
PAIR = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]


@pytest.mark.parametrize("zero", [np.uint8(0), np.uint8(3), np.uint8(128), np.int8(0), np.int8(-7)])
def test_pair(zero, tmp_path):
    graph = check_equal(model(PAIR, tensors(s=0.5, z=zero), opset=21), tmp_path, X)
    (found,) = graph.nodes
    assert isinstance(found, Quant)
    least = np.iinfo(zero.dtype).min - int(zero)
    assert (found.low, found.high, found.zero_point) == (least, least + 255, 0)


@pytest.mark.parametrize(("kind", "low", "high"), [(TensorProto.INT4, -8, 7), (TensorProto.UINT4, 0, 15)])
def test_4_bits(kind, low, high, tmp_path):
    zero = helper.make_tensor("z", kind, [], [0])
    (found,) = check_equal(model(PAIR, [zero, *tensors(s=0.5)], opset=21), tmp_path, X).nodes
    assert (found.low, found.high) == (low, high)


def test_without_zero_point(tmp_path):
    pair = [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "y")]
    (found,) = check_equal(model(pair, tensors(s=0.5), opset=21), tmp_path, X).nodes
    assert (found.low, found.high) == (0, 255)


def test_output_type_from_the_attribute(tmp_path):
    pair = [
        node("QuantizeLinear", "x s", "q", output_dtype=TensorProto.INT8),
        node("DequantizeLinear", "q s", "y"),
    ]
    (found,) = check_equal(model(pair, tensors(s=0.5), opset=21), tmp_path, X).nodes
    assert (found.low, found.high) == (-128, 127)


Z = np.uint8(0)
REFUSED = [
    (
        [PAIR[0], node("DequantizeLinear", "q t z", "y")],
        {},
        "Node 'n_y' (DequantizeLinear): its scale and zero point must be those of the QuantizeLinear before it",
    ),
    (
        [PAIR[0], node("Relu", "q", "y")],
        {},
        "Node 'n_y' (Relu): it takes integers from QuantizeLinear; a DequantizeLinear must stand between "
        "them",
    ),
    (
        [node("DequantizeLinear", "x s", "y")],
        {},
        "Node 'n_y' (DequantizeLinear): its input must be a constant or the output of a QuantizeLinear",
    ),
    (
        [node("QuantizeLinear", "x s z", "y")],
        {},
        "Output 'y' is what QuantizeLinear makes; a DequantizeLinear must follow it",
    ),
    (PAIR, {"s": 0.0}, "Node 'n_q' (QuantizeLinear): its scale 's' must be positive, and is 0"),
    (
        PAIR,
        {"s": np.ones(4)},
        "Node 'n_q' (QuantizeLinear): its scale 's' has shape (4,); accepted is one value per tensor",
    ),
    (
        PAIR,
        {"z": np.int32(0)},
        "Node 'n_q' (QuantizeLinear): its zero point has the type int32; "
        "accepted are uint4, int4, uint8, int8, uint16, int16",
    ),
]


@pytest.mark.parametrize(("nodes", "changed", "message"), REFUSED)
def test_refused(nodes, changed, message, tmp_path):
    built = model(nodes, tensors(**{"s": 0.5, "t": 0.25, "z": Z, **changed}), opset=21)
    assert refusal(built, tmp_path) == message
