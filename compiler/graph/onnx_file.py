"""Reading ONNX files that may be broken or hostile: every size is checked before anything is allocated."""

from __future__ import annotations

import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from bcsim.common.errors import BcsimError

__all__ = [
    "MAX_ELEMENTS",
    "MAX_FILE_BYTES",
    "OnnxFile",
    "read_model",
    "tensor_array",
    "tensor_elements",
    "type_name",
]

Array: TypeAlias = NDArray[Any]

MAX_FILE_BYTES = 2**31
MAX_ELEMENTS = 2**31
MAX_AXES = 32


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A parsed model and the folder its external tensors must lie in."""

    path: Path
    model: ModelProto

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def stored_bytes(self) -> int:
        """Bytes of the file and of the external data files beside it that are there."""
        tensors = self.model.graph.initializer
        names = {e.value for tensor in tensors for e in tensor.external_data if e.key == "location"}
        return sum(path.stat().st_size for path in map(self.folder.joinpath, names) if path.is_file()) + (
            self.path.stat().st_size
        )


@dataclass(frozen=True, slots=True)
class _Storage:
    """How an element type is stored: bits in raw data, the typed field, and what it is widened to here."""

    bits: int
    field: str
    widened: str


_TYPE_NAMES: Mapping[int, str] = {number: name.lower() for name, number in TensorProto.DataType.items()}
_STORAGE: Mapping[int, _Storage] = {
    TensorProto.FLOAT: _Storage(32, "float_data", "float32"),
    TensorProto.DOUBLE: _Storage(64, "double_data", "float64"),
    TensorProto.FLOAT16: _Storage(16, "int32_data", "float16"),
    TensorProto.BFLOAT16: _Storage(16, "int32_data", "float32"),
    TensorProto.BOOL: _Storage(8, "int32_data", "bool"),
    TensorProto.INT4: _Storage(4, "int32_data", "int8"),
    TensorProto.UINT4: _Storage(4, "int32_data", "uint8"),
    TensorProto.INT8: _Storage(8, "int32_data", "int8"),
    TensorProto.UINT8: _Storage(8, "int32_data", "uint8"),
    TensorProto.INT16: _Storage(16, "int32_data", "int16"),
    TensorProto.UINT16: _Storage(16, "int32_data", "uint16"),
    TensorProto.INT32: _Storage(32, "int32_data", "int32"),
    TensorProto.UINT32: _Storage(32, "uint64_data", "uint32"),
    TensorProto.INT64: _Storage(64, "int64_data", "int64"),
    TensorProto.UINT64: _Storage(64, "uint64_data", "uint64"),
}


def read_model(path: str | Path) -> OnnxFile:
    """The model in the file `path`, parsed but otherwise unchecked; its tensors stay where they are.

    Raises BcsimError for a missing, empty, too large (above 2 GiB) or unreadable file, and for one that is
    no ONNX model.
    """
    path = Path(path)
    _check_size(path)
    try:
        model = ModelProto.FromString(path.read_bytes())
    except DecodeError:
        raise BcsimError(f"File {str(path)!r} is not an ONNX model, or it is truncated") from None
    except OSError as error:
        raise BcsimError(f"File {str(path)!r} cannot be read: {error.strerror}") from None
    if not model.HasField("graph") or not model.graph.output:
        raise BcsimError(f"File {str(path)!r} is not an ONNX model: it holds no graph with an output")
    if model.ir_version >= 3 and not model.opset_import:
        raise BcsimError(
            f"File {str(path)!r} is not an ONNX model, or it is truncated: it names no operator set"
        )
    _check_text(model, str(path))
    return OnnxFile(path, model)


def _check_text(message: Message, path: str) -> None:
    """Every name is text: what is not UTF-8 would come as bytes wherever a string is expected."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in values:
                _check_text(part, path)
        elif field.type == FieldDescriptor.TYPE_STRING and any(isinstance(text, bytes) for text in values):
            raise BcsimError(f"File {path!r} has a {message.DESCRIPTOR.name}.{field.name} that is not UTF-8")


