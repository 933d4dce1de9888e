"""Augmentation of a whole batch on its device, every image with random numbers of its own.

`generator` is a torch.Generator on the images' device; None takes the default one, which `runtime.seed_everything`
seeds and `training.Checkpoint` saves. Images given to the operations on colours are RGB. Call them outside of autocast,
which would crop and blur in half precision.

What torchvision's `v2` has under the same name means the same there; but called on a batch, v2 draws once for all
images. The functions that draw come in pairs with one that is told: `random_resized_crop` and `resized_crop`,
`random_color_jitter` and `adjust_colors`, `random_gaussian_blur` and `gaussian_blur`.
"""

import math

import torch
from torch.nn import functional

GRAY = (0.2989, 0.587, 0.114)  # weights of red, green and blue, torchvision's


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


def random_resized_crop(images, size=None, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3), generator=None):
    """Cut a box of random area and shape out of each image and resize it, as torchvision's `RandomResizedCrop`.

    Args:
        images: float `(N, C, H, W)`.
        size: int, side of the square result in pixels; None keeps H x W.
        scale: share of the image's area that a box covers, least and most.
        ratio: its width / height, least and most, drawn evenly on a logarithmic axis.
        generator: see above.

    Returns:
        float `(N, C, size, size)`.
    """
    return resized_crop(images, _crop_boxes(images, scale, ratio, generator), size)


def resized_crop(images, boxes, size=None):
    """Cut `boxes` out of images and resize them, bilinear with antialiasing.

    Args:
        images: float `(N, C, H, W)`.
        boxes: `(N, 4)`, top, left, height, width in pixels, inside the image.
        size: int, side of the square result in pixels; None keeps H x W.

    Returns:
        float `(N, C, size, size)`.
    """
    top, left, height, width = boxes.float().unbind(1)
    rows = _resize_weights(top, height, images.shape[2], size or images.shape[2])
    columns = _resize_weights(left, width, images.shape[3], size or images.shape[3])
    return _along_both_axes(images, rows, columns)


def random_color_jitter(images, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, probability=0.8,
                        generator=None):
    """Change the colours of each image, the operations in an order of its own, as torchvision's `ColorJitter`.

    Args:
        images: float `(N, 3, H, W)` in [0, 1].
        brightness, contrast, saturation: float, strength s; the factor is drawn from [max(0, 1 - s), 1 + s].
        hue: float in [0, 0.5]; the hue is turned by a share of the full circle drawn from [-hue, hue].
        probability: float in [0, 1], with which an image is changed at all.
        generator: see above.

    Returns:
        float `(N, 3, H, W)` in [0, 1].
    """
    return adjust_colors(images, *_jitter(images, (brightness, contrast, saturation), hue, probability, generator))


def adjust_colors(images, factors, hues, order):
    """Apply torchvision's brightness, contrast, saturation and hue, to each image in its own order.

    Args:
        images: float `(N, 3, H, W)` in [0, 1].
        factors: `(N, 3)`, of brightness, contrast and saturation; 1 changes nothing.
        hues: `(N,)`, turn of the hue as a share of the full circle; 0 changes nothing.
        order: int `(N, 4)`, the operations as they follow: 0 brightness, 1 contrast, 2 saturation, 3 hue.

    Returns:
        float `(N, 3, H, W)` in [0, 1].
    """
    # The hue, which costs most, is turned once for all images: between two rounds of the other three operations. Those
    # that come before the hue take place in the first round, the others in the second.
    rank = torch.arange(3, device=images.device)
    before_hue = rank < (order == 3).int().argmax(1, keepdim=True)
    blends = order.gather(1, rank + ~before_hue)
    factors = factors.gather(1, blends)
    images = _blends(images, torch.where(before_hue, factors, 1), blends)
    return _blends(_turn_hue(images, hues), torch.where(before_hue, 1, factors), blends)


def random_grayscale(images, probability=0.2, generator=None):
    """Take the colours out of each image with the given probability; float `(N, 3, H, W)` in and out."""
    return torch.where(_drawn(images, probability, generator), _gray(images), images)


