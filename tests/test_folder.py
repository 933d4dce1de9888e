import io
import os
import re
import struct
import sys
import unicodedata
import warnings
import zlib
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageChops

from helpers.data import folder, kaggle, pictures
from helpers.data.download import DataUnavailable

RED, GREEN, BLUE, WHITE, GREY = (250, 0, 0), (0, 250, 0), (0, 0, 250), (255, 255, 255), (120, 120, 120)
QUARTERS = (RED, GREEN, BLUE, WHITE)  # upper left, upper right, lower left, lower right


def flag(size=(40, 40)):
    """Return a picture whose four quarters tell how it lies."""
    return Image.fromarray(np.array(QUARTERS, np.uint8).reshape(2, 2, 3)).resize(size, Image.Resampling.NEAREST)


def quarters(image):
    """Return the colours in the middle of the four quarters."""
    height, width = image.shape[:2]
    return [tuple(int(value) for value in image[height * row // 4, width * column // 4])
            for row in (1, 3) for column in (1, 3)]


def encoded(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def greys(colours):
    return [(round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in colours]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def sixteen_bit_tiff(values, orientation):
    """Return an uncompressed grey TIFF of 16 bits with an orientation tag, which Pillow would not write."""
    height, width = values.shape
    tags = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 134), (274, orientation), (277, 1),
            (278, height), (279, values.size * 2)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + values.astype("<u2").tobytes()


def without_adobe_marker(jpeg):
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + struct.unpack(">H", jpeg[start + 2:start + 4])[0]:]


# How a camera that lies on its side stores an upright picture: EXIF orientation -> the opposite turn.
STORED = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
          4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
          7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}


def rotated():
    """Return name -> (file, expected quarters): the same picture, stored in all orientations."""
    files = {}
    for tag, turn in STORED.items():
        stored = flag((48, 32)) if turn is None else flag((48, 32)).transpose(turn)
        exif, grey = Image.Exif(), stored.convert("L")
        exif[274] = tag
        files[f"turned {tag}.jpg"] = encoded(stored, "JPEG", quality=95, exif=exif), QUARTERS
        files[f"turned {tag}.png"] = encoded(grey, "PNG", exif=exif), greys(QUARTERS)
        files[f"turned {tag}.tif"] = sixteen_bit_tiff(np.asarray(grey, np.uint16) * 257, tag), greys(QUARTERS)
    return files


def usable():
    """Return name -> (file, expected quarters) of pictures that look strange, but can be read."""
    image = flag()
    window = Image.new("L", image.size, 255)
    window.paste(0, (0, 0, 20, 20))  # the upper left quarter is transparent
    clear = Image.merge("RGBA", (*image.split(), window))
    on_white = (WHITE, *QUARTERS[1:])
    black_and_white = Image.fromarray(np.asarray(image)[..., 0] > 100)
    palette = clear.quantize(8, method=Image.Quantize.FASTOCTREE)
    deep = np.asarray(image.convert("L"), np.uint16)
    frames = {"save_all": True, "append_images": [Image.new("RGB", image.size, GREY)]}
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\xff\xff\0\0\xff\xff\0\0"  # says more than there is
    return {
        "plain.jpg": (encoded(image, "JPEG", quality=95), QUARTERS),
        "cmyk of Adobe.jpg": (encoded(image.convert("CMYK"), "JPEG", quality=95), QUARTERS),
        "cmyk.jpg": (without_adobe_marker(encoded(ImageChops.invert(image.convert("CMYK")), "JPEG", quality=95)),
                     QUARTERS),
        "cmyk.tif": (encoded(image.convert("CMYK"), "TIFF"), QUARTERS),
        "grey.jpg": (encoded(image.convert("L"), "JPEG", quality=95), greys(QUARTERS)),
        "1 bit.png": (encoded(black_and_white, "PNG"), [WHITE, (0, 0, 0), (0, 0, 0), WHITE]),
        "16 bit.png": (encoded(Image.fromarray(deep * 257), "PNG"), greys(QUARTERS)),
        "12 bit.tif": (encoded(Image.fromarray(deep * 16), "TIFF"), greys(QUARTERS)),
        "float.tif": (encoded(Image.fromarray((deep / 255).astype(np.float32)), "TIFF"), greys(QUARTERS)),
        "palette.png": (encoded(image.quantize(8), "PNG"), QUARTERS),
        "palette, transparent.png": (encoded(palette, "PNG"), on_white),
        "one colour transparent.png": (encoded(image, "PNG", transparency=RED), on_white),
        "transparent.png": (encoded(clear, "PNG"), on_white),
        "grey, transparent.png": (encoded(clear.convert("LA"), "PNG"), [WHITE, *greys(QUARTERS[1:])]),
        "transparent.webp": (encoded(clear, "WEBP", lossless=True), on_white),
        "animated.gif": (encoded(image, "GIF", **frames), QUARTERS),
        "animated.webp": (encoded(image, "WEBP", lossless=True, **frames), QUARTERS),
        "animated.png": (encoded(image, "PNG", **frames), QUARTERS),
        "two views.mpo": (encoded(image, "MPO", quality=95, **frames), QUARTERS),
        "corrupt exif.jpg": (encoded(image, "JPEG", quality=95, exif=exif), QUARTERS),
        "corrupt exif.png": (encoded(image, "PNG", exif=b"Exif\0\0no such thing"), QUARTERS),
        "a png named.jpg": (encoded(image, "PNG"), QUARTERS),
        "no ending": (encoded(image, "JPEG", quality=95), QUARTERS),
        "large.jpg": (encoded(flag((4000, 3000)), "JPEG", quality=95), QUARTERS),
        "日本語 ñ é.png": (encoded(image, "PNG"), QUARTERS),
        "deep/er/nested.bmp": (encoded(image, "BMP"), QUARTERS),
    }


def unusable():
    """Return name -> (file, words of the reason)."""
    jpeg = encoded(flag((200, 200)), "JPEG", quality=95)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3 << 20)))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return {
        "truncated.jpg": (jpeg[:len(jpeg) // 2], "cut off"),
        "truncated.png": (encoded(Image.effect_noise((99, 99), 9), "PNG")[:2000], "cut off"),
        "cut in its head.jpg": (jpeg[:100], "cut off"),
        "empty.jpg": (b"", "empty file"),
        "notes.txt": ("a shopping list".encode("utf-16"), "not a picture"),
        "page.jpg": (b"<html>Not found</html>", "not a picture"),
        "phone.heic": (struct.pack(">I", 24) + b"ftypheic" + bytes(99), "export it as JPEG"),
        "huge.png": (png(12_000, 9_000, pixels), "more than 89 million pixels: make it smaller"),
        "bomb.png": (png(60_000, 60_000, pixels), "more than 89 million pixels: make it smaller"),
        "text bomb.png": (png(10, 10, text, pixels), "damaged: Decompressed data too large"),
    }


def put(root, files):
    for name, file in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file[0] if isinstance(file, tuple) else file)
    return root


PLAIN = encoded(Image.new("RGB", (8, 8), GREY), "PNG")


def plain(*names):
    return dict.fromkeys(names, PLAIN)


def photos(class_name, count, colour=GREY):
    file = encoded(Image.new("RGB", (8, 8), colour), "PNG")
    return {f"{class_name}/{i}.png": file for i in range(count)}


def reasons(image_set):
    return dict(text.split(": ", 1) for text in image_set.left_out)


def test_strange_pictures_are_read_upright_and_in_their_colours():
    files = usable() | rotated()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images, kept, left_out = pictures.decode_all([(name, file) for name, (file, _) in files.items()], len(files),
                                                     (32, 48, 3))
    assert left_out == [] and kept.tolist() == list(range(len(files)))
    for image, (name, (_, expected)) in zip(images, files.items()):
        assert np.abs(np.subtract(quarters(image), expected)).max() <= 12, f"{name}: {quarters(image)}"


def test_a_grey_lesson_gets_the_same_pictures_with_one_channel():
    files = usable()
    for name in ("plain.jpg", "palette, transparent.png", "16 bit.png"):
        file, expected = files[name]
        image = pictures.decode(file, (20, 20, 1))
        assert image.shape == (20, 20, 1)
        assert np.abs(np.subtract(quarters(image), [c[:1] for c in greys(expected)])).max() <= 6


def test_deep_grey_is_rounded_to_the_nearest_of_256_greys():
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16  # 12 bits, 0 to 4080
    deep = pictures.decode(encoded(Image.fromarray(values), "PNG"), (16, 16, 1))
    np.testing.assert_array_equal(deep[..., 0], np.rint(values * (255 / 4095)))


def test_a_picture_is_scaled_to_cover_the_shape_and_cropped_in_its_middle():
    wide = Image.new("RGB", (300, 100), RED)
    wide.paste(GREEN, (100, 0, 200, 100))
    assert quarters(pictures.decode(encoded(wide, "PNG"), (16, 16, 3))) == [GREEN] * 4


def test_what_is_transparent_stays_so_when_it_is_scaled():
    stripes = np.tile(np.array([RED, GREEN], np.uint8), (64, 32, 1))
    image = pictures.decode(encoded(Image.fromarray(stripes), "PNG", transparency=RED), (8, 8, 3))
    assert np.abs(image[4, 4].astype(int) - (128, 253, 128)).max() <= 12  # green and white, no red


def test_the_whole_battery_counts_and_names_what_cannot_be_used(tmp_path):
    good, bad = usable(), unusable()
    put(tmp_path / "猫", good)
    put(tmp_path / "猫", bad)
    put(tmp_path, photos("собака", 5))
    put(tmp_path, plain("猫/.hidden.png", "猫/Thumbs.db", "__MACOSX/猫/._1.png", "猫/__MACOSX/1.png", ".git/1.png"))
    put(tmp_path, {"kaputt/1.jpg": b"", "beside.png": PLAIN})
    (tmp_path / "leer").mkdir()
    (tmp_path / "猫" / "link.png").symlink_to(tmp_path / "nowhere")
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        sets = folder.read(tmp_path, (28, 28, 3))
    assert not leaked
    train, test = sets["train"], sets["test"]
    assert train.class_names == test.class_names == ("собака", "猫")
    assert (train.counts() + test.counts()).tolist() == [5, len(good)] and test.counts().tolist() == [1, 5]
    assert (train.split, test.split, train.name, train.source) == ("train", "test", tmp_path.name, folder.SOURCE)
    assert not train.official and train.left_out == test.left_out
    said = reasons(train)
    expected = {f"猫/{name}": words for name, (_, words) in bad.items()} | {
        "猫/link.png": "cannot be opened: No such file", "kaputt/1.jpg": "empty file", "leer": "an empty folder",
        "beside.png": "in no class folder", "class 'kaputt'": "no readable picture"}
    assert set(said) == set(expected) and len(train.left_out) == len(expected)
    for name, words in expected.items():
        assert re.search(words, said[name]), f"{name}: {said[name]}"


def test_the_split_is_stratified_the_same_for_a_seed_and_leaves_a_single_picture_to_training(tmp_path):
    for place, name in enumerate(["many"] * 20 + ["few"] * 5 + ["one"]):
        put(tmp_path, {f"{name}/{place}.png": encoded(Image.new("L", (8, 8), place), "PNG")})
    drawn = []
    for seed in (0, 0, 1, 2, 3):
        train, test = folder.read(tmp_path, (8, 8, 1), seed).values()
        assert train.counts().tolist() == [4, 16, 1] and test.counts().tolist() == [1, 4, 0]
        assert {*train.images[:, 0, 0, 0]} | {*test.images[:, 0, 0, 0]} == set(range(26))
        drawn.append({*test.images[:, 0, 0, 0].tolist()})
    assert drawn[0] == drawn[1] and any(other != drawn[0] for other in drawn)


def test_names_are_the_same_however_a_system_composes_them(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    put(tmp_path / "folders", {**photos(composed, 3), **photos(apart, 3), **photos("thé", 3)})
    rows = f"file,label\n{composed}.png,{apart}\n2.png,{composed}\n3.png,thé\n4.png,thé\n"
    put(tmp_path / "csv", {**plain(f"{apart}.png", "2.png", "3.png", "4.png"), "labels.csv": rows.encode()})
    for name, counts in (("folders", [6, 3]), ("csv", [2, 2])):
        sets = folder.read(tmp_path / name, (8, 8, 3))
        assert sets["train"].class_names == (composed, "thé") and sets["train"].left_out == ()
        assert (sets["train"].counts() + sets["test"].counts()).tolist() == counts


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_in_no_encoding_can_be_shown(tmp_path):
    put(tmp_path, {**photos("a", 3), **photos("b", 3)})
    open(os.fsencode(tmp_path / "a") + b"/caf\xe9.jpg", "wb").close()
    left_out, = folder.read(tmp_path, (8, 8, 3))["train"].left_out
    assert left_out.encode() and left_out.endswith("empty file")


@pytest.mark.parametrize("test_folder", ["test", "Validation"])
def test_given_splits_are_kept_and_what_stands_beside_them_is_named(tmp_path, test_folder):
    put(tmp_path / "train", {**photos("a", 3, RED), **photos("b", 4, RED), "c/torn.jpg": b""})
    put(tmp_path / test_folder, {**photos("a", 2, BLUE), "b/deep/1.png": PLAIN, "b/torn.jpg": b"", **photos("c", 1)})
    put(tmp_path, plain("other/1.png", "other/2.png", "train/loose.png"))
    sets = folder.read(tmp_path, (8, 8, 3))
    assert sets["train"].counts().tolist() == [3, 4] and sets["test"].labels.tolist() == [0, 0, 1]
    assert sets["train"].images[0, 0, 0].tolist() == list(RED) and sets["test"].images[0, 0, 0].tolist() == list(BLUE)
    assert reasons(sets["train"]) == reasons(sets["test"]) == {
        "train/c/torn.jpg": "empty file", f"{test_folder}/b/torn.jpg": "empty file", "other": "not used",
        "train/loose.png": "in no class folder", "class 'c'": "no readable picture to train on"}


ERRORS = {
    "no such": ({}, "nowhere", FileNotFoundError, "DATA names .*nowhere, which does not exist"),
    "an archive": ({"x.zip": b""}, "x.zip", ValueError, "is neither.*unpack an archive first"),
    "nothing in it": ({}, "", ValueError, "found none.(.|\n)*one sub-folder of images"),
    "flat": (plain("1.png", "2.png"), "", ValueError, "found none.(.|\n)*1.png: in no class folder(.|\n)*/cat/1.jpg"),
    "one class": (photos("cat", 3), "", ValueError, "at least two classes .* found 'cat'(.|\n)*labels.csv"),
    "one class readable": ({**photos("cat", 3), "dog/1.jpg": b""}, "", ValueError,
                           "found 'cat'(.|\n)*dog/1.jpg: empty file"),
    "nothing readable": ({"cat/1.jpg": b"x", "dog/1.jpg": b""}, "", ValueError, "found none"),
    "one picture a class": (plain("cat/1.png", "dog/1.png"), "", ValueError, "left for the test split. Put some"),
    "no readable test": ({**plain("train/a/1.png", "train/b/1.png"), "test/a/1.png": b""}, "", ValueError,
                         "left for the test split(.|\n)*test/a/1.png: empty file"),
    "csv of one column": ({"labels.csv": b"file\n1.png\n"}, "", ValueError, "with commas: file,label.*with 'file'"),
    "csv without a head": ({"labels.csv": b"1.png,cat\n2.png,dog"}, "", ValueError, "begins with '1.png', 'cat'"),
    "empty csv": ({"labels.csv": b""}, "", ValueError, "cannot be read as UTF-8 text with commas"),
    "csv not of text": ({"labels.csv": b"file,label\n1.png,caf\xe9"}, "", ValueError, "cannot be read as UTF-8"),
    "csv with commas in a label": ({"labels.csv": b"file,label\n1.png,cat\n2.png,cat,black\n"}, "", ValueError,
                                   "cannot be read.*line 3"),
    "csv that names nothing": ({"labels.csv": b"file,label\n1.png,cat"}, "", ValueError, "1.png: no files of this"),
    "csv of a head alone": ({"labels.csv": b"file,label\n"}, "", ValueError, "found none"),
    "csv of one split": ({**plain("1.png", "2.png"), "labels.csv": b"id,label,split\n1,a,train\n2,b,train"}, "",
                         ValueError, "left for the test split"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_used_is_a_clear_error(tmp_path, case):
    files, name, kind, words = ERRORS[case]
    put(tmp_path, files)
    with pytest.raises(kind, match=words):
        folder.read(tmp_path / name, (8, 8, 3))


TABLES = {
    "paths": "file,label\npics/1.png,cat\npics/2.png,cat\n./pics/3.png,dog\npics\\4.png,dog\n",
    "as Kaggle has them": "id,breed\n1,cat\n2,cat\n3,dog\n4,dog\n",
    "paths without endings, other columns": "id,class,path\n9,cat,pics/1\n8,cat,pics/2\n7,dog,pics/3\n6,dog,pics/4\n",
    "commas at the ends": "file,label\n1.png,cat,\n2.png,cat,\n3.png,dog,\n4.png,dog,\n",
    "byte order mark, spaces": "\ufeffImage, Label\n1.png, cat \n2.png,cat\n3.png,dog\n4.png,dog\n",
    "labels that look like gaps or numbers": "file,label\n1.png,01\n2.png,01\n3.png,NA\n4.png,NA\n",
}


@pytest.mark.parametrize("form", TABLES)
def test_a_csv_is_read_in_all_its_forms(tmp_path, form):
    put(tmp_path, {**plain(*(f"pics/{i}.png" for i in range(1, 5))), "labels.csv": TABLES[form].encode()})
    sets = folder.read(tmp_path, (8, 8, 3))
    assert sets["train"].class_names == (("01", "NA") if "gaps" in form else ("cat", "dog"))
    assert sum(image_set.counts() for image_set in sets.values()).tolist() == [2, 2]
    assert sets["train"].left_out == () and sets["train"].name == tmp_path.name


def test_what_is_wrong_with_rows_of_a_csv_is_counted_and_named(tmp_path):
    rows = ("file,label", "1.png,cat", "2.png,cat", "3.png,dog", "4.png,dog", "4.png,dog", "torn.jpg,dog", "5.png,",
            "6.png,cat", "6.png,dog", "twice.png,cat", "gone.png,dog", ",dog", "7.png")
    put(tmp_path, plain(*(f"{i}.png" for i in range(1, 7)), "old/1.png", "a/twice.png", "b/twice.png"))
    put(tmp_path, {"torn.jpg": b"", "mine.csv": "\n".join(rows).encode()})
    sets = folder.read(tmp_path / "mine.csv", (8, 8, 3))
    assert sum(image_set.counts() for image_set in sets.values()).tolist() == [2, 2]
    assert reasons(sets["test"]) == {
        "torn.jpg": "empty file", "5.png": "no label", "7.png": "no label", "6.png": "named more than once",
        "twice.png": "2 files of this name", "gone.png": "no files of this name", "": "no files of this name"}


def test_a_csv_can_give_the_splits_and_comes_before_class_folders(tmp_path):
    rows = ("split,file,label", "train,1,x", "Test,2,x", "train,3,y", "test,4,y", "val,5,y", ",5,y", "train,torn,y")
    put(tmp_path, plain("a/1.jpg", "a/2.jpg", "b/3.jpg", "b/4.jpg", "b/5.jpg", "c/6.jpg", "d/7.jpg"))
    put(tmp_path, {"train/torn.png": b"", "labels.csv": "\n".join(rows).encode()})
    sets = folder.read(tmp_path, (8, 8, 3))
    assert [image_set.counts().tolist() for image_set in sets.values()] == [[1, 1], [1, 1]]
    assert sets["train"].class_names == ("x", "y")
    assert sets["test"].left_out == ("5: the split 'val' is neither train nor test",
                                     "5: the split '' is neither train nor test", "train/torn.png: empty file")


def test_the_signature_changes_with_any_file_and_the_shape_only(tmp_path):
    put(tmp_path, {**photos("a", 3), **photos("b/deep", 3), "labels.csv": b"file,label\n"})
    path = tmp_path / "b" / "deep" / "1.png"
    stamp = path.stat().st_mtime_ns
    seen = {folder.signature(tmp_path, (8, 8, 3))}
    assert seen == {folder.signature(tmp_path / "labels.csv", [8, 8, 3])} and len(next(iter(seen))) == 16
    seen.add(folder.signature(tmp_path, (8, 8, 1)))
    path.write_bytes(path.read_bytes() + b"0")
    os.utime(path, ns=(stamp, stamp))
    seen.add(folder.signature(tmp_path, (8, 8, 3)))
    os.utime(path, ns=(stamp, stamp + 1))
    seen.add(folder.signature(tmp_path, (8, 8, 3)))
    path.rename(path.with_name("10.png"))
    seen.add(folder.signature(tmp_path, (8, 8, 3)))
    assert len(seen) == 5
    path.symlink_to(tmp_path / "nowhere")
    assert folder.signature(tmp_path, (8, 8, 3)) not in seen


# Kaggle

DOGS = {"test/b.jpg": encoded(Image.new("RGB", (8, 8), BLUE), "PNG"),
        "test/a.jpg": encoded(Image.new("RGB", (8, 8), RED), "PNG"),
        "sample_submission.csv": "id,pug,épagneul\nb,0.5,0.5\na,0.5,0.5\n".encode()}


@pytest.fixture
def download(tmp_path, monkeypatch):
    """A machine without credentials, and in place of kagglehub's download a mock."""
    for name in ("HOME", "USERPROFILE", "KAGGLE_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    download = mock.Mock(return_value=str(tmp_path / "cache"))
    monkeypatch.setattr("kagglehub.competition_download", download)
    return download


def test_kaggle_is_called_with_credentials_only_and_after_what_was_put_there_by_hand(download, tmp_path, monkeypatch):
    assert kaggle.find("dogs", tmp_path) is None
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")  # one half is no credential
    assert kaggle.find("dogs", tmp_path) is None and not download.called
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    assert kaggle.find("dogs", tmp_path) == tmp_path / "cache"
    (tmp_path / "dogs").mkdir()
    assert kaggle.find("dogs", tmp_path) == tmp_path / "dogs"
    download.assert_called_once_with("dogs")


def test_what_kaggle_refuses_is_said_with_the_way_out(download, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    download.side_effect = OSError("403 Client Error")
    with pytest.raises(DataUnavailable, match=r"403 Client Error.*competitions/dogs/rules.*unpack it into .*dogs"):
        kaggle.find("dogs", tmp_path)


def test_test_pictures_follow_the_sample_and_make_a_submission(tmp_path):
    put(tmp_path, DOGS)
    image_set, ids = kaggle.test_images(tmp_path, (8, 8, 3))
    assert ids == ["b", "a"] and image_set.class_names == ("pug", "épagneul") and image_set.labels.tolist() == [-1, -1]
    assert image_set.images[:, 0, 0].tolist() == [list(BLUE), list(RED)]
    table = kaggle.submission(ids, image_set.class_names, np.array([[0.25, 0.75], [1, 0]], np.float32))
    assert table.to_csv(index=False) == "id,pug,épagneul\nb,0.25,0.75\na,1.0,0.0\n"
    with pytest.raises(ValueError, match=r"\(2, 2\); got \(2, 3\)"):
        kaggle.submission(ids, image_set.class_names, np.ones((2, 3)) / 3)
    for wrong in ([1, 2], [np.nan, 0.5], [1.5, -0.5]):
        with pytest.raises(ValueError, match=r"row 1 \(id a\)"):
            kaggle.submission(ids, image_set.class_names, [[1, 0], wrong])


def test_a_test_picture_that_is_torn_or_missing_is_an_error(tmp_path):
    put(tmp_path, {**DOGS, "test/a.jpg": b""})
    with pytest.raises(ValueError, match=r"1 of 2 pictures.*a: empty file"):
        kaggle.test_images(tmp_path, (8, 8, 3))
    (tmp_path / "test" / "a.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 pictures.*a: cannot be opened: No such file"):
        kaggle.test_images(tmp_path, (8, 8, 3))
    (tmp_path / "sample_submission.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"sample_submission.csv is missing"):
        kaggle.test_images(tmp_path, (8, 8, 3))
