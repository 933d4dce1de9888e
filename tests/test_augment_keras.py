"""Augmentation of the Keras room."""

import keras
import numpy as np
import pytest
from keras import ops

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
