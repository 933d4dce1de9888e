"""Run a reader in a process of its own, so that its framework stays out of this one."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import runtime
from helpers.data import cache, catalogue
from helpers.data.download import DataUnavailable

ERRORS = {"DataUnavailable": DataUnavailable, "ValueError": ValueError}


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
    package = {"tfds_reader": "tensorflow_datasets", "torchvision_reader": "torchvision"}[reader]
    runtime.say(f"{title} is read by {package} in a process of its own; with a download this takes minutes.")
    with tempfile.TemporaryDirectory() as folder:
        words = json.dumps([name, str(root), image_shape])
        path = os.pathsep.join(filter(None, [str(runtime.ROOT), os.environ.get("PYTHONPATH")]))
        # Without a sight of the GPU: TensorFlow would take all of its memory.
        environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"}
        code = "import sys; from helpers.data import child; child.main(*sys.argv[1:])"
        done = subprocess.run([sys.executable, "-c", code, reader, words, folder], env=environment,
                              capture_output=True, text=True)
        if (Path(folder) / "error.json").is_file():
            kind, message = json.loads((Path(folder) / "error.json").read_text(encoding="utf-8"))
            raise ERRORS[kind](message)
        if done.returncode:
            last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"{title} could not be read: the other process ended with {done.returncode}; "
                               f"{last_line}")
        return {copy.name: cache.load(copy) for copy in Path(folder).iterdir()}


def main(reader, words, folder):
    """Read every published split, so that one start serves both, and leave decoded copies in `folder`."""
    name, root, image_shape = json.loads(words)
    module = importlib.import_module(f"helpers.data.{reader}")
    try:
        for split in catalogue.find(name).splits:
            for part, image_set in module.read(name, split, Path(root), tuple(image_shape)).items():
                cache.write(Path(folder) / part, image_set)
    except tuple(ERRORS.values()) as error:
        text = json.dumps([type(error).__name__, str(error)])
        (Path(folder) / "error.json").write_text(text, encoding="utf-8")
        raise
