"""The definitions of notebook 02, and that they compute what those of notebook 05 do."""

import functools

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

from helpers.keras import training

notebook = definitions.load("02_vgg16_cifar100_keras")
MEAN, STD = [0.51, 0.49, 0.44], [0.27, 0.26, 0.28]
PLAIN = {"crop_padding": 0, "flip": False}


def compiled_model(augmentation=PLAIN, dropout=0.0, **options):
    """What `backends` trains for one step, with the notebook's own schedule and loss."""
    model = notebook.vgg(10, MEAN, STD, augmentation, width=4, dropout=dropout)
    schedule = notebook.Schedule("cosine", 0.1, 0.0, num_steps=100)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=5e-3)
    if model.dtype_policy.name == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)
    model.compile(optimizer, functools.partial(notebook.smoothed_cross_entropy, label_smoothing=0.1), **options)
    return model


def test_vgg16_has_the_parameters_counted_by_hand():
    models = [notebook.vgg(100, MEAN, STD, PLAIN, batch_norm=batch_norm) for batch_norm in (True, False)]
    assert [training.count_parameters(model) for model in models] == [15_301_796, 15_301_796 - 10_496]


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_depth_counts_the_layers_with_weights(depth):
    model = notebook.vgg(100, MEAN, STD, PLAIN, width=4, depth=depth)
    assert sum(isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)) for layer in model.layers) == depth


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_smoothed_loss_from_the_equation_equals_keras(label_smoothing):
    generator = np.random.default_rng(0)
    logits, labels = 3 * generator.normal(size=(8, 20)), generator.integers(0, 20, 8)
    own = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing, reduction=None)
    expected = own(np.eye(20)[labels], ops.convert_to_tensor(logits, "float32"))
    found = notebook.smoothed_cross_entropy(labels, ops.convert_to_tensor(logits, "float32"), label_smoothing)
    np.testing.assert_allclose(ops.convert_to_numpy(found), ops.convert_to_numpy(expected), rtol=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "step", "constant"])
@pytest.mark.parametrize("warmup_fraction", [0.0, 0.2])
def test_the_schedule_is_that_of_the_torch_notebook(kind, warmup_fraction):
    torch_notebook = definitions.load("05_vgg16_cifar100_torch")
    schedule = notebook.Schedule(kind, 0.1, warmup_fraction, num_steps=53)
    options = {"schedule": kind, "warmup_fraction": warmup_fraction}
    expected = [0.1 * torch_notebook.learning_rate_factor(step, 53, options) for step in range(53)]
    np.testing.assert_allclose([float(schedule(step)) for step in range(53)], expected, atol=1e-7)


def test_keras_and_torch_compute_the_same_from_the_same_weights():
    import torch
    from torch import nn

    torch_vgg = definitions.load("05_vgg16_cifar100_torch").VGG(10, MEAN, STD, width=4).eval()
    keras_vgg = notebook.vgg(10, MEAN, STD, PLAIN, width=4)
    kinds = keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.Dense
    norms = nn.BatchNorm1d, nn.BatchNorm2d
    modules = [module for module in torch_vgg.modules() if isinstance(module, (nn.Conv2d, nn.Linear, *norms))]
    layers = [layer for layer in keras_vgg.layers if isinstance(layer, kinds)]
    for module, layer in zip(modules, layers, strict=True):
        values = [value.detach().numpy() for value in (module.weight, module.bias)]
        if isinstance(module, norms):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            values += [module.running_mean.numpy(), module.running_var.numpy()]
        values[0] = values[0].T if isinstance(module, nn.Linear) else values[0]
        values[0] = values[0].transpose(2, 3, 1, 0) if isinstance(module, nn.Conv2d) else values[0]
        layer.set_weights(values)
    images = np.random.default_rng(0).random((4, 32, 32, 3)).astype(np.float32)
    expected = torch_vgg(torch.from_numpy(images.transpose(0, 3, 1, 2))).detach().numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(keras_vgg(images)), expected, atol=1e-5)


def test_the_network_trains_under_xla_without_falling_back():
    model = compiled_model({"crop_padding": 4, "flip": True}, dropout=0.5, jit_compile=True)
    model.fit(np.zeros((4, 32, 32, 3), np.float32), np.arange(4), batch_size=4, verbose=0)
    assert model.jit_compile is True


def test_a_training_in_float16_resumes_with_its_loss_scale(tmp_path):
    images, labels = np.random.default_rng(0).random((8, 32, 32, 3)).astype(np.float32), np.arange(8)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        first, second = compiled_model(), compiled_model()
    finally:
        keras.config.set_dtype_policy("float32")
    checkpoint = training.Checkpoint(tmp_path, {}, model=first)
    checkpoint.resume()
    first.fit(images, labels, batch_size=4, epochs=1, callbacks=[checkpoint], verbose=0)
    assert len(training.Checkpoint(tmp_path, {}, model=second).resume()) == 1
    assert isinstance(second.optimizer, keras.optimizers.LossScaleOptimizer)
    for old, new in zip(first.optimizer.variables, second.optimizer.variables, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy())
    assert int(second.optimizer.inner_optimizer.iterations.numpy()) == 2
    second.fit(images, labels, batch_size=4, epochs=2, initial_epoch=1, verbose=0)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_vgg_keras", backend, (32, 32, 3), tmp_path)
