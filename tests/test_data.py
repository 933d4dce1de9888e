import dataclasses
import functools
import gzip
import hashlib
import http.server
import importlib.util
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import types
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from helpers import data, runtime
from helpers.data import cache, catalogue, child, download, folder, kaggle, tfds_reader, torchvision_reader
from helpers.data.imageset import ImageSet


def make_set(counts=(60, 30, 10)):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    return ImageSet(images, labels, ("ant", "bee", "cow")[:len(counts)])


def identities(image_set):
    return set(image_set.images[:, 0, 0, 0].tolist())


def test_stratified_keeps_the_classes_shares_and_nests():
    image_set = make_set()
    ten, fifty = image_set.stratified(10, seed=1), image_set.stratified(0.5, seed=1)
    assert ten.counts().tolist() == [6, 3, 1] and fifty.counts().tolist() == [30, 15, 5]
    assert identities(ten) < identities(fifty)
    assert identities(ten) != identities(image_set.stratified(10, seed=2))


def test_a_split_is_disjoint_and_complete():
    rest, held_out = make_set().split_off(0.2, seed=0)
    assert len(held_out) == 20 and not identities(rest) & identities(held_out)
    assert len(identities(rest) | identities(held_out)) == 100


def test_folds_hold_each_image_out_once():
    held_out = [identities(fold) for _, fold in make_set().folds(3, seed=0)]
    assert sum(map(len, held_out)) == len(set.union(*held_out)) == 100
    for train, fold in make_set().folds(3, seed=0):
        assert not identities(train) & identities(fold)


@pytest.mark.parametrize(("images", "labels"), [
    (np.zeros((2, 4, 4, 1), np.float32), [0, 1]),
    (np.zeros((2, 4, 4), np.uint8), [0, 1]),
    (np.zeros((2, 4, 4, 1), np.uint8), [0, 1, 1]),
    (np.zeros((2, 4, 4, 1), np.uint8), [0, 2]),
    (np.zeros((2, 4, 4, 1), np.uint8), [0.0, 1.0]),
])
def test_an_image_set_refuses_what_does_not_fit(images, labels):
    with pytest.raises(ValueError, match="ImageSet"):
        ImageSet(images, np.asarray(labels), ("a", "b"))


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="mnist"):
        data.load("minst", "train")
    with pytest.raises(ValueError, match="train, test"):
        data.load("tf_flowers", "validation")
    with pytest.raises(ValueError, match="image_size must be a positive int"):
        data.load("tf_flowers", "train", image_size=64.0)
    with pytest.raises(ValueError, match="MNIST is read at its own 28 x 28 pixels only"):
        data.load("mnist", "train", image_size=32, stand_in=True)
    with pytest.raises(ValueError, match="ant, bee, cow"):
        make_set().class_index("dog")


@pytest.mark.parametrize("name", catalogue.CATALOGUE)
def test_stand_ins_have_the_real_sets_shape_and_classes_to_be_learnt_from_more_than_colour(name):
    from sklearn.neighbors import KNeighborsClassifier

    entry = catalogue.find(name)
    size = 32 if entry.sizes_differ else None
    train, test = (data.load(name, split, size, stand_in=True) for split in ("train", "test"))
    assert train.image_shape == ((32, 32, 3) if entry.sizes_differ else entry.image_shape)
    assert train.class_names == entry.class_names and not train.official
    assert train.counts().min() > 0 and train.fingerprint() != test.fingerprint()
    assert test.fingerprint() == data.load(name, "test", size, stand_in=True).fingerprint()

    def accuracy(features):
        return KNeighborsClassifier(5).fit(features(train), train.labels).score(features(test), test.labels)

    assert accuracy(lambda image_set: image_set.images.reshape(len(image_set), -1) / 255) > 0.9
    if entry.sizes_differ:
        assert accuracy(lambda image_set: image_set.images.mean(axis=(1, 2))) < 0.1 + 1 / train.num_classes


