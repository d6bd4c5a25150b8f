"""What a program's text tells: where it updates, in which loops, and what its updates rest on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .softness import softenings

RATE = re.compile(
    r"(^|[._\[\"'])(lr\w*|learn\w*|alpha|eta\d*|[αη]|rate|step_?size|\w*_lr|\w*rate)\b",
    re.IGNORECASE,
)
LOSS = re.compile(
    r"loss|cost|mse|sse|rss|mae|nll|bce|entropy|objective|likelihood|(^|_)(ll|err|error|risk)(_|s?$)"
    r"|^[ljJLEC]$|residual_sum|penali[sz]ed",
    re.IGNORECASE,
)
CLIMB = re.compile(
    r"likelihood|loglik|(^|_)ll(_|$)|reward|elbo|log_?prob|score|utility", re.IGNORECASE
)
NO_LOSS = re.compile(
    r"(^|[_ (])val(_|id|$)|test|dev(_|$)|hold|best|prev|last|(^|_)(old|min|max)(_|$)|hist|acc"
    r"|r2|r_2|rmse|rms|sqrt|norm|std|corr|tol|delta|diff|change|lr|rate|running|smooth|ema",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Factor:
    """A factor of a term: its text, and 1 or -1 as its power."""

    text: str
    power: int

    @property
    def names_a_rate(self) -> bool:
        return bool(RATE.search(self.text))


@dataclass
class Site:
    """A place that moves something by the sum of some terms."""

    number: int
    name: str
    """What is moved, as it is written."""
    line: int
    cell: int
    form: str
    """How it is reached: ``name``, ``attribute``, ``item``; an ``expression`` moves nothing."""
    function: str
    terms: list[list[Factor]] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether what is moved is a variable, and no product such as mu * v."""
        return bool(re.fullmatch(r"[\w.\[\]'\"]+", self.name))

    @property
    def names_a_rate(self) -> bool:
        """Whether each of its terms has a factor that is named as a rate."""
        return all(any(factor.names_a_rate for factor in term) for term in self.terms)

    @property
    def has_rate(self) -> bool:
        """Whether a factor is named as a rate, or is a number below 1."""
        texts = [factor.text for term in self.terms for factor in term]
        small = re.compile(r"0?\.\d+|\d+e-\d+|\d+\.\d*e-\d+")
        return any(RATE.search(text) or small.fullmatch(text) for text in texts)


@dataclass
class Loop:
    """A loop of the program."""

    number: int
    line: int
    cell: int
    function: str
    body: list[ast.stmt] = field(default_factory=list)
    """Its instrumented body, to be run again."""
    reset: frozenset[str] = frozenset()
    """Names that its body gives a value that does not rest on their last one."""
    clips: bool = False
    signs: bool = False
    shared: frozenset[str] = frozenset()
    """Names that its function shares with its module or with an outer function."""
    reads: frozenset[str] = frozenset()


