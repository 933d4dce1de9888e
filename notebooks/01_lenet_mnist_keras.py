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
# # LeNet on MNIST, in Keras
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/01_lenet_mnist_keras.ipynb)
#
# We build LeNet-5, the network that made convolutions practical, layer by layer, train it on 60,000 handwritten digits
# and find out what it has learnt. Keras supplies the training loop; we supply what it should do after each epoch,
# because every later Keras notebook of the series trains in this way, with another model or another loss.
#
# | | |
# |---|---|
# | Data | MNIST: 60,000 training and 10,000 test images, 28 x 28 grey, ten digits (12 MB) |
# | Method | supervised classification: convolutions, cross-entropy, SGD with momentum, one-cycle learning rate |
# | Expected | test accuracy at least 99.0 % (`laptop`), 99.3 % (`colab`), 99.5 % (`full`), mean over seeds |
# | You need | Python, and what a gradient is; a GPU helps but is not required |
# | Reviewed | 2026-11-22, Colab's image of 2026-08-19 (Python 3.13, Keras 3.13, TensorFlow 2.20) |
#
# <!-- measured:begin -->
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | test accuracy (%): 99.29 ± 0.06 (n = 3) | 2.9 | 8,090 | 2.5 GiB | CPU, 2 cores (Intel Xeon) |
# | `colab` | test accuracy (%): 99.43 ± 0.05 (n = 3) | 7.4 | 7,664 | 2.6 GiB | CPU, 2 cores (Intel Xeon) |
#
# Minutes are those of the headline training and its baseline; experiments come on top and say theirs.
# ± is the standard deviation over n runs.
# On a GPU: pending, no such run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - write a convolutional network from layers and count its parameters by hand,
# - train it with `fit` on a CPU or a GPU, so that it logs to TensorBoard and survives a restart,
# - choose a learning rate on validation images, and compare against a baseline that had the same chances,
# - judge a classifier by more than its accuracy: per class, by its errors, by its calibration,
# - look inside: filters, activations, the image a class would like best, and heat maps.

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
# images (one sub-folder for each class), which are then turned to 28 x 28 grey and take MNIST's place; the numbers of
# the card are MNIST's and do not apply to them.

# %%
import time

import keras
import numpy as np
from IPython.display import display
from keras import layers, ops
from tqdm.auto import tqdm

from helpers import config, data, evaluate, plots, provenance, results, runtime
from helpers.keras import explain, training

