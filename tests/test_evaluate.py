import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from helpers import evaluate


def clusters(num_examples, num_classes, width=16, spread=0.3, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(100).normal(size=(num_classes, width))
    labels = np.arange(num_examples) % num_classes
    return centres[labels] + spread * rng.normal(size=(num_examples, width)), labels


def calibrated_sample(num_examples=20_000, num_classes=5, seed=0):
    """Logits, and labels drawn from exactly the probabilities that the logits state."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(num_examples, num_classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((num_examples, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=num_classes - 1)
    return logits, labels


def test_importing_evaluate_loads_no_framework():
    code = "import sys, helpers.evaluate; print({'torch', 'tensorflow', 'keras', 'jax'} & set(sys.modules))"
    root = Path(evaluate.__file__).parents[1]
    assert subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).strip() == "set()"


def test_the_report_agrees_with_hand_worked_values_and_gives_0_to_a_class_never_predicted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = evaluate.classification_report([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1], ["cat", "dog", "elk"])
    assert list(report.index) == ["cat", "dog", "elk", "mean"]
    np.testing.assert_allclose(report["precision"], [1, 1 / 2, 0, 1 / 2])
    np.testing.assert_allclose(report["recall"], [2 / 3, 1, 0, 5 / 9])
    np.testing.assert_allclose(report["f1"], [4 / 5, 2 / 3, 0, 22 / 45])
    assert list(report["support"]) == [3, 2, 1, 6]


def test_a_class_without_images_does_not_pull_the_mean_down():
    report = evaluate.classification_report([0, 1], [0, 1], ["cat", "dog", "elk"])
    assert report.loc["elk", ["precision", "recall", "f1"]].isna().all()
    assert report.loc["mean", "recall"] == 1


def test_confusions_have_true_classes_as_rows_and_the_most_frequent_comes_first():
    matrix = evaluate.confusion_matrix(np.uint8([0, 0, 1, 1, 1]), np.uint8([0, 2, 2, 2, 1]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 2], [0, 0, 0]]
    table = evaluate.most_confused(matrix, ["cat", "dog", "elk"], count=5)
    assert table[["true", "predicted", "count"]].values.tolist() == [["dog", "elk", 2], ["cat", "elk", 1]]
    np.testing.assert_allclose(table["share"], [2 / 3, 1 / 2])


def test_top_k_counts_the_k_highest_scores_and_a_constant_output_earns_nothing():
    scores = np.array([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2]])
    assert [evaluate.top_k_accuracy([2, 2], scores, k) for k in (1, 2, 3)] == [0, 0.5, 1]
    assert evaluate.top_k_accuracy([1, 2, 3], np.zeros((3, 4)), 1) == 0
    assert evaluate.accuracy([1, 0, 2], [1, 1, 2]) == pytest.approx(2 / 3)


def test_negative_log_likelihood_is_ln_c_for_equal_probabilities_and_finite_for_a_sure_mistake():
    assert evaluate.negative_log_likelihood([3, 0], np.full((2, 10), 0.1)) == pytest.approx(math.log(10))
    assert evaluate.negative_log_likelihood([0, 1], [[0.5, 0.5], [0.75, 0.25]]) == pytest.approx(math.log(8) / 2)
    assert evaluate.negative_log_likelihood([0], [[0.0, 1.0]]) == pytest.approx(15 * math.log(10))
    assert evaluate.softmax([[1000.0, 0.0, 1000.0]]).tolist() == [[0.5, 0, 0.5]]


def test_calibration_error_of_a_hand_made_case():
    probabilities = np.array([[0.95, 0.05], [0.05, 0.95], [0.65, 0.35], [0.35, 0.65]])
    result = evaluate.calibration([0, 0, 0, 1], probabilities, num_bins=10)  # half of the sure ones right, all others
    assert result["expected_calibration_error"] == pytest.approx(0.5 * 0.45 + 0.5 * 0.35)
    assert result["count"].tolist() == [0] * 6 + [2, 0, 0, 2]
    np.testing.assert_allclose(result["accuracy"][[6, 9]], [1, 0.5])
    np.testing.assert_allclose(result["confidence"][[6, 9]], [0.65, 0.95])
    assert np.isnan(result["accuracy"][0])
    on_an_edge = evaluate.calibration([0], [[0.5, 0.5]], num_bins=2)  # bins are (low, high], as in the paper
    assert on_an_edge["count"].tolist() == [1, 0]


def test_calibration_error_is_near_0_when_calibrated_and_large_when_over_confident():
    logits, labels = calibrated_sample()
    error = [evaluate.calibration(labels, evaluate.softmax(s * logits))["expected_calibration_error"] for s in (1, 4)]
    assert error[0] < 0.015 and error[1] > 0.1


def test_temperature_scaling_recovers_the_factor_the_logits_were_multiplied_by():
    logits, labels = calibrated_sample()
    assert evaluate.temperature_scale(logits, labels) == pytest.approx(1, rel=0.03)
    for factor in (0.2, 7):
        scaled = evaluate.temperature_scale(factor * logits, labels)
        assert scaled == pytest.approx(factor * evaluate.temperature_scale(logits, labels), rel=1e-4)


def test_temperature_scaling_says_when_there_is_no_best_temperature():
    with pytest.warns(UserWarning, match=r"returns 1: 100.0% of the 3 validation images are right"):
        assert evaluate.temperature_scale(5.0 * np.eye(3), [0, 1, 2]) == 1
    with pytest.warns(UserWarning, match=r"returns 100: 0.0% of the 3"):
        evaluate.temperature_scale(5.0 * np.eye(3), [1, 2, 0])


def test_knn_agrees_with_a_brute_force_loop_over_several_blocks():
    train, train_labels = clusters(2000, 7, spread=2.0)
    test, test_labels = clusters(2500, 7, spread=2.0, seed=1)  # 2,097 rows a block beside 2,000 training examples
    hits = 0
    for row, label in zip(test, test_labels):
        cosines = train @ row / np.linalg.norm(train, axis=1) / np.linalg.norm(row)
        votes = np.zeros(7)
        for index in np.argsort(cosines)[-30:]:
            votes[train_labels[index]] += math.exp(cosines[index] / 0.1)
        hits += votes.argmax() == label
    assert 0.3 < hits / 2500 < 0.95
    assert evaluate.knn_accuracy(train, train_labels, test, test_labels, 30, 0.1) == hits / 2500


def test_at_a_low_temperature_the_nearest_neighbour_outvotes_the_majority():
    train, labels = [[1, 0], [1, 1], [1, 1.1]], [0, 1, 1]
    assert evaluate.knn_accuracy(train, labels, [[5, 0.1]], [0], 3, temperature=0.05) == 1
    assert evaluate.knn_accuracy(train, labels, [[5, 0.1]], [1], 3, temperature=10) == 1


def test_the_probe_finds_the_optimum_that_scikit_learn_finds():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, labels = clusters(400, 4, spread=1.5)
    test, test_labels = clusters(200, 4, spread=1.5, seed=1)
    stretch = np.diag(np.logspace(-2, 3, 16)) + 0.3  # badly scaled and correlated
    train, test = train @ stretch + 50, test @ stretch + 50
    scaler = StandardScaler().fit(train)
    peer = LogisticRegression(C=1 / (400 * 0.01), tol=1e-8, solver="newton-cg").fit(scaler.transform(train), labels)
    result = evaluate.linear_probe(train, labels, test, test_labels, l2=0.01)
    np.testing.assert_allclose(result["probabilities"], peer.predict_proba(scaler.transform(test)), atol=2e-3)
    assert result["converged"] and result["accuracy"] == np.mean(result["predictions"] == test_labels)


def test_the_probe_separates_separable_classes_and_l2_holds_it_back():
    train, test = clusters(90, 3, spread=0.01), clusters(30, 3, spread=0.01, seed=1)
    free, held = (evaluate.linear_probe(*train, *test, l2=l2) for l2 in (1e-4, 100))
    assert free["accuracy"] == free["train_accuracy"] == 1
    assert free["probabilities"].max() > 0.99 and held["probabilities"].max() < 0.4


def test_the_probe_takes_nothing_from_the_test_side_and_leaves_its_inputs_alone():
    train, labels = (array.astype(kind) for array, kind in zip(clusters(60, 3, spread=2.0), (np.float32, int)))
    test, test_labels = clusters(20, 3, spread=2.0, seed=1)
    copy = train.copy()
    alone = evaluate.linear_probe(train, labels, test[:5], test_labels[:5])
    crowd = evaluate.linear_probe(train, labels, np.vstack([test, 1e4 + test]), np.tile(test_labels, 2))
    np.testing.assert_allclose(alone["probabilities"], crowd["probabilities"][:5], rtol=1e-4)
    np.testing.assert_array_equal(train, copy)


def test_the_probe_copes_with_a_constant_feature_and_a_class_without_training_images():
    train, labels = clusters(60, 3)
    train[:, 0] = 0.3
    test, test_labels = clusters(40, 4, seed=1)  # class 3 was never shown
    result = evaluate.linear_probe(train, labels, test, test_labels)
    assert result["probabilities"].shape == (40, 4) and result["accuracy"] == 0.75


def test_cluster_quality_is_near_1_for_tight_clusters_and_near_0_for_shuffled_labels():
    features, labels = clusters(600, 5, spread=0.05)
    tight = evaluate.cluster_quality(features, labels)
    loose = evaluate.cluster_quality(features, np.random.default_rng(0).permutation(labels))
    for name in ("silhouette", "nmi", "ari"):
        assert tight[name] > 0.9 and abs(loose[name]) < 0.05, name
    assert tight["knn_accuracy"] == 1 and loose["knn_accuracy"] < 0.35
    assert evaluate.cluster_quality(features, labels) == tight


def test_class_distances_agree_with_a_loop_over_all_pairs():
    features, labels = clusters(30, 3, spread=1.0)
    distances = {True: [], False: []}
    for i in range(30):
        for j in range(i):
            cosine = features[i] @ features[j] / np.linalg.norm(features[i]) / np.linalg.norm(features[j])
            distances[bool(labels[i] == labels[j])].append(1 - cosine)
    quality = evaluate.cluster_quality(features, labels + 4)  # classes 0-3 have no image
    assert quality["intra_class_distance"] == pytest.approx(np.mean(distances[True]), abs=1e-5)
    assert quality["inter_class_distance"] == pytest.approx(np.mean(distances[False]), abs=1e-5)


def test_leave_one_out_does_not_let_an_image_vote_for_itself():
    rng = np.random.default_rng(0)  # unrelated to their labels, so only an image's own vote could be right
    features, labels = rng.normal(size=(2500, 64)), rng.integers(0, 2, 2500)  # two blocks
    assert 0.45 < evaluate.cluster_quality(features, labels)["knn_accuracy"] < 0.55


def test_mean_and_spread_divides_by_n_minus_1_and_calls_the_spread_of_one_run_unknown():
    assert evaluate.mean_and_spread([1, 2, 3, 4]) == {"mean": 2.5, "sd": pytest.approx(math.sqrt(5 / 3)), "n": 4}
    assert json.loads(json.dumps(evaluate.mean_and_spread([np.float32(0.5)]))) == {"mean": 0.5, "sd": None, "n": 1}


HALF, FEATURES = np.full((2, 2), 0.5), np.eye(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate.accuracy([0, 1], [[0.1, 0.9], [0.8, 0.2]]), "argmax"),
        (lambda: evaluate.accuracy([0, 1], [0]), "predictions .* expected 2, got 1"),
        (lambda: evaluate.accuracy([0, -1], [0, 1]), r"Drop unlabelled"),
        (lambda: evaluate.confusion_matrix([0, 3], [0, 1], 3), r"labels must be 0..2 \(3 classes\), found 0..3"),
        (lambda: evaluate.top_k_accuracy([0, 1], HALF, 3), "k must be in 1..2"),
        (lambda: evaluate.top_k_accuracy([0, 1], HALF * np.nan, 1), "NaN"),
        (lambda: evaluate.calibration([0, 1], 3 * HALF), r"sum to 1.*softmax\(logits\)"),
        (lambda: evaluate.negative_log_likelihood([0, 1], [[-0.5, 1.5], [0.5, 0.5]]), "0 or more"),
        (lambda: evaluate.temperature_scale(HALF * -np.inf, [0, 1]), "finite"),
        (lambda: evaluate.knn_accuracy(FEATURES, range(4), FEATURES, range(4)), r"1..4 .*got 200"),
        (lambda: evaluate.knn_accuracy(FEATURES, range(4), FEATURES[:, :3], range(4), 1), "one encoder"),
        (lambda: evaluate.linear_probe(FEATURES * np.nan, range(4), FEATURES, range(4)), "train_features hold NaN"),
        (lambda: evaluate.cluster_quality(FEATURES, [1, 1, 1, 1]), "2 classes or more"),
        (lambda: evaluate.mean_and_spread([0.9, float("nan")]), "finite"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_alignment_and_uniformity_know_their_extremes():
    generator = np.random.default_rng(0)
    spread = generator.normal(size=(1000, 64))
    assert evaluate.alignment(spread, 5 * spread) < 1e-12
    assert abs(evaluate.alignment(spread, generator.normal(size=(1000, 64))) - 2) < 0.05
    assert abs(evaluate.alignment(spread, -spread) - 4) < 1e-12
    assert abs(evaluate.uniformity(np.ones((50, 8)))) < 1e-12
    assert -4 < evaluate.uniformity(spread) < -3.8  # exp(-4 (1 - cosine)), cosines near 0 with variance 1 / 64
    pairs = [np.exp(-2 * np.sum((a - b) ** 2)) for i, a in enumerate(evaluate._unit(spread[:20]))
             for b in evaluate._unit(spread[:20])[i + 1:]]
    assert math.isclose(evaluate.uniformity(spread[:20]), math.log(np.mean(pairs)), rel_tol=1e-9)


def test_the_effective_rank_counts_directions():
    generator = np.random.default_rng(0)
    basis = np.linalg.qr(generator.normal(size=(32, 5)))[0]
    centred = generator.normal(size=(100, 5))
    centred = np.linalg.qr(centred - centred.mean(axis=0))[0]
    assert math.isclose(evaluate.effective_rank(centred @ basis.T), 5, abs_tol=1e-6)
    assert evaluate.effective_rank(np.full((10, 4), 3.0)) == 0
    assert math.isclose(evaluate.effective_rank(generator.normal(size=(50, 1)) * np.ones((1, 8))), 1, abs_tol=1e-6)
