"""Augmentation of the torch room."""

import itertools

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as v2_functional

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


def pictures(count, height=24, width=20):
    """Smooth colour pictures with pure black, white and grey among the pixels."""
    images = torch.nn.functional.interpolate(torch.rand(count, 3, 5, 5, generator=generator()), (height, width),
                                             mode="bicubic").clamp(0, 1)
    images[:, :, 0, :3] = torch.tensor([0.0, 0.5, 1.0])
    return images


@pytest.mark.parametrize("size", [None, 7, 40])
def test_a_resized_crop_is_torchvisions(size):
    images = pictures(6)
    boxes = torch.tensor([[0, 0, 24, 20], [3, 5, 9, 6], [10, 0, 14, 20], [23, 19, 1, 1], [1, 1, 20, 5], [0, 9, 7, 11]])
    crops = augment.resized_crop(images, boxes, size)
    for image, box, crop in zip(images, boxes.tolist(), crops):
        expected = v2_functional.resized_crop(image, *box, [size, size] if size else [24, 20], antialias=True)
        torch.testing.assert_close(crop, expected, rtol=0, atol=1e-5)


def test_the_colours_change_as_in_torchvision_in_every_order():
    orders = torch.tensor(list(itertools.permutations(range(4))))
    images, source = pictures(24), generator(1)
    factors = 0.4 + 1.2 * torch.rand(24, 3, generator=source)
    hues = torch.rand(24, generator=source) - 0.5
    factors[3], hues[4] = 1, 0
    changed = augment.adjust_colors(images, factors, hues, orders)
    operations = (v2_functional.adjust_brightness, v2_functional.adjust_contrast, v2_functional.adjust_saturation,
                  v2_functional.adjust_hue)
    for i, image in enumerate(images):
        strengths = [*factors[i].tolist(), float(hues[i])]
        for which in orders[i].tolist():
            image = operations[which](image, strengths[which])
        torch.testing.assert_close(changed[i], image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel_size", [3, 9, 23])
def test_a_blur_is_torchvisions(kernel_size):
    images, sigmas = pictures(4), torch.tensor([0.1, 0.7, 1.3, 2.0])
    blurred = augment.gaussian_blur(images, sigmas, kernel_size)
    for image, sigma, found in zip(images, sigmas.tolist(), blurred):
        expected = v2_functional.gaussian_blur(image, [kernel_size, kernel_size], [sigma, sigma])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_grey_is_torchvisions():
    images = pictures(4)
    torch.testing.assert_close(augment.random_grayscale(images, 1.0), v2_functional.rgb_to_grayscale(images, 3))


def test_boxes_are_drawn_as_torchvision_draws_them():
    images, count = torch.zeros(4000, 3, 24, 20), 4000
    for scale, ratio in (((0.2, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (2.0, 3.0))):  # the second mostly fails to fit
        boxes = augment._crop_boxes(images, scale, ratio, generator())
        assert (boxes >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= torch.tensor([24, 20])).all()
        torch.manual_seed(0)
        transform = v2.RandomResizedCrop(9, scale, ratio)
        theirs = [list(transform.make_params([images[0]]).values()) for _ in range(count)]
        theirs = torch.tensor(theirs, dtype=torch.float32)  # top, left, height, width
        spread = (boxes.var(0) + theirs.var(0)).div(count).sqrt() + 1e-6
        assert ((boxes.mean(0) - theirs.mean(0)).abs() < 5 * spread).all()
        assert ((boxes.std(0) - theirs.std(0)).abs() < 0.1 * theirs.std(0) + 1e-6).all()


RANDOM = {
    "crop": lambda images, source: augment.random_resized_crop(images, generator=source),
    "jitter": lambda images, source: augment.random_color_jitter(images, probability=1.0, generator=source),
    "grey": lambda images, source: augment.random_grayscale(images, 0.5, source),
    "blur": lambda images, source: augment.random_gaussian_blur(images, 5, probability=1.0, generator=source),
    "blur or not": lambda images, source: augment.random_gaussian_blur(images, 5, (1.0, 1.0), 0.5, source),
    "turn": lambda images, source: augment.random_quarter_turn(images, source)[0],
    "fused": lambda images, source: augment.fused_crop_and_color(images, grayscale=0, jitter=1.0, generator=source),
}
OUTCOMES = {"grey": 2, "blur or not": 2, "turn": 4}  # of the others every image has its own


@pytest.mark.parametrize("name", RANDOM)
def test_every_image_has_its_own_draw_and_a_generator_repeats_it(name):
    images = pictures(1, 24, 24).repeat(16, 1, 1, 1)
    changed = RANDOM[name](images, generator(3))
    assert len({image.numpy().tobytes() for image in changed}) == OUTCOMES.get(name, 16)
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-6
    assert torch.equal(changed, RANDOM[name](images, generator(3)))
    assert not torch.equal(changed, RANDOM[name](images, generator(4)))


def test_a_quarter_turn_says_how_far():
    images = numbered(40)
    turned, turns = augment.random_quarter_turn(images, generator())
    assert set(turns.tolist()) == {0, 1, 2, 3}
    assert all(torch.equal(image, images[0].rot90(int(turn), (1, 2))) for image, turn in zip(turned, turns))


def test_the_fused_form_crops_and_colours_like_the_exact_one_where_nothing_is_clipped():
    images = 0.4 + 0.2 * pictures(64)
    options = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2}
    fused = augment.fused_crop_and_color(images, hue=0, flip=0, grayscale=0, jitter=1, generator=generator(), **options)
    source = generator()
    boxes = augment._crop_boxes(images, (0.2, 1.0), (3 / 4, 4 / 3), source)
    augment._drawn(images, 0, source)
    factors, hues, order = augment._jitter(images, (0.2, 0.2, 0.2), 0, 1, source)
    exact = augment.adjust_colors(augment.resized_crop(images, boxes), factors, hues, order)
    torch.testing.assert_close(fused, exact, rtol=0, atol=1e-5)
