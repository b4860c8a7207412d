"""BinaryConnect training in PyTorch: epochs, validation, the best network so far, resuming."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bcsim.common.errors import BcsimError
from bcsim.models import checkpoint
from bcsim.models.adversarial import virtual_adversarial
from bcsim.models.augment import augmented, mirrored_images
from bcsim.models.average import WeightAverage
from bcsim.models.data import Splits
from bcsim.models.device import choose_device, memory_errors, prepare
from bcsim.models.evaluate import Images, error_rate
from bcsim.models.inference import sampled, with_weights
from bcsim.models.layers import binary_layers, build
from bcsim.models.optimise import check_optimiser, classification_loss, make_optimiser, set_learning_rate
from bcsim.models.recipes import Inference, Recipe


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch: counted from 1, mean training loss, validation error in 0..1, its best so far, seconds."""

    epoch: int
    loss: float
    validation_error: float
    best_error: float
    best_epoch: int
    seconds: float


@dataclass(slots=True)
class _Pass:
    """A pass over the training images that has begun: their order, the steps and seconds done, the losses' sum."""

    order: Tensor
    steps: int = 0
    seconds: float = 0.0
    loss: float = 0.0


class Trainer:
    """A training in progress.

    Members
    -------
    model : the network with its real weights, as of the last step
    history : an EpochReport for every epoch done
    best_state : the model's state at the lowest validation error, the first such epoch where several tie; of the
        averaged weights, where the recipe averages
    is_stopping : set it, from a signal handler too, and `run` ends after the step in hand

    All randomness comes from PyTorch's global generators, which the constructor seeds.
    """

    def __init__(self, recipe: Recipe, splits: Splits, device: str = "cpu") -> None:
        self.recipe, self.device = recipe, choose_device(device)
        prepare(recipe.seed)
        with memory_errors(self.device):
            self.model = build(recipe).to(self.device)
            self._train = Images.of(splits.train, self.device)
            self._validation = Images.of(splits.validation, self.device)
        self.optimiser = make_optimiser(self.model, recipe)
        self.history: list[EpochReport] = []
        self.best_state: dict[str, Any] = {}
        self.is_stopping = False
        self._pass: _Pass | None = None
        self._average = self._new_average()

    def run(self) -> Iterator[EpochReport]:
        """Train the epochs that are left, one each time the iterator is advanced; ends early once stopped.

        Raises BcsimError where the loss is not finite and where memory runs out.
        """
        while len(self.history) < self.recipe.epochs:
            with memory_errors(self.device):
                report = self._epoch()
            if report is None:
                return
            yield report

    def best_model(self, inference: Inference | None = None) -> nn.Module:
        """A copy of the network at its lowest validation error, on the CPU, ready for inference.

        inference : the weights it uses; by default the recipe's.
        """
        return self._with_weights(self._best(), inference or self.recipe.inference).cpu()

    def ensemble(self, members: int) -> Iterator[nn.Module]:
        """Networks sampled from the one at the lowest validation error, on the CPU, ready for inference."""
        for member in sampled(self._best(), members, self.recipe.seed, self._train):
            yield member.cpu()

    def _new_average(self) -> WeightAverage | None:
        return WeightAverage(self.model, self.recipe.averaging) if self.recipe.averaging else None

    def _with_weights(self, model: nn.Module, inference: Inference) -> nn.Module:
        return with_weights(model, inference, self._train, are_averaged=self._average is not None)

    def _best(self) -> nn.Module:
        if not self.best_state:
            raise BcsimError("Training has not finished an epoch yet")
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.best_state)
        return model

    def save(self, path: Path) -> None:
        """Write a checkpoint from which `resume` continues as if nothing had happened, within an epoch too."""
        state = {
            "recipe": asdict(self.recipe),
            "device": self.device.type,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": torch.get_rng_state(),
            "cuda_generators": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "history": [asdict(report) for report in self.history],
            "pass": None if self._pass is None else asdict(self._pass),
            "average": None if self._average is None else self._average.values,
            "best_state": self.best_state,
        }
        checkpoint.save(path, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the state that `save` wrote and `checkpoint.load` read.

        Raises ValueError, and whatever else PyTorch raises, where its parts do not belong to this training.
        """
        fresh = copy.deepcopy(self.optimiser.state_dict()["param_groups"])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        check_optimiser(self.optimiser, fresh)
        self.history = [EpochReport(**report) for report in state["history"]]
        _check_history(self.history, self.recipe.epochs)
        if self._average is not None:
            self._average.restore(state["average"])
        self.best_state = state["best_state"]
        if self.history:
            self._best()
        self._pass = None if state["pass"] is None else _Pass(**state["pass"])
        if self._pass is not None:
            _check_pass(self._pass, len(self._train))
        torch.set_rng_state(state["generator"])
        if self.device.type == "cuda" and state["cuda_generators"]:
            torch.cuda.set_rng_state_all(state["cuda_generators"])

    def begin_with(self, path: Path) -> None:
        """Take the last weights and BatchNorm of the checkpoint `path`; raises BcsimError if of another network."""
        state = checkpoint.load(path)
        try:
            self.model.load_state_dict(state["model"])
        except Exception as error:  # PyTorch meets parts of other shapes and types with many errors
            name = self.recipe.topology.name
            raise BcsimError(f"Checkpoint {path} does not hold weights of the network {name}") from error
        self._average = self._new_average()

    @classmethod
    def resume(cls, path: Path, splits: Splits, device: str = "cpu") -> "Trainer":
        """The training that `save` wrote to `path`, ready to go on; raises BcsimError where its parts do not fit."""
        state = checkpoint.load(path)
        trainer = cls(checkpoint.recipe_of(path, state), splits, device)
        try:
            trainer.restore(state)
        except BcsimError:
            raise
        except Exception as error:  # PyTorch meets parts of other shapes and types with many errors
            reason = str(error).strip().partition("\n")[0]
            raise BcsimError(
                f"Checkpoint {path} does not fit the training that it describes: {reason}"
            ) from error
        return trainer

    def _epoch(self) -> EpochReport | None:
        """The next epoch, or the rest of one that was stopped; None if stopped again."""
        epoch = len(self.history)
        self._pass = begun = self._pass or _Pass(torch.randperm(len(self._train)))
        start = time.perf_counter()
        finished = self._train_pass(begun)
        begun.seconds += time.perf_counter() - start
        if not finished:
            return None
        loss = begun.loss / begun.steps
        start = time.perf_counter()
        candidate = self.model if self._average is None else self._average.applied(self.model)
        evaluated = self._with_weights(candidate, self.recipe.inference)
        error = error_rate(evaluated, self._validation)
        report = self._report(candidate, epoch + 1, loss, error, begun.seconds + time.perf_counter() - start)
        self.history.append(report)
        self._pass = None
        return report

    def _train_pass(self, begun: _Pass) -> bool:
        """Whether the pass came to its end; the odd rest of the images is left out."""
        self.model.train()
        size = self.recipe.batch
        steps = len(begun.order) // size
        if not steps:
            raise BcsimError(f"Batch size must be at most the {len(begun.order)} training images, not {size}")
        while begun.steps < steps:
            if self.is_stopping:
                return False
            start = begun.steps * size
            chosen = begun.order[start : start + size]
            set_learning_rate(
                self.optimiser, self.recipe.learning_rate(len(self.history) + begun.steps / steps)
            )
            x, y = self._train.batch(chosen)
            loss = self._step(self._augmented(x, chosen), y)
            if not math.isfinite(loss):
                epoch = len(self.history) + 1
                raise BcsimError(f"Training loss became {loss} in epoch {epoch}: lower --lr-start")
            begun.loss += loss
            begun.steps += 1
        return True

    def _augmented(self, x: Tensor, chosen: Tensor) -> Tensor:
        if self.recipe.augment != "shift-flip":
            return augmented(x, self.recipe.augment)
        mirrored = mirrored_images(len(self._train), len(self.history), self.recipe.seed)
        return augmented(x, self.recipe.augment, mirrored[chosen].to(x.device))

    def _step(self, x: Tensor, y: Tensor) -> float:
        loss = self._loss(x, y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        for layer in binary_layers(self.model):
            layer.clip()
        if self._average is not None:
            self._average.update(self.model)
        return float(loss.item())

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        recipe = self.recipe
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            scores = self.model(x)
            loss = classification_loss(scores.float(), y, recipe)
            if recipe.adversarial:
                loss = loss + virtual_adversarial(self.model, x, scores, recipe.adversarial)
        return loss

    def _report(
        self, candidate: nn.Module, epoch: int, loss: float, error: float, seconds: float
    ) -> EpochReport:
        best, best_epoch = error, epoch
        if self.history and self.history[-1].best_error <= error:
            best, best_epoch = self.history[-1].best_error, self.history[-1].best_epoch
        else:
            self.best_state = copy.deepcopy(candidate.state_dict())
        return EpochReport(epoch, loss, error, best, best_epoch, seconds)


def _check_history(history: list[EpochReport], epochs: int) -> None:
    """Raise ValueError unless the epochs are counted from 1 to at most `epochs` and their figures are numbers."""
    for index, report in enumerate(history, 1):
        figures = astuple(report)
        if not all(type(value) in (int, float) and math.isfinite(value) for value in figures):
            raise ValueError(f"the figures of epoch {index} are not numbers")
        if report.epoch != index or not 1 <= report.best_epoch <= index:
            raise ValueError(f"epoch {index} is called {report.epoch}, its best {report.best_epoch}")
    if len(history) > epochs:
        raise ValueError(f"it has {len(history)} epochs of {epochs}")


def _check_pass(begun: _Pass, images: int) -> None:
    """Raise ValueError unless the pass takes every image once and has begun to."""
    whole = isinstance(begun.order, Tensor) and torch.equal(begun.order.sort().values, torch.arange(images))
    figures = (begun.steps, begun.seconds, begun.loss)
    if not whole or type(begun.steps) is not int or begun.steps < 0:
        raise ValueError("its pass does not take every training image once")
    if not all(type(value) in (int, float) for value in figures):
        raise ValueError("the figures of its pass are not numbers")
