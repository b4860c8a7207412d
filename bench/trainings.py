"""Many trainings by `bcsim train`, one after another, each resumed where it stopped; figures from their logs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.models.recipes import recipe_for

__all__ = ["Runs", "arguments", "common_fields", "runs", "spread", "summary"]

_FIELDS = ("width", "epochs", "batch", "precision")


@dataclass(frozen=True, slots=True)
class Runs:
    """A folder of trainings.

    NAME.pt is the checkpoint of the training called NAME, NAME.json its log. A training whose log has test errors is
    done and is not run again; one that has a checkpoint goes on from there.

    options : of `bcsim train`, for all of them: device and threads.
    show : train nothing; what is not there has no figures.
    """

    folder: Path
    options: tuple[str, ...] = ()
    show: bool = False

    def log(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The log of the training NAME with the recipe `fields`, run where it has none yet; None with `show`.

        Raises BcsimError where the folder has a training of this name with another recipe.
        """
        path, checkpoint = self._path(name), self._checkpoint(name)
        found = _finished(path)
        if found is None and not self.show:
            if checkpoint.exists():
                self._run("--resume", str(checkpoint), "--log", str(path))
            else:
                self._run(*_options(fields), "--checkpoint", str(checkpoint), "--log", str(path))
            found = _finished(path)
        if found is not None and found["recipe"] != asdict(recipe_for(fields)):
            raise BcsimError(f"Log {path} is of another recipe: give another folder with --runs")
        return found

    def ensemble(self, name: str, members: int) -> float | None:
        """Test error of an ensemble of so many members, sampled from the finished training NAME; None as in `log`."""
        path = self._path(f"{name}-ensemble-{members}")
        if _finished(path) is None and not self.show:
            checkpoint = str(self._checkpoint(name))
            self._run("--resume", checkpoint, "--ensemble", str(members), "--log", str(path))
        found = _finished(path)
        return None if found is None else float(found["test_error"]["ensemble"])

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _checkpoint(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def _run(self, *options: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["train", *options, *self.options]
        print("bcsim", *command, file=sys.stderr, flush=True)
        # Standard output is for the table.
        done = subprocess.run([sys.executable, "-m", "bcsim", *command], stdout=sys.stderr)
        if done.returncode:
            raise BcsimError(
                "A training failed; the trainings that are done stay, run the same command again"
            )


def _finished(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    log: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return log if log["test_error"] is not None else None


def _options(fields: Mapping[str, Any]) -> list[str]:
    """`fields` as `bcsim train` takes them."""
    options = [fields["network"]]
    for name, value in fields.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{option}" if value else f"--no-{option}")
        elif name != "network":
            options += [f"--{option}", str(value)]
    return options


def arguments(description: str | None, folder: str) -> argparse.ArgumentParser:
    """The options that all tables of trainings share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, help="by default the network's own")
    parser.add_argument("--epochs", type=int, help="of every training; by default the network's own recipe")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--precision", choices=["float32", "bfloat16"])
    parser.add_argument(
        "--seeds", type=int, default=3, help="trainings of each kind, with the seeds 1, 2, ..."
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=Path, default=Path(folder), help="where checkpoints and logs are kept")
    parser.add_argument("--show", action="store_true", help="train nothing, print what is there")
    parser.add_argument("--json", action="store_true")
    return parser


def runs(options: argparse.Namespace) -> Runs:
    """The folder that the command line names."""
    threads = () if options.threads is None else ("--threads", str(options.threads))
    return Runs(options.runs, ("--device", options.device, *threads), options.show)


def common_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The recipe fields that the command line gives for all trainings."""
    return {name: getattr(options, name) for name in _FIELDS if getattr(options, name) is not None}


def summary(errors: Sequence[float | None]) -> dict[str, Any]:
    """Mean and standard deviation (of a sample; null below two) of the test errors, 0..1, that are there."""
    there = [error for error in errors if error is not None]
    return {
        "seeds": len(there),
        "errors": there,
        "mean": mean(there) if there else None,
        "deviation": stdev(there) if len(there) > 1 else None,
    }


def spread(figures: Mapping[str, Any]) -> str:
    """A `summary` in percent, as "1.29 ± 0.08"."""
    if figures["mean"] is None:
        return "-"
    deviation = "" if figures["deviation"] is None else f" ± {figures['deviation']:.2%}"
    return f"{figures['mean']:.2%}{deviation}".replace("%", "")
