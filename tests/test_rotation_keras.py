"""The definitions of notebook 15."""

import types

import backends
import definitions
import keras
import numpy as np
import pytest
from keras import ops

from helpers.data.imageset import ImageSet

notebook = definitions.load("15_rotation_cats_dogs_keras")
LABELS = np.arange(60) % 5 // 4  # four times as many of one class as of the other
TRAIN_SET = ImageSet(np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8), LABELS, ("cat", "dog"))
OPTIONS = {"task": "four turns", "start": "scratch", "learning": "all", "learning_rate": 0.1, "batch_size": 24,
           "num_epochs": 1, "steps": 3, "half": False}
LABELLED = OPTIONS | {"task": "labels"}
for name, value in {
        "cfg": types.SimpleNamespace(network=((1, 1), 4), warmup_fraction=0.3, crop_scale=0.4, pretext_crop_scale=0.4,
                                     simclr_crop_scale=0.2),
        "TASKS": {"four turns": (notebook.four_turns, notebook.turn_loss),
                  "SimCLR": (notebook.two_views, notebook.contrastive_loss),
                  "labels": (notebook.one_view, notebook.label_loss)},
        "LAST_CONVOLUTION": ("stage2_convolution2", "stage2_norm2"), "STAGES": ["stage1", "stage2"],
        "HALF": "mixed_bfloat16", "DEFAULTS": OPTIONS, "SETTINGS": [], "ENCODERS": {}, "KEPT": {},
        "train_set": TRAIN_SET, "validation_set": TRAIN_SET}.items():
    setattr(notebook, name, value)


@pytest.fixture(autouse=True)
def a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "run", types.SimpleNamespace(folder=tmp_path), raising=False)
    monkeypatch.setattr(notebook, "KEPT", {})


def compiled_model():
    """The pretext on the images as they are: random crops differ from backend to backend."""
    notebook.crop_and_flip = lambda images, generator, least: images
    model = notebook.build(OPTIONS)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def assert_same_weights(model, expected):
    for found, weight in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, weight, atol=1e-6)


def test_all_turns_are_numpys_turn_by_turn():
    images = np.random.default_rng(1).random((3, 5, 5, 2))
    turned, quarters = (ops.convert_to_numpy(each) for each in notebook.all_turns(images))
    assert quarters.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    np.testing.assert_array_equal(turned, np.concatenate([np.rot90(images, number, (1, 2)) for number in range(4)]))


def test_draws_are_nested_and_stratified_and_those_that_are_trained_on():
    few, many = notebook.drawn(10, 1), notebook.drawn(30, 1)
    assert set(few) < set(many) and set(few) != set(notebook.drawn(10, 2))
    assert [np.bincount(LABELS[chosen]).tolist() for chosen in (few, many)] == [[8, 2], [24, 6]]
    np.testing.assert_array_equal(TRAIN_SET.subset(few).images, TRAIN_SET.stratified(10, seed=1).images)


def test_second_copies_and_test_pictures_leave_the_training_set():
    images = TRAIN_SET.images.copy()
    images[7], test_set = images[3], TRAIN_SET.subset([5])
    kept = notebook.without_copies(ImageSet(images, LABELS, ("cat", "dog")), notebook.content_hashes(test_set))
    np.testing.assert_array_equal(kept.images, np.delete(images, [5, 7], axis=0))
    np.testing.assert_array_equal(kept.labels, np.delete(LABELS, [5, 7]))


@pytest.mark.parametrize(("wanted", "expected"), [
    (60, 100), (65, 100 * 10 ** 0.5), (70, 1000), (59.9, np.nan), (70.1, np.inf)])
def test_labels_needed_are_read_off_the_curve_and_never_beyond_it(wanted, expected):
    found = notebook.labels_needed([100, 1000, 5000, 10000], [60, 70, 65, 70], wanted)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_model_that_is_kept_trains_as_a_fresh_one():
    model, history = notebook.train("first", LABELLED, TRAIN_SET, 1)
    expected = model.get_weights()
    notebook.train("other", LABELLED, TRAIN_SET, 2)
    again, other_history = notebook.train("again", LABELLED, TRAIN_SET, 1)
    assert again is model and len(notebook.KEPT) == 1
    assert_same_weights(again, expected)
    assert history[-1]["train_loss"] == pytest.approx(other_history[-1]["train_loss"], rel=1e-5)


