"""Which epoch was the best, and when to wait for a better one no longer."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError
from ..typing import Tensor


@dataclass
class Watch:
    """Follows the loss that counts: of the rows held out, or else of those trained on.

    Attributes
    ----------
    patience : int or None
        Epochs to go on without an improvement; None never stops, and keeps no weights.
    tolerance : float
        An improvement is a fall by more than this share of the loss.
    epoch : int
        The epoch of the smallest loss, the first where several are equal.
    loss : float
        That loss; inf where none was a number.
    w, aside, trained : object
        The weights of that epoch, what was learned beside them, and the loss on the rows
        trained on.

    Examples
    --------
    >>> watch = Watch(patience=2)
    >>> [watch.at(t, loss, w=t, aside=None) for t, loss in enumerate([3.0, 2.0, 2.5, 2.1])]
    [False, False, False, True]
    >>> watch.epoch, watch.w
    (1, 1)
    """

    patience: int | None = None
    tolerance: float = 0.0
    epoch: int = 0
    loss: float = math.inf
    w: Tensor | None = field(default=None, repr=False)
    aside: Any = field(default=None, repr=False)
    trained: float = math.nan
    _mark: float = math.inf
    _waited: int = 0

    def at(self, epoch: int, loss: float, w: Tensor, aside: Any, trained: float = math.nan) -> bool:
        """Whether, after this epoch, there have been too many without an improvement."""
        # Of an infinite mark there is no share, and a NaN is below nothing.
        share = self.tolerance * abs(self._mark) if math.isfinite(self._mark) else 0.0
        improved = loss < self._mark - share
        self._waited = 0 if improved or epoch == 0 else self._waited + 1
        if improved:
            self._mark = loss
        if loss < self.loss or epoch == 0:
            self.epoch, self.loss = epoch, math.inf if math.isnan(loss) else loss
            self.trained = trained
            if self.patience is not None:
                self.w, self.aside = w, aside
        return self.patience is not None and self._waited >= self.patience

    def saved(self) -> dict[str, Any]:
        """Return the numbers that it remembers."""
        return {
            "epoch": self.epoch,
            "loss": self.loss,
            "trained": self.trained,
            "mark": self._mark,
            "waited": self._waited,
        }

    def restore(self, saved: dict[str, Any], w: Tensor | None, aside: Any) -> None:
        """Go on from what another one has :meth:`saved`."""
        self.epoch, self.loss, self.trained = saved["epoch"], saved["loss"], saved["trained"]
        self._mark, self._waited = saved["mark"], saved["waited"]
        self.w, self.aside = w, aside


def check_stopping(patience: int | None, tolerance: float) -> None:
    """Refuse a patience that is no count from 1, and a tolerance that is no share."""
    whole = isinstance(patience, numbers.Integral) and not isinstance(patience, bool)
    if patience is not None and not (whole and patience >= 1):
        wanted = "a whole number of at least 1"
        raise OptionError.outside("patience", patience, wanted, "patience=10")
    real = isinstance(tolerance, numbers.Real) and not isinstance(tolerance, bool)
    if not (real and 0 <= tolerance < 1):
        wanted = "a number from 0 to below 1"
        raise OptionError.outside("tolerance", tolerance, wanted, "tolerance=1e-4")
