"""Networks as users export them from PyTorch: each gives the classes of the file, or one true sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.data import Dataset
from tests.compiler.build import save
from tests.dialects.torch_form import Export

IMAGE, SEQUENCE = (1, 8, 8), (2, 32)
Network = Callable[[Export], str]


def normalised(net: Export, scope: str = "") -> str:
    """(x - mean) / std, in the network itself."""
    less = net.add("Sub", ["x", net.constant(0.1307, scope)], scope)
    return net.add("Div", [less, net.constant(0.3081, scope)], scope)


def block(net: Export, x: str, scope: str, outputs: int, **sizes: int) -> str:
    """Convolution, batch normalisation, ReLU."""
    return net.relu(net.norm(net.conv(x, f"{scope}/0", outputs, 3, **sizes), f"{scope}/1"), f"{scope}/2")


def small_cnn(net: Export) -> str:
    a = net.max_pool(block(net, normalised(net), "features", 8, pad=1), "pool1", 2, 2)
    b = net.clip(net.norm(net.conv(a, "conv2", 12, 3), "bn2"), "act2", -1.0, 1.0)
    return net.add("LogSoftmax", [net.linear(net.add("Flatten", [b], axis=1), "fc", 48, 10)], axis=1)


def residual(net: Export, x: str, scope: str, outputs: int, stride: int) -> str:
    a = net.relu(
        net.norm(net.conv(x, f"{scope}/conv1", outputs, 3, stride=stride, pad=1), f"{scope}/bn1"), scope
    )
    b = net.norm(net.conv(a, f"{scope}/conv2", outputs, 3, pad=1), f"{scope}/bn2")
    if stride > 1:
        x = net.norm(net.conv(x, f"{scope}/downsample/0", outputs, 1, stride=stride), f"{scope}/downsample/1")
    return net.relu(net.add("Add", [b, x], scope), scope)


def resnet(net: Export) -> str:
    a = residual(net, block(net, "x", "stem", 6, pad=1), "layer1", 6, 1)
    return net.head(residual(net, a, "layer2", 10, 2), 10)


def depthwise(net: Export) -> str:
    x = block(net, "x", "stem", 6, pad=1)
    for scope, outputs in (("dw1", 8), ("dw2", 12)):
        across = net.conv(x, f"{scope}/0", net.widths[x], 3, pad=1, groups=net.widths[x])
        a = net.clip(net.norm(across, f"{scope}/1"), f"{scope}/2", 0.0, 6.0)
        x = net.clip(net.norm(net.conv(a, f"{scope}/3", outputs, 1), f"{scope}/4"), f"{scope}/5", 0.0, 6.0)
    return net.head(x, 10)


def mlp(net: Export) -> str:
    a = net.linear(net.add("Flatten", ["x"], "0", axis=1), "1", 64, 24)
    b = net.linear(net.relu(net.norm(a, "2"), "3"), "4", 24, 1)
    return net.add("Sigmoid", [b])


def sequence(net: Export) -> str:
    a = net.norm(net.conv("x", "0", 8, 5, pad=2, bias=True), "1")
    b = net.max_pool(net.add("LeakyRelu", [a], "2", alpha=float(np.float32(0.1))), "3", 2, 2)
    return net.head(net.relu(net.norm(net.conv(b, "4", 8, 5, dilation=2), "5"), "6"), 5)


def segmentation(net: Export) -> str:
    a = block(net, block(net, "x", "a", 8, stride=2, pad=1), "b", 8, stride=2, pad=1)
    return net.upsample(net.conv(a, "head", 2, 1, bias=True), 4)


def u_net(net: Export) -> str:
    wide = block(net, "x", "down1", 5, pad=1)
    deep = block(net, net.max_pool(wide, "", 2, 2), "down2", 6, pad=1)
    joined = net.add("Concat", [net.upsample(deep, 2), wide], axis=1)
    net.widths[joined] = 11
    return net.conv(block(net, joined, "up", 4, pad=1), "head", 2, 1, bias=True)


def detector(net: Export) -> str:
    """Scores of positions, then of classes, as anchors have them."""
    a = net.conv(block(net, "x", "stem", 6, stride=2, pad=1), "head", 3, 3, pad=1, bias=True)
    last = net.add("Transpose", [a], perm=[0, 2, 3, 1])
    flat = net.add("Reshape", [last, net.constant(np.int64([0, -1, 3]))], allowzero=0)
    return net.add("Softmax", [flat], axis=-1)


def tokens(net: Export) -> str:
    """A linear layer for every row, their mean, a layer."""
    x = net.add("Reshape", ["x", net.constant(np.int64([-1, 8, 8]))], allowzero=0)
    turned = net.add("Transpose", [net.weight("a", 16, 8)], "a", perm=[1, 0])
    a = net.add("Tanh", [net.add("Add", [net.bias("a", 16), net.add("MatMul", [x, turned], "a")], "a")])
    mean = net.add("ReduceMean", [a, net.constant(np.int64([1]))], keepdims=0)
    return net.linear(mean, "o", 16, 10)


def pools(net: Export) -> str:
    a = net.add(
        "AveragePool", [block(net, "x", "a", 6, pad=1)], ceil_mode=0, count_include_pad=1, kernel_shape=[3, 3],
        pads=[1, 1, 1, 1], strides=[2, 2],
    )  # fmt: skip
    b = net.max_pool(block(net, a, "b", 6, pad=1), "c", 3, 2, 1, ceiled=True)
    return net.linear(net.add("Flatten", [b], axis=1), "fc", 54, 10)


def thresholds(net: Export) -> str:
    """torch.where and nn.Threshold, as they are traced."""
    x = net.linear(net.add("Flatten", ["x"], axis=1), "a", 64, 24)
    above = net.add("Greater", [x, net.constant(np.float32(0))])
    x = net.add("Where", [above, x, net.add("Mul", [x, net.constant(np.float32(0.2))])])
    x = net.linear(x, "b", 24, 24)
    above = net.add("Greater", [x, net.constant(np.float32(0.5))])
    return net.linear(net.add("Where", [above, x, net.constant(np.float32(-1))]), "c", 24, 10)


NETWORKS: dict[str, Network] = {
    "small CNN that normalises": small_cnn, "ResNet": resnet, "depthwise-separable": depthwise,
    "segmentation": segmentation, "U-Net": u_net, "detector": detector, "tokens": tokens, "pools": pools,
    "MLP with a sigmoid": mlp, "thresholds": thresholds,
}  # fmt: skip


def pixels(shape: tuple[int, ...]) -> Dataset:
    x = np.random.default_rng(3).integers(0, 256, (48, int(np.prod(shape))), dtype=np.uint8)
    return Dataset("pixels", x, None, 8, 255)


def run(net: Export, output: str, folder: Path, weight_bits: int | None = None) -> bcsim.Result:
    model = bcsim.load(save(net.model(output), folder), weight_bits=weight_bits)
    data = pixels(tuple(net.shape))
    program = bcsim.compile(model, calibration=data)
    return bcsim.simulate(program, data, reference=model)


def check(result: bcsim.Result) -> None:
    """The file's classes, or others whose scores are as good as the first; and scores that are near."""
    floats, scores = result.scores_float, result.scores_program
    assert floats is not None
    noise = float(np.mean((floats - scores) ** 2) / np.mean((floats - floats.mean()) ** 2))
    assert noise < 0.003
    if scores.shape[1] == 1:
        assert np.mean((floats > 0) == (scores > 0)) > 0.95
        return
    chosen = np.take_along_axis(floats, scores.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert (floats.max(axis=1) - chosen).max() < 0.1 * floats.std()
    assert result.agreement is not None
    assert result.agreement > 0.9


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_signs(name: str, tmp_path: Path) -> None:
    net = Export(IMAGE, seed=len(name))
    result = run(net, NETWORKS[name](net), tmp_path)
    check(result)
    assert result.no_machine == ""


def test_a_sequence_of_signs(tmp_path: Path) -> None:
    net = Export(SEQUENCE, seed=4)
    check(run(net, sequence(net), tmp_path))


@pytest.mark.parametrize("name", ["small CNN that normalises", "ResNet", "depthwise-separable"])
def test_a_network_of_real_weights(name: str, tmp_path: Path) -> None:
    net = Export(IMAGE, seed=5, real=True)
    output = NETWORKS[name](net)
    with pytest.raises(
        BcsimError, match=r"^Node '.+' \(Conv\): weight tensor '.+' has .+ --weight-bits rounds$"
    ):
        run(net, output, tmp_path)
    check(run(net, "y", tmp_path, weight_bits=8))


def squeeze_excitation(net: Export) -> str:
    x = block(net, "x", "a", 6)
    gate = net.add("Sigmoid", [net.conv(net.add("GlobalAveragePool", [x], "se"), "se/fc", 6, 1)], "se")
    return net.head(net.add("Mul", [x, gate]), 10)


REFUSED: dict[str, tuple[Network, str]] = {
    "squeeze and excitation": (
        squeeze_excitation,
        "Node '/Mul' (Mul): both inputs depend on the network's input; accepted are ",
    ),
    "layer normalisation": (
        lambda net: net.add("LayerNormalization", ["x", net.bias("n", 8)], "n", axis=-1),
        "Node '/n/LayerNormalization' (LayerNormalization): it divides by what it finds in the image; accepted is ",
    ),
    "instance normalisation": (
        lambda net: net.add("InstanceNormalization", ["x", net.bias("n", 1), net.bias("m", 1)], "n"),
        "Node '/n/InstanceNormalization' (InstanceNormalization): it divides by what it finds in the image; accepted ",
    ),
    "transposed convolution": (
        lambda net: net.add("ConvTranspose", ["x", net.weight("u", 1, 2, 2, 2)], "u", strides=[2, 2]),
        "Node '/u/ConvTranspose' (ConvTranspose): it widens its input, which no window of the array does; accepted is "
        "Conv",
    ),
    "bilinear": (
        lambda net: net.add("Resize", ["x", "", net.constant(np.float32([1, 1, 2, 2]))], mode="linear"),
        "Node '/Resize' (Resize): its mode is 'linear', which makes values between those of its input; accepted is ",
    ),
    "GELU without a quantiser": (
        lambda net: net.linear(
            net.add("Gelu", [net.linear(net.add("Flatten", ["x"], axis=1), "a", 64, 9)], approximate="none"),
            "b", 9, 3,
        ),
        "Node '/Gelu' (Gelu) falls up to -0.7518 and rises from there, so that no single threshold parts the levels ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_one_sentence(name: str, tmp_path: Path) -> None:
    network, start = REFUSED[name]
    net = Export(IMAGE, seed=6)
    with pytest.raises(BcsimError) as caught:
        run(net, network(net), tmp_path)
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)
