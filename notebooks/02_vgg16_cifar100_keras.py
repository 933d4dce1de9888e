# ---
# jupyter:
#   accelerator: GPU
#   colab:
#     gpuType: T4
#     toc_visible: true
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # VGG-16 on CIFAR-100, in Keras
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/02_vgg16_cifar100_keras.ipynb)
#
# VGG is one idea carried through: nothing but 3 x 3 convolutions, more and more of them. We build VGG-16 block by block
# from a list, teach it to tell a hundred kinds of things apart, and take the training recipe to pieces, to see what
# each part of it is worth.
#
# | | |
# |---|---|
# | Data | CIFAR-100: 50,000 training and 10,000 test photographs, 32 x 32 pixels, a hundred classes (169 MB) |
# | Method | 3 x 3 convolutions, batch norm; SGD with warm-up and cosine, label smoothing, crop and flip |
# | Expected | test accuracy at least 50 % (`laptop`, thinner network), 71 % (`colab`), 74 % (`full`) |
# | You need | notebook 01 (training with `fit`, and how to judge a classifier) |
# | Reviewed | 2026-11-22, Colab's image of 2026-08-19 (Python 3.13, Keras 3.13, TensorFlow 2.20) |
#
# <!-- measured:begin -->
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | test accuracy (%): 51.22 (n = 1) | 16.0 | 915 | 3.6 GiB | CPU, 2 cores (Intel Xeon) |
#
# Minutes are those of the headline training and its baseline; experiments come on top and say theirs.
# On a GPU: pending, no such run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - build a deep network from a list of blocks and count its parameters,
# - say why the original was so hard to train, and what batch norm changed,
# - put together a training recipe, and measure what each part is worth instead of believing it,
# - judge a hundred classes: top-1, top-5, and the errors by groups of classes,
# - see what filters look for, from plain colours in the first block to whole patterns in the last.

# %% tags=["parameters"]
PROFILE = "colab"  # @param ["smoke", "laptop", "colab", "full"]
SEED = 0  # @param {type:"integer"}
OVERRIDES = {}  # @param {type:"raw"}
DATA = ""  # @param {type:"string"}
USE_DRIVE = False  # @param {type:"boolean"}

# %% tags=["setup"]
# Finds the checkout this notebook belongs to (or clones it, as on Colab) and makes its `helpers` importable.
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = "https://github.com/OWNER/REPOSITORY"
HELPERS_API = 1  # the generation of `helpers` this notebook was written for


def find_checkout(start):
    """Returns the folder that holds helpers/ and notebooks/: upwards from `start`, or a clone inside it."""
    clone = start / REPOSITORY.rpartition("/")[2].removesuffix(".git")
    for folder in (start, *start.parents, clone):
        if (folder / "helpers" / "__init__.py").is_file() and (folder / "notebooks").is_dir():
            return folder
    if clone.exists():
        raise RuntimeError(f"{clone} is no whole copy of {REPOSITORY}: remove it and run this cell again.")
    if REPOSITORY.endswith("/OWNER/REPOSITORY"):
        raise RuntimeError("No address to clone from yet: run `make notebooks REPOSITORY=owner/name` once.")
    part = clone.with_name(clone.name + ".part")  # renamed when whole: half a clone is never taken for one
    shutil.rmtree(part, ignore_errors=True)
    command = ["git", "clone", "--quiet", "--depth", "1", REPOSITORY, str(part)]
    never_ask = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}  # a wrong address fails, asks for no password
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env=never_ask)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip()
        raise RuntimeError(f"Cannot clone {REPOSITORY}. See that git is installed and the address can be "
                           f"reached, then run this cell again. The reason given:\n{reason}") from None
    part.rename(clone)
    return find_checkout(start)


def use_helpers(root):
    """Puts the checkout `root` first on the import path; refuses a foreign or stale `helpers`."""
    sys.path[:] = [str(root), *(entry for entry in sys.path if entry != str(root))]
    import helpers
    origin, api = getattr(helpers, "__file__", None) or "/an unknown place", getattr(helpers, "API", None)
    if not Path(origin).resolve().is_relative_to(root):
        raise ImportError(f"`helpers` came from {origin}, not from {root}: restart the runtime and run this "
                          "cell first; if that does not help, rename or uninstall the other `helpers`.")
    if api != HELPERS_API:
        raise ImportError(f"{root} has helpers.API {api}, this notebook needs {HELPERS_API}: save what you need "
                          "from there, delete it, restart the runtime, open a fresh copy from the badge.")


use_helpers(find_checkout(Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()))

# %% [markdown]
# The form above is all there is to set. `PROFILE` chooses how much is computed; `DATA` may name a folder of your own
# photos (one sub-folder for each class), which are then scaled to 32 x 32 and take CIFAR-100's place; the numbers of
# the card are CIFAR-100's and do not apply to them.

# %%
import math

import keras
import numpy as np
from IPython.display import display
from keras import layers, ops
from tqdm.auto import tqdm

from helpers import config, data, evaluate, experiments, plots, provenance, results, runtime
from helpers.data.catalogue import CIFAR100_SUPERCLASSES
from helpers.keras import augment, explain, training

