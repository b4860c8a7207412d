"""Pauses of a run: whose they are, image by image, and the random ones of a seed."""

import numpy as np

from bcsim.compiler.mapping.mapping import map_program
from bcsim.simulator.pauses import READY, Pauses, random_cycles, random_pauses
from tests.programs import random_machine, random_program
from tests.streaming import streamed_network, weight_words


def test_random_cycles_are_mostly_none_and_never_endless() -> None:
    cycles = random_cycles(np.random.default_rng(0), 10_000)
    assert 0.7 < (cycles == 0).mean() < 0.8
    assert cycles.min() == 0
    assert cycles.max() == 40


def test_each_image_has_its_own() -> None:
    pauses = Pauses(gaps=range(6), holds=range(10, 18))
    assert [pauses.before_words(image, 3).tolist() for image in (0, 1)] == [[0, 1, 2], [3, 4, 5]]
    assert pauses.behind_words(1, 4).tolist() == [14, 15, 16, 17]
    assert not pauses.none


def test_ready_streams_never_pause() -> None:
    assert READY.none
    assert READY.before_words(3, 2).tolist() == READY.behind_words(0, 2).tolist() == [0, 0]
    assert not Pauses(weight_gaps=[]).none


def test_a_seed_gives_every_stream_as_many_as_it_has_words() -> None:
    rng = np.random.default_rng(5)
    mapping = map_program(random_program(rng), random_machine(rng))
    first, again = (random_pauses(np.random.default_rng(8), mapping, 3) for _ in range(2))
    assert first == again
    assert first.gaps is not None
    assert first.holds is not None
    assert (len(first.gaps), len(first.holds)) == (3 * mapping.beats, 3 * (mapping.program.classes + 1))
    assert first.weight_gaps == []
    streamed = streamed_network(711, spatial=True)
    weights = random_pauses(rng, streamed, 2).weight_gaps
    assert weights is not None
    assert len(weights) == weight_words(streamed, 2)
