"""The same training step on every backend of Keras: same weights and batch in, same loss and weights out."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def take_step(test_module, path):
    """Train `test_module.compiled_model()` for one step; return the loss before it and three numbers of every weight.

    Args:
        test_module: name of a module in `tests/`.
        path: `.npz` file with the model's weights, then images and labels, numbered from 0.
    """
    with np.load(path) as file:
        *weights, images, labels = [file[name] for name in sorted(file.files, key=int)]
    model = importlib.import_module(test_module).compiled_model()
    model.set_weights(weights)
    loss = float(model.train_on_batch(images, labels))
    return [loss, *np.concatenate([weight.ravel()[:3] for weight in model.get_weights()]).tolist()]


def assert_same_step_without_tensorflow(test_module, backend, image_shape, folder):
    """Take one step here and one in a process with another backend that has no TensorFlow; they must agree."""
    generator = np.random.default_rng(0)
    model = importlib.import_module(test_module).compiled_model()
    arrays = [*model.get_weights(), generator.random((16, *image_shape), np.float32), generator.integers(0, 10, 16)]
    path = folder / "step.npz"
    np.savez(path, **{str(index): array for index, array in enumerate(arrays)})
    code = f"import sys, backends; print(*backends.take_step({test_module!r}, {str(path)!r}))"
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "no_tensorflow")))
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [float(word) for word in done.stdout.splitlines()[-1].split()]
    np.testing.assert_allclose(found, take_step(test_module, path), rtol=1e-4, atol=1e-5)
