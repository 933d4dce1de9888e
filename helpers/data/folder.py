"""Read the reader's own photos: one folder a class."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from helpers.data.imageset import ImageSet

SOURCE = "the reader's own folder of images"
ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def read(folder, split, image_shape, seed=0, test_fraction=0.2):
    """Return one split of a folder with one sub-folder a class, or with `train/` and `test/` that hold such folders.

    Pictures are turned upright, brought to the lesson's channels, scaled so that the shorter side fits and cropped in
    the middle. Files that cannot be read are left out, counted and named in a warning.

    Args:
        folder: path. Without `train/` and `test/` inside, a stratified `test_fraction` becomes the split `"test"`.
        split: `"train"` or `"test"`.
        image_shape: `(H, W, C)` of the lesson, C is 1 or 3.
        seed: decides which images are the test split.

    Returns:
        ImageSet, `official` False.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: fewer than two class folders, or no readable image in them.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"DATA names {folder}, which is no folder. Give the path of a folder of images.")
    has_splits = (folder / "train").is_dir() and (folder / "test").is_dir()
    train_folder = folder / "train" if has_splits else folder
    class_names = tuple(sorted(path.name for path in train_folder.iterdir()
                               if path.is_dir() and not path.name.startswith(".")))
    if len(class_names) < 2:
        raise ValueError(f"{train_folder} must hold one sub-folder of images for each class, at least two; "
                         f"found {', '.join(class_names) or 'none'}.")
    images, labels, faults = _decode(folder / split if has_splits else folder, class_names, image_shape)
    if faults:
        shown = "\n".join(f"  {fault}" for fault in faults[:10])
        warnings.warn(f"{len(faults)} files of {folder} were left out:\n{shown}", stacklevel=2)
    if not images:
        raise ValueError(f"No readable image in {folder} ({split}); looked for {', '.join(sorted(ENDINGS))} in "
                         f"{', '.join(class_names)}.")
    image_set = ImageSet(np.stack(images), np.array(labels), class_names, folder.name, split,
                         SOURCE, official=False)
    if has_splits:
        return image_set
    train, test = image_set.split_off(test_fraction, seed)
    return test if split == "test" else train


def _decode(folder, class_names, image_shape):
    images, labels, faults = [], [], []
    for label, class_name in enumerate(class_names):
        for path in sorted((folder / class_name).rglob("*")):
            if path.suffix.lower() not in ENDINGS:
                continue
            try:
                images.append(_picture(path, image_shape))
                labels.append(label)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                faults.append(f"{path.relative_to(folder)}: {error}")
    return images, labels, faults


def _picture(path, image_shape):
    height, width, channels = image_shape
    with Image.open(path) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB" if channels == 3 else "L")
    fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8).reshape(image_shape)
