"""What a trained torch network looks at and looks for.

Models take float32 images `(N, C, H, W)` in [0, 1] and return logits `(N, K)`. Every function runs in evaluation mode
and leaves the model as it was: mode, `requires_grad`, gradients, statistics, hooks. Results are numpy arrays, images
and maps with channels last, the same as in the Keras room.
"""

import contextlib
import copy

import numpy as np
import torch
from torch.nn import functional


def activations(model, images, layers):
    """Return what the named layers put out for some images.

    Args:
        model: torch module.
        images: float32 `(N, C, H, W)` in [0, 1].
        layers: list of names, as `model.named_modules()` gives them.

    Returns:
        dict, layer -> float32 array `(N, H, W, K)`, or `(N, K)` for a layer without height and width.

    Raises:
        ValueError: unknown layer; names the known ones.
    """
    with _inspected(model, layers) as outputs, torch.no_grad():
        model(images)
        return {layer: _channels_last(outputs[layer]) for layer in layers}


def gradient_ascent(score, start, num_steps=200, learning_rate=0.05, max_shift=1, smoothness=0.5, seed=0):
    """Change images step by step so that a score grows.

    The gradient is divided by its root mean square, so that one learning rate serves all scores. Two mild constraints
    keep the picture from turning into noise that happens to score well: each step looks at the images moved by a random
    pixel or two, and the gradient of their total variation is taken off. Pixels stay in [0, 1].

    Args:
        score: function that maps float32 images `(N, C, H, W)` to `(N,)`, one number to climb for each image.
        start: float32 `(N, C, H, W)` in [0, 1], on the device to compute on.
        num_steps: int.
        learning_rate: float, mean size of a step, in units of pixel values.
        max_shift: int, pixels.
        smoothness: float, weight of the total variation's gradient against the score's; 0 leaves it out.
        seed: int; decides the shifts.

    Returns:
        `(images, scores)`: float32 arrays `(N, H, W, C)` in [0, 1] and `(num_steps + 1, N)`, the scores from the start
        to the last image, without shift.
    """
    generator = torch.Generator().manual_seed(seed)
    images, scores = start.detach().clone(), []
    for _ in range(num_steps):
        images.requires_grad_(True)
        scores.append(score(images.detach()).detach().cpu())
        shift = torch.randint(-max_shift, max_shift + 1, (2,), generator=generator).tolist()
        gradient = _unit(torch.autograd.grad(score(images.roll(shift, dims=(2, 3))).sum(), images)[0])
        if smoothness:
            gradient = gradient - smoothness * _unit(torch.autograd.grad(_total_variation(images).sum(), images)[0])
        images = (images.detach() + learning_rate * gradient).clamp_(0, 1)
    scores.append(score(images).detach().cpu())
    return _channels_last(images), torch.stack(scores).numpy()


def class_ascent(model, image_shape, class_indices, num_steps=200, seed=0, **options):
    """Start from noise and climb the logit of each class (Simonyan et al. 2013, arXiv 1312.6034, section 2).

    Args:
        model: torch module.
        image_shape: `(C, H, W)`.
        class_indices: list of N int.
        num_steps: int.
        seed: int; decides noise and shifts.
        options: passed on to `gradient_ascent`.

    Returns:
        As `gradient_ascent`: N images and their scores, the logit of each image's own class.
    """
    device = next(model.parameters()).device
    noise = torch.rand((len(class_indices), *image_shape), generator=torch.Generator().manual_seed(seed))
    rows, classes = torch.arange(len(class_indices)), torch.as_tensor(class_indices)
    with _inspected(model):
        return gradient_ascent(lambda images: model(images)[rows, classes], (0.5 + 0.1 * (noise - 0.5)).to(device),
                               num_steps, seed=seed, **options)


def filter_ascent(model, image_shape, layer, filter_indices, num_steps=200, seed=0, **options):
    """Start from noise and climb the mean output of single filters of a layer; arguments as in `class_ascent`."""
    device = next(model.parameters()).device
    noise = torch.rand((len(filter_indices), *image_shape), generator=torch.Generator().manual_seed(seed))
    rows, filters = torch.arange(len(filter_indices)), torch.as_tensor(filter_indices)
    with _inspected(model, [layer]) as outputs:
        def score(images):
            model(images)
            return outputs[layer][rows, filters].flatten(1).mean(1)

        return gradient_ascent(score, (0.5 + 0.1 * (noise - 0.5)).to(device), num_steps, seed=seed, **options)


