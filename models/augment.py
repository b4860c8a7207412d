"""Random crops and mirror images of training batches (needs PyTorch)."""

import torch
from torch import Tensor, nn

from bcsim.models.recipes import Augmentation


def augmented(images: Tensor, kind: Augmentation) -> Tensor:
    """Each of `images` (n, channels, rows, columns) moved by up to an eighth of its size; every other one mirrored.

    What moves in is 0, the middle of the centred range. Drawn from PyTorch's global generator.
    """
    if kind == "none":
        return images
    n, _, rows, columns = images.shape
    down, right = _indices(n, rows, images.device), _indices(n, columns, images.device)
    if kind == "crop-flip":
        flipped = torch.rand(n, device=images.device) < 0.5
        right = torch.where(flipped[:, None], right.flip(1), right)
    margin = (columns // 8, columns // 8, rows // 8, rows // 8)
    padded = nn.functional.pad(images, margin)
    image = torch.arange(n, device=images.device)[:, None, None]
    return padded[image, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)


def _indices(n: int, length: int, device: torch.device) -> Tensor:
    """(n, length): of each image, which rows of the padded one its crop takes."""
    start = torch.randint(0, 2 * (length // 8) + 1, (n, 1), device=device)
    return start + torch.arange(length, device=device)
