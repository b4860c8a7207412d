"""Scores and errors of a trained network, alone or with others (needs PyTorch)."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bcsim.models.data import Samples

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Images:
    """Samples on a device: `levels` uint8 (n, *input_shape), `y` int64 (n,), `values` float32 (256,)."""

    levels: Tensor
    y: Tensor
    values: Tensor

    @classmethod
    def of(cls, samples: Samples, device: torch.device) -> "Images":
        """`samples`, copied to `device`."""
        arrays = (samples.levels, samples.y, samples.values)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Network inputs, float32, and classes of the images whose indices are `chosen`."""
        index = chosen.to(self.levels.device)
        return self.inputs(self.levels[index]), self.y[index]

    def inputs(self, levels: Tensor) -> Tensor:
        """The network's input for `levels`; images channels last, which convolutions run fastest on."""
        x = self.values[levels.int()]
        return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def scores(model: nn.Module, images: Images) -> Tensor:
    """Output of `model` in evaluation mode for all `images`: (n, classes) float32."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images.inputs(part)) for part in images.levels.split(_BATCH)])


def mean_scores(models: Iterable[nn.Module], images: Images) -> Tensor:
    """The mean of the scores of several networks, one held in memory at a time."""
    total, members = torch.zeros(()), 0
    for member in models:
        total = total + scores(member, images)
        members += 1
    return total / members


def error_rate(model: nn.Module, images: Images) -> float:
    """Share of the images whose highest score is not at their class."""
    return error_of(scores(model, images), images)


def error_of(found: Tensor, images: Images) -> float:
    """Share of the images whose highest score in `found` (n, classes) is not at their class."""
    return int((found.argmax(1) != images.y).sum()) / len(images)