run = runtime.start("02_vgg16_cifar100_keras", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Keras 3 computes with TensorFlow, JAX or PyTorch, whichever the environment variable `KERAS_BACKEND` names before the
# first import; Colab's GPU runtime takes TensorFlow. Nothing in this notebook depends on the choice but the random
# numbers.
#
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, drawn
# pictures instead of photographs); `laptop` is real CIFAR-100 on a CPU, with a quarter of the filters; `colab` is meant
# for a free T4 (two to three hours for all cells by estimate, not yet measured; less without the experiments, by
# `OVERRIDES = {"run_experiments": False}`); `full` trains longest. To change one value, write for instance `OVERRIDES =
# {"num_epochs": 3}` in the form above.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn patterns instead of CIFAR-100
    "validation_fraction": (0.1, 0.1, 0.1, 0.1),  # of the training images, to choose by
    "num_seeds": (1, 1, 2, 3),  # headline runs that differ in the seed only
    "num_epochs": (8, 15, 60, 200),
    "width": (8, 16, 64, 64),  # filters of the first block, at least 8; 64 is VGG-16
    "batch_size": (32, 64, 128, 128),  # images
    "weight_decay": (5e-4, 5e-4, 5e-4, 5e-4),
    "label_smoothing": (0.1, 0.1, 0.1, 0.1),
    "dropout": (0.1, 0.0, 0.5, 0.5),  # in front of the fully connected layers
    "warmup_fraction": (0.2, 0.2, 0.1, 0.05),  # of all steps
    "crop_padding": (1, 4, 4, 4),  # pixels
    "mixed_precision": (True, False, True, True),  # float16 on a GPU, bfloat16 on a CPU
    "learning_rates": ((0.1,), (0.1, 0.05, 0.02), (0.2, 0.1, 0.05), (0.2, 0.1, 0.05)),  # tried; of equals, the first
    "baseline_learning_rates": ((0.02,), (0.01, 0.03, 0.1), (0.01, 0.03, 0.1), (0.01, 0.03, 0.1)),
    "tuning_epochs": (1, 3, 4, 8),
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_images": (300, 10000, 20000, 45000),
    "experiment_epochs": (1, 4, 20, 40),
    "arms_per_question": (1, 9, 9, 9),  # at most
    "experiment_seeds": (1, 1, 2, 3),
    "target_test_accuracy": (2.0, 50.0, 71.0, 74.0),  # percent, top-1
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# ## The data
#
# CIFAR-100 was made like CIFAR-10, but with a hundred classes of 600 images each. Five related classes form one of
# twenty *superclasses*: beaver, dolphin, otter, seal and whale are aquatic mammals. With 450 training images a class
# there is much less to learn each class from than in CIFAR-10. A tenth of the training images is set aside as
# *validation* images, for all choices; the *test* images are looked at once, at the end.

# %%
train_all = data.load("cifar100", "train", stand_in=cfg.stand_in, own_folder=DATA)
test_set = data.load("cifar100", "test", stand_in=cfg.stand_in, own_folder=DATA)
train_set, validation_set = train_all.split_off(cfg.validation_fraction, seed=0)
for name, image_set in {"train": train_set, "validation": validation_set, "test": test_set}.items():
    counts = image_set.counts()
    print(f"{name:<11} {len(image_set):>6} images {image_set.image_shape}, {min(counts)} to {max(counts)} a class")
print(train_set.source)

shown = train_set.stratified(min(40, len(train_set)), seed=0)
results.save_figure(run, "samples", plots.image_grid(
    shown.images, [shown.class_names[label] for label in shown.labels], num_columns=8))

# %% [markdown]
# The images stay as they are, bytes in the machine's memory (138 MB); `training.batches` cuts batches out of them and
# (on TensorFlow) has the next one ready while the network is busy with this one.
#
# ## Augmentation on the device
#
# *Crop with padding* puts a black frame around the image and cuts out a window of the old size, *flip* mirrors each
# image with probability 1/2. Both take the whole batch at once and draw the place and the side **for each image**, see
# the seven views below (`keras.layers.RandomCrop` draws one place for the whole batch, which shows in no error
# message). As a layer they are part of the network: at work in training, out of the way otherwise.

# %%
class Augmentation(layers.Layer):
    """Crop and flip, each image by its own random numbers, in training only."""

    def __init__(self, crop_padding, flip, **options):
        super().__init__(**options)
        self.crop_padding, self.flip = crop_padding, flip
        self.seed_generator = keras.random.SeedGenerator()  # saved with the network's other variables

    def call(self, images, training=False):
        if not training:
            return images
        images = augment.random_crop(images, self.crop_padding, self.seed_generator)
        return augment.random_horizontal_flip(images, 0.5 if self.flip else 0.0, self.seed_generator)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):  # how to make it again: Keras asks when it copies a network
        return super().get_config() | {"crop_padding": self.crop_padding, "flip": self.flip}


train_images, train_labels = train_set.images, train_set.labels
original = train_images[:1].astype(np.float32) / 255
views = Augmentation(crop_padding=4, flip=True)(original.repeat(7, axis=0), training=True)
results.save_figure(run, "augmentation", plots.image_grid(
    np.concatenate([original, ops.convert_to_numpy(views)]),
    ["original", *[f"view {i}" for i in range(1, 8)]], num_columns=8))

# %% [markdown]
# ## The network: VGG-16
#
# Two 3 x 3 convolutions in a row see 5 x 5 pixels, three see 7 x 7. For $C$ channels a single 7 x 7 convolution has
# $49\,C^2$ weights, three of 3 x 3 have $27\,C^2$, and three ReLUs where the other has one. That is VGG's argument [1]:
# small filters, stacked. Five blocks, each ending in a 2 x 2 max pooling that halves the size; the number of filters
# doubles from block to block, up to 512.
#
# | block | output (height, width, channels) | parameters, with biases |
# |---|---|---|
# | 1: two convolutions | 16, 16, 64 | 64 · (3 · 9 + 1) + 64 · (64 · 9 + 1) = 38,720 |
# | 2: two convolutions | 8, 8, 128 | 128 · (64 · 9 + 1) + 128 · (128 · 9 + 1) = 221,440 |
# | 3: three convolutions | 4, 4, 256 | 256 · (128 · 9 + 1) + 2 · 256 · (256 · 9 + 1) = 1,475,328 |
# | 4: three convolutions | 2, 2, 512 | 512 · (256 · 9 + 1) + 2 · 512 · (512 · 9 + 1) = 5,899,776 |
# | 5: three convolutions | 1, 1, 512 | 3 · 512 · (512 · 9 + 1) = 7,079,424 |
# | batch norm behind all 13 and the next two | | 2 · (2 · 64 + 2 · 128 + 3 · 256 + 8 · 512) = 10,496 |
# | two fully connected layers | 512 | 2 · 512 · 513 = 525,312 |
# | one more | 100 | 100 · 513 = 51,300 |
#
# Together 15,301,796, in 16 layers with weights. The original was made for 224 x 224 pixels, where the last block
# leaves 7 x 7 x 512 numbers and the first fully connected layer alone has 103 of its 138 million parameters. And it had
# **no batch norm**: the authors did not train it from scratch at first. They trained a network of 11 layers, put its
# first four and last three into the deeper ones as a start, and only later found that a careful initialisation does as
# well.
#
# Why depth is hard: if every layer changes the size of what passes through it by a factor of 0.8 or 1.25, sixteen
# layers change it by 0.03 or 36, forwards and backwards. *Batch norm* [9], published some months later, brings each
# channel to mean 0 and variance 1 over the batch and all places, then scales and shifts it by two trained numbers a
# channel; in evaluation it uses running means and variances instead. We build both forms and compare them below.
#
# Two numbers of Keras' batch norm are set by hand. The running means are to follow the last ten batches or so
# (`momentum` 0.9), not the last hundred, as by default: a short training would be over before they have settled. And
# `epsilon`, which keeps the division from blowing up, is PyTorch's 1e-5 instead of 1e-3. Two things are not those of
# notebook 05: Keras cuts He's normal distribution off at two standard deviations, and LeNet starts from Glorot's rule,
# there from smaller weights.

