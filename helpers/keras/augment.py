"""Augmentation of a whole batch on its device, every image with random numbers of its own.

Pure Keras 3, for the TensorFlow, JAX and torch backends, and within a compiled graph too (XLA included). `generator` is
a keras.random.SeedGenerator that a layer or model holds, so that `training.Checkpoint` saves its state; None takes the
global one, whose state cannot be saved. Images given to the operations on colours are RGB.

Of Keras' own layers, `RandomCrop` draws one place and `RandomGaussianBlur` one width for the whole batch, and there is
no `RandomResizedCrop`. The functions that draw come in pairs with one that is told, which computes what torchvision's
does: `random_resized_crop` and `resized_crop`, `random_color_jitter` and `adjust_colors`, `random_gaussian_blur` and
`gaussian_blur`.
"""

import math

import keras
from keras import ops

GRAY = (0.2989, 0.587, 0.114)  # weights of red, green and blue, torchvision's


def random_crop(images, padding, generator=None):
    """Pad with zeros, then cut a window of the old size at a place of its own for each image.

    The augmentation of He et al. 2015 for CIFAR (arXiv 1512.03385, section 4.2).

    Args:
        images: `(N, H, W, C)`, any dtype and range in which 0 is black.
        padding: int, pixels at each side; 0 changes nothing.
        generator: see above.

    Returns:
        `(N, H, W, C)` of the same dtype.
    """
    if padding == 0:
        return images
    padded = ops.pad(images, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    count, height, width, channels = ops.shape(padded)
    top, left = ops.unstack(keras.random.randint((2, count), 0, 2 * padding + 1, seed=generator))
    rows = (ops.arange(count) * height + top)[:, None] + ops.arange(height - 2 * padding)  # (N, H), of all images' rows
    columns = left[:, None] + ops.arange(width - 2 * padding)  # (N, W)
    places = rows[:, :, None] * width + columns[:, None, :]  # (N, H, W): one gather is four times as fast as two
    return ops.take(ops.reshape(padded, (-1, channels)), places, axis=0)


def random_horizontal_flip(images, probability=0.5, generator=None):
    """Mirror each image left to right with the given probability.

    Args:
        images: `(N, H, W, C)`, any dtype and range.
        probability: float in [0, 1].
        generator: see above.

    Returns:
        `(N, H, W, C)` of the same dtype.
    """
    mirrored = _uniform(images, (1, 1, 1), 0, 1, generator) < probability
    return ops.where(mirrored, ops.flip(images, axis=2), images)


def cutout(images, size, fill=0.0, generator=None):
    """Cover a square of each image (DeVries & Taylor 2017, arXiv 1708.04552).

    The square's centre is any pixel of the image, so that part of the square may lie outside, as in the paper.

    Args:
        images: `(N, H, W, C)`, any dtype and range.
        size: int, side of the square in pixels; 0 changes nothing.
        fill: colour of the square, in the images' range.
        generator: see above.

    Returns:
        `(N, H, W, C)` of the same dtype.
    """
    if size == 0:
        return images
    count, height, width, _ = ops.shape(images)

    def covered(length):
        first = keras.random.randint((count, 1), 0, length, seed=generator) - size // 2
        offset = ops.arange(length) - first  # (N, length), 0 where the square begins
        return (offset >= 0) & (offset < size)

    rows, columns = covered(height), covered(width)
    return ops.where(rows[:, :, None, None] & columns[:, None, :, None], ops.cast(fill, images.dtype), images)


def random_resized_crop(images, size=None, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3), generator=None):
    """Cut a box of random area and shape out of each image and resize it, as torchvision's `RandomResizedCrop`.

    Args:
        images: float `(N, H, W, C)`.
        size: int, side of the square result in pixels; None keeps H x W.
        scale: share of the image's area that a box covers, least and most.
        ratio: its width / height, least and most, drawn evenly on a logarithmic axis.
        generator: see above.

    Returns:
        float `(N, size, size, C)`.
    """
    return resized_crop(images, _crop_boxes(images, scale, ratio, generator), size)


def resized_crop(images, boxes, size=None):
    """Cut `boxes` out of images and resize them, bilinear with antialiasing.

    Args:
        images: float `(N, H, W, C)`.
        boxes: `(N, 4)`, top, left, height, width in pixels, inside the image.
        size: int, side of the square result in pixels; None keeps H x W.

    Returns:
        float `(N, size, size, C)`.
    """
    height, width = images.shape[1:3]
    top, left, box_height, box_width = ops.unstack(ops.cast(boxes, "float32"), axis=1)
    rows = _resize_weights(top, box_height, height, size or height)
    columns = _resize_weights(left, box_width, width, size or width)
    return _along_both_axes(images, rows, columns)


