import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.models.activation import STEPS
from bcsim.models.recipes import RECIPES, Recipe, recipe_for
from bcsim.models.topologies import TOPOLOGIES


def test_every_topology_has_a_recipe() -> None:
    assert list(RECIPES) == list(TOPOLOGIES)


def test_learning_rate_decays_exponentially() -> None:
    recipe = Recipe("digits", epochs=4, lr_start=1e-2, lr_end=1e-4)
    rates = [recipe.learning_rate(epoch) for epoch in range(5)]
    assert rates[0] == 1e-2
    assert math.isclose(rates[4], 1e-4)
    ratios = [b / a for a, b in itertools.pairwise(rates)]
    assert all(math.isclose(ratio, 10**-0.5) for ratio in ratios)


def test_triangular_rate_rises_for_a_tenth_and_falls_for_the_rest() -> None:
    recipe = Recipe("digits", epochs=10, lr_start=0.5, lr_end=0.05, schedule="triangular")
    rates = [recipe.learning_rate(epoch) for epoch in (0, 0.5, 1, 5.5, 10)]
    assert rates == pytest.approx([0, 0.25, 0.5, 0.275, 0.05])


def test_an_exponential_rate_is_the_same_for_all_steps_of_an_epoch() -> None:
    recipe = Recipe("digits", epochs=4)
    assert recipe.learning_rate(2.9) == recipe.learning_rate(2) != recipe.learning_rate(3)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", "quinary", "Method must be one of det, stoch, none, dropout, bnn, ternary, not 'quinary'"),
        (
            "optimiser",
            "lion",
            "Optimiser must be one of sgd, nesterov, adam, shift-adamax, muon, unit-nesterov, not 'lion'",
        ),
        ("inference", "both", "Inference must be one of binary, real, not 'both'"),
        ("normalisation", "layer", "Normalisation must be one of standard, shift, not 'layer'"),
        ("preprocess", "zca", "Preprocessing must be one of none, gcn, gcn-zca, not 'zca'"),
        ("augment", "cutout", "Augmentation must be one of none, crop, crop-flip, shift-flip, not 'cutout'"),
        ("precision", "int8", "Precision must be one of float32, bfloat16, not 'int8'"),
        ("width", 0, "Width must be from 1 to 65536, not 0"),
        ("width", 2**62, f"Width must be from 1 to 65536, not {2**62}"),
        ("activation_bits", -1, "Activation bits must be 0, for real ReLUs, 1, for signs, or 2 to 8, not -1"),
        ("activation_bits", 9, "Activation bits must be 0, for real ReLUs, 1, for signs, or 2 to 8, not 9"),
        ("schedule", "cosine", "Schedule must be one of exponential, triangular, not 'cosine'"),
        ("loss", "hinge", "Loss must be one of squared-hinge, cross-entropy, not 'hinge'"),
        ("label_smoothing", 1.0, "Label smoothing must be at least 0 and below 1, not 1.0"),
        ("averaging", 1.0, "Averaging must be at least 0 and below 1, not 1.0"),
        ("adversarial", -1.0, "Adversarial norm must be at least 0 and finite, not -1.0"),
        ("adversarial", math.inf, "Adversarial norm must be at least 0 and finite, not inf"),
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"network": "digits", "method": "none", "inference": "binary"},
            "Method none trains real weights: its inference must be real, not binary",
        ),
        (
            {"network": "digits", "method": "bnn", "activation_bits": 2},
            "Method bnn has activations of 1 bit: activation bits must be 0, which leaves them",
        ),
        (
            {"network": "digits", "augment": "crop"},
            "Network digits takes no images but rows of pixels: augment must be none",
        ),
        (
            {"network": "svhn-cnn", "augment": "crop-flip"},
            "Network svhn-cnn reads digits, which mirroring changes: augment must be none or crop",
        ),
        (
            {"network": "svhn-cnn", "augment": "shift-flip"},
            "Network svhn-cnn reads digits, which mirroring changes: augment must be none or crop",
        ),
        (
            {"network": "digits", "label_smoothing": 0.1},
            "Label smoothing and adversarial training are of probabilities: loss must be cross-entropy",
        ),
        (
            {"network": "digits", "adversarial": 1.0},
            "Label smoothing and adversarial training are of probabilities: loss must be cross-entropy",
        ),
        (
            {"network": "digits", "method": "none", "optimiser": "muon"},
            "Optimiser muon holds filters at unit norm, which signs do not see: "
            "method must be det, stoch, bnn or ternary, not none",
        ),
        (
            {"method": "det"},
            "Recipe must name its network: digits, digits-cnn, mnist-mlp, mnist-vat, cifar10-cnn, "
            "cifar10-fast, cifar10-small, svhn-cnn",
        ),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BcsimError) as caught:
        recipe_for(given)
    assert str(caught.value) == message


def test_unknown_field() -> None:
    with pytest.raises(BcsimError, match=r"^Recipe has no field 'epoch'; its fields are network, method, "):
        recipe_for({"network": "digits", "epoch": 3})


def test_given_fields_stand_before_the_methods_and_the_networks() -> None:
    assert recipe_for({"network": "mnist-mlp"}) == RECIPES["mnist-mlp"]
    none = recipe_for({"network": "mnist-mlp", "method": "none"})
    assert (none.inference, none.dropout_in, none.dropout_hidden) == ("real", 0, 0)
    dropout = recipe_for({"network": "mnist-mlp", "method": "dropout"})
    assert (dropout.inference, dropout.dropout_in, dropout.dropout_hidden) == ("real", 0.2, 0.5)
    assert recipe_for({"network": "digits", "method": "dropout", "dropout_hidden": 0.3}).dropout_hidden == 0.3


@pytest.mark.parametrize(
    ("given", "bits"),
    [({}, 0), ({"method": "bnn"}, 1), ({"activation_bits": 1}, 1), ({"activation_bits": 4}, 4)],
)
def test_activation(given: dict[str, Any], bits: int) -> None:
    assert recipe_for({"network": "digits", **given}).activation.bits == bits


@pytest.mark.parametrize("bits", STEPS)
def test_steps_are_exact_in_float32_and_near_the_best(bits: int) -> None:
    step = float(STEPS[bits])
    assert np.float32(step) == step
    assert np.float32(step * (2**bits - 1)) == step * (2**bits - 1)
    found = {scale: _normal_error(step * scale, bits) for scale in (0.9, 1.0, 1.1)}
    assert min(found, key=found.__getitem__) == 1.0


def _normal_error(step: float, bits: int) -> float:
    """Mean square error of quantising the positive half of a normal distribution."""
    x = np.linspace(0, 8, 100_001)
    quantised = np.minimum(np.rint(x / step), 2**bits - 1) * step
    return float(np.sum(np.exp(-x * x / 2) * (x - quantised) ** 2))
