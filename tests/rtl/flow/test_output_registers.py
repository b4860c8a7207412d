# amaranth: UnusedElaboratable=no
"""Output registers of block memories: Yosys' netlist before and after, simulated on the same random inputs."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.delay import delayed
from bcsim.rtl.common.loaded_memory import LoadedMemory
from bcsim.rtl.flow import output_registers
from bcsim.rtl.flow.netlist import Netlist
from bcsim.rtl.flow.output_registers import use_output_registers
from bcsim.rtl.flow.synthesis import spread_over_die
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.yosys import run_yosys

WIDTH, DEPTH = 18, 2900
WIDE = 36
CYCLES = 200


class Memories(wiring.Component):
    """A memory of three rows of blocks with a register behind its own, and one with none, which stays as it is; one of
    two wide blocks whose groups are written, as a machine's activations are; one of a block with logic behind it."""

    def __init__(self) -> None:
        outputs = {"followed": Out(WIDTH), "alone": Out(WIDTH), "wide": Out(2 * WIDE), "mixed": Out(WIDTH)}
        super().__init__({"address": In(12), "enable": In(1), "group": In(4), **outputs})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        drawn = random.Random(1)
        words = [drawn.getrandbits(WIDTH) for _ in range(DEPTH)]
        for name in ("followed", "alone"):
            m.submodules[name] = loaded = LoadedMemory(width=WIDTH, depth=DEPTH, init=words, loads=False)
            m.d.comb += [
                loaded.address.eq(self.address if name == "followed" else ~self.address),
                loaded.enable.eq(self.enable),
                getattr(self, name).eq(delayed(m, loaded.data, int(name == "followed"), name)),
            ]
        m.submodules.mixed_words = loaded = LoadedMemory(
            width=WIDTH, depth=600, init=words[:600], loads=False
        )
        m.d.comb += [
            loaded.address.eq(self.address),
            loaded.enable.eq(self.enable),
            self.mixed.eq(loaded.data ^ loaded.data.rotate_left(1)),
        ]
        m.submodules.wide_words = words = memory.Memory(shape=2 * WIDE, depth=300, init=[])
        write, read = words.write_port(granularity=WIDE // 2), words.read_port()
        m.d.comb += [
            write.en.eq(self.group),
            write.addr.eq(self.address),
            write.data.eq(self.address.replicate(2 * WIDE // 12)),
            read.addr.eq(self.address),
            read.en.eq(self.enable),
            self.wide.eq(delayed(m, read.data, 2, "wide")),
        ]
        return m


@pytest.fixture(scope="module")
def netlist(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("memories")
    verilog = to_verilog(Memories(), "top")
    (folder / "top.v").write_text(verilog.text)
    for name, text in verilog.images.items():
        (folder / name).write_text(text)
    run_yosys("read_verilog top.v\nsynth_ecp5 -top top\ndelete t:$scopeinfo\nwrite_json top.json", cwd=folder)
    found: dict[str, Any] = json.loads((folder / "top.json").read_text())
    return found


class Simulation:
    """Cells of ECP5 as far as these netlists have them; a block's words follow from its name and the address."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.module, netlist = module, Netlist(module)
        self.held = {
            name: netlist.outputs(name)
            for name, cell in module["cells"].items()
            if cell["type"] in ("TRELLIS_FF", "DP16KD")
        }
        self.logic = [cell for name, cell in module["cells"].items() if name not in self.held]
        self.state: dict[Any, int] = {}

    def run(self, inputs: list[dict[str, int]]) -> list[dict[str, list[int]]]:
        return [self.cycle(values) for values in inputs]

    def cycle(self, values: dict[str, int]) -> dict[str, list[int]]:
        ports = self.module["ports"]
        bits: dict[Any, int] = {"0": 0, "1": 1, "x": 0}
        for name, value in values.items():
            bits |= {bit: value >> index & 1 for index, bit in enumerate(ports[name]["bits"])}
        for name, held in self.held.items():
            bits |= {bit: self.state.get((name, bit), 0) for bit in held}
        logic = self.logic
        while logic:
            left = [cell for cell in logic if not settle(cell, bits)]
            assert len(left) < len(logic)
            logic = left
        shown = {
            name: [bits[bit] for bit in port["bits"]]
            for name, port in ports.items()
            if port["direction"] == "output"
        }
        self.state |= {key: value for name in self.held for key, value in self._clock(name, bits).items()}
        return shown

    def _clock(self, name: str, bits: dict[Any, int]) -> dict[Any, int]:
        cell = self.module["cells"][name]
        ports = cell["connections"]
        level = {port: bits[wires[0]] for port, wires in ports.items() if wires[0] in bits}
        if cell["type"] == "TRELLIS_FF":
            if not level.get("CE", 1):
                return {}
            return {(name, ports["Q"][0]): 0 if level.get("LSR") else level["DI"]}
        wide = int(cell["parameters"]["DATA_WIDTH_B"], 2) == WIDE
        read = "B" if wide else "A"
        outputs = {
            port: wires[0] for port, wires in ports.items() if port.startswith(("DOA", "DOB")[: 1 + wide])
        }
        # Without its output register a block shows what its latches take.
        registered = cell["parameters"]["REGMODE_A"] == "OUTREG"
        shown = {bit: self.state.get((name, "latch", bit), 0) for bit in outputs.values()}
        if level[f"CE{read}"]:
            address = sum(level[f"AD{read}{index}"] << index for index in range(14))
            word = random.Random(f"{name} {address}").getrandbits(WIDE)
            latched = {bit: word >> int(port[3:]) + 18 * ("B" in port) & 1 for port, bit in outputs.items()}
        else:
            latched = dict(shown)
        now = shown if registered else latched
        # Whichever of the two enables a half obeys, it takes a word where both are set.
        held = registered and not (level["OCEA"] and level["OCEB"])
        return {(name, "latch", bit): value for bit, value in latched.items()} | {
            (name, bit): value for bit, value in now.items() if not held
        }


def settle(cell: dict[str, Any], bits: dict[Any, int]) -> bool:
    """Give a cell of logic its output, once all that it takes is known."""
    ports = {port: wires[0] for port, wires in cell["connections"].items()}
    output = ports.pop("Z")
    if any(bit not in bits for bit in ports.values()):
        return False
    level = {port: bits[bit] for port, bit in ports.items()}
    if cell["type"] == "LUT4":
        index = sum(level[port] << place for place, port in enumerate("ABCD"))
        bits[output] = int(cell["parameters"]["INIT"], 2) >> index & 1
    elif cell["type"] == "PFUMX":
        bits[output] = level["ALUT"] if level["C0"] else level["BLUT"]
    else:
        assert cell["type"] == "L6MUX21"
        bits[output] = level["D1"] if level["SD"] else level["D0"]
    return True


def stimuli(seed: int) -> list[dict[str, int]]:
    drawn = random.Random(seed)
    return [
        {
            "rst": 0,
            "address": drawn.randrange(DEPTH),
            "enable": drawn.random() < 0.7,
            "group": drawn.randrange(16),
        }
        for _ in range(CYCLES)
    ]


def blocks(module: dict[str, Any]) -> dict[str, str]:
    return {n: c["parameters"]["REGMODE_A"] for n, c in module["cells"].items() if c["type"] == "DP16KD"}


def test_words_come_in_the_same_cycles_from_output_registers(netlist: dict[str, Any]) -> None:
    before = netlist["modules"]["top"]
    after = json.loads(json.dumps(before))
    assert use_output_registers(Netlist(after)) > 0
    moved = {name for name, mode in blocks(after).items() if mode == "OUTREG"}
    assert set(blocks(before).values()) == {"NOREG"}
    assert moved == {name for name in blocks(before) if not name.startswith("alone")}
    assert len([name for name in moved if name.startswith("wide")]) == 2
    assert len([name for name in moved if name.startswith("mixed")]) == 1
    inputs = stimuli(1)
    # A clock that the netlist has not begun with tells nothing: words count from the first read on.
    assert Simulation(after).run(inputs)[5:] == Simulation(before).run(inputs)[5:]


def test_a_choice_that_is_not_delayed_is_seen(
    netlist: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = json.loads(json.dumps(netlist["modules"]["top"]))
    monkeypatch.setattr(output_registers, "_delay_choice", lambda *_: None)
    use_output_registers(Netlist(module))
    inputs = stimuli(1)
    assert Simulation(module).run(inputs)[5:] != Simulation(netlist["modules"]["top"]).run(inputs)[5:]


def test_half_a_wide_word_that_is_not_enabled_is_seen(netlist: dict[str, Any]) -> None:
    module = json.loads(json.dumps(netlist["modules"]["top"]))
    use_output_registers(Netlist(module))
    inputs = stimuli(1)
    enabled = Simulation(module).run(inputs)
    for name in blocks(module):
        if name.startswith("wide"):
            assert module["cells"][name]["connections"]["OCEA"] == ["1"]
            module["cells"][name]["connections"]["OCEA"] = ["0"]
    assert Simulation(module).run(inputs) != enabled


def test_logic_that_is_joined_to_its_driver_gets_no_flip_flop_between(netlist: dict[str, Any]) -> None:
    """A memory whose rows are selected from by a LUT that takes no word keeps its flip-flops."""
    module = json.loads(json.dumps(netlist["modules"]["top"]))
    moved = [name for name in blocks(module) if name.startswith("followed_")]
    free = Netlist(module).new_bit()
    ports = {
        "ALUT": [module["cells"][moved[0]]["connections"]["DOA0"][0]],
        "BLUT": [free],
        "C0": ["0"],
        "Z": [free + 1],
    }
    directions = {port: "output" if port == "Z" else "input" for port in ports}
    module["cells"]["joined"] = {"type": "PFUMX", "connections": ports, "port_directions": directions}
    use_output_registers(Netlist(module))
    assert blocks(module)[moved[0]] == "NOREG"


def test_the_whole_step_for_a_large_die_changes_no_word(netlist: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "top.json"
    file.write_text(json.dumps(netlist))
    spread_over_die(file, "top")
    after = json.loads(file.read_text())["modules"]["top"]
    assert len(after["cells"]) != len(netlist["modules"]["top"]["cells"])
    inputs = stimuli(2)
    assert Simulation(after).run(inputs)[5:] == Simulation(netlist["modules"]["top"]).run(inputs)[5:]
