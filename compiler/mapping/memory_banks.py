"""Banks of the activation memory: which tensor lies in which, so that no layer writes the one that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.program.dependencies import INPUT, Reads

__all__ = ["BANKS", "bank_words", "tensor_banks"]

BANKS = 2


def tensor_banks(nests: Sequence[LoopNest], reads: Reads) -> Mapping[int, int]:
    """For the input and every layer's output the bank that it lies in; the input's is 0.

    Raises BcsimError naming a layer whose sources lie in both.
    """
    banks = {INPUT: 0}
    for number, (nest, sources) in enumerate(zip(nests, reads, strict=True)):
        read = {banks[source] for source in sources}
        if len(read) > 1:
            raise BcsimError(
                f"Layer {nest.layer.name!r} reads tensors of both activation memories; with activation_banks=2 the "
                "paths to a layer must have lengths that are all odd or all even: take activation_banks=1"
            )
        banks[number] = BANKS - 1 - read.pop()
    return banks


def bank_words(used: Sequence[int], given: int) -> int:
    """The words of a bank, a power of two: of banks that need `used` words and of a machine's with `given`."""
    return max(given, 1 << (max(used) - 1).bit_length())
