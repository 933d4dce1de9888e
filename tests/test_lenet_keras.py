"""The definitions of notebook 01."""

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

notebook = definitions.load("01_lenet_mnist_keras")


def compiled_model():
    """What `backends` trains for one step."""
    model = notebook.lenet(10, 0.13, 0.31, max_shift=0)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_lenet_has_the_parameters_counted_by_hand_and_the_baseline_as_many():
    lenet, baseline = notebook.lenet(10, 0.13, 0.31, 2), notebook.fully_connected(10, 0.13, 0.31, 2)
    counts = [model.count_params() for model in (lenet, baseline)]
    assert counts[0] == 61706 and abs(counts[1] - counts[0]) < 0.01 * counts[0]
    assert lenet(np.zeros((3, 28, 28, 1), np.float32)).shape == (3, 10)


def test_a_shift_moves_each_image_by_itself_and_loses_nothing_in_the_middle():
    images = np.zeros((64, 28, 28, 2), np.float32)
    images[:, 14, 13] = 1.0, 0.5
    shifted = ops.convert_to_numpy(notebook.random_shift(images, 2, seed=0))
    assert shifted.shape == images.shape
    np.testing.assert_array_equal(shifted.sum((1, 2)), images.sum((1, 2)))
    where = shifted[..., 0].reshape(64, -1).argmax(1)
    np.testing.assert_array_equal(where, shifted[..., 1].reshape(64, -1).argmax(1))  # the channels move together
    offsets = {(int(w) // 28 - 14, int(w) % 28 - 13) for w in where}
    assert len(offsets) > 15 and all(max(map(abs, offset)) <= 2 for offset in offsets)


def test_the_shift_works_in_training_only_differs_from_step_to_step_and_survives_a_copy():
    images = np.random.default_rng(0).random((8, 28, 28, 1)).astype(np.float32)
    layer = notebook.RandomShift(2)
    np.testing.assert_array_equal(layer(images, training=False), images)
    first, second = (ops.convert_to_numpy(layer(images, training=True)) for _ in range(2))
    assert not np.array_equal(first, images) and not np.array_equal(first, second)
    assert keras.models.clone_model(notebook.lenet(10, 0.13, 0.31, 2)).layers[0].max_shift == 2


def test_the_network_trains_under_xla_without_falling_back():
    model = notebook.lenet(10, 0.13, 0.31, 2)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True)
    model.fit(np.zeros((4, 28, 28, 1), np.float32), np.arange(4), batch_size=4, verbose=0)
    assert model.jit_compile is True


@pytest.mark.parametrize("num_classes", [2, 10])
def test_the_loss_from_the_equation_equals_keras(num_classes):
    generator = np.random.default_rng(0)
    logits, labels = 3 * generator.normal(size=(8, num_classes)), generator.integers(0, num_classes, 8)
    loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    expected = float(loss_function(labels, logits))
    assert float(notebook.cross_entropy(labels, ops.convert_to_tensor(logits))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_lenet_keras", backend, (28, 28, 1), tmp_path)
