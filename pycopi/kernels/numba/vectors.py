"""A SIMD register as a value in Numba's code: as wide as the processor's, loaded from any address.

LLVM vectorises a plain loop over one row, but it neither keeps a block of rows in registers nor, without
fast-math, sums in parallel. Here both are written down. Nothing is reordered: lanes are added in a fixed order,
and ``multiply_add`` rounds once where the processor can, which is all the licence that the compiler gets.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import extending
from numba.core import cgutils

types: Any = extending.types
Function = Callable[..., Any]
intrinsic: Callable[[Function], Function] = extending.intrinsic


_features = llvm.get_host_cpu_features()
REGISTER_BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx2") else 16


class Vector(types.Type):
    """The Numba type of a register full of numbers of one dtype."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.lanes = dtype, 8 * REGISTER_BYTES // dtype.bitwidth
        super().__init__(name=f"Vector({dtype} x {self.lanes})")


class VectorModel(extending.models.PrimitiveModel):
    """A register as LLVM sees it."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


extending.register_model(Vector)(VectorModel)


def address(context: Any, builder: Any, array_type: Any, array: Any, indices: Any) -> Any:
    """Return code for the address of an element, as that of a register's worth of elements."""
    inside = context.make_array(array_type)(context, builder, array)
    element = cgutils.get_item_pointer(context, builder, array_type, inside, indices, wraparound=False)
    return builder.bitcast(element, context.get_value_type(Vector(array_type.dtype)).as_pointer())


def _index_type(index: Any) -> Any:
    """Return the type that arrays take an index in, a number or a pair."""
    return types.UniTuple(types.intp, len(index)) if isinstance(index, types.BaseTuple) else types.intp


def _indices(builder: Any, kind: Any, index: Any) -> list[Any]:
    return cgutils.unpack_tuple(builder, index) if isinstance(kind, types.BaseTuple) else [index]


@intrinsic
def lanes(_: Any, array: Any) -> Any:
    """Return how many of an array's numbers fill a register."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, Vector(array.dtype).lanes)

    return types.intp(array), generate


@intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """Return the numbers from ``array[index]`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        indices = _indices(builder, signature.args[1], arguments[1])
        value = builder.load(address(context, builder, signature.args[0], arguments[0], indices))
        value.align = array.dtype.bitwidth // 8
        return value

    return Vector(array.dtype)(array, _index_type(index)), generate


@intrinsic
def store(_: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write numbers from ``array[index]`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        indices = _indices(builder, signature.args[1], arguments[1])
        place = address(context, builder, signature.args[0], arguments[0], indices)
        builder.store(arguments[2], place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.none(array, _index_type(index), vector), generate


@intrinsic
def prefetch(_: Any, array: Any, index: Any) -> Any:
    """Ask for the line of memory with ``array[index]`` ahead of its use."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        indices = _indices(builder, signature.args[1], arguments[1])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(address(context, builder, signature.args[0], arguments[0], indices), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, *(ir.Constant(number, value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.none(array, _index_type(index)), generate


@intrinsic
def spread(_: Any, number: Any) -> Any:
    """Return one number in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, index = context.get_value_type(signature.return_type), ir.IntType(32)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[0], ir.Constant(index, 0))
        return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(index, vector.count), None))

    return Vector(number)(number), generate


@intrinsic
def multiply(_: Any, first: Any, second: Any) -> Any:
    """Return ``first * second`` lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fmul(*arguments)

    return first(first, second), generate


@intrinsic
def multiply_add(_: Any, first: Any, second: Any, addend: Any) -> Any:
    """Return ``first * second + addend`` lane by lane, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(first)
        name = f"llvm.fmuladd.v{vector.count}f{first.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        return builder.call(function, arguments)

    return first(first, second, addend), generate


@intrinsic
def total(_: Any, vector: Any) -> Any:
    """Return the sum of the lanes: the upper half is added to the lower, until one is left."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        count = vector.lanes
        while count > 1:
            count //= 2
            halves = [
                ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(start, start + count)))
                for start in (0, count)
            ]
            value = builder.fadd(*(builder.shuffle_vector(value, value, half) for half in halves))
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return vector.dtype(vector), generate
