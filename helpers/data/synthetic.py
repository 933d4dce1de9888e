"""Stand-ins for the smoke profile: no network, seconds to make, and classes that can be learnt."""

import numpy as np

from helpers.data.imageset import ImageSet


def stand_in(name, split, image_shape, class_names, seed=0):
    """Return a small set that has the real one's name, image shape and classes.

    MNIST's stand-in is scikit-learn's `load_digits` (1,797 real digits of 8 x 8 pixels, UCI), enlarged; the others are
    drawn: each class has its own colour, stripe direction and stripe width, under noise and a random shift.

    Args:
        name: the data set's name; `split`: `"train"` or another.
        image_shape: `(H, W, C)`.
        class_names: tuple of str.
        seed: non-negative int.

    Returns:
        ImageSet, `official` False.
    """
    if name == "mnist":
        images, labels = _digits(split, image_shape)
        source = "scikit-learn's load_digits (UCI), 8 x 8 pixels enlarged to 28 x 28: a stand-in for MNIST"
    else:
        images, labels = _stripes(split, image_shape, len(class_names), seed)
        source = f"striped pictures drawn by this project: a stand-in for {name}"
    return ImageSet(images, labels, class_names, name, split, source, official=False)


def _digits(split, image_shape):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    is_test = np.arange(len(digits.target)) % 5 == 4
    chosen = is_test if split == "test" else ~is_test
    height, width, _ = image_shape
    side = min(height, width) * 5 // 7  # MNIST's digits fill 20 of 28 pixels
    images = np.zeros((chosen.sum(), height, width, 1), np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    for image, digit in zip(images, digits.images[chosen]):
        picture = Image.fromarray((digit * (255 / 16)).astype(np.uint8))
        image[top:top + side, left:left + side, 0] = picture.resize((side, side), Image.Resampling.BICUBIC)
    return images, digits.target[chosen]


def _stripes(split, image_shape, num_classes, seed):
    """Draw `12 * num_classes` (at least 600) training or a third as many other pictures."""
    height, width, channels = image_shape
    count = max(600, 12 * num_classes) // (1 if split == "train" else 3)
    generator = np.random.default_rng([seed, *split.encode()])
    labels = np.arange(count) % num_classes
    angle = np.pi * labels / num_classes
    colours = np.random.default_rng(0).uniform(0.25, 1, (num_classes, channels))
    y, x = np.mgrid[:height, :width] / max(height, width)
    across = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    num_stripes = (3 + labels % 4)[:, None, None]
    phase = generator.random((count, 1, 1))
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (num_stripes * across + phase))
    pictures = wave[..., None] * colours[labels][:, None, None, :]
    pictures += generator.normal(0, 0.1, pictures.shape)
    return (255 * pictures.clip(0, 1)).astype(np.uint8), labels
