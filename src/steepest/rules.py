"""Update rules, solvers and schedules as Python objects, with settings of their own.

>>> import steepest
>>> from steepest import rules
>>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 9.0]}
>>> model = steepest.fit(table, target="y", rule=rules.Momentum(0.5), epochs=20)
>>> model.path.rule, round(model.coefficients["x"], 3)
(Momentum(momentum=0.5), 2.298)
>>> slow = rules.WarmUp(5, then=rules.Cosine(15))
>>> model = steepest.fit(table, target="y", schedule=slow, learning_rate=0.4, epochs=20)
>>> round(model.coefficients["x"], 3)
2.3
"""

from __future__ import annotations

from .descent.adaptive import Adagrad, Adam, AdamW, RMSprop
from .descent.momentum import Momentum, Nesterov
from .descent.rules import GradientDescent, UpdateRule
from .descent.schedules import Constant, Cosine, InverseTime, Schedule, Step, WarmUp
from .descent.searches import LBFGS, ConjugateGradient

__all__ = [
    "LBFGS",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConjugateGradient",
    "Constant",
    "Cosine",
    "GradientDescent",
    "InverseTime",
    "Momentum",
    "Nesterov",
    "RMSprop",
    "Schedule",
    "Step",
    "UpdateRule",
    "WarmUp",
]
