"""Block memories' output registers on ECP5, which synthesis leaves unused: words come earlier in their cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bcsim.rtl.flow.netlist import Bit, Netlist, Sink

__all__ = ["use_output_registers"]

BLOCK, FLIP_FLOP = "DP16KD", "TRELLIS_FF"
LOGIC = ("LUT4", "PFUMX", "L6MUX21")
"""What selects among the rows of blocks of a deep memory."""

JOINED = ("ALUT", "BLUT", "D0", "D1")
"""Inputs that only the logic beside them in its slice can drive: no flip-flop fits between."""

WIDE = 36
"""Bits of the words that both ports of a block read together."""

UNREGISTERED = {"OCEB": "1", "RSTA": "0", "RSTB": "0"}
"""Inputs of a block whose output registers, once used, take a word in every cycle.

OCEA is 1 too, but in blocks of 512 x 36 bits, where Yosys leaves it low: it becomes 1 with the registers. No document
says which enable each half of their words obeys, and a vendor's PDPW16KD has but one, and one REGMODE for both halves
(nextpnr, pull request 789).
"""


def use_output_registers(netlist: Netlist) -> int:
    """Move flip-flops behind block memories into these; returns how many are saved.

    Where logic lies between, that selects among blocks, and one more flip-flop follows, it goes behind the registers,
    and what it selects by is delayed by a flip-flop more. From the second cycle on every other flip-flop holds what
    it did before.
    """
    read = _read_bits(netlist)
    drivers = {bit: name for name in netlist.cells for bit in netlist.outputs(name) if bit in read}
    saved, done, renamed = 0, set[str](), dict[Bit, Bit]()
    for name in [name for name, cell in netlist.cells.items() if cell["type"] == BLOCK]:
        if name in done:
            continue
        cells = _together(netlist, name, drivers)
        done |= {cell for cell in cells if netlist.cells[cell]["type"] == BLOCK}
        selected = any(netlist.cells[cell]["type"] in LOGIC for cell in cells)
        if all(_movable(netlist, cell, read, selected) for cell in cells):
            saved += _move(netlist, cells, read, renamed)
    netlist.rename(renamed)
    return saved


def _read_bits(netlist: Netlist) -> set[Bit]:
    """What blocks drive, and the logic that depends on it."""
    found: set[Bit] = set()
    waiting = [name for name, cell in netlist.cells.items() if cell["type"] == BLOCK]
    while waiting:
        new = set(netlist.outputs(waiting.pop())) - found
        found |= new
        sinks = (sink.cell for bit in new for sink in netlist.sinks(bit))
        waiting += [cell for cell in sinks if netlist.cells[cell]["type"] in LOGIC]
    return found


def _together(netlist: Netlist, block: str, drivers: Mapping[Bit, str]) -> dict[str, None]:
    """The block, all that takes what it drives up to the first flip-flops, and the blocks that these take from too."""
    found, waiting = dict.fromkeys([block]), [block]
    while waiting:
        cell = waiting.pop()
        beside: list[str] = []
        if netlist.cells[cell]["type"] in (BLOCK, *LOGIC):
            beside += [sink.cell for bit in netlist.outputs(cell) for sink in netlist.sinks(bit)]
        if netlist.cells[cell]["type"] != BLOCK:
            inputs = (bit for _, bits in netlist.ports(netlist.cells[cell], "input") for bit in bits)
            beside += [drivers[bit] for bit in inputs if bit in drivers]
        new = dict.fromkeys(name for name in beside if name not in found)
        found |= new
        waiting += new
    return found


def _movable(netlist: Netlist, name: str, read: set[Bit], selected: bool) -> bool:
    """Whether a cell behaves the same with its registers moved: a block of every cycle, logic, a plain flip-flop.

    selected : there is logic, which would lie in the paths of what follows the flip-flops, so only more of these may.
    """
    cell = netlist.cells[name]
    if any(netlist.is_shown(bit) for bit in netlist.outputs(name)):
        return False
    if cell["type"] == BLOCK:
        parameters = cell["parameters"]
        levels = UNREGISTERED if _is_wide(cell) else {**UNREGISTERED, "OCEA": "1"}
        plain = all(cell["connections"].get(port, [level]) == [level] for port, level in levels.items())
        return plain and parameters["REGMODE_A"] == parameters["REGMODE_B"] == "NOREG"
    if cell["type"] in LOGIC:
        joined = [bit for port in JOINED for bit in cell["connections"].get(port, [])]
        return all(bit in read or isinstance(bit, str) for bit in joined)
    plain = cell["type"] == FLIP_FLOP and _is_plain(cell)
    return plain and (
        _is_followed(netlist, cell) if selected else bool(netlist.sinks(cell["connections"]["Q"][0]))
    )


def _is_wide(block: Mapping[str, Any]) -> bool:
    """Whether its words come from both ports."""
    return int(block["parameters"]["DATA_WIDTH_B"], 2) == WIDE


def _is_plain(flip_flop: Mapping[str, Any]) -> bool:
    """Whether it takes every cycle, begins at 0 and is never cleared."""
    ports = flip_flop["connections"]
    plain = "CE" not in ports and ports.get("LSR", ["0"]) == ["0"]
    return plain and flip_flop["parameters"].get("REGSET") == "RESET"


def _is_followed(netlist: Netlist, flip_flop: Mapping[str, Any]) -> bool:
    """Whether only flip-flops take what it holds."""
    sinks = netlist.sinks(flip_flop["connections"]["Q"][0])
    return bool(sinks) and all(
        sink.port == "DI" and netlist.cells[sink.cell]["type"] == FLIP_FLOP for sink in sinks
    )


def _move(netlist: Netlist, cells: Iterable[str], read: set[Bit], renamed: dict[Bit, Bit]) -> int:
    """Flip-flops that are saved; their outputs' names are those of `renamed` from now on."""
    later: dict[Bit, Bit] = {}
    removed = 0
    for name in cells:
        cell = netlist.cells[name]
        if cell["type"] == BLOCK:
            cell["parameters"] = {**cell["parameters"], "REGMODE_A": "OUTREG", "REGMODE_B": "OUTREG"}
            if _is_wide(cell):
                netlist.move([Sink(name, "OCEA", 0)], "1")
        elif cell["type"] == FLIP_FLOP:
            (taken,), (held,) = cell["connections"]["DI"], cell["connections"]["Q"]
            netlist.remove(name)
            netlist.move(netlist.sinks(held), taken)
            renamed[held] = taken
            removed += 1
        else:
            _delay_choice(netlist, name, read, later)
    return removed - len(later)


