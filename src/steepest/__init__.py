"""Linear models trained by gradient descent, from four points to tables larger than one machine.

>>> import steepest
>>> moments = steepest.scan({"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]})
>>> model = steepest.fit(moments, target="y")
>>> model.predict({"x": [5.0]}).round(9)
array([10.])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.audits import Audit
    from .checks.checkup import check_gradient
    from .checks.findings import Checkup
    from .checks.races import Race
    from .checks.racing import race
    from .data.open import open_table
    from .descent.loop import Descent, descend
    from .descent.speeds import Rates
    from .errors import SteepestError, SteepestWarning
    from .models.fitting import fit
    from .models.model import Model
    from .models.outlook import rates
    from .models.record import load
    from .models.scoring import Score
    from .models.selecting import select
    from .models.selections import Selection
    from .models.several import Models
    from .models.studies import Study
    from .models.studying import study
    from .models.validation import Validation
    from .sums.merging import merge
    from .sums.moments import Moments
    from .sums.scanning import scan

__version__ = "0.1.0"

_HOMES = {
    "Audit": "checks.audits",
    "Checkup": "checks.findings",
    "Descent": "descent.loop",
    "Model": "models.model",
    "Models": "models.several",
    "Moments": "sums.moments",
    "Race": "checks.races",
    "Rates": "descent.speeds",
    "Selection": "models.selections",
    "Study": "models.studies",
    "Score": "models.scoring",
    "SteepestError": "errors",
    "SteepestWarning": "errors",
    "Validation": "models.validation",
    "check_gradient": "checks.checkup",
    "descend": "descent.loop",
    "fit": "models.fitting",
    "load": "models.record",
    "merge": "sums.merging",
    "open_table": "data.open",
    "race": "checks.racing",
    "rates": "models.outlook",
    "scan": "sums.scanning",
    "select": "models.selecting",
    "study": "models.studying",
}
__all__ = [
    "Audit",
    "Checkup",
    "Descent",
    "Model",
    "Models",
    "Moments",
    "Race",
    "Rates",
    "Score",
    "Selection",
    "SteepestError",
    "SteepestWarning",
    "Study",
    "Validation",
    "__version__",
    "check_gradient",
    "descend",
    "fit",
    "load",
    "merge",
    "open_table",
    "race",
    "rates",
    "scan",
    "select",
    "study",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first asked for, so that ``import steepest`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'steepest' has no attribute '{name}'")
    return getattr(import_module(f"steepest.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
