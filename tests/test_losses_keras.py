"""Losses of the Keras room, on the numbers of `helpers.torch` (itself checked against loops in float64)."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from keras import ops

from helpers.keras import losses
from helpers.torch import losses as torch_losses

LABELS = np.arange(24) % 7 - 1  # -1 is no label: four images are classes of their own
CALLS = {  # name -> the same call in either room
    "nt_xent": lambda room, a, b, labels: room.nt_xent(a, b, 0.2),
    "nt_xent, cold": lambda room, a, b, labels: room.nt_xent(a, b, 0.01),
    "supcon": lambda room, a, b, labels: room.supcon(a, b, labels, 0.2),
    "supcon, inside": lambda room, a, b, labels: room.supcon(a, b, labels, 0.2, mean_inside_log=True),
    "barlow_twins": lambda room, a, b, labels: room.barlow_twins(a, b, 0.05),
    "distillation": lambda room, a, b, labels: room.distillation(a, b, 3.0),
}


def views(noise=0.5):
    generator = np.random.default_rng(0)
    common = generator.normal(size=(24, 10))
    return [(common + noise * generator.normal(size=common.shape)).astype(np.float32) for _ in range(2)]


def value_and_gradient(name, a, b):
    """Loss, and its gradient with respect to `a`: one step of SGD, which every backend can take."""
    weights = keras.Variable(a)
    layer = keras.layers.Layer()
    layer._track_variable(weights)
    model = Model(layer, weights, lambda: CALLS[name](losses, weights.value, ops.convert_to_tensor(b), LABELS))
    rate = 1000.0  # so that the gradient's digits are not lost beside those of the weights
    model.compile(keras.optimizers.SGD(rate), jit_compile=True)
    loss = float(model.train_on_batch(np.zeros((1, 1), np.float32)))
    assert model.jit_compile or keras.backend.backend() == "torch"
    return loss, (a - ops.convert_to_numpy(weights)) / rate


class Model(keras.Model):
    def __init__(self, layer, weights, loss):
        super().__init__()
        self.layer, self.numbers, self.of = layer, weights, loss

    def build(self, input_shape):
        self.built = True

    def call(self, inputs):
        return inputs

    def compute_loss(self, *arguments, **options):
        return self.of()


def measure(noise):
    """All losses and gradients, as lists."""
    a, b = views(noise)
    found = {name: value_and_gradient(name, a, b) for name in CALLS}
    return {name: [loss, gradient.tolist()] for name, (loss, gradient) in found.items()}


def assert_as_torch(found, noise):
    for name, (loss, gradient) in found.items():
        a, b = (torch.tensor(view, dtype=torch.float64) for view in views(noise))
        a.requires_grad_()
        expected = CALLS[name](torch_losses, a, b, torch.from_numpy(LABELS))
        expected.backward()
        size = float(a.grad.norm())
        assert math.isclose(loss, expected.item(), rel_tol=1e-5, abs_tol=1e-6), name
        assert np.linalg.norm(np.array(gradient) - a.grad.numpy()) < 1e-5 * size + 1e-8, name


@pytest.mark.parametrize("noise", [0.5, 0.1])
def test_values_and_gradients_are_those_of_the_torch_room(noise):
    assert_as_torch(measure(noise), noise)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_without_tensorflow(backend):
    tests = Path(__file__).parent
    paths = os.pathsep.join(map(str, (tests.parent, tests, tests / "no_tensorflow")))
    code = "import json, test_losses_keras as t; print(json.dumps(t.measure(0.5)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr[-2000:]
    assert_as_torch(json.loads(done.stdout.splitlines()[-1]), 0.5)


@pytest.mark.parametrize("labels", [[4] * 24, [-1] * 24, list(range(24))])  # one class, no labels, classes of one
def test_odd_batches_of_supcon_are_those_of_the_torch_room(monkeypatch, labels):
    monkeypatch.setattr(sys.modules[__name__], "LABELS", np.array(labels))
    names = ("supcon", "supcon, inside")
    assert_as_torch({name: value_and_gradient(name, *views()) for name in names}, 0.5)


def test_a_batch_of_unknown_size_and_half_precision_are_served():
    tensorflow = pytest.importorskip("tensorflow")
    a, b = views()

    @tensorflow.function(input_signature=[tensorflow.TensorSpec((None, 10))] * 2, autograph=False)
    def loss(a, b):
        return losses.nt_xent(a, b, 0.2)

    expected = float(losses.nt_xent(a, b, 0.2))
    assert math.isclose(float(loss(a, b)), expected, rel_tol=1e-6)
    half = losses.nt_xent(a.astype(np.float16), b.astype(np.float16), 0.2)
    assert half.dtype == "float32" and math.isclose(float(half), expected, rel_tol=1e-2)
    assert math.isclose(float(losses.nt_xent(np.ones((5, 3)), np.ones((5, 3)))), math.log(9), rel_tol=1e-6)


@pytest.mark.parametrize("call", [
    lambda a: losses.nt_xent(a, a[:2]), lambda a: losses.nt_xent(a[0], a[0]), lambda a: losses.nt_xent(a[:1], a[:1]),
    lambda a: losses.nt_xent(a, a, 0), lambda a: losses.supcon(a, a, np.zeros(3)),
    lambda a: losses.supcon(a, a, np.zeros(2, int)), lambda a: losses.supcon(a, a, np.zeros(3, int), -1.0),
    lambda a: losses.barlow_twins(a[:1], a[:1]), lambda a: losses.distillation(a, a, 0.0)])
def test_wrong_input_is_an_error_that_says_what_is_wanted(call):
    with pytest.raises(ValueError, match=r"must|at least"):
        call(np.ones((3, 4), np.float32))
