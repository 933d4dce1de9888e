"""Networks of the Keras room: they compute what the torch room's compute, and LARS follows its equation."""

import keras
import numpy as np
import pytest
import torch

from helpers.keras import networks
from helpers.torch import networks as torch_networks


@pytest.mark.parametrize("options", [
    {"blocks": (2, 1), "width": 8, "stem": "cifar"}, {"blocks": (1, 2, 1), "width": 4, "bottleneck": True},
    {"blocks": (1, 1), "width": 4, "stem": "strided"}])
def test_an_encoder_computes_what_the_torch_rooms_does(options):
    ours, theirs = networks.resnet(**options), torch_networks.resnet(**options).eval()
    torch.manual_seed(0)
    state = {name: values for name, values in theirs.state_dict().items() if "num_batches" not in name}
    for values in state.values():
        values.copy_(torch.rand_like(values) + 0.5 if values.ndim == 1 else 0.2 * torch.randn_like(values))
    for weight, source in zip(ours.weights, in_keras_order(ours, state), strict=True):
        weight.assign(source.numpy().transpose(2, 3, 1, 0) if source.ndim == 4 else source.numpy())
    images = np.random.default_rng(0).random((2, 3, 33, 33), np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images)).numpy()
    features = ours(images.transpose(0, 2, 3, 1), training=False)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def in_keras_order(model, state):
    """The torch weights in the order of `model.weights`, found by the layers' names."""
    for weight in model.weights:
        layer, kind = weight.path.split("/")[-2:]
        kind = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
                "moving_variance": "running_var"}[kind]
        if layer.startswith("stem"):
            yield state[f"stem.{int('norm' in layer)}.{kind}"]
            continue
        stage, *block, what = layer.split("_", 1)[0], *layer.split("_")[1:]
        depth = max(int(name.split(".")[1]) for name in state if name.startswith(f"{stage}."))
        number = int(block[0][5:]) - 1 if block and block[0].startswith("block") else depth
        prefix = f"{stage}.{number}"
        if "shortcut" in layer:
            yield state[f"{prefix}.shortcut.{int(layer.endswith('norm'))}.{kind}"]
        else:
            index = 3 * (int(what[-1]) - 1) + int(what.startswith("norm"))
            yield state[f"{prefix}.layers.{index}.{kind}"]


def test_blocks_start_as_their_shortcut_and_a_head_has_its_layers():
    encoder = networks.resnet((1, 1), width=8, stem="cifar")
    images = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    stages = keras.Model(encoder.input, [encoder.get_layer(name).output for name in ("stem", "stage1")])
    stem, stage1 = stages(images, training=False)
    np.testing.assert_array_equal(stem, stage1)
    assert encoder(images).shape == (4, 16)
    head = networks.projection_head(16, 32, 8, num_layers=3)
    assert [layer.kernel.shape for layer in head.layers if hasattr(layer, "kernel")] == [(16, 32), (32, 32), (32, 8)]
    assert networks.weights_hash(head) == networks.weights_hash(head)
    before = networks.weights_hash(head)
    head(np.ones((4, 16), np.float32), training=True)  # batch norm moves its averages
    assert networks.weights_hash(head) != before


def test_lars_follows_its_equation_and_leaves_vectors_to_plain_momentum():
    start = {"matrix": np.array([[3.0, 0.0], [0.0, 4.0]], np.float32), "vector": np.array([1.0, 2.0], np.float32)}
    variables = {name: keras.Variable(value) for name, value in start.items()}
    optimizer = networks.LARS(learning_rate=0.5, momentum=0.9, weight_decay=0.1, trust_coefficient=0.01)
    gradients = {name: np.full_like(value, 0.2) for name, value in start.items()}
    matrix, vector, speed_m, speed_v = start["matrix"].copy(), start["vector"].copy(), 0.0, 0.0
    for _ in range(3):
        optimizer.apply([gradients[name] for name in start], list(variables.values()))
        decayed = gradients["matrix"] + 0.1 * matrix
        speed_m = 0.9 * speed_m + 0.5 * 0.01 * np.linalg.norm(matrix) / np.linalg.norm(decayed) * decayed
        speed_v = 0.9 * speed_v + 0.5 * gradients["vector"]
        matrix, vector = matrix - speed_m, vector - speed_v
    np.testing.assert_allclose(variables["matrix"], matrix, rtol=1e-5)
    np.testing.assert_allclose(variables["vector"], vector, rtol=1e-5)
    assert networks.LARS.from_config(optimizer.get_config()).get_config() == optimizer.get_config()