run = runtime.start("01_lenet_mnist_keras", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Keras 3 computes with TensorFlow, JAX or PyTorch, whichever the environment variable `KERAS_BACKEND` names before the
# first import; Colab's GPU runtime takes TensorFlow. Nothing in this notebook depends on the choice.
#
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, a
# stand-in for the data); `laptop` is real MNIST on a CPU; `colab` is meant for a free T4; `full` trains longest. To
# change one value, write for instance `OVERRIDES = {"num_epochs": 3}` in the form above.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # scikit-learn's small digits instead of MNIST
    "validation_fraction": (0.1, 0.1, 0.1, 0.1),  # of the training images, to choose by
    "num_seeds": (1, 3, 3, 5),  # headline runs that differ in the seed only
    "num_epochs": (6, 6, 15, 40),
    "batch_size": (32, 64, 64, 64),  # images
    "max_shift": (1, 2, 2, 2),  # pixels
    "learning_rates": ((0.05,), (0.02, 0.05, 0.1), (0.02, 0.05, 0.1), (0.02, 0.05, 0.1)),  # tried on validation
    "tuning_epochs": (2, 2, 3, 6),
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_images": (400, 5000, 10000, 20000),
    "experiment_epochs": (3, 4, 4, 6),
    "experiment_seeds": (1, 3, 3, 3),
    "target_test_accuracy": (85.0, 99.0, 99.3, 99.5),  # percent
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# ## The data
#
# MNIST holds digits written by high-school students and employees of the US Census Bureau, scaled to 20 x 20 pixels and
# centred in 28 x 28. The test images come from other writers than the training images, so a good test accuracy says
# that the network reads digits, not handwritings it knows.
#
# We split the training images once more. The *validation* images serve all choices (learning rate, experiments); the
# *test* images are looked at once, at the end. Whoever chooses on the test images ends up with a number that is too
# good: it no longer says what happens on new images.

# %%
train_all = data.load("mnist", "train", stand_in=cfg.stand_in, own_folder=DATA)
test_set = data.load("mnist", "test", stand_in=cfg.stand_in, own_folder=DATA)
train_set, validation_set = train_all.split_off(cfg.validation_fraction, seed=0)
for name, image_set in {"train": train_set, "validation": validation_set, "test": test_set}.items():
    print(f"{name:<11} {len(image_set):>6} images {image_set.image_shape}, per class {image_set.counts()}")
print(train_set.source)

shown = train_set.stratified(min(40, len(train_set)), seed=0)
results.save_figure(run, "samples", plots.image_grid(
    shown.images, [shown.class_names[label] for label in shown.labels], num_columns=10))

# %% [markdown]
# The classes are nearly balanced (on MNIST the rarest digit, 5, has 80 % as many images as the commonest, 1), so plain
# accuracy is a fair summary.
#
# The images stay as they are, bytes in the machine's memory: 60,000 of 784 bytes are 47 MB. `training.batches` cuts
# batches out of them by index, turns those into numbers between 0 and 1 and has the next batch ready while the network
# is busy with this one (on TensorFlow this is a `tf.data` pipeline). With a seed it gives epoch after epoch, each in an
# order that depends on the seed and the number of the epoch alone; that is what makes a run repeatable.

# %%
train_images, train_labels = train_set.images, train_set.labels
images, labels = next(iter(training.batches(train_images, train_labels, 32, seed=SEED)))
print(f"a batch: images {images.dtype} {tuple(images.shape)}, from {ops.min(images):.1f} to {ops.max(images):.1f}; "
      f"labels {labels.dtype} {tuple(labels.shape)}")

# %% [markdown]
# ## Augmentation: shift each digit
#
# A digit moved by a pixel or two is the same digit. Showing each image at a slightly different place in every epoch
# teaches the network so, without a single new label. The function draws its own shift **for each image**, and works on
# the whole batch at once, on the device where the network computes. As a layer it is part of the network: at work in
# training, out of the way otherwise. Its random numbers come from a *seed generator*, a counter that belongs to the
# layer and is saved with it.

# %%
def random_shift(images, max_shift, seed):
    """Move each image by its own random whole number of pixels, up to `max_shift` each way; zeros come in.

    Args:
        images: float `(N, H, W, C)`.
        max_shift: int, pixels.
        seed: int or keras.random.SeedGenerator.

    Returns:
        float `(N, H, W, C)`.
    """
    count, height, width, _ = ops.shape(images)
    padded = ops.pad(images, [(0, 0), (max_shift, max_shift), (max_shift, max_shift), (0, 0)])
    top, left = ops.unstack(keras.random.randint((2, count), 0, 2 * max_shift + 1, seed=seed))
    rows = top[:, None] + ops.arange(height)  # (N, H): which padded rows to keep
    columns = left[:, None] + ops.arange(width)  # (N, W)
    picked = ops.take_along_axis(padded, rows[:, :, None, None], axis=1)
    return ops.take_along_axis(picked, columns[:, None, :, None], axis=2)


class RandomShift(layers.Layer):
    """The function above as a layer, for training only."""

    def __init__(self, max_shift, **options):
        super().__init__(**options)
        self.max_shift, self.seed_generator = max_shift, keras.random.SeedGenerator()

    def call(self, images, training=False):
        return random_shift(images, self.max_shift, self.seed_generator) if training else images

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):  # how to make it again: Keras asks when it copies a network
        return super().get_config() | {"max_shift": self.max_shift}


original = train_images[:1].astype(np.float32) / 255
views = random_shift(original.repeat(7, axis=0), max(cfg.max_shift, 1), seed=SEED)
results.save_figure(run, "augmentation", plots.image_grid(
    np.concatenate([original, ops.convert_to_numpy(views)]),
    ["original", *[f"view {i}" for i in range(1, 8)]], num_columns=8))

# %% [markdown]
# ## The network: LeNet-5
#
# A convolution slides a small filter over the image and writes down how well it fits at each place. With input $x$
# (channels $c$), filter weights $w$ of size $K \times K$ and bias $b$, output channel $k$ at row $i$, column $j$ is
#
# $$ y_{k,i,j} = b_k + \sum_{c} \sum_{u=0}^{K-1} \sum_{v=0}^{K-1} w_{k,c,u,v} \; x_{c,\,i+u,\,j+v} . $$
#
# The same weights serve every place. That is what saves parameters, and it is why a digit that moves makes the feature
# map move along instead of changing it. *Pooling* then keeps one number for each 2 x 2 block.
#
# | layer | output (height, width, channels) | parameters |
# |---|---|---|
# | convolution 5 x 5, 6 filters, padding "same" | 28, 28, 6 | 6 · (1 · 25 + 1) = 156 |
# | activation, pooling 2 x 2 | 14, 14, 6 | 0 |
# | convolution 5 x 5, 16 filters | 10, 10, 16 | 16 · (6 · 25 + 1) = 2,416 |
# | activation, pooling 2 x 2 | 5, 5, 16 | 0 |
# | fully connected 400 to 120, activation | 120 | 120 · 401 = 48,120 |
# | fully connected 120 to 84, activation | 84 | 84 · 121 = 10,164 |
# | fully connected 84 to 10 | 10 | 10 · 85 = 850 |
#
# Together 61,706. The paper [1] had tanh and a trainable average pooling, connected the second convolution only in part
# and ended in radial basis functions. We use ReLU and max pooling, connect everything, and end in ten *logits*: one
# real number for each class, the larger the more likely. The experiments below put tanh and average pooling back.

