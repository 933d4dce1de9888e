"""helpers.torch.explain on a small network whose classes are marks planted in known places."""

import copy
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers import saliency
from helpers.torch import explain

SIZE, MARK = 28, 8
NUM_CLASSES = 4  # square, horizontal stripes, vertical stripes, no mark
LAST_LAYER = "6"


def planted(num_images, seed):
    """Dim noise with one mark at a random place: images, labels, and a boolean map of where the mark is."""
    rng = np.random.default_rng(seed)
    stripes = np.repeat([1, 1, 0, 0] * (MARK // 4), MARK).reshape(MARK, MARK)
    marks = [np.ones((MARK, MARK)), stripes, stripes.T]
    images = rng.uniform(0, 0.3, (num_images, 1, SIZE, SIZE)).astype(np.float32)
    labels = np.arange(num_images) % NUM_CLASSES
    places = np.zeros((num_images, SIZE, SIZE), bool)
    for image, label, place in zip(images, labels, places):
        top, left = rng.integers(0, SIZE - MARK + 1, 2)
        box = (slice(top, top + MARK), slice(left, left + MARK))
        if label < len(marks):
            image[0][box] = np.maximum(image[0][box], marks[label])
            place[box] = True
    return torch.tensor(images), torch.tensor(labels), places


def build():
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(16, NUM_CLASSES),
    )


@pytest.fixture(scope="module")
def trained():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for step in range(80):
            images, labels, _ = planted(64, seed=step)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    optimizer.zero_grad()
    model.eval()
    images, labels, _ = planted(200, seed=1000)
    with torch.no_grad():
        accuracy = (model(images).argmax(1) == labels).float().mean()
    assert accuracy > 0.95, "the network these tests look into has not learnt its task"
    return model


@pytest.fixture
def marked(trained):
    images, labels, places = planted(32, seed=2000)
    with torch.no_grad():
        seen = (labels < 3) & (trained(images).argmax(1) == labels)
    return images[seen], labels[seen], places[seen.numpy()]


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
    assert np.nanmean(correlations(cam, random_cam)) < 0.5  # nan: a map of zeros
    drop = explain.occlusion(trained, images, labels, patch_size=6, stride=2)
    random_drop = explain.occlusion(model, images, labels, patch_size=6, stride=2)
    assert abs(random_drop).max() < 0.1 * drop.max()


def test_grad_cam_is_cam_where_the_network_ends_in_average_pooling(trained, marked):
    images, labels, _ = marked
    with torch.no_grad():
        features = trained[: int(LAST_LAYER) + 1](images)
        weights = trained[-1].weight[labels] / features[0, 0].numel()
        expected = torch.einsum("nk,nkhw->nhw", weights, features).relu()
    expected = nn.functional.interpolate(expected[:, None], (SIZE, SIZE), mode="bilinear")[:, 0].numpy()
    maps = explain.grad_cam(trained, images, LAST_LAYER, labels, scaled=False)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)
    scaled = explain.grad_cam(trained, images, LAST_LAYER, labels)
    np.testing.assert_allclose(scaled, expected / expected.max((1, 2), keepdims=True), rtol=1e-4, atol=1e-6)


def test_grad_cam_works_on_a_frozen_network_and_inside_no_grad(trained, marked):
    images, _, _ = marked
    frozen = copy.deepcopy(trained).requires_grad_(False)
    expected = explain.grad_cam(trained, images, "4")
    with torch.no_grad():
        np.testing.assert_array_equal(explain.grad_cam(frozen, images, "4"), expected)


def test_a_grad_cam_map_without_positive_evidence_is_all_zero(trained, marked):
    images, labels, _ = marked
    against = copy.deepcopy(trained)
    against[-1].weight.data.copy_(-trained[-1].weight.abs())  # features are >= 0: all evidence is negative
    np.testing.assert_array_equal(explain.grad_cam(against, images, LAST_LAYER, labels), 0)


