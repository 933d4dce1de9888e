import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from helpers.data import ImageSet, duplicates, pictures


def scene(seed):
    """Return a made-up photo: soft random shapes at all scales, as in nature."""
    generator, picture = np.random.default_rng(seed), 0
    for side, share in ((3, 2), (7, 4), (20, 6), (40, 12)):
        pixels = Image.fromarray(generator.integers(256, size=(side, side, 3), dtype=np.uint8))
        picture += np.asarray(pixels.resize((160, 160), Image.Resampling.BICUBIC), np.float32) / share
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


SCENES = [scene(seed) for seed in range(60)]
COPIES = {
    "compressed": lambda picture: (picture, 30),
    "smaller": lambda picture: (picture.resize((64, 64), Image.Resampling.BILINEAR), 85),
    "brighter": lambda picture: (ImageEnhance.Brightness(picture).enhance(1.15), 85),
    "mirrored": lambda picture: (picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85),
}


def decoded(picture, quality=95, side=48):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return pictures.decode(file.getvalue(), (side, side, 3))


def image_set(images):
    return ImageSet(np.array(images, np.uint8).reshape(-1, *np.shape(images)[1:]), np.zeros(len(images), int), ("x",))


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_different_pictures_are_not(kind):
    originals = image_set([decoded(picture) for picture in SCENES])
    copies = image_set([decoded(*COPIES[kind](picture), side=64) for picture in SCENES[40:]])
    found = duplicates.find(originals, copies)
    assert sorted(found.tolist()) == [[40 + i, i] for i in range(20)]


def test_within_a_set_each_pair_comes_once_the_nearest_first_across_blocks(monkeypatch):
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    images = [decoded(picture) for picture in SCENES]
    far = decoded(SCENES[2].crop((3, 3, 157, 157)), 40)
    whole = image_set([*images, far, images[50]])
    assert duplicates.find(whole, whole).tolist() == [[50, 61], [2, 60]]
    assert duplicates.find(whole, whole, max_distance=0).tolist() == [[50, 61]]


def test_flat_images_and_empty_sets_match_nothing():
    noise = np.random.default_rng(0).integers(3, size=(20, 32, 32, 1))
    flat = image_set(np.arange(0, 200, 10).reshape(-1, 1, 1, 1) + noise)
    constant, empty = image_set(np.full((3, 32, 32, 1), 128)), image_set(np.empty((0, 32, 32, 1)))
    for a, b in ((flat, flat), (constant, constant), (constant, flat), (empty, flat), (flat, empty), (empty, empty)):
        assert duplicates.find(a, b).shape == (0, 2) and duplicates.find(a, b).dtype == np.int64