# %%
def lenet(num_classes, pixel_mean, pixel_std, max_shift, activation="relu", pooling=layers.MaxPooling2D):
    """Return LeNet-5 for 28 x 28 grey images in [0, 1]; it gives logits `(N, num_classes)`."""
    return keras.Sequential([
        keras.Input((28, 28, 1)), RandomShift(max_shift),
        layers.Rescaling(1 / pixel_std, -pixel_mean / pixel_std),  # the network normalises, so callers never have to
        layers.Conv2D(6, kernel_size=5, padding="same", name="convolution1"),
        layers.Activation(activation, name="activation1"), pooling(2, name="pooling1"),  # (N, 14, 14, 6)
        layers.Conv2D(16, kernel_size=5, name="convolution2"),
        layers.Activation(activation, name="activation2"), pooling(2, name="pooling2"),  # (N, 5, 5, 16)
        layers.Flatten(),
        layers.Dense(120, activation, name="hidden1"), layers.Dense(84, activation, name="hidden2"),
        layers.Dense(num_classes, name="logits")], name="lenet")


def fully_connected(num_classes, pixel_mean, pixel_std, max_shift, num_hidden=77):
    """The baseline: one hidden layer, as many parameters as LeNet-5, and no idea that pixels have neighbours."""
    return keras.Sequential([
        keras.Input((28, 28, 1)), RandomShift(max_shift), layers.Rescaling(1 / pixel_std, -pixel_mean / pixel_std),
        layers.Flatten(), layers.Dense(num_hidden, "relu"), layers.Dense(num_classes)], name="fully_connected")


# %% [markdown]
# `build` turns a dict of options into a network. The same options later name the run, go into its checkpoints and into
# TensorBoard's table, so that no setting can get lost between them.

# %%
pixel_mean, pixel_std = train_set.images.mean() / 255, train_set.images.std() / 255  # 0.13 on MNIST: mostly black


def build(options):
    """Return a fresh network as `options` says."""
    given = train_set.num_classes, float(pixel_mean), float(pixel_std), options["max_shift"]
    if options["network"] == "fully connected":
        return fully_connected(*given)
    return lenet(*given, options["activation"], getattr(layers, options["pooling"]))


DEFAULTS = {"network": "LeNet", "activation": "relu", "pooling": "MaxPooling2D", "optimizer": "momentum",
            "learning_rate": 0.03, "batch_size": cfg.batch_size, "max_shift": cfg.max_shift,
            "weight_decay": 5e-4, "num_epochs": cfg.num_epochs}
model, baseline = build(DEFAULTS | {"max_shift": 0}), build(DEFAULTS | {"network": "fully connected"})
num_parameters = {"LeNet": training.count_parameters(model), "fully connected": training.count_parameters(baseline)}
model.summary(line_length=80)
print(num_parameters)
assert num_parameters["LeNet"] == 156 + 2416 + 48120 + 10164 + 85 * train_set.num_classes  # 61,706 for ten classes

# %% [markdown]
# ## The loss, and three checks before any training
#
# The softmax turns logits $z_1, \dots, z_C$ for $C$ classes into probabilities, and cross-entropy is the price for the
# probability given to the right class $y$, averaged over the $N$ images of a batch:
#
# $$ p_c = \frac{e^{z_c}}{\sum_{k=1}^{C} e^{z_k}}, \qquad L = -\frac{1}{N} \sum_{n=1}^{N} \ln p_{n, y_n} . $$
#
# A mistake found now costs seconds, after training it costs an afternoon. (1) Our loss, written from the equation, must
# equal Keras', which is the one to use: it never computes $e^{z}$ by itself and so cannot overflow. (2) An untrained
# network knows nothing, so its loss must lie near $\ln C$, 2.30 for ten classes. (3) A network that cannot learn 32
# images by heart will not learn 54,000: the loss on one small batch must fall to almost nothing.

# %%
def cross_entropy(labels, logits):
    """The equation above, word for word; labels int `(N,)`, logits float `(N, C)`, returns a scalar in nats."""
    probabilities = ops.exp(logits) / ops.sum(ops.exp(logits), axis=1, keepdims=True)
    return -ops.mean(ops.log(ops.take_along_axis(probabilities, labels[:, None], axis=1)))


logits = model(images)
assert images.shape == (len(images), 28, 28, 1) and logits.shape == (len(images), train_set.num_classes)
loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
loss = float(loss_function(labels, logits))
np.testing.assert_allclose(float(cross_entropy(labels, logits)), loss, rtol=1e-5)
print(f"loss before training {loss:.3f}, ln C = {np.log(train_set.num_classes):.3f}")