@dataclass
class Anatomy:
    """All that is known of a program's text; grows cell by cell."""

    sites: list[Site] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    reads: dict[str, set[str]] = field(default_factory=dict)
    """From a name to the names that its values are computed from."""
    wanted: set[str] = field(default_factory=set)
    """Names that updates read."""
    starts: set[tuple[str, str]] = field(default_factory=set)
    """Functions and names that a plain number is given to in them."""
    softness: float = 0.0
    """The largest small number that keeps a logarithm or a quotient away from 0."""
    differentiated: set[str] = field(default_factory=set)
    """Names of what grad() was asked to differentiate."""
    discarded: set[str] = field(default_factory=set)
    """Functions whose result is not used, where they are called."""
    loaded: set[str] = field(default_factory=set)
    """Names and attributes that are read anywhere, and texts."""
    returns: dict[str, list[ast.expr]] = field(default_factory=dict)
    """What each function returns, wherever it does."""
    factors: list[set[str]] = field(default_factory=list)
    """For each term of an update that is a plain product, the names that are its factors."""

    @property
    def gradients(self) -> set[str]:
        """Names that updates multiply by their rate."""
        moved = {name_of_text(site.name) for site in self.sites}
        found = [{n for n in names if self.behind({n}) & moved} for names in self.factors]
        return {name for names in found if len(names) == 1 for name in names}

    @property
    def resets(self) -> set[str]:
        """Names that some loop gives a new value in each iteration."""
        return {name for loop in self.loops for name in loop.reset}

    @property
    def needed(self) -> set[str]:
        """Every name that an update rests on."""
        return self.behind(self.wanted)

    @property
    def circular(self) -> set[str]:
        """Names that are computed from their own last values."""
        return {name for name, reads in self.reads.items() if name in reads}

    def behind(self, names: set[str]) -> set[str]:
        """These names, and every name that they rest on."""
        found: set[str] = set()
        left = set(names)
        while left:
            name = left.pop()
            found.add(name)
            left |= self.reads.get(name, set()) - found
        return found

    def learn(self, tree: ast.AST) -> None:
        """Take in which names rest on which."""
        self.softness = max(self.softness, *softenings(tree))
        self._learn_calls(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for name, read in self._filled(target, node.value):
                        self.reads.setdefault(name, set()).update(read)
            elif isinstance(node, ast.AugAssign | ast.AnnAssign) and node.value is not None:
                self.reads.setdefault(name_of(node.target), set()).update(names_in(node.value))
            elif isinstance(node, ast.For):
                for name in map(name_of, flat(node.target)):
                    self.reads.setdefault(name, set()).update(names_in(node.iter))

    def _learn_calls(self, tree: ast.AST) -> None:
        """Take in what functions return, and what is made of it where they are called."""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        self.reads.setdefault(node.name, set()).update(names_in(inner.value))
                        self.returns.setdefault(node.name, []).append(inner.value)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                self.loaded.add(name_of(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.loaded.add(node.value)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self.discarded.add(name_of(node.value.func))
            elif isinstance(node, ast.Call) and name_of(node.func) == "grad" and node.args:
                self.differentiated.add(name_of(node.args[0]))

    def _filled(self, target: ast.expr, value: ast.expr) -> Iterator[tuple[str, set[str]]]:
        """Each name that an assignment fills, and what it is computed from.

        Of a function that returns several values at once, each has its own.
        """
        if isinstance(value, ast.Call) and isinstance(target, ast.Tuple | ast.List):
            given: set[str] = set().union(*map(names_in, [*value.args, *value.keywords]))
            ends = self.returns.get(name_of(value.func), [])
            if ends and all(
                isinstance(end, ast.Tuple) and len(end.elts) == len(target.elts) for end in ends
            ):
                for end in ends:
                    for name, its in paired(target, end):
                        yield name, names_in(its) | given
                return
        for name, its in paired(target, value):
            yield name, names_in(its)


def paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Each name that an assignment fills, and what fills it."""
    if isinstance(target, ast.Tuple | ast.List):
        same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        values = (
            value.elts
            if same and isinstance(value, ast.Tuple | ast.List)
            else [value] * len(target.elts)
        )
        for one, its in zip(target.elts, values, strict=True):
            yield from paired(one, its)
    else:
        yield name_of(target), value


def flat(target: ast.expr) -> list[ast.expr]:
    """The targets of an assignment, tuples taken apart."""
    if isinstance(target, ast.Tuple | ast.List):
        return [one for part in target.elts for one in flat(part)]
    return [target.value if isinstance(target, ast.Starred) else target]


def name_of(node: ast.expr) -> str:
    """The name that something is known by: ``w`` of w[0], ``dw`` of self.dw."""
    while isinstance(node, ast.Subscript | ast.Starred):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr not in {"data", "T"} else name_of(node.value)
    return node.id if isinstance(node, ast.Name) else ""


def names_in(node: ast.AST) -> set[str]:
    """The names and attributes that an expression reads."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def added(node: ast.expr, sign: int = 1) -> list[tuple[int, ast.expr]]:
    """The signed terms of a sum."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        right = sign if isinstance(node.op, ast.Add) else -sign
        return added(node.left, sign) + added(node.right, right)
    return [(sign, node)]


def factors_of(node: ast.expr, power: int = 1) -> list[tuple[ast.expr, int]]:
    """The factors of a term; matrix products are linear, so that numbers can be drawn from them."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.MatMult):
        return factors_of(node.left, power) + factors_of(node.right, power)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return factors_of(node.left, power) + factors_of(node.right, -power)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return factors_of(node.operand, power)
    return [(node, power)]


def bare(node: ast.expr) -> str:
    """The text of what is moved, without what only changes its wrapping: w of w.detach()."""
    while True:
        if isinstance(node, ast.Attribute) and node.attr == "data":
            node = node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"detach", "copy", "clone"}
            and not node.args
        ):
            node = node.func.value
        elif isinstance(node, ast.Subscript) and _is_whole(node.slice):
            node = node.value
        else:
            return ast.unparse(node)


def _is_whole(index: ast.expr) -> bool:
    whole = isinstance(index, ast.Slice) and not (index.lower or index.upper or index.step)
    return whole or (isinstance(index, ast.Constant) and index.value is Ellipsis)


def moves_itself(target: str, value: ast.expr) -> ast.BinOp | None:
    """The sum inside of ``value`` of which ``target`` itself is a term: w - lr * dw."""
    for node in ast.walk(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            terms = added(node)
            if any(sign == 1 and bare(term) == target for sign, term in terms) and len(terms) > 1:
                return node
    return None


def moved_by_a_rate(node: ast.AST) -> ast.expr | None:
    """The w of a sum such as w - lr * dw, wherever it stands; None of other expressions."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    held = []
    for sign, term in added(node):
        factors = [factor for factor, _ in factors_of(term)]
        if len(factors) < 2 or not any(RATE.search(ast.unparse(factor)) for factor in factors):
            held.append((sign, term))
    alone = len(held) == 1 and held[0][0] == 1 and not isinstance(held[0][1], ast.Constant)
    return held[0][1] if alone else None


def reset_in(body: list[ast.stmt]) -> frozenset[str]:
    """Names that get values in there that do not rest on their own."""
    found: set[str] = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for one, value in paired(target, node.value):
                        if one not in names_in(value):
                            found |= {ast.unparse(t) for t in flat(target) if name_of(t) == one}
            elif isinstance(node, ast.For):
                found |= {ast.unparse(target) for target in flat(node.target)}
    return frozenset(found)


def name_of_text(text: str) -> str:
    """The last name in a text: ``w`` of self.w, and of w[0]."""
    try:
        return name_of(ast.parse(text, mode="eval").body) or text
    except SyntaxError:
        return text


def names_read(text: str) -> set[str]:
    """The names and attributes that an expression's text reads."""
    return names_in(ast.parse(text, mode="eval"))
