"""The definitions of notebook 09."""

import types

import definitions
import keras
import numpy as np
import pytest
from keras import ops

from helpers.data.imageset import ImageSet

notebook = definitions.load("09_simclrv2_from_scratch_keras")
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
OPTIONS = {"width": 4, "head_layers": 3, "start": "pretrained", "views": "crop, flip"}


@pytest.fixture(autouse=True)
def a_small_setting(monkeypatch):
    settings = types.SimpleNamespace(
        blocks=(1, 1), bottleneck=False, stem="cifar", zero_last_gamma=False, head_outputs=8, crop_scale=0.2,
        view_size=12, color_strength=0.5, blur=0.5, temperature=0.2)
    labels = np.arange(len(IMAGES)) % 4
    train_set = ImageSet(IMAGES, labels, ("a", "b", "c", "d"))

    def new_simclr(width=4, head_layers=3):
        model = notebook.SimCLR(width, head_layers)
        model.build((None, 16, 16, 3))
        return model

    for name, value in {"cfg": settings, "train_set": train_set, "new_simclr": new_simclr,
                        "VIEWS": {"crop, flip": notebook.crop_and_flip}}.items():
        monkeypatch.setattr(notebook, name, value, raising=False)
    monkeypatch.setattr(notebook, "PRETRAINED", {3: new_simclr()}, raising=False)


def test_draws_are_nested_and_have_as_many_images_of_each_class():
    few, many = notebook.drawn(8, 1), notebook.drawn(20, 1)
    assert set(few) < set(many) and set(few) != set(notebook.drawn(8, 2))
    assert [np.bincount(notebook.train_set.labels[chosen]).tolist() for chosen in (few, many)] == [[2] * 4, [5] * 4]


def test_views_are_small_in_training_and_differ_from_image_to_image():
    same = np.repeat(IMAGES[:1], 32, axis=0).astype(np.float32) / 255
    views = notebook.RandomViews(notebook.random_view)
    assert views(same, training=True).shape == (32, 12, 12, 3)
    assert len(np.unique(ops.convert_to_numpy(views(same, training=True)).round(4), axis=0)) == 32
    np.testing.assert_array_equal(views(same), same)


@pytest.mark.parametrize("finetune_layer", [0, 1, 2])
def test_fine_tuning_starts_from_a_copy_of_the_pretrained_layers(finetune_layer):
    source = notebook.PRETRAINED[3]
    images = IMAGES.astype(np.float32) / 255
    kept = keras.Sequential([source.encoder, *source.head.layers[:3 * finetune_layer]])
    expected = ops.convert_to_numpy(kept(images))
    before = [weight.copy() for weight in source.get_weights()]
    model = notebook.classifier(OPTIONS | {"finetune_layer": finetune_layer})
    found = ops.convert_to_numpy(keras.Sequential(model.layers[:-1])(images))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.all(ops.convert_to_numpy(model(images)) == 0), "all classes are equally likely at the start"
    model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(images, notebook.train_set.labels)
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_step_of_pretraining_runs_as_on_a_gpu_under_xla(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = notebook.new_simclr()
    finally:
        keras.config.set_dtype_policy("float32")
    optimizer = notebook.networks.LARS(0.5)
    scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024)
    model.compile(scaled if policy == "mixed_float16" else optimizer, jit_compile=True)
    images, before = IMAGES.astype(np.float32) / 255, model.get_weights()
    loss = float(model.train_on_batch(images, notebook.train_set.labels))
    assert model.jit_compile and 0 < loss < 2 * np.log(2 * len(images) - 1)
    assert int(optimizer.iterations) == 1 and all(np.isfinite(weight).all() for weight in model.get_weights())
    assert any(np.any(old != new) for old, new in zip(before, model.get_weights()))
