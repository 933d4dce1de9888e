"""What a trained network has learnt: activations, gradient ascent, Grad-CAM, occlusion.

All functions take a built model that maps float32 images `(N, H, W, C)` in [0, 1] to logits `(N, K)` (it normalises
inside itself), call it with `training=False`, and leave it exactly as they found it: weights, batch-norm statistics,
`trainable`, seed generators, and the global random state too. Layers are named by `layer.name`, those inside a nested
model "outer/inner"; of a layer that runs more than once in a forward pass, the last run counts. They work on the
TensorFlow, JAX and torch backends of Keras.
"""

import contextlib
import functools
import random

import keras
import numpy as np

from helpers import saliency


def activations(model, images, layers):
    """Outputs of the named layers for a batch of images.

    Args:
        model: maps `(N, H, W, C)` to logits `(N, K)`.
        images: float `(N, H, W, C)` in [0, 1].
        layers: list of layer names.

    Returns:
        dict, layer name -> float32 array, `(N, H, W, K)` or `(N, D)`.

    Raises:
        ValueError: if the images are not such a batch, or a layer is unknown or did not run.
    """
    with _no_graph():
        _, runs = _forward(model, _checked_images(images), layers)
    return {name: _to_numpy(runs[name][-1]) for name in layers}


def gradient_ascent(score, start, num_steps=256, learning_rate=0.05, blur=1.5, decay=0.05, jitter=2, background=0.5,
                    seed=0):
    """Climb from `start` to images with a high score.

    Whoever builds `score` on a model calls that with `training=False`; `class_ascent` and `filter_ascent` do so
    themselves. TensorFlow and JAX compile `score`: it consists of `keras.ops` or operations of the backend.

    Args:
        score: function, images `(N, H, W, C)`, a tensor of the backend -> `(N,)`, differentiable; image i alone
            decides number i.
        start: float `(N, H, W, C)` in [0, 1].
        num_steps, learning_rate, blur, decay, jitter, background, seed: see `saliency.gradient_ascent`, which says
            what they do and why.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, scores of the unshifted images, of the start first.

    Raises:
        ValueError: if `start` is not such a batch, or `score` does not give one number per image.
        FloatingPointError: if a score or gradient is not finite.
    """

    def stateless_score(images):
        with keras.StatelessScope():
            return score(images)

    scores, slope = _compiled(stateless_score), _compiled(functools.partial(gradient, stateless_score))
    with _no_graph():
        return saliency.gradient_ascent(scores, slope, _checked_images(start), num_steps, learning_rate, blur, decay,
                                        jitter, background, seed)


def class_ascent(model, image_shape, class_indices, background=0.5, seed=0, **settings):
    """Class gradient ascent from noise (Simonyan et al. 2013, arXiv 1312.6034, section 2): the picture of a class.

    Climbs the class logit, not its probability, which could also rise by lowering the other classes.

    Args:
        model: maps `(N, H, W, C)` to logits `(N, K)`.
        image_shape: `(H, W, C)`.
        class_indices: N integers, one picture each.
        background: colour in [0, 1] around which the noise lies, see `gradient_ascent`.
        seed: of the noise and the shifts, which NumPy draws: the torch room starts from the same noise.
        **settings: `num_steps`, `learning_rate`, `blur`, `decay`, `jitter` of `gradient_ascent`.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, logits.

    Raises:
        ValueError: if a class does not exist.
    """

    def score(images):
        return _picked(_forward(model, images)[0], class_indices)

    start = saliency.noise(len(class_indices), image_shape, background, seed)
    return gradient_ascent(score, start, background=background, seed=seed, **settings)


