"""Read the reader's own photos: class folders, or a CSV file that names files and labels."""

import dataclasses
import hashlib
import os
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from helpers.data import pictures
from helpers.data.imageset import ImageSet, spread_order

SOURCE = "the reader's own folder of images"
UNLABELLED = {"unlabelled", "unlabeled"}  # sub-folders of pictures that nobody has sorted, in lower case
PASSED_OVER = {"__macosx", "desktop.ini", "thumbs.db", *UNLABELLED}  # the first three systems put beside pictures
FILE_COLUMNS = ("file", "filename", "file_name", "path", "image", "image_id", "id")
LABEL_COLUMNS = ("label", "class", "category", "breed", "species")
ARRANGE = """Arrange the pictures in one of these ways (if they lie deeper, name the folder that holds these):
  {0}/cat/1.jpg, {0}/dog/2.jpg     one sub-folder of images for each class, at least two
  {0}/train/cat/1.jpg, {0}/test/cat/2.jpg     the same, with given splits
  {0}/labels.csv     with the columns file and label, and split (train or test) if you like"""


def read(folder, image_shape, seed=0):
    """Return the train and test split of the reader's own pictures; each file is decoded once.

    Three layouts are known, the first that fits is taken. Hidden files, `Thumbs.db`, `desktop.ini`, `__MACOSX` and what
    a CSV does not name are passed over, and `unlabelled` (or `unlabeled`) beside the class folders, which
    `read_unlabelled` reads; every other file (or whole folder) that is not used is named in `left_out`.

    1. A CSV file, or a folder with a `labels.csv`: UTF-8 text with commas, whose first line names the columns `file`
       (or filename, file_name, path, image, image_id, id), `label` (or class, category, breed, species) and, if it
       has one, `split` (train or test). A file is named relative to the CSV, with or without its ending, or by its
       bare name where one file alone below the CSV's folder has it.
    2. A folder with `train/` and `test/` (else `val/` or `validation/`), each with one sub-folder a class.
    3. A folder with one sub-folder a class; files at any depth below count, links to folders there are not followed.

    Args:
        folder: path of a folder or CSV file.
        image_shape: `(H, W, C)` of the lesson, C is 1 or 3; see `pictures.decode` for how pictures are fitted to it.
        seed: decides which images are the test split, a fifth of each class, where none is given. The image of a class
            that has one only stays in train.

    Returns:
        dict of `"train"` and `"test"` to ImageSet, `official` False, with the same `left_out`. Classes without a
        readable picture to train on are dropped and named there.

    Raises:
        FileNotFoundError: no such folder or CSV file.
        ValueError: no layout fits, fewer than two classes have readable pictures, nothing is left to test on.
    """
    folder, csv = _locate(folder)
    rows, left_out = _list_csv(folder, csv) if csv else _list_class_folders(folder)
    _check_classes(rows, folder, left_out)
    files = ((_relative(path, folder), path) for path in rows["path"])
    images, kept, unread = pictures.decode_all(files, len(rows), image_shape)
    read_rows = rows.iloc[kept]
    class_names = _check_classes(read_rows, folder, left_out + unread)
    dropped = sorted({*rows["label"]} - {*class_names})
    left_out += unread + [f"class {name!r}: no readable picture to train on" for name in dropped]
    labels = pd.Index(class_names).get_indexer(read_rows["label"])  # -1 for a class that is dropped
    whole = ImageSet(images, labels, class_names, folder.name, source=SOURCE, left_out=left_out)
    is_test = np.array(read_rows["split"] == "test") if rows["split"].any() else _draw(whole, seed)
    chosen = {"train": ~is_test, "test": is_test & (labels >= 0)}
    if not chosen["test"].any():
        raise ValueError(f"{folder}: no readable picture is left for the test split. Put some there, or several into "
                         f"each class.{shown(left_out)}")
    return {split: dataclasses.replace(whole.subset(mask), split=split) for split, mask in chosen.items()}


def read_unlabelled(folder, image_shape):
    """Return the pictures of a sub-folder `unlabelled` (or `unlabeled`, in any case), at any depth in it.

    It may lie beside the class folders of one of `read`'s layouts, beside `train/` and `test/`, or beside the CSV file.

    Args:
        folder: path of a folder or CSV file, as in `read`.
        image_shape: `(H, W, C)`, C is 1 or 3.

    Returns:
        dict of `"unlabelled"` to ImageSet, labels -1, without classes; of 0 images if there is no such folder.

    Raises:
        FileNotFoundError: no such folder or CSV file.
        ValueError: it is neither.
    """
    folder, _ = _locate(folder)
    files = [(_relative(path, folder), path) for path in _unlabelled(folder)]
    images, _, left_out = pictures.decode_all(files, len(files), image_shape)
    labels = np.full(len(images), -1)
    return {"unlabelled": ImageSet(images, labels, (), folder.name, "unlabelled", SOURCE, left_out=left_out)}


