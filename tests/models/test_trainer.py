import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bcsim.common.errors import BcsimError  # noqa: E402
from bcsim.models import checkpoint, recipes  # noqa: E402
from bcsim.models.data import Samples, Splits, load_splits  # noqa: E402
from bcsim.models.evaluate import Images, error_rate  # noqa: E402
from bcsim.models.layers import binary_layers  # noqa: E402
from bcsim.models.recipes import Recipe, recipe_for  # noqa: E402
from bcsim.models.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.train

_SHORT = Recipe("digits", epochs=4, batch=50, lr_start=3e-3, lr_end=3e-4, dropout_hidden=0.1)


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load_splits(_SHORT)


def _trained(recipe: Recipe, splits: Splits) -> Trainer:
    trainer = Trainer(recipe, splits)
    for _ in trainer.run():
        pass
    return trainer


def _error(trainer: Trainer, samples: Samples) -> float:
    return error_rate(trainer.best_model(), Images.of(samples, torch.device("cpu")))


def _figures(trainer: Trainer) -> list[tuple[float, ...]]:
    return [dataclasses.astuple(report)[:-1] for report in trainer.history]


def test_short_training_learns_digits(splits: Splits) -> None:
    trainer = _trained(dataclasses.replace(_SHORT, epochs=20), splits)
    assert _error(trainer, splits.test) < 0.1
    assert all(layer.weight.abs().max() <= 1 for layer in binary_layers(trainer.model))


@pytest.mark.parametrize(
    "given",
    [
        {"method": "stoch"},
        {"method": "stoch", "inference": "real"},
        {"method": "none"},
        {"method": "dropout"},
        {"method": "bnn"},
        {"method": "ternary"},
        {"method": "bnn", "normalisation": "shift", "optimiser": "shift-adamax"},
        {"activation_bits": 2},
        {"optimiser": "nesterov", "lr_start": 1e-3},
        {"optimiser": "sgd", "lr_start": 3e-2},
        {"precision": "bfloat16"},
        {"preprocess": "gcn-zca"},
        {"network": "digits-cnn", "width": 12, "augment": "crop"},
        {"optimiser": "muon", "schedule": "triangular", "lr_start": 0.05},
        {"optimiser": "unit-nesterov", "schedule": "triangular", "lr_start": 0.05},
        {"averaging": 0.9},
        {"loss": "cross-entropy", "label_smoothing": 0.1, "adversarial": 1.0, "dropout_hidden": 0.0},
    ],
)
def test_every_way_of_training_learns(given: dict[str, Any]) -> None:
    fields = {"network": "digits", "epochs": 20, "batch": 50, "lr_start": 3e-3, "dropout_hidden": 0.1}
    recipe = recipe_for({**fields, **given})
    splits = load_splits(recipe)
    trainer = _trained(recipe, splits)
    assert _error(trainer, splits.test) < 0.3
    assert trainer.history[-1].loss < trainer.history[0].loss


def test_devices(splits: Splits) -> None:
    assert Trainer(_SHORT, splits, "cpu").device.type == "cpu"
    assert Trainer(_SHORT, splits, "auto").device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(BcsimError) as caught:
        Trainer(_SHORT, splits, "tpu")
    assert str(caught.value) == "Device must be one of auto, cpu, cuda, not 'tpu'"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_missing_gpu(splits: Splits) -> None:
    with pytest.raises(BcsimError) as caught:
        Trainer(_SHORT, splits, "cuda")
    message = "Device cuda is not there: this PyTorch finds no GPU; accepted are auto and cpu"
    assert str(caught.value) == message


def test_out_of_memory_is_one_sentence(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*_: object) -> None:
        torch.empty(2**60)

    monkeypatch.setattr(Trainer, "_step", allocate)
    with pytest.raises(BcsimError) as caught:
        _trained(_SHORT, splits)
    message = "Training needs more memory than cpu has: lower --batch or --width"
    assert str(caught.value) == message


def test_a_network_too_large_for_the_memory_is_one_sentence(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "WIDEST", 2**40)  # a width that no host has the memory for
    with pytest.raises(BcsimError) as caught:
        Trainer(dataclasses.replace(_SHORT, width=2**40), splits)
    message = "Training needs more memory than cpu has: lower --batch or --width"
    assert str(caught.value) == message


def test_other_errors_pass(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Trainer, "_step", fail)
    with pytest.raises(RuntimeError, match=r"^a defect$"):
        _trained(_SHORT, splits)


def test_equal_seeds_give_equal_weights(splits: Splits) -> None:
    a, b = _trained(_SHORT, splits), _trained(_SHORT, splits)
    other = _trained(dataclasses.replace(_SHORT, seed=2), splits)
    assert _figures(a) == _figures(b) != _figures(other)
    assert all(torch.equal(a.best_state[name], b.best_state[name]) for name in a.best_state)


