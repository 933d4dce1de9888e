"""helpers.keras.training; what the checkpoints of both rooms share is tested in test_training_torch."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.data.order import epoch_order
from helpers.keras import training

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"learning_rate": 0.01, "seed": 0}
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3)).astype(np.uint8)
LABELS = np.random.default_rng(1).integers(0, 4, 50)


def make_model():
    """Batch norm, dropout, augmentation, Adam with a schedule: everything that has a state of its own."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((8, 8, 3)), keras.layers.RandomFlip("horizontal"), keras.layers.Conv2D(8, 3),
        keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.Dropout(0.3), keras.layers.Flatten(),
        keras.layers.Dense(4)])
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 18)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
    return model


def run_to(num_epochs, folder, settings=SETTINGS, best=None):
    model = make_model()
    checkpoint = training.Checkpoint(folder, settings, best, model=model)
    history = checkpoint.resume()
    model.fit(training.batches(IMAGES, LABELS, 16, 0, len(history), drop_last=True), steps_per_epoch=3,
              validation_data=training.batches(IMAGES[:20], LABELS[:20], 16), initial_epoch=len(history),
              epochs=num_epochs, verbose=0, callbacks=[checkpoint])
    return model, checkpoint


def weights(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [variable.numpy() for variable in variables]


def resume_is_exact(folder):
    """Assert that a resumed run ends bit for bit like an uninterrupted one (also called on the other backends)."""
    uninterrupted, checkpoint = run_to(6, Path(folder) / "a")
    run_to(3, Path(folder) / "b")
    keras.utils.set_random_seed(99)  # a new process knows nothing of the old generators
    resumed, resumed_checkpoint = run_to(6, Path(folder) / "b")
    for expected, found in zip(weights(uninterrupted), weights(resumed), strict=True):
        np.testing.assert_array_equal(expected, found)
    histories = [[{**epoch, "seconds": 0} for epoch in each.history] for each in (checkpoint, resumed_checkpoint)]
    assert histories[0] == histories[1] and len(histories[0]) == 6


def order_is_the_epochs_own():
    """Assert that `fit`'s epochs see the images in the order of `epoch_order` (also called on the other backends)."""
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    stream = iter(training.batches(images, np.arange(10), 4, seed=3, epoch=2))
    for epoch in (2, 3):
        batches = [tuple(map(np.asarray, next(stream))) for _ in range(3)]
        assert [len(labels) for _, labels in batches] == [4, 4, 2]
        assert np.concatenate([labels for _, labels in batches]).tolist() == epoch_order(10, 3, epoch).tolist()
        pictures, labels = batches[0]
        assert pictures.dtype == np.float32 and pictures.shape == (4, 2, 2, 1)
        np.testing.assert_allclose(pictures[:, 0, 0, 0] * 255, labels, rtol=1e-6)
    dropping = iter(training.batches(images, np.arange(10), 4, seed=3, drop_last=True))
    assert [len(next(dropping)[1]) for _ in range(4)] == [4, 4, 4, 4]


def test_a_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(tmp_path, capsys):
    resume_is_exact(tmp_path)
    assert "b: resumed after epoch 3" in capsys.readouterr().out


def test_batches_come_in_an_order_of_seed_and_epoch_and_without_a_seed_in_one_pass():
    order_is_the_epochs_own()
    images, labels = np.full((5, 2, 2, 1), 255, np.uint8), np.arange(5)
    once = training.batches(images, labels, 2)
    for _ in range(2):  # it can be gone through again, as `fit` does with validation data
        assert [labels.numpy().tolist() for _, labels in once] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow_other_backends_train_resume_and_log(backend, tmp_path):
    code = ("import sys\n"
            "import test_training_keras as tests\n"
            "from helpers.keras import explain\n"
            "tests.order_is_the_epochs_own()\n"
            "tests.resume_is_exact(sys.argv[1])\n"
            "log = tests.training.TensorBoard(sys.argv[1])\n"
            "log.close({'rate': 0.1}, {'accuracy': 1.0})\n"
            "assert tests.training.predict(tests.make_model(), tests.IMAGES, 16).shape == (50, 4)\n"
            "assert 'tensorflow' not in sys.modules and tests.keras.backend.backend() == sys.argv[2]\n")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "no_tensorflow")))
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), backend], env=environment, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    expected = weights(run_to(5, tmp_path / "a")[0])
    run_to(4, tmp_path / "b")
    newest = sorted((tmp_path / "b").glob("epoch-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"epoch-0004.* is damaged and passed over"):
        resumed = weights(run_to(5, tmp_path / "b")[0])
    for one, other in zip(expected, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_epoch_on_validation_comes_back(tmp_path):
    model, checkpoint = run_to(6, tmp_path, best="validation_accuracy")
    accuracies = [epoch["validation_accuracy"] for epoch in checkpoint.history]
    last = model.weights[0].numpy()
    assert checkpoint.load_best()["epoch"] == 1 + int(np.argmax(accuracies)) < 6, accuracies
    assert not np.array_equal(model.weights[0].numpy(), last)
    evaluated = model.evaluate(IMAGES[:20] / np.float32(255), LABELS[:20], verbose=0, return_dict=True)
    assert evaluated["accuracy"] == pytest.approx(max(accuracies))


def test_a_checkpoint_of_another_model_or_an_unbuilt_one_is_a_clear_error(tmp_path):
    run_to(1, tmp_path)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="of another model"):
        training.Checkpoint(tmp_path, SETTINGS, model=model).resume()
    with pytest.raises(ValueError, match="model has no weights yet"):
        training.Checkpoint(tmp_path, SETTINGS, model=keras.Sequential([keras.layers.Dense(2)]))


def test_a_checkpoint_holds_arrays_and_text_only(tmp_path):
    run_to(1, tmp_path)
    path = next(tmp_path.glob("epoch-*.npz"))
    with zipfile.ZipFile(path) as archive:
        assert all(b"'O'" not in archive.read(name)[:128] for name in archive.namelist())  # no pickled objects
    np.savez(path, json=np.array([{"history": []}], dtype=object))
    with pytest.warns(UserWarning, match="passed over.*allow_pickle"):
        assert run_to(1, tmp_path)[1].history[0]["epoch"] == 1


def test_mixed_precision_resumes_with_the_state_of_its_loss_scale(tmp_path):
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        resume_is_exact(tmp_path)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


def test_predict_runs_in_evaluation_mode_and_counts_leave_moving_averages_out():
    model = make_model()
    outputs = training.predict(model, IMAGES, batch_size=16)
    assert outputs.shape == (50, 4) and outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, training.predict(model, IMAGES, batch_size=16))
    assert training.count_parameters(model) == 8 * 28 + 2 * 8 + 4 * (6 * 6 * 8 + 1)
    model.layers[1].trainable = False
    assert training.count_parameters(model, trainable_only=True) == training.count_parameters(model) - 8 * 28
