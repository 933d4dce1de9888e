"""Metrics on numpy arrays: reports, calibration, and the quality of learnt features.  No framework is imported.

Accuracies and rates are fractions in [0, 1].  Labels and predictions are class indices `0 .. num_classes - 1`.
"""

import warnings

import numpy as np


def _labels(values, num_classes=None, length=None, name="labels"):
    values = np.asarray(values)
    if values.ndim != 1 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"{name} must be a non-empty 1-D array of integer class indices, got shape {values.shape} and dtype "
            f"{values.dtype}. Of one-hot rows or scores take .argmax(axis=1) first."
        )
    if length is not None and len(values) != length:
        raise ValueError(f"{name} must have one entry an example: expected {length}, got {len(values)}.")
    if values.min() < 0 or (num_classes is not None and values.max() >= num_classes):
        expected = "0 or more" if num_classes is None else f"0..{num_classes - 1} ({num_classes} classes)"
        raise ValueError(
            f"{name} must be {expected}, found {values.min()}..{values.max()}. "
            "Drop unlabelled examples (-1) and check the number of classes."
        )
    return values.astype(np.int64)


def _rows(values, name):
    values = np.asarray(values)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} must be a non-empty 2-D array, one row an example, got shape {values.shape}.")
    return values


def _scores(labels, scores, name):
    scores = _rows(scores, name)
    if np.isnan(scores).any():
        raise ValueError(f"{name} hold NaN: look for a loss that diverged or a division by zero.")
    return _labels(labels, scores.shape[1], len(scores)), scores


def _probabilities(labels, probabilities):
    labels, probabilities = _scores(labels, probabilities, "probabilities")
    largest_error = np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1).max()
    if probabilities.min() < 0 or largest_error > 5e-3:  # half precision rounds a sum by up to about 1e-3
        raise ValueError(
            f"probabilities must be 0 or more and sum to 1 in each row; the smallest is {probabilities.min():.3g} and "
            f"a sum is off by {largest_error:.3g}. Of logits take evaluate.softmax(logits) first."
        )
    return labels, probabilities


def _features(features, labels, side=""):
    features = _rows(features, f"{side}features").astype(np.float32, copy=False)
    if not np.isfinite(features).all():
        raise ValueError(f"{side}features hold NaN or infinity: look for a diverged loss or half-precision overflow.")
    return features, _labels(labels, length=len(features), name=f"{side}labels")


def _two_sides(train_features, train_labels, test_features, test_labels):
    train, train_labels = _features(train_features, train_labels, "train_")
    test, test_labels = _features(test_features, test_labels, "test_")
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"train_features have {train.shape[1]} columns, test_features {test.shape[1]}: take both from one encoder."
        )
    return train, train_labels, test, test_labels


def accuracy(labels, predictions):
    """Share of predictions that equal the label.

    Args:
        labels: integer `(N,)`, class indices.
        predictions: integer `(N,)`, class indices.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: if the shapes differ or an array does not hold class indices.
    """
    labels = _labels(labels)
    return float(np.mean(labels == _labels(predictions, length=len(labels), name="predictions")))


def top_k_accuracy(labels, scores, k):
    """Share of examples whose label is among the `k` highest scores; of equal scores the lower class counts first.

    Args:
        labels: integer `(N,)`, class indices.
        scores: float `(N, C)`, logits or probabilities.
        k: integer in 1..C; `k=1` is the accuracy of `scores.argmax(axis=1)`.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: if `k` is out of range, a score is NaN, or the shapes do not fit.
    """
    labels, scores = _scores(labels, scores, "scores")
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be in 1..{scores.shape[1]} (the number of classes), got {k}.")
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # stable: a constant output must not count as right
    return float(np.mean((top == labels[:, None]).any(axis=1)))


def confusion_matrix(labels, predictions, num_classes):
    """Counts of every (label, prediction) pair.

    Args:
        labels: integer `(N,)`, class indices below `num_classes`.
        predictions: integer `(N,)`, class indices below `num_classes`.
        num_classes: number of classes C.

    Returns:
        int64 `(C, C)`; entry `[i, j]` counts the images of class i that were predicted as class j.

    Raises:
        ValueError: if the shapes differ or an index is out of range.
    """
    labels = _labels(labels, num_classes)
    predictions = _labels(predictions, num_classes, len(labels), "predictions")
    return np.bincount(labels * num_classes + predictions, minlength=num_classes**2).reshape(num_classes, num_classes)


