"""Vectors of 32 lanes, one image or channel in each, as types that compiled functions hold in registers.

LLVM splits a vector into whatever registers the host has: 32 lanes of 16 bits are one of AVX-512, two of AVX2, four
of SSE2 or NEON. No instruction set is asked for by name, so the same kernels compile on every host.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

__all__ = [
    "LANES",
    "clamp",
    "greatest",
    "larger",
    "lesser",
    "load_single",
    "load_u16",
    "load_wide",
    "multiply_add",
    "narrow",
    "real",
    "splat_real",
    "splat_single",
    "splat_u16",
    "splat_wide",
    "store",
    "transpose",
    "truncate",
    "widen",
]

LANES = 32


def _intrinsic(definition: Callable[..., Any]) -> Any:
    """A function that compiled code may call: definition(typing context, argument types) types and lowers it."""
    return intrinsic(definition)


class Vector(types.Type):
    """32 elements of one LLVM type."""

    def __init__(self, element: ir.Type) -> None:
        self.llvm = ir.VectorType(element, LANES)
        super().__init__(name=f"Vector({element})")


class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)  # type: ignore[no-untyped-call]


register_model(Vector)(_VectorModel)

U16 = Vector(ir.IntType(16))
WIDE = Vector(ir.IntType(32))
REAL = Vector(ir.DoubleType())
SINGLE = Vector(ir.FloatType())


def _unary(result: Any, emit: Callable[..., ir.Value]) -> Any:
    def apply(typing: Any, x: Any) -> Any:
        return result(x), lambda context, builder, signature, values: emit(builder, values[0])

    return _intrinsic(apply)


def _binary(emit: Callable[..., ir.Value]) -> Any:
    def lower(context: Any, builder: Any, signature: Any, values: Any) -> ir.Value:
        return emit(builder, *values)

    def apply(typing: Any, x: Any, y: Any) -> Any:
        return x(x, y), lower

    return _intrinsic(apply)


def _operator(symbol: Callable[..., Any], vectors: tuple[Vector, ...], emit: Callable[..., ir.Value]) -> None:
    """Give a Python operator its meaning for two vectors of the same type, one of `vectors`."""
    implementation = _binary(emit)

    def choose(x: Any, y: Any) -> Any:
        return (lambda x, y: implementation(x, y)) if x in vectors and x == y else None

    overload(symbol, strict=False)(choose)


def _address(context: Any, builder: Any, kind: Any, array: Any, byte: Any, pointee: ir.Type) -> ir.Value:
    """A pointer to the `byte`-th byte of an array of the Numba type `kind`."""
    data = context.make_array(kind)(context, builder, value=array).data
    start = builder.bitcast(data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(start, [byte]), pointee.as_pointer())


def _load(vector: Vector) -> Any:
    """load(array, byte): the vector at a byte offset of a contiguous array."""

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> ir.Value:
        array, byte = values
        address = _address(context, builder, signature.args[0], array, byte, vector.llvm)
        return builder.load(address, align=2)

    def apply(typing: Any, array: Any, byte: Any) -> Any:
        return vector(array, types.uint64), lower

    return _intrinsic(apply)


def _store(context: Any, builder: Any, signature: Any, values: Any) -> ir.Value:
    array, byte, x = values
    builder.store(x, _address(context, builder, signature.args[0], array, byte, x.type), align=2)
    return context.get_dummy_value()


@_intrinsic
def store(typing: Any, array: Any, byte: Any, x: Any) -> Any:
    """Put the vector x at a byte offset of a contiguous array."""
    return types.void(array, types.uint64, x), _store


def _splat(vector: Vector, scalar: Any) -> Any:
    """splat(x): x in every lane."""

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> ir.Value:
        undefined = ir.Constant(vector.llvm, ir.Undefined)
        first = builder.insert_element(undefined, values[0], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
        return builder.shuffle_vector(first, undefined, zeros)

    def apply(typing: Any, x: Any) -> Any:
        return vector(scalar), lower

    return _intrinsic(apply)


def _greatest(builder: Any, x: ir.Value) -> ir.Value:
    kind = ir.FunctionType(ir.IntType(16), [U16.llvm])
    reduce = builder.module.declare_intrinsic(f"llvm.vector.reduce.umax.v{LANES}i16", fnty=kind)
    return builder.call(reduce, [x])


@_intrinsic
def multiply_add(typing: Any, x: Any, m: Any, c: Any) -> Any:
    """x * m + c of real vectors, with one rounding or two, whichever the host does faster."""

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> ir.Value:
        kind = ir.FunctionType(REAL.llvm, [REAL.llvm] * 3)
        function = builder.module.declare_intrinsic(f"llvm.fmuladd.v{LANES}f64", fnty=kind)
        return builder.call(function, values)

    return x(x, m, c), lower


def _interleave(builder: Any, rows: list[ir.Value]) -> list[ir.Value]:
    """One round of the perfect shuffle: row r with row r + 16 element by element; five rounds transpose 32 rows."""
    half = LANES // 2
    zipped = []
    for first, second in zip(rows[:half], rows[half:], strict=True):
        for start in (0, half):
            picks = [start + i // 2 + LANES * (i % 2) for i in range(LANES)]
            zipped.append(
                builder.shuffle_vector(
                    first, second, ir.Constant(ir.VectorType(ir.IntType(32), LANES), picks)
                )
            )
    return zipped


@_intrinsic
def transpose(typing: Any, images: Any, byte: Any, stride: Any, lanes: Any, target: Any) -> Any:
    """32 values of each of 32 images, `stride` bytes apart, into 32 rows of 16-bit lanes."""

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        images_value, byte_value, stride_value, lanes_value, target_value = values
        source = ir.VectorType(ir.IntType(images.dtype.bitwidth), LANES)
        rows = []
        for image in range(LANES):
            offset = builder.add(byte_value, builder.mul(stride_value, stride_value.type(image)))
            rows.append(
                builder.load(_address(context, builder, images, images_value, offset, source), align=1)
            )
        for _ in range(LANES.bit_length() - 1):
            rows = _interleave(builder, rows)
        for index, row in enumerate(rows):
            offset = builder.add(target_value, target_value.type(index * 2 * LANES))
            wide = row if source == U16.llvm else builder.zext(row, U16.llvm)
            builder.store(wide, _address(context, builder, lanes, lanes_value, offset, U16.llvm), align=2)
        return context.get_dummy_value()

    return types.void(images, types.uint64, types.uint64, lanes, types.uint64), lower


def _clamp(builder: Any, x: ir.Value, top: ir.Value) -> ir.Value:
    zero = ir.Constant(REAL.llvm, None)
    positive = builder.select(builder.fcmp_ordered(">", x, zero), x, zero)
    return builder.select(builder.fcmp_ordered("<", positive, top), positive, top)


def _extreme(order: str) -> Callable[..., ir.Value]:
    return lambda builder, x, y: builder.select(builder.icmp_signed(order, x, y), x, y)


load_u16 = _load(U16)
load_wide = _load(WIDE)
load_single = _load(SINGLE)
splat_u16 = _splat(U16, types.uint16)
splat_wide = _splat(WIDE, types.int32)
splat_real = _splat(REAL, types.float64)
splat_single = _splat(SINGLE, types.float32)
widen = _unary(WIDE, lambda builder, x: builder.zext(x, WIDE.llvm))
narrow = _unary(U16, lambda builder, x: builder.trunc(x, U16.llvm))
real = _unary(REAL, lambda builder, x: builder.sitofp(x, REAL.llvm))
truncate = _unary(WIDE, lambda builder, x: builder.fptosi(x, WIDE.llvm))
greatest = _unary(types.uint16, _greatest)
clamp = _binary(_clamp)
larger = _binary(_extreme(">"))
lesser = _binary(_extreme("<"))

_operator(operator.and_, (U16,), lambda builder, x, y: builder.and_(x, y))
_operator(operator.rshift, (U16,), lambda builder, x, y: builder.lshr(x, y))
_operator(operator.lshift, (U16, WIDE), lambda builder, x, y: builder.shl(x, y))
_operator(operator.sub, (WIDE,), lambda builder, x, y: builder.sub(x, y))
_operator(operator.add, (U16, WIDE), lambda builder, x, y: builder.add(x, y))
_operator(operator.mul, (WIDE,), lambda builder, x, y: builder.mul(x, y))
# A product and the sum it goes into may be rounded once or twice, whichever the host does faster.
_operator(operator.add, (SINGLE,), lambda builder, x, y: builder.fadd(x, y, flags=("contract",)))
_operator(operator.sub, (SINGLE,), lambda builder, x, y: builder.fsub(x, y, flags=("contract",)))
_operator(operator.mul, (SINGLE,), lambda builder, x, y: builder.fmul(x, y, flags=("contract",)))