model.compile(keras.optimizers.Adam(0.003), loss_function)
for _ in range(100):
    model.train_on_batch(images, labels)
loss = float(loss_function(labels, model(images)))
print(f"loss on {len(images)} images after 100 steps on them: {loss:.4f}")
assert loss < 0.1, "the network cannot even learn one batch by heart"

# %% [markdown]
# ## Training with `fit`
#
# One *step*: take a batch, compute the loss, compute its gradient, move the weights. One *epoch*: every training image
# once, in a new random order. `compile` says with which optimiser, loss and metrics; `fit` goes through the steps and
# calls the *callbacks* after each epoch. Momentum lets the optimiser keep part of its last step; the *one-cycle*
# schedule [2] raises the learning rate for the first fifth of all steps and lowers it to almost zero for the rest,
# which gives a good result in few epochs; weight decay pulls weights gently towards zero.
#
# Weight decay is a trap when settings travel between frameworks. Keras takes `weight_decay` times the learning rate off
# the weights themselves. PyTorch's SGD adds it to the gradient, where momentum 0.9 gathers it over ten steps. The
# factor 10 below makes the two alike, so that this notebook and notebook 04 train with the same settings.
#
# After each epoch one callback logs to TensorBoard and one writes a checkpoint. If the kernel dies, *Run all* goes on
# after the last epoch that was finished and ends with the very weights it would have had (on a GPU TensorFlow adds up
# in changing order, so there it does so only with `TF_DETERMINISTIC_OPS=1` in the environment, which is slower). Change
# a setting, or the code of the network or of this function, and the run starts afresh and tells you so.

# %%
OPTIMIZERS = {
    "plain": lambda rate, decay: keras.optimizers.SGD(rate, weight_decay=decay),
    "momentum": lambda rate, decay: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=10 * decay),
    "adam": lambda rate, decay: keras.optimizers.AdamW(rate, weight_decay=decay)}


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
    num_steps = options["num_epochs"] * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        options["learning_rate"] / 25, num_steps - num_steps // 5,
        warmup_target=options["learning_rate"], warmup_steps=num_steps // 5)
    optimizer = OPTIMIZERS[options["optimizer"]](schedule, options["weight_decay"])
    model.compile(optimizer, loss_function, metrics=[accuracy])
    settings = options | {"seed": seed, "num_images": len(labels), "images": IMAGES, "code": CODE}
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
CODE = provenance.source_hash(lenet, fully_connected, random_shift, RandomShift, build, train, *OPTIMIZERS.values())
IMAGES = train_set.fingerprint()

# %% [markdown]
# ## Choosing the learning rate, for both networks
#
# A comparison is fair only if both sides were given the same care. LeNet and the baseline see the same images in the
# same order, with the same augmentation, for the same number of steps, and **each gets its own learning rate**, the
# best of a short list on the validation images after a short training.

# %%
best_rate = {}
for network in num_parameters:
    accuracies = {}
    for learning_rate in tqdm(cfg.learning_rates, desc=f"learning rate, {network}", leave=False):
        options = DEFAULTS | {"network": network, "learning_rate": learning_rate, "num_epochs": cfg.tuning_epochs}
        _, history = train(f"tuning/{network}-{learning_rate}", options, train_images, train_labels, SEED)
        accuracies[learning_rate] = round(history[-1]["validation_accuracy"], 2)
    best_rate[network] = max(accuracies, key=accuracies.get)
    print(f"{network}: validation accuracy in % by learning rate {accuracies}, chosen {best_rate[network]}")

# %% [markdown]
# If the best value sits at the end of the list, the list was too short: extend it in `PROFILES` and run again.
#
# ## Training
#
# A single run can be lucky. Each network is trained several times, with seeds that change the initial weights, the
# order of the images and the shifts; what varies between them is the noise that any difference has to beat.

# %%
models, histories = {}, {}
for network in num_parameters:
    options = DEFAULTS | {"network": network, "learning_rate": best_rate[network]}
    for seed in tqdm(range(SEED, SEED + cfg.num_seeds), desc=f"training, {network}", leave=False):
        models[network, seed], histories[network, seed] = train(
            f"headline/{network}-{seed}", options, train_images, train_labels, seed)
        last = histories[network, seed][-1]
        print(f"{network:<16} seed {seed}  train loss {last['train_loss']:.4f}  "
              f"validation accuracy {last['validation_accuracy']:.2f} %  {last['seconds']:.1f} s an epoch")
shown = {network: histories[network, SEED] for network in num_parameters}
results.save_figure(run, "curves", plots.curves(
    shown, [("train_loss", "validation_loss"), ("train_accuracy", "validation_accuracy")],
    units={"train_loss": "nats", "validation_loss": "nats", "train_accuracy": "%", "validation_accuracy": "%"}))

