"""The definitions of notebook 10."""

import types

import backends
import definitions
import keras
import numpy as np
import pytest

from helpers.data.imageset import ImageSet

notebook = definitions.load("10_supcon_keras")
TRAIN_SET = ImageSet(np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8), np.arange(60) % 4,
                     ("a", "b", "c", "d"))
OPTIONS = {"loss": "SupCon", "temperature": 0.1, "head_outputs": 8, "labelled": 1.0, "noise": 0.0}
notebook.cfg = types.SimpleNamespace(blocks=(1, 1), stem="cifar", width=4, mixed_precision=False, view_size=12,
                                     crop_scale=0.3, color_strength=0.4)
CONTRASTIVE = notebook.KINDS[:3]


def compiled_model():
    """SupCon on the images as they are: random views differ from backend to backend."""
    notebook.random_view = lambda images, generator: images
    model = notebook.build(OPTIONS, TRAIN_SET, 0)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def test_max_margin_is_the_equation_and_an_image_without_a_label_is_a_class_of_its_own():
    a, b = np.random.default_rng(1).normal(size=(2, 6, 5)).astype(np.float32)
    z, classes = np.concatenate([a, b]), np.tile([0, 0, 1, 2, 3, 1], 2)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(12) for j in range(12)]
    distance = {(i, j): np.linalg.norm(z[i] - z[j]) for i, j in pairs}
    expected = np.mean([distance[i, j] ** 2 if classes[i] == classes[j] else max(0, 1 - distance[i, j]) ** 2
                        for i, j in pairs])
    tensors = [keras.ops.convert_to_tensor(view) for view in (a, b)]
    found = notebook.max_margin(*tensors, keras.ops.convert_to_tensor([0, 0, 1, -1, -1, 1], "int32"))
    assert abs(float(found) - expected) < 1e-5


@pytest.mark.parametrize("kind", CONTRASTIVE)
@pytest.mark.parametrize("labels", [range(8), [1] * 8, [-1] * 8, [0, 0, 1, 1, 2, -1, -1, -1]])
def test_odd_batches_train_and_leave_finite_weights(kind, labels):
    model = notebook.build(OPTIONS | {"loss": kind}, TRAIN_SET, 0)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    assert np.isfinite(float(model.train_on_batch(TRAIN_SET.images[:8].astype(np.float32) / 255, np.array(labels))))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_all_methods_start_from_the_same_encoder_and_see_the_same_views():
    models = [notebook.build(OPTIONS | {"loss": kind}, TRAIN_SET, 3) for kind in notebook.KINDS]
    for model in models[1:]:
        for own, first in zip(model.encoder.get_weights(), models[0].encoder.get_weights()):
            np.testing.assert_array_equal(own, first)
        np.testing.assert_array_equal(model.generator.state, models[0].generator.state)


def test_told_labels_are_wrong_or_hidden_as_often_as_asked_in_all_classes():
    wrong = notebook.told_labels(TRAIN_SET, OPTIONS | {"noise": 0.4}, 0)
    assert np.sum(wrong != TRAIN_SET.labels) == 24 and wrong.min() == 0 and wrong.max() == 3
    few = notebook.told_labels(TRAIN_SET, OPTIONS | {"labelled": 0.2}, 0)
    assert np.bincount(few[few >= 0]).tolist() == [3] * 4 and np.sum(few == -1) == 48
    assert np.all((few == -1) | (few == TRAIN_SET.labels))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_step_is_the_same_on_other_backends(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "random_view", notebook.random_view)  # put back afterwards
    backends.assert_same_step_without_tensorflow("test_supcon_keras", backend, (16, 16, 3), tmp_path)
