import pytest

torch = pytest.importorskip("torch")

from bcsim.models.normalise import ShiftBatchNorm, make_norm  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize(("image", "name"), [(False, "BatchNorm1d"), (True, "BatchNorm2d")])
def test_standard_norm_has_the_papers_constants(image: bool, name: str) -> None:
    norm = make_norm(3, image=image, kind="standard")
    assert (type(norm).__name__, norm.eps, norm.momentum) == (name, 1e-4, 0.1)


def test_shift_norm_by_hand() -> None:
    norm = ShiftBatchNorm(1)
    norm.weight.data.fill_(-0.6)
    norm.bias.data.fill_(0.5)
    # Mean 2, deviations -3, 0, 3: each times the nearest power of two, 4, gives a variance of 8; its root's inverse
    # is 2**-1.5 = 2**-2 (to even) nearly; gamma becomes -0.5.
    found = norm(torch.tensor([[-1.0], [2.0], [5.0]])).flatten().tolist()
    assert found == [0.5 + 3 / 8, 0.5, 0.5 - 3 / 8]
    assert norm.running_mean.item() == pytest.approx(0.2)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.8)


def test_shift_norm_evaluates_with_its_statistics() -> None:
    norm = ShiftBatchNorm(2).eval()
    norm.running_mean.copy_(torch.tensor([1.0, -1.0]))
    norm.running_var.copy_(torch.tensor([15.0, 0.26]))
    assert norm(torch.tensor([[5.0, 3.0]])).tolist() == [[1.0, 8.0]]


def test_shift_norm_normalises_channels_of_images() -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 3, 6, 6) * torch.tensor([0.1, 4.0, 30.0]).view(1, 3, 1, 1) + 7
    found = ShiftBatchNorm(3)(x)
    assert found.mean((0, 2, 3)).abs().max() < 1e-5
    # Rounding to powers of two moves a deviation by a factor of at most 2 in all.
    assert found.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], rel=0.5)
