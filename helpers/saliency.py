"""What both `explain` rooms compute alike: gradient ascent, Grad-CAM, occlusion; on NumPy arrays, without a framework.

Images are float32 arrays `(N, H, W, C)` in [0, 1]. What needs the network comes in as a small function of the room,
array to array. Users call `helpers.keras.explain` or `helpers.torch.explain`.
"""

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from scipy.special import softmax


def gradient_ascent(score, gradient, start, num_steps, learning_rate, blur, decay, jitter, background, seed):
    """Climb from `start` to images with a high score.

    Plain ascent finds high-frequency noise. Three things make the pictures readable. The gradient is smoothed, so that
    broad strokes grow before pixels do (Yosinski et al. 2015, arXiv 1506.06579, blur the image instead, which also
    wipes out what was found). Each step lets the image decay towards the background, so that only what the score
    keeps asking for stays (the L2 term of Simonyan et al. 2013, arXiv 1312.6034). Each gradient is taken at a slightly
    shifted image.

    The gradient is scaled to a root-mean-square of 1 per image, so that the same settings suit scores of any size.

    Args:
        score: function, images `(N, H, W, C)` -> `(N,)`; image i alone decides number i.
        gradient: function, images `(N, H, W, C)` -> gradient of the sum of their scores, `(N, H, W, C)`.
        start: float32 `(N, H, W, C)` in [0, 1].
        num_steps: steps, >= 0.
        learning_rate: root-mean-square change of a pixel in one step, in units of the range [0, 1].
        blur: standard deviation of the Gaussian that smooths the gradient, pixels; 0: none.
        decay: part of the way back to `background` that each step goes, in [0, 1).
        jitter: largest shift of an image before its gradient is taken, pixels, each way; 0: none.
        background: colour in [0, 1] that the image decays to: 0.5 for photos, 0.0 for white digits on black.
        seed: of the shifts.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, scores of the unshifted images, of the start first.

    Raises:
        ValueError: if `score` does not give one number per image.
        FloatingPointError: if a score or gradient is not finite.
    """
    generator = np.random.default_rng(seed)
    images = start
    history = [_checked_scores(score, images)]
    for _ in range(num_steps):
        shift = generator.integers(-jitter, jitter + 1, 2)
        uphill = np.roll(gradient(np.roll(images, shift, axis=(1, 2))), -shift, axis=(1, 2))
        if not np.isfinite(uphill).all():
            raise FloatingPointError("a gradient of the score is not finite; look for a division or logarithm of zero")
        if blur > 0:
            uphill = gaussian_filter(uphill, blur, mode="mirror", radius=round(2 * blur), axes=(1, 2))
        # A gradient of zero (a dead filter) stays zero.
        uphill /= np.maximum(np.sqrt(np.square(uphill).mean((1, 2, 3), keepdims=True)), 1e-12)
        images = images + learning_rate * uphill
        images = np.clip(background + (images - background) * (1 - decay), 0, 1).astype(np.float32)
        history.append(_checked_scores(score, images))
    return images, np.stack(history)


def noise(num_images, image_shape, background, seed):
    """Start of an ascent: normal noise of standard deviation 0.1 around `background`, float32 `(N, H, W, C)`."""
    values = np.random.default_rng(seed).normal(background, 0.1, (num_images, *image_shape))
    return np.clip(values, 0, 1).astype(np.float32)


