"""Where a training runs, and what PyTorch is told beforehand."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bcsim.common.errors import BcsimError


def choose_device(name: str) -> torch.device:
    """The device `auto` (the GPU if there is one), `cpu` or `cuda`; raises BcsimError for others and a missing GPU."""
    if name not in ("auto", "cpu", "cuda"):
        raise BcsimError(f"Device must be one of auto, cpu, cuda, not {name!r}")
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise BcsimError("Device cuda is not there: this PyTorch finds no GPU; accepted are auto and cpu")
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def prepare(seed: int) -> None:
    """Seed PyTorch and have it choose deterministic algorithms."""
    # cuBLAS is deterministic with workspaces of a fixed size only.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # PyTorch would fill every new tensor against reads of what nobody wrote: 0.19 of the 1.18 s of a CIFAR-10 step.
    torch.utils.deterministic.fill_uninitialized_memory = False
    # ADAM's second moments of dead inputs decay into denormals, which cost 100 cycles each.
    torch.set_flush_denormal(True)


@contextmanager
def memory_errors(device: torch.device) -> Iterator[None]:
    """Turn the failure of an allocation within the block into a BcsimError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise BcsimError(
            f"Training needs more memory than {device.type} has: lower --batch or --width"
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    # On the CPU PyTorch raises a plain RuntimeError: "DefaultCPUAllocator: can't allocate memory".
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
