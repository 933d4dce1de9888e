"""The definitions of notebook 04."""

import definitions
import pytest
import torch
from torch.nn import functional

notebook = definitions.load("04_lenet_mnist_torch")


def test_lenet_has_the_parameters_counted_by_hand_and_the_baseline_as_many():
    lenet, baseline = notebook.LeNet(10, 0.13, 0.31), notebook.FullyConnected(10, 0.13, 0.31)
    counts = [sum(p.numel() for p in model.parameters()) for model in (lenet, baseline)]
    assert counts[0] == 61706 and abs(counts[1] - counts[0]) < 0.01 * counts[0]
    assert lenet(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_a_shift_moves_each_image_by_itself_and_loses_nothing_in_the_middle():
    torch.manual_seed(0)
    images = torch.zeros(64, 2, 28, 28)
    images[:, 0, 14, 13] = 1.0
    images[:, 1, 14, 13] = 0.5
    shifted = notebook.random_shift(images, 2)
    assert shifted.shape == images.shape
    assert torch.equal(shifted.sum(dim=(2, 3)), images.sum(dim=(2, 3)))
    where = shifted[:, 0].flatten(1).argmax(1)
    assert torch.equal(where, shifted[:, 1].flatten(1).argmax(1))  # all channels of an image move together
    offsets = {(int(w) // 28 - 14, int(w) % 28 - 13) for w in where}
    assert len(offsets) > 15 and all(max(map(abs, offset)) <= 2 for offset in offsets)


@pytest.mark.parametrize("num_classes", [2, 10])
def test_the_loss_from_the_equation_equals_pytorchs(num_classes):
    torch.manual_seed(0)
    logits = 3 * torch.randn(8, num_classes, dtype=torch.float64)
    labels = torch.randint(0, num_classes, (8,))
    torch.testing.assert_close(notebook.cross_entropy(logits, labels), functional.cross_entropy(logits, labels),
                               rtol=1e-12, atol=0)
