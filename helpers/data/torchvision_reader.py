"""Read a data set through torchvision, from files whose checksums are known."""

import numpy as np

from helpers.data import catalogue, download
from helpers.data.imageset import ImageSet


def is_complete(name, root):
    """Return whether all unpacked files of the data set lie below the torchvision root `root`, a Path."""
    return all((root / path).is_file() for path in catalogue.find(name).files)


def read(name, split, root, image_shape):
    """Return one split as torchvision reads it; fetches the archives first where they are missing.

    torchvision unpickles CIFAR's files, so nothing is handed to it that does not agree with the published checksums.

    Args:
        name: the data set's name in the catalogue.
        split: `"train"` or `"test"`.
        root: Path of the torchvision root, where files are looked for and put.
        image_shape: `(H, W, C)`, the catalogue's own; these sets come in no other.

    Returns:
        dict, `split` -> ImageSet, `official` True.

    Raises:
        DataUnavailable: not on this machine and no mirror gave the right file.
        ValueError: a file that is there does not agree with the published checksum.
    """
    entry, complete = catalogue.find(name), is_complete(name, root)
    if not complete:
        download.fetch(root, entry)
    for path, checksum in entry.files.items() if complete else ():
        found = download.md5(root / path)
        if found != checksum:
            raise ValueError(f"{root / path} has the checksum {found}; the published file has {checksum}. It is "
                             "damaged or another file: delete it, and it is fetched again.")
    from torchvision import datasets

    data_set = getattr(datasets, entry.torchvision)(root, train=split == "train", download=not complete)
    images = np.asarray(data_set.data).reshape(-1, *image_shape)
    source = f"{entry.title}, the published files (checksums agree), read by torchvision"
    return {split: ImageSet(images, data_set.targets, entry.class_names, name, split, source, official=True)}
