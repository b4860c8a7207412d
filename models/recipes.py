"""How each network is trained, as frozen configurations (no PyTorch here)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from bcsim.common.errors import BcsimError
from bcsim.models.activation import STEPS, Activation
from bcsim.models.topologies import Topology, topology

Method = Literal["det", "stoch", "none", "dropout", "bnn", "ternary"]
Optimiser = Literal["sgd", "nesterov", "adam", "shift-adamax", "muon", "unit-nesterov"]
Schedule = Literal["exponential", "triangular"]
Loss = Literal["squared-hinge", "cross-entropy"]
Normalisation = Literal["standard", "shift"]
Inference = Literal["binary", "real"]
Preprocessing = Literal["none", "gcn", "gcn-zca"]
Augmentation = Literal["none", "crop", "crop-flip", "shift-flip"]
Precision = Literal["float32", "bfloat16"]

REAL_METHODS = ("none", "dropout")

UNIT_NORM = ("muon", "unit-nesterov")
"""Optimisers that hold filters at unit norm."""

_RISE = 0.1
"""Share of a training in which a triangular learning rate rises."""

WIDEST = 1 << 16
"""Outputs of a first layer, beyond which its weights fill the memory."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyper-parameters of one training; two runs of equal recipes on one machine give equal weights.

    method : how weights are binarised in the forward and backward pass: `det` (w >= 0 -> +1), `stoch` (+1 with
        probability of the hard sigmoid), `bnn` (`det`, and the activations are signs too), `ternary` (small weights are
        0), or not at all: `none` and `dropout`, the baselines without regulariser and with half of the hidden units
        dropped.
    inference : the weights that validation, test and the exported file use; `none` and `dropout` have only real
        ones.
    width : outputs of the first layer, the others in proportion; by default the network's own.
    lr_start, lr_end : the learning rate falls exponentially, once an epoch, from one towards the other; with the
        `schedule` triangular it rises with every step of the first tenth of the training, from 0 to `lr_start`, and
        then falls linearly to `lr_end`.
    lr_scaling : whether a binary layer's rate is scaled by its Glorot coefficient.
    activation_bits : 0 trains with real ReLUs, 1 with signs, 2 to 8 with quantised ReLUs.
    normalisation : `shift` replaces BatchNorm's products by powers of two.
    preprocess : what happens to images before the first layer, on the host: see bcsim.models.preprocess.
    augment : random crops of training images padded by an eighth, and mirror images; `shift-flip` pads by a
        sixteenth and mirrors an image in every other epoch.
    label_smoothing : share of the cross entropy's target that all classes have in common.
    adversarial : Euclidean norm of the virtual adversarial perturbation of an image as it enters the network, where a
        pixel is -1 to +1; 0 for none. See bcsim.models.adversarial.
    averaging : share of the weights' running mean that is kept at each step, 0 for none. Validation, test and the file
        take the mean, with BatchNorm's statistics estimated anew; training does not see it.
    precision : of products in training; validation and test are in float32.
    """

    network: str
    method: Method = "det"
    inference: Inference = "binary"
    width: int | None = None
    epochs: int = 100
    batch: int = 100
    optimiser: Optimiser = "adam"
    lr_start: float = 1e-3
    lr_end: float = 3e-6
    lr_scaling: bool = True
    schedule: Schedule = "exponential"
    loss: Loss = "squared-hinge"
    label_smoothing: float = 0.0
    adversarial: float = 0.0
    dropout_in: float = 0.0
    dropout_hidden: float = 0.0
    activation_bits: int = 0
    normalisation: Normalisation = "standard"
    preprocess: Preprocessing = "none"
    augment: Augmentation = "none"
    averaging: float = 0.0
    precision: Precision = "float32"
    seed: int = 1

    def __post_init__(self) -> None:
        _require_one_of("Method", self.method, Method)
        _require_one_of("Inference", self.inference, Inference)
        _require_one_of("Optimiser", self.optimiser, Optimiser)
        _require_one_of("Schedule", self.schedule, Schedule)
        _require_one_of("Loss", self.loss, Loss)
        _require_one_of("Normalisation", self.normalisation, Normalisation)
        _require_one_of("Preprocessing", self.preprocess, Preprocessing)
        _require_one_of("Augmentation", self.augment, Augmentation)
        _require_one_of("Precision", self.precision, Precision)
        _require("Width", f"from 1 to {WIDEST}", self.width, self.width is None or 1 <= self.width <= WIDEST)
        _require("Number of epochs", "at least 1", self.epochs, self.epochs >= 1)
        _require("Batch size", "at least 2, for BatchNorm's variance", self.batch, self.batch >= 2)
        _require("Seed", "at least 0 and below 2**63", self.seed, 0 <= self.seed < 2**63)
        _require_rate("First learning rate", self.lr_start)
        _require_rate("Last learning rate", self.lr_end)
        _require_fraction("Input dropout", self.dropout_in)
        _require_fraction("Hidden dropout", self.dropout_hidden)
        _require_fraction("Label smoothing", self.label_smoothing)
        _require_fraction("Averaging", self.averaging)
        norm = self.adversarial
        _require("Adversarial norm", "at least 0 and finite", norm, math.isfinite(norm) and norm >= 0)
        bits = self.activation_bits
        _require(
            "Activation bits", "0, for real ReLUs, 1, for signs, or 2 to 8", bits, bits in (0, 1, *STEPS)
        )
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.is_real and self.inference != "real":
            raise BcsimError(
                f"Method {self.method} trains real weights: its inference must be real, not binary"
            )
        if self.method == "bnn" and self.activation_bits:
            raise BcsimError(
                "Method bnn has activations of 1 bit: activation bits must be 0, which leaves them"
            )
        if self.augment != "none" and len(self.topology.input_shape) == 1:
            raise BcsimError(
                f"Network {self.network} takes no images but rows of pixels: augment must be none"
            )
        if self.augment in ("crop-flip", "shift-flip") and not self.topology.flips:
            raise BcsimError(
                f"Network {self.network} reads digits, which mirroring changes: augment must be none or crop"
            )
        if self.loss == "squared-hinge" and (self.label_smoothing or self.adversarial):
            raise BcsimError(
                "Label smoothing and adversarial training are of probabilities: loss must be cross-entropy"
            )
        if self.optimiser in UNIT_NORM and self.is_real:
            raise BcsimError(
                f"Optimiser {self.optimiser} holds filters at unit norm, which signs do not see: "
                f"method must be det, stoch, bnn or ternary, not {self.method}"
            )

    @property
    def is_real(self) -> bool:
        """Whether the weights are never binarised."""
        return self.method in REAL_METHODS

    @property
    def topology(self) -> Topology:
        """The network's shape."""
        return topology(self.network, self.width)

    @property
    def activation(self) -> Activation:
        """What follows each BatchNorm but the last."""
        return Activation(1 if self.method == "bnn" else self.activation_bits)

    def learning_rate(self, epoch: float) -> float:
        """Base learning rate after `epoch` epochs.

        Exponential: the decay of the paper's code, the same for all steps of an epoch.
        """
        if self.schedule == "triangular":
            done = epoch / self.epochs
            rising, falling = done / _RISE, (1 - done) / (1 - _RISE)
            return min(rising * self.lr_start, self.lr_end + falling * (self.lr_start - self.lr_end))
        epoch = math.floor(epoch)
        return self.lr_start * math.pow(self.lr_end / self.lr_start, epoch / self.epochs)


