"""Random crops and mirror images of training batches (needs PyTorch)."""

import torch
from torch import Tensor, nn

from bcsim.models.recipes import Augmentation

_MARGINS = {"crop": 8, "crop-flip": 8, "shift-flip": 16}
"""An image moves by up to its size divided by this."""


def augmented(images: Tensor, kind: Augmentation, mirrored: Tensor | None = None) -> Tensor:
    """Each of `images` (n, channels, rows, columns) moved by up to an eighth or sixteenth of its size, and mirrored.

    What moves in is 0, the middle of the centred range. Drawn from PyTorch's global generator, as is which images
    `crop-flip` mirrors; `shift-flip` mirrors those that are True in `mirrored` (n,).
    """
    if kind == "none":
        return images
    n, _, rows, columns = images.shape
    high, wide = rows // _MARGINS[kind], columns // _MARGINS[kind]
    down, right = _indices(n, rows, high, images.device), _indices(n, columns, wide, images.device)
    if kind == "crop-flip":
        mirrored = torch.rand(n, device=images.device) < 0.5
    if mirrored is not None:
        right = torch.where(mirrored[:, None], right.flip(1), right)
    padded = nn.functional.pad(images, (wide, wide, high, high))
    image = torch.arange(n, device=images.device)[:, None, None]
    return padded[image, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)


def mirrored_images(n: int, epoch: int, seed: int) -> Tensor:
    """Which of `n` images `shift-flip` mirrors in `epoch`, (n,): each in every other epoch, half of them in each.

    Two epochs thus see every image both ways, where drawing anew would repeat a half of them.
    """
    first = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < 0.5
    return first ^ bool(epoch % 2)


def _indices(n: int, length: int, margin: int, device: torch.device) -> Tensor:
    """(n, length): of each image, which rows of the one padded by `margin` its crop takes."""
    start = torch.randint(0, 2 * margin + 1, (n, 1), device=device)
    return start + torch.arange(length, device=device)