# %% [markdown]
# Read the curves in pairs. Training and validation fall together: neither network learns by heart. The training
# accuracy may even stay below the validation accuracy, because it is measured on *shifted* images, which are harder,
# and while the weights are still moving. The gap between the two networks is there in the validation curves after the
# first epoch and does not close: with equal numbers of weights, knowing that pixels have neighbours is worth more than
# having seen more images.

# %%
seconds_per_epoch = float(np.median([epoch["seconds"] for epoch in histories["LeNet", SEED]]))
training_minutes = sum(epoch["seconds"] for history in histories.values() for epoch in history) / 60
print(f"LeNet: {seconds_per_epoch:.1f} s an epoch, {len(train_set) / seconds_per_epoch:,.0f} images per second")

# %% [markdown]
# ## Experiments
#
# Five questions, each answered on a small training set with a short schedule, so that the differences are large and the
# wait is short. Only the named option changes; the number is the validation accuracy, mean and standard deviation over
# seeds. Mind the noise: with 6,000 validation images at 97 %, chance alone moves a single number by 0.2 points.

# %%
EXPERIMENTS = {
    "optimizer": [{"optimizer": "plain", "learning_rate": 0.03}, {"optimizer": "plain", "learning_rate": 0.3},
                  {"optimizer": "momentum"}, {"optimizer": "adam", "learning_rate": 0.003}],
    "learning rate": [{"learning_rate": rate} for rate in (0.003, 0.01, 0.03, 0.1)],
    "batch size": [{"batch_size": size} for size in (16, 64, 256)],
    "activation and pooling": [{"activation": activation, "pooling": pooling} for activation in ("relu", "tanh")
                               for pooling in ("MaxPooling2D", "AveragePooling2D")],
    "augmentation": [{"max_shift": pixels} for pixels in (0, 1, 2, 4)],
}


def run_experiment(question, changes):
    """Train with `changes` for each seed; return the validation accuracies, percent."""
    options = DEFAULTS | {"num_epochs": cfg.experiment_epochs} | changes
    label, accuracies = ", ".join(map(str, changes.values())), []
    for seed in range(SEED, SEED + cfg.experiment_seeds):
        small_set = train_set.stratified(min(cfg.experiment_images, len(train_set)), seed)
        _, history = train(f"experiments/{question}/{label}-{seed}", options, small_set.images, small_set.labels, seed)
        accuracies.append(history[-1]["validation_accuracy"])
    print(f"{question:<24} {label:<16} {results.format_metric(evaluate.mean_and_spread(accuracies))}")
    return label, evaluate.mean_and_spread(accuracies)


experiments, started = {}, time.perf_counter()
for question in EXPERIMENTS if cfg.run_experiments else ():
    experiments[question] = dict(run_experiment(question, changes) for changes in EXPERIMENTS[question])
    figure = plots.comparison(experiments[question], f"validation accuracy (%), by {question}", digits=2)
    display(results.save_figure(run, f"experiment_{question.replace(' ', '_')}", figure))
print(f"{(time.perf_counter() - started) / 60:.1f} minutes for the experiments")

# %% [markdown]
# What to see, with the numbers of the recorded `laptop` run (yours may differ by the spread):
#
# - **Optimizer.** At the same learning rate momentum reaches 97 %, plain SGD 92 %. The schedule is short, and a
#   velocity gathered over ten steps moves about ten times as far. Plain SGD with ten times the learning rate comes to
#   95 %, Adam with a rate of its own is level with momentum. So compare optimisers only when each has its own learning
#   rate.
# - **Learning rate.** The setting that matters most. With 0.003 four epochs are not enough (92 %), and 0.1 is near the
#   edge: 95 % here, and on another processor, whose sums round otherwise, 91 % with the same seeds and a spread of 6
#   points, because one of them fell far behind. Such a spread betrays it, the mean alone would hide it. In the longer
#   training above 0.1 did work: its schedule starts more slowly. Notebook 04, with the same settings in PyTorch, comes
#   to 60 % with 0.003. The frameworks start from different weights: Keras draws them by Glorot's rule, PyTorch smaller
#   in the last layers, where a small learning rate then takes longer (with PyTorch's rule in this network, in a trial:
#   52 %). At the rate that was chosen the difference is gone.
# - **Batch size.** At equal epochs a larger batch means fewer steps, and 256 is left with too few of them (94 %, and on
#   that other processor 88 %). That is no fault of large batches: they want a larger learning rate or more epochs.
# - **Activation and pooling.** From the original pair, tanh and average pooling, to ReLU and max pooling it is a little
#   more than one point, and both changes have their share.
# - **Augmentation.** Between none and two pixels the differences are within the spread; four pixels cost one and a half
#   points: MNIST's digits are centred already, and with little time the network should practise on shifts that it will
#   meet.
#
# ## The test images, once
#
# Everything is decided; now the test images are used, for all trained networks at once.

