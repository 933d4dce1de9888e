"""The definitions of notebook 14."""

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

from helpers.keras import losses, networks

notebook = definitions.load("14_simclr_cifar10_keras")
IMAGES = np.random.default_rng(0).random((16, 16, 16, 3)).astype(np.float32)


def compiled_model(views_are_made=True, **options):
    """What `backends` trains for one step; the batch is taken for ready-made views, since random numbers differ."""
    encoder = networks.resnet((1, 1), 4, stem="cifar", zero_last_gamma=False)
    head = networks.projection_head(8, 16, 8)
    model = notebook.SimCLR(encoder, head, temperature=0.5, views_are_made=views_are_made)
    model.build((None, 16, 16, 3))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-3), **options)
    return model


def test_the_naive_loss_is_the_helpers():
    a, b = np.random.default_rng(0).normal(size=(2, 12, 7))
    assert notebook.nt_xent_naive(a, b, 0.2) == pytest.approx(float(losses.nt_xent(a, b, 0.2)), rel=1e-9)


@pytest.mark.parametrize("left_out", ["", "blur", "crop", "colour", "crop, colour"])
def test_a_view_leaves_out_what_it_is_told_and_draws_for_each_image(left_out):
    same = np.repeat(IMAGES[:1], 64, axis=0)
    views = ops.convert_to_numpy(notebook.random_view(same, keras.random.SeedGenerator(0), left_out))
    again = ops.convert_to_numpy(notebook.random_view(same, keras.random.SeedGenerator(0), left_out))
    np.testing.assert_array_equal(views, again)
    assert views.shape == same.shape and views.min() >= 0 and views.max() <= 1 + 1e-5
    grey = (views.std(axis=3).max(axis=(1, 2)) < 1e-3).sum()
    assert grey == 0 if "colour" in left_out else 4 <= grey <= 28
    assert len(np.unique(views.round(4), axis=0)) > 15


def test_training_sees_two_views_of_each_image_and_no_labels():
    model = compiled_model(views_are_made=False)
    assert model(IMAGES, training=True).shape == (32, 8) and model(IMAGES).shape == (16, 8)
    loss = [float(compiled_model().train_on_batch(IMAGES, labels)) for labels in (np.zeros(16), np.arange(16.0))]
    assert all(0.5 < value < 10 for value in loss)
    a, b = np.split(ops.convert_to_numpy(model.head(model.encoder(IMAGES))), 2)
    expected = float(losses.nt_xent(a, b, 0.5))
    assert float(model.compute_loss(IMAGES, np.arange(16), np.concatenate([a, b]))) == pytest.approx(expected)


def test_the_whole_step_runs_under_xla_without_falling_back_and_gives_the_same_loss():
    plain, compiled = compiled_model(), compiled_model(jit_compile=True)
    compiled.set_weights(plain.get_weights())
    expected, found = (float(model.train_on_batch(IMAGES)) for model in (plain, compiled))
    assert found == pytest.approx(expected, rel=1e-4)
    with_views = compiled_model(views_are_made=False, jit_compile=True)
    assert np.isfinite(float(with_views.train_on_batch(IMAGES))) and with_views.jit_compile is True


@pytest.mark.filterwarnings("ignore:.*argument '___pyct_anno':DeprecationWarning")  # TensorFlow's autograph
def test_the_pipeline_yields_two_views_of_the_same_images(monkeypatch):
    import tensorflow as tf

    notebook.tf = tf
    monkeypatch.setattr(notebook, "random_view", lambda images, generator: images)
    flat = np.linspace(0, 255, 12).astype(np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    views = next(iter(notebook.view_pipeline(flat, 5, seed=0))).numpy()
    assert views.shape == (10, 8, 8, 3) and views.max() <= 1
    np.testing.assert_array_equal(views[:5], views[5:])
    assert len(np.unique(views[:5, 0, 0, 0])) == 5


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_simclr_keras", backend, (16, 16, 3), tmp_path)