def signature(folder, image_shape):
    """Return 16 hexadecimal digits that change when any file below a folder, or how it would be read, does.

    Args:
        folder: path of a folder or CSV file, as in `read`; the folder of the CSV file counts.
        image_shape: `(H, W, C)`.

    Raises:
        FileNotFoundError: no such folder or CSV file.
        ValueError: it is neither.
    """
    folder, csv = _locate(folder)
    about = [tuple(image_shape), csv and csv.name, *(Path(code).read_bytes() for code in (__file__, pictures.__file__))]
    links = (place for place in [*folder.glob("*"), *folder.glob("*/*")] if place.is_symlink())
    for path in sorted({*_files(folder), *_unlabelled(folder)}.union(*map(_files, links))):
        status = path.stat() if path.exists() else path.lstat()  # a link may lead nowhere
        about.append((os.fsencode(path.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]


def _locate(folder):
    """Return the folder, and the CSV file if one decides."""
    path = Path(folder or os.devnull).expanduser().resolve()  # not the working directory, which "" stands for
    if path.is_dir():
        return path, path / "labels.csv" if (path / "labels.csv").is_file() else None
    if path.is_file() and path.suffix.lower() == ".csv":
        return path.parent, path
    kind, fault = (ValueError, "is neither") if path.exists() else (FileNotFoundError, "does not exist")
    raise kind(f"DATA names {folder}, which {fault}: give the path of a folder of images (unpack an archive first), or "
               "of a .csv file that names them.")


def _list_class_folders(folder):
    """Return a table of path, label and split ("" where none is given), and what lies in no class folder."""
    found = {path.name.lower(): path for path in _entries(folder) if path.is_dir()}
    test = next((found[name] for name in ("test", "val", "validation") if name in found), None)
    roots = {"train": found["train"], "test": test} if test and "train" in found else {"": folder}
    rows, left_out = [], []
    for split, root in roots.items():
        for place in _entries(root):
            paths = _files(place) if place.is_dir() else []
            rows += [(path, _name(place.name), split) for path in paths]
            if not paths:
                left_out.append(f"{_relative(place, folder)}: {'an empty' if place.is_dir() else 'in no class'} folder")
    left_out += [f"{_name(path.name)}: not used" for path in _entries(folder) if not {path, folder} & {*roots.values()}]
    return pd.DataFrame(rows, columns=["path", "label", "split"]), left_out


def _list_csv(folder, csv):
    """Return a table of path, label and split ("" where none is given), and the rows that cannot be used."""
    exact, by_name = {_relative(path, folder): path for path in _files(folder)}, defaultdict(list)
    for name, path in exact.items():
        pure = PurePosixPath(name)
        for short in {pure.name, pure.stem, str(pure.with_suffix(""))}:
            by_name[short].append(path)
    rows, left_out, table = [], [], _read_table(csv)
    splits = ("train", "test") if (table["split"] != "").any() else ("",)
    for file, label, split in table.itertuples(index=False):
        name = file.replace("\\", "/").removeprefix("./")
        fitting = [exact[name]] if name in exact else by_name.get(name, [])
        if not label:
            left_out.append(f"{file}: no label")
        elif split.lower() not in splits:
            left_out.append(f"{file}: the split {split!r} is neither train nor test")
        elif len(fitting) != 1:
            left_out.append(f"{file}: {len(fitting) or 'no'} files of this name")
        else:
            rows.append((fitting[0], label, split.lower()))
    rows = pd.DataFrame(rows, columns=["path", "label", "split"]).drop_duplicates()
    twice = rows["path"].duplicated(keep=False)
    left_out += [f"{_relative(path, folder)}: named more than once" for path in rows["path"][twice].unique()]
    return rows[~twice], left_out


def _read_table(csv):
    """Return the columns for file, label and split ("" if there is none) of a CSV file, as text."""
    try:
        table = pd.read_csv(csv, dtype=str, keep_default_na=False, index_col=False).fillna("")  # a row may end in ,
    except ValueError as error:  # of what pandas raises, and UnicodeDecodeError
        raise ValueError(f"{csv} cannot be read as UTF-8 text with commas: {error}") from error
    table.columns = table.columns.str.strip().str.lower()
    file, label = (next((name for name in names if name in table), None) for names in (FILE_COLUMNS, LABEL_COLUMNS))
    if not file or not label:
        raise ValueError(f"{csv} must begin with a line that names the columns, with commas: file,label. It begins "
                         f"with {', '.join(map(repr, table))}.")
    table = table.reindex(columns=[file, label, "split"], fill_value="")
    return table.apply(lambda column: column.str.strip().str.normalize("NFC"))


def _check_classes(rows, folder, left_out):
    """Return the sorted classes that have pictures to train on; ValueError if they are fewer than two."""
    class_names = sorted(set(rows["label"][rows["split"] != "test"]))
    if len(class_names) < 2:
        raise ValueError(f"{folder}: at least two classes with readable pictures are needed; found "
                         f"{str(class_names)[1:-1] or 'none'}.{shown(left_out)}\n{ARRANGE.format(folder.name)}")
    return class_names


def _draw(image_set, seed):
    """Return a bool mask of a stratified fifth, never the image of a class that has one only."""
    several = np.flatnonzero(image_set.counts()[image_set.labels] > 1)
    drawn = several[spread_order(image_set.labels[several], seed)[:max(1, round(len(several) / 5))]]
    return np.isin(np.arange(len(image_set)), drawn)


def _files(folder):
    """Return the sorted paths of all files below, at any depth, and of folders that may not be opened."""
    found = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: found.append(Path(error.filename))):
        folders[:] = filter(_is_ours, folders)
        found.extend(Path(parent, name) for name in names if _is_ours(name))
    return sorted(found)


def _unlabelled(folder):
    """Return the files in `unlabelled`, at any depth."""
    places = (place for place in folder.iterdir() if place.name.lower() in UNLABELLED and place.is_dir())
    return [path for place in places for path in _files(place)]


def _entries(folder):
    return sorted(path for path in folder.iterdir() if _is_ours(path.name))


def _is_ours(name):
    return not name.startswith(".") and name.lower() not in PASSED_OVER


def _name(text):
    """Return a file's name as text that is the same on every system and can always be written."""
    return unicodedata.normalize("NFC", os.fsencode(text).decode("utf-8", "replace"))


def _relative(path, folder):
    return _name(path.relative_to(folder).as_posix())


def shown(left_out):
    """Return the first ten of what was left out, each on a line of its own."""
    return "".join(f"\n  {text}" for text in left_out[:10]) + ("\n  ..." if len(left_out) > 10 else "")
