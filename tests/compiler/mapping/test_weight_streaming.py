"""Which layers stream, where slots lie, and what is said where nothing helps."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.parameters import PRESETS, TINY, Machine, parse_machine
from tests.streaming import least_words, streamed_network

SEEDS = range(30)


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_slots_hold_two_of_the_largest_tiles_behind_what_stays(seed: int, spatial: bool) -> None:
    mapping = streamed_network(seed, spatial=spatial)
    staying = [nest for nest in mapping.nests if not nest.streamed]
    largest = max(nest.tile_words for nest in mapping.nests if nest.streamed)
    resident = sum(nest.weight_words for nest in staying)
    assert mapping.slots == (resident, resident + largest)
    assert mapping.weight_words == resident + 2 * largest <= mapping.machine.weight_words
    assert len(mapping.image.weights) == resident
    assert len(mapping.image.streamed) == sum(nest.streamed_words for nest in mapping.nests)


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_streamed_layer_could_have_stayed(seed: int, spatial: bool) -> None:
    mapping = streamed_network(seed, spatial=spatial)
    for kept in (nest for nest in mapping.nests if nest.streamed):
        streamed = [nest for nest in mapping.nests if nest.streamed and nest is not kept]
        resident = sum(nest.weight_words for nest in mapping.nests if nest not in streamed)
        slots = 2 * max((nest.tile_words for nest in streamed), default=0)
        assert resident + slots > mapping.machine.weight_words


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_weight_words_are_those_of_a_machine_with_room_for_all(seed: int, spatial: bool) -> None:
    mapping = streamed_network(seed, spatial=spatial)
    whole = _with_room(mapping, mapping.machine.weight_stream_bytes)
    for streamed, resident in zip(mapping.layers, whole.layers, strict=True):
        np.testing.assert_array_equal(
            mapping.image.weight_words(streamed), whole.image.weight_words(resident)
        )


def _with_room(mapping: Mapping, stream_bytes: int) -> Mapping:
    machine = replace(mapping.machine, weight_words=1 << 20, weight_stream_bytes=stream_bytes)
    return map_program(mapping.program, machine)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_message_names_the_words_that_do(seed: int) -> None:
    mapping = streamed_network(seed, spatial=True)
    least = least_words(mapping.program, mapping.machine)
    assert map_program(mapping.program, replace(mapping.machine, weight_words=least)).slots
    message = (
        "Machine 'random' is too small for this network: it needs weight_words of at least "
        f"{least}, not {least - 1}"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        map_program(mapping.program, replace(mapping.machine, weight_words=least - 1))


def test_nothing_streams_where_all_fits() -> None:
    mapping = _with_room(streamed_network(0, spatial=True), 4)
    assert mapping.slots == ()
    assert not any(nest.streamed for nest in mapping.nests)
    assert len(mapping.image.streamed) == 0
    assert mapping.weight_words == sum(nest.weight_words for nest in mapping.nests)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tiny,weight_stream_bytes=3",
            "Machine parameter weight_stream_bytes must be 0 or a power of two up to 64, not 3",
        ),
        (
            "tiny,weight_stream_bytes=128",
            "Machine parameter weight_stream_bytes must be from 0 to 64, not 128",
        ),
        (
            "conv,pes=48,requantisers=16,weight_stream_bytes=8",
            "Machine parameter pes must be a multiple of lanes (32) where spatial and weight_stream_bytes are set, "
            "not 48",
        ),
    ],
)
def test_machines_that_cannot_stream_are_refused(text: str, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        parse_machine(text)


def test_a_machine_without_the_port_keeps_its_fingerprint() -> None:
    fingerprints = {name: f"{machine.fingerprint:08x}" for name, machine in PRESETS.items()}
    assert fingerprints["tiny"] == "f830392f"
    assert fingerprints["conv"] == "8dbab4b8"


def test_the_memory_behind_the_port_is_no_part_of_the_hardware() -> None:
    streaming = replace(TINY, weight_stream_bytes=4)
    slower = replace(streaming, weight_stream_latency=100, weight_stream_interval=7)
    assert slower.fingerprint == streaming.fingerprint != TINY.fingerprint
    assert Machine(lanes=6, pes=3, requantisers=3, input_bytes=2, weight_stream_bytes=2).weight_beats == 2
