"""The notebook's NumPy cell; its loop is steepest.descend."""

import numpy as np

import steepest

X = np.array([1, 2, 3, 4], dtype=np.float32)
Y = np.array([2, 4, 6, 8], dtype=np.float32)

w = 0.0


def forward(w, x):
    return w * x


def loss(y, y_predicted):
    return ((y_predicted - y) ** 2).mean()


def gradient(x, y, y_predicted):
    return np.dot(2 * x, y_predicted - y).mean()


print(f"Prediction before training: f(5) = {forward(w, 5):.3f}")

descent = steepest.descend(
    X, Y, forward=forward, loss=loss, gradient=gradient, w=w, learning_rate=0.01, epochs=10
)

# As in the notebook, the loss before an update stands beside the weight after it.
for epoch in range(descent.epochs):
    after, before = descent.weights[epoch + 1], descent.losses[epoch]
    print(f"epoch {epoch + 1}: w = {after:.3f}, loss = {before:.8f}")

print(f"Prediction After training: f(5) = {descent.predict(5):.3f}")
