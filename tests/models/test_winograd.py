from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from bcsim.models import winograd  # noqa: E402
from bcsim.models.layers import BinaryLayer  # noqa: E402

pytestmark = pytest.mark.train

SHAPES = [
    # images, inputs, outputs, rows, columns
    (3, 32, 32, 4, 4),
    (1, 32, 64, 8, 12),
    (5, 64, 32, 16, 8),
    (9, 32, 96, 32, 32),
]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def _operands(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, +1/-1 weights and a gradient of the result."""
    images, inputs, outputs, rows, columns = shape
    torch.manual_seed(0)
    x = torch.randn(images, inputs, rows, columns, requires_grad=True)
    weight = torch.randn(outputs, inputs, 3, 3).sign().requires_grad_()
    return x, weight, torch.randn(images, outputs, rows, columns)


def _differs(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.detach().double() - expected.detach()).abs().max() / expected.detach().std())


@pytest.mark.parametrize("shape", SHAPES)
def test_result_and_gradients_are_those_of_the_direct_sum(shape: tuple[int, ...], threads: int) -> None:
    x, weight, slope = _operands(shape)
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, weight)]
    expected = torch.nn.functional.conv2d(*wide, padding=1)
    expected.backward(slope.double())
    found = winograd.convolve(x, weight)
    found.backward(slope)
    assert _differs(found, expected) < 1e-4
    for tensor, reference in zip((x, weight), wide, strict=True):
        assert _differs(tensor.grad, reference.grad) < 1e-4


def test_more_tiles_than_a_chunk_holds() -> None:
    x, weight, _ = _operands((4 * winograd.CHUNK + 1, 32, 32, 4, 4))
    expected = torch.nn.functional.conv2d(x.double(), weight.double(), padding=1)
    assert _differs(winograd.convolve(x, weight), expected) < 1e-4


def test_equal_operands_give_equal_bits(threads: int) -> None:
    x, weight, slope = _operands((7, 32, 32, 8, 8))
    gradients = []
    for _ in range(2):
        x.grad = weight.grad = None
        winograd.convolve(x, weight).backward(slope)
        gradients.append((x.grad, weight.grad))
    assert all(torch.equal(first, second) for first, second in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        ((1, 3, 32, 32), (64, 3, 3, 3)),
        ((1, 64, 32, 32), (48, 64, 3, 3)),
        ((1, 64, 6, 8), (64, 64, 3, 3)),
        ((1, 64, 8, 8), (64, 64, 1, 1)),
    ],
)
def test_other_shapes_stay_with_the_direct_sum(x: tuple[int, ...], weight: tuple[int, ...]) -> None:
    assert not winograd.applies(torch.zeros(x), torch.zeros(weight))
    assert BinaryLayer(weight, method="det")(torch.zeros(x)).shape[1] == weight[0]


def test_mixed_precision_stays_with_the_direct_sum() -> None:
    x, weight, _ = _operands(SHAPES[0])
    assert winograd.applies(x, weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not winograd.applies(x, weight)
    assert not winograd.applies(x.bfloat16(), weight.bfloat16())


def test_layers_use_it_in_training_only() -> None:
    x, _, _ = _operands(SHAPES[0])
    layer = BinaryLayer((32, 32, 3, 3), method="det")
    weight = layer.effective_weight()
    assert torch.equal(layer(x), winograd.convolve(x, weight))
    layer.eval()
    assert torch.equal(layer(x), torch.nn.functional.conv2d(x, weight, padding=1))