def random_gaussian_blur(images, kernel_size=None, sigma=(0.1, 2.0), probability=0.5, generator=None):
    """Blur each image with the given probability, by a Gaussian of its own width.

    Args:
        images: float `(N, C, H, W)`.
        kernel_size: odd int, pixels; None is the odd number nearest to a tenth of H, as in SimCLR, at least 3.
        sigma: standard deviation in pixels, least and most.
        probability: float in [0, 1].
        generator: see above.

    Returns:
        float `(N, C, H, W)`.
    """
    kernel_size = kernel_size or max(3, images.shape[2] // 20 * 2 + 1)
    blurred = gaussian_blur(images, _uniform(images, (), *sigma, generator), kernel_size)
    return torch.where(_drawn(images, probability, generator), blurred, images)


def gaussian_blur(images, sigmas, kernel_size):
    """Blur each image by its own standard deviation; the border is mirrored, as in torchvision's `gaussian_blur`.

    Args:
        images: float `(N, C, H, W)`.
        sigmas: `(N,)`, pixels.
        kernel_size: odd int, pixels; at most 2 min(H, W) - 1.

    Returns:
        float `(N, C, H, W)`.
    """
    offsets = torch.arange(kernel_size, device=images.device) - kernel_size // 2
    weights = functional.softmax(-0.5 * (offsets / sigmas[:, None]).square(), 1)  # (N, K)

    def matrices(length):  # (N, length, length): row i holds the weights of the pixels that make pixel i
        places = torch.arange(length, device=images.device)[:, None] + offsets
        mirrored = (length - 1) - ((length - 1) - places.abs()).abs()
        return torch.einsum("nk,lkm->nlm", weights, functional.one_hot(mirrored, length).to(weights.dtype))

    return _along_both_axes(images, matrices(images.shape[2]), matrices(images.shape[3]))


def random_quarter_turn(images, generator=None):
    """Turn each image by 0, 90, 180 or 270 degrees, without interpolation.

    Args:
        images: `(N, C, S, S)`, any dtype and range.
        generator: see above.

    Returns:
        images `(N, C, S, S)` of the same dtype, and int64 `(N,)`, by how many quarters each was turned
        counter-clockwise, 0 to 3.
    """
    count = len(images)
    turns = torch.randint(4, (count,), generator=generator, device=images.device)
    turned = torch.stack([images.rot90(quarters, (2, 3)) for quarters in range(4)])
    return turned[turns, torch.arange(count, device=images.device)], turns


def fused_crop_and_color(images, size=None, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3), flip=0.5, brightness=0.4,
                         contrast=0.4, saturation=0.4, hue=0.1, jitter=0.8, grayscale=0.2, generator=None):
    """Crop, flip, jitter and grey as one warp and one colour matrix an image: several times faster, not the same.

    It differs from the functions above in three ways: the hue is turned in YIQ, not in HSV; values are brought back to
    [0, 1] once, at the end; a crop is interpolated without antialiasing.

    Args:
        images: float `(N, 3, H, W)` in [0, 1].
        size, scale, ratio: as in `random_resized_crop`.
        brightness, contrast, saturation, hue: as in `random_color_jitter`.
        flip, jitter, grayscale: probabilities of the three.
        generator: see above.

    Returns:
        float `(N, 3, size, size)` in [0, 1].
    """
    boxes = _crop_boxes(images, scale, ratio, generator)
    warped = _warp(images, boxes, _drawn(images, flip, generator).flatten(), size)
    factors, hues, order = _jitter(images, (brightness, contrast, saturation), hue, jitter, generator)
    gray = _drawn(images, grayscale, generator).flatten()
    matrix, shift = _color_matrix(warped.mean((2, 3)), factors, hues, order, gray)
    colored = torch.baddbmm(shift[:, :, None], matrix, warped.flatten(2))
    return colored.clamp_(0, 1).view_as(warped)


def _constant(values, device):
    """A small tensor, copied without waiting for what the device is doing."""
    return torch.tensor(values).to(device, non_blocking=True)


def _uniform(images, shape, low, high, generator):
    """Random numbers `(N, *shape)` between `low` and `high`."""
    return low + (high - low) * torch.rand(len(images), *shape, generator=generator, device=images.device)


def _drawn(images, probability, generator):
    """Bool `(N, 1, 1, 1)`, True with the given probability."""
    return _uniform(images, (1, 1, 1), 0, 1, generator) < probability


def _gray(images):
    red, green, blue = images.unbind(1)
    return (GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue)[:, None]


