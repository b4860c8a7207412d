"""BinaryConnect training in PyTorch: epochs, validation, the best network so far, resuming."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bcsim.errors import BcsimError
from bcsim.models import checkpoint, export
from bcsim.models.data import Samples, Splits
from bcsim.models.layers import baked_layers, binary_layers, build
from bcsim.models.optimise import make_optimiser, set_learning_rate, squared_hinge
from bcsim.models.recipes import Recipe
from bcsim.models.topologies import topology

_EVALUATION_BATCH = 1000


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch: counted from 1, mean training loss, validation error in 0..1, its best so far, seconds."""

    epoch: int
    loss: float
    validation_error: float
    best_error: float
    best_epoch: int
    seconds: float


class Trainer:
    """A training in progress.

    Members
    -------
    model : the network with its real weights, as of the last epoch
    history : an EpochReport for every epoch done
    best_state : the model's state at the lowest validation error, the first such epoch where several tie

    All randomness comes from PyTorch's global generator, which the constructor seeds.
    """

    def __init__(self, recipe: Recipe, splits: Splits) -> None:
        self.recipe = recipe
        self.topology = topology(recipe.network)
        _prepare_torch(recipe.seed)
        self.model = build(self.topology, recipe)
        self.optimiser = make_optimiser(self.model, recipe)
        self.history: list[EpochReport] = []
        self.best_state: dict[str, Any] = {}
        self._train = _tensors(splits.train)
        self._validation = _tensors(splits.validation)

    def run(self) -> Iterator[EpochReport]:
        """Train the epochs that are left, one each time the iterator is advanced."""
        while len(self.history) < self.recipe.epochs:
            yield self._epoch()

    def best_model(self) -> nn.Sequential:
        """A copy of the network at its lowest validation error, in evaluation mode."""
        if not self.best_state:
            raise BcsimError("Training has not finished an epoch yet")
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.best_state)
        return model.eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint from which `resume` continues as if nothing had happened."""
        state = {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
            "history": [asdict(report) for report in self.history],
            "best_state": self.best_state,
        }
        checkpoint.save(path, state)

    @classmethod
    def resume(cls, path: Path, splits: Splits) -> "Trainer":
        """The training that `save` wrote to `path`, ready to go on."""
        state = checkpoint.load(path)
        trainer = cls(Recipe(**state["recipe"]), splits)
        trainer.model.load_state_dict(state["model"])
        trainer.optimiser.load_state_dict(state["optimiser"])
        trainer.history = [EpochReport(**report) for report in state["history"]]
        trainer.best_state = state["best_state"]
        torch.set_rng_state(state["generator"])
        return trainer

    def _epoch(self) -> EpochReport:
        start = time.perf_counter()
        epoch = len(self.history)
        set_learning_rate(self.optimiser, self.recipe.learning_rate(epoch))
        loss = self._train_epoch()
        if not math.isfinite(loss):
            raise BcsimError(f"Training loss became {loss} in epoch {epoch + 1}: lower --lr-start")
        error = error_rate(self.model, *self._validation)
        report = self._report(epoch + 1, loss, error, time.perf_counter() - start)
        self.history.append(report)
        return report

    def _train_epoch(self) -> float:
        """Mean loss of one pass over the training images in random order; the odd rest is left out."""
        self.model.train()
        x, y = self._train
        batches = torch.randperm(len(y)).split(self.recipe.batch)
        full = [batch for batch in batches if len(batch) == self.recipe.batch]
        if not full:
            raise BcsimError(f"Batch size must be at most the {len(y)} training images")
        return sum(self._step(x[batch], y[batch]) for batch in full) / len(full)

    def _step(self, x: Tensor, y: Tensor) -> float:
        loss = squared_hinge(self.model(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        for layer in binary_layers(self.model):
            layer.clip()
        return float(loss.item())

    def _report(self, epoch: int, loss: float, error: float, seconds: float) -> EpochReport:
        best, best_epoch = error, epoch
        if self.history and self.history[-1].best_error <= error:
            best, best_epoch = self.history[-1].best_error, self.history[-1].best_epoch
        else:
            self.best_state = copy.deepcopy(self.model.state_dict())
        return EpochReport(epoch, loss, error, best, best_epoch, seconds)


def scores(model: nn.Module, x: Tensor) -> Tensor:
    """Output of `model` in evaluation mode for `x` (n, features): (n, classes) float32."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in x.split(_EVALUATION_BATCH)])


def error_rate(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of the images `x` (n, features) whose highest score is not at class `y` (n,)."""
    wrong = scores(model, x).argmax(1) != y
    return int(wrong.sum()) / len(y)


def error_of_best(trainer: Trainer, samples: Samples) -> float:
    """Error on `samples` of the network with the lowest validation error."""
    return error_rate(trainer.best_model(), *_tensors(samples))


def export_best(trainer: Trainer, test: Samples, path: Path) -> None:
    """Write the network with the lowest validation error to `path` as ONNX.

    Nothing is written unless onnxruntime agrees with PyTorch on all `test` images.
    """
    model = trainer.best_model()
    exported = export.to_onnx(trainer.topology, baked_layers(model))
    export.check(exported, test.x, scores(model, torch.from_numpy(test.x)).numpy())
    export.write(path, exported)


def _tensors(samples: Samples) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(samples.x), torch.from_numpy(samples.y)


def _prepare_torch(seed: int) -> None:
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # ADAM's second moments of dead inputs decay into denormals, which cost 100 cycles each.
    torch.set_flush_denormal(True)
