"""Checkpoints by somebody else: nothing in them runs, and what does not belong to a training is one sentence."""

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from bcsim.common.errors import BcsimError  # noqa: E402
from bcsim.models import checkpoint, session  # noqa: E402
from bcsim.models.data import Splits, load_splits  # noqa: E402
from bcsim.models.recipes import Recipe  # noqa: E402
from bcsim.models.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.train

RECIPE = Recipe("digits", epochs=3, batch=50, width=8)
State = dict[str, Any]


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load_splits(RECIPE)


@pytest.fixture(scope="module")
def whole(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state of a training stopped in its second epoch."""
    trainer = Trainer(RECIPE, splits)
    next(trainer.run())
    path = tmp_path_factory.mktemp("whole") / "whole.pt"
    trainer._pass = None
    trainer.save(path)
    state = checkpoint.load(path)
    state["pass"] = {"order": torch.randperm(len(splits.train.y)), "steps": 2, "seconds": 0.1, "loss": 1.0}
    return state


class Payload:
    """What runs wherever a pickle is simply loaded."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("pwned",)


def test_the_payload_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Payload()))
    assert (tmp_path / "pwned").is_dir()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["all", "history", "recipe", "format"])
def test_code_in_a_checkpoint_does_not_run(
    zipped: bool, place: str, whole: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = Payload() if place == "all" else {**whole, place: Payload()}
    torch.save(state, "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BcsimError, match=r"^Checkpoint x\.pt is not one that bcsim wrote$"):
        checkpoint.load(Path("x.pt"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_a_plain_pickle_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.pt").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(BcsimError, match=r"^Checkpoint x\.pt is not one that bcsim wrote$"):
        checkpoint.load(Path("x.pt"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def changed(*keys: object, to: object) -> Callable[[State], None]:
    """A change of the entry that the keys lead to."""

    def change(state: State) -> None:
        place: Any = state
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return change


def first_weight(state: State) -> str:
    return next(iter(state["model"]))


def moment(state: State) -> dict[str, Any]:
    found: dict[str, Any] = state["optimiser"]["state"][0]
    return found


ENTRIES = ("recipe", "model", "optimiser", "generator", "history", "pass", "best_state", "cuda_generators")
CHANGES: dict[str, Callable[[State], object]] = {
    **{f"no {name}": lambda state, name=name: state.pop(name) for name in ENTRIES},
    **{f"{name} a number": changed(name, to=7) for name in ENTRIES},
    **{f"{name} a text": changed(name, to="x") for name in ENTRIES},
    "an empty model": changed("model", to={}),
    "an empty optimiser": changed("optimiser", to={}),
    "no best": changed("best_state", to={}),
    "an unknown field": changed("recipe", "evil", to=1),
    "no network": lambda state: state["recipe"].pop("network"),
    "another network": changed("recipe", "network", to="mnist-mlp"),
    "no such network": changed("recipe", "network", to="x"),
    "epochs of text": changed("recipe", "epochs", to="3"),
    "no epochs": changed("recipe", "epochs", to=0),
    "half an epoch": changed("recipe", "epochs", to=1.5),
    "a width of another network": changed("recipe", "width", to=16),
    "a width of text": changed("recipe", "width", to="wide"),
    "too few epochs": changed("recipe", "epochs", to=-1),
    "a weight of another shape": lambda state: changed("model", first_weight(state), to=torch.zeros(1))(state),
    "a weight of text": lambda state: changed("model", first_weight(state), to="x")(state),
    "a best weight missing": lambda state: state["best_state"].pop(first_weight(state)),
    "a moment of another shape": lambda state: moment(state).update(exp_avg=torch.zeros(3)),
    "a setting of text": lambda state: state["optimiser"]["param_groups"][0].update(betas="x"),
    "a group missing": lambda state: state["optimiser"]["param_groups"].pop(),
    "a generator too short": changed("generator", to=torch.zeros(3, dtype=torch.uint8)),
    "a generator of floats": changed("generator", to=torch.zeros(5056)),
    "a report of text": changed("history", 0, to="x"),
    "a report without loss": lambda state: state["history"][0].pop("loss"),
    "a loss of text": changed("history", 0, "loss", to="x"),
    "a loss that is none": changed("history", 0, "loss", to=float("nan")),
    "an epoch of another number": changed("history", 0, "epoch", to=9),
    "a best epoch to come": changed("history", 0, "best_epoch", to=2),
    "an order too short": changed("pass", "order", to=torch.arange(3)),
    "an order beyond the images": lambda state: changed("pass", "order", to=state["pass"]["order"] + 1)(state),
    "an order of floats": lambda state: changed("pass", "order", to=state["pass"]["order"] + 0.5)(state),
    "steps below 0": changed("pass", "steps", to=-1),
    "steps of text": changed("pass", "steps", to="x"),
    "a pass with more": changed("pass", "more", to=1),
    "seconds of text": changed("pass", "seconds", to="x"),
}  # fmt: skip


def go_on(path: Path, splits: Splits) -> None:
    """What `bcsim train --resume` does before it trains."""
    session.resumed_recipe(path, {})
    Trainer.resume(path, splits)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_malformed_checkpoint_is_one_sentence(
    change: Callable[[State], object], whole: State, splits: Splits, tmp_path: Path
) -> None:
    state = copy.deepcopy(whole)
    change(state)
    path = tmp_path / "x.pt"
    torch.save(state, path)
    with pytest.raises(BcsimError) as caught:
        go_on(path, splits)
    told = str(caught.value)
    assert told.isprintable()
    assert len(told) <= 360


def test_the_whole_one_goes_on(whole: State, splits: Splits, tmp_path: Path) -> None:
    torch.save(whole, tmp_path / "x.pt")
    trainer = Trainer.resume(tmp_path / "x.pt", splits)
    assert [report.epoch for report in trainer.run()] == [2, 3]