# %%
test_logits = {key: training.predict(model, test_set.images) for key, model in models.items()}
test_accuracy = {}
for network in num_parameters:
    accuracies = [100 * evaluate.accuracy(test_set.labels, test_logits[network, seed].argmax(1))
                  for seed in range(SEED, SEED + cfg.num_seeds)]
    test_accuracy[network] = evaluate.mean_and_spread(accuracies)
    print(f"{network:<16} test accuracy {results.format_metric(test_accuracy[network])} %")
margin = test_accuracy["LeNet"]["mean"] - test_accuracy["fully connected"]["mean"]
print(f"LeNet minus fully connected: {margin:+.2f} points")

# %% [markdown]
# Accuracy is one number; the next tables and pictures belong to the first LeNet. *Precision*: of the images called a 7,
# how many are one. *Recall*: of the 7s, how many were found. *F1* is their harmonic mean.

# %%
predictions, probabilities = test_logits["LeNet", SEED].argmax(1), evaluate.softmax(test_logits["LeNet", SEED])
display(evaluate.classification_report(test_set.labels, predictions, test_set.class_names).round(4))
matrix = evaluate.confusion_matrix(test_set.labels, predictions, test_set.num_classes)
results.save_figure(run, "confusion", plots.confusion(matrix, test_set.class_names))

# %% [markdown]
# The errors, worst first: those where the network was surest of the wrong answer. Above each stand the true class, the
# answer and its probability. Many are digits that people argue about, too; some are not, and those are the ones to
# learn from.

# %%
wrong = np.flatnonzero(predictions != test_set.labels)
wrong = wrong[np.argsort(-probabilities[wrong, predictions[wrong]])][:24]
titles = [f"{test_set.class_names[test_set.labels[i]]} → {test_set.class_names[predictions[i]]} "
          f"({probabilities[i, predictions[i]]:.0%})" for i in wrong]
results.save_figure(run, "errors", plots.image_grid(test_set.images[wrong], titles, num_columns=8))

# %% [markdown]
# **Calibration**: of all answers given with 90 % confidence, 90 % should be right. The *expected calibration error*
# (ECE) [3] sorts the answers into bins by confidence and averages the gap between confidence and accuracy, weighted by
# how many answers each bin holds. Dividing all logits by one number $T$, the *temperature*, chosen on the validation
# images, can only mend confidences: it changes no answer.

# %%
first = models["LeNet", SEED]
temperature = evaluate.temperature_scale(training.predict(first, validation_set.images), validation_set.labels)
calibration, rescaled = (evaluate.calibration(test_set.labels, evaluate.softmax(test_logits["LeNet", SEED] / divisor))
                         for divisor in (1.0, temperature))
print(f"expected calibration error {calibration['expected_calibration_error']:.4f}, "
      f"{rescaled['expected_calibration_error']:.4f} with the temperature {temperature:.2f}")
results.save_figure(run, "calibration", plots.reliability(calibration))

# %% [markdown]
# This network hardly needs mending: on MNIST the calibration error is a fifth of a per cent, and the temperature moves
# it by less than the noise. Nearly all answers are given with more than 93 % confidence; the bars further left stand on
# a few dozen images, so do not read their gaps as flaws. Larger networks that learn their training images by heart are
# another story [3].
#
# ## What has it learnt?
#
# **Filters.** The first layer's six filters, 5 x 5 weights each. Blue is negative, yellow positive: a filter answers
# most where the image is bright under yellow and dark under blue. Some look like strokes or edges of one direction,
# which is what Hubel and Wiesel found in the visual cortex of cats.

# %%
filters = first.get_layer("convolution1").kernel.numpy()[:, :, 0].transpose(2, 0, 1)  # (6, 5, 5)
results.save_figure(run, "filters", plots.feature_maps(filters))

# %% [markdown]
# **Activations.** One test image on its way through the network: six maps of 28 x 28 after the first convolution,
# sixteen of 10 x 10 after the second. Early maps still show the digit; later ones answer to parts, such as an end of a
# stroke at a certain place.

# %%
one = test_set.images[:1].astype(np.float32) / 255
maps = explain.activations(first, one, ["activation1", "activation2"])
display(results.save_figure(run, "activations_1", plots.feature_maps(maps["activation1"][0].transpose(2, 0, 1))))
results.save_figure(run, "activations_2", plots.feature_maps(maps["activation2"][0].transpose(2, 0, 1)))

# %% [markdown]
# **What each class would like to see.** Start from noise and climb: change the *image*, not the weights, so that the
# logit of one class grows [4]. Two gentle constraints keep the picture readable: the gradient is smoothed, and the
# image fades a little towards black in each step. Strokes of the digits appear, beside marks that no hand would make.
# The network was asked to tell ten digits apart, never what a digit looks like; whatever raises the logit will do.

