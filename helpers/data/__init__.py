"""Data sets as `ImageSet`: `load` finds them on this machine, fetches them, or makes a stand-in."""

import dataclasses
import importlib
import importlib.util
import logging
import sys
import warnings

from helpers import runtime
from helpers.data import cache, catalogue, child, download, folder, kaggle, synthetic, tfds_reader, torchvision_reader
from helpers.data.download import DataUnavailable
from helpers.data.duplicates import find
from helpers.data.imageset import ImageSet

__all__ = ["DataUnavailable", "ImageSet", "load", "load_unlabelled"]

SPLITS = ("train", "test")


def load(name, split, image_size=None, stand_in=False, own_folder=""):
    """Return one split of a data set.

    Looked for in this order: the reader's own folder, if one is named; a decoded copy (`decoded/` in the data folder);
    the published files there (`tfds/`, `torchvision/`, `folders/`, `kaggle/`); their hosts. What was decoded is kept
    for the next run (not a part of a published set, which would hide the whole one put there later); `decoded/` may be
    deleted at any time. Of a set that publishes `"train"` alone, `"test"` is a stratified fifth of it, held out with
    seed 0, and `"train"` the rest.

    Args:
        name: name in the catalogue, such as `"mnist"`.
        split: `"train"` or `"test"`.
        image_size: height and width, pixels; the pictures are scaled until the shorter side fits and cropped in the
            middle. None takes the catalogue's, which is the only one of MNIST and CIFAR.
        stand_in: True gives a small made-up set of the same shape and classes, without a network.
        own_folder: path of a folder of the reader's own images, which takes the data set's place.

    Returns:
        ImageSet; its `left_out` names the files that could not be used, and a warning shows the first ten. With
        `"test"` of the reader's own images it is said how many of them show what a training image shows.

    Raises:
        ValueError: unknown data set or split, a size that is none, or damaged files.
        DataUnavailable: not on this machine and not to be downloaded; says what to put where.
    """
    entry = catalogue.find(name)
    if split not in SPLITS:
        raise ValueError(f"{entry.title} has no split {split!r}; it has {', '.join(SPLITS)}.")
    if image_size is not None and (type(image_size) is not int or image_size < 1):
        raise ValueError(f"image_size must be a positive int, in pixels, or None; got {image_size!r}.")
    height, width, channels = entry.image_shape
    if not entry.sizes_differ and not own_folder and image_size not in (None, height):
        raise ValueError(f"{entry.title} is read at its own {height} x {width} pixels only; leave image_size out.")
    image_shape = (image_size or height, image_size or width, channels)
    if stand_in and not own_folder:
        return synthetic.stand_in(name, split, image_shape, entry.class_names)
    image_set = _kept_or_read(name, split, image_shape, own_folder)
    if own_folder and split == "train" and len(image_set) < 10:  # too few to hold some out for validation
        raise ValueError(f"{own_folder} gives {len(image_set)} images to train on; at least 10 are needed, add some.")
    if own_folder and split == "train" and len(image_set) < 500:  # batches and epochs hardly fit
        runtime.say(f"{own_folder} gives only {len(image_set)} training images; the settings are made for thousands: "
                    "set smaller batches, more epochs and no experiments in OVERRIDES (the cell Profiles names them).")
    given = (name, "train", image_shape, own_folder)
    if own_folder and split == "test" and len(pairs := find(image_set, _kept_or_read(*given))):
        runtime.say(f"{len({*pairs[:, 0]})} of {len(image_set)} test images show what a training image shows, the "
                    f"nearest number {pairs[0, 0]} of test and {pairs[0, 1]} of train: the accuracy is too good. "
                    "If these are photos, keep one of each pair (helpers.data.duplicates.find lists them).")
    return image_set


def load_unlabelled(own_folder, image_shape):
    """Return the unlabelled pictures of the reader's own folder: what lies in its sub-folder `unlabelled`.

    Args:
        own_folder: path of a folder of the reader's own images, as in `load`.
        image_shape: `(H, W, C)`, that of the labelled images.

    Returns:
        ImageSet, split `"unlabelled"`, labels -1, no class names; of 0 images if there is no such sub-folder. Files
        that could not be used are named as in `load`.

    Raises:
        FileNotFoundError, ValueError: `own_folder` is not there, or is none.
    """
    return _kept_or_read("", "unlabelled", tuple(image_shape), own_folder)


def _kept_or_read(name, split, image_shape, own_folder):
    """Return a split from its decoded copy, or read the set and keep every split that this gives."""
    decoded = runtime.data_dir() / "decoded"
    if own_folder:
        copy = f"own-{folder.signature(own_folder, image_shape)}-{{}}"
    else:
        entry = catalogue.find(name)
        copy = f"{name}-{{}}" + ("" if image_shape == entry.image_shape else f"-{image_shape[0]}")
    image_set = cache.load(decoded / copy.format(split))
    if image_set is None or image_set.image_shape != image_shape:
        image_sets = _read(name, split, image_shape, own_folder)
        if own_folder or entry.is_whole(image_sets):
            for part, image_set in image_sets.items():
                cache.save(decoded / copy.format(part), image_set)
            cache.drop_older(decoded, "own-*", keep=6)  # three states of folders, or two with their unlabelled images
        image_set = image_sets[split]
    if image_set.left_out:
        warnings.warn(f"{len(image_set.left_out)} files of {own_folder or entry.title} were left out:"
                      f"{folder.shown(image_set.left_out)}", stacklevel=3)
    return image_set


def _read(name, split, image_shape, own_folder):
    """Read the reader's own pictures, or a published set; return split -> ImageSet."""
    if own_folder:
        return (folder.read if split in SPLITS else folder.read_unlabelled)(own_folder, image_shape)
    entry, root = catalogue.find(name), runtime.data_dir()
    if not entry.tfds_host:
        return _read_folders(name, root, image_shape)
    reader = _suitable_reader(name, root)
    place = root / reader.removesuffix("_reader")
    if (reader == "tfds_reader") == ("tensorflow" in sys.modules):
        logging.getLogger("absl").addFilter(_is_not_about_itself)
        return importlib.import_module(f"helpers.data.{reader}").read(name, split, place, image_shape)
    return child.read(reader, name, place, image_shape)


def _is_not_about_itself(record):
    """False for what tensorflow-datasets 4.9 says, ten times, of its own use of its own `FeatureConnector.dtype`."""
    return "FeatureConnector.dtype" not in record.getMessage()


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
    entry, place = catalogue.find(name), root / "folders" / name
    if entry.kaggle:
        place = kaggle.find(entry.kaggle, root / "kaggle")
    else:
        download.fetch_class_folders(place, entry)
    if place is None:
        raise DataUnavailable(
            f"{entry.title} needs a Kaggle account: join the competition at {entry.home}, then give your API token, on "
            "Colab as the secret KAGGLE_API_TOKEN, elsewhere in the environment or in ~/.kaggle/kaggle.json; or put "
            f"the files into {root / 'kaggle' / entry.kaggle}. stanford_dogs has the same breeds and needs no account.")
    image_sets = folder.read(place, image_shape)
    counts = entry.counts(image_sets)
    official = (place / ".source").is_file() and counts == entry.splits
    doubt = "" if official else "; not known to be the published files"
    for part, image_set in image_sets.items():
        entry.check_class_names(image_set.class_names, place)
        published = part if part in entry.splits else "train"
        source = f"{entry.title}, {entry.share(published, counts[published])}{doubt}"
        image_sets[part] = dataclasses.replace(image_set, name=name, official=official, source=source)
    return image_sets
