"""Loops, branches and random numbers that JAX can trace, and that other libraries run at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pycopi._array import (
    Array,
    HostArray,
    conditions,
    from_numpy,
    host_dtype,
    is_dask,
    is_jax,
    is_traced,
    namespace,
    to_numpy,
)


def jit(function: Callable[..., Any], like: Array, *, static: tuple[str, ...], donate: str) -> Any:
    """Return ``function`` compiled by JAX where ``like`` is a JAX array, and unchanged elsewhere.

    ``static`` names the hashable arguments, ``donate`` the one whose buffers the result may take, if any.
    """
    if not is_jax(like):
        return function
    import jax

    return jax.jit(function, static_argnames=static, donate_argnames=donate or None)


def scan(body: Callable[..., Any], state: Any, sequence: Any) -> Any:
    """Return JAX's loop of ``state, out = body(state, item)`` over the items: (last state, stacked outs)."""
    import jax

    return jax.lax.scan(body, state, sequence)


def repeat(body: Callable[[Any], Any], state: Any, times: int) -> Any:
    """Return a tree of arrays after some turns of ``state = body(state)``, which JAX traces once."""
    if is_traced(state[0]):
        import jax

        return jax.lax.fori_loop(0, times, lambda _, current: body(current), state)
    for _ in range(times):
        state = body(state)
    return state


@contextmanager
def recording() -> Iterator[None]:
    """Let no condition hold in the block, in which a step is recorded: its values are not there to be read."""
    token = conditions.set([])
    try:
        yield
    finally:
        conditions.reset(token)


def waiting() -> list[Array]:
    """Return the conditions of the block that is being recorded, for whoever launches it to look at."""
    return list(conditions.get() or ())


def choose(condition: Array, body: Callable[[Any], Any], state: Any) -> Any:
    """Return ``body(state)`` where a condition, a 0-d array, holds, else the state, a tree of tuples.

    What cannot be read yet is not waited for: JAX branches when it runs, and Dask takes of both what holds.
    """
    waiting_for = conditions.get()
    if waiting_for is not None:
        waiting_for.append(condition)
        return state
    if is_traced(condition):
        import jax

        return jax.lax.cond(condition, body, lambda same: same, state)
    if is_dask(condition):
        return _either(condition, body(state), state)
    return body(state) if bool(condition) else state


def _either(condition: Array, new: Any, old: Any) -> Any:
    """Return one of two trees of tuples, as a condition says that is not known yet."""
    if not isinstance(old, tuple):
        return namespace(condition).where(condition, new, old)
    parts = [_either(condition, *pair) for pair in zip(new, old, strict=True)]
    return tuple(parts) if type(old) is tuple else type(old)(*parts)


def standard_normal(key: tuple[Array, Array, int], shape: tuple[int, ...], like: Array) -> Array:
    """Return normal numbers in the library, device and dtype of ``like``: NumPy's for a key, on every library.

    The key is a seed (1,) and a count (1,), which may be traced, and a number.
    """
    seed, count, number = key
    kind = np.float64 if host_dtype(like) == "float64" else np.float32

    def draw(seed: Any, count: Any) -> HostArray:
        key = [int(to_numpy(seed)[0]), int(to_numpy(count)[0]), number]
        return np.random.default_rng(key).standard_normal(shape).astype(kind)

    if not (is_traced(seed) or is_traced(count)):
        return from_numpy(draw(seed, count), like, dtype=like.dtype)
    import jax

    result: Any = jax.ShapeDtypeStruct  # has no annotations
    return jax.pure_callback(draw, result(shape, kind), seed, count).astype(like.dtype)