def filter_ascent(model, image_shape, layer, filter_indices, background=0.5, seed=0, **settings):
    """Images that excite single filters: ascent from noise on a filter's mean activation.

    Args:
        model: maps `(N, H, W, C)` to logits `(N, K)`.
        image_shape: `(H, W, C)`.
        layer: name of a layer, best one before its ReLU (behind it, a filter that is off has no gradient).
        filter_indices: N integers, output channels (or units) of the layer, one image each.
        background, seed, **settings: as in `class_ascent`.

    Returns:
        images: float32 array `(N, H, W, C)` in [0, 1].
        history: float32 array `(num_steps + 1, N)`, mean activations.

    Raises:
        ValueError: if the layer is unknown or did not run, or a filter does not exist.
    """

    def score(images):
        output = _forward(model, images, [layer])[1][layer][-1]
        activation = keras.ops.mean(keras.ops.reshape(output, (output.shape[0], -1, output.shape[-1])), axis=1)
        return _picked(activation, filter_indices)

    start = saliency.noise(len(filter_indices), image_shape, background, seed)
    return gradient_ascent(score, start, background=background, seed=seed, **settings)


def grad_cam(model, images, layer, class_indices=None, scaled=True):
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, eqs. 1 and 2): where the evidence for a class lies.

    Args:
        model: maps `(N, H, W, C)` to logits `(N, K)`.
        images: float `(N, H, W, C)` in [0, 1].
        layer: name of a layer with output `(N, H', W', K)`; usually the last convolution or the ReLU behind it.
        class_indices: N integers; None: the predicted classes.
        scaled: divide each map by its peak; False leaves the values of eq. 2, to compare images with each other.

    Returns:
        float32 array `(N, H, W)`, upsampled bilinearly to the images' size; in [0, 1] with peak 1 if `scaled`. A map
        without positive evidence is all zero.

    Raises:
        ValueError: if the layer is unknown, did not run or has no spatial output, or a class does not exist.
    """
    images = _checked_images(images)
    with _no_graph():
        logits, runs = _forward(model, images, [layer])
    *earlier, features = runs[layer]
    classes = keras.ops.argmax(logits, axis=1) if class_indices is None else class_indices

    def class_scores(features):  # of the network from the layer on, so that a frozen layer has a gradient too
        logits, _ = _forward(model, images, [layer], {layer: [*earlier, features]})
        return _picked(logits, classes)

    gradients = gradient(class_scores, features)
    return saliency.grad_cam(layer, _to_numpy(features), _to_numpy(gradients), images.shape[1:3], scaled)


def occlusion(model, images, class_indices=None, patch_size=None, stride=None, fill=None, batch_size=256):
    """Occlusion sensitivity (Zeiler & Fergus 2013, arXiv 1311.2901, section 4.2): what is missed when it is covered.

    Args:
        model: maps `(N, H, W, C)` to logits `(N, K)`.
        images: float `(N, H, W, C)` in [0, 1].
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
        return _to_numpy(_forward(model, images)[0])

    classes = None if class_indices is None else _to_numpy(class_indices, dtype=None)
    with _no_graph():
        return saliency.occlusion(logits, _checked_images(images), classes, patch_size, stride, fill, batch_size)


def randomised(model, seed=0):
    """A copy of the model with freshly initialised weights, for the sanity check of saliency maps.

    A map that stays the same when the weights are random shows the image, not the network (Adebayo et al. 2018,
    arXiv 1810.03292).

    Args:
        model: any model that `keras.models.clone_model` can clone: functional, sequential, or with `get_config()`.
        seed: of the new weights; an initialiser that was given a seed of its own keeps that.

    Returns:
        the copy, not compiled.

    Raises:
        ValueError: if the model cannot be cloned.
    """
    state, compiled = random.getstate(), model.compiled
    random.seed(int(seed))  # initialisers and seed generators without a seed of their own draw one from there
    model.compiled = False  # the copy needs no optimizer, nor a loss, which may be one that cannot be cloned
    try:
        copied = keras.models.clone_model(model)
        shapes, expected = ([tuple(weight.shape) for weight in net.weights] for net in (copied, model))
        if shapes != expected:
            raise ValueError(f"the copy has weights of shapes {shapes}, the model {expected}")
    except Exception as error:
        raise ValueError(f"model {model.name!r} ({type(model).__name__}) cannot be cloned; give it and layers of your "
                         "own get_config() and from_config(), and a build() that builds every layer. "
                         f"Keras says: {error}") from error
    finally:
        random.setstate(state)
        model.compiled = compiled
    return copied


