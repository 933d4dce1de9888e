"""The definitions of notebook 03."""

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

notebook = definitions.load("03_resnet8_cifar10_keras")
MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
PLAIN = {"crop_padding": 0, "flip": False, "cutout_size": 0}


def compiled_model():
    """What `backends` trains for one step."""
    model = notebook.resnet(10, MEAN, STD, PLAIN, num_filters=4)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-3)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_resnet8_has_the_parameters_of_the_benchmark_and_lenet_about_as_many():
    resnet, lenet = notebook.resnet(10, MEAN, STD, PLAIN), notebook.lenet(10, MEAN, STD, PLAIN)
    assert resnet.count_params() == 78_666 and lenet.count_params() == 62_006
    assert notebook.resnet(10, MEAN, STD, PLAIN, skip=False).count_params() == 78_666 - 544 - 2_112
    images = np.zeros((3, 32, 32, 3), np.float32)
    assert resnet(images).shape == lenet(images).shape == (3, 10)


@pytest.mark.parametrize("depth", [8, 20, 32])
def test_depth_counts_the_3_x_3_convolutions_and_the_last_layer(depth):
    model = notebook.resnet(10, MEAN, STD, PLAIN, num_filters=4, blocks_per_stage=(depth - 2) // 6)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert sum(layer.kernel_size == (3, 3) for layer in convolutions) + 1 == depth


def test_a_block_that_adds_nothing_hands_its_input_on_and_one_without_a_skip_does_not():
    x = np.random.default_rng(0).random((2, 8, 8, 4)).astype(np.float32)
    for skip, expected in ((True, x), (False, np.zeros_like(x))):
        inputs = keras.Input((8, 8, 4))
        model = keras.Model(inputs, notebook.residual_block(inputs, 4, 1, skip, "block"))
        model.get_layer("block_norm2").gamma.assign(np.zeros(4))
        np.testing.assert_allclose(ops.convert_to_numpy(model(x)), expected, atol=1e-6)


def test_augmentation_works_in_training_only_and_survives_a_copy():
    images = np.random.default_rng(0).random((8, 32, 32, 3)).astype(np.float32)
    layer = notebook.Augmentation(crop_padding=4, flip=True, cutout_size=8)
    np.testing.assert_array_equal(layer(images, training=False), images)
    first, second = (ops.convert_to_numpy(layer(images, training=True)) for _ in range(2))
    assert not np.array_equal(first, images) and not np.array_equal(first, second)
    copy = keras.models.clone_model(notebook.lenet(10, MEAN, STD, PLAIN | {"cutout_size": 5}))
    assert copy.layers[0].cutout_size == 5


def test_the_network_trains_under_xla_without_falling_back():
    model = notebook.resnet(10, MEAN, STD, {"crop_padding": 4, "flip": True, "cutout_size": 8}, num_filters=4)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True)
    model.fit(np.zeros((4, 32, 32, 3), np.float32), np.arange(4), batch_size=4, verbose=0)
    assert model.jit_compile is True


def test_a_step_of_rate_1_gives_the_gradient():
    import tensorflow as tf

    notebook.loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = notebook.resnet(10, MEAN, STD, PLAIN, num_filters=4)
    images, labels = np.random.default_rng(0).random((8, 32, 32, 3)).astype(np.float32), np.arange(8)
    kernels = [model.get_layer(name).kernel.value for name in ("convolution", "stage3_block1_convolution2")]
    with tf.GradientTape() as tape:
        loss = notebook.loss_function(labels, model(images, training=True))
    expected = [float(tf.norm(gradient)) for gradient in tape.gradient(loss, kernels)]
    norms = notebook.gradient_norms(model, images, labels)
    assert len(norms) == 7 and [norms[0], norms[-1]] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_resnet_keras", backend, (32, 32, 3), tmp_path)
