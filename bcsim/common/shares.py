"""What several images have together, as a figure of one."""

from __future__ import annotations

__all__ = ["per_image"]


def per_image(total: float, images: int) -> float:
    """total / images, exact where images is a power of two; an integer wherever it is one."""
    return total / images if total % images else total // images
