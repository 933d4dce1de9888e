"""Near-duplicates: the same photo in another encoding, size or brightness, a little cropped, or mirrored."""

import numpy as np

SIDE = 16  # frequencies of the cosine transform in each direction
BLOCK = 500  # images that are compared at a time with all others


def find(image_set_a, image_set_b, max_distance=64):
    """Return the pairs of images that show (nearly) the same picture.

    Compared are the signs of the 255 lowest frequencies of the grey image (a perceptual hash), as it is and mirrored.
    Images without structure match none. Measured at 64 pixels on 600 flowers: found were all that had been encoded
    anew (JPEG of quality 20), scaled to a third, mirrored or made 20 % brighter or darker, and nine in ten of those cut
    by 3 % at each side. Of 4.3 million pairs of other files, 22 were found, all the same photo, and the next differed
    in 85 bits. Of CIFAR-10's test images, 263 were found in its training set (383 pairs, all of one class; Barz and
    Denzler 2020, arXiv 1902.00423, count 3.3 % by eye). Drawn or written signs are alike: for these, 8 bits.

    Args:
        image_set_a: ImageSet of N images.
        image_set_b: ImageSet of M images, their shape may be another; the same object to find pairs within a set.
        max_distance: int, bits of 255 in which two images may differ.

    Returns:
        int64 `(P, 2)`, indices into a and b, the nearest first; within one set, the first is smaller than the second.
    """
    signs, others = _signs(image_set_a.images), _signs(image_set_b.images)
    mirrored = others * np.tile(np.float32([1, -1]), SIDE ** 2 // 2)[1:]  # odd frequencies along the width turn round
    pairs = np.empty((0, 3))
    for start in range(0, len(signs), BLOCK):
        agreed = np.maximum(signs[start:start + BLOCK] @ others.T, signs[start:start + BLOCK] @ mirrored.T)
        i, j = np.nonzero(agreed >= SIDE ** 2 - 1 - 2 * max_distance)  # bits that agree, less those that differ
        pairs = np.concatenate([pairs, np.column_stack([-agreed[i, j], i + start, j])])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable"), 1:].astype(np.int64)
    return pairs[pairs[:, 0] < pairs[:, 1]] if image_set_a is image_set_b else pairs


def _signs(images):
    """Return float32 `(N, 255)`: 1 or -1, the sign of each low frequency; 0 for images without structure."""
    rows, columns = (np.cos(np.pi / n * np.outer(range(SIDE), np.arange(n) + 0.5)) / n for n in images.shape[1:3])
    columns = columns.repeat(images.shape[3], axis=1).T / images.shape[3]  # of the grey image, the channels' mean
    blocks = (block.reshape(*block.shape[:2], len(columns)) for block in np.array_split(images, len(images) // 50 + 1))
    waves = np.concatenate([rows @ (block @ columns) for block in blocks]).reshape(-1, SIDE ** 2)[:, 1:]
    return np.float32(np.sign(waves) * (np.abs(waves).max(axis=1, keepdims=True) > 0.5))  # of 255 greys
