"""Augmentation of the torch room."""

import pytest
import torch

from helpers.torch import augment


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count, size=8, channels=3):
    """Images whose pixels are all different and not 0, the same in every image."""
    values = torch.arange(1, channels * size * size + 1, dtype=torch.float32)
    return (values / values.max()).view(1, channels, size, size).repeat(count, 1, 1, 1)


def test_a_crop_is_a_window_of_the_padded_image_and_every_window_occurs():
    images = numbered(400)
    padded = torch.nn.functional.pad(images[0], [2] * 4)
    windows = {(top, left): padded[:, top:top + 8, left:left + 8] for top in range(5) for left in range(5)}
    found = set()
    for crop in augment.random_crop(images, 2, generator()):
        matching = [place for place, window in windows.items() if torch.equal(crop, window)]
        assert len(matching) == 1
        found.update(matching)
    assert found == set(windows)


def test_a_flip_mirrors_about_the_given_share_of_images_and_leaves_the_others():
    images = numbered(400)
    flipped = augment.random_horizontal_flip(images, 0.25, generator())
    mirrored = [torch.equal(image, images[0].flip(2)) for image in flipped]
    assert all(mirrored[i] or torch.equal(image, images[0]) for i, image in enumerate(flipped))
    assert 60 < sum(mirrored) < 140


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_covers_a_square_that_may_be_cut_off_at_the_border(size):
    images = numbered(300)
    covered = augment.cutout(images, size, fill=-1.0, generator=generator()) == -1.0
    assert torch.equal(covered[:, 0], covered[:, 1]) and torch.equal(covered[:, 0], covered[:, 2])
    areas = covered[:, 0].sum((1, 2))
    heights, widths = covered[:, 0].any(2).sum(1), covered[:, 0].any(1).sum(1)
    assert torch.equal(areas, heights * widths) and areas.max() == size * size and areas.min() >= 1
    assert size == 1 or areas.min() < size * size
    centres = {tuple(mask.nonzero().float().mean(0).tolist()) for mask in covered[:, 0]}
    assert len(centres) > 30
    kept = augment.cutout(images, size, generator=generator(1))
    assert torch.equal(kept[kept != 0], images[kept != 0])


@pytest.mark.parametrize("function", [
    lambda images, source: augment.random_crop(images, 2, source),
    lambda images, source: augment.random_horizontal_flip(images, 0.5, source),
    lambda images, source: augment.cutout(images, 3, 0.5, source)])
def test_a_generator_repeats_the_draws_and_uint8_stays_uint8(function):
    images = numbered(50)
    assert torch.equal(function(images, generator(3)), function(images, generator(3)))
    assert not torch.equal(function(images, generator(3)), function(images, generator(4)))
    assert augment.random_crop((255 * images).byte(), 2).dtype == torch.uint8


def test_nothing_to_do_changes_nothing():
    images = numbered(5)
    assert torch.equal(augment.random_crop(images, 0), images)
    assert torch.equal(augment.random_horizontal_flip(images, 0.0), images)
    assert torch.equal(augment.cutout(images, 0), images)
