"""Whether an error in a netlist changes anything: two copies of its gates on the same registers.

Where the registers agree and both copies compute the same next state and the same outputs, they agree for ever. So the
registers stand once, driven by the copy without the error; the claim is that no state they reach tells the copies
apart. ABC decides it, first for any state at all and then for those that can be reached.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bcsim.rtl.formal.aig import FALSE, Graph, Netlist, is_never

__all__ = ["difference", "is_equivalent"]

BIT = re.compile(r"(.*?)(?:\[(\d+)\])?")
WRITTEN = re.compile(r"(?P<memory>\w+)_WR_(?P<pin>ADDR|DATA)(?:\[(?P<bit>\d+)\])?")


def is_equivalent(netlist: Netlist, control: str, error: int, limit: int) -> bool | None:
    """Whether an error changes nothing; None where `limit` seconds for each of ABC's two searches do not tell.

    control : the input that says which error is there, 0 for none.
    """
    graph, following, bad = difference(netlist, control, error)
    return is_never(graph, bad, limit) or is_never(graph, bad, limit, following)


def difference(netlist: Netlist, control: str, error: int) -> tuple[Graph, dict[int, int], int]:
    """The gates of both copies, the next states without the error, and the literal of any difference."""
    graph = Graph(len(netlist.inputs) + len(netlist.latches))
    right, wrong = (_copy(netlist, graph, control, value) for value in (0, error))
    states = [(right[n >> 1] ^ n & 1, wrong[n >> 1] ^ n & 1) for _, n in netlist.latches]
    pins = {name: (right[n >> 1] ^ n & 1, wrong[n >> 1] ^ n & 1) for name, n in netlist.outputs.items()}
    found = [graph.differ(a, b) for a, b in states if a != b]
    found += [_seen(graph, name, pins) for name, (a, b) in pins.items() if a != b]
    following = {right[latch >> 1]: a for (latch, _), (a, _) in zip(netlist.latches, states, strict=True)}
    return graph, following, graph.any(found)


def _seen(graph: Graph, name: str, pins: Mapping[str, Sequence[int]]) -> int:
    """A difference of an output; what is written to a memory counts where it is written."""
    found, match = graph.differ(*pins[name]), WRITTEN.fullmatch(name)
    if match is None:
        return found
    enables = f"{match['memory']}_WR_EN"
    if match["pin"] == "DATA":
        return graph.both(found, pins.get(f"{enables}[{match['bit']}]", pins.get(enables, (1,)))[0])
    return graph.both(found, graph.any(a for pin, (a, _) in pins.items() if pin.split("[")[0] == enables))


def _copy(netlist: Netlist, graph: Graph, control: str, value: int) -> dict[int, int]:
    """The literal of each variable in the copy whose control input has that value."""
    found = {0: FALSE}
    for place, (name, literal) in enumerate(netlist.inputs.items(), 1):
        base, bit = BIT.fullmatch(name).groups()  # type: ignore[union-attr]
        found[literal >> 1] = value >> int(bit or 0) & 1 if base == control else 2 * place
    for place, (literal, _) in enumerate(netlist.latches, 1 + len(netlist.inputs)):
        found[literal >> 1] = 2 * place
    for gate, a, b in netlist.gates:
        found[gate >> 1] = graph.both(found[a >> 1] ^ a & 1, found[b >> 1] ^ b & 1)
    return found