# %%
class_indices = list(range(min(10, train_set.num_classes)))
dreams, scores = explain.class_ascent(first, (28, 28, 1), class_indices, background=0.0, seed=SEED)
answers = ops.convert_to_numpy(first(dreams)).argmax(1)
print("logits of the classes before", scores[0].round(1), "\nafter", scores[-1].round(1))
print("the network's answers to these images", [train_set.class_names[answer] for answer in answers])
results.save_figure(run, "class_ascent", plots.image_grid(
    dreams, [train_set.class_names[label] for label in class_indices], num_columns=5))

# %% [markdown]
# **Where does it look?** Two heat maps that work in different ways. *Grad-CAM* [5] weighs the maps of the last
# convolution by how much each raises the logit. *Occlusion* [6] covers the image patch by patch and notes how far the
# probability drops. Where they agree we may believe them a little; on this network that is in places only, as the
# correlation below says. Each map has its own scale, written above it. A negative drop means that covering the patch
# *helps* the class named in the title.
#
# A map that looks plausible proves nothing: the digit alone makes a plausible outline. So the last row repeats Grad-CAM
# on a network with **random** weights [7]. If it looked the same, the map would show the image and not what was learnt.
# A black map says that nothing speaks for the class.
#
# Grad-CAM is coarse here, because the last convolution has only 10 x 10 places, and it also lights up where the image
# is black: for LeNet, that nothing is there is evidence too. Occlusion is sharper, and slower: one pass for each patch.

# %%
chosen = test_set.stratified(min(6, len(test_set)), seed=0)
pictures, labels = chosen.images.astype(np.float32) / 255, chosen.labels
heat_maps = {"Grad-CAM": explain.grad_cam(first, pictures, "activation2", labels),
             "occlusion": explain.occlusion(first, pictures, labels, patch_size=5, stride=2, fill=0.0),
             "Grad-CAM, random weights": explain.grad_cam(explain.randomised(first), pictures, "activation2", labels)}
for name, maps in heat_maps.items():
    correlation = np.corrcoef(heat_maps["Grad-CAM"].ravel(), maps.ravel())[0, 1]
    figure = plots.heat_maps(chosen.images, maps, [f"{name}, {chosen.class_names[label]}" for label in labels])
    display(results.save_figure(run, f"map_{name.replace(', ', '_').replace(' ', '_')}", figure))
    print(f"{name}: correlation with the Grad-CAM maps {correlation:.2f}")

# %% [markdown]
# ## Results
#
# | network | test accuracy (%) | training |
# |---|---|---|
# | LeNet-5 of 1998 [1] | 99.05 | 60,000 images, 20 passes |
# | LeNet-5 of 1998 [1] | 99.2 | with distorted copies of the images |
# | ours, and the fully connected baseline | next cell | settings above, mean over seeds |
#
# Our network is a simplified and modernised relative of the paper's, so the numbers are neighbours, not rivals.

