"""A batch shared out to threads, for work that PyTorch does not share out itself (needs PyTorch)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor


def _start() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_grad_enabled(False)


# Each thread does images of its own: fewer meetings than a parallel product of each chunk.
_threads = ThreadPoolExecutor(thread_name_prefix="training", initializer=_start)


def in_threads(work: Callable[..., Any], *batches: Tensor) -> list[Any]:
    """Results of `work` on a share of the images for each of PyTorch's threads."""
    shares = zip(*(batch.detach().tensor_split(torch.get_num_threads()) for batch in batches), strict=True)
    begun = [_threads.submit(work, *share) for share in shares if len(share[0])]
    return [one.result() for one in begun]
