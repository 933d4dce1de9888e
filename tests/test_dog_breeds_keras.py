"""The definitions of notebook 07."""

import types

import backends
import definitions
import keras
import numpy as np
import pytest

from helpers import evaluate
from helpers.data import catalogue

notebook = definitions.load("07_dog_breeds_transfer_keras")
RANDOM = np.random.default_rng(0)
IMAGES, LABELS = RANDOM.integers(0, 256, (8, 32, 32, 3), np.uint8), np.arange(8) % 4
OPTIONS = {"mixup": 0.0, "label_smoothing": 0.1}
SMALL = "MobileNet 0.25"
for name, value in {"cfg": types.SimpleNamespace(pretrained=False, unfrozen_share=0.3), "FIRST": SMALL,
                    "train_set": types.SimpleNamespace(image_shape=(32, 32, 3), images=IMAGES, num_classes=4)}.items():
    setattr(notebook, name, value)


def compiled_model():
    """Two layers of which the first learns at a tenth of the rate."""
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(10)])
    model = notebook.Transfer(network, OPTIONS)
    model.build((None, 6))
    optimizer = notebook.ScaledSGD(0.5, momentum=0.9, nesterov=True)
    optimizer.scales = (0.1, 0.1, 1.0, 1.0)
    model.compile(optimizer, jit_compile=False)
    return model


def test_a_variable_moves_by_its_share_of_the_learning_rate():
    def moves(scales):
        keras.utils.set_random_seed(0)
        model = compiled_model()
        model.optimizer.scales = scales
        before = model.get_weights()
        model.train_on_batch(np.ones((4, 6), np.float32), np.arange(4))
        return [new - old for new, old in zip(model.get_weights(), before)]

    for own, plain, scale in zip(moves((0.1, 0.2, 1.0, 0.5)), moves(()), (0.1, 0.2, 1.0, 0.5), strict=True):
        np.testing.assert_allclose(own, scale * plain, atol=1e-6)


def test_mixup_mixes_images_and_targets_by_the_same_shares():
    model = notebook.Transfer(keras.layers.Identity(), {"mixup": 0.5, "label_smoothing": 0.2})
    rows = RANDOM.normal(size=(6, 4)).astype(np.float32)
    found = keras.ops.convert_to_numpy(model(rows, training=True))
    share = found[:, 4:]
    assert 0 <= share.min() < share.max() <= 1 and len(np.unique(share)) == 6, "one draw for each image"
    np.testing.assert_allclose(found[:, :4], share * rows + (1 - share) * rows[::-1], atol=1e-5)
    targets = np.eye(4)[LABELS[:6]]
    targets = 0.8 * (share * targets + (1 - share) * targets[::-1]) + 0.2 / 4
    expected = -np.mean(np.sum(targets * np.log(evaluate.softmax(found[:, :4].astype(np.float64))), axis=1))
    assert float(model.compute_loss(y=LABELS[:6], y_pred=found)) == pytest.approx(expected, abs=1e-5)


def test_only_the_unfrozen_layers_learn_and_no_statistics_move(monkeypatch):
    keras.utils.set_random_seed(0)
    frozen = notebook.backbone(f"untrained {SMALL}")
    monkeypatch.setattr(notebook, "NETWORKS", {SMALL: frozen}, raising=False)
    head = keras.Sequential([keras.Input(frozen.output.shape[1:]), keras.layers.Dense(4)])
    before, head_before = frozen.get_weights(), head.get_weights()
    network, scales = notebook.unfrozen(head, 0.4)
    assert len(scales) == len(network.trainable_variables)
    assert np.allclose(sorted({*scales}), (0.4 ** 3, 0.4 ** 2, 0.4, 1))
    assert (np.diff(scales) >= 0).all() and scales[-1] == 1, "the rates fall towards the input"
    model = notebook.Transfer(network, OPTIONS)
    model.compile(keras.optimizers.SGD(0.5))
    model.train_on_batch(IMAGES / np.float32(255), LABELS)
    tuned = network.get_layer(frozen.name)
    learning = {id(weight) for weight in tuned.trainable_weights}
    for weight, old in zip(tuned.weights, before, strict=True):
        changed = not np.array_equal(keras.ops.convert_to_numpy(weight), old)
        assert changed == (id(weight) in learning), weight.path
        assert not (changed and weight.name.startswith("moving_")), "batch norm's statistics have moved"
    assert 0 < len(learning) < len(frozen.weights)
    for old, kept in zip(before + head_before, frozen.get_weights() + head.get_weights(), strict=True):
        np.testing.assert_array_equal(old, kept)  # the frozen backbone and its head are not shared


@pytest.mark.parametrize("name", ["MobileNetV2 0.35", SMALL, "EfficientNetV2B0"])
def test_pixels_are_scaled_as_the_family_wants_them(name):
    family = name.split()[0]
    module = {"EfficientNetV2B0": "efficientnet_v2", "MobileNetV2 0.35": "mobilenet_v2", SMALL: "mobilenet"}[name]
    expected = getattr(keras.applications, module).preprocess_input(IMAGES[:2].astype(np.float32))
    found = keras.ops.convert_to_numpy(notebook.rescaling(name)(IMAGES[:2] / np.float32(255)))
    np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=family)


def test_the_renamed_pets_are_breeds_of_both_sets():
    pets, dogs = (catalogue.CATALOGUE[name].class_names for name in ("oxford_iiit_pet", "stanford_dogs"))
    for pet, dog in notebook.OTHER_NAMES.items():
        assert pet in pets and dog in dogs and pet not in dogs, (pet, dog)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_without_tensorflow_take_the_same_step(backend, tmp_path):
    backends.assert_same_step_without_tensorflow("test_dog_breeds_keras", backend, (6,), tmp_path)
