import pytest

torch = pytest.importorskip("torch")

from bcsim.models.layers import binary_layers, build  # noqa: E402
from bcsim.models.optimise import make_optimiser, set_learning_rate  # noqa: E402
from bcsim.models.recipes import Recipe  # noqa: E402
from bcsim.models.unit_norm import UnitNorm, orthogonalised  # noqa: E402

pytestmark = pytest.mark.train


def _mean_squares(weight: "torch.Tensor") -> "torch.Tensor":
    return weight.detach().flatten(1).square().mean(1)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (16, 16)])
def test_directions_stay_and_sizes_become_alike(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    sizes = torch.linspace(0.3, 1, len(left.T))
    found = left.T @ orthogonalised(left * sizes @ right) @ right.T
    assert found.diagonal().min() > 0.6
    assert found.diagonal().max() < 1.3
    assert (found - found.diagonal().diag()).abs().max() < 0.05


@pytest.mark.parametrize("orthogonal", [True, False])
def test_a_step_moves_weights_by_the_rate_and_leaves_filters_at_unit_norm(orthogonal: bool) -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3) * 5)
    optimiser = UnitNorm([{"params": [weight], "filters": True}], lr=0.01, orthogonal=orthogonal)
    assert torch.allclose(_mean_squares(weight), torch.ones(8))
    before = weight.detach().clone()
    weight.grad = torch.randn_like(weight) * 1e-3
    optimiser.step()
    assert torch.allclose(_mean_squares(weight), torch.ones(8))
    moved = (weight.detach() - before).square().mean().sqrt()
    assert 0.008 < moved < 0.0101
    assert ((weight.detach() - before) * weight.grad).sum() < 0


def test_other_parameters_move_as_adam_moves_them() -> None:
    torch.manual_seed(0)
    a = torch.nn.Parameter(torch.randn(7))
    b = torch.nn.Parameter(a.detach().clone())
    ours = UnitNorm([{"params": [a]}], lr=0.1, orthogonal=True)
    adam = torch.optim.Adam([b], lr=0.1, betas=(0.9, 0.99))
    for _ in range(5):
        a.grad = torch.randn(7)
        b.grad = a.grad.clone()
        ours.step()
        adam.step()
    assert torch.allclose(a, b, atol=1e-6)


def test_a_network_has_weights_in_one_group_and_the_rest_in_the_other() -> None:
    model = build(Recipe("digits", optimiser="muon"))
    optimiser = make_optimiser(model, Recipe("digits", optimiser="muon"))
    set_learning_rate(optimiser, 0.5)
    filters, others = optimiser.param_groups
    assert [id(p) for p in filters["params"]] == [id(layer.weight) for layer in binary_layers(model)]
    assert (filters["lr"], filters["filters"]) == (0.5, True)
    assert (others["lr"], others["filters"]) == (0.05, False)
    assert len(filters["params"]) + len(others["params"]) == len(list(model.parameters()))
