"""The fewest bits of each layer's input with which a network errs no more than a budget allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file, write_text

__all__ = ["Errors", "fewest_bits", "sample_claim"]

MOST_FILE = 1 << 20
"""Bytes of a file that is read back."""


@dataclass(slots=True)
class Errors:
    """Errors by bits, each measured once.

    measure : the error, a share of the images, with these bits; raises BcsimError where the network cannot have them.
    claim : what the errors are of: a file of another network or sample is refused.
    path : a file that keeps them, so that a run goes on where it was interrupted; None for none.
    """

    measure: Callable[[Sequence[int]], float]
    claim: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    known: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self.known = self._read(self.path)

    def __call__(self, bits: Sequence[int]) -> float | None:
        """The error with these bits, None where the network cannot have them."""
        key = ",".join(map(str, bits))
        if key not in self.known:
            try:
                self.known[key] = self.measure(bits)
            except BcsimError:
                self.known[key] = None
            if self.path is not None:
                write_text(self.path, json.dumps({**self.claim, "errors": self.known}, indent=1) + "\n")
        return self.known[key]

    def _read(self, path: Path) -> dict[str, float | None]:
        try:
            content = json.loads(read_file(path, MOST_FILE, "Errors"))
            errors = content.pop("errors")
            known = {str(key): None if error is None else float(error) for key, error in errors.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BcsimError(f"File {path} has no errors by bits: {error}") from error
        if content != self.claim:
            raise BcsimError(
                f"File {path} has errors of {content}, not of {self.claim}: name another file or folder"
            )
        return known


def sample_claim(
    model: Path, images: int, calibrate: str | None = None, input: str | None = None
) -> dict[str, Any]:
    """What errors are of: the network in the file `model`, so many test images, and how it was compiled."""
    digest = sha256(model.read_bytes()).hexdigest()
    return {"model": digest, "images": images, "calibrate": calibrate, "input": input}


def fewest_bits(errors: Errors, start: Sequence[int], costs: Sequence[float], budget: float) -> list[int]:
    """Bits of each layer's input, from `start` on halved as long as the error stays within the budget.

    costs : of each layer; the dearest is halved first, as far as it goes. The first layer's input is the image, which
        stays.
    budget : by how much the error may exceed that of `start`, as a share.

    Raises BcsimError where the network cannot have `start`.
    """
    bits, least = list(start), errors(start)
    if least is None:
        raise BcsimError("This network's bits cannot be given layer by layer: leave --error-budget out")
    for layer in sorted(range(1, len(bits)), key=lambda index: -costs[index]):
        while bits[layer] > 1:
            fewer = [*bits[:layer], bits[layer] // 2, *bits[layer + 1 :]]
            error = errors(fewer)
            if error is None or error > least + budget:
                break
            bits = fewer
    return bits