def test_the_catalogue_is_of_one_piece():
    for entry in catalogue.CATALOGUE.values():
        assert len(set(entry.class_names)) == len(entry.class_names) and set(entry.splits) <= {"train", "test"}
        assert bool(entry.tfds_host) + bool(entry.kaggle) + bool(entry.archives and not entry.torchvision) == 1
        assert bool(entry.torchvision) == bool(entry.files) and bool(entry.archives) == bool(entry.mirrors)
        assert all(len(checksum) == 32 for checksum in entry.files.values())
    dogs, kaggle_dogs = (catalogue.find(name).class_names for name in ("stanford_dogs", "dog_breeds"))
    assert set(dogs) == set(kaggle_dogs) and len(dogs) == 120 and kaggle_dogs[2] == "african_hunting_dog"
    superclasses = catalogue.CIFAR100_SUPERCLASSES
    assert len(superclasses) == 20 and {len(classes) for classes in superclasses.values()} == {5}
    assert len(catalogue.find("cifar100").class_names) == len(set(catalogue.find("cifar100").class_names)) == 100


def test_a_decoded_copy_comes_back_equal_and_a_damaged_one_is_dropped(tmp_path):
    image_set = make_set()
    cache.save(tmp_path / "set", image_set)
    assert cache.load(tmp_path / "set").describe() == image_set.describe()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    with open(tmp_path / "set" / "images.npy", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\7")
    with pytest.warns(UserWarning, match="content changed"):
        assert cache.load(tmp_path / "set") is None
    cache.save(tmp_path / "set", image_set)
    (tmp_path / "set" / "labels.npy").write_bytes(b"\x93NUMPY")
    with pytest.warns(UserWarning, match="cannot be read"):
        assert cache.load(tmp_path / "set") is None


def test_a_data_folder_that_cannot_be_written_is_a_warning_only(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="No decoded copy was kept"):
        cache.save(tmp_path / "file" / "set", make_set())


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def send_header(self, name, value):
        """States more bytes than there are for a file called `broken`: the connection then ends early."""
        broken = name == "Content-Length" and self.path.endswith("broken")
        super().send_header(name, int(value) + 10 if broken else value)


@pytest.fixture
def mirror(tmp_path):
    """Serve a folder on this machine; gives (folder, address)."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def a_set(archives, *mirrors):
    return dataclasses.replace(catalogue.find("imagenet5"), title="A set", archives=archives, mirrors=mirrors)


def test_the_first_mirror_with_the_right_checksum_wins(mirror, tmp_path):
    folder, address = mirror
    (folder / "wrong").write_bytes(b"a login page")
    (folder / "set.gz").write_bytes(b"the archive")
    archives = {"sub/set.gz": hashlib.md5(b"the archive").hexdigest()}
    download.fetch(tmp_path, a_set(archives, f"{address}missing", f"{address}wrong", f"{address}{{}}?download=1"))
    assert (tmp_path / "sub" / "set.gz").read_bytes() == b"the archive"
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["set.gz"]


def test_without_any_mirror_one_error_names_hosts_answers_files_and_folder(mirror, tmp_path):
    folder, address = mirror
    (folder / "wrong").write_bytes(b"a login page")
    (folder / "broken").write_bytes(b"half a file")
    entry = a_set({"sub/set.gz": "0" * 32}, f"{address}wrong", f"{address}missing", f"{address}broken",
                  "http://127.0.0.1:9/{}")
    with pytest.raises(data.DataUnavailable) as error:
        download.fetch(tmp_path, entry)
    for part in ("A set", "wrong", "checksum", "404", "broke off after 11 of 21", "127.0.0.1:9/set.gz", "refused",
                 "0" * 32, str(tmp_path / "sub" / "set.gz"), "NB_DATA_DIR"):
        assert part in str(error.value)
    assert not list((tmp_path / "sub").iterdir())


def published_mnist(count):
    """Return a catalogue row for a tiny MNIST, and its archives' bytes."""
    files, archives = {}, {}
    for prefix in ("train", "t10k"):
        images = struct.pack(">IIII", 2051, count, 28, 28) + bytes(range(count)) * 784
        labels = struct.pack(">II", 2049, count) + bytes(i % 10 for i in range(count))
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            files[f"MNIST/raw/{prefix}-{kind}-ubyte"] = hashlib.md5(content).hexdigest()
            archives[f"{prefix}-{kind}-ubyte.gz"] = gzip.compress(content, mtime=0)
    return files, archives


def change(monkeypatch, name, **changes):
    """Change a row of the catalogue for one test."""
    monkeypatch.setitem(catalogue.CATALOGUE, name, dataclasses.replace(catalogue.find(name), **changes))


def test_mnist_is_fetched_unpacked_read_and_kept(mirror, tmp_path, monkeypatch):
    from torchvision import datasets

    folder, address = mirror
    files, archives = published_mnist(20)
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    checksums = {f"MNIST/raw/{name}": hashlib.md5(content).hexdigest() for name, content in archives.items()}
    resources = [(Path(path).name, checksum) for path, checksum in checksums.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # torchvision itself must not fetch
    change(monkeypatch, "mnist", archives=checksums, mirrors=(f"{address}{{}}",), files=files,
           splits={"train": 20, "test": 20})
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)  # another test may have loaded it
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path / "data"))
    train = data.load("mnist", "train")
    assert train.images.shape == (20, 28, 28, 1) and train.official and train.labels[13] == 3
    monkeypatch.setattr(torchvision_reader, "read", None)  # from now on only the decoded copy serves
    assert data.load("mnist", "train").fingerprint() == train.fingerprint()