def _check_size(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BcsimError(f"File {str(path)!r} cannot be read: {reason}") from None
    if not stat.S_ISREG(status.st_mode):
        raise BcsimError(f"{str(path)!r} is not a file; expected an ONNX model")
    if status.st_size == 0:
        raise BcsimError(f"File {str(path)!r} is empty; expected an ONNX model")
    if status.st_size > MAX_FILE_BYTES:
        raise BcsimError(
            f"File {str(path)!r} has {status.st_size} bytes; accepted are up to {MAX_FILE_BYTES} bytes"
        )


def tensor_elements(tensor: TensorProto) -> int:
    """How many elements `tensor` declares. Raises BcsimError for a negative axis, above 32 axes and above 2**31."""
    dims = [int(dim) for dim in tensor.dims]
    if len(dims) > MAX_AXES:
        raise BcsimError(f"Tensor {tensor.name!r} has {len(dims)} axes; accepted are up to {MAX_AXES}")
    if any(dim < 0 for dim in dims):
        raise BcsimError(f"Tensor {tensor.name!r} declares the shape {dims}; no axis may be negative")
    elements = math.prod(dims)
    if max(elements, *dims, 0) > MAX_ELEMENTS:
        raise BcsimError(
            f"Tensor {tensor.name!r} declares the shape {dims}; accepted are up to {MAX_ELEMENTS} elements"
        )
    return elements


def tensor_array(tensor: TensorProto, folder: Path) -> Array:
    """The values of `tensor`, in its own type (int4 as int8, bfloat16 as float32), in its declared shape.

    folder : where external data must lie.
    Raises BcsimError where the data are not as many as the declared shape needs, for external data that
    are missing or outside `folder`, and for types that are not numbers.
    """
    storage = _STORAGE.get(tensor.data_type)
    if storage is None:
        accepted = "floats of 16 to 64 bits, integers of 4 to 64 bits and booleans"
        raise BcsimError(
            f"Tensor {tensor.name!r} has the element type {type_name(tensor.data_type)}; accepted are {accepted}"
        )
    if tensor.HasField("segment"):
        raise BcsimError(f"Tensor {tensor.name!r} is stored in segments; accepted are whole tensors")
    elements = tensor_elements(tensor)
    size = -(-elements * storage.bits // 8)
    if tensor.data_location == TensorProto.EXTERNAL:
        tensor = _with_raw(tensor, _external_bytes(tensor, folder, size))
    elif tensor.HasField("raw_data"):
        _check_present(tensor, "bytes of data", len(tensor.raw_data), size)
    else:
        count = -(-elements // 2) if storage.bits == 4 else elements
        _check_present(tensor, "stored values", len(getattr(tensor, storage.field)), count)
    return np.asarray(numpy_helper.to_array(tensor)).astype(storage.widened, copy=False)


def type_name(data_type: int) -> str:
    """The ONNX name of an element type in small letters, such as "int4"."""
    return _TYPE_NAMES.get(data_type, str(data_type))


def _check_present(tensor: TensorProto, what: str, found: int, needed: int) -> None:
    if found != needed:
        raise BcsimError(
            f"Tensor {tensor.name!r} of shape {list(tensor.dims)} has {found} {what}; it needs {needed}"
        )


def _with_raw(tensor: TensorProto, raw: bytes) -> TensorProto:
    return TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type, raw_data=raw)


def _external_bytes(tensor: TensorProto, folder: Path, size: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _external_path(tensor, entries.get("location", ""), folder)
    offset, length = (
        _number(tensor, entries, key, default) for key, default in (("offset", 0), ("length", size))
    )
    _check_present(tensor, "bytes of external data", length, size)
    try:
        present = path.stat().st_size
        if offset + size > present:
            raise BcsimError(
                f"Tensor {tensor.name!r}: external data file {path.name!r} has {present} bytes; "
                f"the tensor needs {size} from byte {offset}"
            )
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise BcsimError(
            f"Tensor {tensor.name!r}: external data file {path.name!r} cannot be read: {error.strerror}"
        ) from None


def _number(tensor: TensorProto, entries: Mapping[str, str], key: str, default: int) -> int:
    text = entries.get(key, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BcsimError(
            f"Tensor {tensor.name!r}: external data {key} must be a number of bytes, not {text!r}"
        )
    return int(text)


def _external_path(tensor: TensorProto, location: str, folder: Path) -> Path:
    """The file that `location` names: a regular one inside `folder`, reached without symbolic links."""
    relative = Path(location)
    if not location or "\0" in location or relative.is_absolute() or ".." in relative.parts:
        raise BcsimError(
            f"Tensor {tensor.name!r}: external data location {location!r} must lie inside the model's folder"
        )
    path = folder
    for part in relative.parts:
        path = path / part
        if path.is_symlink():
            raise BcsimError(
                f"Tensor {tensor.name!r}: external data location {location!r} must not be a symbolic link"
            )
    if not path.is_file():
        raise BcsimError(f"Tensor {tensor.name!r}: external data file {location!r} is not there")
    return path