def classification_report(labels, predictions, class_names):
    """Precision, recall and F1 of every class, and their unweighted (macro) mean.

    Args:
        labels: integer `(N,)`, class indices.
        predictions: integer `(N,)`, class indices.
        class_names: C strings.

    Returns:
        pandas DataFrame, one row a class and a last row `mean`; columns `precision`, `recall`, `f1` in [0, 1] and
        `support`, the number of images of the class (in the last row: of all).  A class that is never predicted
        has precision 0.  A class without images has nothing to recall: its row is NaN and the mean leaves it out.

    Raises:
        ValueError: if the shapes differ or an index is not below C.
    """
    import pandas as pd

    matrix = confusion_matrix(labels, predictions, len(class_names))
    hits, predicted, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    present = np.where(support > 0, 1.0, np.nan)
    rates = {
        "precision": hits / np.maximum(predicted, 1) * present,
        "recall": hits / np.maximum(support, 1) * present,
        "f1": 2 * hits / np.maximum(predicted + support, 1) * present,
    }
    report = pd.DataFrame(rates, index=list(class_names))
    report.loc["mean"] = report.mean()
    report["support"] = [*support, support.sum()]
    return report


def most_confused(matrix, class_names, count):
    """The most frequent confusions, most frequent first.

    Args:
        matrix: integer `(C, C)`, rows are the true classes, as `confusion_matrix` returns it.
        class_names: C strings.
        count: the most rows to return.

    Returns:
        pandas DataFrame with columns `true`, `predicted`, `count`, and `share` of the true class in [0, 1];
        pairs that were never confused are left out.

    Raises:
        ValueError: if the matrix is not C x C.
    """
    import pandas as pd

    matrix = np.asarray(matrix)
    if matrix.shape != (len(class_names),) * 2:
        raise ValueError(f"matrix must be C x C for {len(class_names)} class_names, got shape {matrix.shape}.")
    errors = matrix - np.diag(matrix.diagonal())
    true, predicted = np.unravel_index(np.argsort(-errors, axis=None, kind="stable")[:count], errors.shape)
    counts = errors[true, predicted]
    table = pd.DataFrame({
        "true": [class_names[i] for i in true],
        "predicted": [class_names[i] for i in predicted],
        "count": counts,
        "share": counts / np.maximum(matrix.sum(axis=1)[true], 1),
    })
    return table[table["count"] > 0]


def softmax(logits):
    """Class probabilities of logits, stable for logits of any size; `softmax(logits / temperature)` after scaling.

    Args:
        logits: float `(N, C)`, unnormalised log probabilities.

    Returns:
        float64 `(N, C)`, each row sums to 1.
    """
    from scipy.special import softmax as over

    return over(np.asarray(logits, np.float64), axis=-1)


def negative_log_likelihood(labels, probabilities):
    """Mean of -log p(label), also called cross-entropy or log loss.

    Args:
        labels: integer `(N,)`, class indices.
        probabilities: float `(N, C)`, rows sum to 1.  Below 1e-15 they count as 1e-15, as in Kaggle's log loss.

    Returns:
        float, nats; ln(C) for equal probabilities.

    Raises:
        ValueError: if the rows are not probabilities or a label is out of range.
    """
    labels, probabilities = _probabilities(labels, probabilities)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(own, 1e-15)).mean())


def calibration(labels, probabilities, num_bins=15):
    """Expected calibration error and its bins (Guo et al. 2017, arXiv 1706.04599, eq. 3), equal-width bins.

    Bin m holds the examples whose highest probability lies in ((m - 1) / M, m / M].  The error is the mean distance
    between accuracy and confidence of the bins, weighted by their counts; it depends on the number of bins.

    Args:
        labels: integer `(N,)`, class indices.
        probabilities: float `(N, C)`, rows sum to 1.
        num_bins: number of bins M.

    Returns:
        dict: `expected_calibration_error` float in [0, 1]; `edges` float `(M + 1,)`; `confidence` and `accuracy`
        float `(M,)`, means in the bin, NaN in an empty one; `count` int `(M,)`.

    Raises:
        ValueError: if the rows are not probabilities, a label is out of range or `num_bins < 1`.
    """
    labels, probabilities = _probabilities(labels, probabilities)
    if num_bins < 1:
        raise ValueError(f"num_bins must be 1 or more, got {num_bins}.")
    highest = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, num_bins + 1)
    bins = np.digitize(highest, edges[1:-1], right=True)
    count = np.bincount(bins, minlength=num_bins)
    divisor = np.where(count, count, np.nan)
    confidence = np.bincount(bins, highest, num_bins) / divisor
    bin_accuracy = np.bincount(bins, right, num_bins) / divisor
    error = np.nansum(count * np.abs(bin_accuracy - confidence)) / len(labels)
    return {
        "expected_calibration_error": float(error),
        "edges": edges,
        "confidence": confidence,
        "accuracy": bin_accuracy,
        "count": count,
    }


