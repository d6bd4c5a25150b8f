"""The pieces of syntax that hooks are made of."""

from __future__ import annotations

import ast
import copy

from .anatomy import Site, bare

HOOKS = "__steepest__"
IN_PLACE = {"sub_": -1, "add_": 1}
OUTS = {"subtract": -1, "add": 1}


def hook(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(
        ast.Attribute(ast.Name(HOOKS, ast.Load()), name, ast.Load()), list(arguments), []
    )


def constant(value: str | int) -> ast.Constant:
    return ast.Constant(value)


def wire_update(
    site: Site, target: ast.expr, value: ast.expr, moved: ast.stmt, at: ast.stmt
) -> list[ast.stmt]:
    """The update where it is not suppressed, and what it takes to see past its errors."""
    number, old = constant(site.number), loaded(target)
    owner: list[ast.expr] = []
    if isinstance(target, ast.Attribute):
        owner = [loaded(target.value), constant(target.attr)]
    elif isinstance(target, ast.Subscript):
        index = ast.Subscript(
            ast.Attribute(ast.Name(HOOKS, ast.Load()), "index", ast.Load()),
            copy.deepcopy(target.slice),
            ast.Load(),
        )
        owner = [loaded(target.value), index]
    run = ast.If(
        hook("move", number, old, value, *owner),
        [moved, ast.Expr(hook("moved", number, loaded(target)))],
        [],
    )
    again = copy.deepcopy(moved)
    cured = ast.If(
        hook("cure", number, ast.Lambda(no_arguments(), loaded(target))),
        [
            ast.With([ast.withitem(hook("unrecorded"), None)], [again]),
            ast.Expr(hook("moved", number, loaded(target))),
        ],
        [ast.If(hook("fatal"), [ast.Raise()], [])],
    )
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [cured])
    return [locate(ast.Try([run], [handler], [], []), at)]


class _Replace(ast.NodeTransformer):
    """One node for another."""

    def __init__(self, old: ast.AST, new: ast.expr) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)


class _Seen(ast.NodeTransformer):
    """Tells of values in a printed text or a call."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.JoinedStr):
            return super().generic_visit(node)
        if isinstance(node, ast.FormattedValue):
            node.value = self._told(node.value)
            return node
        return self._told(node) if isinstance(node, ast.expr) else node

    def _told(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Call | ast.BinOp):
            return hook("see", constant(ast.unparse(node)), node)
        return node


def loaded(node: ast.expr) -> ast.expr:
    found = copy.deepcopy(node)
    for inner in ast.walk(found):
        if hasattr(inner, "ctx"):
            inner.ctx = ast.Load()
    return found


def no_arguments() -> ast.arguments:
    return ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def locate(node: ast.stmt, at: ast.AST) -> ast.stmt:
    """The node with the line of another wherever it has none."""
    for inner in ast.walk(node):
        if not hasattr(inner, "lineno"):
            ast.copy_location(inner, at)
    return node


def replaced(whole: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """An expression with one part of it replaced by another."""
    if whole is old:
        return new
    _Replace(old, new).visit(whole)
    return whole


def seen(node: ast.expr) -> ast.expr:
    """An expression that tells of its value, or a text that tells of the values in it."""
    found = _Seen().visit(node)
    return found if isinstance(found, ast.expr) else node


def read_call(call: ast.Call) -> tuple[ast.expr, ast.expr, int, ast.stmt] | None:
    """What a call moves, by what, in which direction, and the call with the move left open."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return None
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    by = ast.Attribute(ast.Name(HOOKS, ast.Load()), "by", ast.Load())
    if function.attr in IN_PLACE and len(call.args) == 1 and set(options) <= {"alpha"}:
        target, value = function.value, call.args[0]
        if "alpha" in options:
            value = ast.BinOp(options["alpha"], ast.Mult(), value)
        sign = IN_PLACE[function.attr]
        moved = ast.Expr(ast.Call(function, [by], []))
    elif function.attr in OUTS and len(call.args) == 2 and set(options) == {"out"}:
        target, value, sign = options["out"], call.args[1], OUTS[function.attr]
        if ast.unparse(call.args[0]) != ast.unparse(target):
            return None
        moved = ast.Expr(ast.Call(function, [call.args[0], by], call.keywords))
    else:
        return None
    if bare(target) != ast.unparse(target) and isinstance(target, ast.Attribute):
        target = target.value
    return target, value, sign, moved
