"""Read a data set through tensorflow-datasets, from a prepared folder where there is one."""

import dataclasses
import importlib
import importlib.util
import os
import re
import sys

import numpy as np

from helpers.data import catalogue, download, pictures
from helpers.data.download import DataUnavailable
from helpers.data.imageset import ImageSet


def import_tfds():
    """Return the module `tensorflow_datasets`, imported as it must be on Colab.

    Colab's protobuf is older than the one that tensorflow-metadata was generated for, which makes the import fail
    (tensorflow/metadata#68); and preparing a set imports `importlib_resources`, which nobody declares
    (tensorflow/datasets#11212) and which is in Python itself by another name.
    """
    os.environ.setdefault("TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK", "true")
    if importlib.util.find_spec("importlib_resources") is None:
        sys.modules["importlib_resources"] = importlib.import_module("importlib.resources")
        importlib.import_module("importlib.resources.abc")
    import tensorflow_datasets
    return tensorflow_datasets


def find(name, root):
    """Return the Path of the newest prepared version of a set in the tfds folder `root`, or None."""
    versions = [path.parent for path in (root / name).rglob("dataset_info.json")
                if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)]
    return max(versions, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


def read(name, split, root, image_shape):
    """Return one published split, or, of a set that publishes one only, the two into which it is divided.

    Args:
        name: the data set's name in the catalogue and in tensorflow-datasets.
        split: `"train"` or `"test"`.
        root: Path of a tfds `data_dir`; a set that lies there prepared is used as it is, without a network, another
            is downloaded and prepared there.
        image_shape: `(H, W, C)` to decode to.

    Returns:
        dict, split -> ImageSet, in the order of the records. `official` is True if there are as many images as
        published, and their fingerprint is a known one or tensorflow-datasets downloaded them itself.

    Raises:
        DataUnavailable: not on this machine and not to be downloaded; says what to put where.
        ValueError: the prepared folder is damaged, or has other classes.
    """
    entry, tfds = catalogue.find(name), import_tfds()
    folder = find(name, root) or _prepare(entry, name, root, tfds)
    published = split if split in entry.splits else "train"
    try:
        builder = tfds.builder_from_directory(folder)
        label_names = builder.info.features["label"].names
        images, labels, left_out = _decode(builder, published, image_shape, tfds)
    except MemoryError:
        raise
    except Exception as error:  # protobuf, TensorFlow and tensorflow-datasets each raise their own kinds
        raise ValueError(f"The prepared data set {folder} is damaged: {_one_line(error)} Delete the folder, and it is "
                         "fetched again.") from error
    entry.check_class_names([re.sub(r"^n\d{8}-", "", label) for label in label_names], folder)
    image_set = ImageSet(images, labels, entry.class_names, name, published, left_out=left_out)
    is_known = image_set.fingerprint() in entry.fingerprints or bool(builder.info.download_size)
    official = len(image_set) == entry.splits[published] and is_known
    source = (f"{entry.title}, {entry.share(published, len(image_set))}, prepared by tensorflow-datasets "
              f"({folder.name})" + ("" if official else "; not known to be the published pixels"))
    image_set = dataclasses.replace(image_set, source=source, official=official)
    if "test" in entry.splits:
        return {split: image_set}
    train, test = image_set.split_off(0.2, seed=0)
    return {"train": train, "test": dataclasses.replace(test, split="test")}


def _prepare(entry, name, root, tfds):
    """Let tensorflow-datasets download a set and prepare it; return the folder.

    Google's ready-made copies, where a release of tensorflow-datasets reaches them, are taken into the folder by
    `try_download_gcs`. The option `try_gcs` would read them in Google's bucket each time, and raises where a `data_dir`
    is given too. (Release 4.9.10, which Colab has, reaches none: `gcs_utils._is_gcs_disabled`.)
    """
    try:
        download.check_answers(entry.tfds_host)  # tensorflow-datasets itself tries for minutes before it gives up
        download_config = tfds.download.DownloadConfig(try_download_gcs=True)
        tfds.builder(name, data_dir=root).download_and_prepare(download_config=download_config)
    except Exception as error:  # whatever a host, a proxy, an archive or a full disk makes it raise
        raise DataUnavailable(
            f"{entry.title} does not lie prepared in {root / name}, and tensorflow-datasets could not download it from "
            f"{entry.tfds_host}: {_one_line(error)} Without that host: put a folder that tensorflow-datasets prepared "
            f"elsewhere ({name}/<version>/) into {root}, or name the folder above such a tfds/ in NB_DATA_DIR. The "
            "profile 'smoke' needs no data: it runs on made-up images.") from error
    return find(name, root)


def _decode(builder, split, image_shape, tfds):
    """Return images, labels and the names of what was left out, in the order of the records."""
    keys = ["image", "label", *(key for key in ("image/filename", "file_name", "id") if key in builder.info.features)]
    decoders = tfds.decode.PartialDecoding(dict.fromkeys(keys, True), {"image": tfds.decode.SkipDecoding()})
    records = builder.as_dataset(split=split, shuffle_files=False, decoders=decoders,
                                 read_config=tfds.ReadConfig(interleave_cycle_length=1))
    labels = []

    def files():
        for batch in records.batch(256).as_numpy_iterator():
            for file, label, *names in zip(*(batch[key] for key in keys)):
                labels.append(label)
                yield " ".join([f"record {len(labels) - 1}", *(file_name.decode() for file_name in names)]), file

    images, kept, left_out = pictures.decode_all(files(), builder.info.splits[split].num_examples, image_shape)
    return images, np.array(labels)[kept], left_out


def _one_line(error):
    first_line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first_line}."