def temperature_scale(logits, labels):
    """Temperature T for which `softmax(logits / T)` has the lowest negative log-likelihood (Guo et al. 2017, sec. 4.2).

    Fit it on validation images, apply it to test logits.  It changes no prediction, only the confidence.

    Args:
        logits: float `(N, C)`, of validation images.
        labels: integer `(N,)`, class indices.

    Returns:
        float in [0.01, 100]; above 1 where the network is over-confident.  Where there is no best T it warns, and
        returns 1 if every validation image is right, the limit it ran into otherwise.

    Raises:
        ValueError: if a logit is not finite, the shapes do not fit or a label is out of range.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    labels, logits = _scores(labels, logits, "logits")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite: pass the network's outputs before the softmax, not log probabilities.")
    logits, rows, limits = logits.astype(np.float64), np.arange(len(labels)), np.log([0.01, 100])

    def loss(log_temperature):
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean()

    right = np.mean(logits.argmax(axis=1) == labels)
    found = minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-6}).x
    best = 1.0 if right == 1 else float(np.exp(found))  # all right: the smaller T the better, without end
    if right == 1 or np.abs(limits - found).min() < 0.01:
        warnings.warn(
            f"temperature_scale found no best T and returns {best:.3g}: {right:.1%} of the {len(labels)} "
            "validation images are right. Use more validation images.",
            stacklevel=2,
        )
    return best


def _unit(features):
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, np.finfo(np.float32).tiny)


def _knn_predictions(train, train_labels, test, num_neighbours, temperature, leave_one_out=False):
    """Weighted vote on unit rows; `leave_one_out` says that `test` is `train`."""
    available = len(train) - leave_one_out
    if not 1 <= num_neighbours <= available or temperature <= 0:
        raise ValueError(
            f"num_neighbours must be in 1..{available} (the training examples there are) and temperature above 0, "
            f"got {num_neighbours} and {temperature}."
        )
    num_classes = train_labels.max() + 1
    size = max(1, 2**22 // len(train))  # 16 MiB of similarities and 32 MiB of their order
    predictions = []
    for start in range(0, len(test), size):
        similarities = test[start : start + size] @ train.T
        rows = np.arange(len(similarities))
        if leave_one_out:
            similarities[rows, start + rows] = -np.inf
        nearest = np.argpartition(similarities, -num_neighbours, axis=1)[:, -num_neighbours:]
        near = np.take_along_axis(similarities, nearest, axis=1)
        weights = np.exp((near - near.max(axis=1, keepdims=True)) / temperature)  # the shift does not change the winner
        cells = rows[:, None] * num_classes + train_labels[nearest]
        votes = np.bincount(cells.ravel(), weights.ravel(), len(rows) * num_classes)
        predictions.append(votes.reshape(-1, num_classes).argmax(axis=1))
    return np.concatenate(predictions)


def knn_accuracy(train_features, train_labels, test_features, test_labels, num_neighbours=200, temperature=0.07):
    """Accuracy of a weighted k-nearest-neighbour vote on features (Wu et al. 2018, arXiv 1805.01978, sec. 3.4).

    Each of the k training examples with the highest cosine similarity s votes for its class with weight
    exp(s / temperature).  Runs in blocks, in about 80 MiB beside the features and their normalised copy.

    Args:
        train_features: float `(N, D)`, need not be normalised; computed in float32.
        train_labels: integer `(N,)`, class indices.
        test_features: float `(M, D)`, from the same encoder.
        test_labels: integer `(M,)`, class indices.
        num_neighbours: k in 1..N; the paper's 200 suits thousands of images a class, 5-20 a few dozen.
        temperature: positive float, unitless; the paper's 0.07.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, or `num_neighbours` or `temperature` is out of range.
    """
    train, train_labels, test, test_labels = _two_sides(train_features, train_labels, test_features, test_labels)
    predictions = _knn_predictions(_unit(train), train_labels, _unit(test), num_neighbours, temperature)
    return float(np.mean(predictions == test_labels))


def _fit_softmax_regression(features, labels, num_classes, l2, max_iterations):
    """Weights `(D + 1, C)` with the bias last, and whether L-BFGS converged.  `features` are standardised float32.

    The penalty is as stated; the search runs in coordinates in which the curvature at the start is about 1 in every
    direction (Cov / C + l2), which needs a fifth of the iterations on correlated features and has the same optimum.
    """
    from scipy.optimize import minimize

    num_examples, width = features.shape
    rows = np.arange(num_examples)
    variances, axes = np.linalg.eigh((features.T @ features / num_examples).astype(np.float64))
    basis = axes / np.sqrt(np.maximum(variances, 0) / num_classes + l2 + 1e-6)

    def weights_of(parameters):
        table = parameters.reshape(width + 1, num_classes)
        return np.vstack([basis @ table[:-1], table[-1]])

    def loss_and_gradient(parameters):
        weights = weights_of(parameters)
        errors = features @ weights[:-1].astype(np.float32) + weights[-1].astype(np.float32)
        errors -= errors.max(axis=1, keepdims=True)
        own = errors[rows, labels]
        np.exp(errors, out=errors)
        sums = errors.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - own).mean(dtype=np.float64) + l2 / 2 * np.sum(weights[:-1] ** 2)
        errors /= sums
        errors[rows, labels] -= 1
        slope = (features.T @ errors) / num_examples + l2 * weights[:-1]
        return loss, np.vstack([basis.T @ slope, errors.mean(axis=0, dtype=np.float64)]).ravel()

    options = {"maxiter": max_iterations, "gtol": 3e-5, "ftol": 1e-9}
    start = np.zeros((width + 1) * num_classes)
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return weights_of(found.x).astype(np.float32), found.status != 1


def linear_probe(train_features, train_labels, test_features, test_labels, l2=1e-3, max_iterations=500):
    """Multinomial logistic regression on standardised frozen features: how much a linear layer can read from them.

    Minimises mean cross-entropy + l2 / 2 * ||W||^2 (the bias is free) with L-BFGS from zero: no seed, no step size.
    Mean and standard deviation come from the training side alone.  Choose `l2` on validation images:

        best = max([1e-1, 1e-2, 1e-3, 1e-4], key=lambda l2: linear_probe(*train, *validation, l2=l2)["accuracy"])

    Not scikit-learn's LogisticRegression: on correlated 50,000 x 512 features that took 5 to 10 times as long.

    Args:
        train_features: float `(N, D)`; computed in float32.
        train_labels: integer `(N,)`, class indices.
        test_features: float `(M, D)`, from the same encoder.
        test_labels: integer `(M,)`, class indices.
        l2: float, 0 or more, weight decay; with C of scikit-learn, `l2 = 1 / (C * N)`.
        max_iterations: most iterations of L-BFGS.

    Returns:
        dict: `accuracy` and `train_accuracy` in [0, 1]; `predictions` int `(M,)`; `probabilities` float64 `(M, C)`;
        `converged`, False if `max_iterations` came first.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite or `l2 < 0`.
    """
    train, train_labels, test, test_labels = _two_sides(train_features, train_labels, test_features, test_labels)
    if l2 < 0:
        raise ValueError(f"l2 must be 0 or more, got {l2}.")
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    train = train - mean
    deviation = np.sqrt(np.einsum("nd,nd->d", train, train) / len(train))
    deviation = np.where(deviation > 1e-6 * np.abs(mean), deviation, np.float32(np.inf))  # constant: left out
    train /= deviation
    num_classes = int(max(train_labels.max(), test_labels.max())) + 1
    weights, converged = _fit_softmax_regression(train, train_labels, num_classes, l2, max_iterations)
    train_predictions = (train @ weights[:-1] + weights[-1]).argmax(axis=1)
    logits = (test - mean) / deviation @ weights[:-1] + weights[-1]
    predictions = logits.argmax(axis=1)
    return {
        "accuracy": float(np.mean(predictions == test_labels)),
        "train_accuracy": float(np.mean(train_predictions == train_labels)),
        "predictions": predictions,
        "probabilities": softmax(logits),
        "converged": bool(converged),
    }


def cluster_quality(features, labels, seed=0):
    """How well features group by class.  Give it held-out images: training images flatter a supervised encoder.

    All on features scaled to unit length.

    Args:
        features: float `(N, D)`.
        labels: integer `(N,)`, class indices of at least two classes, fewer classes than images.
        seed: integer, of k-means and of the sample for the silhouette.

    Returns:
        dict of floats: `silhouette` in [-1, 1] (Rousseeuw 1987, cosine distance, at most 2,000 sampled images);
        `nmi` in [0, 1] and `ari` in [-0.5, 1], agreement of the classes with k-means where k is the number of classes
        present (10 starts; normalised mutual information, arithmetic mean; adjusted Rand index);
        `knn_accuracy`, leave one out, of the weighted vote of min(20, N - 1) neighbours at temperature 0.07;
        `intra_class_distance` and `inter_class_distance` in [0, 2], mean cosine distance of all pairs of different
        images of one class, and of different classes.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, there is one class only, or no class has two images.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

    features, labels = _features(features, labels)
    features = _unit(features)
    classes, labels = np.unique(labels, return_inverse=True)
    if not 2 <= len(classes) < len(labels):
        raise ValueError(
            f"labels must have 2 classes or more and a class with 2 images, got {len(classes)} classes in "
            f"{len(labels)} images."
        )
    sample = np.random.default_rng(seed).permutation(len(labels))[:2000]
    clusters = KMeans(len(classes), n_init=10, random_state=seed).fit_predict(features)
    neighbours = _knn_predictions(features, labels, features, min(20, len(labels) - 1), 0.07, leave_one_out=True)
    sums = np.zeros((len(classes), features.shape[1]))
    np.add.at(sums, labels, features)
    # Sums of cosines over pairs come from sums of vectors: |sum of a class|^2 = its pairs + each image with itself.
    same = np.sum(sums**2)
    same_pairs = np.sum(np.bincount(labels) ** 2)
    intra = (same - np.sum(features.astype(np.float64) ** 2)) / (same_pairs - len(labels))
    inter = (np.sum(sums.sum(axis=0) ** 2) - same) / (len(labels) ** 2 - same_pairs)
    return {
        "silhouette": float(silhouette_score(features[sample], labels[sample], metric="cosine")),
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "knn_accuracy": float(np.mean(neighbours == labels)),
        "intra_class_distance": float(1 - intra),
        "inter_class_distance": float(1 - inter),
    }


