"""Augmentation of a whole batch on its device, every image with random numbers of its own.

`generator` is a torch.Generator on the images' device; None takes the default one, which `runtime.seed_everything`
seeds and `training.Checkpoint` saves.
"""

import torch
from torch.nn import functional


def random_crop(images, padding, generator=None):
    """Pad with zeros, then cut a window of the old size at a place of its own for each image.

    The augmentation of He et al. 2015 for CIFAR (arXiv 1512.03385, section 4.2).

    Args:
        images: `(N, C, H, W)`, any dtype and range in which 0 is black.
        padding: int, pixels at each side; 0 changes nothing.
        generator: see above.

    Returns:
        `(N, C, H, W)` of the same dtype.
    """
    count, _, height, width = images.shape
    windows = functional.pad(images, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)  # a view, no copies
    top, left = torch.randint(2 * padding + 1, (2, count), generator=generator, device=images.device)
    return windows[torch.arange(count, device=images.device), :, top, left]


def random_horizontal_flip(images, probability=0.5, generator=None):
    """Mirror each image left to right with the given probability.

    Args:
        images: `(N, C, H, W)`, any dtype and range.
        probability: float in [0, 1].
        generator: see above.

    Returns:
        `(N, C, H, W)` of the same dtype.
    """
    mirrored = torch.rand(len(images), generator=generator, device=images.device) < probability
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def cutout(images, size, fill=0.0, generator=None):
    """Cover a square of each image (DeVries & Taylor 2017, arXiv 1708.04552).

    The square's centre is any pixel of the image, so that part of the square may lie outside, as in the paper.

    Args:
        images: `(N, C, H, W)`, any dtype and range.
        size: int, side of the square in pixels; 0 changes nothing.
        fill: colour of the square, in the images' range.
        generator: see above.

    Returns:
        `(N, C, H, W)` of the same dtype.
    """
    count, _, height, width = images.shape

    def covered(length):
        first = torch.randint(length, (count, 1), generator=generator, device=images.device) - size // 2
        offset = torch.arange(length, device=images.device) - first  # (N, length), 0 where the square begins
        return (offset >= 0) & (offset < size)

    rows, columns = covered(height), covered(width)
    return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], fill)
