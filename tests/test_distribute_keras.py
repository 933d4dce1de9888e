"""Two devices under `tf.distribute.MirroredStrategy`: logical CPUs, in a process of their own."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

GENERATOR = np.random.default_rng(0)
GREY, LABELS = GENERATOR.random((16, 28, 28, 1), np.float32), np.arange(16) % 10
HALVES = [GENERATOR.random((16, 16, 16, 3), np.float32) for _ in range(2)]  # each the two views of eight images


def step(model, images, labels):
    """Train one step; return the loss that Keras reports and the trained weights, as lists."""
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(len(images))
    loss = model.fit(batches, epochs=1, verbose=0).history["loss"][0]
    return [float(loss), [weight.numpy().ravel().tolist() for weight in model.trainable_weights]]


def simclr():
    """Return notebook 14's model with plain SGD, its loss divided by the number of devices, as the README says."""
    import keras
    import tensorflow as tf
    import test_simclr_keras

    model, devices = test_simclr_keras.compiled_model(), tf.distribute.get_strategy().num_replicas_in_sync
    model.compile(keras.optimizers.SGD(0.1))
    own = model.compute_loss
    model.compute_loss = lambda *given, **named: own(*given, **named) / devices
    return model


def main():
    """Print what one device and two make of the same weights and images, as JSON."""
    import tensorflow as tf

    cpu, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import test_lenet_keras

    two, found = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), {}
    lenet, contrastive = test_lenet_keras.compiled_model().get_weights(), simclr().get_weights()

    def run(make, weights, images, labels):
        model = make()
        model.set_weights(weights)
        return step(model, images, labels)

    nothing = np.zeros(16)
    found["lenet, one"] = run(test_lenet_keras.compiled_model, lenet, GREY, LABELS)
    for half, images in enumerate(HALVES):
        found[f"simclr, half {half}"] = run(simclr, contrastive, images, nothing)
    with two.scope():
        found["lenet, two"] = run(test_lenet_keras.compiled_model, lenet, GREY, LABELS)
        found["simclr, two"] = run(simclr, contrastive, np.concatenate(HALVES), np.zeros(32))
    print(json.dumps(found))


@functools.cache
def both():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (loss, [np.array(weight) for weight in weights])
            for name, (loss, weights) in json.loads(done.stdout.splitlines()[-1]).items()}


def agree(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    for weight, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-3, atol=2e-5)


def mean_of_the_halves():
    """What each device does alone with its own half, averaged: a contrastive loss sees its device's negatives only."""
    first, second = (both()[f"simclr, half {half}"] for half in range(2))
    return (first[0] + second[0]) / 2, [(a + b) / 2 for a, b in zip(first[1], second[1])]


def test_the_cross_entropy_of_fit_is_the_same_on_two_devices():
    agree(both()["lenet, two"], both()["lenet, one"])


def test_a_contrastive_loss_divided_by_the_devices_is_the_mean_of_what_each_does_alone():
    agree(both()["simclr, two"], mean_of_the_halves())


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]
    main()
