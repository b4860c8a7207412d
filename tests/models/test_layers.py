import math

import pytest

torch = pytest.importorskip("torch")

from bcsim.models.layers import BinaryLayer, build  # noqa: E402
from bcsim.models.recipes import Inference, Method, Recipe  # noqa: E402

pytestmark = pytest.mark.train


def test_weights_start_uniform_between_minus_one_and_one() -> None:
    torch.manual_seed(0)
    weight = BinaryLayer((100, 200), method="det").weight
    assert weight.abs().max() <= 1
    assert abs(weight.std().item() - 1 / math.sqrt(3)) < 0.01


def test_real_weights_start_within_glorots_bound() -> None:
    weight = BinaryLayer((100, 200), method="none").weight
    assert 0.13 < weight.abs().max().item() <= math.sqrt(6 / 300)


@pytest.mark.parametrize(
    ("inputs", "outputs", "coefficient"), [(784, 1024, 34.718), (1024, 1024, 36.951), (1024, 10, 26.255)]
)
def test_lr_coefficient(inputs: int, outputs: int, coefficient: float) -> None:
    layer = BinaryLayer((outputs, inputs), method="det")
    assert math.isclose(layer.lr_coefficient, coefficient, abs_tol=1e-3)


@pytest.mark.parametrize(("method", "limit"), [("det", 1), ("stoch", 1), ("none", 3)])
def test_only_weights_to_be_binarised_are_clipped(method: Method, limit: int) -> None:
    layer = BinaryLayer((1, 3), method=method)
    layer.weight.data = torch.tensor([[-3.0, 0.5, 3.0]])
    layer.clip()
    assert layer.weight.tolist() == [[-limit, 0.5, limit]]


def test_forward_uses_binary_weights_in_training_and_evaluation() -> None:
    layer = BinaryLayer((1, 3), method="det")
    layer.weight.data = torch.tensor([[-0.2, 0.0, 0.7]])
    x = torch.tensor([[1.0, 10.0, 100.0]])
    assert layer.train()(x).tolist() == layer.eval()(x).tolist() == [[109.0]]


def test_stochastic_weights_are_deterministic_in_evaluation() -> None:
    layer = BinaryLayer((1, 1000), method="stoch").eval()
    layer.weight.data.fill_(0.01)
    assert layer(torch.ones(1, 1000)).item() == 1000
    assert abs(layer.train()(torch.ones(1, 1000)).item()) < 200


def test_dropout_stands_before_the_layers_it_feeds() -> None:
    model = build(Recipe("digits", dropout_in=0.1, dropout_hidden=0.2))
    names = [type(layer).__name__ for layer in model]
    block = ["Dropout", "BinaryLayer", "BatchNorm1d"]
    assert names == [*block, "ReLU", *block, "ReLU", *block]
    assert [layer.p for layer in model if isinstance(layer, torch.nn.Dropout)] == [0.1, 0.2, 0.2]


def test_convolutional_order_is_the_papers() -> None:
    model = build(Recipe("digits-cnn", dropout_in=0.1, dropout_hidden=0.2, activation_bits=3))
    block = ["BinaryLayer", "MaxPool2d", "BatchNorm2d", "QuantisedReLU"]
    dense = ["Dropout", "BinaryLayer", "BatchNorm1d"]
    names = [type(layer).__name__ for layer in model]
    assert names == ["Dropout", *block, *block, "Flatten", *dense, "QuantisedReLU", *dense]
    assert [layer.p for layer in model if isinstance(layer, torch.nn.Dropout)] == [0.1, 0.2, 0.2]


def test_bnn_has_signs_and_may_have_shifts() -> None:
    model = build(Recipe("digits", method="bnn", normalisation="shift"))
    block = ["BinaryLayer", "ShiftBatchNorm"]
    names = [type(layer).__name__ for layer in model]
    assert names == [*block, "BinaryActivation", *block, "BinaryActivation", *block]


def test_convolution_is_padded_and_scaled_by_its_receptive_field() -> None:
    layer = BinaryLayer((4, 2, 3, 3), method="det")
    layer.weight.data.fill_(0.5)
    x = torch.ones(1, 2, 5, 5)
    # 3x3 taps of 2 channels inside, 2x2 in a corner.
    assert layer(x)[0, 0, 2, 2].item() == 18
    assert layer(x)[0, 3, 0, 0].item() == 8
    assert math.isclose(layer.lr_coefficient, math.sqrt((2 * 9 + 4 * 9) / 1.5))


@pytest.mark.parametrize(
    ("method", "inference", "same"),
    [
        ("det", "binary", True),
        ("bnn", "binary", True),
        ("ternary", "binary", True),
        ("det", "real", False),
        ("stoch", "binary", False),
        ("stoch", "real", False),
        ("dropout", "real", True),
    ],
)
def test_which_methods_evaluate_as_they_train(method: Method, inference: Inference, same: bool) -> None:
    assert BinaryLayer((1, 3), method=method, inference=inference).evaluates_as_trained is same


def test_real_inference_leaves_weights_as_they_are() -> None:
    layer = BinaryLayer((1, 3), method="det", inference="real")
    layer.weight.data = torch.tensor([[-0.25, 0.0, 0.75]])
    assert layer.eval()(torch.tensor([[1.0, 10.0, 100.0]])).item() == 74.75
    assert layer.train()(torch.tensor([[1.0, 10.0, 100.0]])).item() == 109
