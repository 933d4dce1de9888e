"""Read a data set through torchvision, from files whose checksums are known."""

import numpy as np

from helpers.data import download
from helpers.data.imageset import ImageSet


def read(name, entry, split, root):
    """Return one split as torchvision reads it; fetches the archives first where they are missing.

    torchvision unpickles CIFAR's files, so nothing is handed to it that does not agree with the published checksums.

    Args:
        name: the data set's name in the catalogue.
        entry: its `catalogue.DataSet`.
        split: `"train"` or `"test"`.
        root: Path of the torchvision root, where files are looked for and put.

    Returns:
        ImageSet, `official` True.

    Raises:
        DataUnavailable: not on this machine and no mirror gave the right file.
        ValueError: a file that is there does not agree with the published checksum.
    """
    from torchvision import datasets

    paths = {root / path: checksum for path, checksum in entry.files.items()}
    complete = all(path.is_file() for path in paths)
    if not complete:
        download.fetch(root, entry.archives, entry.title)
    else:
        check(paths)
    data_set = getattr(datasets, entry.torchvision)(root, train=split == "train", download=not complete)
    images = np.asarray(data_set.data)
    images = images if images.ndim == 4 else images[..., None]
    source = f"{entry.title}, the published files (checksums agree), read by torchvision"
    return ImageSet(images, np.asarray(data_set.targets), entry.class_names, name, split, source, official=True)


def check(paths):
    """Raise ValueError if a file does not have its checksum; `paths` maps Path -> MD5."""
    for path, checksum in paths.items():
        found = download.md5(path)
        if found != checksum:
            raise ValueError(f"{path} has the checksum {found}; the published file has {checksum}. It is damaged or "
                             "another file: delete it, and it is fetched again.")
