"""The definitions of notebook 12."""

import types

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

from helpers.data import catalogue
from helpers.data.imageset import ImageSet

notebook = definitions.load("12_noisy_student_keras")
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (60, 16, 16, 3), np.uint8)
LABELLED = ImageSet(IMAGES[:12], np.arange(12) % 3, ("a", "b", "c"))
BATCH = IMAGES[:12].astype(np.float32) / 255, np.arange(12) % 10
OPTIONS = {"width": 4, "magnitude": 0.5, "dropout": 0.2, "depth_drop": 0.5, "unlabelled_ratio": 2.0, "threshold": 0.5,
           "select": "balanced", "soft": True}
QUIET = {"magnitude": 0.0, "dropout": 0.0, "depth_drop": 0.0}
ANSWERS = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.7, 0.2, 0.1], [0.4, 0.3, 0.3], [0.6, 0.4, 0.0]])

notebook.cfg = types.SimpleNamespace(blocks=(1, 1), stem_strides=2, mixed_precision=False, flip=True, num_operations=2,
                                     pool_images=36, num_epochs=1, batch_size=12)
notebook.train_set = ImageSet(IMAGES, np.arange(60) % 10, tuple("abcdefghij"))
notebook.ONE_HOT, notebook.HALF = np.eye(3, dtype=np.float32), "mixed_bfloat16"


def compiled(options, **more):
    model = notebook.build(options)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True), **more)
    return model


def compiled_model():
    """Without noise, which differs from backend to backend; before that, a step with all of it, which has to work."""
    assert np.isfinite(float(compiled(OPTIONS).train_on_batch(*BATCH)))
    image_noise, notebook.ImageNoise = notebook.ImageNoise, lambda magnitude, seed: keras.layers.Identity()
    try:
        return compiled(OPTIONS | QUIET)
    finally:
        notebook.ImageNoise = image_noise


@pytest.mark.parametrize("magnitude", [0.0, 0.5, 1.0])
def test_rand_augment_stays_in_the_range_and_draws_for_each_image(magnitude):
    images = np.repeat(IMAGES[:1], 64, axis=0).astype(np.float32) / 255
    changed = ops.convert_to_numpy(notebook.rand_augment(images, magnitude, keras.random.SeedGenerator(0)))
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 1
    assert (len(np.unique(changed.round(4), axis=0)) > 20) if magnitude else np.array_equal(changed, images)


def test_each_operation_is_what_the_table_says():
    x = IMAGES[:2].astype(np.float32) / 255 * 0.5 + 0.25
    strength = np.array([0.2, -0.4], np.float32).reshape(2, 1, 1, 1)
    found = notebook.all_operations(*map(ops.convert_to_tensor, (x, strength)), 0.5, None)
    found = [ops.convert_to_numpy(each) for each in found]
    gray, mean = x.mean(3, keepdims=True), x.mean((1, 2, 3), keepdims=True)
    low, high = x.min((1, 2, 3), keepdims=True), x.max((1, 2, 3), keepdims=True)
    levels = np.round(16 - 14 * np.abs(strength))
    expected = [(1 + strength) * x, mean + (1 + strength) * (x - mean), (x - low) / (high - low),
                gray + (1 + strength) * (x - gray), np.round(x * levels) / levels,
                np.where(x > 1 - np.abs(strength), 1 - x, x)]
    for own, other in zip(found, expected):
        np.testing.assert_allclose(own, other, atol=1e-5)
    assert len(found) == 8 and found[6].std() > 0 and np.mean(found[7] == 0.5) > 0


def test_stochastic_depth_leaves_out_whole_images_and_each_block_by_a_draw_of_its_own():
    inputs = keras.Input((8, 8, 4))
    block = keras.Model(inputs, notebook.residual_block(inputs, 4, 1, 0.5, seed=3))
    images = np.abs(GENERATOR.normal(size=(64, 8, 8, 4))).astype(np.float32)
    dropped = [np.isclose(change, 0).all() for change in ops.convert_to_numpy(block(images, training=True)) - images]
    assert 16 < np.sum(dropped) < 48, "the shortcut alone passes for half of the images"
    seeds = [layer.seed for layer in notebook.build(OPTIONS, 5).layers if isinstance(layer, keras.layers.Dropout)]
    assert len(seeds) == len(set(seeds)) == 3


