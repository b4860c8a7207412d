# amaranth: UnusedElaboratable=no
"""Sequencer, streams and bus keep their contracts in all cycles, for all programs of a few layers and words."""

from dataclasses import replace

import pytest
from amaranth.hdl import Assert, Const

from bcsim.common.errors import BcsimError
from bcsim.machine.parameters import PRESETS
from bcsim.rtl.formal import axi_lite
from bcsim.rtl.formal.axi_lite import LiteProof
from bcsim.rtl.formal.drain import DrainProof
from bcsim.rtl.formal.drain_writer import WriterProof
from bcsim.rtl.formal.invariant import prove_invariant
from bcsim.rtl.formal.issue import IssueProof
from bcsim.rtl.formal.loader import LoaderProof
from bcsim.rtl.formal.output import OutputProof
from bcsim.rtl.formal.window_walk import WindowProof

pytest.importorskip("pyosys", reason="proofs need Yosys and ABC (the hdl extra)")

REFUTED = r"^Proof failed: an Assert does not hold in every cycle$"


def machine(**parameters):
    return replace(PRESETS["tiny"], input_bytes=1, **parameters)


def test_the_bus_gets_one_stable_response_for_each_request():
    prove_invariant(LiteProof(address_bits=4))


def test_a_wrong_claim_about_the_bus_is_refuted(monkeypatch):
    monkeypatch.setattr(axi_lite, "OKAY", 1)
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(LiteProof(address_bits=4))


@pytest.mark.parametrize(("requantisers", "outputs", "bits"), [(1, 3, 2), (2, 3, 2), (2, 4, 2)])
def test_a_result_leaves_as_its_scores_and_its_class(requantisers, outputs, bits):
    small = machine(lanes=2, pes=2, requantisers=requantisers, outputs=outputs)
    prove_invariant(OutputProof(small, bits=bits))


class Least(OutputProof):
    """Claims the class to be the one with the least score."""

    def _first_greatest(self, scores, classes):
        return super()._first_greatest([~score for score in scores], classes)


def test_a_wrong_claim_about_the_output_is_refuted():
    small = machine(lanes=2, pes=2, requantisers=1, outputs=3)
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(Least(small, bits=2))


@pytest.mark.parametrize(("lanes", "size", "buffers"), [(2, 1, 1), (4, 1, 2), (4, 2, 2)])
def test_the_loader_writes_whole_images_and_counts_no_others(lanes, size, buffers):
    small = replace(
        PRESETS["tiny"],
        lanes=lanes,
        pes=lanes,
        requantisers=2,
        input_bytes=size,
        input_buffers=buffers,
        activation_words=8,
    )
    prove_invariant(LoaderProof(small))


def batches():
    return machine(
        lanes=2, pes=2, requantisers=2, input_buffers=1, activation_words=8, spatial=True, reuse=2, batch=2
    )


def test_the_loader_writes_the_images_of_a_batch_one_behind_the_other():
    prove_invariant(LoaderProof(batches()))


class OnTop(LoaderProof):
    """Claims that all images of a batch begin where its region does."""

    def _batch(self, m, image_end):
        _, complete = super()._batch(m, image_end)
        return Const(0), complete


def test_a_wrong_claim_about_a_batch_is_refuted():
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(OnTop(batches()))


class AlwaysReady(LoaderProof):
    """Claims that an image's first word is accepted where no region is free."""

    def _count_images(self, m, complete):
        _, odd = super()._count_images(m, complete)
        return Const(0), odd


def test_a_wrong_claim_about_the_loader_is_refuted():
    small = machine(lanes=2, pes=2, requantisers=1, input_buffers=1, activation_words=8)
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(AlwaysReady(small))


@pytest.mark.parametrize(
    ("layers", "bits", "words", "buffers"), [(1, 2, 20, 1), (2, 1, 12, 2)], ids=["one-layer", "two-layers"]
)
def test_the_issue_walker_stays_inside_its_tensors_and_its_program(layers, bits, words, buffers):
    small = machine(
        lanes=2,
        pes=2,
        requantisers=1,
        digit=2,
        activation_words=6,
        weight_words=words,
        parameter_words=8,
        layers=layers,
        input_buffers=buffers,
    )
    prove_invariant(IssueProof(small, bits=bits))


