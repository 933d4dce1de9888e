"""Sets larger than memory: an ImageSet on a memory-mapped file, in a process that may not hold its pixels."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
MIB = 2 ** 20


def limit_memory(mebibytes):
    """Allow this process that much more memory of its own; what is mapped from a file is not counted."""
    lines = Path("/proc/self/status").read_text().splitlines()
    now = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (now + mebibytes * MIB,) * 2)


def mapped(path):
    from helpers.data import ImageSet

    images = np.load(path, mmap_mode="r")
    return ImageSet(images, np.arange(len(images)) % 2, ("cat", "dog"))


def keras(path):
    import keras

    from helpers.keras import training

    model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.AveragePooling2D(16), keras.layers.Flatten(),
                              keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    few = training.batches(np.zeros((64, 64, 64, 3), np.uint8), np.zeros(64, int), 32, seed=0)
    model.fit(few, steps_per_epoch=2, verbose=0)  # all that is to be loaded is loaded
    limit_memory(600)
    train_set, held_out = mapped(path), mapped(path).stratified(1000, seed=0)
    model.fit(training.batches(train_set.images, train_set.labels, 32, seed=0), steps_per_epoch=20, verbose=0)
    assert training.predict(model, train_set.images[:3000]).shape == (3000, 2) and len(held_out) == 1000
    return train_set


def torch(path):
    import torch

    from helpers.torch import training

    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64 * 3, 2))
    model(torch.zeros(2, 64 * 64 * 3)).sum().backward()
    limit_memory(600)
    train_set = mapped(path)
    images, labels = training.tensors(train_set)
    for step, (batch, _) in enumerate(training.batches(images, labels, 32, seed=0)):
        model(batch).sum().backward()
        if step == 20:
            return train_set


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to RLIMIT_DATA")
@pytest.mark.parametrize(("room", "shape"), [("keras", (64, 64, 3)), ("torch", (64, 64 * 3, 1))])
def test_a_set_larger_than_memory_is_trained_on_from_its_file(room, shape, tmp_path):
    path = tmp_path / "images.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (2048 * MIB // (64 * 64 * 3), *shape)).flush()  # takes no disk
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "no_tensorflow")))
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, room, str(path)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == "MemoryError"  # of a copy in memory: the limit is real


if __name__ == "__main__":
    image_set = {"keras": keras, "torch": torch}[sys.argv[1]](sys.argv[2])
    try:
        np.array(image_set.images)
    except MemoryError:
        print("MemoryError")
