import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bcsim.errors import BcsimError  # noqa: E402
from bcsim.models import checkpoint  # noqa: E402
from bcsim.models.data import Splits, load_splits  # noqa: E402
from bcsim.models.layers import binary_layers  # noqa: E402
from bcsim.models.recipes import Method, Recipe  # noqa: E402
from bcsim.models.topologies import digits  # noqa: E402
from bcsim.models.trainer import Trainer, error_of_best, error_rate, export_best  # noqa: E402

pytestmark = pytest.mark.train

_SHORT = Recipe("digits", epochs=4, batch=50, lr_start=3e-3, lr_end=3e-4, dropout_hidden=0.1)


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load_splits(digits)


def _trained(recipe: Recipe, splits: Splits) -> Trainer:
    trainer = Trainer(recipe, splits)
    for _ in trainer.run():
        pass
    return trainer


def _figures(trainer: Trainer) -> list[tuple[float, ...]]:
    return [dataclasses.astuple(report)[:-1] for report in trainer.history]


def test_short_training_learns_digits(splits: Splits) -> None:
    trainer = _trained(dataclasses.replace(_SHORT, epochs=20), splits)
    assert error_of_best(trainer, splits.test) < 0.1
    assert all(layer.weight.abs().max() <= 1 for layer in binary_layers(trainer.model))


@pytest.mark.parametrize("method", ["stoch", "none"])
def test_other_methods_learn(method: Method, splits: Splits) -> None:
    trainer = _trained(dataclasses.replace(_SHORT, method=method, epochs=20), splits)
    assert error_of_best(trainer, splits.test) < 0.25
    assert trainer.history[-1].loss < trainer.history[0].loss


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


def test_best_model_is_the_first_of_lowest_validation_error(splits: Splits) -> None:
    trainer = _trained(dataclasses.replace(_SHORT, epochs=8), splits)
    errors = [report.validation_error for report in trainer.history]
    assert trainer.history[-1].best_error == min(errors)
    assert trainer.history[-1].best_epoch == 1 + errors.index(min(errors))
    x, y = torch.from_numpy(splits.validation.x), torch.from_numpy(splits.validation.y)
    assert error_rate(trainer.best_model(), x, y) == min(errors)


def test_exported_file_holds_the_binary_weights(tmp_path: Path, splits: Splits) -> None:
    onnx = pytest.importorskip("onnx")
    trainer = _trained(_SHORT, splits)
    export_best(trainer, splits.test, tmp_path / "digits.onnx")
    stored = {t.name: t for t in onnx.load(tmp_path / "digits.onnx").graph.initializer}
    for i, layer in enumerate(binary_layers(trainer.best_model()), 1):
        sign = np.where(layer.weight.detach().numpy() >= 0, 1, -1)
        assert np.array_equal(onnx.numpy_helper.to_array(stored[f"weight{i}"]), sign.T)


def test_diverging_training_says_so(splits: Splits) -> None:
    recipe = Recipe("digits", method="none", optimiser="sgd", lr_start=1e30, lr_end=1e30)
    with pytest.raises(BcsimError) as caught:
        _trained(recipe, splits)
    assert str(caught.value) == "Training loss became nan in epoch 1: lower --lr-start"


def test_batch_larger_than_the_training_set(splits: Splits) -> None:
    with pytest.raises(BcsimError) as caught:
        _trained(dataclasses.replace(_SHORT, batch=1259), splits)
    assert str(caught.value) == "Batch size must be at most the 1258 training images"


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
