"""Real-valued first or last layers, rounded after training on request."""

import numpy as np
import pytest

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.data import Dataset
from tests.compiler.build import model, node, save, tensors
from tests.dialects.check import pixels, runtime, signs

RNG = np.random.default_rng(73)
IMAGES = pixels(RNG, 200, (3, 8, 8))
REAL = RNG.normal(size=(6, 3, 3, 3))
NETWORK = [
    node("Conv", "x k", "a"),
    node("Sign", "a", "b"),
    node("Conv", "b w", "c"),
    node("Sign", "c", "d"),
    node("Flatten", "d", "f"),
    node("MatMul", "f v", "y"),
]
ARRAYS = {"k": REAL, "w": signs(RNG, 5, 6, 3, 3), "v": RNG.normal(size=(80, 3))}


def built():
    return model(NETWORK, tensors(**ARRAYS), (3, 8, 8))


def test_they_are_refused_by_default(tmp_path):
    with pytest.raises(BcsimError) as caught:
        bcsim.load(save(built(), tmp_path))
    assert str(caught.value).startswith("Node 'n_a' (Conv): weight tensor 'k' has 162 distinct values (")
    assert str(caught.value).endswith("times a scale, and real ones that --weight-bits rounds")


@pytest.mark.parametrize(("bits", "least"), [(8, 0.95), (6, 0.85)])
def test_rounded_for_each_output(bits, least, tmp_path):
    loaded = bcsim.load(save(built(), tmp_path), weight_bits=bits)
    top = (1 << (bits - 1)) - 1
    kernels = loaded.graph.nodes[0].weights
    scale = np.abs(REAL.astype(np.float32)).reshape(6, -1).max(axis=1) / top
    np.testing.assert_array_equal(kernels, np.rint(REAL.astype(np.float32) / scale[:, None, None, None]))
    scores = runtime(built(), IMAGES.astype(np.float64))
    data = Dataset("built", IMAGES.reshape(200, -1), scores.argmax(axis=1), 8, 255)
    program = bcsim.compile(loaded, calibration=data, input="raw")
    result = bcsim.simulate(program, data, reference=loaded)
    assert [layer.exact for layer in program.layers] == [False, True, False]
    assert result.agreement == result.accuracy_program >= least
    bcsim.simulate(program, data, level="machine", images=2)


def test_a_note_tells_the_cost(tmp_path):
    loaded = bcsim.load(save(built(), tmp_path), weight_bits=8)
    error = (loaded.graph.nodes[0].weights * loaded.graph.nodes[0].scale[:, None, None, None]) - REAL
    decibels = 10 * np.log10(np.sum(REAL**2) / np.sum(error**2))
    program = bcsim.compile(loaded, calibration=Dataset("built", IMAGES, None, 8, 255))
    planes = len(program.layers[0].planes)
    assert (
        f"Node 'n_a' (Conv): the real weights of 'k' are rounded to 8 bits for each output, which leaves a "
        f"signal-to-noise ratio of {decibels:.1f} dB; their {planes} planes take {planes} times the steps of one-bit "
        "weights"
    ) in program.notes
    assert len([note for note in program.notes if "real weights" in note]) == 2


@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths(bits, tmp_path):
    with pytest.raises(BcsimError) as caught:
        bcsim.load(save(built(), tmp_path), weight_bits=bits)
    assert str(caught.value) == f"Weight bits must be from 2 to 8, not {bits}"


def test_few_valued_weights_stay_as_they_are(tmp_path):
    nodes = [node("MatMul", "x w", "y")]
    path = save(model(nodes, tensors(w=signs(RNG, 4, 3))), tmp_path)
    assert not bcsim.load(path, weight_bits=8).graph.nodes[0].rounded
