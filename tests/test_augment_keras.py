"""Augmentation of the Keras room."""

import itertools

import keras
import numpy as np
import pytest
import torch
from keras import ops
from torchvision.transforms.v2 import functional as torchvision

from helpers.keras import augment


def generator(seed=0):
    return keras.random.SeedGenerator(seed)


def numbered(count, size=8, channels=3):
    """Images whose pixels are all different and not 0, the same in every image."""
    values = np.arange(1, channels * size * size + 1, dtype=np.float32)
    return (values / values.max()).reshape(1, size, size, channels).repeat(count, axis=0)


def test_a_crop_is_a_window_of_the_padded_image_and_every_window_occurs():
    images = numbered(400)
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)))
    windows = {(top, left): padded[top:top + 8, left:left + 8] for top in range(5) for left in range(5)}
    found = set()
    for crop in ops.convert_to_numpy(augment.random_crop(images, 2, generator())):
        matching = [place for place, window in windows.items() if np.array_equal(crop, window)]
        assert len(matching) == 1
        found.update(matching)
    assert found == set(windows)


def test_a_flip_mirrors_about_the_given_share_of_images_and_leaves_the_others():
    images = numbered(400)
    flipped = ops.convert_to_numpy(augment.random_horizontal_flip(images, 0.25, generator()))
    mirrored = [np.array_equal(image, images[0][:, ::-1]) for image in flipped]
    assert all(mirrored[i] or np.array_equal(image, images[0]) for i, image in enumerate(flipped))
    assert 60 < sum(mirrored) < 140


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_covers_a_square_that_may_be_cut_off_at_the_border(size):
    images = numbered(300)
    covered = ops.convert_to_numpy(augment.cutout(images, size, fill=-1.0, generator=generator())) == -1.0
    assert np.array_equal(covered[..., 0], covered[..., 1]) and np.array_equal(covered[..., 0], covered[..., 2])
    areas = covered[..., 0].sum((1, 2))
    heights, widths = covered[..., 0].any(2).sum(1), covered[..., 0].any(1).sum(1)
    assert np.array_equal(areas, heights * widths) and areas.max() == size * size and areas.min() >= 1
    assert size == 1 or areas.min() < size * size
    assert len({tuple(np.argwhere(mask).mean(0)) for mask in covered[..., 0]}) > 30
    kept = ops.convert_to_numpy(augment.cutout(images, size, generator=generator(1)))
    np.testing.assert_array_equal(kept[kept != 0], images[kept != 0])


@pytest.mark.parametrize("function", [
    lambda images, source: augment.random_crop(images, 2, source),
    lambda images, source: augment.random_horizontal_flip(images, 0.5, source),
    lambda images, source: augment.cutout(images, 3, 0.5, source)])
def test_a_generator_repeats_the_draws_and_goes_on_from_call_to_call(function):
    images, source = numbered(50), generator(3)
    first, second = (ops.convert_to_numpy(function(images, source)) for _ in range(2))
    np.testing.assert_array_equal(first, function(images, generator(3)))
    assert not np.array_equal(first, second)


def test_nothing_to_do_changes_nothing():
    images = numbered(5)
    np.testing.assert_array_equal(augment.random_crop(images, 0), images)
    np.testing.assert_array_equal(augment.random_horizontal_flip(images, 0.0), images)
    np.testing.assert_array_equal(augment.cutout(images, 0), images)


def test_keras_own_crop_draws_once_for_the_batch_which_is_why_this_file_exists():
    crops = ops.convert_to_numpy(keras.layers.RandomCrop(6, 6, seed=0)(numbered(50), training=True))
    assert len({crop.tobytes() for crop in crops}) == 1


def pictures(count, height=24, width=20):
    """Smooth colour pictures with pure black, white and grey among the pixels."""
    coarse = np.random.default_rng(0).random((count, 5, 5, 3), np.float32)
    images = np.clip(ops.convert_to_numpy(ops.image.resize(coarse, (height, width), "bicubic")), 0, 1)
    images[:, 0, :3] = np.array([[0.0], [0.5], [1.0]])
    return images


def first(image):
    return torch.from_numpy(image.transpose(2, 0, 1))


def assert_like(found, expected):
    np.testing.assert_allclose(ops.convert_to_numpy(found).transpose(2, 0, 1), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [None, 7, 40])
def test_a_resized_crop_is_torchvisions(size):
    images = pictures(6)
    boxes = np.array([[0, 0, 24, 20], [3, 5, 9, 6], [10, 0, 14, 20], [23, 19, 1, 1], [1, 1, 20, 5], [0, 9, 7, 11]])
    for image, box, crop in zip(images, boxes.tolist(), augment.resized_crop(images, boxes, size)):
        assert_like(crop, torchvision.resized_crop(first(image), *box, [size, size] if size else [24, 20],
                                                   antialias=True))