def mean_and_spread(values):
    """Mean and sample standard deviation of repeated runs, as `results/` records store them.

    Args:
        values: n finite numbers, one a run.

    Returns:
        dict: `mean` float; `sd` float, with n - 1 in the divisor, None for one run (its spread is unknown, not 0); `n`.

    Raises:
        ValueError: if there is no value or one is not finite.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"values must be a non-empty list of finite numbers, got {values.tolist()}.")
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "sd": sd, "n": len(values)}


def alignment(view_a, view_b):
    """Mean squared distance between the two views of an image on the unit sphere (Wang & Isola 2020, arXiv 2005.10242).

    Args:
        view_a: float `(N, D)`; need not be normalised.
        view_b: float `(N, D)`, row i is the other view of row i in `view_a`.

    Returns:
        float in [0, 4]; 0 if the views agree, 2 if they are as far apart as unrelated directions.
    """
    a, b = _rows(view_a, "view_a").astype(np.float64), _rows(view_b, "view_b").astype(np.float64)
    if a.shape != b.shape:
        raise ValueError(f"view_a and view_b must have one shape, got {a.shape} and {b.shape}.")
    return float(np.mean(np.sum((_unit(a) - _unit(b)) ** 2, axis=1)))


def uniformity(features, t=2.0):
    """How evenly features cover the unit sphere: log of the mean of exp(-t d^2) over all pairs (Wang & Isola 2020).

    Args:
        features: float `(N, D)`, at most some thousand rows; need not be normalised.
        t: positive float; the paper's 2.

    Returns:
        float, at most 0, which is complete collapse; for t = 2 spread-out features come near -4.
    """
    rows = _unit(_rows(features, "features").astype(np.float64))
    if len(rows) < 2:
        raise ValueError("features must have at least 2 rows, for uniformity is about pairs; got 1.")
    distances = 2 - 2 * (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return float(np.log(np.mean(np.exp(-t * distances))))


def effective_rank(features):
    """In how many directions features vary: exp of the entropy of their singular values (Roy & Vetterli 2007).

    Also known as RankMe (Garrido et al. 2023, arXiv 2210.02885), there without taking out the mean.

    Args:
        features: float `(N, D)`.

    Returns:
        float from 1, all on one line, to min(N - 1, D); 0 if all rows are equal.
    """
    rows = _rows(features, "features").astype(np.float64)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    if values[0] <= 1e-6 * np.abs(rows).max():
        return 0.0
    shares = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))
