import dataclasses
import itertools
import math
from typing import Any

import pytest

from bcsim.errors import BcsimError
from bcsim.models.recipes import RECIPES, Recipe
from bcsim.models.topologies import TOPOLOGIES, topology


def test_every_topology_has_a_recipe() -> None:
    assert list(RECIPES) == list(TOPOLOGIES)


def test_mnist_mlp_is_the_networks_of_the_paper() -> None:
    assert topology("mnist-mlp").widths == (784, 1024, 1024, 1024, 10)
    assert topology("mnist-mlp").weights == 784 * 1024 + 2 * 1024**2 + 1024 * 10


@pytest.mark.parametrize(("name", "highest"), [("digits", 16), ("mnist-mlp", 255)])
def test_inputs_are_centred(name: str, highest: int) -> None:
    chosen = topology(name)
    assert chosen.offset == -1
    assert chosen.scale * highest + chosen.offset == 1


def test_learning_rate_decays_exponentially() -> None:
    recipe = Recipe("digits", epochs=4, lr_start=1e-2, lr_end=1e-4)
    rates = [recipe.learning_rate(epoch) for epoch in range(5)]
    assert rates[0] == 1e-2
    assert math.isclose(rates[4], 1e-4)
    ratios = [b / a for a, b in itertools.pairwise(rates)]
    assert all(math.isclose(ratio, 10**-0.5) for ratio in ratios)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", "ternary", "Method must be one of det, stoch, none, not 'ternary'"),
        ("optimiser", "lion", "Optimiser must be one of sgd, nesterov, adam, not 'lion'"),
        ("epochs", 0, "Number of epochs must be at least 1, not 0"),
        ("batch", 1, "Batch size must be at least 2, for BatchNorm's variance, not 1"),
        ("seed", -1, "Seed must be at least 0 and below 2**63, not -1"),
        ("seed", 2**63, f"Seed must be at least 0 and below 2**63, not {2**63}"),
        ("lr_start", 0.0, "First learning rate must be positive and finite, not 0.0"),
        ("lr_end", math.inf, "Last learning rate must be positive and finite, not inf"),
        ("lr_end", math.nan, "Last learning rate must be positive and finite, not nan"),
        ("dropout_in", 1.0, "Input dropout must be at least 0 and below 1, not 1.0"),
        ("dropout_hidden", -0.1, "Hidden dropout must be at least 0 and below 1, not -0.1"),
    ],
)
def test_bad_options(option: str, value: Any, message: str) -> None:
    with pytest.raises(BcsimError) as caught:
        dataclasses.replace(RECIPES["digits"], **{option: value})
    assert str(caught.value) == message


def test_unknown_network() -> None:
    with pytest.raises(BcsimError) as caught:
        topology("vgg")
    assert str(caught.value) == "Network must be one of digits, mnist-mlp, not 'vgg'"
