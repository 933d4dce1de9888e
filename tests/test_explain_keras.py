"""helpers.keras.explain on a small network whose classes are marks planted in known places."""

import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from helpers.keras import explain

SIZE, MARK = 28, 8
NUM_CLASSES = 4  # square, horizontal stripes, vertical stripes, no mark
LAST_LAYER = "activation2"


def planted(num_images, seed):
    """Dim noise with one mark at a random place: images, labels, and a boolean map of where the mark is."""
    rng = np.random.default_rng(seed)
    stripes = np.repeat([1, 1, 0, 0] * (MARK // 4), MARK).reshape(MARK, MARK)
    marks = [np.ones((MARK, MARK)), stripes, stripes.T]
    images = rng.uniform(0, 0.3, (num_images, SIZE, SIZE, 1)).astype(np.float32)
    labels = np.arange(num_images) % NUM_CLASSES
    places = np.zeros((num_images, SIZE, SIZE), bool)
    for image, label, place in zip(images, labels, places):
        top, left = rng.integers(0, SIZE - MARK + 1, 2)
        box = (slice(top, top + MARK), slice(left, left + MARK))
        if label < len(marks):
            image[..., 0][box] = np.maximum(image[..., 0][box], marks[label])
            place[box] = True
    return images, labels, places


def build(*further):
    return keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 1)),
            layers.Conv2D(8, 5, padding="same", name="convolution1"),
            layers.BatchNormalization(momentum=0.9, name="normalisation1"),
            layers.ReLU(name="activation1"),
            layers.MaxPooling2D(name="pooling1"),
            layers.Conv2D(16, 3, padding="same", name="convolution2"),
            layers.BatchNormalization(momentum=0.9, name="normalisation2"),
            layers.ReLU(name="activation2"),
            layers.GlobalAveragePooling2D(keepdims=True, name="pooling2"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.1, name="dropout"),
            layers.Dense(NUM_CLASSES, name="logits"),
            *further,
        ]
    )


def outputs_of(model, name, images):
    """The layer's output as Keras itself gives it."""
    return keras.Model(model.inputs, model.get_layer(name).output).predict(images, verbose=0)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels, _ = planted(80 * 64, seed=0)
    model.fit(images, labels, batch_size=64, shuffle=False, verbose=0)
    images, labels, _ = planted(200, seed=1000)
    accuracy = (model.predict(images, verbose=0).argmax(1) == labels).mean()
    assert accuracy > 0.95, "the network these tests look into has not learnt its task"
    return model


@pytest.fixture
def duplicate(trained):
    model = build()
    model.set_weights(trained.get_weights())
    return model


@pytest.fixture
def marked(trained):
    images, labels, places = planted(32, seed=2000)
    seen = (labels < 3) & (trained.predict(images, verbose=0).argmax(1) == labels)
    return images[seen], labels[seen], places[seen]


def share_inside(maps, places):
    maps = np.clip(maps, 0, None)
    return (maps * places).sum((1, 2)) / maps.sum((1, 2))


def correlations(maps, others):
    return np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps, others)])


def test_grad_cam_and_occlusion_point_at_the_planted_mark_and_agree(trained, marked):
    images, labels, places = marked
    cam = explain.grad_cam(trained, images, LAST_LAYER)
    drop = explain.occlusion(trained, images, labels, patch_size=6, stride=2)
    for maps in (cam, drop):
        assert maps.shape == places.shape and maps.dtype == np.float32
        peaks = maps.reshape(len(maps), -1).argmax(1)
        assert places.reshape(len(maps), -1)[np.arange(len(maps)), peaks].mean() > 0.9
        assert share_inside(maps, places).mean() > 4 * places.mean()
    assert correlations(cam, drop).mean() > 0.6