def test_networks_with_and_without_noise_start_from_the_same_weights():
    first, *others = [notebook.build(OPTIONS | changes, 7) for changes in (
        {}, {"magnitude": 0.0}, {"dropout": 0.0}, {"depth_drop": 0.0}, QUIET)]
    for other in others:
        for own, weight in zip(other.get_weights(), first.get_weights()):
            np.testing.assert_array_equal(own, weight)
    assert any(np.any(own != weight) for own, weight in zip(notebook.build(OPTIONS, 8).get_weights(),
                                                              first.get_weights()))


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, [0, 2, 4, 0, 2, 4, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1]),  # 24 images, 8 for each class; none answers class 2
    ({"threshold": 0.85}, [0] * 8),
    ({"threshold": 0.95}, []),
    ({"unlabelled_ratio": 0.0}, []),
    ({"select": "surest", "unlabelled_ratio": 0.1}, [0, 1, 2]),
    ({"select": "surest", "threshold": 0.75, "unlabelled_ratio": 0.1}, [0, 1, 0]),
    ({"select": "surest", "threshold": 0.95}, []),
])
def test_the_pool_has_the_most_confident_images_of_each_class_or_of_all(changes, expected):
    assert notebook.choose(ANSWERS, OPTIONS | changes).tolist() == expected


def test_any_takes_every_image_above_the_threshold_as_often():
    chosen = notebook.choose(ANSWERS, OPTIONS | {"select": "any"})
    assert np.bincount(chosen, minlength=5).tolist() == [6, 6, 6, 0, 6]


@pytest.mark.parametrize("changes", [
    {}, {"unlabelled_ratio": 0.0}, {"threshold": 1.0}, {"select": "surest"}, {"select": "any"}, {"soft": False}])
def test_teacher_students_and_control_have_equally_many_images(changes):
    answers = np.repeat(ANSWERS, 9, axis=0)[:45].astype(np.float32)
    images, targets = notebook.make_pool(LABELLED, IMAGES[12:57], answers, OPTIONS | changes)
    assert len(images) == len(targets) == notebook.cfg.pool_images and np.allclose(targets.sum(1), 1)
    known = (images[:, None] == LABELLED.images).all((2, 3, 4)).argmax(1)[:12]
    np.testing.assert_array_equal(targets[:12], notebook.ONE_HOT[LABELLED.labels[known]])
    assert set(np.unique(targets)) == {0.0, 1.0} or changes in ({}, {"select": "surest"}, {"select": "any"})


def test_teacher_and_student_take_the_same_steps_and_are_not_trained_twice(tmp_path, monkeypatch):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    for name, value in {"run": types.SimpleNamespace(folder=tmp_path), "CODE": "", "train_set": LABELLED,
                        "validation_set": LABELLED, "loss_function": loss}.items():
        monkeypatch.setattr(notebook, name, value, raising=False)
    options = OPTIONS | {"round": 0, "num_epochs": 2, "learning_rate": 0.1, "batch_size": 12, "weight_decay": 5e-4,
                         "warmup_fraction": 0.3}
    answers = np.repeat(ANSWERS, 9, axis=0).astype(np.float32)
    for changes in ({"unlabelled_ratio": 0.0}, {"round": 1}):
        pool = notebook.make_pool(LABELLED, IMAGES[12:57], answers, options | changes)
        model, history = notebook.train("arm", options | changes, pool, ["here"], 0)
        assert int(model.optimizer.iterations) == 6 and len(history) == 2
    slightly_other = pool[0], pool[1] * np.float32(1 - 1e-7)
    again, same = notebook.train("arm", options | changes, slightly_other, ["here"], 0)
    assert same == history
    for own, weight in zip(again.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(own, weight)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_a_noisy_step_runs_under_xla_with_logits_of_32_bits(mixed_precision, monkeypatch):
    monkeypatch.setattr(notebook.cfg, "mixed_precision", mixed_precision)
    model = compiled(OPTIONS, jit_compile=True)
    assert keras.config.dtype_policy().name == "float32" and model.output.dtype == "float32"
    assert np.isfinite(float(model.train_on_batch(*BATCH)))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_step_is_the_same_on_other_backends(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_noisy_student_keras", backend, (16, 16, 3), tmp_path)


@pytest.mark.parametrize("kind", notebook.STRENGTHS)
def test_a_corruption_grows_with_its_severity(kind):
    smooth = np.broadcast_to(np.linspace(20, 200, 32)[:, None, None], (4, 32, 32, 3)).astype(np.uint8)
    smooth = np.where(np.arange(32)[:, None] % 4 < 2, smooth, smooth // 2)
    changes = [np.abs(notebook.corrupt(smooth, kind, severity) - 1.0 * smooth).mean() for severity in range(1, 6)]
    assert changes[0] > 0 and np.all(np.diff(changes) > 0), changes


def test_the_catalogue_has_every_data_set_of_the_profiles():
    assert set(notebook.PROFILES["data_set"]) <= set(catalogue.CATALOGUE)
