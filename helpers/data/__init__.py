"""Data sets as `ImageSet`: `load` finds them on this machine, fetches them, or makes a stand-in."""

import dataclasses
import importlib
import importlib.util
import sys
import warnings

import numpy as np
from PIL import Image

from helpers import runtime
from helpers.data import (
    cache,
    catalogue,
    child,
    download,
    folder,
    kaggle,
    synthetic,
    tfds_reader,
    torchvision_reader,
)
from helpers.data.download import DataUnavailable
from helpers.data.imageset import ImageSet

__all__ = ["DataUnavailable", "ImageSet", "load"]

SPLITS = ("train", "test")


def load(name, split, image_size=None, stand_in=False, own_folder=""):
    """Return one split of a data set.

    Looked for in this order: the reader's own folder, if one is named; a decoded copy (`decoded/` in the data folder);
    the published files there (`tfds/`, `torchvision/`, `folders/`, `kaggle/`); their hosts. What was decoded is kept
    for the next run. Of a set that publishes `"train"` alone, `"test"` is a stratified fifth of it, held out with seed
    0, and `"train"` the rest.

    Args:
        name: name in the catalogue, such as `"mnist"`.
        split: `"train"` or `"test"`.
        image_size: height and width, pixels; the pictures are scaled until the shorter side fits and cropped in the
            middle. None takes the catalogue's.
        stand_in: True gives a small made-up set of the same shape and classes, without a network.
        own_folder: path of a folder of the reader's own images, which takes the data set's place.

    Returns:
        ImageSet; its `left_out` names the files that could not be used, and a warning shows the first ten.

    Raises:
        ValueError: unknown data set or split, a size that is none, or damaged files.
        DataUnavailable: not on this machine and not to be downloaded; says what to put where.
    """
    entry = catalogue.find(name)
    if split not in SPLITS:
        raise ValueError(f"{entry.title} has no split {split!r}; it has {', '.join(SPLITS)}.")
    if image_size is not None and (type(image_size) is not int or image_size < 1):
        raise ValueError(f"image_size must be a positive int, in pixels, or None; got {image_size!r}.")
    image_shape = entry.image_shape if image_size is None else (image_size, image_size, entry.image_shape[2])
    if stand_in and not own_folder:
        return synthetic.stand_in(name, split, image_shape, entry.class_names)
    image_set = _own(own_folder, split, image_shape) if own_folder else _published(name, split, image_shape)
    if image_set.left_out:
        shown = "\n".join(f"  {fault}" for fault in image_set.left_out[:10])
        warnings.warn(f"{len(image_set.left_out)} files of {own_folder or entry.title} were left out:\n{shown}",
                      stacklevel=2)
    return image_set


def _published(name, split, image_shape):
    entry = catalogue.find(name)
    own_size = image_shape == entry.image_shape
    if not own_size and not entry.sizes_differ:
        return _resized(_published(name, split, entry.image_shape), image_shape)
    ending = "" if own_size else f"-{image_shape[0]}"
    return _kept_or_read(name, ending, split, image_shape, lambda: _read(name, split, image_shape))


def _own(own_folder, split, image_shape):
    signature = folder.signature(own_folder, image_shape)
    image_set = _kept_or_read(f"own-{signature}", "", split, image_shape, lambda: folder.read(own_folder, image_shape))
    cache.drop_older(runtime.data_dir() / "decoded", "own-*", keep=6)  # three states of folders, two splits each
    return image_set


def _kept_or_read(prefix, ending, split, image_shape, read):
    """Return a split from its decoded copy, or call `read` and keep every split that it gives."""
    kept = {part: runtime.data_dir() / "decoded" / f"{prefix}-{part}{ending}" for part in SPLITS}
    image_set = cache.load(kept[split])
    if image_set is not None and image_set.image_shape == image_shape:
        return image_set
    decoded = read()
    for part, image_set in decoded.items():
        cache.save(kept[part], image_set)
    return decoded[split]


def _read(name, split, image_shape):
    """Read a published set; return split -> ImageSet."""
    entry, root = catalogue.find(name), runtime.data_dir()
    if not entry.tfds_host:
        return _read_folders(name, root, image_shape)
    reader = _suitable_reader(name, root)
    place = root / ("tfds" if reader == "tfds_reader" else "torchvision")
    if (reader == "tfds_reader") == ("tensorflow" in sys.modules):
        return importlib.import_module(f"helpers.data.{reader}").read(name, split, place, image_shape)
    return child.read(reader, name, place, image_shape)


def _suitable_reader(name, root):
    """Return the module that reads a set in this kernel: `"tfds_reader"` or `"torchvision_reader"`.

    TensorFlow's kernels read what lies prepared for tensorflow-datasets, the others torchvision's files; either what
    lies there for the other alone. Where nothing does, torchvision's files are fetched, since their mirrors and
    checksums are known. The sets that torchvision does not have, tensorflow-datasets reads.
    """
    has_tfds = all(map(importlib.util.find_spec, ("tensorflow", "tensorflow_datasets")))
    if catalogue.find(name).torchvision and importlib.util.find_spec("torchvision"):
        prepared = has_tfds and tfds_reader.find(name, root / "tfds")
        complete = torchvision_reader.is_complete(name, root / "torchvision")
        if not prepared or (complete and "tensorflow" not in sys.modules):
            return "torchvision_reader"
    if not has_tfds:
        raise DataUnavailable(f"{catalogue.find(name).title} is read by tensorflow-datasets, and that or TensorFlow is "
                              "not installed here: pip install tensorflow tensorflow-datasets.")
    return "tfds_reader"


def _read_folders(name, root, image_shape):
    """Read a set that is published as picture files; return split -> ImageSet."""
    entry = catalogue.find(name)
    if entry.kaggle:
        place, is_fetched = kaggle.find(entry.kaggle, root / "kaggle"), False
        if place is None:
            raise DataUnavailable(
                f"{entry.title} needs a Kaggle account: join the competition at {entry.home}, then give your API "
                "token, on Colab as the secret KAGGLE_API_TOKEN, elsewhere in the environment or in "
                f"~/.kaggle/kaggle.json; or put the files into {root / 'kaggle' / entry.kaggle}. "
                "stanford_dogs has the same breeds and needs no account.")
    else:
        place = root / "folders" / name
        is_fetched = download.fetch_class_folders(place, entry)
    image_sets = folder.read(place, image_shape)
    total = sum(map(len, image_sets.values()))
    counts = {part: len(image_sets[part]) if "test" in entry.splits else total for part in entry.splits}
    official = is_fetched and counts == entry.splits
    doubt = "" if official else "; not known to be the published files"
    for part, image_set in image_sets.items():
        entry.check_class_names(image_set.class_names, place)
        published = part if part in entry.splits else "train"
        image_sets[part] = dataclasses.replace(
            image_set, name=name, official=official,
            source=f"{entry.title}, {entry.share(published, counts[published])}{doubt}")
    return image_sets


def _resized(image_set, image_shape):
    """Scale images that all have one size; bicubic."""
    height, width, channels = image_shape
    images = np.empty((len(image_set), *image_shape), np.uint8)
    for image, target in zip(image_set.images, images):
        picture = Image.fromarray(image if channels == 3 else image[..., 0])
        target[...] = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).reshape(image_shape)
    return dataclasses.replace(image_set, images=images, source=f"{image_set.source}, scaled to {height} x {width}")
