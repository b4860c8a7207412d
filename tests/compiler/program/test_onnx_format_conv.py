"""Stored convolutional programs: an equal round trip, and one sentence for every damaged file."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from bcsim.common.errors import BcsimError
from bcsim.common.version import __version__
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.geometry import Pool
from bcsim.compiler.program.layers import ConvLayer, Program
from bcsim.compiler.program.onnx_format import load_program, save_program
from bcsim.compiler.program.text import program_text
from tests.compiler.nets import PIXEL, Net
from tests.compiler.program.test_onnx_format import same

OLD = Path(__file__).with_name("stored-0.1.0.onnx")
TEXT = """\
program net: 2x6x6 -> 3 classes
input u3 (0.25, -0.5) as it is -> u3 (0.25, -0.5)
0 conv conv0 of input: 6x6x2 x u3 (0.25, -0.5) -> 3x3x4 x u2 (1, 0), kernel 3x3, pads 1,1,1,1 of 2, \
pool 2x2 stride 2x2 (2 by the minimum), planes 0, accumulator -63..77, search, exact, DIGEST
1 conv conv4 of conv0: 3x3x4 x u2 (1, 0) -> 3x3x4 x u2 (1, 0), kernel 1x1, groups 2, planes 0, \
accumulator -3..6, divide F=1, exact, DIGEST
2 conv add6 of conv0, conv4: 3x3x4+4 x u2 (1, 0) -> 3x3x4 x u3 (1, 0), kernel 1x1, groups 4, planes 0, \
accumulator 0..6, divide F=0, exact, DIGEST
3 conv dense8 of add6: 3x3x4 x u3 (1, 0) -> 1x1x3 x u16 (1, -126), kernel 3x3, planes 0, \
accumulator -126..154, divide F=0, exact, DIGEST
"""


def make_conv_program() -> Program:
    """A convolution pooled partly by the minimum, one in groups, an addition, and a dense end."""
    net = Net(np.random.default_rng(3), (2, 6, 6))
    t = net.max_pool(net.conv("x", 4, pads=(1, 1, 1, 1)))
    t = net.quant(net.affine(t, [-1.0, 1.0, -1.0, 1.0]), 1.0, 0, 3)
    branch = net.quant(net.conv(t, 4, (1, 1), groups=2), 1.0, 0, 3)
    return lower(net.end(net.add(t, branch)), pixel=PIXEL)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "program.onnx"
    save_program(make_conv_program(), path)
    return path


def test_round_trip_is_equal(stored: Path) -> None:
    assert same(load_program(stored), make_conv_program())


def test_round_trip_of_another_order_of_the_input(tmp_path: Path) -> None:
    program = make_conv_program()
    order = np.arange(72)[::-1].copy()
    program = replace(program, input=replace(program.input, order=order))
    save_program(program, tmp_path / "p.onnx")
    assert same(load_program(tmp_path / "p.onnx"), program)


def test_a_file_of_the_version_before_loads_as_it_was() -> None:
    """Written by 0.1.0, before tensors had shapes and poolings two attributes; its text stands beside it."""
    text = OLD.with_suffix(".txt").read_text(encoding="utf-8")
    assert program_text(load_program(OLD)) == text
    assert not onnx.load(OLD).graph.value_info


def test_every_tensor_and_node_says_what_it_is(stored: Path) -> None:
    model = onnx.load(stored)
    graph = model.graph
    values = {value.name: value for value in [*graph.input, *graph.value_info, *graph.output]}
    assert set(values) == {"image", "q0", "q1", "q2", "q3", "q4"}
    sizes = {
        name: [size.dim_value or size.dim_param for size in value.type.tensor_type.shape.dim]
        for name, value in values.items()
    }
    assert sizes["image"] == ["images", 2, 6, 6]
    assert sizes["q0"] == ["images", 6, 6, 2]
    assert sizes["q1"] == sizes["q2"] == sizes["q3"] == ["images", 3, 3, 4]
    assert sizes["q4"] == ["images", 3]
    kinds = [values[f"q{index}"].type.tensor_type.elem_type for index in range(5)]
    assert kinds == [onnx.TensorProto.UINT8] * 4 + [onnx.TensorProto.UINT16]
    assert all(value.doc_string for value in values.values())
    assert values["q1"].doc_string == "q of 2 bits, x = 1 * q + 0"
    assert all(tensor.doc_string for tensor in graph.initializer)
    assert graph.node[1].doc_string.startswith("conv conv0 of input: 6x6x2 x u3")
    assert (model.producer_name, model.producer_version) == ("bcsim", __version__)


def test_the_file_is_a_valid_model(stored: Path) -> None:
    model = onnx.load(stored)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Encode", "Conv", "Conv", "Conv", "Conv"]
    assert list(model.graph.node[3].input[:2]) == ["q1", "q2"]


def test_text_of_a_program() -> None:
    text = program_text(make_conv_program())
    assert re.sub(r"[0-9a-f]{12}$", "DIGEST", text, flags=re.MULTILINE) == TEXT


def _set(node: int, name: str, value: object) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        (found,) = [a for a in model.graph.node[node].attribute if a.name == name]
        found.CopyFrom(helper.make_attribute(name, value))

    return change


def _drop(node: int, name: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        (found,) = [a for a in model.graph.node[node].attribute if a.name == name]
        model.graph.node[node].attribute.remove(found)

    return change


def _reads(node: int, index: int, name: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        model.graph.node[node].input[index] = name

    return change


def _short_minimum(model: ModelProto) -> None:
    (found,) = [t for t in model.graph.initializer if t.name == "layer0.minimum"]
    found.CopyFrom(numpy_helper.from_array(np.zeros(3, np.uint8), "layer0.minimum"))


def _same_names(model: ModelProto) -> None:
    model.graph.node[2].name = "conv0"


def _no_channels(model: ModelProto) -> None:
    (found,) = [a for a in model.graph.node[1].attribute if a.name == "channels"]
    del found.ints[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_no_channels, "node 'conv0' has no channels; it needs a number for each layer it reads"),
        (_set(1, "kernel", [3]), "node 'conv0' has 1 integers in 'kernel'; it needs 2"),
        (_set(1, "pads", [1, 1]), "node 'conv0' has 2 integers in 'pads'; it needs 4"),
        (_set(1, "stride", [0, 1]), "node 'conv0' has stride 0; accepted are 1 to 1048576"),
        (_set(1, "pool_stride", [0, 1]), "node 'conv0' has pool_stride 0; accepted are 1 to 1048576"),
        (_set(1, "pool_kernel", [2]), "node 'conv0' has 1 integers in 'pool_kernel'; it needs 2"),
        (_drop(1, "pool_stride"), "node 'conv0' needs the attribute 'pool_stride', a list of integers"),
        (
            _set(1, "pad_level", 8),
            "Layer 'conv0' pads by [1, 1, 1, 1] with level 8; accepted are pads from 0 and levels from 0 to 7",
        ),
        (
            _set(2, "groups", 3),
            "Layer 'conv4' has 3 groups; they must divide its channels and its 4 outputs",
        ),
        (_set(2, "groups", 4), "Layer 'conv4' has 2 inputs, but its windows have 1"),
        (_set(1, "pool_kernel", [7, 7]), "Layer 'conv0' has no whole window in its sources"),
        (
            _set(1, "pads", [1 << 20] * 4),
            "Layer 'conv0' reads or computes more than 33554432 values for one image",
        ),
        (
            _set(1, "height", 36),
            "The program's input has the shape (2, 6, 6), which is not the 432 inputs of its first layer",
        ),
        (
            _set(2, "width", 4),
            "Layer 'conv4' takes 3x4x4 values of 2 bits, but 'conv0' gives 3x3x4 of 2 bits, or means other values",
        ),
        (
            _set(3, "channels", [4, 4, 4]),
            "Layer 'add6' has 2 inputs, but its windows have 3",
        ),
        (
            _set(3, "channels", [8]),
            "Layer 'add6' reads 2 layers and states the channels of 1; both must be the same, at least 1",
        ),
        (_reads(3, 1, "q4"), "node 'add6' has no stored tensor as its input 1"),
        (
            _reads(3, 1, "q0"),
            "Layer 'add6' takes 3x3x4 values of 2 bits, but 'the input' gives 6x6x2 of 3 bits, or means other values",
        ),
        (
            _short_minimum,
            "Layer 'conv0' takes the minimum of 3 channels; only a layer with pooling can, with an entry for "
            "each of its 4 outputs",
        ),
        (_same_names, "The program has 2 layers named 'conv0'; each needs a name of its own"),
    ],
)
def test_damaged_programs(stored: Path, change: Callable[[ModelProto], None], message: str) -> None:
    model = onnx.load(stored)
    change(model)
    stored.write_bytes(model.SerializeToString())
    with pytest.raises(BcsimError, match=f"^{re.escape(f'Program file {str(stored)!r}: {message}')}$"):
        load_program(stored)


def _conv(index: int, **changes: object) -> Program:
    program = make_conv_program()
    layer = program.layers[index]
    assert isinstance(layer, ConvLayer)
    windows = {name: changes.pop(name) for name in list(changes) if hasattr(layer.windows, name)}
    changed = replace(layer, windows=replace(layer.windows, **windows), **changes)  # type: ignore[arg-type]
    return replace(program, layers=(*program.layers[:index], changed, *program.layers[index + 1 :]))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (_conv(3, sources=("later",)), "Layer 'dense8' reads 'later', which is not a layer before it"),
        (_conv(1, stride=(0, 1)), "Layer 'conv4' has channels, a kernel, a stride or groups below 1"),
        (_conv(0, pool=Pool((2, 2), (0, 2))), "Layer 'conv0' has a pooling kernel or stride below 1"),
        (
            replace(
                make_conv_program(), input=replace(make_conv_program().input, order=np.zeros(72, np.int64))
            ),
            "The program's input order must hold every integer from 0 to 71 once",
        ),
    ],
)
def test_refusals_of_programs_in_memory(program: Program, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        check_program(program)
