"""One epoch of MNIST-sized batches: `training.batches` on TensorFlow, against the usual `tf.data` pipeline."""

import os
import statistics
import time

import numpy as np
import tensorflow as tf

from helpers.keras import training

COUNT, BATCH_SIZE, ROUNDS = 20_000, 64, 5


def usual(images, labels):
    """The pipeline of most tutorials: image by image through a shuffle buffer and `map`, then batched."""
    stream = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(labels))
    stream = stream.map(lambda image, label: (tf.cast(image, tf.float32) / 255, label), tf.data.AUTOTUNE)
    return stream.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def seconds(batches, steps):
    started = time.perf_counter()
    for images, _ in batches.take(steps):
        assert images.dtype == tf.float32
    return time.perf_counter() - started


def main():
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8), np.arange(COUNT) % 10
    contenders = {"training.batches": training.batches(images, labels, BATCH_SIZE, seed=0),
                  "tf.data, image by image": usual(images, labels)}
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):  # in turn, so that a busy neighbour hits all alike
        for name, batches in contenders.items():
            times[name].append(seconds(batches, COUNT // BATCH_SIZE))
    ours = statistics.median(times["training.batches"])
    print(f"batches of {BATCH_SIZE} from {COUNT} images of 28 x 28, {os.cpu_count()} cores, median of {ROUNDS}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:<24} {1000 * median:8.1f} ms   {median / ours:6.1f} x")


if __name__ == "__main__":
    main()
