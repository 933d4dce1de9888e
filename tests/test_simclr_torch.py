"""The definitions of notebook 13."""

import definitions
import pytest
import torch

from helpers.torch import losses

notebook = definitions.load("13_simclr_barlow_cifar10_torch")


def test_the_naive_losses_are_the_helpers():
    a, b = torch.randn(2, 12, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(notebook.nt_xent_naive(a, b, 0.2), losses.nt_xent(a, b, 0.2))
    standardised = [notebook.standardised(10 * view) for view in (a, b)]
    naive, helper = notebook.barlow_twins_naive(*standardised, 0.1), losses.barlow_twins(10 * a, 10 * b, 0.1)
    torch.testing.assert_close(naive, helper, rtol=1e-5, atol=0)


@pytest.mark.parametrize("left_out", ["", "crop", "flip", "jitter", "grey", "jitter, grey"])
def test_a_view_leaves_out_what_it_is_told(left_out):
    torch.manual_seed(0)
    image = torch.rand(3, 8, 8).repeat(64, 1, 1, 1)
    views = notebook.random_view(image, {"left_out": left_out})
    assert views.shape == image.shape and views.min() >= 0 and views.max() <= 1 + 1e-6
    grey = (views.std(1).amax((1, 2)) < 1e-3).sum()
    assert grey == 0 if "grey" in left_out else 1 <= grey <= 18
    assert len({view.numpy().tobytes() for view in views}) > (20 if left_out != "crop" else 10)


def test_the_learning_rate_rises_and_falls():
    parameter = torch.nn.Parameter(torch.zeros(1))
    options = {"learning_rate": 0.4, "weight_decay": 0.0, "warmup_fraction": 0.1}
    optimizer, scheduler = notebook.optimiser_and_schedule([parameter], options, 100)
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == 0 and rates[10] == pytest.approx(0.4) and rates[100] == pytest.approx(0.0, abs=1e-9)
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)
