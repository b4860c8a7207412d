"""What one image costs on a machine, apart from time: stalls by cause, energy beside multipliers, the memory plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from bcsim.common.formatting import energy, percent, ratio
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.costs.counts import count_mapping
from bcsim.costs.energy import TABLES, load_table
from bcsim.results.cost_report import energy_report
from bcsim.simulator.utilisation import steady_lane_cycles

__all__ = ["Costs", "MemoryUse", "costs_of", "print_costs"]

KIBIBIT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """A memory of the machine: words that the program takes, words there are, bits of a word.

    memories : of this kind, side by side.
    """

    used: int
    words: int
    word_bits: int
    memories: int = 1

    @property
    def used_bits(self) -> int:
        return self.used * self.word_bits * self.memories


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """One image on a machine, once images follow each other.

    slots : lane-cycles by cause, `busy` among them.
    energy_pj : by table of the package, then this machine, int8 and float32.
    tensor_words : activation words if every tensor had its own; `memories["activation"].used` is what they take.
    """

    slots: dict[str, int]
    energy_pj: dict[str, dict[str, float]]
    memories: dict[str, MemoryUse]
    tensor_words: int

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


def costs_of(mapping: Mapping) -> Costs:
    """The costs of a mapped program; nothing is simulated but the schedule."""
    slots, _ = steady_lane_cycles(mapping)
    hidden = sum(nest.output_words for nest in mapping.nests)
    return Costs(
        slots=slots,
        energy_pj=_energies(mapping),
        memories=_memories(mapping),
        tensor_words=mapping.machine.input_buffers * mapping.nests[0].source_words + hidden,
    )


def _energies(mapping: Mapping) -> dict[str, dict[str, float]]:
    counts, energies = count_mapping(mapping), dict[str, dict[str, float]]()
    for name in TABLES:
        report, _ = energy_report(counts, mapping, load_table(name))
        energies[name] = {"machine": report.total_pj, "int8": report.int8_pj, "float32": report.float32_pj}
    return energies


def _memories(mapping: Mapping) -> dict[str, MemoryUse]:
    machine = mapping.machine
    return {
        "activation": MemoryUse(
            used=mapping.activation_words,
            words=machine.activation_words,
            word_bits=machine.lanes * machine.digit,
        ),
        "weight": MemoryUse(
            used=mapping.weight_words,
            words=machine.weight_words,
            word_bits=machine.slots,
        ),
        "parameter": MemoryUse(
            used=2 * sum(nest.parameter_span for nest in mapping.nests),
            words=2 * machine.parameter_words,
            word_bits=machine.parameter_bits + machine.spatial,
            memories=machine.requantisers,
        ),
    }


def print_costs(costs: Costs, console: Console) -> None:
    """Three tables: lane-cycles by cause, energies, memories."""
    total = sum(costs.slots.values())
    causes = Table("lane-cycles", "share")
    for cause, slots in costs.slots.items():
        if slots:
            causes.add_row(cause.replace("_", " "), percent(slots / total))
    energies = Table("energy an image", "this machine", "int8 MACs", "float32 MACs")
    for table, values in costs.energy_pj.items():
        shown = (f"{energy(value)} ({ratio(value / values['machine'])})" for value in values.values())
        energies.add_row(table, *shown)
    memories = Table("memory", "words used", "of", "bits of a word", "Kibit used")
    for name, memory in costs.memories.items():
        figures = (memory.used, memory.words, memory.word_bits * memory.memories)
        memories.add_row(name, *(f"{n:,}" for n in figures), f"{memory.used_bits / KIBIBIT:,.0f}")
    for table in (causes, energies, memories):
        console.print(table)
    used = costs.memories["activation"].used
    console.print(
        f"activation words if every tensor had its own: {costs.tensor_words:,}, "
        f"{costs.tensor_words / used:.2f} times the plan's {used:,}"
    )
