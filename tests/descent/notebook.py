"""The notebook's four rows, its loop and its gradient; and losses given by a curve."""

from __future__ import annotations

import numpy as np

from steepest.descent.loop import descend, run
from steepest.descent.rules import RULES

X = np.array([1, 2, 3, 4], dtype=np.float32)
Y = np.array([2, 4, 6, 8], dtype=np.float32)


def forward(w, x):
    return w * x


def loss(y, y_predicted):
    return ((y_predicted - y) ** 2).mean()


def summed(x, y, y_predicted):
    """The notebook's gradient: four times that of the loss, so its curvature is 60."""
    return np.dot(2 * x, y_predicted - y).mean()


def train(x=X, y=Y, **changes):
    options = {"forward": forward, "loss": loss, "gradient": summed}
    return descend(x, y, **(options | {"w": 0.0, "learning_rate": 0.01, "epochs": 10} | changes))


class Curve:
    """A loss given by its value and its derivative."""

    def __init__(self, value, derivative):
        self._value, self._derivative = value, derivative

    def value(self, w):
        return self._value(w)

    def value_and_gradient(self, w):
        return self._value(w), self._derivative(w)

    def smoothness(self):
        return None


def go(value, derivative, w, rate, epochs=10, **options):
    rule = RULES["gradient-descent"]
    objective = Curve(value, derivative)
    return run(objective, w, rule=rule, learning_rate=rate, epochs=epochs, **options)