# %%
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each block


def vgg_block(x, num_filters, num_convolutions, batch_norm, name):
    """Apply 3 x 3 convolutions with ReLUs, and a pooling that halves height and width."""
    for number in range(1, num_convolutions + 1):
        x = layers.Conv2D(num_filters, kernel_size=3, padding="same", kernel_initializer="he_normal",
                          name=f"{name}_convolution{number}")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm{number}")(x)
        x = layers.ReLU(name=f"{name}_relu{number}")(x)
    return layers.MaxPooling2D(2, name=name)(x)


# %% [markdown]
# VGG's weights start from He's normal distribution, whose variance keeps the size of the activations from layer to
# layer behind ReLUs; the last layer starts near zero, so that the untrained network favours no class. *Dropout* sets
# each number in front of a hidden fully connected layer to zero with a given probability in training, and scales up the
# rest.
#
# The baseline is LeNet-5 of notebook 01 with three input channels, every layer made wider until it has about as many
# parameters. VGG-16 has 96 % of them in its thirteen convolutions (95 % in `laptop`), this LeNet 96 % in its fully
# connected layers.

# %%
def vgg(num_classes, pixel_mean, pixel_std, augmentation, width=64, depth=16, batch_norm=True, dropout=0.5):
    """Return VGG with `depth` layers for images `(N, 32, 32, 3)` in [0, 1]; it gives logits `(N, num_classes)`."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Normalization(mean=pixel_mean, variance=np.square(pixel_std))(Augmentation(**augmentation)(inputs))
    for number, num_convolutions in enumerate(CONVOLUTIONS[depth]):
        x = vgg_block(x, width * min(2 ** number, 8), num_convolutions, batch_norm, f"block{number + 1}")
    x = layers.Flatten()(x)
    for number in (1, 2):
        x = layers.Dropout(dropout)(x)
        x = layers.Dense(x.shape[-1], kernel_initializer="he_normal", name=f"hidden{number}")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"hidden{number}_norm")(x)
        x = layers.ReLU(name=f"hidden{number}_relu")(x)
    near_zero = keras.initializers.RandomNormal(stddev=0.01)
    outputs = layers.Dense(num_classes, kernel_initializer=near_zero, dtype="float32", name="logits")(x)
    return keras.Model(inputs, outputs)


def lenet(num_classes, pixel_mean, pixel_std, augmentation, factor):
    """The baseline: LeNet-5 for images `(N, 32, 32, 3)` in [0, 1], `factor` times as wide."""
    return keras.Sequential([
        keras.Input((32, 32, 3)), Augmentation(**augmentation),
        layers.Normalization(mean=pixel_mean, variance=np.square(pixel_std)),
        layers.Conv2D(6 * factor, kernel_size=5, activation="relu"), layers.MaxPooling2D(2),  # 14 x 14
        layers.Conv2D(16 * factor, kernel_size=5, activation="relu"), layers.MaxPooling2D(2),  # 5 x 5
        layers.Flatten(), layers.Dense(120 * factor, "relu"), layers.Dense(84 * factor, "relu"),
        layers.Dense(num_classes, dtype="float32")])


# %% [markdown]
# `build` turns a dict of options into a network, and says with how many bits it computes: *mixed precision* means
# 16 bits for convolutions and matrix products, which a GPU does several times faster, and 32 for weights, sums and the
# logits.

# %%
pixel_mean, pixel_std = (statistic(train_set.images[:10000] / 255, axis=(0, 1, 2)).tolist()
                         for statistic in (np.mean, np.std))  # three numbers each: red, green, blue
HALF = "mixed_bfloat16" if run.device.startswith(("CPU", "TPU")) else "mixed_float16"  # a T4 has no bfloat16


def build(options):
    """Return a fresh network as `options` says."""
    given = train_set.num_classes, pixel_mean, pixel_std, {name: options[name] for name in ("crop_padding", "flip")}
    keras.config.set_dtype_policy(HALF if options["mixed_precision"] else "float32")
    try:
        if options["network"] == "LeNet":
            return lenet(*given, factor=options["width"] // 4)
        return vgg(*given, *(options[name] for name in ("width", "depth", "batch_norm", "dropout")))
    finally:
        keras.config.set_dtype_policy("float32")


DEFAULTS = {"network": "VGG", "depth": 16, "batch_norm": True, "learning_rate": 0.1, "schedule": "cosine", "flip": True,
            **{name: getattr(cfg, name) for name in (
                "width", "num_epochs", "batch_size", "weight_decay", "label_smoothing", "dropout", "warmup_fraction",
                "crop_padding", "mixed_precision")}}
NETWORKS = {"VGG-16": {"network": "VGG"}, "LeNet": {"network": "LeNet"}}
RATES = {"VGG-16": cfg.learning_rates, "LeNet": cfg.baseline_learning_rates}
runtime.seed_everything(SEED)
as_it_is = {"crop_padding": 0, "flip": False, "dropout": 0.0}  # for the checks below
model, baseline = (build(DEFAULTS | changes | as_it_is) for changes in NETWORKS.values())
num_parameters = {"VGG-16": training.count_parameters(model), "LeNet": training.count_parameters(baseline)}
model.summary(line_length=90)
print(num_parameters)
by_hand = 38_720 + 221_440 + 1_475_328 + 5_899_776 + 7_079_424 + 10_496 + 525_312 + 51_300
original_size = vgg(100, pixel_mean, pixel_std, {"crop_padding": 0, "flip": False})
assert training.count_parameters(original_size) == by_hand == 15_301_796

# %% [markdown]
# ## The loss, and three checks before any training
#
# With a hundred classes and few images of each, a network soon gives the right class of its training images probability
# 1 and stops learning anything useful from them. *Label smoothing* [2] asks for a little less: of the target $q$, which
# was 1 for the right class $y$ and 0 for the others, a part $\varepsilon$ is spread evenly over all $C$ classes. With
# $p_c$, the softmax of the logits,
#
# $$ L = -\sum_{c=1}^{C} q_c \ln p_c , \qquad
# q_c = \frac{\varepsilon}{C} + \begin{cases} 1 - \varepsilon & c = y \\ 0 & \text{otherwise,} \end{cases} $$
#
# averaged over the batch. (1) This must equal Keras' own. (2) Before training it must lie near $\ln C$, 4.61 for a
# hundred classes. (3) The network must be able to learn one small batch by heart (without smoothing, since a smoothed
# loss cannot fall to zero, and without dropout, which is there to prevent just this).

# %%
def smoothed_cross_entropy(labels, logits, label_smoothing):
    """The equation above for each image; labels `(N,)`, logits float `(N, C)`; returns `(N,)` in nats."""
    num_classes = logits.shape[1]
    right = ops.one_hot(ops.cast(labels, "int32"), num_classes)  # `fit` hands labels over as float32
    targets = label_smoothing / num_classes + (1 - label_smoothing) * right
    return -ops.sum(targets * ops.log_softmax(logits), axis=1)


images, labels = next(iter(training.batches(train_images, train_labels, 32, seed=SEED)))
logits = model(images, training=True)
assert images.shape == (len(images), 32, 32, 3) and logits.shape == (len(images), train_set.num_classes)
loss = float(ops.mean(smoothed_cross_entropy(labels, logits, 0.1)))
kerass_own = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
np.testing.assert_allclose(loss, float(kerass_own(ops.one_hot(labels, train_set.num_classes), logits)), rtol=1e-5)
print(f"loss before training {loss:.3f}, ln C = {np.log(train_set.num_classes):.3f}")
assert abs(loss - np.log(train_set.num_classes)) < 0.3

model.compile(keras.optimizers.Adam(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
for _ in range(100):
    loss = model.train_on_batch(images, labels)
    model.reset_metrics()  # without this Keras would return the mean over all steps
print(f"loss on {len(images)} images after 100 steps on them: {loss:.4f}")
assert loss < 0.5, "the network cannot even learn one batch by heart"

# %% [markdown]
# ## The training recipe
#
# `fit` trains as in notebook 01. What is new is the recipe:
#
# - **Schedule.** *Cosine*: the learning rate rises from zero in a straight line for the first part of all steps
#   (*warm-up*: at first the gradients point anywhere, and large steps would do harm), then falls along half a cosine to
#   zero. *Step*: after the warm-up it stays, and is divided by ten after a half and after three quarters of all steps.
#   *Constant*: it stays.
# - **Weight decay** pulls weights gently towards zero (in front of batch norm it works otherwise: the smaller the
#   weights, the larger the relative steps [10]); **dropout** and **label smoothing** as above.
# - **Mixed precision**, too. A T4 knows `float16`, in which numbers below 6e-8 become 0, some gradients among them;
#   Keras multiplies the loss so that they survive, and divides again before the step.
#
# As in notebook 01, the weight decay of Keras is multiplied by ten, so that it means the same as in PyTorch's SGD with
# momentum 0.9. After each epoch one callback logs to TensorBoard and one writes a checkpoint. If the kernel dies, *Run
# all* goes on after the last finished epoch and ends with the very weights it would have had (on a GPU up to rounding:
# some kernels add up in a different order each time; TensorFlow can be made exact by `TF_DETERMINISTIC_OPS=1` in the
# environment, which is slower).

# %%
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate as a function of the step, which counts from 0."""

    def __init__(self, kind, learning_rate, warmup_fraction, num_steps):
        self.kind, self.learning_rate = kind, learning_rate
        self.warmup_fraction, self.num_steps = warmup_fraction, num_steps

    def __call__(self, step):
        progress = ops.cast(step, "float32") / self.num_steps
        warmup = round(self.warmup_fraction * self.num_steps) / self.num_steps
        factor = ops.ones_like(progress)  # constant
        if self.kind == "cosine":
            factor = 0.5 * (1 + ops.cos(math.pi * (progress - warmup) / (1 - warmup)))
        elif self.kind == "step":
            factor = ops.where(progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01))
        return self.learning_rate * (ops.where(progress < warmup, progress / warmup, factor) if warmup else factor)

    def get_config(self):
        return vars(self)


