"""Networks as FINN lowers them: Im2Col and MatMul in place of Conv, MaxPoolNHWC, thresholds with channels last."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from onnx import ModelProto, helper

import bcsim
from bcsim.common.errors import BcsimError
from tests.compiler.build import model, node, save, tensors
from tests.dialects.check import Array, check, pixels, signs

FINN, QONNX = "finn.custom_op.general", "qonnx.custom_op.general"


def windows(x: Array, kernel: tuple[int, int], stride: int) -> Array:
    """(n, rows, columns, channels, kernel rows, kernel columns) of images with channels last."""
    return sliding_window_view(x, kernel, axis=(1, 2))[:, ::stride, ::stride]


def thresholds_passed(x: Array, thresholds: Array) -> Array:
    return (x[..., None] >= thresholds).sum(axis=-1)


def network(domain: str, depthwise: int) -> tuple[ModelProto, dict[str, Array]]:
    rng = np.random.default_rng(7)
    arrays = {
        "w": signs(rng, 3 * 2 * 3, 4),
        "t": np.sort(rng.integers(-900, 900, (4, 3)).astype(np.float32), axis=1),
        "d": signs(rng, 3 * 3 * 4, 4),
        "u": np.sort(rng.integers(-6, 9, (4, 1)).astype(np.float32), axis=1),
        "v": signs(rng, 4, 3),
    }
    if depthwise:
        arrays["d"] *= np.tile(np.eye(4, dtype=np.float32), (9, 1))
    nodes = [
        node(
            "Im2Col",
            "x",
            "p",
            domain,
            stride=[2, 1],
            kernel_size=[3, 2],
            pad_amount=[1, 0, 1, 1],
            input_shape="(1,9,8,3)",
        ),
        node("MatMul", "p w", "a"),
        node("MultiThreshold", "a t", "h", domain, out_dtype="UINT2", data_layout="NHWC"),
        node("MaxPoolNHWC", "h", "m", domain, kernel_shape=[2, 2], strides=[1, 2], pads=[0, 0, 0, 0]),
        node(
            "Im2Col",
            "m",
            "q",
            domain,
            stride=[1, 1],
            kernel_size=[3, 3],
            input_shape="(1,4,4,4)",
            depthwise=depthwise,
        ),
        node("MatMul", "q d", "b"),
        node("MultiThreshold", "b u", "g", domain, out_dtype="BINARY", data_layout="NHWC"),
        node("Transpose", "g", "n", perm=[0, 3, 1, 2]),
        node("GlobalAveragePool", "n", "o"),
        node("Flatten", "o", "f"),
        node("MatMul", "f v", "y"),
    ]
    built = model(nodes, tensors(**arrays), shape=(9, 8, 3))
    built.opset_import.extend([helper.make_opsetid(domain, 1)])
    return built, arrays


def by_definition(arrays: dict[str, Array], x: Array) -> Array:
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (0, 1), (0, 0)))
    first = sliding_window_view(padded, (3, 2), axis=(1, 2))[:, ::2]
    a = np.einsum("nrcikl,klio->nrco", first, arrays["w"].reshape(3, 2, 3, 4))
    m = windows(thresholds_passed(a, arrays["t"]), (2, 2), 1)[:, :, ::2].max(axis=(-2, -1))
    b = np.einsum("nrcikl,klio->nrco", windows(m, (3, 3), 1), arrays["d"].reshape(3, 3, 4, 4))
    return np.asarray(thresholds_passed(b, arrays["u"]).mean(axis=(1, 2)) @ arrays["v"])


@pytest.mark.parametrize(("domain", "depthwise"), [(FINN, 0), (QONNX, 1)])
def test_im2col_and_matmul_are_a_convolution(domain: str, depthwise: int, tmp_path: Path) -> None:
    built, arrays = network(domain, depthwise)
    x = pixels(np.random.default_rng(8), 40, (9, 8, 3))
    result = check(built, tmp_path, x, lambda _, images: by_definition(arrays, images))
    program = bcsim.compile(bcsim.load(save(built, tmp_path)), calibration=x.reshape(40, -1), input="raw")
    assert [layer.geometry.groups for layer in program.layers][1] == (4 if depthwise else 1)
    assert result.agreement == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"pad_value": 1}, "it pads with 1; accepted is pad_value = 0"),
        ({"stride": [1]}, "its attribute 'stride' has 1 values; accepted are two, for rows and columns"),
        (
            {"kernel_size": [2, 2]},
            "weight tensor 'w' has shape (27, 2) behind node 'n_p' (Im2Col), whose windows have 2 x 2 x 3 values",
        ),
    ],
)
def test_what_im2col_is_refused_for(changed: dict[str, object], reason: str, tmp_path: Path) -> None:
    attributes = {"stride": [1, 1], "kernel_size": [3, 3], "input_shape": "(1,8,8,3)", **changed}
    nodes = [node("Im2Col", "x", "p", FINN, **attributes), node("MatMul", "p w", "y")]
    built = model(nodes, tensors(w=np.ones((27, 2))), shape=(8, 8, 3))
    with pytest.raises(BcsimError) as caught:
        bcsim.load(save(built, tmp_path))
    assert str(caught.value).endswith(reason)


def test_windows_are_for_a_matmul_alone(tmp_path: Path) -> None:
    nodes = [
        node("Im2Col", "x", "p", FINN, stride=[1, 1], kernel_size=[3, 3], input_shape="(1,8,8,3)"),
        node("Relu", "p", "y"),
    ]
    with pytest.raises(
        BcsimError, match=r"takes the windows of node 'n_p' \(Im2Col\); accepted behind that is MatMul"
    ):
        bcsim.load(save(model(nodes, shape=(8, 8, 3)), tmp_path))
