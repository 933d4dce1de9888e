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
    views, again = (ops.convert_to_numpy(notebook.random_view(same, keras.random.SeedGenerator(0), left_out))
                    for _ in range(2))
    np.testing.assert_array_equal(views, again)
    assert views.shape == same.shape and views.min() >= 0 and views.max() <= 1 + 1e-5
    grey = (views.std(axis=3).max(axis=(1, 2)) < 1e-3).sum()
    assert grey == 0 if "colour" in left_out else 4 <= grey <= 28
    assert len(np.unique(views.round(4), axis=0)) > 15
    plain = ops.convert_to_numpy(notebook.random_view(same, keras.random.SeedGenerator(0), "crop, colour, blur"))
    assert all(np.array_equal(view, same[0]) or np.array_equal(view, same[0, :, ::-1]) for view in plain)


def test_training_sees_two_views_of_each_image_the_first_ones_on_top(monkeypatch):
    model = compiled_model(views_are_made=False)
    assert model(IMAGES, training=True).shape == (32, 8) and model(IMAGES).shape == (16, 8)
    monkeypatch.setattr(notebook, "random_view", lambda images, generator, left_out: images)
    a, b = np.split(ops.convert_to_numpy(model(IMAGES, training=True)), 2)
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert model.compute_loss(IMAGES, None, np.concatenate([a, a])) < losses.nt_xent(a, np.roll(a, 1, axis=0), 0.5)


def test_labels_make_no_difference():
    first, second = compiled_model(), compiled_model()
    second.set_weights(first.get_weights())
    found = [float(model.train_on_batch(IMAGES, labels))
             for model, labels in ((first, np.zeros(16)), (second, np.arange(16.0)))]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    np.testing.assert_allclose(first.get_weights()[0], second.get_weights()[0], atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_whole_step_runs_under_xla_and_gives_the_same_loss(policy):
    keras.config.set_dtype_policy(policy)
    try:
        plain, compiled = compiled_model(), compiled_model(jit_compile=True)
        with_views = compiled_model(views_are_made=False, jit_compile=True)
    finally:
        keras.config.set_dtype_policy("float32")
    compiled.set_weights(plain.get_weights())
    expected, found = (float(model.train_on_batch(IMAGES)) for model in (plain, compiled))
    assert found == pytest.approx(expected, rel=1e-4 if policy == "float32" else 2e-2)
    assert np.isfinite(float(with_views.train_on_batch(IMAGES)))


@pytest.mark.filterwarnings("ignore:.*argument '___pyct_anno':DeprecationWarning")  # TensorFlow's autograph
def test_the_pipeline_yields_two_views_of_the_same_images(monkeypatch):
    import tensorflow as tf

    notebook.tf = tf
    flat = np.linspace(0, 255, 12).astype(np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    a, b = (view.numpy() for view in next(iter(notebook.view_pipeline(flat, 5, seed=0))))
    assert a.shape == b.shape == (5, 8, 8, 3) and min(a.min(), b.min()) >= 0 and max(a.max(), b.max()) <= 1 + 1e-5
    assert not np.array_equal(a, b)
    monkeypatch.setattr(notebook, "random_view", lambda images, generator: images)
    a, b = (view.numpy() for view in next(iter(notebook.view_pipeline(flat, 5, seed=0))))
    np.testing.assert_array_equal(a, b)
    assert len(np.unique(a[:, 0, 0, 0])) == 5


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_simclr_keras", backend, (16, 16, 3), tmp_path)
