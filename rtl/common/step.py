"""The flags that travel with a step of the issue walker through the array."""

from amaranth.lib.data import StructLayout

__all__ = ["StepLayout", "accumulator_bits"]


def accumulator_bits(reuse: int) -> int:
    """Of the number of one of an element's 2 * reuse accumulators."""
    return reuse.bit_length()


class StepLayout(StructLayout):
    """Flags of one step.

    Nothing marks a chunk's first digit: the array clears its sums behind the last one. With one accumulator in each
    element nothing marks a tile's first chunk either.

    Parameters
    ----------
    reuse : int
        Positions that share a weight word, a power of two.

    Members
    -------
    valid : unsigned(1)
        A step was issued; without it the other flags mean nothing and the array's sums stay as they are.
    last_digit : unsigned(1)
        The last digit of a chunk: the chunk's total goes to the accumulator.
    double : unsigned(1)
        The accumulator doubles before this chunk's total is added. Counts only together with `last_digit`, so it
        may be high in all of the chunk's steps.
    last : unsigned(1)
        The pass' last step: the last digit of its last chunk, at its strip's last position.
    first : unsigned(1)
        Where weights are used again: of the pass' first chunk, which its accumulator begins with.
    accumulator : unsigned(accumulator_bits(reuse))
        Where weights are used again: the position's place in its strip and, in the highest bit, which of the two sets
        the pass adds to.
    """

    def __init__(self, reuse: int = 1) -> None:
        several = {"first": 1, "accumulator": accumulator_bits(reuse)} if reuse > 1 else {}
        super().__init__({"valid": 1, "last_digit": 1, "double": 1, "last": 1, **several})
