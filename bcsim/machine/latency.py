"""The machine's latencies and intervals as formulas: the simulator computes with them, the hardware's tests too.

All are in clock cycles; docs/machine.md defines "in cycle t".
"""

from __future__ import annotations

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS

__all__ = [
    "LAYER_GAP",
    "LOADED_TO_STEP",
    "RECORD_CHANGE",
    "SCORES_TO_VALID",
    "SEARCH_CYCLES",
    "WEIGHTS_TO_STEP",
    "WEIGHT_START",
    "array_latency",
    "longest_wait",
    "pipeline_stages",
    "round_cycles",
    "shadow_latency",
    "tree_levels",
    "write_cycles",
]

LAYER_GAP = 2
"""From a layer's last step to the next layer's first, at least.

The issue walker takes the next record in its state "Wait", one cycle without a step (rtl/sequencer/issue.py).
"""

LOADED_TO_STEP = 2
"""From the last write of an image to its first step, at least.

In the first of the two cycles the loader counts the image as loaded, and the issue walker leaves "Wait".
"""

RECORD_CHANGE = 1
"""Cycles beyond those of its rounds that a layer's last tile occupies the drain walker.

In it the walker changes to the next layer's record, which the issue walker's hold leaves it time for
(`_hold` in rtl/sequencer/issue.py).
"""

SCORES_TO_VALID = 2
"""From the write of the last scores to the first word of the output stream.

The output's state "Read" takes the one in between: the buffer's block memory shows a word a cycle behind its address.
"""

WEIGHT_START = 2
"""The cycle of a run from which the source of the weight stream offers its first word.

A convention of benches and simulator, so that both count the same waits for weights.
"""

WEIGHTS_TO_STEP = 2
"""From the acceptance of a streamed tile's last word to the tile's first step, at least.

One cycle for the loader to count the tile as arrived, one for the tile gate's register of that count.
"""


def tree_levels(machine: Machine) -> int:
    """Levels of a processing element's adder tree: ceil(log2(lanes / 2))."""
    return (machine.lanes // 2 - 1).bit_length()


def pipeline_stages(machine: Machine) -> tuple[int, int]:
    """How `pipeline_registers` divide on the weights' way: on their addresses' to the memory, and on theirs from it.

    Of an odd number the addresses have the one more: each of them goes to every block of the memory.
    """
    addresses = (machine.pipeline_registers + 1) // 2
    return addresses, machine.pipeline_registers - addresses


def array_latency(machine: Machine) -> int:
    """From a step's issue to the accumulator that includes it: 5 + pipeline registers + tree levels + Horner stage.

    The five are the activation memory's read and its output register, the pairs, the selected terms, and the
    accumulator itself; the table under "A step" in docs/machine.md has them cycle by cycle.
    """
    horner = machine.activation_bits > machine.digit
    return 5 + machine.pipeline_registers + tree_levels(machine) + horner


def shadow_latency(machine: Machine) -> int:
    """From the issue of a tile's last step to the first cycle of its first round: array latency + 1."""
    return array_latency(machine) + 1


SEARCH_CYCLES = (3, 2)
"""A round that searches: for each bit the candidate's address, its word and the comparison; beyond them the load, and
the cycle in which the last bit joins the others."""


def round_cycles(bits: int, search: bool, divide: int = 1) -> int:
    """Cycles of one round of requantisation to `bits` bits: divide * bits, or 3 * bits + 2 when searched.

    divide : `Machine.divide_cycles`. A division's last cycle is the next round's load.
    """
    per_bit, beyond = SEARCH_CYCLES if search else (divide, 0)
    return per_bit * bits + beyond


def write_cycles(bits: int, search: bool, divide: int = 1) -> int:
    """From a round's first cycle to its first write: divide * bits + 2, or 3 * bits + 2 when searched.

    divide : as in `round_cycles`.
    """
    return (3 if search else divide) * bits + 2


def longest_wait(machine: Machine) -> int:
    """No less than any layer's `wait`: from a last step until all that it leaves has been drained and written.

    The step's way to its rounds, those of a pass with the widest searches, and the write of the last one's digits, of
    two positions at most.
    """
    rounds = machine.reuse * (machine.pes // machine.requantisers)
    search = round_cycles(QUOTIENT_BITS, search=True)
    return shadow_latency(machine) + rounds * search + write_cycles(QUOTIENT_BITS, search=True) + 2 * 8