def accuracy(labels, logits):
    """Return 100 for an image whose largest logit is the right one, else 0: the mean is a percentage."""
    return 100 * keras.metrics.sparse_categorical_accuracy(labels, logits)


# %%
def train(name, options, images, labels, seed):
    """Train one network as `options` says; returns `(model, history)`, the history with one dict an epoch."""
    runtime.seed_everything(seed)
    model = build(options)
    batch_size = min(options["batch_size"], len(labels))
    steps_per_epoch = len(labels) // batch_size
    schedule = Schedule(options["schedule"], options["learning_rate"], options["warmup_fraction"],
                        num_steps=options["num_epochs"] * steps_per_epoch)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=10 * options["weight_decay"])
    if model.dtype_policy.name == "mixed_float16":  # `compile` would do it too, with a scale that overflows at first
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)

    def loss(labels, logits):
        return smoothed_cross_entropy(labels, logits, options["label_smoothing"])

    model.compile(optimizer, loss, metrics=[accuracy])
    settings = options | {"seed": seed, "num_images": len(labels), "images": IMAGES, "code": CODE, "half": HALF}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, settings, model=model)
    history = checkpoint.resume()
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    model.fit(
        training.batches(images, labels, batch_size, seed, epoch=len(history), drop_last=True),
        steps_per_epoch=steps_per_epoch, initial_epoch=len(history), epochs=options["num_epochs"],
        validation_data=training.batches(validation_set.images, validation_set.labels, batch_size=1000),
        callbacks=[tensorboard, checkpoint], verbose=0)
    tensorboard.close(options, {"final/validation_accuracy": history[-1]["validation_accuracy"]})
    return model, history


