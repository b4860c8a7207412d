import pytest

torch = pytest.importorskip("torch")

from bcsim.models.pooling import MaxPool2d  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize("shape", [(2, 5, 6, 8), (1, 48, 2, 2), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_values_and_gradients_are_pytorchs(shape: tuple[int, ...], dtype: "torch.dtype") -> None:
    torch.manual_seed(0)
    # Few values, of both signs: most windows have their greatest twice.
    x = torch.randint(-3, 4, shape).to(dtype).contiguous(memory_format=torch.channels_last)
    given, same = x.clone().requires_grad_(), x.clone().requires_grad_()
    found, expected = MaxPool2d()(given), torch.nn.functional.max_pool2d(same, 2)
    assert torch.equal(found, expected)
    slope = torch.randn(found.shape).to(dtype)
    gradient, wanted = torch.autograd.grad(found, given, slope), torch.autograd.grad(expected, same, slope)
    assert torch.equal(*gradient, *wanted)


def test_infinite_and_tiny_values_are_ordered() -> None:
    values = torch.tensor([-torch.inf, -1e38, -1e-38, 0.0, 1e-38, 1.0, 1e38, torch.inf]).bfloat16()
    windows = torch.cartesian_prod(values, values).view(1, -1, 1, 2)
    x = torch.cat([windows, torch.full_like(windows, -torch.inf)], dim=2)
    assert torch.equal(MaxPool2d()(x).flatten(), torch.maximum(windows[..., 0], windows[..., 1]).flatten())
