"""Networks of the torch room."""

import pytest
import torch
import torchvision

from helpers.torch import networks


def weights(model):
    return sorted(tuple(value.shape) for name, value in model.state_dict().items() if not name.startswith("fc."))


@pytest.mark.parametrize(("name", "options"), [
    ("resnet18", {"blocks": (2, 2, 2, 2)}), ("resnet34", {"blocks": (3, 4, 6, 3)}),
    ("resnet50", {"blocks": (3, 4, 6, 3), "bottleneck": True})])
def test_the_encoder_has_the_weights_and_computes_the_features_of_torchvisions(name, options):
    ours, theirs = networks.resnet(**options).eval(), getattr(torchvision.models, name)().eval()
    assert weights(ours) == weights(theirs)
    theirs.fc = torch.nn.Identity()
    # both list their layers in the order of the forward pass, but for the shortcut, which ours has before the layers
    source = iter([value for key, value in theirs.state_dict().items() if "downsample" not in key])
    shortcuts = iter([value for key, value in theirs.state_dict().items() if "downsample" in key])
    ours.load_state_dict({key: next(shortcuts if "shortcut" in key else source) for key in ours.state_dict()})
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = ours(images)
    assert features.shape == (2, ours.num_features)
    torch.testing.assert_close(features, theirs(images), rtol=1e-4, atol=1e-5)


def test_small_images_keep_their_size_in_the_first_stage_and_blocks_start_as_their_shortcut():
    encoder = networks.resnet((1, 1), width=8, stem="cifar")
    images = torch.rand(4, 3, 32, 32)
    x = encoder.stem(images)
    assert x.shape == (4, 8, 32, 32)
    assert torch.equal(encoder.stage1(x), x)  # the stem ends in ReLU, so that nothing is cut off again
    assert encoder(images).shape == (4, 16) == (4, encoder.num_features)


def test_a_projection_head_has_as_many_layers_as_asked_for():
    head = networks.projection_head(16, 32, 8, num_layers=3)
    assert [tuple(layer.weight.shape) for layer in head if isinstance(layer, torch.nn.Linear)] == [
        (32, 16), (32, 32), (8, 32)]
    output = head(torch.rand(64, 16))
    assert output.shape == (64, 8) and output.mean(0).abs().max() < 1e-5


def test_the_hash_of_the_weights_notices_a_parameter_and_a_running_mean():
    encoder = networks.resnet((1,), width=4, stem="cifar")
    before = networks.weights_hash(encoder)
    assert networks.weights_hash(encoder) == before
    encoder(torch.rand(4, 3, 8, 8))  # in training mode: batch norm moves its statistics
    moved = networks.weights_hash(encoder)
    assert moved != before
    encoder.stage1[0].layers[0].weight.data[0, 0, 0, 0] += 1e-3
    assert networks.weights_hash(encoder) != moved
