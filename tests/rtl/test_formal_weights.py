# amaranth: UnusedElaboratable=no
"""The weight stream's loader and tile gate keep their contracts in all cycles, for all programs of a few tiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth.hdl import Const, Mux

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import PRESETS, Machine
from bcsim.rtl.formal.invariant import prove_invariant
from bcsim.rtl.formal.tile_gate import TileGateProof
from bcsim.rtl.formal.weight_loader import WeightLoaderProof

pytest.importorskip("pyosys", reason="proofs need Yosys and ABC (the hdl extra)")

REFUTED = r"^Proof failed: an Assert does not hold in every cycle$"


def machine(lanes: int, pes: int, size: int) -> Machine:
    return replace(
        PRESETS["tiny"],
        lanes=lanes,
        pes=pes,
        requantisers=2,
        input_bytes=1,
        weight_stream_bytes=size,
        weight_words=8,
        layers=2,
    )


@pytest.mark.parametrize(("lanes", "pes", "size"), [(4, 4, 1), (8, 8, 4)], ids=["beats", "units"])
def test_the_weight_loader_writes_every_tile_to_its_slot(lanes: int, pes: int, size: int) -> None:
    prove_invariant(WeightLoaderProof(machine(lanes, pes, size)))


class OneSlot(WeightLoaderProof):
    """Claims that every tile's words follow those of the tile before."""

    def _check_writes(self, m, accepted, tile_end, places):
        super()._check_writes(m, accepted, Const(0), places)


class Early(WeightLoaderProof):
    """Claims that a tile has arrived before its last beat."""

    def _walk(self, m, accepted):
        ends, places = super()._walk(m, accepted)
        return ends | {"tile": Mux(places["word"], ends["tile"], ends["word"])}, places


@pytest.mark.parametrize("wrong", [OneSlot, Early])
def test_a_wrong_claim_about_the_weight_loader_is_refuted(wrong: type[WeightLoaderProof]) -> None:
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(wrong(machine(2, 4, 1)))


def test_the_tile_gate_lets_no_step_come_before_its_weights() -> None:
    prove_invariant(TileGateProof())


def test_a_gate_that_nobody_heeds_is_found() -> None:
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(TileGateProof(heeded=False))
