"""SimCLR's augmentation of CIFAR-sized images in Keras, on the device, against built-in layers and tf.image."""

import os
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from helpers.keras import augment

COUNT, SIDE, ROUNDS = 512, 32, 7
GENERATOR = keras.random.SeedGenerator(0)


def ours(images):
    images = augment.random_horizontal_flip(augment.random_resized_crop(images, generator=GENERATOR), 0.5, GENERATOR)
    images = augment.random_color_jitter(images, generator=GENERATOR)
    return augment.random_grayscale(images, 0.2, GENERATOR)


def with_tf_image(image):
    """One image, as most notebooks write it; the operations on colours keep one order."""
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        [SIDE, SIDE, 3], tf.zeros((1, 0, 4)), area_range=(0.2, 1.0), aspect_ratio_range=(3 / 4, 4 / 3),
        use_image_if_no_bounding_boxes=True)
    image = tf.image.random_flip_left_right(tf.image.resize(tf.slice(image, begin, size), (SIDE, SIDE)))
    if tf.random.uniform(()) < 0.8:
        image = tf.image.random_contrast(tf.image.random_brightness(image, 0.4), 0.6, 1.4)
        image = tf.clip_by_value(tf.image.random_hue(tf.image.random_saturation(image, 0.6, 1.4), 0.1), 0, 1)
    if tf.random.uniform(()) < 0.2:
        image = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image))
    return tf.ensure_shape(image, (SIDE, SIDE, 3))


def main():
    coarse = tf.random.stateless_uniform((COUNT, 8, 8, 3), (0, 0))
    images = tf.clip_by_value(tf.image.resize(coarse, (SIDE, SIDE), "bicubic"), 0, 1)
    # The nearest that there is: one crop for the whole batch, and no resized crop.
    operations = [
        layers.RandomCrop(28, 28), layers.Resizing(SIDE, SIDE), layers.RandomFlip("horizontal"),
        layers.RandomColorJitter(value_range=(0, 1), brightness_factor=0.4, contrast_factor=0.4,
                                 saturation_factor=(0.3, 0.7), hue_factor=0.1), layers.RandomGrayscale(0.2)]

    def built_in(batch):
        for operation in operations:
            batch = operation(batch)  # Keras' preprocessing layers draw unless told that training is off
        return batch

    def mapped(function, one_by_one=False):
        source = tf.data.Dataset.from_tensor_slices(images).repeat(2)
        if one_by_one:
            return source.map(function, num_parallel_calls=tf.data.AUTOTUNE).batch(COUNT)
        return source.batch(COUNT).map(function, num_parallel_calls=tf.data.AUTOTUNE)

    compiled = {"graph": tf.function(ours, autograph=False),
                "XLA": tf.function(ours, autograph=False, jit_compile=True)}
    pipelines = {"keras.layers, mapped to batches": mapped(built_in),
                 "keras.layers, mapped to images": mapped(built_in, one_by_one=True),
                 "tf.image, mapped to images": mapped(with_tf_image, True)}
    contenders = {name: lambda pipeline=pipeline: [batch.numpy() for batch in pipeline]
                  for name, pipeline in pipelines.items()}
    contenders |= {f"ours, batched, {name}": lambda function=function: [function(images).numpy() for _ in range(2)]
                   for name, function in compiled.items()}
    times = {name: [] for name in contenders}
    for number in range(ROUNDS + 1):  # in turn, so that a busy neighbour hits all alike
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            if number:  # the first round traces and warms up
                times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    print(f"two views of {COUNT} images of {SIDE} x {SIDE}, {device}, {os.cpu_count()} cores, median of {ROUNDS}")
    print(f"{'':<57}times as fast as 1, 2, 3")
    for number, (name, median) in enumerate(medians.items(), 1):
        over = {peer: medians[peer] / median for peer in list(medians)[:3]}
        print(f"  {number} {name:<34} {2 * COUNT / median:10,.0f} views/s   "
              + "  ".join(f"{ratio:5.2f} x" for ratio in over.values()))
    same = np.repeat(images[:1], 16, axis=0)
    print("different outputs of 16 equal images (batched):",
          {"keras.layers.RandomCrop": len(np.unique(layers.RandomCrop(28, 28)(same), axis=0)),
           "ours": len(np.unique(np.asarray(ours(same)).round(4), axis=0))})


if __name__ == "__main__":
    main()
