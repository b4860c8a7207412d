import re

import numpy as np
import pytest
from onnx import StringStringEntryProto, TensorProto, helper, numpy_helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph import onnx_file
from bcsim.compiler.graph.onnx_file import read_model, tensor_array
from tests.compiler.build import model, node, save


@pytest.fixture
def path(tmp_path):
    return save(model([node("Relu", "x", "y")]), tmp_path)


def message(call, *arguments):
    with pytest.raises(BcsimError) as caught:
        call(*arguments)
    return str(caught.value)


def test_reads_a_model(path):
    assert [n.op_type for n in read_model(str(path)).model.graph.node] == ["Relu"]
    assert read_model(path).folder == path.parent


def test_truncated(path):
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        assert message(read_model, path).startswith(f"File {str(path)!r} is not an ONNX model")
    path.write_bytes(whole[: len(whole) // 2])
    assert message(read_model, path) == f"File {str(path)!r} is not an ONNX model, or it is truncated"


def test_other_content(path):
    path.write_text("# a note")
    assert message(read_model, path) == f"File {str(path)!r} is not an ONNX model, or it is truncated"


def test_a_message_without_a_graph(path):
    path.write_bytes(helper.make_model(helper.make_graph([], "", [], [])).SerializeToString())
    assert (
        message(read_model, path)
        == f"File {str(path)!r} is not an ONNX model: it holds no graph with an output"
    )


def test_empty(path):
    path.write_bytes(b"")
    assert message(read_model, path) == f"File {str(path)!r} is empty; expected an ONNX model"


def test_missing(tmp_path):
    path = tmp_path / "none.onnx"
    assert message(read_model, path) == f"File {str(path)!r} cannot be read: No such file or directory"


def test_folder(tmp_path):
    assert message(read_model, tmp_path) == f"{str(tmp_path)!r} is not a file; expected an ONNX model"


def test_too_large_is_refused_by_its_size_alone(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)
    assert message(read_model, path) == (
        f"File {str(path)!r} has 2147483649 bytes; accepted are up to 2147483648 bytes"
    )


@pytest.mark.parametrize(
    "array",
    [
        np.float32([[1, -1, 0.5]]),
        np.float64([1e-300]),
        np.float16([0.1]),
        np.int8([-128, 127]),
        np.uint16([65535]),
        np.int64([-(2**63)]),
        np.uint64([2**64 - 1]),
        np.array([True, False]),
        np.zeros((0, 3), np.float32),
    ],
)
def test_tensors_come_out_as_they_are(array, tmp_path):
    found = tensor_array(numpy_helper.from_array(array, "W"), tmp_path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.INT4, np.int8), (TensorProto.UINT4, np.uint8)])
@pytest.mark.parametrize("raw", [True, False])
def test_4_bit_integers_of_odd_count(kind, dtype, raw, tmp_path):
    packed = bytes([0x21, 0x43, 0x05])
    tensor = helper.make_tensor("W", kind, [5], packed if raw else [1, 2, 3, 4, 5], raw=raw)
    found = tensor_array(tensor, tmp_path)
    assert found.dtype == dtype
    assert found.tolist() == [1, 2, 3, 4, 5]


def test_bfloat16_is_widened(tmp_path):
    tensor = helper.make_tensor("W", TensorProto.BFLOAT16, [2], [1.5, -2.0])
    found = tensor_array(tensor, tmp_path)
    assert found.dtype == np.float32
    assert found.tolist() == [1.5, -2.0]


def test_absurd_shape_is_refused_before_its_data_are_looked_at(tmp_path):
    tensor = TensorProto(name="W", dims=[2**20, 2**20], data_type=TensorProto.FLOAT, raw_data=b"")
    assert message(tensor_array, tensor, tmp_path) == (
        "Tensor 'W' declares the shape [1048576, 1048576]; accepted are up to 2147483648 elements"
    )


