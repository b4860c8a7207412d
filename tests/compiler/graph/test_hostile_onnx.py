"""ONNX files that no exporter writes: one sentence each, at once and in little memory."""

import time
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from bcsim import api
from bcsim.common.errors import BcsimError
from bcsim.execution.input_text import reading_from_text
from tests.compiler.build import model, node, refusal, save, tensors

ADD = node("Add", "x c", "y")


def stored(**fields: object) -> ModelProto:
    return model([ADD], [TensorProto(name="c", data_type=TensorProto.FLOAT, **fields)])


def test_segments_and_axes_without_end(tmp_path: Path) -> None:
    segment = TensorProto.Segment(begin=0, end=1)
    assert refusal(stored(dims=[1], raw_data=b"1234", segment=segment), tmp_path) == (
        "Node 'n_y' (Add): Tensor 'c' is stored in segments; accepted are whole tensors"
    )
    assert refusal(stored(dims=[1] * 71, raw_data=b"1234"), tmp_path) == (
        "Node 'n_y' (Add): Tensor 'c' has 71 axes; accepted are up to 32"
    )


@pytest.mark.parametrize(
    ("place", "field"),
    [(b"n_y", "NodeProto.name"), (b"Add", "NodeProto.op_type"), (b"built", "GraphProto.name")],
)
@pytest.mark.parametrize("wrong", [b"\xff", b"\xed\xa0\x80"], ids=["no UTF-8", "half a surrogate pair"])
def test_names_that_are_no_text(place: bytes, field: str, wrong: bytes, tmp_path: Path) -> None:
    raw = model([node("Add", "x c", "y")], tensors(c=1.0)).SerializeToString()
    start = raw.index(place)
    end = start + len(place)
    path = tmp_path / "model.onnx"
    path.write_bytes(raw[: end - len(wrong)] + wrong + raw[end:])
    with pytest.raises(BcsimError, match=rf"^File .* has a {field} that is not UTF-8$"):
        api.load(path)


def test_an_undecided_size_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    one = np.ones((1, 1, 1, 1))
    built = model([node("Conv", "x w", "y", pads=[4000] * 4)], tensors(w=one), shape=(1, 4, 4))
    start = time.monotonic()
    assert "accepted are up to" in refusal(built, tmp_path)
    wide = model(
        [node("Conv", "x w", "c", pads=[1000] * 4), node("Flatten", "c", "y")],
        tensors(w=np.ones((1, 1, 900, 900))),
        shape=(1, 4, 4),
    )
    assert "values in the windows of one image; accepted are up to 268435456" in refusal(wide, tmp_path)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "text", ["1e999999999", "-1e-999999999", "1e400", "1/1" + "0" * 100, "1_0", "١", "nan", "inf", "1e31"]
)
def test_scales_in_metadata_end_at_once(text: str, tmp_path: Path) -> None:
    made = model([node("MatMul", "x w", "y")], tensors(w=np.ones((4, 2))))
    helper.set_model_props(made, {"bcsim.input_scale": text, "bcsim.dataset": "digits"})
    start = time.monotonic()
    with pytest.raises(BcsimError, match=r"must be "):
        api.compile(api.load(save(made, tmp_path)))
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("text", ["0.5,1e30", "1/255,-1", "1e-30,0", " 2 , -.5 "])
def test_numbers_as_people_write_them_are_read(text: str) -> None:
    assert reading_from_text(text, 8, 255)


def test_a_program_whose_scales_no_float_holds(tmp_path: Path) -> None:
    from bcsim.compiler.program.onnx_format import load_program, save_program

    path = tmp_path / "program.onnx"
    save_program(api.compile(api.load("digits")), path)
    program = ModelProto.FromString(path.read_bytes())
    for attribute in program.graph.node[-1].attribute:
        if attribute.name == "target_scale":
            attribute.s = b"1" + b"0" * 400
    path.write_bytes(program.SerializeToString())
    with pytest.raises(BcsimError, match=r"target_scale and target_offset: Values in steps of 2\*\*13"):
        load_program(path)


@pytest.mark.parametrize("values", [[1e20, -1e20], [1e300, -1e300], [1e-300, -1e-300], [5e-324, 0.0]])
def test_constants_of_any_magnitude(values: list[float], tmp_path: Path) -> None:
    """Compiled or refused; and where compiled, what comes out can be shown."""
    arrays = {"w": np.ones((4, 2)), "c": np.array(values)}
    built = model([node("MatMul", "x w", "m"), node("Mul", "m c", "y")], ())
    for name, array in arrays.items():
        built.graph.initializer.append(
            helper.make_tensor(name, TensorProto.DOUBLE, array.shape, array.ravel())
        )
    try:
        program = api.compile(api.load(save(built, tmp_path)), input="raw")
    except BcsimError:
        return
    assert np.isfinite(program.layers[-1].target.decode(np.array([0, 65535]))).all()
