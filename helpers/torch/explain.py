"""What a trained network has learnt: activations, gradient ascent, Grad-CAM, occlusion.

All functions take a model that maps float32 images `(N, C, H, W)` in [0, 1] to logits `(N, K)` (it normalises inside
itself), work on the model's device in evaluation mode, and leave it exactly as they found it: modes, gradients,
`requires_grad`, hooks, batch-norm statistics, and the global random state too. Layers are named as in
`model.named_modules()`; of a layer that runs more than once in a forward pass, the last run counts.
"""

import contextlib
import copy
import itertools

import torch
from torch.nn.functional import interpolate
from torchvision.transforms.functional import gaussian_blur


def activations(model, images, layers):
    """Outputs of the named layers for a batch of images.

    Args:
        model: maps `(N, C, H, W)` to logits `(N, K)`.
        images: float `(N, C, H, W)` in [0, 1].
        layers: list of layer names.

    Returns:
        dict, layer name -> float32 array, `(N, H, W, K)` (channels last) or `(N, D)`.

    Raises:
        ValueError: if the images are not such a batch, or a layer is unknown or did not run.
    """
    with torch.no_grad(), _recording(model, layers) as recorded:
        model(_batch(model, images))
        outputs = {name: _recorded_output(recorded, name) for name in layers}
        return {name: _channels_last(output) for name, output in outputs.items()}


