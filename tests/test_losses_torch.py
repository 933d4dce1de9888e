"""Losses of the torch room, against double loops in float64, closed forms, symmetries and each other."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from helpers.torch import losses


def views(count, dimensions, noise=0.5, dtype=torch.float64, seed=0):
    """Projections of two views; with little noise the batch is nearly solved."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
    return [(common + noise * torch.randn(common.shape, generator=generator, dtype=torch.float64)).to(dtype)
            for _ in range(2)]


def nt_xent_by_loops(a, b, temperature):
    z = functional.normalize(torch.cat([a, b]), dim=1)
    count, total = len(a), 0
    for i in range(2 * count):
        similarity = {k: torch.exp(z[i] @ z[k] / temperature) for k in range(2 * count) if k != i}
        total = total - torch.log(similarity[(i + count) % (2 * count)] / sum(similarity.values()))
    return total / (2 * count)


def supcon_by_loops(a, b, labels, temperature, inside):
    z, labels = functional.normalize(torch.cat([a, b]), dim=1), labels.repeat(2)
    total = 0
    for i in range(len(z)):
        similarity = {k: torch.exp(z[i] @ z[k] / temperature) for k in range(len(z)) if k != i}
        shares = [value / sum(similarity.values()) for k, value in similarity.items() if labels[k] == labels[i]]
        total = total - (torch.log(sum(shares) / len(shares)) if inside else sum(map(torch.log, shares)) / len(shares))
    return total / len(z)


def barlow_twins_by_loops(a, b, weight):
    a, b = ((z - z.mean(0)) / (z.var(0, unbiased=False) + 1e-5).sqrt() for z in (a, b))
    total = 0
    for i in range(a.shape[1]):
        for j in range(a.shape[1]):
            entry = (a[:, i] * b[:, j]).mean()
            total = total + ((1 - entry) ** 2 if i == j else weight * entry ** 2)
    return total


def loss_and_gradients(function, *inputs):
    inputs = [values.clone().requires_grad_() for values in inputs]
    loss = function(*inputs)
    loss.backward()
    return loss.detach(), torch.cat([values.grad for values in inputs if values.grad is not None])


