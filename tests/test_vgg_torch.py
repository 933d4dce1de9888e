"""The definitions of notebook 05."""

import definitions
import pytest
import torch
from torch import nn
from torch.nn import functional

notebook = definitions.load("05_vgg16_cifar100_torch")
MEAN, STD = [0.51, 0.49, 0.44], [0.27, 0.26, 0.28]


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_vgg16_has_the_parameters_counted_by_hand():
    assert num_parameters(notebook.VGG(100, MEAN, STD)) == 15_301_796
    assert num_parameters(notebook.VGG(100, MEAN, STD, batch_norm=False)) == 15_301_796 - 10_496


@pytest.mark.parametrize("width", [8, 16, 64])
def test_the_baseline_has_about_as_many_parameters(width):
    vgg, lenet = notebook.VGG(100, MEAN, STD, width), notebook.LeNet(100, MEAN, STD, width // 4)
    assert num_parameters(lenet) == pytest.approx(num_parameters(vgg), rel=0.1)
    assert vgg(torch.rand(2, 3, 32, 32)).shape == lenet(torch.rand(2, 3, 32, 32)).shape == (2, 100)


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_depth_counts_the_layers_with_weights(depth):
    model = notebook.VGG(100, MEAN, STD, width=4, depth=depth)
    assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in model.modules()) == depth


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_smoothed_loss_from_the_equation_equals_pytorchs(label_smoothing):
    torch.manual_seed(0)
    logits, labels = 3 * torch.randn(8, 20, dtype=torch.float64), torch.randint(0, 20, (8,))
    torch.testing.assert_close(
        notebook.smoothed_cross_entropy(logits, labels, label_smoothing),
        functional.cross_entropy(logits, labels, label_smoothing=label_smoothing), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("schedule", "expected"), [
    ("cosine", {0: 0.0, 5: 0.5, 10: 1.0, 55: 0.5, 100: 0.0}),
    ("step", {5: 0.5, 10: 1.0, 49: 1.0, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01}),
    ("constant", {5: 0.5, 10: 1.0, 99: 1.0})])
def test_the_schedules_go_through_their_known_points(schedule, expected):
    options = {"warmup_fraction": 0.1, "schedule": schedule}
    found = {step: notebook.learning_rate_factor(step, 100, options) for step in expected}
    assert found == pytest.approx(expected)
    assert notebook.learning_rate_factor(0, 100, options | {"warmup_fraction": 0.0}) == 1.0
