"""Neighbouring numbers as one vector, for compiled loops that LLVM does not turn into vectors by itself.

It does so where iterations lie side by side in memory. A column of a picture that is resized begins at any pixel, and
a blur adds up many rows; there the loops of `coview.augmentation.fused_kernel` say what is one load. The vectors are
LLVM's own, of any width on any processor: what has no such registers works in pieces.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.extending import intrinsic

_FLOAT = ir.FloatType()
_FAST = ("fast",)


class Lanes(types.Type):
    """The type of `width` float32 side by side, within compiled code alone."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes({width})")


@register_default(Lanes)
class _LanesModel(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, of: Lanes) -> None:
        super().__init__(manager, of, ir.VectorType(_FLOAT, of.width))


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def load(_typing: Any, array: Any, place: Any, width: Any) -> Any:
    """Return `width`, a literal, elements of a contiguous array from the flat index `place` on, as float32."""
    lanes = Lanes(width.literal_value)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kept = ir.IntType(8) if signature.args[0].dtype == types.uint8 else _FLOAT
        pointer = _pointer(context, builder, signature, given, ir.VectorType(kept, lanes.width))
        loaded = builder.load(pointer, align=kept.width // 8 if kept != _FLOAT else 4)
        return loaded if kept == _FLOAT else builder.uitofp(loaded, ir.VectorType(_FLOAT, lanes.width))

    return lanes(array, types.intp, width), generate


@intrinsic  # type: ignore[untyped-decorator]
def store(_typing: Any, array: Any, place: Any, lanes: Any) -> Any:
    """Write lanes to a contiguous float32 array from the flat index `place` on."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = _pointer(context, builder, signature, given, given[2].type)
        builder.store(given[2], pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), generate


def _pointer(context: Any, builder: Any, signature: Any, given: Any, kind: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, given[0])
    return builder.bitcast(builder.gep(array.data, [given[1]]), kind.as_pointer())


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def repeat(_typing: Any, value: Any, width: Any) -> Any:
    """Return `width`, a literal, times a float32."""
    lanes = Lanes(width.literal_value)

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return _repeated(builder, given[0], lanes.width)

    return lanes(types.float32, width), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def spread(_typing: Any, lanes: Any, place: Any) -> Any:
    """Return the lane at `place`, a literal, in every lane."""
    chosen = place.literal_value

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes.width), [chosen] * lanes.width)
        return builder.shuffle_vector(given[0], ir.Constant(given[0].type, ir.Undefined), mask)

    return lanes(lanes, place), generate


@intrinsic  # type: ignore[untyped-decorator]
def scaled(_typing: Any, lanes: Any, value: Any) -> Any:
    """Return lanes times a float32."""

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.fmul(given[0], _repeated(builder, given[1], lanes.width), flags=_FAST)

    return lanes(lanes, types.float32), generate


@intrinsic  # type: ignore[untyped-decorator]
def product(_typing: Any, one: Any, other: Any) -> Any:
    """Return lanes times lanes."""
    return one(one, other), _each("fmul")


@intrinsic  # type: ignore[untyped-decorator]
def total(_typing: Any, one: Any, other: Any) -> Any:
    """Return lanes plus lanes."""
    return one(one, other), _each("fadd")


def _each(operation: str) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return getattr(builder, operation)(*given, flags=_FAST)

    return generate


def _repeated(builder: Any, value: Any, width: int) -> Any:
    kind = ir.VectorType(_FLOAT, width)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), mask)


@intrinsic  # type: ignore[untyped-decorator]
def within_one(_typing: Any, lanes: Any) -> Any:
    """Return lanes clamped to [0, 1]."""

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        clamped = given[0]
        for bound, how in ((0.0, "<"), (1.0, ">")):
            limit = ir.Constant(clamped.type, [bound] * lanes.width)
            clamped = builder.select(builder.fcmp_ordered(how, clamped, limit), limit, clamped)
        return clamped

    return lanes(lanes), generate
