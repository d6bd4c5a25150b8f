"""What the loop steps, and what the user's functions are given for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from ..typing import Tensor
from .guards import guarded, own, shown
from .trees import leaves, map_leaves, rebuild


class Form(Protocol):
    """How the weights that the loop steps stand for what the user handed over as w."""

    def open(self, w: Tensor) -> Tensor:
        """Return a tensor that requires grad for each leaf of w, with its numbers."""

    def given(self, w: Tensor) -> Any:
        """Return what the user's functions get as w; tensors of :meth:`open` stay connected."""

    def kept(self, w: Tensor) -> Any:
        """Return what the trace keeps, and ``on_epoch`` sees."""

    def final(self, w: Tensor, aside: Any) -> Any:
        """Return what a descent ends with, the user's to keep."""

    def aside(self) -> Any:
        """Return a copy of what an evaluation changes beside w; None where nothing is."""

    def put(self, aside: Any) -> None:
        """Take back what :meth:`aside` returned."""

    def measuring(self) -> AbstractContextManager[Any]:
        """A block in which a loss is only measured, and nothing is learned from it."""


@dataclass(frozen=True)
class Plain:
    """The weights as they are: a number, an array, a tensor or a tree of them."""

    def open(self, w: Tensor) -> Tensor:
        return map_leaves(lambda leaf: leaf.detach().clone().requires_grad_(), w)

    def given(self, w: Tensor) -> Any:
        return w

    def kept(self, w: Tensor) -> Any:
        return guarded(self.given(w))

    def final(self, w: Tensor, aside: Any) -> Any:  # noqa: ARG002
        return own(self.given(w))

    def aside(self) -> Any:
        return None

    def put(self, aside: Any) -> None:
        """Nothing is learned beside the weights."""

    def measuring(self) -> AbstractContextManager[Any]:
        return nullcontext()


@dataclass(frozen=True)
class Partly(Plain):
    """A tree of tensors of which some are held fixed; the loop steps the list of the others.

    Attributes
    ----------
    tree : tree of tensors
        Those that require grad are trained.
    """

    tree: Any

    def given(self, w: Tensor) -> Any:
        trained = iter(w)
        every = [next(trained) if _asks(one) else shown(one) for one in leaves(self.tree)]
        return rebuild(self.tree, every)


def _asks(leaf: Tensor) -> bool:
    return bool(getattr(leaf, "requires_grad", False))