# These two stand for the code and the images in the settings of a checkpoint.
CODE = provenance.source_hash(Augmentation, vgg_block, vgg, lenet, smoothed_cross_entropy, build, Schedule, train)
IMAGES = train_set.fingerprint()

# %% [markdown]
# ## Choosing the learning rate, for both networks
#
# VGG-16 and the baseline see the same images in the same order, with the same augmentation, schedule, label smoothing
# and weight decay, for the same number of steps (LeNet has no dropout, which is part of VGG), and **each gets its own
# learning rate**, the best of a short list on the validation images after a short training.

# %%
best_rate = {}
for network, changes in NETWORKS.items():
    accuracies = {}
    for learning_rate in tqdm(RATES[network], desc=f"learning rate, {network}", leave=False):
        options = DEFAULTS | changes | {"learning_rate": learning_rate, "num_epochs": cfg.tuning_epochs}
        _, history = train(f"tuning/{network}-{learning_rate}", options, train_images, train_labels, SEED)
        accuracies[learning_rate] = round(history[-1]["validation_accuracy"], 2)
    best_rate[network] = max(accuracies, key=accuracies.get)
    print(f"{network}: validation accuracy in % by learning rate {accuracies}, chosen {best_rate[network]}")

# %% [markdown]
# If the best value sits at the end of the list, the list may be too short: extend it in `PROFILES` and run again. In
# the recorded `laptop` run LeNet takes 0.03, the middle of its list (33.7 %, the others 27). VGG-16 has 26.3 % with
# 0.1 and 26.6 with 0.05 as with 0.02, so any would do; of equals the first counts, which is the larger: 0.05.
#
# ## Training
#
# Where the profile says so, with several seeds, which change the initial weights, the order of the images, the
# augmentation and the dropout. (`laptop`: one, hence no spread.)

# %%
models, histories = {}, {}
for network, changes in NETWORKS.items():
    options = DEFAULTS | changes | {"learning_rate": best_rate[network]}
    for seed in tqdm(range(SEED, SEED + cfg.num_seeds), desc=f"training, {network}", leave=False):
        models[network, seed], histories[network, seed] = train(
            f"headline/{network}-{seed}", options, train_images, train_labels, seed)
        last = histories[network, seed][-1]
        print(f"{network:<7} seed {seed}  train accuracy {last['train_accuracy']:.2f} %  "
              f"validation accuracy {last['validation_accuracy']:.2f} %  {last['seconds']:.1f} s an epoch")
UNITS = {"train_loss": "nats", "validation_loss": "nats", "train_accuracy": "%", "validation_accuracy": "%"}
display(results.save_figure(run, "curves", plots.curves(
    {network: histories[network, SEED] for network in NETWORKS},
    [("train_loss", "validation_loss"), ("train_accuracy", "validation_accuracy")], units=UNITS)))
seconds_per_epoch = float(np.median([epoch["seconds"] for epoch in histories["VGG-16", SEED]]))
training_minutes = sum(epoch["seconds"] for history in histories.values() for epoch in history) / 60
print(f"VGG-16: {seconds_per_epoch:.1f} s an epoch, {len(train_set) / seconds_per_epoch:,.0f} images per second")

# %% [markdown]
# With the numbers of the recorded `laptop` run: VGG-16 ends at 51.0 % of the validation images, LeNet at 50.2 %, one
# seed each. That is next to nothing, and worth a thought. With a quarter of the filters and fifteen epochs, thirteen
# convolutions buy hardly more than two. LeNet is ahead for most of the training (fewer layers are quicker to train) and
# then falls back: its training accuracy goes on rising, to 55 %, while its validation accuracy stops at 50 %; VGG-16
# keeps the two closer together, 54 and 51 %. Depth should pay with width and time: published networks of full width
# reach 73 to 74 % in 200 epochs (*Results*, below).
#
# An epoch of VGG-16 took 49 seconds in that run, on another machine of two cores 41, and 27 there in PyTorch: Keras
# computes batch norm in many small steps on a CPU, a third of the time here.
#
# ## The original, without batch norm
#
# The same thirteen convolutions, the same initialisation, the same recipe, once with and once without batch norm, on a
# part of the training images (in `full` on all of them). Without it, three learning rates may try. The authors started
# from normal weights of variance 0.01; we keep He's start and the warm-up, so that batch norm is the only difference.
# One run each: small differences mean nothing.

# %%
def train_arm(changes, seed):
    """Train on a part of the training images, with `changes` to the default options; return the history."""
    options = DEFAULTS | {"num_epochs": cfg.experiment_epochs} | changes
    part = train_set.stratified(min(cfg.experiment_images, len(train_set)), seed)
    return train(f"experiments/{config.fingerprint(options)}-{seed}", options, part.images, part.labels, seed)[1]


original = {"with batch norm, rate 0.1": {}} | {f"without, rate {rate}": {"batch_norm": False, "learning_rate": rate}
                                                for rate in (0.1, 0.03, 0.01)[:cfg.arms_per_question]}
original = {name: train_arm(changes, SEED) for name, changes in original.items()} if cfg.run_experiments else {}
for name, history in original.items():
    print(f"{name:<28} train loss {history[-1]['train_loss']:.3f}  "
          f"validation accuracy {history[-1]['validation_accuracy']:.1f} %")
if original:
    display(results.save_figure(run, "original", plots.curves(
        original, ["train_loss", "validation_accuracy"], units=UNITS)))