def test_occlusion_and_ascent_know_rows_columns_and_colours_apart():
    weight = np.linspace(-0.1, 0.2, 7 * 9 * 3, dtype=np.float32).reshape(7, 9, 3)

    def logits(images):
        total = (images * weight).sum((1, 2, 3))
        return np.stack([0 * total, total], axis=1)

    class Brightness(nn.Module):
        def forward(self, images):
            total = (images * torch.tensor(weight).permute(2, 0, 1)).sum((1, 2, 3))
            return torch.stack([0 * total, total], dim=1)

    images = np.random.default_rng(0).uniform(0, 1, (2, 7, 9, 3)).astype(np.float32)
    expected = saliency.occlusion(logits, images, [1, 0], 3, 2, None, 4)
    channels_first = torch.tensor(images).permute(0, 3, 1, 2)
    maps = explain.occlusion(Brightness(), channels_first, torch.tensor([1, 0]), patch_size=3, stride=2, batch_size=4)
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    settings = {"num_steps": 5, "learning_rate": 0.1, "blur": 0.7, "decay": 0.1, "jitter": 1}
    settings |= {"background": 0.3, "seed": 4}
    expected, _ = saliency.gradient_ascent(
        lambda images: logits(images)[:, 1],
        lambda images: np.broadcast_to(weight, images.shape),
        saliency.noise(2, (7, 9, 3), background=0.3, seed=4),
        **settings,
    )
    dreams, _ = explain.class_ascent(Brightness(), (3, 7, 9), [1, 1], **settings)
    np.testing.assert_allclose(dreams, expected, atol=1e-6)


def test_class_ascent_raises_the_logit_and_ends_in_an_image_of_the_class(trained):
    classes = [2, 0, 1]
    images, history = explain.class_ascent(trained, (1, SIZE, SIZE), classes, num_steps=40, background=0.15)
    assert images.shape == (3, SIZE, SIZE, 1) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert history.shape == (41, 3) and history.dtype == np.float32
    assert (history[-1] > history[0] + 3).all()
    with torch.no_grad():
        logits = trained(torch.tensor(images).permute(0, 3, 1, 2))
    np.testing.assert_allclose(logits[range(3), classes], history[-1], rtol=1e-4)
    assert logits.argmax(1).tolist() == classes


def test_filter_ascent_raises_the_mean_activation_of_its_filter(trained):
    images, history = explain.filter_ascent(trained, (1, SIZE, SIZE), "4", [5, 9], num_steps=20)
    with torch.no_grad():
        outputs = trained[:5](torch.tensor(images).permute(0, 3, 1, 2))
    np.testing.assert_allclose(outputs[range(2), [5, 9]].mean((1, 2)), history[-1], rtol=1e-4, atol=1e-5)
    assert (history[-1] > history[0] + 0.5).all()


@pytest.mark.parametrize("settings", [{}, {"blur": 0, "decay": 0, "jitter": 0}])
def test_gradient_ascent_climbs_any_score_also_from_within_no_grad(settings):
    target = torch.zeros(3, 12, 12)
    target[:, 3:8, 4:10] = 1
    start = torch.full((2, 3, 12, 12), 0.5)
    with torch.no_grad():
        images, history = explain.gradient_ascent(
            lambda images: -1e-6 * (images - target).square().sum((1, 2, 3)), start, num_steps=30, **settings
        )
    assert (history[-1] > 0.5 * history[0]).all()  # scores are negative: closer to the target is closer to zero
    assert images[:, 5, 6].min() > 0.8 and images[:, 0, 0].max() < 0.4
    assert (start == 0.5).all()