def _delay_choice(netlist: Netlist, name: str, read: set[Bit], later: dict[Bit, Bit]) -> None:
    """Let a cell of logic take what is not read from a block a cycle later; later : the bits that are there already."""
    for port, bits in netlist.ports(netlist.cells[name], "input"):
        for index, bit in enumerate(list(bits)):
            if bit in read or isinstance(bit, str):
                continue
            if bit not in later:
                later[bit] = _register(netlist, name, bit)
            netlist.move([Sink(name, port, index)], later[bit])


def _register(netlist: Netlist, name: str, bit: Bit) -> Bit:
    """A flip-flop of the design's clock that takes a bit; what it holds."""
    clock = next(cell for cell in netlist.cells.values() if cell["type"] == BLOCK)["connections"]["CLKA"]
    held = netlist.new_bit()
    connections = {"CLK": list(clock), "DI": [bit], "LSR": ["0"], "Q": [held]}
    netlist.add(
        f"{name}_later_{held}",
        {
            "hide_name": 0,
            "type": FLIP_FLOP,
            "parameters": {
                "CEMUX": "1 ",
                "CLKMUX": "CLK",
                "GSR": "DISABLED",
                "LSRMUX": "LSR",
                "REGSET": "RESET",
            },
            "attributes": {},
            "port_directions": {port: "output" if port == "Q" else "input" for port in connections},
            "connections": connections,
        },
    )
    return held
