"""The definitions of notebook 06."""

import copy

import definitions
import pytest
import torch
from torch import nn
from torch.nn import functional

notebook = definitions.load("06_resnet8_cifar10_torch")
MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]


def test_resnet8_has_the_parameters_of_the_benchmark_and_lenet_about_as_many():
    resnet, lenet = notebook.ResNet(10, MEAN, STD), notebook.LeNet(10, MEAN, STD)
    count = sum(p.numel() for p in resnet.parameters())
    running = sum(b.numel() for name, b in resnet.named_buffers() if "running_" in name)
    assert (count, running, count + running) == (78_186, 480, 78_666)
    assert sum(p.numel() for p in notebook.ResNet(10, MEAN, STD, skip=False).parameters()) == count - 544 - 2_112
    assert sum(p.numel() for p in lenet.parameters()) == 62_006
    images = torch.rand(3, 3, 32, 32)
    assert resnet(images).shape == lenet(images).shape == (3, 10)


@pytest.mark.parametrize("depth", [8, 20, 32])
def test_depth_counts_the_3_x_3_convolutions_and_the_last_layer(depth):
    model = notebook.ResNet(10, MEAN, STD, num_filters=4, blocks_per_stage=(depth - 2) // 6)
    assert sum(isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) for m in model.modules()) + 1 == depth
    assert model.blocks(torch.rand(1, 4, 32, 32)).shape == (1, 16, 8, 8)


def test_a_block_that_adds_nothing_hands_its_input_on_and_one_without_a_skip_does_not():
    x = torch.rand(2, 4, 8, 8)
    for skip, expected in ((True, x), (False, torch.zeros_like(x))):
        block = notebook.ResidualBlock(4, 4, stride=1, skip=skip)
        nn.init.zeros_(block.norm2.weight)
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("warmup_fraction", [0.0, 0.2])
def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(warmup_fraction):
    factors = [notebook.learning_rate_factor(step, 100, warmup_fraction) for step in range(101)]
    peak = round(100 * warmup_fraction)
    assert factors[peak] == 1.0 and factors[100] == pytest.approx(0.0)
    assert factors[:peak + 1] == sorted(factors[:peak + 1]) and factors[peak:] == sorted(factors[peak:], reverse=True)
    assert notebook.learning_rate_factor(0, 1, 0.2) == 1.0  # a single step is not lost


def test_measuring_gradients_leaves_the_network_as_it_was_and_gives_the_first_layer_first():
    torch.manual_seed(0)
    model = notebook.ResNet(10, MEAN, STD, num_filters=4)
    before = copy.deepcopy(model.state_dict())
    images, labels = torch.rand(8, 3, 32, 32), torch.arange(8)
    norms = notebook.gradient_norms(model, images, labels)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    functional.cross_entropy(model(images), labels).backward()
    assert len(norms) == 7 and norms[0] == pytest.approx(model.convolution.weight.grad.norm().item(), rel=1e-5)
