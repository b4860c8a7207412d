"""And-inverter graphs: read from what Yosys writes, built gate by gate, and decided by ABC.

A literal is twice a variable's number, and 1 more where it is inverted, as in the AIGER format (Biere, 2007); literal 0
is false and 1 is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.formal.invariant import holds

__all__ = ["FALSE", "TRUE", "Graph", "Netlist", "is_never", "read_netlist"]

FALSE, TRUE = 0, 1


@dataclass(frozen=True, slots=True)
class Netlist:
    """A sequential netlist of gates.

    inputs, outputs : literals by name.
    latches : a register's literal and that of its next state; all are 0 at first.
    gates : a gate's literal and its two operands, in topological order.
    """

    inputs: Mapping[str, int]
    latches: list[tuple[int, int]]
    outputs: Mapping[str, int]
    gates: list[tuple[int, int, int]]


def read_netlist(path: Path) -> Netlist:
    """What Yosys' `write_aiger -ascii -zinit -symbols` wrote."""
    lines = path.read_text().splitlines()
    _, inputs, latches, outputs, gates = map(int, lines[0].split()[1:6])
    rows = [[*map(int, line.split())] for line in lines[1 : 1 + inputs + latches + outputs + gates]]
    names = dict(line.split(" ", 1) for line in lines[1 + len(rows) :] if re.match(r"[io]\d+ ", line))
    places = rows[:inputs], rows[inputs + latches : inputs + latches + outputs]
    pins = [
        {names.get(f"{kind}{n}", f"{kind}{n}"): literal for n, (literal,) in enumerate(part)}
        for kind, part in zip("io", places, strict=True)
    ]
    states = [(row[0], row[1]) for row in rows[inputs : inputs + latches]]
    return Netlist(pins[0], states, pins[1], [(a, b, c) for a, b, c in rows[inputs + latches + outputs :]])


class Graph:
    """Gates behind variables that are free, each once.

    operands : of a gate's literal, in topological order.
    """

    def __init__(self, variables: int = 0) -> None:
        self.next, self.operands = 2 * (1 + variables), dict[int, tuple[int, int]]()
        self._gates: dict[tuple[int, int], int] = {}

    def variable(self) -> int:
        """The literal of one more free variable."""
        self.next += 2
        return self.next - 2

    def both(self, a: int, b: int) -> int:
        """a and b."""
        if a < b:
            a, b = b, a
        if b == FALSE or a == b ^ 1:
            return FALSE
        if b == TRUE or a == b:
            return a
        found = self._gates.get((a, b))
        if found is None:
            found = self._gates[a, b] = self.next
            self.operands[found] = a, b
            self.next += 2
        return found

    def either(self, a: int, b: int) -> int:
        """a or b."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """a exclusive-or b."""
        return self.both(self.both(a, b) ^ 1, self.both(a ^ 1, b ^ 1) ^ 1)

    def choose(self, condition: int, a: int, b: int) -> int:
        """a where the condition holds, else b."""
        return self.either(self.both(condition, a), self.both(condition ^ 1, b))

    def any(self, literals: Iterable[int]) -> int:
        """One of them."""
        found = FALSE
        for literal in literals:
            found = self.either(found, literal)
        return found


def is_never(
    graph: Graph, literal: int, limit: int, following: Mapping[int, int] | None = None
) -> bool | None:
    """Whether a literal is 0 always; None where `limit` seconds do not tell.

    following : the next state's literal by that of a register, which is 0 at first; without it variables are free.
    """
    if literal <= TRUE:
        return literal == FALSE
    with scratch_folder() as folder:
        (folder / "design.aig").write_bytes(_aiger(graph, literal, following or {}))
        return holds(folder, limit=limit)


def _aiger(graph: Graph, output: int, following: Mapping[int, int]) -> bytes:
    """A binary AIGER file of one output and what bears on it."""
    operands = graph.operands
    needed = _cone(output, operands, following)
    latches, gates = sorted(needed & following.keys()), sorted(needed & operands.keys())
    pins = sorted(needed - operands.keys() - following.keys())
    to = {0: 0} | {literal: 2 * place for place, literal in enumerate((*pins, *latches, *gates), 1)}
    head = f"aig {len(to) - 1} {len(pins)} {len(latches)} 1 {len(gates)}\n"
    lines = [to[n & ~1] ^ n & 1 for n in (*(following[latch] for latch in latches), output)]
    body = b"".join(_delta(to, gate, operands[gate]) for gate in gates)
    return (head + "".join(f"{line}\n" for line in lines)).encode() + body


def _cone(output: int, operands: Mapping[int, tuple[int, int]], following: Mapping[int, int]) -> set[int]:
    """The variables that bear on a literal, as literals."""
    needed, waiting = set[int](), [output & ~1]
    while waiting:
        literal = waiting.pop()
        if literal and literal not in needed:
            needed.add(literal)
            before = operands.get(literal, (following.get(literal, 0),))
            waiting.extend(other & ~1 for other in before)
    return needed


def _delta(to: Mapping[int, int], gate: int, pair: Sequence[int]) -> bytes:
    high, low = sorted((to[n & ~1] ^ n & 1 for n in pair), reverse=True)
    return bytes([*_septets(to[gate] - high), *_septets(high - low)])


def _septets(value: int) -> Iterator[int]:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