class Unread(IssueProof):
    """Claims that nothing reads the memory's last word."""

    def _check(self, m, place, total):
        m.d.comb += Assert(self.walker.activation_address < self.machine.activation_words - 1)


def test_a_wrong_claim_about_the_issue_walker_is_refuted():
    small = machine(lanes=2, pes=2, requantisers=1, activation_words=6, layers=2)
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(Unread(small, bits=1))


WINDOW_LOOPS = [
    ("kernel_rows", "kernel_columns"),
    ("kernel_rows", "rows"),
    ("kernel_columns", "columns"),
    ("window_rows", "rows"),
    ("window_columns", "columns"),
    ("tiles", "chunks", "digits"),
    ("tiles", "chunks", "columns"),
    ("sources", "kernel_columns"),
    ("planes", "kernel_rows"),
]


def window_machine():
    return machine(lanes=2, pes=2, requantisers=1, activation_words=8, spatial=True)


@pytest.mark.parametrize("loops", WINDOW_LOOPS, ids="-".join)
def test_the_window_walk_stays_inside_its_tensors(loops):
    prove_invariant(WindowProof(window_machine(), loops=dict.fromkeys(loops, 1), side=2))


STRIP_LOOPS = [
    ("strip", "chunks", "digits"),
    ("strip", "columns"),
    ("strip", "kernel_columns"),
    ("strip", "window_columns"),
]


@pytest.mark.parametrize("loops", STRIP_LOOPS, ids="-".join)
def test_the_window_walk_through_strips_stays_inside_its_tensors(loops):
    strips = replace(window_machine(), reuse=2)
    prove_invariant(WindowProof(strips, loops=dict.fromkeys(loops, 1), side=2))


class NoOtherPosition(WindowProof):
    """Claims that all positions of a strip read what the first one does."""

    def _place(self, layer, counts, words):
        return super()._place(layer, counts | {"strip": Const(0)}, words)


def test_a_wrong_claim_about_strips_is_refuted():
    strips = replace(window_machine(), reuse=2)
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(NoOtherPosition(strips, loops={"strip": 1, "columns": 1}, side=2))


class NoPadding(WindowProof):
    """Claims that no step lies outside of the tensor."""

    def _check(self, m, walk, layer, place, source):
        m.d.comb += Assert(~walk.pad)


class NoOtherColumn(WindowProof):
    """Claims that every step reads the tensor's first column."""

    def _place(self, layer, counts, words):
        return replace(super()._place(layer, counts, words), column=Const(0))


@pytest.mark.parametrize("wrong", [NoPadding, NoOtherColumn])
def test_a_wrong_claim_about_the_window_walk_is_refuted(wrong):
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(wrong(window_machine(), loops={"kernel_columns": 1}, side=2))


def drain_machine(pes, layers, **parameters):
    """Values of up to two digits; two groups of lanes."""
    return machine(
        lanes=2,
        pes=pes,
        requantisers=1,
        digit=1,
        activation_bits=2,
        activation_words=6,
        parameter_words=8,
        layers=layers,
        **parameters,
    )


@pytest.mark.parametrize(
    ("pes", "layers", "search"),
    [(2, 1, False), (1, 1, True), (1, 2, False)],
    ids=["one-layer", "one-layer-searched", "two-layers"],
)
def test_the_drain_walker_stays_inside_its_tensors(pes, layers, search):
    prove_invariant(DrainProof(drain_machine(pes, layers), search=search))


@pytest.mark.parametrize(
    ("pes", "layers", "search"), [(1, 1, False), (1, 1, True)], ids=["divided", "searched"]
)
def test_the_drain_walker_of_convolutions_stays_inside_its_tensors(pes, layers, search):
    prove_invariant(DrainProof(drain_machine(pes, layers, spatial=True), search=search))


class Early(DrainProof):
    """Claims that a layer's last round needs no word."""

    def _words(self, layer):
        return super()._words(layer) - 1


def test_a_wrong_claim_about_the_drain_walker_is_refuted():
    with pytest.raises(BcsimError, match=REFUTED):
        prove_invariant(Early(drain_machine(2, 1), search=False))


def test_the_drain_writer_writes_each_digit_to_its_word():
    prove_invariant(WriterProof(drain_machine(2, 1)))
