import pytest

torch = pytest.importorskip("torch")

from bcsim.models.binarise import (  # noqa: E402
    binarise_deterministic,
    binarise_stochastic,
    hard_sigmoid,
    ternarise,
)

pytestmark = pytest.mark.train


def test_deterministic_rule_counts_zero_as_plus_one() -> None:
    weight = torch.tensor([-1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0])
    assert binarise_deterministic(weight).tolist() == [-1, -1, 1, 1, 1, 1]


def test_hard_sigmoid_is_clipped_and_linear_between() -> None:
    assert hard_sigmoid(torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])).tolist() == [
        0, 0, 0.25, 0.5, 0.75, 1, 1
    ]  # fmt: skip


def test_stochastic_rule_is_certain_at_the_ends() -> None:
    ends = torch.tensor([-1.0, 1.0]).repeat(10_000)
    assert torch.equal(binarise_stochastic(ends), ends)


def test_stochastic_rule_has_the_hard_sigmoid_as_its_mean() -> None:
    torch.manual_seed(0)
    for value in (-0.5, 0.0, 0.8):
        drawn = binarise_stochastic(torch.full((100_000,), value))
        assert set(drawn.tolist()) == {-1.0, 1.0}
        # The mean of 100,000 draws is within 0.013 of `value` but for 4 standard deviations.
        assert abs(drawn.mean().item() - value) < 0.013


def test_ternary_rule_has_a_threshold_for_each_filter() -> None:
    # Mean sizes 1, 10 and 0: thresholds 0.7, 7 and 0.
    weight = torch.tensor([[0.71, -0.69, 1.6], [-6.9, 7.1, -16.0], [0.0, 0.0, -0.0]])
    assert ternarise(weight).tolist() == [[1, 0, 1], [0, 1, -1], [0, 0, 0]]
    kernels = weight.view(3, 1, 1, 3)
    assert torch.equal(ternarise(kernels), ternarise(weight).view_as(kernels))


def test_ternary_gradient_passes_unmasked() -> None:
    weight = torch.tensor([[-5.0, -1.0, 0.0, 0.3, 5.0]], requires_grad=True)
    grad = torch.tensor([[1.0, -2.0, 3.0, -4.0, 5.0]])
    ternarise(weight).backward(grad)
    assert torch.equal(weight.grad, grad)


@pytest.mark.parametrize("rule", [binarise_deterministic, binarise_stochastic])
def test_gradient_passes_unmasked(rule: object) -> None:
    assert callable(rule)
    weight = torch.tensor([-5.0, -1.0, 0.0, 0.3, 5.0], requires_grad=True)
    grad = torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0])
    rule(weight).backward(grad)
    assert torch.equal(weight.grad, grad)