# %%
num_steps = cfg.num_epochs * (len(train_set) // min(cfg.batch_size, len(train_set)))
metrics = {
    "test_accuracy": test_accuracy["LeNet"], "baseline_test_accuracy": test_accuracy["fully connected"],
    "expected_calibration_error": calibration["expected_calibration_error"], "temperature": temperature,
    "parameters": num_parameters["LeNet"], "baseline_parameters": num_parameters["fully connected"],
    "learning_rate": best_rate["LeNet"], "baseline_learning_rate": best_rate["fully connected"],
    "seconds_per_epoch": seconds_per_epoch, "images_per_second": len(train_set) / seconds_per_epoch,
    "optimizer_steps": num_steps, "images_seen": num_steps * min(cfg.batch_size, len(train_set)),
    **{f"{question}: {arm}": value for question, arms in experiments.items() for arm, value in arms.items()},
}
targets = [{"metric": "test_accuracy", "at_least": None if DATA else cfg.target_test_accuracy}]
record = results.save(run, cfg, metrics, targets, [train_set, validation_set, test_set], training_minutes)
first.save_weights(run.folder / "lenet.weights.h5")  # load_weights brings them back into lenet(...)

# %% [markdown]
# **TensorBoard** has all curves, and under *HParams* a table of all runs with their options, to sort and filter. In
# Colab or Jupyter put `%load_ext tensorboard` and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own,
# where `FOLDER` is what the cell of the imports printed behind *Files of this run*.
#
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **The loss becomes `nan` or stays at 2.30**: the learning rate is too high (see the experiment).
# - **Much slower than the card says, on a CPU**: other programs keep the cores busy; on a GPU: the cell of the
#   imports prints whether TensorFlow found it.
# - **Out of memory**: hardly possible here (the card says how much is used); otherwise lower `batch_size`.
# - **The data cannot be downloaded**: the message names the hosts, the files and the folder to put them in.
# - **The notebook seems not to train**: it resumed a finished run, and says so. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. Sizes.** Which height has the output of a convolution with kernel size $K$ and stride $S$ on an input of height
# $H$, with padding `"valid"` (none) and with padding `"same"`? Write the formula, rounded where it does not divide.

# %% tags=["exercise"]
def exercise_1(height, kernel_size, stride, padding):
    """Return the height of the output, an int; `padding` is "valid" or "same"."""
    raise NotImplementedError


def check_1(answer):
    for height, *layer in [(28, 5, 1, "same"), (14, 5, 1, "valid"), (28, 2, 2, "valid"), (33, 3, 2, "same")]:
        expected = layers.Conv2D(1, *layer).compute_output_shape((1, height, height, 1))[1]
        assert answer(height, *layer) == expected, f"height {height}, (kernel, stride, padding) {layer}: {expected}"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. Momentum.** Write one step of SGD with momentum $\mu$ as Keras does it: the velocity
# $v \leftarrow \mu v - \eta g$ collects the gradient $g$ times the learning rate $\eta$, and the weights move along it,
# $w \leftarrow w + v$.

# %% tags=["exercise"]
def exercise_2(weights, velocity, gradient, learning_rate, momentum):
    """Return the new `(weights, velocity)`, arrays of the same shape."""
    raise NotImplementedError


def check_2(answer):
    variable, weights, velocity = keras.Variable(np.ones(3)), np.ones(3), np.zeros(3)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    for step in range(4):
        gradient = np.array([1.0, -2.0, 0.5]) * (step + 1)
        weights, velocity = answer(weights, velocity, gradient, 0.1, 0.9)
        optimizer.apply([ops.convert_to_tensor(gradient, variable.dtype)], [variable])
        assert np.allclose(weights, variable.numpy()), f"step {step + 1}: {weights} is not {variable.numpy()}"


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. Abstaining.** A post office would rather have a person look than send a letter astray. Write a function that,
# given probabilities and labels, returns the accuracy on the share $q$ of images that the network is surest about. Then
# plot it over $q$ for the test images: how many must a person look at for 99.9 %?

# %% tags=["exercise"]
def exercise_3(probabilities, labels, share):
    """Return the accuracy in [0, 1] on the `share` (0 to 1) of images with the highest top probability."""
    raise NotImplementedError


def check_3(answer):
    probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.45, 0.55]]), np.array([0, 1, 1, 0])
    for share, expected in [(0.25, 1.0), (0.5, 1.0), (0.75, 2 / 3), (1.0, 0.5)]:
        assert np.isclose(answer(probabilities, labels, share), expected), f"share {share}: expected {expected:.3f}"


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(height, kernel_size, stride, padding):
    return -(-(height if padding == "same" else height - kernel_size + 1) // stride)


def solution_2(weights, velocity, gradient, learning_rate, momentum):
    velocity = momentum * velocity - learning_rate * gradient
    return weights + velocity, velocity


def solution_3(probabilities, labels, share):
    surest = np.argsort(-probabilities.max(axis=1))[: round(share * len(labels))]
    return float(np.mean(probabilities[surest].argmax(axis=1) == labels[surest]))


# %% [markdown]
# ## Conclusion
#
# With 61,706 weights and minutes of computing, LeNet reads handwritten digits better than a fully connected network of
# the same size by a margin many times the spread over seeds. The reason is built in, not learnt: neighbouring pixels
# belong together, and a stroke is a stroke wherever it stands.
#
# What carries over to every notebook of the series: check the loss before training, choose on validation images, give
# the baseline the same chances, use the test images once, report a spread, and look at the errors. Notebook 03 takes
# the same training to colour photographs, where a network this small no longer suffices; notebook 04 tells this lesson
# in PyTorch, with the training loop written out.
#
# ## References
#
# 1. Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based learning applied to document recognition. Proceedings of
#    the IEEE 86(11), 1998. Test errors: section III and figure 9.
# 2. L. N. Smith, N. Topin. Super-convergence. 2017. https://arxiv.org/abs/1708.07120
# 3. C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On calibration of modern neural networks. 2017. Equation 3.
#    https://arxiv.org/abs/1706.04599
# 4. K. Simonyan, A. Vedaldi, A. Zisserman. Deep inside convolutional networks. 2013. https://arxiv.org/abs/1312.6034
# 5. R. R. Selvaraju et al. Grad-CAM. 2016. https://arxiv.org/abs/1610.02391
# 6. M. D. Zeiler, R. Fergus. Visualizing and understanding convolutional networks. 2013.
#    https://arxiv.org/abs/1311.2901
# 7. J. Adebayo et al. Sanity checks for saliency maps. 2018. https://arxiv.org/abs/1810.03292
