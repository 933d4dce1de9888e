import functools
import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pytest
from PIL import Image

from helpers import data
from helpers.data import cache, catalogue, download, folder, torchvision_reader
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
        data.load("mnist", "validation")
    with pytest.raises(ValueError, match="ant, bee, cow"):
        make_set().class_index("dog")


@pytest.mark.parametrize("name", catalogue.CATALOGUE)
def test_stand_ins_have_the_real_sets_shape_and_learnable_classes(name):
    from sklearn.neighbors import KNeighborsClassifier

    entry = catalogue.find(name)
    train, test = (data.load(name, split, stand_in=True) for split in ("train", "test"))
    assert train.image_shape == entry.image_shape and train.class_names == entry.class_names and not train.official
    assert train.counts().min() > 0 and train.fingerprint() != test.fingerprint()
    flat = [image_set.images.reshape(len(image_set), -1) / 255 for image_set in (train, test)]
    accuracy = KNeighborsClassifier(5).fit(flat[0], train.labels).score(flat[1], test.labels)
    assert accuracy > 5 / train.num_classes
    assert train.fingerprint() == data.load(name, "train", stand_in=True).fingerprint()


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


@pytest.fixture
def mirror(tmp_path):
    """Serve a folder on this machine; gives (folder, address)."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def test_the_first_mirror_with_the_right_checksum_wins(mirror, tmp_path):
    folder, address = mirror
    (folder / "wrong").write_bytes(b"a login page")
    (folder / "right").write_bytes(b"the archive")
    checksum = hashlib.md5(b"the archive").hexdigest()
    archive = ("sub/set.gz", checksum, (address + "missing", address + "wrong", address + "right"))
    download.fetch(tmp_path, [archive], "A set")
    assert (tmp_path / "sub" / "set.gz").read_bytes() == b"the archive"
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["set.gz"]


def test_without_any_mirror_one_error_names_hosts_answers_files_and_folder(mirror, tmp_path):
    folder, address = mirror
    (folder / "wrong").write_bytes(b"a login page")
    archive = ("sub/set.gz", "0" * 32, (address + "wrong", address + "missing", "http://127.0.0.1:9/set.gz"))
    with pytest.raises(data.DataUnavailable) as error:
        download.fetch(tmp_path, [archive], "A set")
    for part in ("A set", "wrong", "checksum", "404", "refused", str(tmp_path / "sub" / "set.gz"), "NB_DATA_DIR"):
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


def test_mnist_is_fetched_unpacked_read_and_kept(mirror, tmp_path, monkeypatch):
    import dataclasses

    from torchvision import datasets

    folder, address = mirror
    files, archives = published_mnist(20)
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    rows = tuple((f"MNIST/raw/{name}", hashlib.md5(content).hexdigest(), (address + name,))
                 for name, content in archives.items())
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in archives.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])  # torchvision itself must not fetch
    entry = dataclasses.replace(catalogue.MNIST, archives=rows, files=files)
    monkeypatch.setitem(catalogue.CATALOGUE, "mnist", entry)
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path / "data"))
    train = data.load("mnist", "train")
    assert train.images.shape == (20, 28, 28, 1) and train.official and train.labels[13] == 3
    monkeypatch.setattr(torchvision_reader, "read", None)  # from now on only the decoded copy serves
    assert data.load("mnist", "train").fingerprint() == train.fingerprint()


def test_a_published_file_that_was_altered_is_refused(tmp_path):
    import dataclasses

    files, archives = published_mnist(5)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in archives.items():
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"altered")
    entry = dataclasses.replace(catalogue.MNIST, files=files)
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte has the checksum .* delete it"):
        torchvision_reader.read("mnist", entry, "train", tmp_path)


def test_a_folder_of_photos_is_read_and_broken_files_are_named(tmp_path):
    for class_name, colour in (("daisy", (250, 250, 250)), ("rose", (200, 0, 0))):
        (tmp_path / class_name).mkdir()
        for i in range(10):
            Image.new("RGB", (40, 30 + i), colour).save(tmp_path / class_name / f"{i}.png")
    (tmp_path / "rose" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    with pytest.warns(UserWarning, match=r"1 files .*\n.*torn.jpg"):
        train = folder.read(tmp_path, "train", (28, 28, 3))
    with pytest.warns(UserWarning):
        test = folder.read(tmp_path, "test", (28, 28, 3))
    assert train.class_names == ("daisy", "rose") and train.images.shape == (16, 28, 28, 3)
    assert test.counts().tolist() == [2, 2]
    assert train.images[train.labels == 1].mean(axis=(0, 1, 2)).round().tolist() == [200, 0, 0]


def test_a_folder_without_classes_or_images_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="DATA names"):
        folder.read(tmp_path / "none", "train", (28, 28, 1))
    with pytest.raises(ValueError, match="one sub-folder of images for each class"):
        folder.read(tmp_path, "train", (28, 28, 1))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="No readable image"):
        folder.read(tmp_path, "train", (28, 28, 1))