def random_color_jitter(images, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, probability=0.8,
                        generator=None):
    """Change the colours of each image, the operations in an order of its own, as torchvision's `ColorJitter`.

    Args:
        images: float `(N, H, W, 3)` in [0, 1].
        brightness, contrast, saturation: float, strength s; the factor is drawn from [max(0, 1 - s), 1 + s].
        hue: float in [0, 0.5]; the hue is turned by a share of the full circle drawn from [-hue, hue].
        probability: float in [0, 1], with which an image is changed at all.
        generator: see above.

    Returns:
        float `(N, H, W, 3)` in [0, 1].
    """
    factors = ops.stack([_uniform(images, (), max(0.0, 1 - strength), 1 + strength, generator)
                         for strength in (brightness, contrast, saturation)], axis=1)
    hues = _uniform(images, (), -hue, hue, generator)
    order = ops.argsort(_uniform(images, (4,), 0, 1, generator), axis=1)
    changed = _uniform(images, (), 0, 1, generator) < probability
    return adjust_colors(images, ops.where(changed[:, None], factors, 1.0), ops.where(changed, hues, 0.0), order)


def adjust_colors(images, factors, hues, order):
    """Apply torchvision's brightness, contrast, saturation and hue, to each image in its own order.

    Args:
        images: float `(N, H, W, 3)` in [0, 1].
        factors: `(N, 3)`, of brightness, contrast and saturation; 1 changes nothing.
        hues: `(N,)`, turn of the hue as a share of the full circle; 0 changes nothing.
        order: int `(N, 4)`, the operations as they follow: 0 brightness, 1 contrast, 2 saturation, 3 hue.

    Returns:
        float `(N, H, W, 3)` in [0, 1].
    """
    # The hue, which costs most, is turned once for all images: between two rounds of the other three operations. Those
    # that come before the hue take place in the first round, the others in the second.
    images, factors, hues = (ops.cast(values, "float32") for values in (images, factors, hues))
    rank = ops.arange(3, dtype="int32")
    before_hue = rank < ops.cast(ops.argmax(ops.cast(ops.equal(order, 3), "int32"), axis=1), "int32")[:, None]
    blends = ops.take_along_axis(order, rank + ops.cast(ops.logical_not(before_hue), "int32"), axis=1)
    factors = ops.take_along_axis(factors, blends, axis=1)
    images = _blends(images, ops.where(before_hue, factors, 1.0), blends)
    return _blends(_turn_hue(images, hues), ops.where(before_hue, 1.0, factors), blends)


def random_grayscale(images, probability=0.2, generator=None):
    """Take the colours out of each image with the given probability; float `(N, H, W, 3)` in and out."""
    return ops.where(_uniform(images, (1, 1, 1), 0, 1, generator) < probability, _gray(images), images)