def test_maps_change_when_the_weights_are_random(trained, marked):
    images, labels, _ = marked
    model = explain.randomised(trained)
    cam = explain.grad_cam(trained, images, LAST_LAYER, labels)
    random_cam = explain.grad_cam(model, images, LAST_LAYER, labels)
    moving = random_cam.any((1, 2))  # a map of zeros correlates with nothing
    assert correlations(cam[moving], random_cam[moving]).mean() < 0.5
    drop = explain.occlusion(trained, images, labels, patch_size=6, stride=2)
    random_drop = explain.occlusion(model, images, labels, patch_size=6, stride=2)
    assert abs(random_drop).max() < 0.1 * drop.max()


def test_grad_cam_is_cam_where_the_network_ends_in_average_pooling(trained, marked):
    images, labels, _ = marked
    features = outputs_of(trained, LAST_LAYER, images)
    weights = trained.get_layer("logits").get_weights()[0].T[labels] / features[0, ..., 0].size
    expected = np.maximum(np.einsum("nk,nhwk->nhw", weights, features), 0)
    expected = keras.layers.UpSampling2D(2, interpolation="bilinear")(expected[..., None])
    expected = keras.ops.convert_to_numpy(expected)[..., 0]
    maps = explain.grad_cam(trained, images, LAST_LAYER, labels, scaled=False)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)
    scaled = explain.grad_cam(trained, images, LAST_LAYER, labels)
    np.testing.assert_allclose(scaled, expected / expected.max((1, 2), keepdims=True), rtol=1e-4, atol=1e-6)


def test_frozen_and_nested_networks_are_seen_through_and_the_last_run_of_a_layer_counts(trained, duplicate, marked):
    images, _, _ = marked
    expected = explain.grad_cam(trained, images, "convolution2")
    duplicate.trainable = False
    np.testing.assert_array_equal(explain.grad_cam(duplicate, images, "convolution2"), expected)

    class Outer(keras.Model):  # looks twice, the second time at the image itself
        def __init__(self):
            super().__init__()
            self.inner = duplicate
            self.inner.name = "inner"
            self.aside = layers.ReLU(name="aside")  # the logits do not depend on it

        def call(self, images):
            self.aside(images)
            return 0 * self.inner(1 - images) + self.inner(images)

    outer = Outer()
    outer(images)
    np.testing.assert_allclose(explain.grad_cam(outer, images, "inner/convolution2"), expected, atol=1e-5)
    np.testing.assert_array_equal(explain.grad_cam(outer, images, "aside"), 0)
    outputs = explain.activations(outer, images, ["inner/convolution2"])["inner/convolution2"]
    np.testing.assert_allclose(outputs, outputs_of(trained, "convolution2", images), atol=1e-5)


def test_a_grad_cam_map_without_positive_evidence_is_all_zero(duplicate, marked):
    images, labels, _ = marked
    weights, bias = duplicate.get_layer("logits").get_weights()
    duplicate.get_layer("logits").set_weights([-abs(weights), bias])  # features are >= 0: all evidence is negative
    np.testing.assert_array_equal(explain.grad_cam(duplicate, images, LAST_LAYER, labels), 0)


def test_class_ascent_raises_the_logit_and_ends_in_an_image_of_the_class(trained):
    classes = [2, 0, 1]
    images, history = explain.class_ascent(trained, (SIZE, SIZE, 1), classes, num_steps=40, background=0.15)
    assert images.shape == (3, SIZE, SIZE, 1) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert history.shape == (41, 3) and history.dtype == np.float32
    assert (history[-1] > history[0] + 3).all()
    logits = trained.predict(images, verbose=0)
    np.testing.assert_allclose(logits[range(3), classes], history[-1], rtol=1e-4)
    assert logits.argmax(1).tolist() == classes


