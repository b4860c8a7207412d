"""Machines drawn at random, for calibrations and for what they are checked on."""

from __future__ import annotations

from itertools import count

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import SURROUNDINGS, Machine, parse_machine
from bcsim.machine.records import (
    drain_fields,
    issue_fields,
    stream_fields,
    weight_stream_fields,
)

__all__ = ["CALIBRATED", "CHECKED", "random_machine"]

CALIBRATED, CHECKED = 0, 2000
"""First seeds of machines that tables are made of, and of those that they are checked on. ECP5's table has some from
1000 on, too."""
SLOTS = 400
"""Lanes of the largest array: a synthesis takes some ten seconds."""
LEAST = {"wait": 2, "fingerprint": 32}


def random_machine(seed: int) -> str:
    """The text of a machine: dense or spatial, with any feature, for any program or with narrow records."""
    for attempt in count():
        rng = np.random.default_rng([seed, attempt])
        text = _text(_values(rng))
        try:
            machine = parse_machine(text)
        except BcsimError:
            continue
        return text if rng.random() < 0.3 else f"{text},record_bits={_record_bits(rng, machine)}"
    raise AssertionError("count ends nowhere")


def _text(values: dict[str, int | str]) -> str:
    return "tiny," + ",".join(f"{name}={value}" for name, value in values.items())


def _values(rng: np.random.Generator) -> dict[str, int | str]:
    """Parameters that most machines can have."""
    digit = int(rng.choice([1, 2, 4, 8]))
    requantisers = int(rng.choice([1, 2, 4, 8]))
    lanes = requantisers * int(rng.choice([1, 2, 3, 4, 8]))
    most = max(1, SLOTS // (lanes * requantisers))
    pes = requantisers * int(rng.integers(1, min(most, 16) + 1))
    accumulator, fraction = int(rng.integers(10, 23)), int(rng.integers(2, 17))
    values: dict[str, int | str] = {
        "lanes": lanes,
        "pes": pes,
        "requantisers": requantisers,
        "digit": digit,
        "activation_bits": int(rng.choice([bits for bits in (1, 2, 4, 8) if bits >= digit])),
        "accumulator_bits": accumulator,
        "fraction_bits": fraction,
        "input_bytes": min(4, lanes & -lanes),
        "outputs": int(rng.integers(2, 33)),
        "layers": int(rng.integers(2, 9)),
        "activation_words": int(2 ** rng.uniform(5, 13)),
        "weight_words": int(2 ** rng.uniform(6, 12)),
        "parameter_words": int(2 ** rng.uniform(3, 10)),
    }
    if rng.random() < 0.6:
        values["offset_bits"] = accumulator + fraction + int(rng.integers(1, 5))
        values["step_bits"] = accumulator + fraction - int(rng.integers(1, 6))
    return values | _features(rng, lanes, pes) | _surroundings(rng)


def _features(rng: np.random.Generator, lanes: int, pes: int) -> dict[str, int | str]:
    """What some machines have."""
    values: dict[str, int | str] = {}
    if rng.random() < 0.2:
        values["shift_planes"] = "true"
    if rng.random() < 0.25:
        values["divide_cycles"] = 2
    if rng.random() < 0.5:
        values["spatial"] = "true"
        if pes % lanes == 0 and rng.random() < 0.7:
            reuse = int(rng.choice([2, 4, 8]))
            values["reuse"] = reuse
            values |= [{"drains": 2}, {"batch": reuse}, {}, {}][int(rng.integers(4))]
    if rng.random() < 0.2:
        values |= {"activation_banks": 2, "activation_words": 1 << int(rng.integers(6, 13))}
    if rng.random() < 0.2:
        values["weight_stream_bytes"] = int(rng.choice([1, 2, 4]))
    return values


def _surroundings(rng: np.random.Generator) -> dict[str, int | str]:
    """Half of the machines are as lean as those of `bcsim fit`."""
    if rng.random() < 0.5:
        return {name: "false" for name in SURROUNDINGS if name != "parity"}
    return {name: "true" if rng.random() < 0.7 else "false" for name in SURROUNDINGS if name != "parity"}


def _record_bits(rng: np.random.Generator, machine: Machine) -> str:
    """Fields a tenth to all as wide as they may be, each by itself."""
    fields = dict(issue_fields(machine)) | dict(drain_fields(machine)) | dict(stream_fields(machine))
    if machine.weight_stream_bytes:
        fields |= dict(weight_stream_fields(machine))
    share = rng.uniform(0.1, 0.7)
    return " ".join(
        f"{name}:{LEAST.get(name, 0) or max(1, min(bits, round(bits * share * rng.uniform(0.5, 1.5))))}"
        for name, bits in fields.items()
    )
