import math

import pytest

torch = pytest.importorskip("torch")

from bcsim.errors import BcsimError  # noqa: E402
from bcsim.models.layers import BinaryLinear, baked_layers, build  # noqa: E402
from bcsim.models.recipes import Method, Recipe  # noqa: E402
from bcsim.models.topologies import digits  # noqa: E402

pytestmark = pytest.mark.train


def test_weights_start_uniform_between_minus_one_and_one() -> None:
    torch.manual_seed(0)
    weight = BinaryLinear(200, 100, method="det").weight
    assert weight.abs().max() <= 1
    assert abs(weight.std().item() - 1 / math.sqrt(3)) < 0.01


def test_real_weights_start_within_glorots_bound() -> None:
    weight = BinaryLinear(200, 100, method="none").weight
    assert 0.13 < weight.abs().max().item() <= math.sqrt(6 / 300)


@pytest.mark.parametrize(
    ("inputs", "outputs", "coefficient"), [(784, 1024, 34.718), (1024, 1024, 36.951), (1024, 10, 26.255)]
)
def test_lr_coefficient(inputs: int, outputs: int, coefficient: float) -> None:
    layer = BinaryLinear(inputs, outputs, method="det")
    assert math.isclose(layer.lr_coefficient, coefficient, abs_tol=1e-3)


@pytest.mark.parametrize(("method", "limit"), [("det", 1), ("stoch", 1), ("none", 3)])
def test_only_weights_to_be_binarised_are_clipped(method: Method, limit: int) -> None:
    layer = BinaryLinear(3, 1, method=method)
    layer.weight.data = torch.tensor([[-3.0, 0.5, 3.0]])
    layer.clip()
    assert layer.weight.tolist() == [[-limit, 0.5, limit]]


def test_forward_uses_binary_weights_in_training_and_evaluation() -> None:
    layer = BinaryLinear(3, 1, method="det")
    layer.weight.data = torch.tensor([[-0.2, 0.0, 0.7]])
    x = torch.tensor([[1.0, 10.0, 100.0]])
    assert layer.train()(x).tolist() == layer.eval()(x).tolist() == [[109.0]]


def test_stochastic_weights_are_deterministic_in_evaluation() -> None:
    layer = BinaryLinear(1000, 1, method="stoch").eval()
    layer.weight.data.fill_(0.01)
    assert layer(torch.ones(1, 1000)).item() == 1000
    assert abs(layer.train()(torch.ones(1, 1000)).item()) < 200


def test_dropout_stands_before_the_layers_it_feeds() -> None:
    model = build(digits, Recipe("digits", dropout_in=0.1, dropout_hidden=0.2))
    names = [type(layer).__name__ for layer in model]
    block = ["Dropout", "BinaryLinear", "BatchNorm1d"]
    assert names == [*block, "ReLU", *block, "ReLU", *block]
    assert [layer.p for layer in model if isinstance(layer, torch.nn.Dropout)] == [0.1, 0.2, 0.2]


def test_real_weights_cannot_be_baked() -> None:
    with pytest.raises(BcsimError) as caught:
        baked_layers(build(digits, Recipe("digits", method="none")))
    assert str(caught.value) == "Method none trains real weights, which have no binary ONNX file"