# %% [markdown]
# In the recorded run (10,000 images, 4 epochs) the network with batch norm reaches 15 %. Without it, the same learning
# rate of 0.1 learns nothing at all: the loss stays at 4.61, which is $\ln 100$ (the flat line), and the accuracy at
# that of guessing. With 0.03 or 0.01 it does learn, less than half as much in the same time (6 %). So batch norm does
# two things: it makes large learning rates possible, and even the best rate without it reaches only half as much here.
#
# ## What is each part of the recipe worth?
#
# Each *arm* changes one thing and leaves the rest as in `DEFAULTS` above, with the learning rate 0.1, on a part of the
# training images (in `full` on all of them). The number is the validation accuracy, mean and standard deviation over
# seeds that change the images drawn, too, with the minutes of all seeds. Mind the noise: with 5,000 validation images
# chance alone moves a number near 20 % by 0.6 points and a difference of two by 0.8, and a standard deviation of two
# runs is itself only a rough guess. All arms share one learning rate, which may not suit each.

# %%
EXPERIMENTS = {
    "one part changed": [
        {}, {"schedule": "step"}, {"schedule": "constant"}, {"warmup_fraction": 0.0}, {"weight_decay": 0.0},
        {"weight_decay": 5e-3}, {"label_smoothing": 0.0}, {"crop_padding": 0, "flip": False},
        {"mixed_precision": not cfg.mixed_precision}],
    "dropout": [{"dropout": rate} for rate in dict.fromkeys((cfg.dropout, 0.0, 0.1, 0.5))],
    "depth": [{"depth": depth} for depth in (16, 11, 19)],
}
EXPERIMENTS = {question: arms[:cfg.arms_per_question] for question, arms in EXPERIMENTS.items()}
seeds = range(SEED, SEED + cfg.experiment_seeds)
found = experiments.run(EXPERIMENTS if cfg.run_experiments else {}, DEFAULTS, train_arm, seeds)
for question, arms in found.items():
    figure = plots.comparison(arms, f"validation accuracy (%), {question}", digits=1)
    display(results.save_figure(run, f"experiment_{question.replace(' ', '_')}", figure))

# %% [markdown]
# The recorded `laptop` run, one seed, so read nothing into differences below a point and a half:
#
# | what was changed | validation accuracy (%) | against the default |
# |---|---|---|
# | nothing: cosine with warm-up, decay 5e-4, smoothing 0.1, crop and flip, no dropout, 16 layers | 15.0 | |
# | no batch norm (best of three learning rates, above) | 6.4 | -8.6 |
# | constant learning rate / step schedule | 11.5 / 12.4 | -3.5 / -2.6 |
# | no warm-up | 13.5 | -1.5 |
# | weight decay ten times as strong / none | 12.3 / 14.3 | -2.7 / -0.7 |
# | no label smoothing | 14.8 | -0.1 |
# | 16 bits instead of 32 | 14.7 | -0.3 |
# | dropout 0.1 / 0.5 | 13.3 / 5.6 | -1.7 / -9.3 |
# | neither crop nor flip | 17.4 | +2.4 |
# | 11 layers / 19 layers | 18.3 / 11.3 | +3.3 / -3.7 |
#
# Two kinds of parts can be told apart. Batch norm, the schedule and the warm-up help the network to *learn*, and that
# shows at once. Dropout, augmentation, label smoothing and, in its way, weight decay keep it from learning *by heart*,
# and in four epochs there is nothing to keep it from: they cost, or make no difference that one seed can show. Depth
# costs, too, as long as time is short: 11 layers are ahead of 16, and 16 of 19. That is why `laptop` sets dropout to 0,
# and it is no verdict on the long trainings of `colab` and `full`, where each image is seen 60 to 200 times. In
# PyTorch (notebook 05) no arm comes out more than three points away.
#
# ## The test images, once
#
# Everything is decided; now the test images are used, for all trained networks at once. *Top-5* counts an answer as
# right if the true class is among the five with the largest logits: with a hundred classes, some of them all but
# synonyms at this size, a fairer measure of what the network has understood.

# %%
test_logits = {key: training.predict(model, test_set.images) for key, model in models.items()}
test_accuracy = {k: {} for k in (1, 5)}
for network in NETWORKS:
    for k in test_accuracy:
        test_accuracy[k][network] = evaluate.mean_and_spread([
            100 * evaluate.top_k_accuracy(test_set.labels, test_logits[network, seed], min(k, test_set.num_classes))
            for seed in range(SEED, SEED + cfg.num_seeds)])
        print(f"{network:<7} top-{k} test accuracy {results.format_metric(test_accuracy[k][network])} %")
margin = test_accuracy[1]["VGG-16"]["mean"] - test_accuracy[1]["LeNet"]["mean"]
print(f"VGG-16 minus LeNet: {margin:+.2f} points (top-1)")

# %% [markdown]
# **Which classes are confused?** A table of a hundred by a hundred is hard to read, so we add it up by the twenty
# superclasses. Errors inside a superclass, a maple for an oak, are then no errors any more. If errors fell on any other
# class alike, 4 of 99, 4 %, would stay inside. Below the table: the five worst and the five best classes by F1
# (notebook 01), the most frequent confusions, and the errors, worst first, with the true class → the answer (its
# probability).

# %%
predictions = test_logits["VGG-16", SEED].argmax(1)
superclass_of = {} if DATA else {name: group for group, names in CIFAR100_SUPERCLASSES.items() for name in names}
groups = sorted({superclass_of.get(name, name) for name in test_set.class_names})
group_of = np.array([groups.index(superclass_of.get(name, name)) for name in test_set.class_names])
matrix = evaluate.confusion_matrix(group_of[test_set.labels], group_of[predictions], len(groups))
results.save_figure(run, "confusion", plots.confusion(matrix, groups))

# %%
superclass_accuracy = 100 * evaluate.accuracy(group_of[test_set.labels], group_of[predictions])
wrong = predictions != test_set.labels
inside = 100 * np.mean(group_of[test_set.labels][wrong] == group_of[predictions][wrong]) if wrong.any() else 0.0
print(f"superclass accuracy {superclass_accuracy:.2f} %; {inside:.0f} % of all errors stay in the superclass")
report = evaluate.classification_report(test_set.labels, predictions, test_set.class_names)
report = report.drop(index="mean").sort_values("f1").round(3)
display(report if len(report) <= 10 else report.iloc[[0, 1, 2, 3, 4, -5, -4, -3, -2, -1]])
fine = evaluate.confusion_matrix(test_set.labels, predictions, test_set.num_classes)
display(evaluate.most_confused(fine, test_set.class_names, 8))
results.save_figure(run, "errors", plots.worst_errors(test_set, evaluate.softmax(test_logits["VGG-16", SEED]), 18, 6))

