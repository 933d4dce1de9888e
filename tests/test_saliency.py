"""helpers.saliency with functions of plain NumPy in place of a network."""

import numpy as np
import pytest
from scipy.special import softmax

from helpers import saliency

SETTINGS = {"num_steps": 3, "learning_rate": 0.05, "blur": 1.5, "decay": 0.05, "jitter": 2}
SETTINGS |= {"background": 0.2, "seed": 0}


def contrast(images):  # the same for a shifted image
    return np.square(images - 0.5).sum((1, 2, 3))


def start_images():
    return np.random.default_rng(0).uniform(0, 1, (2, 7, 9, 3)).astype(np.float32)


def test_an_ascent_step_undoes_its_shift_and_without_a_gradient_only_decays():
    def climb(factor=1, **settings):
        settings = SETTINGS | settings
        return saliency.gradient_ascent(contrast, lambda images: factor * (images - 0.5), start_images(), **settings)[0]

    np.testing.assert_allclose(climb(jitter=4, blur=0), climb(jitter=0, blur=0), atol=1e-6)
    np.testing.assert_allclose(climb(factor=0), 0.2 + (start_images() - 0.2) * 0.95**3, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_an_ascent_step_has_the_promised_size_however_large_the_gradient(factor):
    start = np.full((2, 7, 9, 3), 0.5, np.float32)
    slope = factor * np.random.default_rng(1).normal(size=start.shape).astype(np.float32)
    images, history = saliency.gradient_ascent(
        lambda images: (images * slope).sum((1, 2, 3)),
        lambda images: slope.copy(),
        start,
        **SETTINGS | {"num_steps": 1, "blur": 0, "decay": 0, "jitter": 0},
    )
    np.testing.assert_allclose(np.sqrt(np.square(images - start).mean((1, 2, 3))), 0.05, rtol=1e-4)
    assert (history[1] > history[0]).all()


def test_a_gradient_that_is_not_finite_stops_the_ascent():
    with pytest.raises(FloatingPointError, match="gradient of the score is not finite"):
        saliency.gradient_ascent(contrast, lambda images: images * np.nan, start_images(), **SETTINGS)


@pytest.mark.parametrize("fill", [0.2, None])
def test_occlusion_equals_its_definition_up_to_the_last_row_and_column(fill):
    weight = np.linspace(-0.1, 0.2, 7 * 9 * 3).reshape(7, 9, 3).astype(np.float32)

    def logits(images):  # the probability of class 1 is sigmoid(weighted brightness)
        total = (images * weight).sum((1, 2, 3))
        return np.stack([0 * total, total], axis=1)

    images = start_images()
    maps = saliency.occlusion(logits, images, [1, 0], patch_size=3, stride=3, fill=fill, batch_size=2)
    for image, class_index, result in zip(images, [1, 0], maps):
        total, count = np.zeros((7, 9)), np.zeros((7, 9))
        for top in (0, 3, 4):
            for left in (0, 3, 6):
                covered = image.copy()
                covered[top : top + 3, left : left + 3] = image.mean((0, 1)) if fill is None else fill
                before, after = softmax(logits(np.stack([image, covered])), axis=1)[:, class_index]
                total[top : top + 3, left : left + 3] += before - after
                count[top : top + 3, left : left + 3] += 1
        np.testing.assert_allclose(result, total / count, atol=1e-6)
    np.testing.assert_array_equal(images, start_images())


def test_grad_cam_is_eq_2_upsampled_with_pixel_centres_in_place():
    features = np.zeros((1, 2, 3, 2), np.float32)
    features[0, 0, 1], features[0, 1, 2] = [2, 0], [0, 3]
    gradients = np.ones_like(features) * np.array([0.5, -1], np.float32)  # the second feature speaks against the class
    maps = saliency.grad_cam("layer", features, gradients, (4, 6), scaled=False)
    column = np.array([0, 0.25, 0.75, 0.75, 0.25, 0])  # 2 * 0.5 in the middle of three, two pixels each
    row = np.array([1, 0.75, 0.25, 0])
    np.testing.assert_allclose(maps[0], np.outer(row, column), atol=1e-6)
    scaled = saliency.grad_cam("layer", features, gradients, (4, 6), scaled=True)
    np.testing.assert_allclose(scaled, maps / 0.75, atol=1e-6)