def test_ascent_depends_on_its_seed_and_on_no_other_randomness(trained):
    def climb(seed, global_seed):
        torch.manual_seed(global_seed)
        return explain.class_ascent(trained, (1, SIZE, SIZE), [0], seed=seed, num_steps=5)[0]

    np.testing.assert_array_equal(climb(seed=1, global_seed=1), climb(seed=1, global_seed=2))
    assert abs(climb(seed=1, global_seed=1) - climb(seed=2, global_seed=1)).max() > 0.01
    first, same, other = (explain.randomised(trained, seed)[4].weight for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_activations_equal_a_forward_by_hand_channels_last(trained, marked):
    images, _, _ = marked
    outputs = explain.activations(trained, images, ["1", "2", "8"])  # "2" works in place on the output of "1"
    with torch.no_grad():
        normalised = trained[:2](images).permute(0, 2, 3, 1).numpy()
        flat = trained[:9](images).numpy()
    assert list(outputs) == ["1", "2", "8"] and normalised.shape == (len(images), SIZE, SIZE, 8)
    np.testing.assert_allclose(outputs["1"], normalised, atol=1e-6)
    np.testing.assert_allclose(outputs["2"], np.maximum(normalised, 0), atol=1e-6)
    np.testing.assert_allclose(outputs["8"], flat, atol=1e-6)
    assert all(output.dtype == np.float32 for output in outputs.values())
    before = images.clone()
    explain.activations(nn.Sequential(nn.Threshold(0.5, 0.0, inplace=True)), images, ["0"])
    assert torch.equal(images, before)


def fingerprint(model):
    """All that a function here must leave alone, as comparable values."""
    return (
        [module.training for module in model.modules()],
        [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        [(p.requires_grad, None if p.grad is None else p.grad.tolist()) for p in model.parameters()],
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
    )


CALLS = {
    "activations": lambda model, images: explain.activations(model, images, ["4"]),
    "grad_cam": lambda model, images: explain.grad_cam(model, images, "4"),
    "occlusion": lambda model, images: explain.occlusion(model, images, patch_size=14, stride=14),
    "class_ascent": lambda model, images: explain.class_ascent(model, images.shape[1:], [0, 1], num_steps=3),
    "filter_ascent": lambda model, images: explain.filter_ascent(model, images.shape[1:], "4", [0], num_steps=3),
}


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_the_model_and_the_random_state_are_left_as_found(trained, name, breaks):
    class Breaking(nn.Module):  # random also in evaluation mode; raises on its second call or never
        calls = 0

        def forward(self, outputs):
            self.calls += 1
            if breaks and self.calls == (1 if name in ("activations", "grad_cam") else 2):
                raise ArithmeticError("broken on purpose")
            return outputs + 0 * torch.rand_like(outputs)

    model = copy.deepcopy(trained).append(Breaking()).train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    model[4].weight.grad = torch.ones_like(model[4].weight)
    images, _, _ = planted(2, seed=0)
    untouched = images.clone()
    before = fingerprint(model)
    if breaks:
        with pytest.raises(ArithmeticError, match="on purpose"):
            CALLS[name](model, images)
    else:
        CALLS[name](model, images)
    assert fingerprint(model) == before
    assert torch.equal(images, untouched) and not images.requires_grad


def test_randomised_changes_every_weight_of_the_copy_and_nothing_of_the_original(trained):
    model = copy.deepcopy(trained).train()
    before = fingerprint(model)
    copied = explain.randomised(model)
    assert fingerprint(model) == before
    assert copied.training
    assert all(not torch.equal(a, b) for a, b in zip(model.state_dict().values(), copied.state_dict().values()))
    with pytest.raises(ValueError, match=r"reset_parameters"):
        explain.randomised(nn.Sequential(nn.ParameterList([nn.Parameter(torch.zeros(3))])))


def test_wrong_layers_indices_and_images_are_clear_errors(trained):
    images, _, _ = planted(2, seed=0)
    with pytest.raises(ValueError, match=r"no layer named 'conv9'; the model has: 0, 1, 2"):
        explain.activations(trained, images, ["0", "conv9"])
    for layer in ("7", "8"):  # 1 x 1 after pooling, and flat
        with pytest.raises(ValueError, match=rf"layer '{layer}' has no spatial output"):
            explain.grad_cam(trained, images, layer)
    unused = nn.ModuleDict({"net": copy.deepcopy(trained), "aside": nn.Conv2d(1, 1, 1)})
    unused.forward = lambda images: unused["net"](images)
    with pytest.raises(ValueError, match=r"'aside'.* did not run"):
        explain.grad_cam(unused, images, "aside")
    for classes in ([0], [0, NUM_CLASSES], [0, -1], [0.0, 1.0]):
        with pytest.raises(ValueError, match="one integer from 0 to 3 for each of 2 images"):
            explain.occlusion(trained, images, classes)
    with pytest.raises(ValueError, match="patch_size"):
        explain.occlusion(trained, images, patch_size=4, stride=5)
    with pytest.raises(ValueError, match=r"uint8 .*divide uint8"):
        explain.grad_cam(trained, (images * 255).to(torch.uint8), LAST_LAYER)
    with pytest.raises(ValueError, match=r"values from .* to 255"):
        explain.occlusion(trained, images / images.max() * 255)
    with pytest.raises(ValueError, match=r"one number per image"):
        explain.gradient_ascent(lambda images: images.sum(), images)
    with pytest.raises(FloatingPointError, match="finite"):
        explain.gradient_ascent(lambda images: (0 * images).sqrt().sum((1, 2, 3)), images)


@pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="needs a GPU")  # torch, asked beside TensorFlow, warns
def test_a_gpu_gives_the_same_maps_and_pictures_as_the_cpu(trained, marked):
    images, labels, _ = marked
    on_gpu = copy.deepcopy(trained).cuda()
    for explanation in (
        lambda model: explain.activations(model, images, ["4"])["4"],
        lambda model: explain.grad_cam(model, images, LAST_LAYER, labels),
        lambda model: explain.occlusion(model, images),
        lambda model: explain.class_ascent(model, images.shape[1:], [0, 1], num_steps=5)[0],
        lambda model: explain.filter_ascent(model, images.shape[1:], "4", [0], num_steps=5)[0],
    ):
        np.testing.assert_allclose(explanation(on_gpu), explanation(trained), atol=0.02)
    assert next(explain.randomised(on_gpu).parameters()).is_cuda
