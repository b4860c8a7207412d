import math

import pytest

torch = pytest.importorskip("torch")

from bcsim.models.layers import binary_layers, build  # noqa: E402
from bcsim.models.optimise import make_optimiser, set_learning_rate, squared_hinge  # noqa: E402
from bcsim.models.recipes import Optimiser, Recipe  # noqa: E402

pytestmark = pytest.mark.train


def test_squared_hinge_by_hand() -> None:
    scores = torch.tensor([[2.0, -0.5, 0.0], [1.0, -3.0, 0.5]])
    # Image 1 is of class 0: 0, 0.5**2, 1. Image 2 is of class 2: 2**2, 0, 0.5**2.
    loss = squared_hinge(scores, torch.tensor([0, 2]))
    assert math.isclose(loss.item(), (0.25 + 1 + 4 + 0.25) / 6, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("optimiser", "power"), [("adam", 1), ("shift-adamax", 1), ("sgd", 2), ("nesterov", 2)]
)
def test_binary_weights_learn_faster_by_their_coefficient(optimiser: Optimiser, power: int) -> None:
    model = build(Recipe("digits"))
    made = make_optimiser(model, Recipe("digits", optimiser=optimiser))
    set_learning_rate(made, 0.5)
    rates = [group["lr"] for group in made.param_groups]
    sums = [64 + 128, 128 + 128, 128 + 10]
    assert rates == pytest.approx([*(0.5 * (n / 1.5) ** (power / 2) for n in sums), 0.5])


def test_real_weights_learn_at_the_base_rate() -> None:
    recipe = Recipe("digits", method="none", inference="real")
    made = make_optimiser(build(recipe), recipe)
    assert [group["multiplier"] for group in made.param_groups] == [1.0]


def test_without_scaling_all_learn_at_the_base_rate() -> None:
    recipe = Recipe("digits", optimiser="sgd", lr_scaling=False)
    made = make_optimiser(build(recipe), recipe)
    assert [group["multiplier"] for group in made.param_groups] == [1.0]


def test_every_parameter_is_optimised_once() -> None:
    model = build(Recipe("digits"))
    groups = make_optimiser(model, Recipe("digits")).param_groups
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters())


def test_sgd_step_moves_the_real_weight_by_the_binary_ones_gradient() -> None:
    recipe = Recipe("digits", optimiser="sgd")
    model = build(recipe)
    first = binary_layers(model)[0]
    made = make_optimiser(model, recipe)
    set_learning_rate(made, 1e-3)
    before = first.weight.detach().clone()
    first(torch.ones(1, 64)).sum().backward()
    made.step()
    # The gradient of a sum of products with inputs 1 is 1 for each weight, whatever its sign.
    torch.testing.assert_close(before - first.weight, torch.full_like(before, 1e-3 * (64 + 128) / 1.5))