def _crop_boxes(images, scale, ratio, generator):
    """Boxes `(N, 4)` drawn as torchvision does: the first of ten tries that fits, else the middle of the image."""
    height, width = images.shape[2:]
    area = height * width * _uniform(images, (10,), *scale, generator)
    shape = _uniform(images, (10,), math.log(ratio[0]), math.log(ratio[1]), generator).exp()
    widths, heights = (area * shape).sqrt().round(), (area / shape).sqrt().round()
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    first = fits.int().argmax(1, keepdim=True)
    widths, heights = widths.gather(1, first)[:, 0], heights.gather(1, first)[:, 0]
    top = (_uniform(images, (), 0, 1, generator) * (height - heights + 1)).floor()
    left = (_uniform(images, (), 0, 1, generator) * (width - widths + 1)).floor()
    most_height, most_width = min(height, round(width / ratio[0])), min(width, round(height * ratio[1]))
    middle = [(height - most_height) // 2, (width - most_width) // 2, most_height, most_width]
    drawn = torch.stack([top, left, heights, widths], 1)
    return torch.where(fits.any(1, keepdim=True), drawn, _constant(middle, images.device))


def _resize_weights(start, length, old_size, new_size):
    """`(N, new_size, old_size)`: how much of each old pixel goes into each new one, along one axis of a crop."""
    step = length / new_size
    centre = start[:, None] + (torch.arange(new_size, device=start.device) + 0.5) * step[:, None] - 0.5
    places = torch.arange(old_size, device=start.device)
    distance = (centre[:, :, None] - places).abs() / step.clamp(min=1)[:, None, None]
    inside = (places >= start[:, None]) & (places < (start + length)[:, None])
    weights = (1 - distance).clamp_(min=0) * inside[:, None]
    return weights / weights.sum(2, keepdim=True)


def _along_both_axes(images, rows, columns):
    """rows `(N, h, H)` times each channel of images `(N, C, H, W)` times columns `(N, w, W)` transposed."""
    count, channels, height, width = images.shape
    narrowed = torch.bmm(images.reshape(count, channels * height, width), columns.transpose(1, 2))
    return torch.matmul(rows[:, None], narrowed.view(count, channels, height, -1))


def _jitter(images, strengths, hue, probability, generator):
    """Draw the factors `(N, 3)`, hues `(N,)` and order `(N, 4)` of a colour jitter."""
    factors = torch.stack([_uniform(images, (), max(0.0, 1 - strength), 1 + strength, generator)
                           for strength in strengths], 1)
    hues = _uniform(images, (), -hue, hue, generator)
    order = _uniform(images, (4,), 0, 1, generator).argsort(1)
    changed = _drawn(images, probability, generator).view(-1)
    return torch.where(changed[:, None], factors, 1), torch.where(changed, hues, 0), order


def _blends(images, factors, operations):
    """Three times mix each image with black (0), its mean grey (1) or its grey self (2), and clip to [0, 1]."""
    for factor, operation in zip(factors.T[..., None, None, None], operations.T[..., None, None, None]):
        gray = _gray(images)
        other = torch.where(operation == 2, gray, torch.where(operation == 1, gray.mean((2, 3), keepdim=True), 0))
        images = torch.lerp(other, images, factor).clamp_(0, 1)
    return images


def _turn_hue(images, hues):
    """Turn the hue of HSV, keeping value and chroma: each colour is value - chroma * a trapezium of the hue."""
    value, least = images.amax(1), images.amin(1)
    chroma = value - least
    red, green, blue = images.unbind(1)
    divisor = torch.where(chroma == 0, 1, chroma)
    sixth = torch.where(value == red, (green - blue) / divisor,
                        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor))
    sixth = sixth + 6 * hues[:, None, None]
    corners = torch.arange(5, 0, -2, device=images.device)[:, None, None]
    place = (sixth[:, None] + corners).remainder(6)
    return value[:, None] - chroma[:, None] * torch.minimum(place, 4 - place).clamp_(0, 1)


def _warp(images, boxes, mirrored, size):
    """Crop, resize and mirror in one `grid_sample`; no antialiasing."""
    height, width = images.shape[2:]
    top, left, box_height, box_width = boxes.unbind(1)

    def places(start, length, new_size, old_size):  # (N, new_size) in grid_sample's units, -1 to 1
        centre = (torch.arange(new_size, device=images.device) + 0.5) * (length / new_size)[:, None]
        inside = torch.minimum(centre.clamp(min=0.5), (length - 0.5)[:, None])
        return (start[:, None] + inside) * (2 / old_size) - 1

    y, x = places(top, box_height, size or height, height), places(left, box_width, size or width, width)
    x = torch.where(mirrored[:, None], x.flip(1), x)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), 3)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _color_matrix(mean_color, factors, hues, order, gray):
    """Matrix `(N, 3, 3)` and shift `(N, 3)` that do to a colour what the operations do in their order, but clip."""
    identity, weights = torch.eye(3, device=factors.device), _constant(GRAY, factors.device)
    to_gray = weights.expand(3, 3)
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    to_yiq, from_yiq = (each.to(factors.device, non_blocking=True) for each in (to_yiq, torch.linalg.inv(to_yiq)))
    angle = 2 * math.pi * hues
    turn = torch.zeros(len(factors), 3, 3, device=factors.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = angle.sin(), -angle.sin()
    brightness, contrast, saturation = factors.T[:, :, None, None]
    operations = torch.stack([brightness * identity, contrast * identity,
                              torch.lerp(to_gray, identity, saturation), from_yiq @ turn @ to_yiq], 1)
    matrix, shift = identity.expand_as(turn), torch.zeros_like(mean_color)
    for which in order.T:
        operation = operations[torch.arange(len(which), device=which.device), which]
        mean_gray = (torch.bmm(matrix, mean_color[:, :, None])[:, :, 0] + shift) @ weights
        offset = torch.where(which == 1, (1 - factors[:, 1]) * mean_gray, 0)
        matrix, shift = operation @ matrix, (operation @ shift[:, :, None])[:, :, 0] + offset[:, None]
    last = torch.where(gray[:, None, None], to_gray, identity)
    return last @ matrix, (last @ shift[:, :, None])[:, :, 0]