@pytest.mark.parametrize(("layer", "filters"), [("convolution2", [5, 9]), ("flatten", [5, 9])])
def test_filter_ascent_raises_the_mean_activation_of_its_filter(trained, layer, filters):
    images, history = explain.filter_ascent(trained, (SIZE, SIZE, 1), layer, filters, num_steps=20)
    outputs = outputs_of(trained, layer, images).reshape(2, -1, 16).mean(1)
    np.testing.assert_allclose(outputs[range(2), filters], history[-1], rtol=1e-4, atol=1e-5)
    assert (history[-1] > history[0] + 0.2).all()


@pytest.mark.parametrize("settings", [{}, {"blur": 0, "decay": 0, "jitter": 0}])
def test_gradient_ascent_climbs_any_score(settings):
    target = np.zeros((12, 12, 3), np.float32)
    target[3:8, 4:10] = 1
    start = np.full((2, 12, 12, 3), 0.5, np.float32)

    def score(images):
        return -1e-6 * keras.ops.sum(keras.ops.square(keras.ops.subtract(images, target)), axis=(1, 2, 3))

    images, history = explain.gradient_ascent(score, start, num_steps=30, **settings)
    assert (history[-1] > 0.5 * history[0]).all()  # scores are negative: closer to the target is closer to zero
    assert images[:, 5, 6].min() > 0.8 and images[:, 0, 0].max() < 0.4
    assert (start == 0.5).all()


def contrast(images):  # the same for a shifted image
    return keras.ops.sum(keras.ops.square(images - 0.5), axis=(1, 2, 3))


def test_both_rooms_start_from_the_same_noise_and_take_the_same_steps():
    import torch

    from helpers.torch import explain as explain_torch

    body = keras.Sequential([layers.Input((16, 14, 3)), layers.Flatten(), layers.Dense(2)])
    weight, bias = map(torch.tensor, body.get_weights())

    class Same(torch.nn.Module):
        def forward(self, images):
            return images.permute(0, 2, 3, 1).flatten(1) @ weight + bias

    settings = {"class_indices": [1, 0], "num_steps": 4, "blur": 0.6, "background": 0.3, "seed": 5}
    images, history = explain.class_ascent(body, (16, 14, 3), **settings)
    expected, expected_history = explain_torch.class_ascent(Same(), (3, 16, 14), **settings)
    np.testing.assert_allclose(images, expected, atol=1e-5)
    np.testing.assert_allclose(history, expected_history, rtol=1e-4, atol=1e-5)


def test_ascent_depends_on_its_seed_and_on_no_other_randomness(trained):
    def climb(seed, global_seed):
        keras.utils.set_random_seed(global_seed)
        return explain.class_ascent(trained, (SIZE, SIZE, 1), [0], seed=seed, num_steps=5)[0]

    np.testing.assert_array_equal(climb(seed=1, global_seed=1), climb(seed=1, global_seed=2))
    assert abs(climb(seed=1, global_seed=1) - climb(seed=2, global_seed=1)).max() > 0.01
    first, same, other = (explain.randomised(trained, seed).get_weights()[0] for seed in (1, 1, 2))
    assert (first == same).all() and not (first == other).all()


def test_activations_equal_those_that_keras_itself_gives(trained, marked):
    images, _, _ = marked
    outputs = explain.activations(trained, images, ["normalisation1", "activation1", "dropout"])
    assert list(outputs) == ["normalisation1", "activation1", "dropout"]
    assert outputs["normalisation1"].shape == (len(images), SIZE, SIZE, 8)
    for name, output in outputs.items():
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, outputs_of(trained, name, images), atol=1e-5)


def fingerprint(model):
    """All that a function here must leave alone, as comparable values; the states of seed generators are variables."""
    return (
        [(layer.trainable, vars(layer).get("call")) for layer in model.layers],
        [variable.numpy().tolist() for variable in model.variables],
        (model.compiled, getattr(model, "optimizer", None)),
        random.getstate(),
        np.random.get_state()[1].tolist(),
    )


