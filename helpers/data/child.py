"""Run a reader in a process of its own, so that its framework stays out of this one."""

import importlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import runtime
from helpers.data import cache, catalogue
from helpers.data.download import DataUnavailable


def read(reader, name, root, image_shape):
    """Return what the `read` function of a module of this package returns for all splits, from another process.

    The decoded images come through a temporary folder, so that the data folder need not be writable.

    Args:
        reader: name of the module, `"tfds_reader"` or `"torchvision_reader"`.
        name, root, image_shape: as its `read` takes them.

    Returns:
        dict, split -> ImageSet.

    Raises:
        DataUnavailable, ValueError: as the reader raised them.
        RuntimeError: the other process ended in some other way; has the last line it wrote.
    """
    title = catalogue.find(name).title
    package = reader.removesuffix("_reader")
    runtime.say(f"{title} is read by {package} in a process of its own; with a download this takes minutes.")
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join(filter(None, [str(runtime.ROOT), os.environ.get("PYTHONPATH")]))
        # Without a sight of the GPU: TensorFlow would take all of its memory.
        environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"}
        code = "import sys; from helpers.data import child; child.main(*sys.argv[1:])"
        words = json.dumps([name, str(root), image_shape])
        done = subprocess.run([sys.executable, "-c", code, reader, words, folder], env=environment,
                              capture_output=True, text=True)
        error = Path(folder, "error.pickle")
        if error.is_file():
            raise pickle.loads(error.read_bytes())
        if done.returncode:
            last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"{title} could not be read: its process ended with {done.returncode}; {last_line}")
        return {copy.name: cache.load(copy) for copy in Path(folder).iterdir()}


def main(reader, words, folder):
    """Read every published split, so that one start serves both, and leave decoded copies in `folder`."""
    name, root, image_shape = json.loads(words)
    module = importlib.import_module(f"helpers.data.{reader}")
    try:
        for split in catalogue.find(name).splits:
            for part, image_set in module.read(name, split, Path(root), tuple(image_shape)).items():
                cache.write(Path(folder) / part, image_set)
    except (DataUnavailable, ValueError) as error:
        Path(folder, "error.pickle").write_bytes(pickle.dumps(error))
        raise