def gradient_ascent(
    score, start, num_steps=256, learning_rate=0.05, blur=1.5, decay=0.05, jitter=2, background=0.5, seed=0
):
    """Climb from `start` to images with a high score.

    Plain ascent finds high-frequency noise. Three things make the pictures readable. The gradient is smoothed, so that
    broad strokes grow before pixels do (Yosinski et al. 2015, arXiv 1506.06579, blur the image instead, which also
    wipes out what was found). Each step lets the image decay towards the background, so that only what the score
    keeps asking for stays (the L2 term of Simonyan et al. 2013). Each gradient is taken at a slightly shifted image.

    The gradient is scaled to a root-mean-square of 1 per image, so that the same settings suit scores of any size.
    Whoever builds `score` on a model puts that in evaluation mode; `class_ascent` and `filter_ascent` do so themselves.

    Args:
        score: function, images `(N, C, H, W)` -> `(N,)`, differentiable; image i alone decides number i.
        start: float `(N, C, H, W)` in [0, 1], on the device where `score` computes.
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
        ValueError: if `start` is not such a batch, or `score` does not give one number per image.
        FloatingPointError: if a score or gradient is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    images = _checked_images(start).detach().float()
    history = [_checked_scores(score, images)]
    for _ in range(num_steps):
        shift = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
        gradient = _gradient(score, images.roll(shift, dims=(2, 3))).roll([-s for s in shift], dims=(2, 3))
        if blur > 0:
            gradient = gaussian_blur(gradient, 2 * round(2 * blur) + 1, blur)
        # A gradient of zero (a dead filter) stays zero.
        gradient = gradient / gradient.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        images = images + learning_rate * gradient
        images = (background + (images - background) * (1 - decay)).clamp(0, 1)
        history.append(_checked_scores(score, images))
    return _channels_last(images), torch.stack(history).cpu().numpy()


def class_ascent(model, image_shape, class_indices, background=0.5, seed=0, **settings):
    """Class gradient ascent from noise (Simonyan et al. 2013, arXiv 1312.6034, section 2): the picture of a class.

    Climbs the class logit, not its probability, which could also rise by lowering the other classes.

    Args:
        model: maps `(N, C, H, W)` to logits `(N, K)`.
        image_shape: `(C, H, W)`.
        class_indices: N integers, one picture each.
        background: colour in [0, 1] around which the noise lies, see `gradient_ascent`.
        seed: of the noise and the shifts.
        **settings: `num_steps`, `learning_rate`, `blur`, `decay`, `jitter` of `gradient_ascent`.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, logits.

    Raises:
        ValueError: if a class does not exist.
    """
    start = _noise(model, len(class_indices), image_shape, background, seed)
    with _recording(model):
        return gradient_ascent(
            lambda images: _picked(model(images), class_indices), start, background=background, seed=seed, **settings
        )


def filter_ascent(model, image_shape, layer, filter_indices, background=0.5, seed=0, **settings):
    """Images that excite single filters: ascent from noise on a filter's mean activation.

    Args:
        model: maps `(N, C, H, W)` to logits `(N, K)`.
        image_shape: `(C, H, W)`.
        layer: name of a layer, best one before its ReLU (behind it, a filter that is off has no gradient).
        filter_indices: N integers, output channels (or units) of the layer, one image each.
        background, seed, **settings: as in `class_ascent`.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, mean activations.

    Raises:
        ValueError: if the layer is unknown or did not run, or a filter does not exist.
    """
    start = _noise(model, len(filter_indices), image_shape, background, seed)
    with _recording(model, [layer]) as recorded:

        def score(images):
            model(images)
            return _picked(_recorded_output(recorded, layer), filter_indices).flatten(1).mean(1)

        return gradient_ascent(score, start, background=background, seed=seed, **settings)


def grad_cam(model, images, layer, class_indices=None, scaled=True):
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, eqs. 1 and 2): where the evidence for a class lies.

    Args:
        model: maps `(N, C, H, W)` to logits `(N, K)`.
        images: float `(N, C, H, W)` in [0, 1].
        layer: name of a layer with output `(N, K, H', W')`; usually the last convolution or the ReLU behind it.
        class_indices: N integers; None: the predicted classes.
        scaled: divide each map by its peak; False leaves the values of eq. 2, to compare images with each other.

    Returns:
        float32 array `(N, H, W)`, upsampled bilinearly to the images' size; in [0, 1] with peak 1 if `scaled`. A map
        without positive evidence is all zero.

    Raises:
        ValueError: if the layer is unknown, did not run or has no spatial output, or a class does not exist.
    """
    with torch.enable_grad(), _recording(model, [layer], detach=True) as recorded:
        images = _batch(model, images)
        logits = model(images)
        features = _recorded_output(recorded, layer)
        if features.ndim != 4 or features.shape[2] * features.shape[3] == 1:
            raise ValueError(
                f"layer {layer!r} has no spatial output: expected (N, K, H, W) with H * W > 1, "
                f"got {tuple(features.shape)}; choose a convolution or pooling layer before the classifier"
            )
        class_scores = _picked(logits, logits.argmax(1) if class_indices is None else class_indices)
        (gradients,) = torch.autograd.grad(class_scores.sum(), features)
    weights = gradients.mean((2, 3), keepdim=True)  # eq. 1
    maps = (weights * features.detach()).sum(1, keepdim=True).relu()  # eq. 2
    maps = interpolate(maps.float(), size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    if scaled:
        peaks = maps.amax((1, 2), keepdim=True)
        maps = maps / peaks.where(peaks > 0, 1)
    return maps.cpu().numpy()


@torch.no_grad()
def occlusion(model, images, class_indices=None, patch_size=None, stride=None, fill=None, batch_size=256):
    """Occlusion sensitivity (Zeiler & Fergus 2013, arXiv 1311.2901, section 4.2): what is missed when it is covered.

    Args:
        model: maps `(N, C, H, W)` to logits `(N, K)`.
        images: float `(N, C, H, W)` in [0, 1].
        class_indices: N integers; None: the predicted classes.
        patch_size: side of the covering square, pixels; None: a quarter of the shorter side.
        stride: pixels between neighbouring squares, at most `patch_size`; None: a quarter of `patch_size`.
        fill: colour of the square in [0, 1]; None: each image's own mean per channel.
        batch_size: covered images in one forward pass.

    Returns:
        float32 array `(N, H, W)`: drop of the class probability, mean over all squares that cover the pixel;
        negative where covering helps.

    Raises:
        ValueError: if `patch_size` or `stride` does not fit, or a class does not exist.
    """
    with _recording(model):
        images = _batch(model, images)
        rows, columns = _squares(*images.shape[2:], patch_size, stride, images.device)
        logits = model(images)
        classes = logits.argmax(1) if class_indices is None else torch.as_tensor(class_indices)
        intact = _picked(logits.softmax(1), classes)
        colours = images.mean((2, 3), keepdim=True) if fill is None else torch.full_like(images[:, :, :1, :1], fill)
        maps = []
        for image, colour, class_index, probability in zip(images, colours, classes.tolist(), intact):
            drops = []
            for row, column in zip(rows.split(batch_size), columns.split(batch_size)):
                covered = (row[:, :, None] * column[:, None, :]).bool()[:, None]
                probabilities = model(torch.where(covered, colour, image)).softmax(1)[:, class_index]
                drops.append(probability - probabilities)
            maps.append((rows * torch.cat(drops)[:, None]).T @ columns)  # sum over the squares of drop * mask
    return (torch.stack(maps) / (rows.T @ columns)).cpu().numpy()


def randomised(model, seed=0):
    """A copy of the model with freshly initialised weights, for the sanity check of saliency maps.

    A map that stays the same when the weights are random shows the image, not the network (Adebayo et al. 2018,
    arXiv 1810.03292).

    Args:
        model: any model whose parameters lie in modules with `reset_parameters`, as those of torch.nn do.
        seed: of the new weights, the same on every device.

    Returns:
        the copy, on the same device and in the same mode.

    Raises:
        ValueError: if a module has parameters of its own and no `reset_parameters`.
    """
    copied = copy.deepcopy(model).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs too
        for name, module in copied.named_modules():
            # nn.MultiheadAttention and nn.Transformer have it under a private name.
            reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
            if reset is not None:
                reset()
            elif next(module.parameters(recurse=False), None) is not None:
                raise ValueError(
                    f"module {name!r} ({type(module).__name__}) has parameters but no reset_parameters(); "
                    "give it that method, so that its weights can be made random too"
                )
    return copied.to(_device(model))


@contextlib.contextmanager
def _recording(model, layers=(), detach=False):
    """Evaluation mode for a while; each forward pass puts the named layers' outputs into the dict it yields.

    With `detach` an output starts a graph of its own, so that gradients reach it even in a frozen network and go no
    further. What goes on through the network is a clone: an in-place ReLU behind a layer does not change its record.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    unknown = [name for name in layers if name not in modules]
    if unknown:
        raise ValueError(f"no layer named {', '.join(map(repr, unknown))}; the model has: {', '.join(modules)}")
    recorded = {}

    def hook(name):
        def record(module, inputs, output):
            if not torch.is_tensor(output):
                raise ValueError(f"layer {name!r} returns a {type(output).__name__}; expected a tensor")
            recorded[name] = output.detach().requires_grad_() if detach else output
            return recorded[name].clone()

        return record

    modes = {module: module.training for module in model.modules()}
    handles = [modules[name].register_forward_hook(hook(name)) for name in layers]
    device = _device(model)
    try:
        model.eval()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield recorded
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training


def _recorded_output(recorded, layer):
    if layer not in recorded:
        raise ValueError(f"layer {layer!r} is part of the model but did not run in its forward pass")
    return recorded[layer]


def _device(model):
    tensor = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if tensor is None else tensor.device


def _checked_images(images):
    images = torch.as_tensor(images)
    if images.ndim != 4 or not images.numel() or not images.is_floating_point():
        raise ValueError(
            f"expected float images (N, C, H, W) in [0, 1], got {images.dtype} {tuple(images.shape)}; "
            "divide uint8 images by 255, and give a single image as images[None]"
        )
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"expected images in [0, 1], got values from {low:g} to {high:g}; the model normalises itself")
    return images


def _batch(model, images):
    # A copy, so that a model that normalises in place does not change the caller's images.
    return _checked_images(images).detach().to(_device(model), torch.float32, copy=True)


def _noise(model, num_images, image_shape, background, seed):
    # Drawn on the CPU, so that a GPU starts from the same noise.
    noise = torch.randn(num_images, *image_shape, generator=torch.Generator().manual_seed(seed))
    return (background + 0.1 * noise).clamp(0, 1).to(_device(model))


def _picked(outputs, indices):
    """outputs[i, indices[i]] for each row i."""
    indices = torch.as_tensor(indices).cpu()
    rows, columns = outputs.shape[:2]
    if indices.shape != (rows,) or indices.is_floating_point() or indices.min() < 0 or indices.max() >= columns:
        raise ValueError(
            f"expected one integer from 0 to {columns - 1} for each of {rows} images, got {indices.tolist()}"
        )
    return outputs[torch.arange(rows), indices]


def _gradient(score, images):
    with torch.enable_grad():
        images.requires_grad_()
        (gradient,) = torch.autograd.grad(score(images).sum(), images)
    if not torch.isfinite(gradient).all():
        raise FloatingPointError("the gradient of the score is not finite; look for a division or logarithm of zero")
    return gradient


@torch.no_grad()
def _checked_scores(score, images):
    scores = score(images)
    if scores.shape != images.shape[:1]:
        raise ValueError(f"score must give one number per image, ({len(images)},), got {tuple(scores.shape)}")
    if not torch.isfinite(scores).all():
        raise FloatingPointError(f"score must be finite, got {scores.tolist()}")
    return scores.float()


def _squares(height, width, patch_size, stride, device):
    """Rows `(P, H)` and columns `(P, W)` covered by each of P squares, as float masks; together they leave no gap."""
    patch_size = min(height, width) // 4 if patch_size is None else patch_size
    stride = max(1, patch_size // 4) if stride is None else stride
    if not 1 <= stride <= patch_size <= min(height, width):
        raise ValueError(
            f"expected 1 <= stride <= patch_size <= {min(height, width)} (the image's shorter side), "
            f"got stride {stride} and patch_size {patch_size}"
        )

    def spans(size):
        corners = torch.tensor(sorted({*range(0, size - patch_size, stride), size - patch_size}), device=device)
        pixels = torch.arange(size, device=device)
        return ((pixels >= corners[:, None]) & (pixels < corners[:, None] + patch_size)).float()

    rows, columns = spans(height), spans(width)
    return rows.repeat_interleave(len(columns), dim=0), columns.repeat(len(rows), 1)


def _channels_last(outputs):
    outputs = outputs.permute(0, 2, 3, 1).contiguous() if outputs.ndim == 4 else outputs
    return outputs.float().cpu().numpy()