def grad_cam(model, images, layer, class_indices=None):
    """Return Grad-CAM heat maps (Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2).

    Each map of the layer is weighted by the mean gradient of the class logit over the map; the positive part of the sum
    is the heat map.

    Args:
        model: torch module.
        images: float32 `(N, C, H, W)` in [0, 1].
        layer: name of a layer with spatial output, usually the last convolution or its activation.
        class_indices: N int, the class to explain for each image; None takes the predicted one.

    Returns:
        float32 array `(N, H, W)`, each map scaled to [0, 1]; all zero where nothing speaks for the class.

    Raises:
        ValueError: unknown layer, or one whose output has no height and width.
    """
    with _inspected(model, [layer]) as outputs, torch.enable_grad():
        logits = model(images.detach().requires_grad_(True))
        maps = outputs[layer]
        if maps.ndim != 4:
            raise ValueError(f"Grad-CAM needs a layer with height and width; {layer!r} puts out {tuple(maps.shape)}.")
        gradients = torch.autograd.grad(_own_scores(logits, class_indices).sum(), maps)[0]
    heat = (gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).relu().detach()
    heat = functional.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    peak = heat.amax(dim=(1, 2), keepdim=True)
    return torch.where(peak > 0, heat / peak.clamp_min(1e-12), 0).float().cpu().numpy()


def occlusion(model, images, class_indices=None, patch_size=7, stride=3, fill=0.0):
    """Return how far the class probability drops when a patch is covered (Zeiler & Fergus 2013, arXiv 1311.2901).

    Args:
        model: torch module.
        images: float32 `(N, C, H, W)` in [0, 1].
        class_indices: N int, the class to explain for each image; None takes the predicted one.
        patch_size, stride: int, pixels.
        fill: float in [0, 1], the value that covers.

    Returns:
        float32 array `(N, H, W)`: for each pixel the mean drop over the patches that cover it, in [-1, 1]; negative
        where covering helps.
    """
    height, width = images.shape[2:]
    drops, counts = torch.zeros(len(images), height, width), torch.zeros(height, width)
    with _inspected(model), torch.no_grad():
        logits = model(images)
        class_indices = logits.argmax(1) if class_indices is None else class_indices
        before = _own_scores(logits.softmax(1), class_indices)
        for top in _places(height, patch_size, stride):
            for left in _places(width, patch_size, stride):
                covered = images.clone()
                covered[:, :, top:top + patch_size, left:left + patch_size] = fill
                drop = (before - _own_scores(model(covered).softmax(1), class_indices)).cpu()
                drops[:, top:top + patch_size, left:left + patch_size] += drop[:, None, None]
                counts[top:top + patch_size, left:left + patch_size] += 1
    return (drops / counts).float().numpy()


def randomised(model, seed=0):
    """Return a copy of the model with fresh random weights, for the sanity check of Adebayo et al. (arXiv 1810.03292).

    A heat map that does not change with the weights shows the image and not what was learnt.
    """
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in fresh.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return fresh


@contextlib.contextmanager
def _inspected(model, layers=()):
    """Give the outputs of `layers` by name while the model runs in evaluation mode; put everything back afterwards."""
    known = dict(model.named_modules())
    unknown = [layer for layer in layers if layer not in known]
    if unknown:
        raise ValueError(f"The model has no layer {unknown[0]!r}; it has {', '.join(name for name in known if name)}.")
    outputs, modes = {}, {module: module.training for module in model.modules()}
    trainable = {parameter: parameter.requires_grad for parameter in model.parameters()}
    hooks = [known[layer].register_forward_hook(lambda module, given, output, layer=layer: outputs.update({layer: output}))
             for layer in layers]
    try:
        model.eval()
        for parameter in trainable:
            parameter.requires_grad_(False)  # only the images get gradients
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, flag in trainable.items():
            parameter.requires_grad_(flag)
        for module, mode in modes.items():
            module.training = mode


def _channels_last(tensor):
    array = tensor.detach().float().cpu().numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def _own_scores(scores, class_indices):
    chosen = scores.argmax(1) if class_indices is None else torch.as_tensor(class_indices, device=scores.device)
    return scores[torch.arange(len(scores), device=scores.device), chosen]


def _places(size, patch_size, stride):
    return [*range(0, size - patch_size, stride), size - patch_size]


def _total_variation(images):
    vertical, horizontal = images.diff(dim=2), images.diff(dim=3)
    return vertical.square().mean(dim=(1, 2, 3)) + horizontal.square().mean(dim=(1, 2, 3))


def _unit(gradient):
    return gradient / gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
