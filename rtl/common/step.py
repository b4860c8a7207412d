"""The flags that travel with a step of the issue walker through the array."""

from amaranth.lib.data import StructLayout

__all__ = ["StepLayout"]


class StepLayout(StructLayout):
    """Flags of one step.

    Nothing marks a chunk's first digit or a tile's first chunk: the array clears its sums behind the last ones.

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
        The tile's last step: the last digit of its last chunk.
    """

    def __init__(self) -> None:
        super().__init__({"valid": 1, "last_digit": 1, "double": 1, "last": 1})
