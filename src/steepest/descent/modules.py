"""A ``torch.nn.Module`` as the weights: its parameters are stepped, in a copy of it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import GradientError
from ..typing import Tensor
from .guards import guarded


def is_module(value: object) -> bool:
    """Whether ``value`` is a ``torch.nn.Module``; to know it, torch need not be installed.

    Examples
    --------
    >>> is_module(3.0)
    False
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def call(module: Any, x: Tensor) -> Tensor:
    """Return ``module(x)``: the forward of a module for which none is given."""
    return module(x)


@dataclass(frozen=True)
class Seated:
    """Weights that sit in a module: the loop steps a dict of the parameters that require grad.

    Attributes
    ----------
    module : torch.nn.Module
        A copy that belongs to the descent; its buffers are learned as it runs.
    """

    module: Any

    @classmethod
    def copied(cls, module: Any) -> Seated:
        """A seat in a deep copy of the caller's module."""
        return cls(copy.deepcopy(module))

    def start(self) -> dict[str, Tensor]:
        """Return the trained parameters by name, as they are now.

        Raises
        ------
        GradientError
            No parameter requires grad.
        """
        found = {name: p.detach().clone() for name, p in self._parameters().items()}
        if not found:
            raise GradientError.untrained(type(self.module).__name__)
        return found

    def open(self, w: Tensor) -> Tensor:
        parameters = self._parameters()
        with sys.modules["torch"].no_grad():
            for name, parameter in parameters.items():
                if parameter is not w[name]:
                    parameter.copy_(w[name])
        return parameters

    def given(self, w: Tensor) -> Any:
        self.open(w)
        return self.module

    def kept(self, w: Tensor) -> Any:
        return guarded(w)

    def final(self, w: Tensor, aside: Any) -> Any:
        self.put(aside)
        for parameter in self.open(w).values():
            parameter.grad = None
        return self.module

    def aside(self) -> Any:
        """Return copies of the buffers, such as running means."""
        return {name: buffer.detach().clone() for name, buffer in self.module.named_buffers()}

    def put(self, aside: Any) -> None:
        with sys.modules["torch"].no_grad():
            for name, buffer in self.module.named_buffers():
                buffer.copy_(aside[name])

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """A block in which the module is in ``eval()`` mode, as in a prediction."""
        modes = {part: part.training for part in self.module.modules()}
        self.module.eval()
        try:
            yield
        finally:
            for part, mode in modes.items():
                part.training = mode

    def _parameters(self) -> dict[str, Any]:
        named = self.module.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}
