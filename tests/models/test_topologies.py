from math import prod

import pytest

from bcsim.common.errors import BcsimError
from bcsim.models.topologies import TOPOLOGIES, topology


def test_mnist_mlp_is_the_network_of_the_paper() -> None:
    found = topology("mnist-mlp")
    assert [stage.weight_shape for stage in found.stages] == [
        (1024, 784), (1024, 1024), (1024, 1024), (10, 1024)
    ]  # fmt: skip
    assert found.weights == 784 * 1024 + 2 * 1024**2 + 1024 * 10


def test_cifar10_cnn_is_the_network_of_the_paper() -> None:
    stages = topology("cifar10-cnn").stages
    assert [stage.weight_shape[:2] for stage in stages] == [
        (128, 3), (128, 128), (256, 128), (256, 256), (512, 256), (512, 512), (1024, 8192), (1024, 1024), (10, 1024)
    ]  # fmt: skip
    assert [stage.pool for stage in stages] == [False, True, False, True, False, True, False, False, False]
    assert [stage.flattens for stage in stages] == [*[False] * 6, True, False, False]
    assert all(stage.weight_shape[2:] == (3, 3) for stage in stages[:6])


def test_svhn_cnn_has_half_the_kernels() -> None:
    stages = topology("svhn-cnn").stages
    assert [stage.outputs for stage in stages] == [64, 64, 128, 128, 256, 256, 1024, 1024, 10]
    assert stages[6].inputs == 256 * 4 * 4


def _accumulations(name: str) -> int:
    """Weights times the places that each is used at."""
    total, side = 0, topology(name).input_shape[1]
    for stage in topology(name).stages:
        total += prod(stage.weight_shape) * (side**2 if stage.convolution else 1)
        side //= 1 + stage.pool
    return total


def test_cifar10_fast_takes_a_fifth_of_the_papers_accumulations() -> None:
    assert _accumulations("cifar10-cnn") == 616_966_144
    assert _accumulations("cifar10-fast") == 121_219_072
    assert topology("cifar10-fast").weights == 1_600_864


def test_cifar10_small_fits_the_smallest_boards() -> None:
    assert topology("cifar10-small").weights == 909_664 <= 2**20
    assert _accumulations("cifar10-small") == 73_443_328 <= 75_000_000
    stages = topology("cifar10-small").stages
    assert [stage.outputs for stage in stages] == [32, 48, 64, 128, 160, 160, 256, 10]
    assert [stage.pool for stage in stages] == [False, True, False, True, False, True, True, False]


def test_width_scales_hidden_layers_alone() -> None:
    wide = topology("mnist-mlp", 2048)
    assert wide.name == "mnist-mlp-2048"
    assert [stage.outputs for stage in wide.stages] == [2048, 2048, 2048, 10]
    narrow = topology("cifar10-cnn", 32)
    assert [stage.outputs for stage in narrow.stages] == [32, 32, 64, 64, 128, 128, 256, 256, 10]
    assert topology("mnist-mlp", 1024) is topology("mnist-mlp")


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_inputs_are_centred(name: str) -> None:
    chosen = topology(name)
    highest = 16 if chosen.dataset == "digits" else 255
    assert chosen.offset == -1
    if name in ("cifar10-fast", "cifar10-small"):
        assert chosen.scale * 128 + chosen.offset == 0  # the padding is a level: these programs are exact
    else:
        assert chosen.scale * highest + chosen.offset == 1


def test_width_that_leaves_no_outputs() -> None:
    with pytest.raises(BcsimError) as caught:
        topology("digits-cnn", 0)
    assert str(caught.value) == "Width of digits-cnn must leave every hidden layer an output, not 0"


def test_unknown_network() -> None:
    with pytest.raises(BcsimError) as caught:
        topology("vgg")
    names = "digits, digits-cnn, mnist-mlp, mnist-vat, cifar10-cnn, cifar10-fast, cifar10-small, svhn-cnn"
    assert str(caught.value) == f"Network must be one of {names}, not 'vgg'"