CALLS = {
    "gradient_ascent": lambda model, images: explain.gradient_ascent(
        lambda images: model(images, training=False)[:, 0], images, num_steps=3
    ),
    "activations": lambda model, images: explain.activations(model, images, ["convolution2"]),
    "grad_cam": lambda model, images: explain.grad_cam(model, images, "convolution2"),
    "occlusion": lambda model, images: explain.occlusion(model, images, patch_size=14, stride=14),
    "class_ascent": lambda model, images: explain.class_ascent(model, images.shape[1:], [0, 1], num_steps=3),
    "filter_ascent": lambda model, images: explain.filter_ascent(
        model, images.shape[1:], "convolution2", [0], num_steps=3
    ),
}


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_the_model_and_the_random_state_are_left_as_found(name, breaks):
    class Breaking(layers.Layer):  # random also when not training; raises on its second call or never
        def __init__(self):
            super().__init__()
            self.calls, self.seed_generator = -100, keras.random.SeedGenerator(0)

        def call(self, outputs):
            self.calls += 1
            if breaks and self.calls == (1 if name in ("activations", "grad_cam") else 2):
                raise ArithmeticError("broken on purpose")
            return outputs + 0 * keras.random.uniform((NUM_CLASSES,), seed=self.seed_generator)

    model = build(Breaking())
    model.layers[0].trainable = False
    model.layers[-1].calls = 0  # Keras has called it to build the model
    images, _, _ = planted(2, seed=0)
    untouched = images.copy()
    before = fingerprint(model)
    if breaks:
        with pytest.raises(ArithmeticError, match="on purpose"):
            CALLS[name](model, images)
    else:
        CALLS[name](model, images)
    assert fingerprint(model) == before
    assert (images == untouched).all()


def test_randomised_changes_every_weight_of_the_copy_and_nothing_of_the_original(trained):
    before = fingerprint(trained)
    copied = explain.randomised(trained)
    assert fingerprint(trained) == before
    for weight, new in zip(trained.get_weights(), copied.get_weights(), strict=True):
        assert weight.shape == new.shape and not (weight == new).any()
    assert trained.compiled and not copied.compiled

    class Bare(keras.Model):
        def __init__(self, body):
            super().__init__()
            self.body = body

        def call(self, images):
            return self.body(images)

    bare = Bare(build)
    bare.body = build()
    bare(planted(1, seed=0)[0])
    state = random.getstate()
    with pytest.raises(ValueError, match=r"'bare' \(Bare\) cannot be cloned; give it .*get_config\(\)"):
        explain.randomised(bare)
    assert random.getstate() == state


def test_wrong_layers_indices_and_images_are_clear_errors(trained):
    images, _, _ = planted(2, seed=0)
    with pytest.raises(ValueError, match=r"no layer named 'conv9'; the model has: convolution1, normalisation1, "):
        explain.activations(trained, images, ["convolution1", "conv9"])
    for layer in ("pooling2", "flatten"):  # 1 x 1, and flat
        with pytest.raises(ValueError, match=rf"layer '{layer}' has no spatial output"):
            explain.grad_cam(trained, images, layer)
    for classes in ([0], [0, NUM_CLASSES], [0, -1], [0.0, 1.0]):
        with pytest.raises(ValueError, match="one integer from 0 to 3 for each of 2 images"):
            explain.occlusion(trained, images, classes)
    with pytest.raises(ValueError, match="patch_size"):
        explain.occlusion(trained, images, patch_size=4, stride=5)
    with pytest.raises(ValueError, match=r"uint8 .*divide uint8"):
        explain.grad_cam(trained, (images * 255).astype(np.uint8), LAST_LAYER)
    with pytest.raises(ValueError, match=r"values from .* to 255"):
        explain.occlusion(trained, images / images.max() * 255)
    with pytest.raises(ValueError, match=r"one number per image"):
        explain.gradient_ascent(keras.ops.sum, images)
    with pytest.raises(FloatingPointError, match="finite"):
        explain.gradient_ascent(lambda images: keras.ops.sum(keras.ops.sqrt(0 * images), axis=(1, 2, 3)), images)


