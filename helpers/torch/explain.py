"""What a trained network has learnt: activations, gradient ascent, Grad-CAM, occlusion.

All functions take a model that maps float32 images `(N, C, H, W)` in [0, 1] to logits `(N, K)` (it normalises inside
itself), work on the model's device in evaluation mode, and leave it exactly as they found it: modes, gradients,
`requires_grad`, hooks, batch-norm statistics, and the global random state too. Layers are named as in
`model.named_modules()`; of a layer that runs more than once in a forward pass, the last run counts.
"""

import contextlib
import copy
import functools
import itertools

import numpy as np
import torch

from helpers import saliency


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
        model(_to_tensor(_checked_images(images), _device(model)))
        return {name: _channels_last(_recorded_output(recorded, name)) for name in layers}


def gradient_ascent(score, start, num_steps=256, learning_rate=0.05, blur=1.5, decay=0.05, jitter=2, background=0.5,
                    seed=0):
    """Climb from `start` to images with a high score.

    Whoever builds `score` on a model puts that in evaluation mode; `class_ascent` and `filter_ascent` do so themselves.

    Args:
        score: function, images `(N, C, H, W)` -> `(N,)`, differentiable; image i alone decides number i.
        start: float `(N, C, H, W)` in [0, 1], on the device where `score` computes.
        num_steps, learning_rate, blur, decay, jitter, background, seed: see `saliency.gradient_ascent`, which says
            what they do and why.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, scores of the unshifted images, of the start first.

    Raises:
        ValueError: if `start` is not such a batch, or `score` does not give one number per image.
        FloatingPointError: if a score or gradient is not finite.
    """
    device = torch.as_tensor(start).device

    @torch.no_grad()
    def scores(images):
        return score(_to_tensor(images, device)).float().cpu().numpy()

    @torch.enable_grad()
    def gradient(images):
        images = _to_tensor(images, device).requires_grad_()
        return _channels_last(torch.autograd.grad(score(images).sum(), images)[0])

    return saliency.gradient_ascent(scores, gradient, _checked_images(start), num_steps, learning_rate, blur, decay,
                                    jitter, background, seed)


def class_ascent(model, image_shape, class_indices, background=0.5, seed=0, **settings):
    """Class gradient ascent from noise (Simonyan et al. 2013, arXiv 1312.6034, section 2): the picture of a class.

    Climbs the class logit, not its probability, which could also rise by lowering the other classes.

    Args:
        model: maps `(N, C, H, W)` to logits `(N, K)`.
        image_shape: `(C, H, W)`.
        class_indices: N integers, one picture each.
        background: colour in [0, 1] around which the noise lies, see `gradient_ascent`.
        seed: of the noise and the shifts, which NumPy draws: the Keras room starts from the same noise.
        **settings: `num_steps`, `learning_rate`, `blur`, `decay`, `jitter` of `gradient_ascent`.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, logits.

    Raises:
        ValueError: if a class does not exist.
    """
    start = _noise(model, len(class_indices), image_shape, background, seed)

    def score(images):
        return _picked(model(images), class_indices)

    with _recording(model):
        return gradient_ascent(score, start, background=background, seed=seed, **settings)


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
    images = _checked_images(images)
    with torch.enable_grad(), _recording(model, [layer], detach=True) as recorded:
        logits = model(_to_tensor(images, _device(model)))
        features = _recorded_output(recorded, layer)
        class_scores = _picked(logits, logits.argmax(1) if class_indices is None else class_indices)
        (gradients,) = torch.autograd.grad(class_scores.sum(), features)
    return saliency.grad_cam(layer, _channels_last(features), _channels_last(gradients), images.shape[1:3], scaled)


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

    def logits(images):
        return model(_to_tensor(images, _device(model))).float().cpu().numpy()

    classes = None if class_indices is None else torch.as_tensor(class_indices).cpu()
    with _recording(model):
        return saliency.occlusion(logits, _checked_images(images), classes, patch_size, stride, fill, batch_size)


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
                raise ValueError(f"module {name!r} ({type(module).__name__}) has parameters but no reset_parameters(); "
                                 "give it that method, so that its weights can be made random too")
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

    def record(name, module, inputs, output):
        if not torch.is_tensor(output):
            raise ValueError(f"layer {name!r} returns a {type(output).__name__}; expected a tensor")
        recorded[name] = output.detach().requires_grad_() if detach else output
        return recorded[name].clone()

    modes = {module: module.training for module in model.modules()}
    device = _device(model)
    with contextlib.ExitStack() as stack, torch.random.fork_rng([device] if device.type == "cuda" else []):
        for name in layers:
            stack.enter_context(modules[name].register_forward_hook(functools.partial(record, name)))
        try:
            model.eval()
            yield recorded
        finally:
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
    """As an array, channels last."""
    images = torch.as_tensor(images).detach().cpu()
    images = images.float() if images.is_floating_point() else images  # NumPy has no bfloat16
    return np.moveaxis(saliency.checked_images(images.numpy(), layout="(N, C, H, W)"), 1, -1)


def _to_tensor(images, device):
    # A copy, so that a model that normalises in place does not change the caller's images.
    return torch.tensor(images, device=device).permute(0, 3, 1, 2).contiguous()


def _channels_last(outputs):
    outputs = outputs.permute(0, 2, 3, 1).contiguous() if outputs.ndim == 4 else outputs
    return outputs.detach().float().cpu().numpy()


def _noise(model, num_images, image_shape, background, seed):
    channels, *size = image_shape
    return _to_tensor(saliency.noise(num_images, (*size, channels), background, seed), _device(model))


def _picked(outputs, indices):
    """outputs[i, indices[i]] for each row i."""
    indices = saliency.checked_indices(torch.as_tensor(indices).cpu(), *outputs.shape[:2])
    return outputs[torch.arange(len(outputs)), torch.as_tensor(indices)]
