"""What a reader's own folder of photos can hold beside labelled pictures, and what becomes of strange folders."""

import json
import os
import shutil
import subprocess
import sys

import definitions
import numpy as np
import pytest
from PIL import Image

from helpers import data


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("NB_DATA_DIR", str(tmp_path / "data"))


def put(folder, *names):
    """Save a small picture under each name, every one different."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(256, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 40)).save(folder / name)


LABELLED = {
    "class folders": [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(7)],
    "splits": [f"{split}/{name}/{number}.png" for name in ("cat", "dog")
               for split, numbers in (("train", range(5)), ("test", (5,))) for number in numbers],
    "csv": [f"pics/{number}.png" for number in range(14)],
}
ROWS = "file,label\n" + "".join(f"{number}.png,{'cat' if number < 7 else 'dog'}\n" for number in range(14))


@pytest.mark.parametrize("layout", LABELLED)
@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled"])
def test_unlabelled_photos_lie_beside_every_layout_and_are_no_class(tmp_path, layout, name, recwarn):
    photos = tmp_path / "photos"
    put(photos, *LABELLED[layout])
    if layout == "csv":
        (photos / "labels.csv").write_text(ROWS)
    assert len(data.load_unlabelled(photos, (16, 16, 3))) == 0
    put(photos, f"{name}/1.png", f"{name}/deep/2.png", f"{name}/3.png")
    sets = [data.load("cifar10", split, own_folder=str(photos)) for split in ("train", "test")]
    assert sum(map(len, sets)) == len(LABELLED[layout])
    assert all(set(image_set.class_names) == {"cat", "dog"} and not image_set.left_out for image_set in sets)
    unlabelled = data.load_unlabelled(photos, (16, 16, 3))
    assert unlabelled.images.shape == (3, 16, 16, 3) and unlabelled.labels.tolist() == [-1] * 3
    assert unlabelled.split == "unlabelled" and unlabelled.class_names == () and not recwarn.list
    (photos / name / "torn.jpg").write_bytes(b"\xff\xd8")
    for _ in range(2):  # read, then from its decoded copy
        with pytest.warns(UserWarning, match=f"1 files of .*photos were left out:\n.*{name}/torn.jpg"):
            assert len(data.load_unlabelled(photos, (16, 16, 3))) == 3


def test_a_photo_on_both_sides_of_the_split_is_told_with_its_place(tmp_path, capsys):
    photos = tmp_path / "photos"
    put(photos, *LABELLED["splits"])
    for split in ("train", "test"):
        data.load("cifar10", split, own_folder=str(photos))
    assert "test images show" not in capsys.readouterr().out
    with Image.open(photos / "train" / "dog" / "1.png") as picture:
        picture.resize((90, 90)).save(photos / "test" / "cat" / "9.jpg", quality=60)
    data.load("cifar10", "train", own_folder=str(photos))
    assert "test images show" not in capsys.readouterr().out
    data.load("cifar10", "test", own_folder=str(photos))
    said = capsys.readouterr().out
    assert "1 of 3 test images show" in said and "number 1 of test and 6 of train" in said


def test_a_linked_class_folder_is_read_again_when_a_photo_in_it_changes(tmp_path):
    photos = tmp_path / "photos"
    names = [f"{number}.png" for number in range(8)]
    put(photos / "cat", *names)
    put(tmp_path / "elsewhere", *names[:7])
    (photos / "dog").symlink_to(tmp_path / "elsewhere")
    for more, count in ((7, 15), (8, 16)):
        put(tmp_path / "elsewhere", *names[:more])
        assert sum(len(data.load("cifar10", split, own_folder=str(photos))) for split in ("train", "test")) == count


def test_a_folder_too_small_to_learn_from_is_refused(tmp_path):
    put(tmp_path / "photos", "cat/1.png", "cat/2.png", "dog/1.png")
    with pytest.raises(ValueError, match="gives 2 images to train on; at least 10 are needed"):
        data.load("cifar10", "train", own_folder=str(tmp_path / "photos"))


@pytest.mark.parametrize("notebook", ["04_lenet_mnist_torch", "16_which_method_torch"])
def test_a_notebook_runs_on_a_readers_folder_and_applies_no_target_to_it(notebook, tmp_path):
    photos = tmp_path / "photos"
    put(photos, *(f"{name}/{number}.png" for name in ("cat", "dog", "hen") for number in range(20)))
    put(photos, *(f"unlabelled/{number}.png" for number in range(70, 80)))
    script = (definitions.NOTEBOOKS / f"{notebook}.py").read_text(encoding="utf-8")
    assert script.count('\nDATA = ""') == 1
    shutil.copytree(definitions.NOTEBOOKS.parent / "helpers", tmp_path / "helpers")
    path = tmp_path / "notebooks" / f"{notebook}.py"
    path.parent.mkdir()
    path.write_text(script.replace('\nDATA = ""', f"\nDATA = {str(photos)!r}"), encoding="utf-8")
    environment = os.environ | {"NB_PROFILE": "smoke", "NB_OUTPUT_DIR": str(tmp_path), "MPLBACKEND": "agg"}
    ended = subprocess.run([sys.executable, str(path)], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    record = json.loads((tmp_path / "runs" / notebook / "smoke" / "record.json").read_text(encoding="utf-8"))
    assert record["data"][0]["name"] == "photos" and all(
        target.get("at_least", target.get("at_most")) is None for target in record["targets"])
