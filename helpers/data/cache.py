"""Decoded arrays on disk, so that a second run starts at once."""

import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np

from helpers.data.imageset import ImageSet


def load(folder):
    """Return the ImageSet kept in `folder`, or None if there is none; a damaged copy is removed with a warning."""
    folder = Path(folder)
    if not folder.is_dir():
        return None
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        expected = about.pop("fingerprint")
        images, labels = (np.load(folder / f"{part}.npy", allow_pickle=False) for part in ("images", "labels"))
        image_set = ImageSet(images, labels, **about)
        if image_set.fingerprint() == expected:
            return image_set
        fault = "its content changed"
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        fault = f"it cannot be read ({error})"
    warnings.warn(f"The decoded copy {folder} is dropped and made anew: {fault}.", stacklevel=2)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def save(folder, image_set):
    """Keep an ImageSet in `folder`, whole or not at all; a folder that cannot be written is a warning, no error."""
    try:
        write(folder, image_set)
    except OSError as error:
        warnings.warn(f"No decoded copy was kept in {folder}: {error}. The next run decodes again.", stacklevel=2)


def write(folder, image_set):
    """Keep an ImageSet in `folder`, whole or not at all; OSError if it cannot be written."""
    folder = Path(folder)
    about = {**vars(image_set), "fingerprint": image_set.fingerprint()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        partial = Path(temporary, folder.name)
        partial.mkdir()
        for part in ("images", "labels"):
            np.save(partial / f"{part}.npy", about.pop(part))
        (partial / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)


def drop_older(folder, pattern, keep):
    """Remove all but the `keep` newest of the copies in `folder` whose names fit `pattern`."""
    for copy in sorted(Path(folder).glob(pattern), key=lambda path: path.stat().st_mtime)[:-keep]:
        shutil.rmtree(copy, ignore_errors=True)
