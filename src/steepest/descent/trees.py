"""Weights in containers: taken apart into numbers, arrays and tensors, and put together again."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from ..typing import Tensor

Path = tuple[Any, ...]
"""Where a leaf stands: the keys and places that lead to it."""


def leaves(tree: Any) -> list[Tensor]:
    """The numbers, arrays and tensors of nested dicts, lists, tuples and named tuples, in order.

    A single number or array is its own only leaf; None holds none.  Where JAX is loaded, its
    registered containers are containers too.

    Examples
    --------
    >>> leaves({"w": [1.0, 2.0], "b": 0.5})
    [1.0, 2.0, 0.5]
    """
    return [leaf for _, leaf in placed(tree)]


def placed(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Tensor]]:
    """Each leaf with its path, in the order of :func:`leaves`."""
    branches = _branches(tree)
    if branches is None:
        yield path, tree
        return
    for key, branch in branches:
        yield from placed(branch, (*path, key))


def name_leaf(path: Path, root: str = "w") -> str:
    """A leaf's name in a sentence, for those who would write its path in Python.

    Examples
    --------
    >>> name_leaf(("layer", 0, "bias")), name_leaf(()), name_leaf((1,))
    ('layer[0].bias', 'w', 'w[1]')
    """
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return words[1:] if words.startswith(".") else root + words


def is_tree(value: Any) -> bool:
    """Whether ``value`` is a container of weights, and no weight itself."""
    return _branches(value) is not None


def map_leaves(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree of ``function(leaf, *leaves of the others)``, shaped like the first.

    The others are reached by the first one's keys, so that their order does not matter.

    Raises
    ------
    LookupError
        One of the others lacks a branch that the first has, or has one more; its ``args[0]`` is
        the path.

    Examples
    --------
    >>> map_leaves(lambda a, b: a - b, {"w": 3.0, "b": [1.0]}, {"b": [0.5], "w": 1.0})
    {'w': 2.0, 'b': [0.5]}
    """
    return _map(function, tree, others, ())


def ordered(like: Any, tree: Any) -> Any:
    """The tree, with its branches in the order of ``like``; JAX returns dicts sorted by key.

    Examples
    --------
    >>> ordered({"w": 0.0, "b": 0.0}, {"b": 1.0, "w": 2.0})
    {'w': 2.0, 'b': 1.0}
    """
    return map_leaves(lambda _, leaf: leaf, like, tree)


def rebuild(like: Any, values: Sequence[Any]) -> Any:
    """The tree shaped like ``like`` that has these leaves, in the order of :func:`leaves`.

    Examples
    --------
    >>> rebuild({"w": 0.0, "b": (0.0, 0.0)}, [1, 2, 3])
    {'w': 1, 'b': (2, 3)}
    """
    left = iter(values)
    return map_leaves(lambda _: next(left), like)


def _map(function: Callable[..., Any], tree: Any, others: Sequence[Any], path: Path) -> Any:
    branches = _branches(tree)
    if branches is None:
        if any(is_tree(other) for other in others):
            raise LookupError(path)
        return function(tree, *others)
    tables = [_branches(other) for other in others]
    found = []
    for key, branch in branches:
        beside = []
        for table in tables:
            reached = [value for name, value in table or () if name == key]
            if not reached:
                raise LookupError((*path, key))
            beside.append(reached[0])
        found.append(_map(function, branch, beside, (*path, key)))
    if any(len(table or ()) != len(branches) for table in tables):
        raise LookupError(path)
    return _join(tree, found)


def _branches(tree: Any) -> list[tuple[Any, Any]] | None:
    """Keys and branches of a container; None for a leaf."""
    if tree is None:
        return []
    if isinstance(tree, Mapping):
        return list(tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(name, getattr(tree, name)) for name in tree._fields]
    if isinstance(tree, list | tuple):
        return list(enumerate(tree))
    return _registered(tree)


def _registered(tree: Any) -> list[tuple[Any, Any]] | None:
    """Branches of a container that JAX has been told of."""
    jax = sys.modules.get("jax")
    if jax is None or isinstance(tree, int | float) or hasattr(tree, "dtype"):
        return None
    util: Any = jax.tree_util
    if util.all_leaves([tree]):
        return None
    found, _ = util.tree_flatten_with_path(tree, is_leaf=lambda branch: branch is not tree)
    return [(_plain(path[0]), branch) for path, branch in found]


def _plain(entry: Any) -> Any:
    """The key, place or attribute that JAX's entry of a path stands for."""
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return getattr(entry, attribute)
    return str(entry)


def _join(tree: Any, found: list[Any]) -> Any:
    """A container like ``tree`` with these branches."""
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        pairs = dict(zip(tree, found, strict=True))
        if isinstance(tree, defaultdict):
            return type(tree)(tree.default_factory, pairs)
        return pairs if type(tree) is dict else cast(Any, type(tree))(pairs)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*found)
    if isinstance(tree, list | tuple):
        return type(tree)(found)
    util: Any = sys.modules["jax"].tree_util
    _, shape = util.tree_flatten(tree, is_leaf=lambda branch: branch is not tree)
    return util.tree_unflatten(shape, found)
