"""A program's text with hooks in it: at its loops, updates, assignments, and what it prints."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Sequence

from .anatomy import (
    RATE,
    Anatomy,
    Factor,
    Loop,
    Site,
    added,
    bare,
    factors_of,
    moved_by_a_rate,
    moves_itself,
    name_of,
    names_in,
    reset_in,
)
from .wiring import HOOKS, constant, hook, loaded, locate, read_call, replaced, seen, wire_update

WIDENS = re.compile(r"None|newaxis|reshape|expand_dims|keepdims|unsqueeze|outer|view")
"""Words of an expression that is meant to be broadcast."""

COMPILED = re.compile(r"njit|numba|script|vectorize|compile|tf\.function")
"""Decorators that read a function's code and turn it into something else."""


def instrument(source: str, cell: int, first: int, anatomy: Anatomy) -> ast.Module:
    """The cell's code with hooks; what its text tells is added to ``anatomy``.

    Raises
    ------
    SyntaxError
        It is no Python.
    """
    tree = ast.parse(source)
    ast.increment_lineno(tree, first - 1)
    anatomy.learn(tree)
    Instruments(cell, anatomy).visit(tree)
    return ast.fix_missing_locations(tree)


class Instruments(ast.NodeTransformer):
    """Puts hooks into one cell."""

    def __init__(self, cell: int, anatomy: Anatomy) -> None:
        self.cell, self.anatomy = cell, anatomy
        self.functions: list[str] = []
        self.shared: list[set[str]] = []
        self.depth = 0

    # ------------------------------------------------------------ functions and loops

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        waits = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
        if waits or any(COMPILED.search(ast.unparse(one)) for one in node.decorator_list):
            return node  # its loops stand still between two values, or it is no Python when it runs
        self.functions.append(node.name)
        for statement in ast.walk(node):
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                names = map(name_of, statement.targets)
                self.anatomy.starts |= {(".".join(self.functions), name) for name in names}
        self.shared.append(
            {n for s in ast.walk(node) if isinstance(s, ast.Global | ast.Nonlocal) for n in s.names}
        )
        node.body = self._block(node.body)
        self.functions.pop()
        self.shared.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [self.visit(s) if isinstance(s, ast.FunctionDef) else s for s in node.body]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._expressions(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._loop(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._loop(node)

    def _loop(self, node: ast.For | ast.While) -> ast.AST:
        loop = Loop(len(self.anatomy.loops), node.lineno, self.cell, ".".join(self.functions))
        self.anatomy.loops.append(loop)
        loop.reset = reset_in(node.body)
        loop.clips = "clip" in ast.unparse(node) or "clamp" in ast.unparse(node)
        loop.signs = "sign(" in ast.unparse(node)
        loop.shared = frozenset(self.shared[-1] if self.shared else ())
        loop.reads = frozenset(name for statement in node.body for name in names_in(statement))
        self.depth += 1
        body = self._block(node.body)
        self.depth -= 1
        node.orelse = self._block(node.orelse)
        number = constant(loop.number)
        loop.body = [copy.deepcopy(statement) for statement in body]
        enter = ast.Expr(hook("enter", number))
        node.body = [enter, ast.Try(body, [], [], [ast.Expr(hook("leave", number))])]
        for statement in node.body:
            locate(statement, node)
        return node

    def _block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in body:
            made = self.visit(statement)
            found += made if isinstance(made, list) else [made]
        return found

    # ------------------------------------------------------------ updates

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        acts = any(isinstance(inner, ast.Call | ast.NamedExpr) for inner in ast.walk(node.target))
        if acts or not isinstance(node.op, ast.Add | ast.Sub):
            node.value = self._expression(node.value)
            return node if acts else [node, self._put(node.target, node)]
        value = copy.deepcopy(node.value)
        sign = 1 if isinstance(node.op, ast.Add) else -1
        site = self._site(node, node.target, sign, added(node.value))
        moved = ast.AugAssign(
            node.target, node.op, ast.Attribute(ast.Name(HOOKS, ast.Load()), "by", ast.Load())
        )
        return [
            *wire_update(site, node.target, self._noted(site, value), moved, node),
            self._put(node.target, node),
        ]

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            made = self._in_place(node, call)
            if made:
                return made
        node.value = self._seen_arguments(node.value)
        if self.depth and isinstance(call, ast.Call) and bare(call.func) == "print":
            forgive = hook("forgive_print", constant(node.lineno))
            handler = ast.ExceptHandler(
                ast.Name("Exception", ast.Load()),
                None,
                [ast.If(ast.UnaryOp(ast.Not(), forgive), [ast.Raise()], [])],
            )
            return locate(ast.Try([node], [handler], [], []), node)
        return node

    def _in_place(self, node: ast.Expr, call: ast.Call) -> list[ast.stmt] | None:
        """w.sub_(...), w.add_(..., alpha=-lr), np.subtract(w, ..., out=w)."""
        read = read_call(call)
        if read is None:
            return None
        target, value, sign, moved = read
        site = self._site(node, target, sign, added(value))
        return wire_update(site, target, self._noted(site, copy.deepcopy(value)), moved, node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        if len(node.targets) == 1:
            node.value = self._rewritten(node.targets[0], node.value, node)
        else:
            node.value = self._expression(node.value)
        return [node, *[self._put(target, node) for target in node.targets]]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt]:
        if node.value is None:
            return node
        node.value = self._rewritten(node.target, node.value, node)
        return [node, self._put(node.target, node)]

    def _rewritten(self, target: ast.expr, value: ast.expr, at: ast.stmt) -> ast.expr:
        """The value of an assignment, with a hook where it is its target, moved."""
        if (
            isinstance(target, ast.Tuple | ast.List)
            and isinstance(value, ast.Tuple | ast.List)
            and len(target.elts) == len(value.elts)
        ):
            both = zip(target.elts, value.elts, strict=True)
            value.elts = [self._rewritten(one, its, at) for one, its in both]
            return value
        chain = moves_itself(bare(target), value)
        if chain is None:
            return self._expression(value)
        return replaced(value, chain, self._shifted(chain, bare(target), target, at))

    def _shifted(self, chain: ast.BinOp, name: str, target: ast.expr, at: ast.AST) -> ast.expr:
        """A sum of something and its move, as an expression."""
        terms = added(chain)
        held = next(i for i, (sign, term) in enumerate(terms) if sign == 1 and bare(term) == name)
        rest = [pair for i, pair in enumerate(terms) if i != held]
        site = self._site(at, target, 1, rest)
        noted = self._noted(site, chain, terms[held][1])
        return hook("shifted", constant(site.number), copy.deepcopy(terms[held][1]), noted)

    def _site(
        self, at: ast.AST, target: ast.expr, sign: int, terms: list[tuple[int, ast.expr]]
    ) -> Site:
        form = {ast.Name: "name", ast.Attribute: "attribute", ast.Subscript: "item"}.get(
            type(target), "expression"
        )
        line = getattr(at, "lineno", 0)
        site = Site(
            len(self.anatomy.sites), bare(target), line, self.cell, form, ".".join(self.functions)
        )
        for own, term in terms:
            site.signs.append(sign * own)
            found = factors_of(term)
            site.terms.append([Factor(ast.unparse(node), power) for node, power in found])
            self.anatomy.wanted |= names_in(term)
            plain = not any(isinstance(n, ast.MatMult | ast.Call) for n in ast.walk(term))
            names = [node for node, _ in found if isinstance(node, ast.Name | ast.Attribute)]
            if plain:
                self.anatomy.factors.append(
                    {name_of(n) for n in names if not RATE.search(ast.unparse(n))}
                )
        self.anatomy.sites.append(site)
        return site

    def _noted(self, site: Site, value: ast.expr, held: ast.expr | None = None) -> ast.expr:
        """A sum whose terms, and their factors, are noted as they are computed."""
        count = 0

        def terms(node: ast.expr) -> ast.expr:
            nonlocal count
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
                node.left, node.right = terms(node.left), terms(node.right)
                return node
            if node is held:
                return node
            number, place = count, [0]
            count += 1
            noted = self._factors(node, site.number, number, place)
            return hook("note", constant(site.number), constant(number), constant(-1), noted)

        return terms(value)

    def _factors(self, node: ast.expr, site: int, term: int, place: list[int]) -> ast.expr:
        """A product whose factors are noted, in the order of ``factors_of``."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.MatMult | ast.Div):
            node.left = self._factors(node.left, site, term, place)
            node.right = self._factors(node.right, site, term, place)
            return hook("part", node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            node.operand = self._factors(node.operand, site, term, place)
            return node
        place[0] += 1
        inner = self._expression(node)
        return hook("note", constant(site), constant(term), constant(place[0] - 1), inner)

    # ------------------------------------------------------------ expressions

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is not None and self.functions:
            node.value = hook(
                "returned", constant(self.functions[-1]), self._expression(node.value)
            )
        return node

    def _put(self, target: ast.expr, at: ast.stmt) -> ast.stmt:
        """Tells of what a name was given."""
        parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        told: list[ast.expr] = []
        for part in parts:
            node = part.value if isinstance(part, ast.Starred) else part
            if isinstance(node, ast.Name):
                told += [constant(node.id), loaded(node)]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                read = hook("read", loaded(node.value), constant(node.attr))
                told += [constant(ast.unparse(node)), read]
        function = constant(".".join(self.functions))
        return locate(ast.Expr(hook("put", function, *told)), at)

    def _seen_arguments(self, node: ast.expr) -> ast.expr:
        """A call whose computed arguments are told of: what is printed or appended."""
        if not isinstance(node, ast.Call):
            return self._expression(node)
        node.args = [self._expression(seen(argument)) for argument in node.args]
        node.func = self._expression(node.func)
        for keyword in node.keywords:
            keyword.value = self._expression(keyword.value)
        return node

    def _expression(self, node: ast.expr) -> ast.expr:
        found = self._expressions(node)
        assert isinstance(found, ast.expr)
        return found

    def _expressions(self, node: ast.AST) -> ast.AST:
        """Moves by a rate wherever they stand, and calls of next(), which cannot be run again."""
        held = moved_by_a_rate(node)
        if held is not None and isinstance(node, ast.BinOp):
            return self._shifted(node, bare(held), ast.Constant(bare(held)), node)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "next"
        ):
            return hook("next_of", *[self._expression(argument) for argument in node.args])
        if isinstance(node, ast.Call) and bare(node.func).endswith("sqrt") and len(node.args) == 1:
            node.args = [self._expression(seen(node.args[0]))]
            return node
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                setattr(node, name, self._expressions(value))
            elif isinstance(value, list):
                setattr(
                    node,
                    name,
                    [self._expressions(v) if isinstance(v, ast.AST) else v for v in value],
                )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.MatMult | ast.Div):
            return hook("part", node)
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Sub)
            and not WIDENS.search(ast.unparse(node))
        ):
            return hook("minus", node.left, node.right)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Blocks statement by statement, expressions as they are."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, name, self._expression(value))
            elif isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, self._block(value))
            elif isinstance(value, list):
                setattr(node, name, [self._inner(part) for part in value])
        return node

    def _inner(self, part: object) -> object:
        """What stands in a list of a statement: a handler with its block, or an expression."""
        if isinstance(part, ast.ExceptHandler | ast.match_case | ast.withitem):
            return self.visit(part)
        return self._expressions(part) if isinstance(part, ast.AST) else part