def test_absurd_axis_beside_an_empty_one(tmp_path):
    tensor = TensorProto(name="W", dims=[0, 2**62], data_type=TensorProto.FLOAT, raw_data=b"")
    assert "accepted are up to 2147483648 elements" in message(tensor_array, tensor, tmp_path)


def test_negative_axis(tmp_path):
    tensor = TensorProto(name="W", dims=[2, -1], data_type=TensorProto.FLOAT, raw_data=b"")
    assert message(tensor_array, tensor, tmp_path) == (
        "Tensor 'W' declares the shape [2, -1]; no axis may be negative"
    )


def test_fewer_bytes_than_the_shape_needs(tmp_path):
    tensor = TensorProto(name="W", dims=[2**15, 2**15], data_type=TensorProto.FLOAT, raw_data=b"1234")
    assert message(tensor_array, tensor, tmp_path) == (
        "Tensor 'W' of shape [32768, 32768] has 4 bytes of data; it needs 4294967296"
    )


def test_fewer_values_than_the_shape_needs(tmp_path):
    tensor = TensorProto(name="W", dims=[3], data_type=TensorProto.FLOAT, float_data=[1, 2])
    assert (
        message(tensor_array, tensor, tmp_path) == "Tensor 'W' of shape [3] has 2 stored values; it needs 3"
    )


def test_element_type_that_is_no_number(tmp_path):
    tensor = helper.make_tensor("W", TensorProto.STRING, [1], [b"a"])
    assert message(tensor_array, tensor, tmp_path) == (
        "Tensor 'W' has the element type string; accepted are floats of 16 to 64 bits, "
        "integers of 4 to 64 bits and booleans"
    )


def external(location, **entries):
    tensor = TensorProto(name="W", dims=[2], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.append(StringStringEntryProto(key=key, value=str(value)))
    return tensor


def test_external_data(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"abcd" + np.float32([3, 4]).tobytes())
    assert tensor_array(external("sub/w.bin", offset=4, length=8), tmp_path).tolist() == [3, 4]


@pytest.mark.parametrize("location", ["/etc/passwd", "../w.bin", "sub/../../w.bin", "", "a\0b"])
def test_external_data_outside_the_folder(location, tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(8))
    folder = tmp_path / "model"
    folder.mkdir()
    assert message(tensor_array, external(location), folder) == (
        f"Tensor 'W': external data location {location!r} must lie inside the model's folder"
    )


@pytest.mark.parametrize("linked", ["w.bin", "sub"])
def test_external_data_behind_a_symbolic_link(linked, tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "model"
    outside.mkdir()
    folder.mkdir()
    (outside / "w.bin").write_bytes(bytes(8))
    (folder / linked).symlink_to(outside / "w.bin" if linked == "w.bin" else outside)
    location = "w.bin" if linked == "w.bin" else "sub/w.bin"
    assert message(tensor_array, external(location), folder) == (
        f"Tensor 'W': external data location {location!r} must not be a symbolic link"
    )


def test_external_data_missing(tmp_path):
    assert message(tensor_array, external("w.bin"), tmp_path) == (
        "Tensor 'W': external data file 'w.bin' is not there"
    )


def test_external_data_short(tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(8))
    assert message(tensor_array, external("w.bin", offset=1), tmp_path) == (
        "Tensor 'W': external data file 'w.bin' has 8 bytes; the tensor needs 8 from byte 1"
    )


def test_external_length_other_than_the_shape_s(tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(8))
    assert message(tensor_array, external("w.bin", length=4), tmp_path) == (
        "Tensor 'W' of shape [2] has 4 bytes of external data; it needs 8"
    )


@pytest.mark.parametrize("offset", ["-1", "1e3", "", "9" * 19, "\u00b2"])
def test_external_offset_that_is_no_number(offset, tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(8))
    assert message(tensor_array, external("w.bin", offset=offset), tmp_path) == (
        f"Tensor 'W': external data offset must be a number of bytes, not {offset!r}"
    )


def test_types_named_in_small_letters():
    assert onnx_file.type_name(TensorProto.INT4) == "int4"
    assert re.fullmatch("9999", onnx_file.type_name(9999))