def relative(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def in_tiles(monkeypatch, size):
    monkeypatch.setattr(losses, "DENSE_ROWS", 0)
    monkeypatch.setattr(losses, "TILE_ROWS", {"cpu": size})


@pytest.mark.parametrize("tile", [None, 5, 8, 64])
def test_nt_xent_is_the_equation(monkeypatch, tile):
    if tile:
        in_tiles(monkeypatch, tile)
    inputs = views(9, 6)
    expected = loss_and_gradients(lambda a, b: nt_xent_by_loops(a, b, 0.3), *inputs)
    found = loss_and_gradients(lambda a, b: losses.nt_xent(a, b, 0.3), *inputs)
    assert relative(found[0], expected[0]) < 1e-12 and relative(found[1], expected[1]) < 1e-11


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("tile", [None, 5])
@pytest.mark.parametrize(("labels", "classes"), [
    ([0, 0, 3, 1, 1, 1, 2], [0, 0, 3, 1, 1, 1, 2]), ([4] * 7, [4] * 7), ([-1] * 7, range(7)),
    ([0, -1, 0, 1, -1, 2, -1], [0, 7, 0, 1, 8, 2, 9])])  # each -1 is a class of its own
def test_supcon_is_the_equation_with_any_classes_and_without_labels(monkeypatch, tile, inside, labels, classes):
    if tile:
        in_tiles(monkeypatch, tile)
    inputs, labels = views(7, 6), torch.tensor(labels)
    expected = loss_and_gradients(lambda a, b: supcon_by_loops(a, b, torch.tensor(classes), 0.3, inside), *inputs)
    found = loss_and_gradients(lambda a, b: losses.supcon(a, b, labels, 0.3, inside), *inputs)
    assert relative(found[0], expected[0]) < 1e-12
    assert (found[1] - expected[1]).norm() < 1e-11 * expected[1].norm() + 1e-15  # one class: L_in is constant


@pytest.mark.parametrize("dimensions", [5, 50])  # the cross-correlation, and the products of the rows
def test_barlow_twins_is_the_equation(dimensions):
    inputs = views(12, dimensions)
    expected = loss_and_gradients(lambda a, b: barlow_twins_by_loops(a, b, 0.05), *inputs)
    found = loss_and_gradients(lambda a, b: losses.barlow_twins(a, b, 0.05), *inputs)
    assert relative(found[0], expected[0]) < 1e-12 and relative(found[1], expected[1]) < 1e-11


def test_distillation_is_the_equation_and_leaves_the_teacher_alone():
    student, teacher = views(6, 4, noise=2.0)
    soft = torch.softmax(teacher / 4, 1)
    expected = 16 * (soft * (soft.log() - torch.log_softmax(student / 4, 1))).sum(1).mean()
    assert torch.isclose(losses.distillation(student, teacher, 4.0), expected, rtol=1e-12)
    teacher.requires_grad_()
    student.requires_grad_()
    losses.distillation(student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert abs(float(losses.distillation(teacher, teacher).detach())) < 1e-12


# The float32 goals of the project: 1e-6 at temperatures from 0.1, 1e-5 at 0.07 on a nearly solved batch.
@pytest.mark.parametrize("name", ["nt_xent", "supcon"])
@pytest.mark.parametrize(("temperature", "noise", "goal"), [(0.5, 0.5, 1e-6), (0.1, 0.5, 1e-6), (0.07, 0.15, 1e-5)])
@pytest.mark.parametrize("count", [256, 700])  # dense, in tiles
def test_float32_is_near_float64(name, count, temperature, noise, goal):
    labels = torch.arange(count) % 20
    function = {"nt_xent": lambda a, b: losses.nt_xent(a, b, temperature),
                "supcon": lambda a, b: losses.supcon(a, b, labels, temperature)}[name]
    inputs = views(count, 64, noise)
    expected = loss_and_gradients(function, *inputs)
    found = loss_and_gradients(function, *[values.float() for values in inputs])
    assert relative(found[0], expected[0]) < goal and relative(found[1], expected[1]) < goal


@pytest.mark.parametrize("temperature", [0.01, 0.02, 0.002])
def test_small_temperatures_stay_exact_in_tiles(monkeypatch, temperature):
    in_tiles(monkeypatch, 16)
    inputs = views(20, 8, noise=1.5)
    monkeypatch.setattr(losses, "DENSE_ROWS", 40)
    expected = loss_and_gradients(lambda a, b: losses.nt_xent(a, b, temperature), *inputs)
    monkeypatch.setattr(losses, "DENSE_ROWS", 0)
    found = loss_and_gradients(lambda a, b: losses.nt_xent(a, b, temperature), *[v.float() for v in inputs])
    assert relative(found[0], expected[0]) < 2e-5 and relative(found[1], expected[1]) < 2e-5


@pytest.mark.parametrize(("count", "dimensions"), [(256, 64), (256, 512), (256, 2048)])
@pytest.mark.parametrize("near_optimum", [False, True])
def test_float32_barlow_twins_is_near_float64(count, dimensions, near_optimum):
    if near_optimum:  # as near as the rank of the batch allows: orthogonal columns, or rows
        generator = torch.Generator().manual_seed(0)
        matrix = torch.linalg.qr(torch.randn(max(count, dimensions), min(count, dimensions), generator=generator,
                                             dtype=torch.float64))[0]
        common = matrix if count >= dimensions else matrix.T
        a = b = common + 1e-4 * torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
    else:
        a, b = views(count, dimensions)
    expected = loss_and_gradients(losses.barlow_twins, a, b)
    found = loss_and_gradients(losses.barlow_twins, a.float(), b.float())
    goal = 1e-5 if near_optimum else 1e-6
    assert relative(found[0], expected[0]) < goal and relative(found[1], expected[1]) < goal


def test_equal_rows_give_the_logarithm_of_their_number():
    ones = torch.ones(50, 8)
    assert math.isclose(losses.nt_xent(ones, ones, 0.2), math.log(99), rel_tol=1e-6)
    assert math.isclose(losses.supcon(ones, ones, torch.arange(50) % 3, 0.2), math.log(99), rel_tol=1e-6)


@pytest.mark.parametrize("function", [
    lambda a, b, labels: losses.nt_xent(a, b), lambda a, b, labels: losses.supcon(a, b, labels),
    lambda a, b, labels: losses.barlow_twins(a, b)])
def test_swapping_the_views_or_the_rows_changes_nothing(function):
    a, b = views(20, 8)
    labels, order = torch.arange(20) % 6, torch.randperm(20, generator=torch.Generator().manual_seed(1))
    assert torch.isclose(function(a, b, labels), function(b, a, labels), rtol=1e-12)
    assert torch.isclose(function(a, b, labels), function(a[order], b[order], labels[order]), rtol=1e-12)


@pytest.mark.parametrize("inside", [False, True])
def test_supcon_with_one_positive_is_nt_xent(inside):
    a, b = views(30, 16)
    expected = loss_and_gradients(lambda a, b: losses.nt_xent(a, b, 0.1), a, b)
    found = loss_and_gradients(lambda a, b: losses.supcon(a, b, torch.arange(30), 0.1, inside), a, b)
    assert relative(found[0], expected[0]) < 1e-12 and relative(found[1], expected[1]) < 1e-11


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("count", [4, 600])
def test_half_precision_zeros_and_tiny_temperatures_stay_finite(dtype, count):
    a, b = (100 * values.to(dtype) for values in views(count, 8))
    a[0] = 0
    labels = torch.arange(count)
    for function in (lambda a, b: losses.nt_xent(a, b, 0.01), lambda a, b: losses.supcon(a, b, labels, 0.01),
                     losses.barlow_twins, losses.distillation):
        under_autocast = torch.autocast("cpu", torch.bfloat16)(function)
        loss, gradient = loss_and_gradients(under_autocast, a, b)
        assert loss.dtype == torch.float32 and loss.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("call", [
    lambda a: losses.nt_xent(a, a[:2]), lambda a: losses.nt_xent(a[0], a[0]), lambda a: losses.nt_xent(a[:1], a[:1]),
    lambda a: losses.nt_xent(a, a, 0), lambda a: losses.nt_xent(a, a, -1.0),
    lambda a: losses.supcon(a, a, torch.zeros(3)), lambda a: losses.supcon(a, a, torch.zeros(2, dtype=torch.int64)),
    lambda a: losses.supcon(a, a, torch.zeros(3, dtype=torch.int64), 0.0), lambda a: losses.barlow_twins(a[:1], a[:1]),
    lambda a: losses.barlow_twins(a, a[:, :2]), lambda a: losses.distillation(a, a, 0.0),
    lambda a: losses.distillation(a, a[:, :2])])
def test_wrong_input_is_an_error_that_says_what_is_wanted(call):
    with pytest.raises(ValueError, match=r"must|at least"):
        call(torch.ones(3, 4))


def test_two_processes_have_the_loss_and_the_gradients_of_one():
    tests = Path(__file__).resolve().parent
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               str(tests / "two_processes.py")]
    run = subprocess.run(command, cwd=tests.parent, capture_output=True, text=True, timeout=300,
                         env={**os.environ, "PYTHONPATH": str(tests.parent), "OMP_NUM_THREADS": "1"})
    assert "3 losses agree on 2 processes" in run.stdout, run.stderr[-3000:]
