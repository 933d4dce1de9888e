"""Stand-ins for the smoke profile: no network, seconds to make, and classes that can be learnt."""

import numpy as np
from PIL import Image

from helpers.data.imageset import ImageSet


def stand_in(name, split, image_shape, class_names):
    """Return a small set that has the real one's name, image shape and classes.

    MNIST's stand-in is scikit-learn's `load_digits` (1,797 real digits of 8 x 8 pixels, UCI), enlarged; the others are
    drawn. In CIFAR-10's each class has its own colour, stripe direction and stripe width; in the others' its own
    pattern of patches, in colours that say nothing of the class, shifted and lit from above as photographs are.

    Args:
        name: the data set's name; `split`: `"train"` or another.
        image_shape: `(H, W, C)`.
        class_names: tuple of str.

    Returns:
        ImageSet, `official` False.
    """
    if name == "mnist":
        images, labels = _digits(split)
        source = "scikit-learn's load_digits (UCI), 8 x 8 pixels enlarged to 28 x 28: a stand-in for MNIST"
    else:
        draw, what = (_stripes, "striped pictures") if name == "cifar10" else (_patterns, "patterns")
        images, labels = draw(split, image_shape, len(class_names))
        source = f"{what} drawn by this project: a stand-in for {name}"
    return ImageSet(images, labels, class_names, name, split, source, official=False)


def _digits(split):
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = (np.arange(len(digits.target)) % 5 == 4) == (split == "test")
    images = [Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)
              for image in (digits.images[chosen] * (255 / 16)).astype(np.uint8)]
    margin = (4, 4)  # MNIST's digits fill 20 of 28 pixels
    return np.pad(images, ((0, 0), margin, margin))[..., None], digits.target[chosen]


def _labels_and_generator(split, num_classes):
    """Return labels of `12 * num_classes` (at least 600) training or a third as many other pictures."""
    count = max(600, 12 * num_classes) // (1 if split == "train" else 3)
    return np.arange(count) % num_classes, np.random.default_rng([0, *split.encode()])


def _patterns(split, image_shape, num_classes):
    """Draw 5 x 5 dark and light patches a class, blurred into each other."""
    height, width, channels = image_shape
    labels, generator = _labels_and_generator(split, num_classes)
    margin = max(height, width) // 16  # pixels by which a pattern may be shifted
    larger = width + 2 * margin, height + 2 * margin
    patches = np.random.default_rng(0).permuted(np.tile(np.arange(25) % 2, (num_classes, 1)), axis=1)
    patches = patches.reshape(num_classes, 5, 5).astype(np.float32)
    patterns = [np.asarray(Image.fromarray(patch).resize(larger, Image.Resampling.BICUBIC)) for patch in patches]
    light = np.linspace(1.15, 0.85, height, dtype=np.float32)[:, None, None]
    pictures = np.empty((len(labels), *image_shape), np.uint8)
    for picture, label in zip(pictures, labels):
        top, left = generator.integers(0, 2 * margin + 1, 2)
        dark, bright = generator.uniform((0, 0.5), (0.4, 1), (channels, 2)).astype(np.float32).T
        pattern = patterns[label][top:top + height, left:left + width, None]
        values = light * (dark + pattern * (bright - dark))
        values += 0.05 * generator.standard_normal(image_shape, np.float32)
        picture[...] = (255 * values).clip(0, 255)
    return pictures, labels


def _stripes(split, image_shape, num_classes):
    height, width, channels = image_shape
    labels, generator = _labels_and_generator(split, num_classes)
    angle = np.pi * labels / num_classes
    colours = np.random.default_rng(0).uniform(0.25, 1, (num_classes, channels))
    y, x = np.mgrid[:height, :width] / max(height, width)
    across = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    num_stripes = (3 + labels % 4)[:, None, None]
    phase = generator.random((len(labels), 1, 1))
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (num_stripes * across + phase))
    pictures = wave[..., None] * colours[labels][:, None, None, :]
    pictures += generator.normal(0, 0.1, pictures.shape)
    return (255 * pictures.clip(0, 1)).astype(np.uint8), labels
