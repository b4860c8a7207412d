"""What a machine is counted as: units alike, memories alike, and when each is at work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["MemoryShape", "Unit", "When"]


class When(Enum):
    """When a unit is at work; the value says it in words."""

    STEP = "every step"
    READ = "every step that reads the activation memory: not those outside of their tensor"
    CHUNK = "every chunk of every position"
    WEIGHT = "every weight word taken: one a chunk, for all positions of a strip"
    PASS = "every pass, which is a tile for one strip of positions at one place of its windows"
    SUM = "every sum of a pass: one a position of its strip"
    ROUND = "every round of requantisation"
    BIT = "every bit of a round"
    QUOTIENT = "every bit of a round that divides"
    THRESHOLD = "every bit of a round that searches"
    REMAINDER = "every bit of a round that divides, every round that searches"
    PARAMETER = "every parameter word taken: one a round, and one a bit where it searches, or one for its further bits"


@dataclass(frozen=True, slots=True)
class Unit:
    """`number` units alike, each `bits` wide, in a block of the design.

    kind : adder, bitwise, comparator or register, as in an energy table. An adder is as wide as the wider operand,
        or as what is kept of its sum, if that is less.
    part : where reports add it.
    shares : the name of the unit or memory whose hardware this is; empty where it has its own.
    """

    name: str
    block: str
    part: str
    kind: str
    bits: int
    number: int
    when: When
    shares: str = ""


@dataclass(frozen=True, slots=True)
class MemoryShape:
    """`memories` memories alike of `words` words of `word_bits` bits."""

    block: str
    memories: int
    words: int
    word_bits: int