def test_a_published_file_that_was_altered_is_refused_also_by_the_other_process(tmp_path, monkeypatch):
    _, archives = published_mnist(5)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in archives.items():
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte has the checksum .* delete it"):
        child.read("torchvision_reader", "mnist", tmp_path, (28, 28, 1))


@pytest.mark.parametrize(("name", "tensorflow", "prepared", "complete", "expected"), [
    ("mnist", True, True, True, "tfds_reader"),
    ("mnist", False, True, True, "torchvision_reader"),
    ("mnist", True, False, True, "torchvision_reader"),
    ("mnist", False, True, False, "tfds_reader"),
    ("mnist", True, False, False, "torchvision_reader"),
    ("mnist", False, False, False, "torchvision_reader"),
    ("tf_flowers", True, False, False, "tfds_reader"),
    ("tf_flowers", False, False, False, "tfds_reader"),
])
def test_each_framework_reads_its_own_files_and_the_others_only_where_it_has_none(
        name, tensorflow, prepared, complete, expected, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    if tensorflow:
        monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
        sys.modules["tensorflow"].__spec__ = "installed"
    if prepared:
        (tmp_path / "tfds" / name / "3.0.1").mkdir(parents=True)
        (tmp_path / "tfds" / name / "3.0.1" / "dataset_info.json").write_text("{}")
    for path in catalogue.find(name).files if complete else ():
        (tmp_path / "torchvision" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "torchvision" / path).write_text("")
    assert data._suitable_reader(name, tmp_path) == expected


def test_without_tensorflow_installed_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(data.DataUnavailable, match=r"TensorFlow Flowers .* pip install tensorflow"):
        data._suitable_reader("tf_flowers", tmp_path)


def test_the_newest_prepared_version_is_found_below_a_configuration_too(tmp_path):
    for path in ("set/2.9.0", "set/2.10.0", "set/3.0.0.incompleteAB12", "other/160px/1.0.0"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "dataset_info.json").write_text("{}")
    assert tfds_reader.find("set", tmp_path).name == "2.10.0"
    assert tfds_reader.find("other", tmp_path) == tmp_path / "other" / "160px" / "1.0.0"
    assert tfds_reader.find("none", tmp_path) is None


COLOURS = [(230, 30, 30), (30, 230, 30), (30, 30, 230), (230, 230, 30), (30, 230, 230)]


def flowers():
    """Yield 41 records of tf_flowers: JPEG pictures of several sizes, each class of one colour, and a torn one."""
    for i in range(40):
        file = io.BytesIO()
        Image.new("RGB", (30 + i, 60 - i), COLOURS[i % 5]).save(file, "JPEG")
        yield i, {"image": io.BytesIO(file.getvalue()), "label": i % 5}
    yield 40, {"image": io.BytesIO(b"\xff\xd8\xff\xe0 torn"), "label": 0}


def dogs():
    for i in range(4):
        picture = np.full((20, 20, 3), 60 * i, np.uint8)
        yield i, {"image": picture, "image/filename": f"{i}.jpg", "label": 119 - i, "objects": []}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a data folder in which the builders of tensorflow-datasets prepared two small sets."""
    root = tmp_path_factory.mktemp("data")
    tfds = tfds_reader.import_tfds()

    def prepare(name, splits, label_names=None):
        def split_generators(self, dl_manager):
            self.info.features["label"].names = label_names or self.info.features["label"].names
            return splits

        builder = tfds.builder(name, data_dir=root / "tfds")
        with mock.patch.object(type(builder), "_split_generators", split_generators):
            builder.download_and_prepare()

    tfds.disable_progress_bar()
    prepare("tf_flowers", {"train": flowers()})
    breeds = catalogue.find("stanford_dogs").class_names
    prepare("stanford_dogs", {"train": dogs(), "test": dogs()}, [f"n{i:08}-{name}" for i, name in enumerate(breeds)])
    return root


def test_a_prepared_set_is_read_in_its_order_and_a_fifth_held_out(prepared, tmp_path, monkeypatch):
    sets = tfds_reader.read("tf_flowers", "test", prepared / "tfds", (16, 16, 3))
    train, test = sets["train"], sets["test"]
    assert train.image_shape == (16, 16, 3) and len(train) == 32 and test.counts().tolist() == [2, 2, 1, 1, 2]
    for image_set in (train, test):
        assert np.abs(image_set.images.mean(axis=(1, 2)) - np.array(COLOURS)[image_set.labels]).max() < 4
        assert len(image_set.left_out) == 1 and image_set.left_out[0].startswith("record ")
    assert not train.official and train.split == "train" and test.split == "test"
    assert train.source.startswith("TensorFlow Flowers, 40 of the 3,670 published images, a fifth of them held out")
    breeds = tfds_reader.read("stanford_dogs", "train", prepared / "tfds", (8, 8, 3))["train"]
    assert {breeds.class_names[label] for label in breeds.labels} == {"dhole", "dingo", "mexican_hairless",
                                                                      "african_hunting_dog"}


def test_reading_a_prepared_set_leaves_no_warnings_on_the_page(prepared):
    code = ("import tensorflow\nfrom helpers import data\ndata.load('stanford_dogs', 'train', 16)\n"
            "from absl import logging\nlogging.warning('any other')")
    environment = os.environ | {"NB_DATA_DIR": str(prepared), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], cwd=runtime.ROOT, env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0 and [line for line in done.stderr.splitlines() if "WARNING" in line] == [
        "WARNING:absl:any other"], done.stderr


def test_only_the_published_number_of_downloaded_images_is_official(prepared, tmp_path, monkeypatch):
    shutil.copytree(prepared / "tfds", tmp_path, dirs_exist_ok=True)
    about = tfds_reader.find("tf_flowers", tmp_path) / "dataset_info.json"

    def is_official():
        return tfds_reader.read("tf_flowers", "train", tmp_path, (8, 8, 3))["train"].official

    change(monkeypatch, "tf_flowers", splits={"train": 40})
    assert not is_official()  # nobody knows where these pixels come from
    about.write_text(json.dumps({**json.loads(about.read_text()), "downloadSize": "1000"}))
    assert is_official()
    change(monkeypatch, "tf_flowers", splits={"train": 41})
    assert not is_official()


@pytest.mark.parametrize(("file", "content", "message"), [
    ("tf_flowers-train.tfrecord-00000-of-00001", 500, "is damaged: DataLossError"),
    ("tf_flowers-train.tfrecord-00000-of-00001", 0, "is damaged"),
    ("tf_flowers-train.tfrecord-00000-of-00001", None, "is damaged: NotFoundError"),
    ("features.json", None, "is damaged"),
    ("dataset_info.json", 40, "is damaged"),
    ("label.labels.txt", b"dandelion\ntulips\ndaisy\nsunflowers\nroses\n", "its classes are 5 .dandelion, tulips"),
])
def test_a_damaged_or_other_prepared_set_is_refused(prepared, tmp_path, file, content, message):
    shutil.copytree(prepared / "tfds", tmp_path, dirs_exist_ok=True)
    path = tfds_reader.find("tf_flowers", tmp_path) / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else path.read_bytes()[:content])
    with pytest.raises(ValueError, match=message):
        tfds_reader.read("tf_flowers", "train", tmp_path, (8, 8, 3))


def test_another_framework_has_tensorflow_in_a_process_of_its_own_and_needs_no_writable_folder(
        prepared, tmp_path, monkeypatch, capsys):
    (tmp_path / "tfds").symlink_to(prepared / "tfds")
    (tmp_path / "decoded").write_text("no folder")
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    change(monkeypatch, "tf_flowers", splits={"train": 41})

    def run_here(command, env, **options):  # loading TensorFlow twice takes too long; another test starts a process
        assert env["CUDA_VISIBLE_DEVICES"] == "-1"
        child.main(*command[3:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run_here)
    with pytest.warns(UserWarning) as caught:
        test = data.load("tf_flowers", "test", image_size=16)
    assert "TensorFlow Flowers is read by tfds in a process of its own" in capsys.readouterr().out
    said = "\n".join(str(warning.message) for warning in caught)
    assert "1 files of TensorFlow Flowers were left out" in said and "No decoded copy was kept" in said
    expected = tfds_reader.read("tf_flowers", "test", prepared / "tfds", (16, 16, 3))["test"]
    assert test.fingerprint() == expected.fingerprint()


def test_a_decoded_copy_of_a_part_is_not_kept_in_the_way_of_the_whole_set(prepared, tmp_path, monkeypatch):
    import tensorflow  # noqa: F401  so that it is read in this process
    (tmp_path / "tfds").symlink_to(prepared / "tfds")
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    for published, kept in ((42, []), (41, ["tf_flowers-test-8", "tf_flowers-train-8"])):  # 40 readable, one torn
        change(monkeypatch, "tf_flowers", splits={"train": published})
        with pytest.warns(UserWarning, match="left out"):
            data.load("tf_flowers", "train", image_size=8)
        assert sorted(path.name for path in tmp_path.glob("decoded/*")) == kept


def test_without_a_network_the_error_names_the_host_and_the_folder(tmp_path, monkeypatch):
    change(monkeypatch, "tf_flowers", tfds_host="127.0.0.1:9")
    with pytest.raises(data.DataUnavailable) as error:
        tfds_reader.read("tf_flowers", "train", tmp_path / "tfds", (8, 8, 3))
    for part in ("TensorFlow Flowers", "127.0.0.1:9", "refused", str(tmp_path / "tfds" / "tf_flowers"), "NB_DATA_DIR"):
        assert part in str(error.value)


def save_photos(folder, class_names, count):
    for number, name in enumerate(class_names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.new("RGB", (40, 30 + i), COLOURS[number]).save(folder / name / f"{i}.jpg")


def test_the_readers_own_folder_is_decoded_once_and_again_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path / "data"))
    photos, reads = tmp_path / "photos", []
    save_photos(photos, ("daisy", "rose"), 10)
    read = folder.read
    monkeypatch.setattr(folder, "read", lambda *given: reads.append(given) or read(*given))
    for split, count in (("train", 16), ("test", 4), ("train", 16)):
        image_set = data.load("cifar10", split, own_folder=str(photos))
        assert image_set.class_names == ("daisy", "rose") and image_set.images.shape == (count, 32, 32, 3)
    assert len(reads) == 1
    for i in range(4):
        Image.new("RGB", (40, 40)).save(photos / "rose" / f"new {i}.jpg")
        (photos / "rose" / "torn.jpg").write_bytes(b"\xff\xd8" + bytes(i))
        with pytest.warns(UserWarning, match="1 files of .*photos were left out:\n.*torn.jpg"):
            data.load("cifar10", "train", own_folder=str(photos))
    assert len(reads) == 5 and len(list((tmp_path / "data" / "decoded").iterdir())) == 6


def zip_of_pictures(path, counts):
    """Write a zip in the layout of imagenet-5-categories; `counts` maps split -> pictures a class."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("imagenet-5-main/README.md", "text")
        archive.writestr("../../evil.jpg", "outside")
        for split, count in counts.items():
            for number, name in enumerate(catalogue.find("imagenet5").class_names):
                for i in range(count):
                    file = io.BytesIO()
                    Image.new("RGB", (20 + i, 20), COLOURS[number]).save(file, "JPEG")
                    archive.writestr(f"imagenet-5-main/{name}/{split}/{i}.jpg", file.getvalue())


def test_imagenet5_is_fetched_arranged_in_class_folders_and_kept(mirror, tmp_path, monkeypatch):
    served, address = mirror
    change(monkeypatch, "imagenet5", splits={"train": 15, "test": 5},
           mirrors=(f"{address}5.zip",))
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path / "data"))
    zip_of_pictures(served / "5.zip", {"train": 2, "test": 1})
    with pytest.raises(data.DataUnavailable, match="10 pictures for train, not the published 15"):
        data.load("imagenet5", "train")
    zip_of_pictures(served / "5.zip", {"train": 3, "test": 1})
    train = data.load("imagenet5", "train", image_size=16)
    assert train.counts().tolist() == [3] * 5 and train.official and train.image_shape == (16, 16, 3)
    assert np.abs(train.images.mean(axis=(1, 2)) - np.array(COLOURS)[train.labels]).max() < 4
    assert [path.name for path in (tmp_path / "data" / "folders").iterdir()] == ["imagenet5"]
    assert not list(tmp_path.rglob("evil*"))
    (served / "5.zip").unlink()
    assert len(data.load("imagenet5", "test", image_size=24)) == 5  # from the class folders
    assert data.load("imagenet5", "train", image_size=16).fingerprint() == train.fingerprint()


