"""What stands in for the surroundings of a program that only show things: plots, displays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

SHOWS = {"matplotlib", "mpl_toolkits", "seaborn", "plotly", "IPython", "google"}
"""Packages that a program's numbers do not rest on."""

LENGTHS = {"plot": 1, "hist": 3}
"""How many things a call gives, where it is not two: ``line, = plt.plot(x, y)``."""


class Standin:
    """Takes every call and gives itself back, in any number."""

    def __init__(self, length: int = 2) -> None:
        self.__length = length

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in {"dtype", "shape"}:
            raise AttributeError(name)
        return Standin(LENGTHS.get(name, 2))

    def __call__(self, *_: Any, **__: Any) -> Standin:
        return self

    def __iter__(self) -> Iterator[Standin]:
        return iter([Standin() for _ in range(self.__length)])

    def __getitem__(self, key: Any) -> Standin:
        return Standin()

    def __setitem__(self, key: Any, value: Any) -> None:
        """Forget it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""


def stands_in(error: ModuleNotFoundError) -> bool:
    """Whether what is missing only shows things."""
    return (error.name or "").partition(".")[0] in SHOWS