def test_the_colours_change_as_in_torchvision_in_every_order():
    orders, generator = np.array(list(itertools.permutations(range(4))), np.int32), np.random.default_rng(1)
    images, factors = pictures(24), generator.uniform(0.4, 1.6, (24, 3)).astype(np.float32)
    hues = generator.uniform(-0.5, 0.5, 24).astype(np.float32)
    factors[3], hues[4] = 1, 0
    operations = (torchvision.adjust_brightness, torchvision.adjust_contrast, torchvision.adjust_saturation,
                  torchvision.adjust_hue)
    for i, changed in enumerate(augment.adjust_colors(images, factors, hues, orders)):
        image, strengths = first(images[i]), [*factors[i].tolist(), float(hues[i])]
        for which in orders[i]:
            image = operations[which](image, strengths[which])
        assert_like(changed, image)


def test_a_blur_and_grey_images_are_torchvisions():
    images, sigmas = pictures(4), np.array([0.1, 0.7, 1.3, 2.0], np.float32)
    blurred, grey = augment.gaussian_blur(images, sigmas, 9), augment.random_grayscale(images, 1.0)
    for i, image in enumerate(map(first, images)):
        assert_like(blurred[i], torchvision.gaussian_blur(image, [9, 9], [float(sigmas[i])] * 2))
        assert_like(grey[i], torchvision.rgb_to_grayscale(image, 3))


RANDOM = {
    "crop": lambda images, source: augment.random_resized_crop(images, generator=source),
    "brightness": lambda images, source: augment.random_color_jitter(images, 0.4, 0, 0, 0, 1.0, source),
    "contrast": lambda images, source: augment.random_color_jitter(images, 0, 0.4, 0, 0, 1.0, source),
    "saturation": lambda images, source: augment.random_color_jitter(images, 0, 0, 0.4, 0, 1.0, source),
    "hue": lambda images, source: augment.random_color_jitter(images, 0, 0, 0, 0.1, 1.0, source),
    "jitter or not": lambda images, source: augment.random_color_jitter(images, probability=0.5, generator=source),
    "grey": lambda images, source: augment.random_grayscale(images, 0.5, source),
    "blur": lambda images, source: augment.random_gaussian_blur(images, 5, probability=1.0, generator=source),
    "blur or not": lambda images, source: augment.random_gaussian_blur(images, 5, (1.0, 1.0), 0.5, source),
    "turn": lambda images, source: augment.random_quarter_turn(images, source)[0],
}
OUTCOMES = {"grey": 2, "blur or not": 2, "turn": 4}  # of the others every image has its own


@pytest.mark.parametrize("name", RANDOM)
def test_every_image_has_its_own_draw_and_a_generator_repeats_it(name):
    images = pictures(1, 24, 24).repeat(16, axis=0)
    changed = ops.convert_to_numpy(RANDOM[name](images, generator(3)))
    outcomes = len({image.tobytes() for image in changed})
    assert 4 < outcomes < 16 if name == "jitter or not" else outcomes == OUTCOMES.get(name, 16)
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-6
    np.testing.assert_array_equal(changed, RANDOM[name](images, generator(3)))
    assert not np.array_equal(changed, RANDOM[name](images, generator(4)))


class Views(keras.layers.Layer):
    """All of SimCLR's augmentation in one layer."""

    def __init__(self):
        super().__init__()
        self.generator = generator(5)

    def call(self, images):
        images = augment.random_resized_crop(images, 16, generator=self.generator)
        images = augment.random_horizontal_flip(images, generator=self.generator)
        images = augment.random_color_jitter(images, generator=self.generator)
        images = augment.random_grayscale(images, generator=self.generator)
        images = augment.random_gaussian_blur(images, 3, generator=self.generator)
        return augment.random_quarter_turn(images, self.generator)[0]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_all_of_it_compiles_with_xla_for_batches_of_any_size_and_in_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((24, 24, 3))
        model = keras.Model(inputs, Views()(inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(jit_compile=True)
    for count in (5, 8):
        views = model.predict(pictures(count, 24, 24), batch_size=8, verbose=0)
        assert views.shape == (count, 16, 16, 3) and np.isfinite(views).all()
    assert model.jit_compile


def test_keras_own_blur_draws_one_width_for_the_batch():
    blurred = keras.layers.RandomGaussianBlur(1.0, 5, (0.1, 2.0), value_range=(0, 1), seed=0)(
        np.tile(pictures(1, 24, 24), (16, 1, 1, 1)), training=True)
    assert len({image.tobytes() for image in ops.convert_to_numpy(blurred)}) <= 2  # blurred alike, or not at all
