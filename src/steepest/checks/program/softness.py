"""Small numbers that keep a logarithm or a quotient away from 0: log(p + 1e-8), clip(p, eps, 1)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

SMALL = 1e-3
NAMES = re.compile(r"(^|_)(eps\w*|tiny|small)$", re.IGNORECASE)
BOUNDS = re.compile(r"(^|\.)(clip|clamp|clamp_|maximum|minimum|max|min)$")


def softenings(tree: ast.AST) -> Iterator[float]:
    """0.0, and every small number that is added to something, bounds it, or is called epsilon."""
    yield 0.0
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield from map(_small, (node.left, node.right))
        elif isinstance(node, ast.Call) and BOUNDS.search(ast.unparse(node.func)):
            yield from map(_small, node.args)
        elif isinstance(node, ast.Assign):
            if any(NAMES.search(ast.unparse(target)) for target in node.targets):
                yield _small(node.value)
        elif isinstance(node, ast.arguments):
            named = node.args[len(node.args) - len(node.defaults) :]
            both = zip(named, node.defaults, strict=True)
            yield from (_small(value) for name, value in both if NAMES.search(name.arg))


def _small(node: ast.expr) -> float:
    """The number that an expression is, where it is a small one; else 0.0."""
    value = node.value if isinstance(node, ast.Constant) else 0.0
    return value if isinstance(value, float) and 0 < value <= SMALL else 0.0
