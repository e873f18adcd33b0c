"""Trees of arrays: nests of tuples, NamedTuples and dicts, in which None stands for no array."""

from collections.abc import Callable, Mapping
from typing import Any

from pycopi._array import Array

Tree = Any
"""A nest of tuples, NamedTuples and dicts with arrays, or None, as leaves."""


def map_arrays(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """Return the same tree with a function applied to every array."""
    if tree is None:
        return None
    if isinstance(tree, tuple):
        parts: list[Any] = [None if part is None else map_arrays(function, part) for part in tree]
        return tuple(parts) if type(tree) is tuple else type(tree)(*parts)
    if isinstance(tree, dict):
        return {name: map_arrays(function, part) for name, part in tree.items()}
    return function(tree)


def leaves(tree: Tree) -> list[Any]:
    """Return the arrays of a tree, in the order of `named_arrays`."""
    return [array for array, _ in paired(tree, tree)]


def paired(tree: Tree, other: Tree) -> list[tuple[Any, Any]]:
    """Return each array of a tree with that of another at the same place, by its name in a dict."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [pair for name, part in tree.items() for pair in paired(part, other[name])]
    if isinstance(tree, tuple):
        return [pair for parts in zip(tree, other, strict=True) for pair in paired(*parts)]
    return [(tree, other)]


def named_arrays(tree: Tree, prefix: str = "") -> dict[str, Array]:
    """Return the arrays of a tree by where they are, as ``1.weight``, each name after ``prefix``."""
    if tree is None:
        return {}
    if isinstance(tree, tuple) and hasattr(tree, "_asdict"):
        parts: Mapping[Any, Any] = tree._asdict()
    elif isinstance(tree, tuple):
        parts = dict(enumerate(tree))
    elif isinstance(tree, dict):
        parts = tree
    else:
        return {prefix: tree}
    dot = f"{prefix}." if prefix else ""
    found: dict[str, Array] = {}
    for name, part in parts.items():
        found |= named_arrays(part, f"{dot}{name}")
    return found


def as_tree(named: Mapping[str, Any]) -> Tree:
    """Return the tree of tuples and dicts that arrays by their names come from; the empty tuple of none."""
    if not named:
        return ()
    if "" in named:
        return named[""]
    parts: dict[str, dict[str, Any]] = {}
    for name, array in named.items():
        first, _, rest = name.partition(".")
        parts.setdefault(first, {})[rest] = array
    if all(name.isdigit() for name in parts):
        return tuple(as_tree(parts.get(str(index), {})) for index in range(1 + max(map(int, parts))))
    return {name: as_tree(part) for name, part in parts.items()}


def first_array(tree: Tree) -> Any:
    """Return the first array of a tree, whose library, device and dtype the others have; None of no array."""
    if not isinstance(tree, (tuple, dict)):
        return tree
    parts = tree.values() if isinstance(tree, dict) else tree
    return next((found for found in map(first_array, parts) if found is not None), None)