def random_gaussian_blur(images, kernel_size=None, sigma=(0.1, 2.0), probability=0.5, generator=None):
    """Blur each image with the given probability, by a Gaussian of its own width.

    Args:
        images: float `(N, H, W, C)`.
        kernel_size: odd int, pixels; None is the odd number nearest to a tenth of H, as in SimCLR, at least 3.
        sigma: standard deviation in pixels, least and most.
        probability: float in [0, 1].
        generator: see above.

    Returns:
        float `(N, H, W, C)`.
    """
    kernel_size = kernel_size or max(3, images.shape[1] // 20 * 2 + 1)
    blurred = gaussian_blur(images, _uniform(images, (), *sigma, generator), kernel_size)
    return ops.where(_uniform(images, (1, 1, 1), 0, 1, generator) < probability, blurred, images)


def gaussian_blur(images, sigmas, kernel_size):
    """Blur each image by its own standard deviation; the border is mirrored, as in torchvision's `gaussian_blur`.

    Args:
        images: float `(N, H, W, C)`.
        sigmas: `(N,)`, pixels.
        kernel_size: odd int, pixels; at most 2 min(H, W) - 1.

    Returns:
        float `(N, H, W, C)`.
    """
    offsets = ops.arange(kernel_size, dtype="int32") - kernel_size // 2
    widths = ops.cast(offsets, "float32") / ops.cast(sigmas, "float32")[:, None]
    weights = ops.softmax(-0.5 * ops.square(widths), axis=1)  # (N, K)

    def matrices(length):  # (N, length, length): row i holds the weights of the pixels that make pixel i
        places = ops.arange(length, dtype="int32")[:, None] + offsets
        mirrored = (length - 1) - ops.abs((length - 1) - ops.abs(places))
        return ops.einsum("nk,lkm->nlm", weights, ops.one_hot(mirrored, length))

    return _along_both_axes(images, matrices(images.shape[1]), matrices(images.shape[2]))


def random_quarter_turn(images, generator=None):
    """Turn each image by 0, 90, 180 or 270 degrees, without interpolation.

    Args:
        images: `(N, S, S, C)`, any dtype and range.
        generator: see above.

    Returns:
        images `(N, S, S, C)` of the same dtype, and int32 `(N,)`, by how many quarters each was turned
        counter-clockwise, 0 to 3.
    """
    turns = keras.random.randint((ops.shape(images)[0],), 0, 4, seed=generator)
    turned = images
    for quarters in (1, 2, 3):
        turned = ops.where((turns == quarters)[:, None, None, None], ops.rot90(images, quarters, (1, 2)), turned)
    return turned, turns


def _uniform(images, shape, low, high, generator):
    """Random numbers `(N, *shape)` between `low` and `high`."""
    drawn = keras.random.uniform((ops.shape(images)[0], *shape), seed=generator)
    # The remainder changes no number below 1. It keeps XLA from drawing the number of an image anew for each of its
    # pixels: on a CPU a flip takes a thirtieth of the time.
    return low + (high - low) * ops.mod(drawn, 1.0)


def _gray(images):
    red, green, blue = ops.split(images, 3, axis=3)  # planes: a sum over the three channels is slower
    return GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue


def _crop_boxes(images, scale, ratio, generator):
    """Boxes `(N, 4)` drawn as torchvision does: the first of ten tries that fits, else the middle of the image."""
    height, width = images.shape[1:3]
    area = height * width * _uniform(images, (10,), *scale, generator)
    shape = ops.exp(_uniform(images, (10,), math.log(ratio[0]), math.log(ratio[1]), generator))
    widths, heights = ops.round(ops.sqrt(area * shape)), ops.round(ops.sqrt(area / shape))
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    first = ops.argmax(ops.cast(fits, "int32"), axis=1)[:, None]
    widths, heights = (ops.take_along_axis(sizes, first, axis=1)[:, 0] for sizes in (widths, heights))
    top = ops.floor(_uniform(images, (), 0, 1, generator) * (height - heights + 1))
    left = ops.floor(_uniform(images, (), 0, 1, generator) * (width - widths + 1))
    most_height, most_width = min(height, round(width / ratio[0])), min(width, round(height * ratio[1]))
    middle = [(height - most_height) // 2, (width - most_width) // 2, most_height, most_width]
    drawn = ops.stack([top, left, heights, widths], axis=1)
    return ops.where(ops.any(fits, axis=1, keepdims=True), drawn, ops.convert_to_tensor(middle, dtype=drawn.dtype))


def _resize_weights(start, length, old_size, new_size):
    """`(N, new_size, old_size)`: how much of each old pixel goes into each new one, along one axis of a crop."""
    step = length / new_size
    centre = start[:, None] + (ops.arange(new_size, dtype="float32") + 0.5) * step[:, None] - 0.5
    places = ops.arange(old_size, dtype="float32")
    distance = ops.abs(centre[:, :, None] - places) / ops.maximum(step, 1.0)[:, None, None]
    inside = (places >= start[:, None]) & (places < (start + length)[:, None])
    weights = ops.maximum(1 - distance, 0.0) * ops.cast(inside, "float32")[:, None]
    return weights / ops.sum(weights, axis=2, keepdims=True)


def _along_both_axes(images, rows, columns):
    """rows `(N, h, H)` times each channel of images `(N, H, W, C)` times columns `(N, w, W)` transposed."""
    count, height, width, channels = ops.shape(images)
    narrow = ops.reshape(ops.matmul(rows, ops.reshape(images, (count, height, width * channels))),
                         (count, rows.shape[1], width, channels))
    return ops.matmul(columns[:, None], narrow)


def _blends(images, factors, operations):
    """Three times mix each image with black (0), its mean grey (1) or its grey self (2), and clip to [0, 1]."""
    for i in range(3):
        factor, operation = factors[:, i, None, None, None], operations[:, i, None, None, None]
        gray = _gray(images)
        other = ops.where(operation == 2, gray, ops.where(operation == 1, ops.mean(gray, (1, 2), keepdims=True), 0.0))
        images = ops.clip(factor * images + (1 - factor) * other, 0, 1)
    return images


def _turn_hue(images, hues):
    """Turn the hue of HSV, keeping value and chroma: each colour is value - chroma * a trapezium of the hue."""
    red, green, blue = ops.unstack(images, axis=3)
    value = ops.maximum(ops.maximum(red, green), blue)
    chroma = value - ops.minimum(ops.minimum(red, green), blue)
    divisor = ops.where(chroma == 0, 1.0, chroma)
    sixth = ops.where(value == red, (green - blue) / divisor,
                      ops.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor))
    sixth = sixth + 6 * hues[:, None, None]
    turned = []
    for place in (sixth + 5, sixth + 3, sixth + 1):
        place = place - 6 * ops.floor(place / 6)  # several times as fast as `mod`
        turned.append(value - chroma * ops.clip(ops.minimum(place, 4 - place), 0, 1))
    return ops.stack(turned, axis=3)