def test_the_dog_breeds_come_from_kaggles_files_or_the_error_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(kaggle, "find", lambda competition, root: None)
    with pytest.raises(data.DataUnavailable, match=r"KAGGLE_API_TOKEN.*stanford_dogs has the same breeds"):
        data.load("dog_breeds", "train")
    files = tmp_path / "kaggle" / "dog-breed-identification"
    save_photos(files, ("train", "test"), 10)
    for path in (files / "test").iterdir():
        path.rename(path.with_stem(f"unlabelled {path.stem}"))
    (files / "sample_submission.csv").write_text("id,beagle,pug\n")
    (files / "labels.csv").write_text("id,breed\n" + "".join(f"{i},{('pug', 'beagle')[i % 2]}\n" for i in range(10)))
    monkeypatch.setattr(kaggle, "find", lambda competition, root: root / competition)
    change(monkeypatch, "dog_breeds", class_names=("beagle", "pug"))
    train, test = (data.load("dog_breeds", split) for split in ("train", "test"))
    assert train.counts().tolist() == [4, 4] and test.counts().tolist() == [1, 1] and train.name == "dog_breeds"
    assert not train.left_out
    assert train.source.startswith("Kaggle's dog-breed-identification, 10 of the 10,222 published images, a fifth of")
    change(monkeypatch, "dog_breeds", class_names=("beagle", "poodle"))
    with pytest.raises(ValueError, match=r"its classes are 2 .beagle, pug.; expected 2 .beagle, poodle."):
        data.load("dog_breeds", "train", image_size=16)


