"""The notebook's PyTorch cell, four weights for four points; its loop is steepest.descend."""

import torch

import steepest

X = torch.tensor([1, 2, 3, 4], dtype=torch.float32)
Y = torch.tensor([2, 4, 6, 8], dtype=torch.float32)

w = torch.tensor([2, 4, 6, 8], requires_grad=True, dtype=torch.float32)


def forward(w, x):
    return w * x


def loss(y, y_predicted):
    return ((y_predicted - y) ** 2).mean()


descent = steepest.descend(X, Y, forward=forward, loss=loss, w=w, learning_rate=0.01, epochs=91)

# As in the notebook, the loss before an update stands beside the weights after it.
for epoch in range(0, descent.epochs, 10):
    before, after = (descent.weights[t].requires_grad_() for t in (epoch, epoch + 1))
    print("Epoch: ", epoch + 1)
    print("w: ", after)
    print("loss", loss(Y, forward(before, X)))