def gradient(function, inputs):
    """Return the gradient of the sum of `function(inputs)`, a tensor like `inputs`; 0 where nothing depends on them.

    Args:
        function: maps a tensor to a tensor, with operations of the Keras backend (a network, for instance).
        inputs: float tensor of the backend.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        return tape.gradient(outputs, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    if backend == "jax":
        import jax

        return jax.grad(lambda inputs: function(inputs).sum())(inputs)
    if backend == "torch":
        import torch

        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_()
            # The second term gives a gradient of zero where the function does not depend on the inputs.
            return torch.autograd.grad(function(inputs).sum() + 0 * inputs.sum(), inputs)[0]
    raise ValueError(f"the {backend!r} backend of Keras has no gradients; use tensorflow, jax or torch")


def _forward(model, images, layers=(), replaced=None):
    """Logits, and a dict: layer name -> its outputs, one for each time it ran in this forward pass.

    The outputs of a layer in the dict `replaced` are replaced by the listed ones, one for each run.
    """
    runs = {name: [] for name in layers}
    with contextlib.ExitStack() as stack:
        stack.enter_context(keras.StatelessScope())  # seed generators and other variables stay as they are
        for name, layer in _found_layers(model, layers).items():
            stack.enter_context(_recording(layer, name, runs[name], iter(replaced[name]) if replaced else None))
        logits = model(keras.ops.convert_to_tensor(images), training=False)
    never = [name for name in layers if not runs[name]]
    if never:
        raise ValueError(f"layer {never[0]!r} is part of the model but did not run in its forward pass")
    if not keras.ops.is_tensor(logits) or logits.ndim != 2:
        raise ValueError(f"expected a model with one output, logits (N, K), got {getattr(logits, 'shape', logits)}")
    return keras.ops.cast(logits, "float32"), runs


@contextlib.contextmanager
def _recording(layer, name, runs, replaced=None):
    """While it lasts, each output of the layer is added to the list `runs`, or replaced by the next of `replaced`."""
    call, own = layer.call, vars(layer).get("call")

    @functools.wraps(call)
    def recorded_call(*args, **kwargs):
        output = call(*args, **kwargs)
        if not keras.ops.is_tensor(output):
            raise ValueError(f"layer {name!r} returns a {type(output).__name__}; expected a tensor")
        runs.append(output if replaced is None else next(replaced))
        return runs[-1]

    vars(layer)["call"] = recorded_call  # setattr would make the backend track it
    try:
        yield
    finally:
        del vars(layer)["call"]
        if own is not None:
            vars(layer)["call"] = own


def _found_layers(model, names):
    if not model.built:
        raise ValueError(f"model {model.name!r} has no weights yet; call it on a batch of images once")
    found = {}
    for path, layer in _layer_paths(model) if names else ():
        found.setdefault(path, {})[id(layer)] = layer
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(f"no layer named {', '.join(map(repr, unknown))}; the model has: {', '.join(found)}")
    for name in names:
        if len(found[name]) > 1:
            raise ValueError(f"{len(found[name])} layers are named {name!r}; give them different names")
    return {name: next(iter(found[name].values())) for name in names}


def _layer_paths(parent, prefix=""):
    is_model = isinstance(parent, keras.Model)
    for layer in parent.layers if is_model else parent._flatten_layers(include_self=False, recursive=False):
        yield prefix + layer.name, layer
        yield from _layer_paths(layer, f"{prefix}{layer.name}/")


def _no_graph():
    """On the torch backend, what is computed meanwhile keeps no graph for gradients; elsewhere none would be kept."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def _compiled(function):
    """The function from array to array, compiled where the backend can."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        function = tf.function(function, autograph=False)
    elif backend == "jax":
        import jax

        function = jax.jit(function)
    return lambda images: _to_numpy(function(keras.ops.convert_to_tensor(images)))


def _to_numpy(array, dtype=np.float32):
    return np.asarray(keras.ops.convert_to_numpy(array) if keras.ops.is_tensor(array) else array, dtype)


def _checked_images(images):
    return saliency.checked_images(_to_numpy(images, dtype=None))


def _picked(outputs, indices):
    """outputs[i, indices[i]] for each row i."""
    indices = saliency.checked_indices(_to_numpy(indices, dtype=None), *outputs.shape)
    return keras.ops.take_along_axis(outputs, indices[:, None], axis=1)[:, 0]