def test_a_finished_training_is_read_back_without_its_momentum():
    model, _ = notebook.train("labels", LABELLED, TRAIN_SET, 1)
    expected = model.get_weights()
    notebook.train("other", LABELLED, TRAIN_SET, 2)
    again, history = notebook.train("labels", LABELLED, TRAIN_SET, 1)
    assert len(history) == 1
    assert_same_weights(again, expected)
    (path,) = notebook.run.folder.glob("checkpoints/labels/*.npz")
    with np.load(path) as file:
        assert len(file.files) == 1 + len(expected)


def test_a_training_that_was_stopped_within_a_pass_goes_on_as_if_it_had_not(monkeypatch):
    changes = OPTIONS | {"num_epochs": 2}  # 3 steps an epoch, 2 a pass
    looks = []

    def look(model):
        looks.append(model)
        if len(looks) == 4:
            raise KeyboardInterrupt
        return {"val_probe": 50.0}

    monkeypatch.setattr(notebook, "look", look)
    expected = notebook.train("whole", changes, TRAIN_SET, 1)[0].get_weights()
    with pytest.raises(KeyboardInterrupt):
        notebook.train("stopped", changes, TRAIN_SET, 1)
    model, history = notebook.train("stopped", changes, TRAIN_SET, 1)
    assert len(history) == 2 and len(looks) == 5
    assert_same_weights(model, expected)


def test_the_last_two_layers_learn_and_nothing_else_batch_norm_statistics_included():
    model = notebook.build(LABELLED | {"learning": "last two"})
    model.compile(keras.optimizers.SGD(0.5))
    before = {layer.name: layer.get_weights() for layer in model.encoder.layers}
    head = model.head.get_weights()
    model.train_on_batch(TRAIN_SET.images / np.float32(255), LABELS)
    changed = {layer.name for layer in model.encoder.layers
               if any(np.any(old != new) for old, new in zip(before[layer.name], layer.get_weights()))}
    assert changed == set(notebook.LAST_CONVOLUTION)
    assert all(np.any(old != new) for old, new in zip(head, model.head.get_weights()))


@pytest.mark.parametrize("task", notebook.TASKS)
def test_half_precision_is_the_networks_alone(task):
    model = notebook.build(OPTIONS | {"task": task, "half": True})
    assert keras.config.dtype_policy().name == "float32" and model.encoder.compute_dtype == "bfloat16"
    model.compile(keras.optimizers.SGD(0.1))
    assert np.isfinite(float(model.train_on_batch(TRAIN_SET.images[:8] / np.float32(255), LABELS[:8])))
    outputs, answers = model(TRAIN_SET.images[:8] / np.float32(255), training=True)
    assert model.objective(outputs, answers, LABELS[:8]).dtype == "float32"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_step_is_the_same_on_other_backends(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "crop_and_flip", notebook.crop_and_flip)  # put back afterwards
    backends.assert_same_step_without_tensorflow("test_rotation_keras", backend, (16, 16, 3), tmp_path)


@pytest.mark.parametrize("task", ["four turns", "SimCLR", "labels"])
def test_a_step_runs_as_on_a_gpu_under_xla_in_16_bits(task, monkeypatch):
    monkeypatch.setattr(notebook, "HALF", "mixed_float16")
    model = notebook.build(OPTIONS | {"task": task, "half": True})
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024), jit_compile=True)
    loss = float(model.train_on_batch(TRAIN_SET.images[:24].astype(np.float32) / 255, TRAIN_SET.labels[:24]))
    guessing = {"four turns": np.log(4), "SimCLR": np.log(47), "labels": np.log(2)}[task]
    assert model.jit_compile and 0 < loss < 2 * guessing
    assert int(optimizer.iterations) == 1 and all(np.isfinite(weight).all() for weight in model.get_weights())
