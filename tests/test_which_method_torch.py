"""The definitions of notebook 16."""

from types import SimpleNamespace

import definitions
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

notebook = definitions.load("16_which_method_torch")


@pytest.fixture(autouse=True)
def names_of_the_notebook():
    vars(notebook).update(DEVICE=torch.device("cpu"), HALF={"device_type": "cpu", "dtype": torch.float16,
                                                            "enabled": False}, tqdm=lambda steps, leave: steps)


def test_the_linear_layer_is_the_softmax_regression_of_scaled_features():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 60)
    features = generator.normal(labels[:, None], 2.0, (60, 8)) * np.arange(1, 9) + 5
    linear = notebook.fit_linear(torch.tensor(features, dtype=torch.float32), torch.eye(3)[labels], l2=0.1)
    scaled = (features - features.mean(0)) / (features - features.mean(0)).std()
    peer = LogisticRegression(C=1 / (0.1 * 60), tol=1e-8, solver="newton-cg").fit(scaled, labels)
    with torch.no_grad():
        found = linear(torch.tensor(features, dtype=torch.float32)).softmax(1).numpy()
    np.testing.assert_allclose(found, peer.predict_proba(scaled), atol=2e-3)


def test_a_draw_grows_with_its_budget_and_never_touches_what_is_held_out():
    part = {"pool": np.arange(40), "unlabelled": np.arange(40, 50), "validation": np.arange(50, 60)}
    vars(notebook).update(PART=part, ALL=50, SEED=0, pool=SimpleNamespace(labels=np.arange(40) % 4))
    few, others = notebook.draw(8, 1)
    more, _ = notebook.draw(20, 1)
    assert (np.bincount(few % 4) == 2).all() and set(few) < set(more)
    assert sorted([*few, *others]) == [*range(50)]
    assert set(notebook.draw(8, 2)[0]) != set(few)
    assert sorted(notebook.draw(50, 0)[0]) == [*range(40), *range(50, 60)]


def test_the_error_of_a_difference_is_that_of_the_pairs():
    generator = np.random.default_rng(0)
    first = generator.random((1, 500)) < 0.9
    second = np.where(generator.random((1, 500)) < 0.05, ~first, first)
    again = notebook.resampled(np.stack([first, second, first]))
    assert np.array_equal(again[:, 0], again[:, 2]), "two methods that answer alike got different images"
    expected = 100 * (first.astype(float) - second).std() / np.sqrt(500)
    assert abs((again[:, 0] - again[:, 1]).std() / expected - 1) < 0.1


def test_the_error_knows_of_the_luck_of_the_draws():
    draws = np.repeat([[True], [False], [True], [False]], 300, axis=1)  # all or nothing, by draw alone
    assert abs(notebook.resampled(draws[None]).std() - 25) < 2.5  # 50 / sqrt(4)


@pytest.mark.parametrize(("behind", "error", "words"), [
    ([0.0, 4.0, 9.0], [0.0, 1.0, 1.0], "Use “slow”. It is the best in 90 % of the resamples; “quick” is 4.0 ± 1.0 poi"),
    ([0.0, 0.9, 9.0], [0.0, 1.0, 1.0], "cannot be told from “quick”. Of these “quick” costs least."),
    ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], "cannot be told from “quick” and “poor”. Of these “poor” costs least."),
])
def test_the_advice_says_what_cannot_be_told_apart(behind, error, words):
    table = pd.DataFrame({"behind the best": behind, "error of that": error, "minutes": [9.0, 2.0, 0.1],
                          "best in (%)": [90.0, 9.0, 1.0]}, index=["slow", "quick", "poor"])
    assert words in notebook.advice(table)


def test_a_training_sees_both_sources_alike_and_only_their_images():
    images = torch.zeros(30, 3, 8, 8, dtype=torch.uint8)
    images[10:20] += 100
    images[20:] += 200  # in no source
    seen = []
    vars(notebook).update(IMAGES={"nothing": images}, BATCH_SIZE={"nothing": 8}, outputs=lambda network, batch, view:
                          seen.append(batch) or network(batch.float().mean((1, 2, 3))[:, None]))
    sources = [(torch.arange(10), torch.eye(2)[torch.zeros(10, dtype=int)]),
               (torch.arange(10, 20), torch.full((10, 2), 0.5))]
    losses = notebook.fit_network(nn.Linear(1, 2), "nothing", sources, None, 0.01, 5)
    assert len(losses) == len(seen) == 5
    assert all((batch.amax((1, 2, 3)) == torch.tensor([0] * 4 + [100] * 4)).all() for batch in seen)


def test_what_was_interrupted_leaves_no_half_file(tmp_path):
    with pytest.raises(AttributeError):
        notebook.keep(tmp_path / "arms" / "a.pt", {"logits": lambda: None})
    assert not (tmp_path / "arms" / "a.pt").exists()
    notebook.keep(tmp_path / "arms" / "a.pt", {"logits": torch.ones(2)})
    assert torch.load(tmp_path / "arms" / "a.pt", weights_only=True)["logits"].sum() == 2


def test_a_classifier_scales_photos_and_gives_calibrated_probabilities():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    photos = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    found = notebook.PhotoClassifier(network, 16, 0.5)(photos)
    torch.testing.assert_close(found, (2 * photos.float().mean((2, 3)) / 255).softmax(1), atol=1e-3, rtol=0)