def test_wrong_models_are_clear_errors(trained):
    images, _, _ = planted(2, seed=0)

    class Unused(keras.Model):
        def __init__(self):
            super().__init__()
            self.net, self.aside = trained, layers.Dense(1, name="aside")
            self.twins = [layers.Dense(1, name="twin"), layers.Dense(1, name="twin")]
            for layer in (self.aside, *self.twins):
                layer.build((None, 2))

        def call(self, images):
            return self.net(images)

    unused = Unused()
    with pytest.raises(ValueError, match=r"has no weights yet; call it"):
        explain.activations(unused, images, ["aside"])
    unused(images)
    with pytest.raises(ValueError, match=r"'aside'.* did not run"):
        explain.grad_cam(unused, images, "aside")
    with pytest.raises(ValueError, match=r"2 layers are named 'twin'"):
        explain.grad_cam(unused, images, "twin")
    with pytest.raises(ValueError, match=r"one output, logits \(N, K\)"):
        explain.occlusion(keras.Model(trained.inputs, trained.get_layer(LAST_LAYER).output), images)


def explanations():
    """Numbers of a small network with fixed weights: a nested part, a skip connection, a frozen layer."""

    def convolution(name, **settings):  # JAX takes seconds to compile initialisers that draw
        return layers.Conv2D(6, 3, padding="same", kernel_initializer="zeros", name=name, **settings)

    inputs = layers.Input((16, 14, 3))
    stem = convolution("stem", activation="relu")
    block = keras.Sequential([layers.Input((16, 14, 6)), convolution("convolution"), layers.ReLU()], name="block")
    x = stem(layers.Rescaling(2.0, -1.0)(inputs))
    x = layers.BatchNormalization()(layers.Add()([x, block(x)]))
    x = layers.Flatten()(layers.Dropout(0.5)(layers.MaxPooling2D(2)(x)))
    model = keras.Model(inputs, layers.Dense(4, kernel_initializer="zeros")(x))
    stem.trainable = False
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(-0.4 if w.ndim > 1 else 0.1, 0.4, w.shape) for w in model.get_weights()])
    images = rng.uniform(0, 1, (3, 16, 14, 3)).astype(np.float32)
    numbers = explain.activations(model, images, ["stem", "block/convolution", "block"])
    for layer in ("stem", "block/convolution"):
        numbers[f"Grad-CAM {layer}"] = explain.grad_cam(model, images, layer)
    numbers["occlusion"] = explain.occlusion(model, images, patch_size=8, stride=8)
    numbers["pictures"], numbers["logits"] = explain.class_ascent(model, (16, 14, 3), [0, 3], num_steps=4)
    return numbers


SCRIPT = """
import sys, keras, numpy, test_explain_keras
backend, path = sys.argv[1:]
assert keras.backend.backend() == backend
numpy.savez(path, **test_explain_keras.explanations())
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(scope="module")
def other_backends(tmp_path_factory):
    """Running processes, by backend, and the files they write; most of their time is importing Keras."""
    folder, tests = tmp_path_factory.mktemp("backends"), Path(__file__).parent
    started = {}
    for backend in ("jax", "torch"):
        environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
        command = [sys.executable, "-c", SCRIPT, backend, folder / f"{backend}.npz"]
        started[backend] = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True), command[-1]
    yield started
    for process, _ in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_of_keras_give_the_same_numbers_without_tensorflow(backend, other_backends):
    if backend == "jax":
        pytest.importorskip("jax")
    expected = explanations()
    process, path = other_backends[backend]
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]
    numbers = np.load(path)
    assert set(numbers) == set(expected)
    for name in expected:
        scale = max(1, abs(expected[name]).max())
        np.testing.assert_allclose(numbers[name] / scale, expected[name] / scale, atol=1e-4, err_msg=name)