def _require(noun: str, rule: str, value: object, holds: bool) -> None:
    if not holds:
        raise BcsimError(f"{noun} must be {rule}, not {value!r}")


def _require_one_of(noun: str, value: str, accepted: Any) -> None:
    names = get_args(accepted)
    _require(noun, f"one of {', '.join(names)}", value, value in names)


def _require_rate(noun: str, value: float) -> None:
    _require(noun, "positive and finite", value, math.isfinite(value) and value > 0)


def _require_fraction(noun: str, value: float) -> None:
    _require(noun, "at least 0 and below 1", value, 0 <= value < 1)


digits = Recipe("digits", epochs=200, batch=50, lr_start=3e-3, lr_end=3e-6, dropout_hidden=0.1)
digits_cnn = Recipe("digits-cnn", epochs=60, batch=50, lr_start=3e-3, lr_end=3e-6)
mnist_mlp = Recipe("mnist-mlp", epochs=100, batch=100, dropout_in=0.2, dropout_hidden=0.2)
mnist_vat = Recipe(
    "mnist-vat",
    epochs=30,
    batch=250,
    optimiser="unit-nesterov",
    lr_start=0.05,
    lr_end=1e-4,
    schedule="triangular",
    loss="cross-entropy",
    adversarial=4.0,
    activation_bits=4,
    averaging=0.97,
    precision="bfloat16",
)
cifar10_cnn = Recipe("cifar10-cnn", epochs=500, batch=50, lr_start=3e-3, lr_end=2e-6)
cifar10_fast = Recipe(
    "cifar10-fast",
    epochs=12,
    batch=250,
    optimiser="muon",
    lr_start=0.03,
    lr_end=1e-4,
    schedule="triangular",
    loss="cross-entropy",
    label_smoothing=0.1,
    activation_bits=4,
    augment="shift-flip",
    averaging=0.97,
    precision="bfloat16",
)
cifar10_small = replace(cifar10_fast, network="cifar10-small")
svhn_cnn = Recipe("svhn-cnn", epochs=200, batch=50, lr_start=3e-3, lr_end=2e-6)

_ALL = (digits, digits_cnn, mnist_mlp, mnist_vat, cifar10_cnn, cifar10_fast, cifar10_small, svhn_cnn)
RECIPES = {recipe.network: recipe for recipe in _ALL}

METHOD_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "none": {"inference": "real", "dropout_in": 0.0, "dropout_hidden": 0.0},
    "dropout": {"inference": "real", "dropout_hidden": 0.5},
}
"""What a method changes in a network's recipe unless the user gives it."""


def recipe_for(given: Mapping[str, Any]) -> Recipe:
    """The network's recipe with the fields in `given`, `network` among them, in place of its own.

    Raises BcsimError for an unknown network, field or value.
    """
    names = [field.name for field in fields(Recipe)]
    for name in given:
        if name not in names:
            raise BcsimError(f"Recipe has no field {name!r}; its fields are {', '.join(names)}")
    if "network" not in given:
        raise BcsimError(f"Recipe must name its network: {', '.join(RECIPES)}")
    base = RECIPES[topology(given["network"]).name]
    return replace(base, **{**METHOD_DEFAULTS.get(given.get("method", base.method), {}), **given})
