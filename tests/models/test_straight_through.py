import pytest

torch = pytest.importorskip("torch")

from bcsim.models.activation import STEPS  # noqa: E402
from bcsim.models.straight_through import (  # noqa: E402
    binarise_activation,
    power_of_two,
    quantise_relu,
)

pytestmark = pytest.mark.train


def _gradient(result: "torch.Tensor", x: "torch.Tensor") -> list[float]:
    result.backward(torch.arange(1.0, len(x) + 1))
    return list(x.grad.tolist())


def test_sign_and_its_hard_tanh_gradient() -> None:
    x = torch.tensor([-1.5, -1.0, -0.2, 0.0, 1.0, 1.001], requires_grad=True)
    found = binarise_activation(x)
    assert found.tolist() == [-1, -1, -1, 1, 1, 1]
    assert _gradient(found, x) == [0, 2, 3, 4, 5, 0]


def test_quantised_relu_ties_to_even_and_saturates() -> None:
    x = torch.tensor([-1.0, 0.125, 0.25, 0.375, 0.4, 5.0], requires_grad=True)
    found = quantise_relu(x, step=0.25, top=0.75)
    assert found.tolist() == [0, 0, 0.25, 0.5, 0.5, 0.75]
    assert _gradient(found, x) == [0, 2, 3, 4, 5, 0]


def test_quantised_relu_gives_multiples_of_the_step() -> None:
    step, top = float(STEPS[8]), 255 * float(STEPS[8])
    found = quantise_relu(torch.linspace(-1, 5, 10_001), step, top)
    assert torch.equal(found, (found / step).round() * step)
    assert (found.min(), found.max()) == (0, top)


def test_power_of_two_rounds_the_exponent() -> None:
    x = torch.tensor([0.0, 1.0, 1.4, 1.5, -3.0, -0.3, 2.0**-40], requires_grad=True)
    found = power_of_two(x)
    assert found.tolist() == [0, 1, 1, 2, -4, -0.25, 2.0**-40]
    assert _gradient(found, x) == [1, 2, 3, 4, 5, 6, 7]