def test_resumed_equals_uninterrupted(tmp_path: Path, splits: Splits) -> None:
    whole = _trained(_SHORT, splits)
    first = Trainer(_SHORT, splits)
    for _ in zip(range(2), first.run(), strict=False):
        first.save(tmp_path / "half.pt")
    resumed = Trainer.resume(tmp_path / "half.pt", splits)
    assert len(resumed.history) == 2
    for _ in resumed.run():
        pass
    assert _figures(resumed) == _figures(whole)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_stopped_within_an_epoch_equals_uninterrupted(
    tmp_path: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, first, steps = _trained(_SHORT, splits), Trainer(_SHORT, splits), []
    plain = Trainer._step

    def step(trainer: Trainer, *batch: Any) -> float:
        steps.append(1)
        # 25 steps make an epoch: the 33rd is the 8th of the second.
        trainer.is_stopping = len(steps) == 33
        return plain(trainer, *batch)

    monkeypatch.setattr(Trainer, "_step", step)
    assert [report.epoch for report in first.run()] == [1]
    first.save(tmp_path / "part.pt")
    resumed = Trainer.resume(tmp_path / "part.pt", splits)
    assert [report.epoch for report in resumed.run()] == [2, 3, 4]
    assert len(steps) == 100
    assert _figures(resumed) == _figures(whole)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_fast_recipe_stopped_within_an_epoch_equals_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = _noise()
    recipe = recipe_for({"network": "cifar10-fast", "width": 4, "epochs": 3, "batch": 20})
    whole, first, steps = _trained(recipe, splits), Trainer(recipe, splits), []
    plain = Trainer._step

    def step(trainer: Trainer, *batch: Any) -> float:
        steps.append(1)
        trainer.is_stopping = len(steps) == 6  # the second of four steps in the second epoch
        return plain(trainer, *batch)

    monkeypatch.setattr(Trainer, "_step", step)
    assert [report.epoch for report in first.run()] == [1]
    first.save(tmp_path / "part.pt")
    resumed = Trainer.resume(tmp_path / "part.pt", splits)
    assert [report.epoch for report in resumed.run()] == [2, 3]
    assert _figures(resumed) == _figures(whole)
    assert all(torch.equal(resumed.best_state[name], tensor) for name, tensor in whole.best_state.items())
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_averaging_leaves_the_training_as_it_is(splits: Splits) -> None:
    plain, averaged = _trained(_SHORT, splits), _trained(dataclasses.replace(_SHORT, averaging=0.9), splits)
    assert [report.loss for report in plain.history] == [report.loss for report in averaged.history]
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(averaged.model.state_dict()[name], tensor)
    assert not torch.equal(averaged.best_state["1.weight"], plain.best_state["1.weight"])


def test_averages_of_another_network_are_refused(tmp_path: Path, splits: Splits) -> None:
    trainer = _trained(dataclasses.replace(_SHORT, epochs=1, averaging=0.9), splits)
    trainer.save(tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    state["average"][0] = torch.zeros(3)
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(BcsimError, match=r"its averages are not of its weights$"):
        Trainer.resume(tmp_path / "a.pt", splits)


def _noise() -> Splits:
    """80 images of noise in each split."""
    values = (np.arange(256) * 2 / 255 - 1).astype(np.float32)
    rng = np.random.default_rng(1)
    shapes = [(rng.integers(0, 256, (80, 3, 32, 32), np.uint8), rng.integers(0, 10, 80)) for _ in range(3)]
    return Splits(*(Samples(levels, classes, values) for levels, classes in shapes))


def test_best_model_is_the_first_of_lowest_validation_error(splits: Splits) -> None:
    trainer = _trained(dataclasses.replace(_SHORT, epochs=8), splits)
    errors = [report.validation_error for report in trainer.history]
    assert trainer.history[-1].best_error == min(errors)
    assert trainer.history[-1].best_epoch == 1 + errors.index(min(errors))
    assert _error(trainer, splits.validation) == min(errors)


def test_diverging_training_says_so(splits: Splits) -> None:
    recipe = Recipe("digits", method="none", inference="real", optimiser="sgd", lr_start=1e30, lr_end=1e30)
    with pytest.raises(BcsimError) as caught:
        _trained(recipe, splits)
    assert str(caught.value) == "Training loss became nan in epoch 1: lower --lr-start"


def test_a_step_whose_loss_is_not_finite_ends_the_epoch(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, float("inf")])
    monkeypatch.setattr(Trainer, "_step", lambda *_: next(losses))
    with pytest.raises(BcsimError, match=r"^Training loss became inf in epoch 1: lower --lr-start$"):
        _trained(_SHORT, splits)


def test_batch_larger_than_the_training_set(splits: Splits) -> None:
    with pytest.raises(BcsimError) as caught:
        _trained(dataclasses.replace(_SHORT, batch=1259), splits)
    assert str(caught.value) == "Batch size must be at most the 1258 training images, not 1259"


def test_nothing_trained_yet(splits: Splits) -> None:
    with pytest.raises(BcsimError, match=r"^Training has not finished an epoch yet$"):
        Trainer(_SHORT, splits).best_model()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_foreign_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.pt"
    path.write_bytes(content)
    with pytest.raises(BcsimError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == f"Checkpoint {path} is not one that bcsim wrote"


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(BcsimError) as caught:
        checkpoint.load(tmp_path / "none.pt")
    assert str(caught.value) == f"Checkpoint {tmp_path / 'none.pt'} does not exist"