# %% [markdown]
# In the recorded run 51.2 % of the test images get the right answer at once and 81.1 % among five; 65.4 % get the right
# superclass. Of the errors 29 % stay inside the superclass, seven times what chance would give. Between the
# superclasses the darkest fields make sense: food containers taken for household devices, vehicles 1 (bus, train,
# motorcycle ...) for vehicles 2 (tank, tractor, streetcar ...) and back, large carnivores for large plant-eaters. Trees
# and natural scenes are told apart best. The class most often taken for another one is the maple, for an oak.
#
# ## What has it learnt?
#
# **What filters look for.** The first filters are only 3 x 3 pixels, and those of later blocks see the image through
# all layers before them, so their weights say little. Instead we look for the image that excites a filter most: start
# from noise and climb the gradient of the filter's mean activation with respect to the *image* [3]. Eight filters each,
# in the first, the third and the last block.

# %%
first = build(DEFAULTS | {"mixed_precision": False})  # gradients with respect to images want all 32 bits
first.set_weights(models["VGG-16", SEED].get_weights())
for layer in ("block1_convolution2", "block3_convolution3", "block5_convolution3"):
    wishes, _ = explain.filter_ascent(first, (32, 32, 3), layer, list(range(8)), seed=SEED)
    display(results.save_figure(run, f"filters_{layer.split('_')[0]}", plots.image_grid(
        wishes, [f"{layer.split('_')[0]}, filter {number}" for number in range(8)], num_columns=8)))

# %% [markdown]
# The first block wants plain colours, the third waves, grids and chequered patterns of one direction and a few pixels
# wide. The last one mixes them: dots, arches, round things with a rim. The first block has no choice, its filters see
# only 5 x 5 pixels; the rest is what training found.
#
# **Activations.** One test image on its way: the first eight maps behind each of the first three blocks, 16, 8 and 4
# pixels wide: how far can its outline be followed?

# %%
chosen = test_set.stratified(min(6, len(test_set)), seed=0)
pictures = chosen.images.astype(np.float32) / 255
layer_names = [f"block{number}" for number in (1, 2, 3)]
maps = explain.activations(first, pictures[:1], layer_names)
for name in layer_names:
    display(results.save_figure(run, f"activations_{name}", plots.feature_maps(
        maps[name][0].transpose(2, 0, 1)[:8], [f"{name}, {number}" for number in range(8)])))

# %% [markdown]
# **What a class would like to see.** The same climb, now for the logit of one class [4]: ten of the hundred. Would you
# know them?

# %%
class_indices = np.linspace(0, train_set.num_classes - 1, min(10, train_set.num_classes)).astype(int).tolist()
dreams, scores = explain.class_ascent(first, (32, 32, 3), class_indices, seed=SEED)
print("logits of the classes before", scores[0].round(1), "\nafter", scores[-1].round(1))
results.save_figure(run, "class_ascent", plots.image_grid(
    dreams, [train_set.class_names[label] for label in class_indices], num_columns=5))

# %% [markdown]
# **Where does it look?** *Grad-CAM* [5] weighs the maps of a layer by how much each raises the logit of the true class.
# The usual choice is the last convolution, but there VGG-16 has only 2 x 2 places left of so small an image; we take
# the third block's, 8 x 8 places. A map proves nothing by looking plausible, so the second figure repeats it on a
# network with **random** weights [6]: where the two figures agree, the map shows the image, not what was learnt.

# %%
layer = "block3_relu3"
heat_maps = {"Grad-CAM": explain.grad_cam(first, pictures, layer, chosen.labels),
             "random weights": explain.grad_cam(explain.randomised(first), pictures, layer, chosen.labels)}
for name, maps in heat_maps.items():
    figure = plots.heat_maps(chosen.images, maps, [f"{name}, {chosen.class_names[label]}" for label in chosen.labels])
    display(results.save_figure(run, f"map_{name.replace(' ', '_')}", figure))
print("correlation of the two figures", np.corrcoef(*[maps.ravel() for maps in heat_maps.values()])[0, 1].round(2))

# %% [markdown]
# Warm places lie on some of the oranges, on the spider, the snail, the poppy, along the butterfly's body; but also at
# the edges of the lamp's and the snail's pictures. At this width the maps are no proof of anything. Over all six images
# the random network's maps have little in common with them (correlation 0.17 in the recorded run).
#
# ## Results
#
# | network | parameters | test accuracy (%) | training |
# |---|---|---|---|
# | VGG-16 with batch norm [7] | 34.0 million | 72.9 | 200 epochs |
# | VGG-16 with batch norm [8] | 15.3 million | 74.0 | 200 epochs |
# | ours, and LeNet | above | next cell | settings above, mean over seeds |

