import pytest

torch = pytest.importorskip("torch")

from bcsim.models import integer  # noqa: E402
from bcsim.models.activation import Activation  # noqa: E402
from bcsim.models.layers import BinaryLayer, Network, build  # noqa: E402
from bcsim.models.recipes import Method, Recipe  # noqa: E402
from bcsim.models.straight_through import QuantisedReLU  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not integer.is_fast(), reason="this processor has no 8-bit products"),
]


def _network(bits: int, method: Method = "det") -> Network:
    torch.manual_seed(bits)
    return Network(QuantisedReLU(Activation(bits)), BinaryLayer((5, 48, 3, 3), method=method))


def _images(dtype: "torch.dtype" = torch.float32) -> "torch.Tensor":
    return torch.randn(3, 48, 6, 7).to(dtype).contiguous(memory_format=torch.channels_last)


def _direct(network: Network, x: "torch.Tensor") -> "torch.Tensor":
    activation, layer = network
    return torch.nn.functional.conv2d(activation(x), layer.effective_weight(), padding=1)


@pytest.mark.parametrize("method", ["det", "ternary"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_evaluation_gives_the_direct_sums_to_the_last_bit(bits: int, method: Method) -> None:
    network, x = _network(bits, method).eval(), _images()
    with torch.no_grad():
        assert integer.applies(x, network[0], network[1].weight)
        assert torch.equal(network(x), _direct(network, x))


@pytest.mark.parametrize("bits", [3, 4, 6])
def test_levels_round_as_the_activation_does(bits: int) -> None:
    activation = QuantisedReLU(Activation(bits))
    steps = torch.arange(2**bits + 1) * activation.step
    ties = steps + activation.step / 2
    # Just above a tie, a product with 1 / step may round the other way than the quotient.
    above, below = torch.nextafter(ties, ties + 1), torch.nextafter(ties, steps)
    x = torch.cat([steps, ties, above, below, -steps]).repeat(48).view(1, 48, -1, 1)
    layer = BinaryLayer((4, 48, 3, 3), method="det")
    with torch.no_grad():
        expected = torch.nn.functional.conv2d(activation(x), layer.effective_weight(), padding=1)
        assert torch.equal(layer.behind(activation, x), expected)


def test_a_step_in_bfloat16_has_exact_sums_and_float_gradients() -> None:
    network, x = _network(4), _images(torch.bfloat16)
    slope = torch.randn(3, 5, 6, 7)
    exact, ours = x.float().requires_grad_(), x.clone().requires_grad_()
    expected = _direct(network, exact)
    wanted = torch.autograd.grad(expected, (exact, network[1].weight), slope)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(ours)
    assert torch.equal(found, expected.bfloat16())
    gradients = torch.autograd.grad(found, (ours, network[1].weight), slope.bfloat16())
    for gradient, want in zip(gradients, wanted, strict=True):
        assert gradient.shape == want.shape
        assert (gradient.float() - want).abs().max() < 0.02 * want.std()


def test_no_nan_is_lost() -> None:
    network, x = _network(4).eval(), _images()
    x[1, 2, 3, 4] = torch.nan
    with torch.no_grad():
        assert network(x).isnan().all()


def test_others_are_left_to_pytorch() -> None:
    x = _images()
    network = _network(4)
    assert not integer.applies(x, network[0], network[1].weight)  # training in float32
    with torch.no_grad():
        assert not integer.applies(x.double(), network[0], network[1].weight)
        assert not integer.applies(x, network[0], network[1].weight[..., :1])
        assert not integer.applies(x, QuantisedReLU(Activation(8)), torch.ones(1, 8192, 3, 3))
    real = BinaryLayer((5, 48, 3, 3), method="det", inference="real").eval()
    with torch.no_grad():
        assert torch.equal(real.behind(network[0], x), real(network[0](x)))


def test_a_whole_network_evaluates_as_its_layers_do() -> None:
    torch.manual_seed(0)
    network = build(Recipe("cifar10-fast", width=4, activation_bits=4)).eval()
    x = torch.randint(-128, 128, (4, 3, 32, 32)) / 128
    with torch.no_grad():
        expected = x
        for layer in network:
            expected = layer(expected)
        assert torch.equal(network(x), expected)
