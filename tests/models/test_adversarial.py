import copy

import pytest

torch = pytest.importorskip("torch")

from bcsim.models.adversarial import virtual_adversarial  # noqa: E402
from bcsim.models.layers import build  # noqa: E402
from bcsim.models.recipes import Recipe  # noqa: E402

pytestmark = pytest.mark.train


def _divergence(model: "torch.nn.Module", x: "torch.Tensor", moved: "torch.Tensor") -> float:
    expected = model(x).softmax(1)
    return torch.nn.functional.cross_entropy(model(moved), expected).item()


@pytest.fixture
def model() -> "torch.nn.Module":
    torch.manual_seed(0)
    return build(Recipe("digits", activation_bits=4)).train()


def test_it_is_worse_than_a_random_change_of_the_same_norm(model: "torch.nn.Module") -> None:
    x = torch.randn(100, 64)
    found = virtual_adversarial(model, x, model(x), 2.0).item()
    change = torch.nn.functional.normalize(torch.randn_like(x)) * 2
    assert found > _divergence(model, x, x + change) > _divergence(model, x, x)


def test_the_greater_the_norm_the_greater_the_loss(model: "torch.nn.Module") -> None:
    x = torch.randn(100, 64)
    near, far = (virtual_adversarial(model, x, model(x), norm).item() for norm in (0.5, 4.0))
    assert _divergence(model, x, x) < near < far


def test_it_has_a_gradient_and_leaves_running_statistics_alone(model: "torch.nn.Module") -> None:
    x = torch.randn(20, 64)
    scores = model(x)
    before = {name: tensor.clone() for name, tensor in copy.deepcopy(model).named_buffers()}
    virtual_adversarial(model, x, scores, 1.0).backward()
    assert model[0].weight.grad.abs().sum() > 0
    for name, tensor in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            assert torch.equal(tensor, before[name])
    assert all(layer.momentum == 0.1 for layer in model if isinstance(layer, torch.nn.BatchNorm1d))