# %%
num_steps = cfg.num_epochs * (len(train_set) // min(cfg.batch_size, len(train_set)))
metrics = {
    "test_accuracy": test_accuracy[1]["VGG-16"], "test_accuracy_top_5": test_accuracy[5]["VGG-16"],
    "superclass_accuracy": superclass_accuracy, "errors_inside_superclass": float(inside),
    "baseline_test_accuracy": test_accuracy[1]["LeNet"], "baseline_test_accuracy_top_5": test_accuracy[5]["LeNet"],
    "parameters": num_parameters["VGG-16"], "baseline_parameters": num_parameters["LeNet"],
    "learning_rate": best_rate["VGG-16"], "baseline_learning_rate": best_rate["LeNet"],
    "seconds_per_epoch": seconds_per_epoch, "images_per_second": len(train_set) / seconds_per_epoch,
    "optimizer_steps": num_steps, "images_seen": num_steps * min(cfg.batch_size, len(train_set)),
    **{f"{network}: {name}": histories[network, SEED][-1][name]
       for network in NETWORKS for name in ("train_accuracy", "validation_accuracy")},
    **{f"original: {name}": history[-1]["validation_accuracy"] for name, history in original.items()},
    **{f"{question}: {arm}": value for question, arms in found.items() for arm, value in arms.items()},
}
targets = [{"metric": "test_accuracy", "at_least": None if DATA else cfg.target_test_accuracy}]
record = results.save(run, cfg, metrics, targets, [train_set, validation_set, test_set], training_minutes)
first.save_weights(run.folder / "vgg16.weights.h5")  # load_weights brings them back into vgg(...)

# %% [markdown]
# **TensorBoard** has all curves, and under *HParams* a table of all runs with their options. In Colab or Jupyter put
# `%load_ext tensorboard` and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own, where `FOLDER` is
# what the cell of the imports printed behind *Files of this run*.
#
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **The loss becomes `nan` or stays at 4.61**: the learning rate is too high, or `float16` overflowed: set
#   `OVERRIDES = {"mixed_precision": False}`.
# - **Much slower than the card says, on a CPU**: other programs keep the cores busy; on a GPU: the cell of the
#   imports prints whether TensorFlow found it.
# - **Out of memory**: lower `batch_size`, then `width`.
# - **The disk or Google Drive is full**: weights and momentum of the full-width network are 122 MB, and each training
#   keeps the last two epochs; `OVERRIDES = {"run_experiments": False}` saves most of it. A checkpoint that cannot be
#   written is reported, and training goes on.
# - **The data cannot be downloaded**: the message names the hosts, the files and the folder to put them in.
# - **The notebook seems not to train**: it resumed a finished run, and says so. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. Small filters, stacked.** How many weights (no biases) have $n$ convolutions of size $K \times K$ in a row, with
# $C$ channels in and out, and how many pixels wide is the square that one output number sees?

# %% tags=["exercise"]
def exercise_1(num_layers, kernel_size, num_channels):
    """Return (number of weights, side of the square in pixels), two ints."""
    raise NotImplementedError


def check_1(answer):
    for arguments, expected in {(1, 7, 10): (4900, 7), (3, 3, 10): (2700, 7), (2, 5, 4): (800, 9)}.items():
        assert answer(*arguments) == expected, f"layers, kernel size, channels {arguments}: {expected}"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. Top-k.** Write the top-$k$ accuracy: the share of images whose true class is among the $k$ largest logits.

# %% tags=["exercise"]
def exercise_2(labels, logits, k):
    """Return the top-k accuracy in [0, 1]; labels int `(N,)`, logits float `(N, C)`, numpy arrays."""
    raise NotImplementedError


def check_2(answer):
    generator = np.random.default_rng(0)
    labels, logits = generator.integers(0, 10, 50), generator.normal(size=(50, 10))
    for k in (1, 2, 5):
        expected = evaluate.top_k_accuracy(labels, logits, k)
        assert np.isclose(answer(labels, logits, k), expected), f"k = {k}: expected {expected:.4f}"


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. A schedule of your own.** Write the *triangle*: up from 0 to 1 in a straight line over the first half of all
# steps, down to 0 over the second. Then put it into `Schedule` and compare it with the cosine (`train_arm` trains it;
# set `warmup_fraction` to 0).

# %% tags=["exercise"]
def exercise_3(step, num_steps):
    """Return the factor of the learning rate at `step`, which counts from 0 to `num_steps`."""
    raise NotImplementedError


def check_3(answer):
    for step, expected in {0: 0.0, 25: 0.5, 50: 1.0, 75: 0.5, 100: 0.0}.items():
        assert np.isclose(answer(step, 100), expected), f"step {step} of 100: expected {expected}"


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(num_layers, kernel_size, num_channels):
    return num_layers * (kernel_size * num_channels) ** 2, num_layers * (kernel_size - 1) + 1


def solution_2(labels, logits, k):
    largest = np.argsort(-logits, axis=1)[:, :k]
    return float(np.mean((largest == labels[:, None]).any(axis=1)))


def solution_3(step, num_steps):
    return 1 - abs(2 * step / num_steps - 1)


# %% [markdown]
# ## Conclusion
#
# A network as deep as VGG-16 trains from scratch with ease once batch norm keeps its signals in order; without it the
# same learning rate fails outright. With a quarter of its width and fifteen epochs on two CPU cores it reaches 51.2 %
# of a hundred classes (one seed; as much in PyTorch, in notebook 05), 1.7 points more than a wide LeNet with about as
# many parameters. The recipe matters, too: the schedule was worth three points in a short run, warm-up one or two, and
# the parts that fight learning by heart cost points or made no difference. Measure before you believe, and measure
# under the conditions you will train in.
#
# Next: notebook 03 shows the other way to make depth work, the skip connection; notebook 05 tells this lesson in
# PyTorch, with the training loop written out.
#
# ## References
#
# 1. K. Simonyan, A. Zisserman. Very deep convolutional networks for large-scale image recognition. 2014. Section 2.3,
#    and 3.1 for the initialisation. https://arxiv.org/abs/1409.1556
# 2. C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna. Rethinking the inception architecture for computer vision.
#    2015. Section 7. https://arxiv.org/abs/1512.00567
# 3. D. Erhan, Y. Bengio, A. Courville, P. Vincent. Visualizing higher-layer features of a deep network. University of
#    Montreal, technical report 1341, 2009.
# 4. K. Simonyan, A. Vedaldi, A. Zisserman. Deep inside convolutional networks. 2013. https://arxiv.org/abs/1312.6034
# 5. R. R. Selvaraju et al. Grad-CAM. 2016. https://arxiv.org/abs/1610.02391
# 6. J. Adebayo et al. Sanity checks for saliency maps. 2018. https://arxiv.org/abs/1810.03292
# 7. weiaicunzai. pytorch-cifar100. https://github.com/weiaicunzai/pytorch-cifar100
# 8. Y. Chen. PyTorch CIFAR models. https://github.com/chenyaofo/pytorch-cifar-models
# 9. S. Ioffe, C. Szegedy. Batch normalization. 2015. https://arxiv.org/abs/1502.03167
# 10. T. van Laarhoven. L2 regularization versus batch and weight normalization. 2017. https://arxiv.org/abs/1706.05350
