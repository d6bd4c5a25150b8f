"""Models of several targets, from one scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..typing import Floats
from .model import Model


@dataclass(frozen=True, eq=False)
class Models(Mapping[str, Model]):
    """A model for each of several targets, by its name.

    Each has the rows that its own target and features leave it.

    Examples
    --------
    >>> import steepest
    >>> homes = {"area": [50, 70, 90], "price": [110, 150, 190], "rent": [5.0, 7.0, 9.0]}
    >>> models = steepest.fit(homes, target=["price", "rent"])
    >>> {target: round(model.coefficients["area"], 6) for target, model in models.items()}
    {'price': 2.0, 'rent': 0.1}
    >>> models.predict({"area": [100]})["rent"].round(6)
    array([10.])
    """

    members: Mapping[str, Model]

    def __getitem__(self, target: str) -> Model:
        return self.members[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def predict(self, source: Any, **options: Any) -> dict[str, Floats]:
        """Predictions of each model, by target: as :meth:`Model.predict`, a pass for each."""
        return {target: model.predict(source, **options) for target, model in self.items()}

    def __repr__(self) -> str:
        return "\n\n".join(str(model) for model in self.values())


def list_notes(models: Mapping[str, Model]) -> list[str]:
    """The notes of all, each under the name of its target where there are several."""
    if len(models) == 1:
        return list(next(iter(models.values())).notes)
    return [f"{target}: {note}" for target, model in models.items() for note in model.notes]
