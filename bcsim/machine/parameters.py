"""Machine parameters: one frozen description that the mapping, the simulator and the hardware share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from zlib import crc32

from bcsim.common.arguments import require_text
from bcsim.common.errors import BcsimError
from bcsim.machine.limits import check_machine

__all__ = ["FORMS", "OPTIONAL", "OUTSIDE", "PRESETS", "SURROUNDINGS", "Machine", "parse_machine"]

OUTSIDE = ("name", "clock_mhz", "weight_stream_latency", "weight_stream_interval")
"""Parameters that no hardware depends on."""

OPTIONAL: Mapping[str, int | str] = {
    "weight_stream_bytes": 0,
    "offset_bits": 0,
    "step_bits": 0,
    "record_bits": "",
    "reuse": 1,
    "divide_cycles": 1,
    "drains": 1,
    "activation_banks": 1,
    "batch": 1,
    "pipeline_registers": 0,
}
"""Parameters that add nothing to a machine at this value: programs for one that never had them go on running."""

SURROUNDINGS = ("loading", "counters", "readable_parameters", "watchdog", "parity")
"""What a machine may be built without: no word of a program and no cycle of an image depends on them."""

FORMS = ("six_input_luts",)
"""How the hardware is written: nor does any on these."""

WORDS = 2
"""What words of the program memories mean: raised with every change, so that no program of other words runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One accelerator: an array of lanes x pes one-bit-weight lanes, and the memories and units around it.

    lanes : inputs matched in one cycle, N; even, 2 to 1024.
    pes : processing elements, M, each forming one output; 1 to 1024.
    digit : bits of a value that a lane takes in one cycle, p; 1, 2, 4 or 8.
    activation_bits : the widest activation, from `digit` to 8. Wider than `digit` adds the Horner stage.
    accumulator_bits : width of a processing element's accumulator, unsigned, A.
    fraction_bits : F of the requantisers; a program's layers need at most this many.
    requantisers : units that turn accumulators into activations, R; divides lanes and pes.
    activation_words : depth of the activation memory, words of lanes * digit bits.
    weight_words : depth of the weight memory, words of lanes * pes bits.
    parameter_words : depth of each requantiser's parameter memory.
    layers : depth of the program memory.
    input_buffers : images the activation memory can hold while one is computed, 1 or 2.
    input_bytes : bytes (one value each) in an input stream word; divides lanes.
    outputs : the most class scores that a program may have.
    shift_planes : whether accumulators can double between weight planes (weights of more than two bits).
    spatial : whether it runs convolutions, pooling and additions; a machine without is smaller.
    weight_stream_bytes : bytes in a word of the port over which weights stream that do not fit; 0 for no such port,
        else a power of two up to 64. A spatial machine's pes must then be a multiple of its lanes.
    weight_stream_latency, weight_stream_interval : of the memory behind that port, in cycles: from a tile's last word
        to the next one's first, beyond the interval, and from each other word to the next. For the simulator, like
        clock_mhz.
    offset_bits : width of a parameter word's offset and of the remainder, two's complement; 0 for what every program
        may need, A + F + 10.
    step_bits : width of a parameter word's divisor, less than the remainder's; 0 for one less than that.
    record_bits : widths of fields of the program memories' records, as `chunks:3 tiles:2`; a field without one is as
        wide as bcsim.machine.record_parts says.
    divide_cycles : cycles in which a requantiser decides a bit of a quotient, 1 or 2: in two its carry chain is half as
        long.
    loading : whether programs can come over the bus; else the one in the bitstream is the only one.
    counters : whether it counts images, cycles, steps and waits.
    readable_parameters : whether these parameters can be read over the bus.
    watchdog : whether a machine that takes too long for an image is stopped.
    parity : whether every 32 bits of the program memories have a bit of parity, which is checked as they are read.
    reuse : positions for which a weight word is read once, a power of two up to 16: each processing element keeps twice
        as many accumulators. Above 1 it takes a spatial machine whose pes are a multiple of its lanes.
    drains : positions of a strip whose sums are divided at once, each by `requantisers` units of its own; 1, or 2 where
        reuse is above 1.
    activation_banks : 1 for an activation memory with a port for reads and one for writes; 2 for two memories of half
        the words, each with one port for both, such as iCE40 UP5K's SPRAM: a layer reads one and writes the other.
        activation_words is a power of two then.
    batch : the most images that a program takes at once, a power of two up to `reuse`: a weight word of a dense network
        is read once for all of them, and the activation memory holds as many images' values.
    pipeline_registers : further registers between memories and array, 0 to 4, on the way of activations, weights
        and their addresses alike: on a large die wires that cross it take longer than the logic at their ends.
    six_input_luts : whether additions are written for an FPGA of six-input LUTs, 7-series and later; the same sums.
    clock_mhz : for times in reports; nothing else depends on it.
    """

    name: str = "custom"
    lanes: int = 32
    pes: int = 32
    digit: int = 8
    activation_bits: int = 8
    accumulator_bits: int = 20
    fraction_bits: int = 16
    requantisers: int = 16
    activation_words: int = 256
    weight_words: int = 4096
    parameter_words: int = 1024
    layers: int = 16
    input_buffers: int = 2
    input_bytes: int = 4
    outputs: int = 64
    shift_planes: bool = False
    spatial: bool = False
    weight_stream_bytes: int = 0
    weight_stream_latency: int = 0
    weight_stream_interval: int = 1
    offset_bits: int = 0
    step_bits: int = 0
    record_bits: str = ""
    divide_cycles: int = 1
    loading: bool = True
    counters: bool = True
    readable_parameters: bool = True
    watchdog: bool = True
    parity: bool = False
    reuse: int = 1
    drains: int = 1
    activation_banks: int = 1
    batch: int = 1
    pipeline_registers: int = 0
    six_input_luts: bool = False
    clock_mhz: float = 100.0

    def __post_init__(self) -> None:
        check_machine(self)

    @property
    def groups(self) -> int:
        """Write-enable groups of an activation word: one for each `requantisers` lanes."""
        return self.lanes // self.requantisers

    @property
    def remainder_bits(self) -> int:
        """Width of a requantiser's two's complement remainder and of its offset: A + F + 10, or offset_bits.

        Offsets reach from -2**(A + F + 8) to 2**(A + F + 8). The eight bits beyond the accumulator's range let a
        channel whose steps are wider than that range (a tiny or zero batch normalisation gain) start from any
        of its 2**8 levels.
        """
        return self.offset_bits or self.accumulator_bits + self.fraction_bits + 10

    @property
    def divisor_bits(self) -> int:
        """Width of a divisor, unsigned, stored shifted left by target bits - 1: remainder_bits - 1, or step_bits."""
        return self.step_bits or self.remainder_bits - 1

    @property
    def parameter_bits(self) -> int:
        """Width of a parameter memory's words but for `minimum`: a divisor, or the sum of offset and divisor."""
        return self.remainder_bits + 1

    @property
    def field_bits(self) -> Mapping[str, int]:
        """The widths that record_bits gives, by field."""
        pairs = (part.partition(":") for part in self.record_bits.split())
        return {name: int(bits) for name, _, bits in pairs}

    @property
    def fingerprint(self) -> int:
        """CRC-32 of WORDS and the parameters that shape words and addresses; a program runs only where it is equal."""
        absent = [name for name, least in OPTIONAL.items() if getattr(self, name) == least]
        left_out = (*OUTSIDE, *SURROUNDINGS, *FORMS, *absent)
        shape = [getattr(self, f.name) for f in fields(self) if f.name not in left_out]
        return crc32(repr([WORDS, *shape]).encode())

    @property
    def slots(self) -> int:
        """Lanes in the whole array: the accumulations of one busy cycle."""
        return self.lanes * self.pes

    @property
    def bank_words(self) -> int:
        """Words of one bank of the activation memory, as deep as the others."""
        return self.activation_words // self.activation_banks

    @property
    def weight_beats(self) -> int:
        """Words of the weight stream in a word of the weight memory: ceil(N * M / 8 / weight_stream_bytes)."""
        return -(-self.slots // (8 * self.weight_stream_bytes))


TINY = Machine(
    name="tiny",
    lanes=8,
    pes=8,
    digit=4,
    requantisers=4,
    activation_words=128,
    weight_words=1024,
    parameter_words=256,
    input_bytes=1,
    outputs=16,
)
SMALL = Machine(
    name="small",
    lanes=16,
    pes=16,
    digit=8,
    requantisers=8,
    activation_words=512,
    weight_words=16384,
    parameter_words=2048,
)
MEDIUM = Machine(name="medium", lanes=32, pes=32, digit=8, requantisers=16)
LARGE = Machine(
    name="large", lanes=64, pes=64, digit=8, accumulator_bits=22, requantisers=64, weight_words=2048
)
BNN = Machine(name="bnn", lanes=64, pes=64, digit=1, activation_bits=8, accumulator_bits=20, requantisers=8)
CONV = Machine(
    name="conv",
    lanes=32,
    pes=32,
    digit=8,
    accumulator_bits=22,
    requantisers=32,
    activation_words=8192,
    weight_words=16384,
    parameter_words=512,
    layers=32,
    spatial=True,
)
CONV_BNN = Machine(
    name="conv-bnn",
    lanes=64,
    pes=64,
    digit=1,
    requantisers=16,
    activation_words=16384,
    weight_words=1024,
    parameter_words=512,
    layers=32,
    spatial=True,
)

PRESETS: Mapping[str, Machine] = {m.name: m for m in (TINY, SMALL, MEDIUM, LARGE, BNN, CONV, CONV_BNN)}


def _convert(name: str, text: str) -> int | float | bool | str:
    kinds = {f.name: f.type for f in fields(Machine)}
    if name not in kinds or name == "name":
        near = get_close_matches(name, [kind for kind in kinds if kind != "name"], n=2)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise BcsimError(
            f"Unknown machine parameter {name!r}; {meant}bcsim machines lists all with their values"
        )
    if kinds[name] == "str":
        return text
    if kinds[name] == "bool":
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise BcsimError(f"Machine parameter {name} must be true or false, not {text!r}")
        return text.lower() in ("true", "1", "yes")
    try:
        return float(text) if kinds[name] == "float" else int(text)
    except ValueError:
        raise BcsimError(f"Machine parameter {name} must be a number, not {text!r}") from None


def parse_machine(text: str) -> Machine:
    """A machine from a preset's name, `parameter=value,...`, or `preset,parameter=value,...`.

    Raises BcsimError for an unknown preset or parameter, a parameter given twice and values that no machine can have.
    """
    require_text("Machine", text)
    base, changes = MEDIUM, {}
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise BcsimError(
            f"Machine {text!r} names nothing; give a preset ({', '.join(PRESETS)}) or parameters such as lanes=32"
        )
    if "=" not in parts[0]:
        name = parts.pop(0)
        if name not in PRESETS:
            raise BcsimError(
                f"Unknown machine {name!r}; the presets are {', '.join(PRESETS)}, "
                "or give parameters such as lanes=32,pes=32,digit=8"
            )
        base = PRESETS[name]
    for part in parts:
        key, _, value = (word.strip() for word in part.partition("="))
        if not key or "=" not in part or "=" in value:
            raise BcsimError(f"Machine parameter {part!r} must have the form name=value")
        if key in changes:
            raise BcsimError(
                f"Machine parameter {key} is given twice, the second time as {value!r}; give it once"
            )
        changes[key] = _convert(key, value)
    return replace(base, name="custom", **changes) if changes else base  # type: ignore[arg-type]
