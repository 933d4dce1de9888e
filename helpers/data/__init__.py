"""Data sets as `ImageSet`: `load` finds them on this machine, fetches them, or makes a stand-in."""

from helpers import runtime
from helpers.data import cache, catalogue, folder, synthetic, torchvision_reader
from helpers.data.download import DataUnavailable
from helpers.data.imageset import ImageSet

__all__ = ["DataUnavailable", "ImageSet", "load"]


def load(name, split, stand_in=False, own_folder=""):
    """Return one split of a data set.

    Looked for in this order: the reader's own folder, if one is named; a decoded copy (`decoded/` in the data folder);
    the published files in `torchvision/` there; the mirrors. What was decoded is kept for the next run.

    Args:
        name: name in the catalogue, such as `"mnist"`.
        split: name of a split, `"train"` or `"test"`.
        stand_in: True gives a small made-up set of the same shape and classes, without a network.
        own_folder: path of a folder of the reader's own images, which takes the data set's place.

    Returns:
        ImageSet.

    Raises:
        ValueError: unknown data set or split, or a damaged file.
        DataUnavailable: not on this machine and not to be downloaded; says what to put where.
    """
    entry = catalogue.find(name)
    if split not in entry.splits:
        raise ValueError(f"{entry.title} has no split {split!r}; it has {', '.join(entry.splits)}.")
    if own_folder:
        return folder.read(own_folder, split, entry.image_shape)
    if stand_in:
        return synthetic.stand_in(name, split, entry.image_shape, entry.class_names)
    kept = runtime.data_dir() / "decoded" / f"{name}-{split}"
    image_set = cache.load(kept)
    if image_set is None:
        image_set = torchvision_reader.read(name, entry, split, runtime.data_dir() / "torchvision")
        cache.save(kept, image_set)
    return image_set
