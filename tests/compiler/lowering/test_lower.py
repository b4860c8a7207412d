"""Lowering: every accumulator's level equals exact evaluation of the float chain; ranges, bits, notes and refusals."""

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import compress, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Dense, Graph, Node
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.layers import DenseLayer, Divide, Encoding, Program, Search
from tests.compiler.exact import (
    affine,
    batch_norm,
    bipolar,
    chain_graph,
    clip,
    dense,
    exact_outputs,
    multi_threshold,
    quant,
    relu,
    sign,
)

PIXEL = Encoding(2, Fraction(1, 2), Fraction(-1, 4))
ROUNDINGS = ["ROUND", "CEIL", "FLOOR", "ROUND_TO_ZERO", "HALF_UP"]


def decoded(layer: DenseLayer, q: np.ndarray) -> list[Fraction]:
    return [layer.target.scale * int(value) + layer.target.offset for value in q]


def hidden(program: Program, levels: Sequence[int]) -> list[np.ndarray]:
    """The q of every layer for one image of pixel levels, by plain integer arithmetic."""
    q = program.input.encode_levels(np.array(levels))
    values = []
    for layer in program.layers:
        accumulator = layer.weights().astype(np.int64) @ q.astype(np.int64)
        assert (accumulator >= layer.low).all()
        assert (accumulator <= layer.high).all()
        q = layer.requantiser.apply(accumulator)
        values.append(q)
    return values


def check_first_layer(nodes: list[Node], inputs: int, **options: object) -> Program:
    """Lower nodes and a final linear layer; hold the first layer to the exact chain for every possible image."""
    outputs = next(len(node.weights) for node in reversed(nodes) if isinstance(node, Dense))
    program = lower(chain_graph([*nodes, dense([[1] * outputs])], inputs), pixel=PIXEL, **options)
    first = program.layers[0]
    assert first.exact
    for levels in product(range(PIXEL.levels), repeat=inputs):
        real = [PIXEL.scale * level + PIXEL.offset for level in levels]
        assert decoded(first, hidden(program, levels)[0]) == exact_outputs(nodes, real), levels
    return program


dyadic = st.integers(-24, 24).map(lambda n: n / 8)
positive = st.integers(1, 24).map(lambda n: n / 8)


@st.composite
def quantisers(draw: st.DrawFn, outputs: int) -> list[Node]:
    kind = draw(st.sampled_from(["bipolar", "sign", "quant", "multi"]))
    if kind == "bipolar":
        return [bipolar(draw(positive))]
    if kind == "sign":
        return [sign()]
    if kind == "quant":
        low = draw(st.integers(-5, 0))
        high = low + draw(st.integers(1, 8))
        return [
            quant(
                draw(positive),
                low,
                high,
                draw(st.sampled_from(ROUNDINGS)),
                draw(st.sampled_from([0.0, 0.5, 2.0])),
            )
        ]
    rows = draw(st.integers(1, 1) if outputs == 1 else st.sampled_from([1, outputs]))
    count = draw(st.integers(1, 4))
    bounds = [sorted(draw(st.lists(dyadic, min_size=count, max_size=count))) for _ in range(rows)]
    return [multi_threshold(bounds, draw(st.sampled_from([1.0, 0.5, -2.0])), draw(dyadic))]


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[Node], int]:
    inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    weights = st.sampled_from(draw(st.sampled_from([(-1, 1), (-1, 0, 1), (-3, -1, 1, 2)])))
    matrix = [[draw(weights) for _ in range(inputs)] for _ in range(outputs)]
    each = st.lists(dyadic, min_size=outputs, max_size=outputs)
    spread = st.lists(positive, min_size=outputs, max_size=outputs)
    nodes: list[Node] = [dense(matrix, draw(spread))]
    for kind in draw(st.lists(st.sampled_from(["affine", "norm", "relu", "clip"]), max_size=3)):
        if kind == "affine":
            nodes.append(affine(draw(each), draw(each)))
        elif kind == "norm":
            nodes.append(batch_norm(draw(each), draw(each), draw(each), draw(spread)))
        elif kind == "relu":
            nodes.append(relu())
        else:
            nodes.append(clip(-draw(positive), draw(positive)))
    return [*nodes, *draw(quantisers(outputs))], inputs


