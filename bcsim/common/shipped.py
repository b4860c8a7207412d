"""The trained networks in the package, by name: models/NAME.onnx."""

from __future__ import annotations

__all__ = ["SHIPPED"]

SHIPPED = ("digits", "mnist-mlp", "mnist-vat", "cifar10-cnn", "cifar10-fast", "cifar10-small")
"""The first is what `bcsim run` runs when no network is given."""
