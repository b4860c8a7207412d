"""Placed layers: a program's loop nests at their places in the memories of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.hazards import hazard_cycles
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.memory_banks import BANKS, bank_words, tensor_banks
from bcsim.compiler.mapping.shared_sources import place_outputs
from bcsim.compiler.program.dependencies import INPUT, Reads
from bcsim.machine.latency import longest_wait
from bcsim.machine.parameters import Machine

__all__ = ["PlacedLayer", "place_layers"]


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """A layer's loop nest and where its words lie.

    bank : of the activation memory that it reads; it writes the other where there are two.
    read_bases : where the layer's first source lies; one for each input buffer where that is the input.
    source_stride : words from one source to the next.
    write_base : where its output goes (0 for the scores, which are not stored there).
    wait : least cycles from the previous layer's last step to this layer's first.
    first_weight, first_parameter : the layer's first words in the weight memory (where streamed, of an image's
        weight stream) and in the parameter memories.
    """

    nest: LoopNest
    read_bases: tuple[int, ...]
    source_stride: int
    write_base: int
    wait: int
    first_weight: int
    first_parameter: int
    bank: int = 0

    @property
    def first(self) -> bool:
        """Whether it is the program's first layer, the one that reads the input."""
        return self.first_parameter == 0


def place_layers(
    nests: Sequence[LoopNest], reads: Reads, first_weights: Sequence[int], machine: Machine
) -> tuple[tuple[PlacedLayer, ...], int]:
    """The layers at their places, and the words of activation memory that they use.

    first_weights : as in PlacedLayer.

    The input buffers come first, the rest behind them. A layer writes one tensor while it reads others, and may write
    over what it has read. Raises BcsimError naming the layer whose sources or padding the machine cannot take.
    """
    buffers = tuple(buffer * nests[0].source_words for buffer in range(machine.input_buffers))
    banks = tensor_banks(nests, reads) if machine.activation_banks == BANKS else {}
    starts, used = _place_tensors(nests, reads, machine, banks)
    parameters = accumulate((nest.parameter_span for nest in nests), initial=0)
    placed = []
    for index, (nest, first_weight, first_parameter) in enumerate(
        zip(nests, first_weights, parameters, strict=False)
    ):
        first, stride = _source_place(nest, [starts[tensor] for tensor in reads[index]])
        placed.append(
            PlacedLayer(
                nest=nest,
                read_bases=buffers if reads[index][0] == INPUT else (first,),
                source_stride=stride,
                write_base=0 if nest.scores else starts[index],
                wait=_wait(nest, reads[index], nests[:index], machine),
                first_weight=first_weight,
                first_parameter=first_parameter,
                bank=banks.get(reads[index][0], 0),
            )
        )
    return tuple(placed), used


def _wait(nest: LoopNest, sources: Sequence[int], before: Sequence[LoopNest], machine: Machine) -> int:
    """As `hazard_cycles`, which the hardware counts in no more bits than the longest wait has."""
    wait = hazard_cycles(nest, sources, before, machine)
    if wait > longest_wait(machine):
        raise BcsimError(
            f"Layer {nest.layer.name!r} must wait {wait} cycles for the layer before it, "
            f"where the machine counts to {longest_wait(machine)}"
        )
    return wait


def _place_tensors(
    nests: Sequence[LoopNest], reads: Reads, machine: Machine, banks: Mapping[int, int]
) -> tuple[dict[int, int], int]:
    """The first words of the input, whose buffers come first, and of every hidden layer's output; the words used.

    banks : of each of them, where there are two.
    """
    hidden, buffers = range(len(nests) - 1), machine.input_buffers * nests[0].source_words
    outputs, space = place_outputs(nests, reads, [number for number in hidden if not banks.get(number, 0)])
    starts = {INPUT: 0} | {number: buffers + base for number, base in outputs.items()}
    if not banks:
        return starts, buffers + space
    outputs, other = place_outputs(nests, reads, [number for number in hidden if banks[number]])
    words = bank_words((buffers + space, other), machine.bank_words)
    return starts | {number: words + base for number, base in outputs.items()}, BANKS * words


def _source_place(nest: LoopNest, starts: Sequence[int]) -> tuple[int, int]:
    """(the first source's first word, words from each source to the next)."""
    stride = starts[1] - starts[0] if len(starts) > 1 else 0
    if any(later - earlier != stride for earlier, later in pairwise(starts)):
        raise BcsimError(
            f"Layer {nest.layer.name!r} reads {len(starts)} sources in an order that the machine cannot take; accepted "
            "are 1 or 2, or more that are different tensors, which no other layer of more than 2 reads in a "
            "contradicting order"
        )
    return starts[0], stride