@settings(max_examples=100, deadline=None)
@given(chains())
def test_every_image_gives_the_levels_of_the_exact_float_chain(chain: tuple[list[Node], int]) -> None:
    check_first_layer(*chain)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(ROUNDINGS), st.integers(2, 8))
def test_every_accumulator_of_a_wide_layer(seed: int, rounding: str, bits: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, outputs = 40, 3
    weights = rng.choice([-1, 1], (outputs, inputs))
    signed = -(2 ** (bits - 1)) if rng.random() < 0.5 else 0
    nodes = [
        batch_norm(
            rng.normal(0, 1, outputs),
            rng.normal(0, 1, outputs),
            rng.normal(0, 5, outputs),
            rng.uniform(1, 90, outputs),
        ),
        quant(float(rng.uniform(0.005, 0.2)), signed, signed + 2**bits - 1, rounding),
    ]
    program = lower(chain_graph([dense(weights), *nodes, dense([[1] * outputs])], inputs), pixel=PIXEL)
    first = program.layers[0]
    # A row of the program's weights is the network's own or, for a negative gain, its negative.
    signs = [1 if (row == own).all() else -1 for row, own in zip(first.weights(), weights, strict=True)]
    top = first.source.levels - 1
    lowest, highest = (part(first.weights(), 0).sum(axis=1) * top for part in (np.minimum, np.maximum))
    for accumulator in range(first.low, first.high + 1):
        q = first.requantiser.apply(np.full(outputs, accumulator))
        real = [
            PIXEL.scale * s * accumulator + PIXEL.offset * int(row.sum())
            for s, row in zip(signs, weights, strict=True)
        ]
        # Beyond an output's own reach its levels may have been left out.
        reached = [low <= accumulator <= high for low, high in zip(lowest, highest, strict=True)]
        found, expected = decoded(first, q), exact_outputs(nodes, real)
        assert list(compress(found, reached)) == list(compress(expected, reached))


def test_a_quantiser_before_other_operations_keeps_its_levels() -> None:
    nodes = [dense([[1, -1], [1, 1]]), quant(0.25, -3, 3), affine(-2.0, 0.5), relu(), dense([[1, -1]])]
    program = check_first_layer(nodes[:4], 2)
    assert program.layers[0].target == Encoding(3, Fraction(1, 2), Fraction(0))


def test_sign_is_bipolar_where_no_accumulator_gives_zero() -> None:
    program = check_first_layer([dense([[1, 1, -1]]), sign()], 3)
    assert program.layers[0].target == Encoding(1, Fraction(2), Fraction(-1))


def test_sign_keeps_zero_where_an_accumulator_gives_it() -> None:
    program = check_first_layer([dense([[1, -1]]), sign()], 2)
    assert program.layers[0].target == Encoding(2, Fraction(1), Fraction(-1))


def test_sign_of_ternary_weights_uses_that_their_accumulators_are_even() -> None:
    program = check_first_layer([dense([[1, 1, 0], [0, 1, 1]]), affine(1.0, 0.25), sign()], 3)
    assert [plane.shift for plane in program.layers[0].planes] == [0, 0]
    assert program.layers[0].target.bits == 1


def test_a_falling_output_has_its_weights_negated() -> None:
    program = check_first_layer([dense([[1, 1, -1], [1, 1, -1]]), affine([-2.0, 3.0]), bipolar()], 3)
    assert program.layers[0].weights().tolist() == [[-1, -1, 1], [1, 1, -1]]


@pytest.mark.parametrize(("constant", "level"), [(-9.0, 0), (0.75, 3), (9.0, 7)])
def test_a_gain_of_zero_is_a_constant(constant: float, level: int) -> None:
    program = check_first_layer([dense([[1, 1]]), affine(0.0, constant), quant(0.25, 0, 7)], 2)
    assert hidden(program, (1, 2))[0].tolist() == [level]


def test_half_to_even_ties_on_integers_need_a_table() -> None:
    pixel = Encoding(4, Fraction(1), Fraction(0))
    graph = chain_graph([dense([[1]]), quant(2.0, 0, 7), dense([[1]])], 1)
    layer = lower(graph, pixel=pixel).layers[0]
    assert isinstance(layer.requantiser, Search)
    assert layer.requantiser.thresholds.tolist() == [[2, 3, 6, 7, 10, 11, 14]]


def test_a_large_table_is_noted() -> None:
    bounds = [float(k * k) for k in range(31)]
    graph = chain_graph([dense([[1] * 400]), multi_threshold([bounds]), dense([[1]])], 400)
    program = lower(graph, pixel=Encoding(8, Fraction(1), Fraction(0)))
    assert isinstance(program.layers[0].requantiser, Search)
    assert program.notes == (
        "Layer 'dense': its 5-bit steps are uneven, so each output keeps a table of 31 thresholds",
    )


def relu_net(gain: object = 1.0) -> Graph:
    rng = np.random.default_rng(3)
    first, second = rng.choice([-1, 1], (5, 6)), rng.choice([-1, 1], (3, 5))
    return chain_graph([dense(first), affine(gain, 0.25), relu(), dense(second)], 6, notes=("read so",))


def images() -> np.ndarray:
    return PIXEL.decode(np.random.default_rng(4).integers(0, 4, (200, 6)))


@pytest.mark.parametrize("method", ["percentile", "mse", "max"])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_relu_is_rounded_to_the_nearest_level_of_its_range(method: str, bits: int) -> None:
    graph = relu_net(0.3)
    program = lower(graph, pixel=PIXEL, bits=[bits], calibration=images(), range_method=method)  # type: ignore[arg-type]
    layer = program.layers[0]
    assert (layer.exact, program.exact, layer.target.bits, layer.target.offset) == (False, False, bits, 0)
    for levels in np.random.default_rng(5).integers(0, 4, (50, 6)):
        real = [PIXEL.scale * int(level) + PIXEL.offset for level in levels]
        expected = [
            min((value / layer.target.scale + Fraction(1, 2)).__floor__(), 2**bits - 1)
            for value in exact_outputs(graph.nodes[:3], real)
        ]
        assert hidden(program, levels.tolist())[0].tolist() == expected


def test_a_linear_tensor_gets_an_offset_and_a_level_at_zero() -> None:
    graph = chain_graph([dense([[1, -1], [1, 1]]), dense([[1, -1]])], 2)
    target = lower(graph, pixel=PIXEL, calibration=PIXEL.decode(np.array([[0, 3], [3, 3]]))).layers[0].target
    assert target.bits == 8
    assert (target.offset / target.scale).denominator == 1
    assert float(target.offset) == pytest.approx(-1.5, abs=0.01)
    assert float(target.scale * 255 + target.offset) == pytest.approx(2.5, abs=0.02)


def rounded(tensors: str) -> str:
    return f"The network does not quantise these tensors, so they are rounded: {tensors}"


def test_notes_metadata_and_shape_go_with_the_program() -> None:
    program = lower(relu_net(), pixel=PIXEL, calibration=images())
    assert (program.name, program.input_shape, program.notes) == (
        "chain",
        (6,),
        ("read so", rounded("'t2' (8 bits)")),
    )
    assert [layer.float_output for layer in program.layers] == ["t2", "t3"]


def test_every_threshold_is_checked() -> None:
    graph = chain_graph([dense([[1, -1]] * 3), quant(0.25, 0, 7), dense([[1, 1, -1]])], 2)
    metadata = lower(graph, pixel=PIXEL).metadata
    assert metadata == {"bcsim.checked_thresholds": str(3 * 7 + 65535), "bcsim.score_error": "0.0"}


@pytest.mark.parametrize(("bits", "notes"), [(4, 0), (6, 1)])
def test_rounding_that_is_uneven_from_a_floor_on_needs_a_table(bits: int, notes: int) -> None:
    floors = [0.0, 3.0, -5.0]
    graph = chain_graph([dense([[1, -1]] * 3), relu(), affine([2.0, 0.7, 1.3], floors), dense([[1] * 3])], 2)
    calibration = PIXEL.decode(np.random.default_rng(6).integers(0, 4, (30, 2)))
    program = lower(graph, pixel=PIXEL, bits=[bits], calibration=calibration)
    assert isinstance(program.layers[0].requantiser, Search)
    assert not program.layers[0].exact
    assert program.notes[0] == rounded(f"'t2' ({bits} bits)")
    assert len(program.notes) == 1 + notes


def test_scores_without_an_exact_division_are_within_the_stated_distance() -> None:
    rng = np.random.default_rng(8)
    weights = rng.choice([-1, 1], (10, 600))
    nodes: list[Node] = [dense(weights), affine(rng.uniform(0.5, 2, 10), rng.normal(0, 99, 10))]
    program = lower(chain_graph(nodes, 600), pixel=Encoding(8, Fraction(1), Fraction(0)))
    pattern = (
        r"Layer 'dense': \d+ of 655350 levels of its float values begin up to 0\.\d+ accumulator steps beside "
        r"nearest-level rounding, as 16 fraction bits allow"
    )
    layer = program.layers[0]
    step, *rest = program.notes
    assert step == (
        f"The scores are rounded to steps of {float(layer.target.scale):.4g}, 16 bits for all that any input could "
        "give: calibration images (--calibrate) make the steps finer"
    )
    assert [re.fullmatch(pattern, note) is not None for note in rest] == [True]
    for _ in range(5):
        levels = rng.integers(0, 256, 600).tolist()
        expected = [float(value) for value in exact_outputs(nodes, levels)]
        found = layer.target.decode(hidden(program, levels)[0])
        assert np.abs(found - expected).max() <= float(layer.target.scale) / 2 + 2


def test_bits_of_each_linear_layers_input() -> None:
    nodes = [dense([[1, -1]] * 3), relu(), dense([[1, 1, -1]] * 2), relu(), dense([[1, -1]])]
    calibration = PIXEL.decode(np.random.default_rng(6).integers(0, 4, (30, 2)))
    for bits, expected in (
        [None, (2, 8, 8)],
        [[5], (2, 5, 5)],
        [[2, 4, 3], (2, 4, 3)],
        [[1, 4, 3], (1, 4, 3)],
    ):
        program = lower(chain_graph(nodes, 2), pixel=PIXEL, bits=bits, calibration=calibration)
        assert tuple(layer.source.bits for layer in program.layers) == expected
        assert program.layers[-1].target.bits == 16


def test_an_exact_hidden_layer_has_an_exact_division_or_a_table() -> None:
    program = check_first_layer([dense([[1, 1, 1]]), quant(0.375, 0, 15)], 3)
    assert isinstance(program.layers[0].requantiser, Divide)


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (
            relu_net(),
            {},
            "Tensor 't2' is not quantised by the network: its range needs calibration images (--calibrate)",
        ),
        (
            relu_net(),
            {"bits": [8, 4, 4]},
            "--bits must have 1 entry or 2, one for the input of each linear layer, not 3",
        ),
        (relu_net(), {"bits": [0]}, "Each entry of --bits must be an integer from 1 to 8, not 0"),
        (relu_net(), {"bits": [9]}, "Each entry of --bits must be an integer from 1 to 8, not 9"),
        (relu_net(), {"bits": [True]}, "Each entry of --bits must be an integer from 1 to 8, not True"),
        (relu_net(), {"bits": [8, 4]}, "The input has 2 bits; --bits must give at most 2 for it, not 8"),
        (
            chain_graph([dense([[1, 1]]), bipolar(), dense([[1]])], 2),
            {"bits": [4]},
            "Tensor 't1' is quantised to 1 bits by the network; --bits must give 1 for it, not 4",
        ),
        (
            relu_net(),
            {"range_method": "best"},
            "Range method must be one of percentile, mse and max, not 'best'",
        ),
        (relu_net(), {"percentile": 50}, "Percentile must be above 50 and at most 100, not 50"),
        (relu_net(), {"percentile": 100.5}, "Percentile must be above 50 and at most 100, not 100.5"),
    ],
)
def test_refusals(graph: Graph, options: dict[str, object], message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        lower(graph, pixel=PIXEL, **options)  # type: ignore[arg-type]
