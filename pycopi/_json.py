"""Values as JSON has them: a number that is not finite becomes the string ``inf``, ``-inf`` or ``nan``."""

import json
import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

_NOT_FINITE = ("inf", "-inf", "nan")


def as_json(value: Any) -> Any:
    """Return a value with lists for tuples, and strings for the numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {name: as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


def write(value: Any, indent: int | None = None) -> str:
    """Return a value as text that every reader of JSON takes."""
    return json.dumps(as_json(value), indent=indent, allow_nan=False)


def read_number(value: Any) -> float:
    """Return a number that `as_json` wrote; null, which older files have for what is not finite, is NaN."""
    if value is None:
        return math.nan
    if value in _NOT_FINITE or (isinstance(value, int | float) and not isinstance(value, bool)):
        return float(value)
    msg = f"expected a number, inf, -inf or nan, got {value!r}"
    raise ValueError(msg)


def read_fields(kind: Any, values: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return the fields of a NamedTuple, by name, that were saved by name or as a list.

    Raises
    ------
    ValueError
        If a field without default is missing, one is unknown, or a value is not of the kind that its
        annotation names.
    """
    name = kind.__name__
    if isinstance(values, str) or not isinstance(values, Mapping | Sequence):
        msg = f"expected the fields of {name} by name or in order, got {values!r}"
        raise ValueError(msg)
    if len(values) > len(kind._fields) and not isinstance(values, Mapping):
        msg = f"{name} has {len(kind._fields)} fields, got {len(values)} values"
        raise ValueError(msg)
    given = dict(values) if isinstance(values, Mapping) else dict(zip(kind._fields, values, strict=False))
    missing = [field for field in kind._fields if field not in given and field not in kind._field_defaults]
    unknown = [str(field) for field in given if field not in kind._fields]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"knows no {', '.join(unknown)}"
        msg = f"{name} {what}; expected {', '.join(kind._fields)}"
        raise ValueError(msg)
    hints = get_type_hints(kind)
    return {field: _read(f"{field} of {name}", value, hints[field]) for field, value in given.items()}


def _read(what: str, value: Any, hint: Any) -> Any:
    """Return a value of JSON as its annotation has it: a number, numbers, a whole number, or None."""
    kinds = (hint,) if get_origin(hint) is tuple else get_args(hint) or (hint,)
    try:
        if value is None and NoneType in kinds:
            return None
        if any(get_origin(kind) is tuple for kind in kinds):
            return _read_numbers(value)
        if float in kinds:
            return read_number(value)
    except ValueError as error:
        msg = f"{what}: {error}"
        raise ValueError(msg) from None
    if isinstance(hint, type) and not (isinstance(value, hint) and (hint is bool) == isinstance(value, bool)):
        msg = f"{what}: expected a value of type {hint.__name__}, got {value!r}"
        raise ValueError(msg)
    return value


def _read_numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        msg = f"expected a list of numbers, got {value!r}"
        raise ValueError(msg)
    return tuple(read_number(part) for part in value)
