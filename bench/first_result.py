"""The first results of a new user: PyTorch networks of four kinds, trained, exported and run with no flag but files.

python -m bench.first_result            # trains on MNIST, 2 minutes of one core; needs the extra [train]
python -m bench.first_result 0 3        # some of the four

Where `bcsim run` ends in a sentence, the flag that the sentence names is added, as the user would, and it runs again.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

import bcsim
from bcsim.common.errors import BcsimError
from bench.common import run_main

__all__ = ["First", "first_results"]

MEAN, STD = 0.1307, 0.3081
TRAINED, BATCH, MOST_FLAGS, KINDS = 20_000, 128, 3, 4
NAMED = re.compile(r"--input (\S+) fits|(--weight-bits)")
"""The flag that a sentence names."""


class _Sign(torch.autograd.Function):
    """The sign, straight through."""

    @staticmethod
    def forward(_context: Any, weight: torch.Tensor) -> torch.Tensor:
        return torch.sign(weight)

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class BinaryConv2d(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, _signs(self.weight), self.bias)


class BinaryLinear(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, _signs(self.weight), self.bias)


class Normalise(nn.Module):
    """In the network itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - MEAN) / STD


def _signs(weight: torch.Tensor) -> torch.Tensor:
    return weight.sign() if torch.onnx.is_in_onnx_export() else _Sign.apply(weight)


def _cnn(conv: type[nn.Conv2d], linear: type[nn.Linear]) -> list[nn.Module]:
    return [
        *(conv(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(conv(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Flatten(), linear(32 * 49, 10)),
    ]


@dataclass(frozen=True, slots=True)
class First:
    """What a user gets.

    kind : of network, and of the data that it is given.
    torch : its accuracy in PyTorch.
    said : the sentence with which `bcsim run` without flags ends, or the note of what it assumes, "" for none.
    flags : what had to be added.
    first, last : accuracy of the integer program without flags, None where a sentence came, and with them.
    """

    kind: str
    torch: float
    said: str
    flags: tuple[str, ...]
    first: float | None
    last: float


def first_results(folder: Path, kinds: Sequence[int]) -> Iterator[First]:
    """Of the networks of these numbers, each trained for an epoch of TRAINED images."""
    torch.set_num_threads(1)
    unit = {part: _images(part) for part in ("train", "test")}
    normal = {part: ((x - MEAN) / STD, y) for part, (x, y) in unit.items()}
    for kind in kinds:
        torch.manual_seed(0)
        real, binary = _cnn(nn.Conv2d, nn.Linear), _cnn(BinaryConv2d, BinaryLinear)
        name, layers, data = (
            ("one-bit weights, normalised floats", binary, normal),
            ("one-bit weights, normalises itself, floats from 0 to 1", [Normalise(), *binary], unit),
            ("one-bit weights, floats from 0 to 1", binary, unit),
            ("real weights, normalised floats", real, normal),
        )[kind]
        yield _first(name, layers, data, folder)


def _images(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = bcsim.load_dataset("mnist", part)
    x = data.x.reshape(-1, 1, 28, 28).astype(np.float32) / 255
    return torch.from_numpy(x), torch.from_numpy(np.asarray(data.y, dtype=np.int64))


def _first(
    kind: str, layers: list[nn.Module], data: dict[str, tuple[torch.Tensor, torch.Tensor]], folder: Path
) -> First:
    network = nn.Sequential(*layers)
    _train(network, *data["train"])
    x, y = data["test"]
    with torch.no_grad():
        accuracy = float((network(x).argmax(1) == y).float().mean())
    model, images = folder / "network.onnx", folder / "test.npz"
    torch.onnx.export(
        network, (x[:1],), str(model), dynamo=False, dynamic_axes={"input": {0: "N"}}, input_names=["input"]
    )
    np.savez(images, x=x.numpy(), y=y.numpy())
    first, said = _run(model, images)
    found, latest, flags = first, said, list[str]()
    while found is None and len(flags) < 2 * MOST_FLAGS:
        flags += _named(latest)
        found, latest = _run(model, images, *flags)
    if found is None:
        raise BcsimError(f"{kind}: {latest}")
    return First(kind, accuracy, said, tuple(flags), first, found)


def _train(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """An epoch of Adam; scores are divided by 30, near which sums of signs begin."""
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for picked in torch.randperm(TRAINED).split(BATCH):
        loss = nn.functional.cross_entropy(network(x[picked]) / 30, y[picked])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()


def _run(model: Path, images: Path, *flags: str) -> tuple[float | None, str]:
    """The accuracy of the program, and what is said: the error, or the note on what is assumed."""
    out = model.with_suffix(".json")
    command = [
        sys.executable,
        "-m",
        "bcsim",
        "run",
        str(model),
        "--data",
        str(images),
        *flags,
        "--json",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None, done.stderr.strip().replace(f"{model.parent}/", "")
    result = json.loads(out.read_text(encoding="utf-8"))
    assumed = [note for note in result["notes"] if "assumed" in note]
    return float(result["accuracy"]["program"]), " ".join(assumed)


def _named(sentence: str) -> list[str]:
    found = NAMED.search(sentence)
    if found is None:
        raise BcsimError(f"the sentence names no flag: {sentence}")
    return ["--input", found[1]] if found[1] else ["--weight-bits", "8"]


def main() -> None:
    with TemporaryDirectory() as name:
        kinds = [int(number) for number in sys.argv[1:]] or range(KINDS)
        for result in first_results(Path(name), kinds):
            first = "a sentence" if result.first is None else f"{result.first:.2%}"
            flags = " ".join(result.flags) or "none"
            print(
                f"{result.kind}: PyTorch {result.torch:.2%}; first {first}; flags {flags}; then {result.last:.2%}"
            )
            print(f"    {result.said}", flush=True)


if __name__ == "__main__":
    run_main(main)