REAL = Path(os.environ.get("NB_DATA_DIR") or "nowhere").resolve()


@pytest.mark.parametrize("name", [name for name, entry in catalogue.CATALOGUE.items() if not entry.kaggle])
def test_the_real_sets_are_what_the_catalogue_says(name, tmp_path, monkeypatch):
    entry = catalogue.find(name)
    if not (tfds_reader.find(name, REAL / "tfds") or (REAL / "folders" / name).is_dir()):
        pytest.skip("NB_DATA_DIR names no folder that has this set")
    for part in ("tfds", "torchvision", "folders"):
        (tmp_path / part).symlink_to(REAL / part)
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path))
    import tensorflow  # noqa: F401  so that it is read in this process
    size = 32 if entry.sizes_differ else None
    sets = {split: data.load(name, split, size) for split in ("train", "test")}
    counts = entry.counts(sets)
    for image_set in sets.values():
        assert image_set.image_shape == ((32, 32, 3) if size else entry.image_shape)
        assert image_set.counts().min() > 0 and not image_set.left_out
        assert image_set.official or "not known to be the published" in image_set.source
        assert image_set.official <= (counts == entry.splits)
        assert image_set.official or name not in ("mnist", "cifar10")
    assert all(counts[split] <= published for split, published in entry.splits.items())


def test_a_real_set_is_read_without_tensorflow_in_this_process(tmp_path):
    if not tfds_reader.find("tf_flowers", REAL / "tfds"):
        pytest.skip("NB_DATA_DIR names no folder that has this set")
    (tmp_path / "tfds").symlink_to(REAL / "tfds")
    code = """import sys
from helpers import data, runtime
print(len(data.load("tf_flowers", "train")), "tensorflow" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NB_DATA_DIR": str(tmp_path)},
                          cwd=runtime.ROOT, capture_output=True, text=True)
    assert done.stdout.endswith(" False\n"), done.stderr
