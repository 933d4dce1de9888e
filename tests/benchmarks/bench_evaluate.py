"""kNN and linear probe on features of CIFAR-10's size (50,000 x 512, 10,000 to test) beside scikit-learn's."""

import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from helpers import evaluate

TRAIN, TEST, WIDTH = 50_000, 10_000, 512


def make_features(num_classes):
    """Clusters in correlated features, as a trained network gives them: features, labels of both sides."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(WIDTH, WIDTH)) * np.linspace(0.02, 1, WIDTH)[:, None] ** 2
    centres = generator.normal(size=(num_classes, WIDTH)) * 0.12
    labels = np.arange(TRAIN + TEST) % num_classes
    features = ((centres[labels] + generator.normal(size=(TRAIN + TEST, WIDTH))) @ mixing).astype(np.float32)
    return features[:TRAIN], labels[:TRAIN], features[TRAIN:], labels[TRAIN:]


def sklearn_knn(train, train_labels, test, test_labels):
    train, test = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (train, test))
    return KNeighborsClassifier(200, algorithm="brute").fit(train, train_labels).score(test, test_labels)


def sklearn_probe(train, train_labels, test, test_labels):
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=1 / (1e-3 * len(train)), max_iter=500)
    return model.fit(scaler.transform(train), train_labels).score(scaler.transform(test), test_labels)


def main():
    features = make_features(10)
    pairs = {"kNN": (evaluate.knn_accuracy, sklearn_knn),
             "linear probe": (lambda *sides: evaluate.linear_probe(*sides)["accuracy"], sklearn_probe)}
    for name, (ours, peer) in pairs.items():
        seconds, accuracies = [], []
        for function in (ours, peer):
            started = time.perf_counter()
            accuracies.append(function(*features))
            seconds.append(time.perf_counter() - started)
        print(f"{name:<14} ours {seconds[0]:5.1f} s ({accuracies[0]:.3f}), scikit-learn {seconds[1]:5.1f} s "
              f"({accuracies[1]:.3f}), {seconds[1] / seconds[0]:.1f} x")
    started = time.perf_counter()
    evaluate.linear_probe(*make_features(100))
    print(f"linear probe, 100 classes: ours {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
