"""Networks as FINN lowers them: Im2Col and MatMul in place of Conv, MaxPoolNHWC, thresholds with channels last."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from onnx import ModelProto, helper, numpy_helper

import bcsim
from bcsim.common.errors import BcsimError
from tests.compiler.build import model, node, refusal, save, tensors
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
        ({"pad_amount": [1, 1]}, "its attribute 'pad_amount' has 2 values; accepted are four, one a side"),
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


def shifted_sums(x: Array, kernel: int, stride: int, shift: int) -> Array:
    """Sums of windows of whole numbers (n, channels, rows, columns) without their low bits, in integers."""
    parts = sliding_window_view(x, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]
    return parts.sum(axis=(4, 5)) >> shift


@pytest.mark.parametrize("domain", [FINN, QONNX])
@pytest.mark.parametrize(("signed", "layout"), [(0, "NCHW"), (1, "NCHW"), (0, "NHWC")])
def test_a_mean_without_its_low_bits(domain: str, signed: int, layout: str, tmp_path: Path) -> None:
    """Sums of 3 x 3 values of 3 bits have 6 bits, of which the upper 4 stay."""
    rng = np.random.default_rng(11)
    low = -4 if signed else 0
    arrays = {
        "w": signs(rng, 4, 3, 1, 1),
        "s": np.float32(40),
        "one": np.float32(1),
        "z": np.float32(0),
        "b": np.float32(3),
        "v": signs(rng, 4 * 3 * 3, 3),
    }
    quant = node("Quant", "a s z b", "q0", QONNX, signed=signed, narrow=0, rounding_mode="FLOOR")
    sizes = {"kernel": 3, "stride": 2, "ibits": 3, "obits": 4, "signed": signed}
    pool = node("QuantAvgPool2d", "t" if layout == "NHWC" else "q", "p", domain, data_layout=layout, **sizes)
    turned = [node("Transpose", "q", "t", perm=[0, 2, 3, 1])] if layout == "NHWC" else []
    back = node("Transpose", "p", "c", perm=[0, 3, 1, 2]) if layout == "NHWC" else node("Identity", "p", "c")
    nodes = [
        node("Conv", "x w", "a"), quant, node("Div", "q0 s", "q"), *turned, pool, back,
        node("Flatten", "c", "f"), node("MatMul", "f v", "y"),
    ]  # fmt: skip
    built = model(nodes, tensors(**arrays), (3, 7, 7))
    built.opset_import.extend([helper.make_opsetid(FINN, 1), helper.make_opsetid(QONNX, 1)])

    def scores(_: ModelProto, x: Array) -> Array:
        sums = np.einsum("oc,ncij->noij", arrays["w"][:, :, 0, 0], x)
        q = np.clip(np.floor(sums / 40), low, low + 7).astype(np.int64)
        return shifted_sums(q, 3, 2, 2).reshape(len(x), -1) @ arrays["v"]

    check(built, tmp_path, pixels(rng, 20, (3, 7, 7)), scores)


@pytest.mark.parametrize(("inputs", "attributes"), [
    ("m s z i o", {}), ("m s z i o", {"rounding_mode": "CEIL"}),
    ("m s z i t o", {"signed": 0}), ("m s z i t z o", {"signed": 0, "rounding_mode": "ROUND"}),
])  # fmt: skip
def test_trunc_behind_a_sum(inputs: str, attributes: dict[str, int], tmp_path: Path) -> None:
    """As Brevitas exports a TruncAvgPool2d: AveragePool, times the window's size, Trunc."""
    rng = np.random.default_rng(13)
    arrays = {
        "w": signs(rng, 4, 3, 1, 1),
        "s": np.float32(20), "z": np.float32(0), "b": np.float32(4), "nine": np.float32(9),
        "i": np.float32(8), "o": np.float32(4), "t": np.float32(320),
        "v": signs(rng, 4 * 2 * 2, 3),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w", "a"),
        node("Quant", "a s z b", "q", QONNX, signed=0, narrow=0, rounding_mode="ROUND"),
        node("AveragePool", "q", "p", kernel_shape=[3, 3], strides=[3, 3]),
        node("Mul", "p nine", "m"),
        node("Trunc", inputs, "c", QONNX, **attributes),
        node("Flatten", "c", "f"),
        node("MatMul", "f v", "y"),
    ]
    built = model(nodes, tensors(**arrays), (3, 6, 6))
    built.opset_import.append(helper.make_opsetid(QONNX, 1))
    rounding = {"CEIL": np.ceil, "ROUND": np.rint}.get(str(attributes.get("rounding_mode")), np.floor)

    def scores(_: ModelProto, x: Array) -> Array:
        sums = np.einsum("oc,ncij->noij", arrays["w"][:, :, 0, 0], x)
        q = np.clip(np.rint(sums / 20), 0, 15)
        whole = rounding(shifted_sums(q.astype(np.int64), 3, 3, 0) / 16)
        return np.minimum(whole, 15).reshape(len(x), -1) * (320 if "t" in inputs else 20) @ arrays["v"]

    check(built, tmp_path, pixels(rng, 20, (3, 6, 6)), scores)


def test_means_of_an_unknown_layout_are_refused(tmp_path: Path) -> None:
    pool = node("QuantAvgPool2d", "x", "y", QONNX, kernel=2, ibits=8, obits=8, data_layout="NWHC")
    assert refusal(model([pool], shape=(2, 4, 4)), tmp_path) == (
        "Node 'n_y' (QuantAvgPool2d): its data_layout is 'NWHC'; accepted are NCHW and NHWC"
    )


TRUNC_REFUSED = [
    ("m s z i h", "its bit width is 2.5; accepted are whole numbers from 1 to 64"),
    ("m s z i t o", "its output scale must be from 1e-100 to 1e100, and is -1"),
    ("m s z i", "it has 4 inputs; accepted are 5 to 7"),
    ("m tiny z i o", "its scale 'tiny' must be from 1e-100 to 1e100 in magnitude everywhere"),
    ("m tiny z i s o", "its scale 'tiny' must be from 1e-100 to 1e100 in magnitude everywhere"),
    ("m huge z i o", "its scale 'huge' must be from 1e-100 to 1e100 in magnitude everywhere"),
    ("m s z i w", "its bit width is 40; accepted are 1 to 16"),
]


@pytest.mark.parametrize(("inputs", "message"), TRUNC_REFUSED)
def test_truncs_that_are_refused(inputs: str, message: str, tmp_path: Path) -> None:
    arrays = {
        "s": np.float32(20), "z": np.float32(0), "i": np.float32(8), "h": np.float32(2.5), "t": np.float32(-1),
        "o": np.float32(4), "w": np.float32(40),
    }  # fmt: skip
    doubles = {"tiny": np.float64(1e-320), "huge": np.float64(1e200)}
    stored = tensors(**arrays) + [numpy_helper.from_array(np.asarray(a), name) for name, a in doubles.items()]
    built = model([node("Identity", "x", "m"), node("Trunc", inputs, "y", QONNX)], stored)
    assert refusal(built, tmp_path) == f"Node 'n_y' (Trunc): {message}"