def grad_cam(layer, features, gradients, image_size, scaled):
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, eqs. 1 and 2) from a layer's output and its gradient.

    Args:
        layer: its name, for the error message.
        features: float32 `(N, H', W', K)`, output of the layer.
        gradients: float32 `(N, H', W', K)`, gradient of the class logits with respect to `features`.
        image_size: `(H, W)`, pixels.
        scaled: divide each map by its peak.

    Returns:
        float32 array `(N, H, W)`, upsampled bilinearly; a map without positive evidence is all zero.

    Raises:
        ValueError: if the layer has no spatial output.
    """
    if features.ndim != 4 or features.shape[1] * features.shape[2] == 1:
        raise ValueError(f"layer {layer!r} has no spatial output: expected (N, H, W, K) with H * W > 1 (channels moved "
                         f"last), got {features.shape}; choose a convolution or pooling layer before the classifier")
    weights = gradients.mean((1, 2), keepdims=True)  # eq. 1
    maps = np.maximum((weights * features).sum(-1), 0)  # eq. 2
    factors = (1, image_size[0] / maps.shape[1], image_size[1] / maps.shape[2])
    maps = zoom(maps, factors, order=1, mode="nearest", grid_mode=True)
    peaks = maps.max((1, 2), keepdims=True)
    return maps / np.where(peaks > 0, peaks, 1) if scaled else maps


def occlusion(logits, images, class_indices, patch_size, stride, fill, batch_size):
    """Occlusion sensitivity (Zeiler & Fergus 2013, arXiv 1311.2901, section 4.2): what is missed when it is covered.

    Args:
        logits: function, images `(N, H, W, C)` -> `(N, K)`.
        images: float32 `(N, H, W, C)` in [0, 1].
        class_indices, patch_size, stride, fill, batch_size: as in the rooms' `occlusion`.

    Returns:
        float32 array `(N, H, W)`: drop of the class probability, mean over all squares that cover the pixel.

    Raises:
        ValueError: if `patch_size` or `stride` does not fit, or a class does not exist.
    """
    squares = _squares(*images.shape[1:3], patch_size, stride)
    outputs = logits(images)
    classes = checked_indices(outputs.argmax(1) if class_indices is None else class_indices, *outputs.shape)
    colours = images.mean((1, 2)) if fill is None else [fill] * len(images)
    drops, visits = np.zeros(images.shape[:3], np.float32), np.zeros(images.shape[1:3], np.float32)
    for image, colour, class_index, output, drop in zip(images, colours, classes, outputs, drops):
        intact = softmax(output)[class_index]
        for first in range(0, len(squares), batch_size):
            chosen = squares[first : first + batch_size]
            covered = np.repeat(image[None], len(chosen), axis=0)
            for copy, square in zip(covered, chosen):
                copy[square] = colour
            for square, probabilities in zip(chosen, softmax(logits(covered), axis=1)):
                drop[square] += intact - probabilities[class_index]
    for square in squares:
        visits[square] += 1
    return drops / visits


def checked_images(images, layout="(N, H, W, C)"):
    """A float32 copy of a batch of float images in [0, 1]; ValueError for anything else, naming the room's layout."""
    if images.ndim != 4 or not images.size or not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"expected float images {layout} in [0, 1], got {images.dtype} {images.shape}; "
                         "divide uint8 images by 255, and give a single image as images[None]")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"expected images in [0, 1], got values from {low:g} to {high:g}; the model normalises itself")
    return images.astype(np.float32)


def checked_indices(indices, num_images, num_outputs):
    """The indices as an array `(N,)`; ValueError unless they are one integer in [0, num_outputs) for each image."""
    indices = np.asarray(indices)
    integers = np.issubdtype(indices.dtype, np.integer)
    if indices.shape != (num_images,) or not integers or indices.min() < 0 or indices.max() >= num_outputs:
        raise ValueError(f"expected one integer from 0 to {num_outputs - 1} for each of {num_images} images, "
                         f"got {indices.tolist()}")
    return indices


def _checked_scores(score, images):
    scores = score(images)
    if scores.shape != images.shape[:1]:
        raise ValueError(f"score must give one number per image, ({len(images)},), got {scores.shape}")
    if not np.isfinite(scores).all():
        raise FloatingPointError(f"score must be finite, got {scores.tolist()}")
    return scores


def _squares(height, width, patch_size, stride):
    """Rows and columns of each square, as a pair of slices; together the squares leave no gap."""
    patch_size = min(height, width) // 4 if patch_size is None else patch_size
    stride = max(1, patch_size // 4) if stride is None else stride
    if not 1 <= stride <= patch_size <= min(height, width):
        raise ValueError(f"expected 1 <= stride <= patch_size <= {min(height, width)} (the image's shorter side), "
                         f"got stride {stride} and patch_size {patch_size}")
    corners = [sorted({*range(0, size - patch_size, stride), size - patch_size}) for size in (height, width)]
    return [tuple(slice(first, first + patch_size) for first in corner) for corner in itertools.product(*corners)]
