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
# # Dog breeds by transfer learning, and what the network has learnt
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/07_dog_breeds_transfer_keras.ipynb)
#
# 120 breeds of dogs, and in the recorded `laptop` run six photographs of each to learn from: far too few for a
# network that starts from nothing. We take networks that others have trained on a million photographs, teach them our
# breeds, one technique after the other, each with its gain, and then look inside: what do they look at, and have they
# seen our dogs before?
#
# | | |
# |---|---|
# | Data | Kaggle's *dog-breed-identification* (10,222 labelled photographs), else Stanford Dogs (12,000 + 8,580) |
# | Method | frozen features and a head, augmentation, label smoothing, mixup, two views, two backbones, fine-tuning |
# | Expected, `laptop` | with the 755 photographs of the recorded run: test accuracy at least 53 % |
# | Expected, `colab` | test accuracy above 83 %, aimed at 90 %; log loss at most 0.40 (pending: not run yet) |
# | Expected, `full` | test accuracy at least 93 % (pending) |
# | You need | notebook 01 (training with `fit`, how to judge a classifier); 03 for batch norm and augmentation |
# | Reviewed | 2026-12-01, Colab's image of 2026-08-19 (Python 3.13, Keras 3.13) |
#
# <!-- measured:begin -->
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | test accuracy (%): 64.58 ± 1.13 (n = 3) | 1.1 | 55 | 7.8 GiB | CPU, 2 cores (Intel Xeon) |
#
# Minutes are those of the headline training and its baseline; experiments come on top and say theirs.
# ± is the standard deviation over n runs.
# On a GPU: pending, no such run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - compute the features of a frozen network once, keep them, and train on them in seconds,
# - judge by cross-validation where a validation set would be too small, and see what each technique is worth,
# - unfreeze a network and *prove* what has changed and what has not, batch norm's statistics among the latter,
# - report as the competition does: log loss, calibrated probabilities, when to abstain, a file to hand in,
# - look into the network, and put what you see to the test,
# - say honestly what such a number means when the network may have seen the test photographs before.

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
# photos (one sub-folder for each class), which then take the dogs' place; the numbers of the card do not apply to them.
# `OVERRIDES = {"photo": "rex.jpg"}` lets the pictures of what the network sees include a photo of yours.

# %%
import time

import ipywidgets as widgets
import keras
import numpy as np
import pandas as pd
from IPython.display import display
from keras import layers, ops

from helpers import config, data, evaluate, experiments, plots, provenance, results, runtime
from helpers.data import imageset, kaggle, pictures
from helpers.keras import augment, explain, networks, training

run = runtime.start("07_dog_breeds_transfer_keras", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network,
# drawn patterns and networks that have never been trained); `laptop` is real photographs on a CPU, with two small
# networks; `colab` is meant for a free T4 and all photographs; `full` takes larger networks. To change one value,
# write for instance `OVERRIDES = {"image_size": 160}` in the form above.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn patterns instead of photographs
    "data_sets": (("dog_breeds",), ("stanford_dogs",), ("dog_breeds", "stanford_dogs"), ("stanford_dogs",)),
    "most_images": (1000, 2400, 20000, 100000),  # of each split; more are left aside
    "image_size": (64, 192, 224, 288),  # height and width, pixels
    "pretrained": (False, True, True, True),  # backbones with ImageNet's weights
    "backbones": (("MobileNet 0.25", "MobileNetV2 0.35"), ("MobileNetV2", "MobileNet 0.25"),  # the first two are joined
                  ("EfficientNetV2S", "InceptionResNetV2", "Xception"), ("EfficientNetV2M", "InceptionResNetV2")),
    "predict_batch_size": (240, 64, 32, 16),  # images, where nothing is trained
    "num_folds": (4, 5, 5, 5),  # parts of the training images
    "folds_used": (1, 5, 1, 1),  # of which so many are held out, one after the other, to choose by
    "tuning_folds": (1, 2, 1, 1),  # the same for fine-tuning, which takes longer
    "head_steps": (20, 600, 3000, 5000),
    "head_batch_size": (64, 64, 256, 256),
    "arms_per_rung": (1, 9, 9, 9),  # of the settings that are tried, at most
    "tuning_steps": (4, 120, 600, 1200),
    "unfrozen_share": (0.3, 0.3, 0.3, 0.5),  # of the backbone's layers, counted from its end
    "num_seeds": (1, 3, 1, 3),  # of the last training
    "ascent_steps": (2, 64, 128, 256),
    "path_steps": (16, 128, 128, 256),  # of integrated gradients
    "photo": ("", "", "", ""),  # the path of a photo of yours
    "target_accuracies": ((), (53.0,), (83.0, 90.0), (93.0,)),  # percent of the test images; the second one is aimed at
    "target_log_loss": (None, None, 0.4, None),  # nats
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# ## The data
#
# *dog-breed-identification* is a competition on Kaggle: name the breed, one of 120, and say how sure you are. Kaggle
# asks for an account and for a click on the rules. Where the credentials are missing or the rules have not been
# accepted, the cell says so and takes **Stanford Dogs** [1], from which the competition took its photographs. The
# photographs differ in size; each is scaled until its shorter side fits and then cut to a square in the middle. Files
# that cannot be read are left out and named.
#
# The test images are used once, at the end. Kaggle keeps the labels of its own test images to itself, so there a
# fifth of the labelled ones takes their place; Stanford Dogs has an official split. The recorded `laptop` run had
# only a part of Stanford Dogs, split by us and with shorter sides of 112 pixels: 755 photographs to learn from (1 to
# 13 a breed) and 255 to test on. With all of it `laptop` takes 2,400 of each (`most_images`), more minutes, and gives
# other numbers.

# %%
def load_dogs(names):
    """Return training and test images of the first data set that can be had; says why another one was passed over."""
    try:
        return [data.load(names[0], split, cfg.image_size, cfg.stand_in, DATA) for split in ("train", "test")]
    except data.DataUnavailable as error:
        if len(names) == 1:
            raise
        print(f"{error}\nGoing on with {names[1]}.")
        return load_dogs(names[1:])


train_set, test_set = (each.stratified(min(len(each), cfg.most_images), seed=0) for each in load_dogs(cfg.data_sets))
for part in (train_set, test_set):
    print(len(part), "images", part.image_shape, part.source, "images of each breed", np.unique(part.counts()))
shown = train_set.stratified(min(24, len(train_set)), seed=0)
display(results.save_figure(run, "samples", plots.image_grid(
    shown.images, [shown.class_names[label] for label in shown.labels])))
counts = [{"breeds, rarest first": i, "images": int(count)} for i, count in enumerate(np.sort(train_set.counts()), 1)]
results.save_figure(run, "balance", plots.curves({"": counts}, "images", None, 1, x="breeds, rarest first"))

# %% [markdown]
# Where breeds differ much in number (the curve), a network can raise its accuracy by preferring the frequent ones:
# one more reason to look at single breeds further down.
#
# ## Validation when images are few
#
# All choices below are made on images that the network has not learnt from. If we set aside a fifth of 755 images
# once, 151 are left to judge by. With an accuracy near one half, chance alone then moves it by
# $50 / \sqrt{151} \approx 4$ points (one standard deviation), more than most techniques are worth. *Cross-validation*
# uses every image: the training images are cut into five *folds*, each of which is held out once while the other four
# are learnt from, so that all 755 are judged, in five trainings. On frozen features these take seconds. Two arms are
# compared fold by fold, so that a difficult fold is difficult for both. `colab` has thousands of images; there, one
# fold is enough. What remains unfair: a breed with a single photograph cannot be right when that is held out.

# %%
fold_of = np.empty(len(train_set), np.int64)
fold_of[imageset.spread_order(train_set.labels, seed=0)] = np.arange(len(train_set)) % cfg.num_folds
FOLDS, TUNING_FOLDS = range(cfg.folds_used), range(cfg.tuning_folds)

# %% [markdown]
# ## Backbones: networks that have seen ImageNet
#
# A *backbone* is a trained network without its last layer. What comes out of it, averaged over all places of the
# image, are its *features*: about a thousand numbers that were good enough to tell a thousand kinds of things apart.
# `keras.applications` has many. Two mistakes are easily made here, and neither gives an error message. Each family
# wants its pixels scaled in its own way: for our images in [0, 1] that is $2x - 1$ or $255x$, and we check it against
# the function that Keras has for each. And an untrained backbone looks exactly like a trained one; ours has a name of
# its own, as it will be the baseline. If a file with the weights lies in `weights/` of the data folder, no network is
# needed; otherwise Keras downloads them.

# %%
LOCAL_WEIGHTS = {"MobileNetV2": "mobilenet_v2_1.0_224_no_top_fp16.weights.h5",
                 "MobileNet 0.25": "mobilenet_2_5_224_tf_no_top.h5"}


def rescaling(name):
    """Return a layer that scales pixels in [0, 1] as the backbone wants them."""
    return layers.Rescaling(255.0) if "EfficientNetV2" in name else layers.Rescaling(2.0, -1.0)


def backbone(name):
    """Return a frozen network of keras.applications: scaled images -> features `(N, D)`; "MobileNet 0.25" is narrow."""
    family, _, width = name.removeprefix("untrained ").partition(" ")
    local = runtime.data_dir() / "weights" / LOCAL_WEIGHTS.get(name, "")
    weights = None if name.startswith("untrained") or not cfg.pretrained else "imagenet"
    network = getattr(keras.applications, family)(
        include_top=False, weights=str(local) if weights and local.is_file() else weights, pooling="avg",
        input_shape=train_set.image_shape, **({"alpha": float(width)} if width else {}))
    for layer in network.layers if weights is None else ():
        layer.momentum = 0.0  # then one batch gives batch norm its statistics; without them the signal is lost
    if weights is None:
        network(rescaling(name)(train_set.images[:32] / np.float32(255)), training=True)
    network.trainable = False
    return network


def connect(parts, head=None):
    """Return one network: images in [0, 1] -> joined features of the backbones in `parts`, or `head`'s logits."""
    images = keras.Input(train_set.image_shape)
    outputs = [part(rescaling(name)(images)) for name, part in parts.items()]
    joined = layers.Concatenate()(outputs) if len(outputs) > 1 else outputs[0]
    return keras.Model(images, head(joined) if head else joined)


runtime.seed_everything(SEED)
FIRST, JOINED = cfg.backbones[0], " + ".join(cfg.backbones[:2])
NETWORKS = {name: backbone(name) for name in (*cfg.backbones, f"untrained {FIRST}")}
hashes = {name: networks.weights_hash(network) for name, network in NETWORKS.items()}
some = train_set.images[:4].astype(np.float32) / 255
for name in cfg.backbones:
    module = sys.modules[getattr(keras.applications, name.split()[0]).__module__]
    assert np.allclose(rescaling(name)(some), module.preprocess_input(255 * some), atol=1e-3), f"{name}: wrong pixels"

# %% [markdown]
# ## Frozen features, computed once
#
# As long as the backbone is *frozen*, an image has the same features in every epoch. So they are computed once and kept
# in a file; whatever is trained on them afterwards takes seconds. A file's name stands for all that decides its content
# (images, weights, code), so that nothing stale is read, and it is written whole or not at all: whoever is interrupted
# goes on with the next file.
#
# Augmentation seems to contradict this, since it changes an image each time. We compute the features of two *views* of
# each image instead: as it is, and mirrored. Random crops come where the images themselves are learnt from, in
# fine-tuning.

# %%
def sides(images, count):
    """Return the images as they are and, if `count` is 2, mirrored."""
    return [images, images[:, :, ::-1]][:count]


def features(names, number):
    """Return the features of view `number` times 255, of the backbones in `names` side by side."""
    found = []
    for name in names.split(" + "):
        path = run.folder / "features" / f"{config.fingerprint([IMAGES, hashes[name], number, FEATURES])}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            started, partial, extractor = time.time(), path.with_suffix(".part.npz"), connect({name: NETWORKS[name]})
            values = training.predict(extractor, sides(train_set.images, 2)[number], cfg.predict_batch_size)
            np.savez(partial, features=255 * values, seconds=time.time() - started)
            os.replace(partial, path)
        with np.load(path) as file:  # times 255, since `training.batches` and `predict` divide by it, as for pixels
            SECONDS[name, number] = float(file["seconds"])
            found.append(file["features"])
    return np.concatenate(found, axis=1)


IMAGES, SECONDS, FEATURES = train_set.fingerprint(), {}, provenance.source_hash(connect, rescaling, sides)

# %% [markdown]
# ## A head, and three ways to change what it is told
#
# The *head* is one linear layer: with the features $h$, standardised by their mean and variance over the training
# images, the logits of the $C$ breeds are $z = W h + b$. It starts at zero, so that all breeds have the probability
# $1 / C$ and the loss is $\ln C$, whatever it is told. It will be told three things:
#
# - **The plain truth**: the target $y$ is 1 for the breed and 0 for all others.
# - **Label smoothing** [2, section 7]: $y' = (1 - \varepsilon)\, y + \varepsilon / C$. Nobody needs to be much surer
#   than $1 - \varepsilon$, and the logits stop growing.
# - **Mixup** [3]: two images $i$ and $j$ and their targets are mixed, with a share $\lambda$ drawn for each image from
#   the Beta distribution with both parameters $\alpha$; for $\alpha$ = 0.2 it mostly lies near 0 or 1:
#
# $$ \tilde x = \lambda x_i + (1 - \lambda)\, x_j , \qquad \tilde y = \lambda y_i + (1 - \lambda)\, y_j . $$
#
# As $j$ we take the image at the mirrored place of the batch: the order of a batch is random anyway. On frozen features
# $x$ is the feature vector, in fine-tuning the image. The loss is the cross-entropy $-\sum_c \tilde y_c \log p_c$ with
# $p = \mathrm{softmax}(z)$. `Transfer` wraps this around any network; `fit` does the rest. The shares reach the loss as
# a last column of the output. (`training=False` in the call of the network is no slip, even while we train: it keeps
# batch norm in *inference mode*, more on which below.)

# %%
class Transfer(keras.Model):
    """Trains a network with mixup and label smoothing; `view(images, generator)` changes the images first, if given."""

    def __init__(self, network, options, view=None):
        super().__init__(dtype="float32")
        self.network, self.view, self.generator = network, view, keras.random.SeedGenerator()  # saved with the weights
        self.mixup, self.smoothing = options["mixup"], options["label_smoothing"]

    def call(self, inputs, training=False):
        """Return logits `(N, C)`; in training `(N, C + 1)`, with the share of each image in its mixture."""
        if not training:
            return self.network(inputs, training=False)
        inputs = self.view(inputs, self.generator) if self.view else inputs
        shape = (ops.shape(inputs)[0], *[1] * (len(inputs.shape) - 1))
        share = keras.random.beta(shape, self.mixup, self.mixup, seed=self.generator) if self.mixup else ops.ones(shape)
        logits = self.network(share * inputs + (1 - share) * ops.flip(inputs, axis=0), training=False)
        return ops.concatenate([logits, ops.reshape(share, (-1, 1))], axis=1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, share = y_pred[:, :-1], y_pred[:, -1:]
        targets = ops.one_hot(y, logits.shape[1])
        targets = share * targets + (1 - share) * ops.flip(targets, axis=0)
        return ops.mean(keras.losses.categorical_crossentropy(targets, logits, True, self.smoothing))

# %% [markdown]
# First the loss against the equations, one image at a time; and with logits of zero it must be $\ln C$.

# %%
logits, labels, share = np.random.default_rng(0).normal(size=(4, 5)), np.array([0, 1, 4, 1]), np.array([1, 0.7, 0.4, 0])
model, naive = Transfer(layers.Identity(), {"mixup": 0.2, "label_smoothing": 0.1}), 0.0
for i, row in enumerate(evaluate.softmax(logits)):
    target = share[i] * np.eye(5)[labels[i]] + (1 - share[i]) * np.eye(5)[labels[3 - i]]
    naive -= np.sum((0.9 * target + 0.1 / 5) * np.log(row)) / 4
for values, expected in ((logits, naive), (0 * logits, np.log(5))):
    loss = float(model.compute_loss(y=labels, y_pred=np.column_stack([values, share]).astype(np.float32)))
    assert abs(loss - expected) < 1e-5, f"one by one {expected:.6f}, all at once {loss:.6f}"

# %% [markdown]
# ## Training
#
# One function trains everything, heads and whole networks: SGD with Nesterov momentum, a learning rate that rises in
# a straight line (*warm-up*) and falls along half a cosine, a checkpoint from which an interrupted run goes on, and
# TensorBoard. All heads take equally many steps (to within one pass), however many views they learn from. As in
# notebook 01, the weight decay of Keras is multiplied by ten. `ScaledSGD` is for fine-tuning and is explained there.
#
# What is measured on the held-out images: the accuracy, and the **log loss** $-\frac{1}{N} \sum_i \ln p_i$, where $p_i$
# is the probability given to the true breed of image $i$. That is what the competition ranks by, and what punishes
# those who are sure and wrong.

# %%
class ScaledSGD(keras.optimizers.SGD):
    """SGD where each variable has a learning rate of its own: the common one times its number in `scales`."""

    scales = ()

    def update_step(self, gradient, variable, learning_rate):
        scale = self.scales[self._get_variable_index(variable)] if self.scales else 1.0
        super().update_step(gradient, variable, learning_rate * scale)


def answers(model, views):
    """Return probabilities `(N, C)`, the mean over `views` of the same images (uint8, or features times 255)."""
    return np.mean([evaluate.softmax(training.predict(model, view, cfg.predict_batch_size)) for view in views], axis=0)


def fit_model(name, model, inputs, labels, asked, truth, options, scales):
    """Train as `options` say, or go on where it was stopped; returns model, history and answers to views `asked`."""
    batch_size, num_epochs = min(options["batch_size"], len(labels)), options["num_epochs"]
    passes = max(1, round(options["num_steps"] / num_epochs / (len(labels) // batch_size)))
    steps_per_epoch = passes * (len(labels) // batch_size)
    num_steps = num_epochs * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, num_steps - num_steps // 4, warmup_target=options["learning_rate"], warmup_steps=num_steps // 4)
    optimizer = ScaledSGD(schedule, momentum=0.9, nesterov=True, weight_decay=10 * options["weight_decay"])
    optimizer.scales = tuple(scales)
    model.compile(optimizer, jit_compile=JIT)
    settings = options | {"start": networks.weights_hash(model), "scales": scales, "code": CODE, "images": IMAGES,
                          "weights": [hashes[part] for part in options["backbones"].split(" + ")]}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, settings, model=model)
    history = checkpoint.resume()
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    model.fit(training.batches(inputs, labels, batch_size, options["seed"], passes * len(history), drop_last=True),
              steps_per_epoch=steps_per_epoch, initial_epoch=len(history), epochs=num_epochs, verbose=0,
              callbacks=[tensorboard, checkpoint])
    found = answers(model, asked) if len(truth) else None
    if len(truth):
        history[-1] |= {"validation_accuracy": 100 * evaluate.accuracy(truth, found.argmax(1)),
                        "validation_log_loss": evaluate.negative_log_likelihood(truth, found)}
    tensorboard.close(options, {f"final/{key}": value for key, value in history[-1].items() if "_" in key})
    return model, history, found

# %% [markdown]
# `train` makes one arm of a comparison: it looks up what to learn from (cached features, or images where the backbone
# is to learn too), builds, trains and measures. How the backbone is unfrozen comes later; until then `rate_factor` is
# 0. The figure shows what fine-tuning will see: an image, and seven random crops of half to all of its area, each also
# mirrored with probability 1/2 and each with random numbers of its own.

# %%
def new_head(inputs):
    """Return a linear layer that starts at zero, behind standardised features; `inputs` are features times 255."""
    mean, variance = inputs.mean(axis=0) / 255, inputs.var(axis=0) / 255 ** 2
    standardise = layers.Normalization(mean=mean, variance=variance + 0.01 * variance.mean())  # no division by almost 0
    linear = layers.Dense(train_set.num_classes, kernel_initializer="zeros", name="logits")
    return keras.Sequential([keras.Input(inputs.shape[1:]), standardise, linear], name="head")


def random_view(images, generator):
    """Return a random crop of each image, half of them mirrored; float `(N, H, W, 3)` in [0, 1] in and out."""
    crops = augment.random_resized_crop(images, scale=(0.5, 1.0), generator=generator)
    return augment.random_horizontal_flip(crops, generator=generator)


def views_of(options, rows, count):
    """Return `count` views of the training images in `rows`: images if the backbone learns, else its features."""
    return (sides(train_set.images[rows], count) if options["rate_factor"] else
            [features(options["backbones"], number)[rows] for number in range(count)])


def train(changes, fold, seed=SEED):
    """Train on all folds but one (-1: on all), or take it from memory; returns model, history, held-out answers."""
    options = DEFAULTS | changes | {"fold": fold, "seed": seed}
    options |= TUNING if options["rate_factor"] else {}
    name = config.fingerprint(options)
    if name not in TRAINED:
        rows, count = fold_of != fold, options["num_views"]
        inputs, labels = np.concatenate(views_of(options, rows, count)), np.tile(train_set.labels[rows], count)
        head = train(SINGLE, fold, seed)[0].network if options["rate_factor"] else new_head(inputs)
        runtime.seed_everything(seed)
        network, scales = unfrozen(head, options["rate_factor"]) if options["rate_factor"] else (head, [])
        model = Transfer(network, options, random_view if options["rate_factor"] else None)
        model.build((None, *inputs.shape[1:]))
        asked = views_of(options, ~rows, options["asked_views"])
        TRAINED[name] = fit_model(name, model, inputs, labels, asked, train_set.labels[~rows], options, scales)
    return TRAINED[name]


DEFAULTS = {"backbones": FIRST, "num_views": 1, "label_smoothing": 0.0, "mixup": 0.0, "asked_views": 1,
            "learning_rate": 0.03, "batch_size": cfg.head_batch_size, "weight_decay": 0.01,
            "num_steps": cfg.head_steps, "num_epochs": 2, "rate_factor": 0.0}
CODE = provenance.source_hash(Transfer, ScaledSGD, new_head, random_view, rescaling, connect, fit_model, train)
TRAINED, JIT = {}, keras.backend.backend() == "jax"  # elsewhere compiling takes longer than these short trainings
crops = ops.convert_to_numpy(random_view(some[:1].repeat(7, axis=0), keras.random.SeedGenerator(SEED)))
results.save_figure(run, "crops", plots.image_grid(np.concatenate([some[:1], crops.clip(0, 1)])))

# %% [markdown]
# ## Rung by rung, on frozen features
#
# The **baseline** is the head on the same backbone that has *never been trained*: it says what ImageNet has brought.
# (Its batch norm has been given the statistics of one batch of our images, or no signal would come through.) It gets a
# learning rate and a weight decay of its own, each the best of a short list on the held-out images, with as many tries
# as the head on the trained backbone. Then come the techniques, each with a few strengths:
#
# 1. *Augmentation*: the head learns from both views of an image instead of one.
# 2. *Label smoothing*, as above.
# 3. *Mixup*, as above. Both make a network less sure, so do not be surprised if the log loss rises where the accuracy
#    does too; the temperature further down mends that.
# 4. *Asked twice*: the image in question is shown as it is and mirrored, and the probabilities are averaged
#    (*test-time augmentation*).
# 5. *Second backbone*: the features of two networks side by side. They were trained on the same images, but make
#    different mistakes.
#
# Each is added to those before it, with its best strength, and **kept if the held-out images are named better with
# it**. The *gain* is the mean over the folds of the difference to what was kept so far, with the standard deviation of
# these differences. A gain smaller than that is no more than a hint; and the best of three strengths always looks a
# little better than it is.

# %%
EXPERIMENTS, LADDER = {}, []


def scores(changes, folds=FOLDS):
    """Return accuracy (%) and log loss (nats) on the held-out images of each fold, `(folds, 2)`."""
    last = [train(changes, fold)[1][-1] for fold in folds]
    return np.array([[epoch["validation_accuracy"], epoch["validation_log_loss"]] for epoch in last])


def climb(rung, arms, before, base=None, folds=FOLDS):
    """Try `arms` on top of `base` (else of `before`), put the best into the table; returns it, and the better one."""
    arms, base = arms[:cfg.arms_per_rung], before if base is None else base
    found = experiments.run({rung: arms}, DEFAULTS, lambda arm, fold: train(base | arm, fold)[1], folds)[rung]
    EXPERIMENTS.update({f"{rung}: {arm}": value for arm, value in found.items()})
    best = base | arms[int(np.argmax([value["mean"] for value in found.values()]))]
    reached, old = scores(best, folds), scores(before, folds)
    EXPERIMENTS[f"gain: {rung}"] = gain = evaluate.mean_and_spread(reached[:, 0] - old[:, 0])
    LADDER.append({"rung": rung, "accuracy": reached[:, 0].mean(), "gain": results.format_metric(gain),
                   "log loss": reached[:, 1].mean(), "kept": gain["mean"] > 0})
    return best, best if gain["mean"] > 0 else before


RATES, DECAYS = ([{name: value} for value in values] for name, values in (
    ("learning_rate", (0.03, 0.01, 0.1)), ("weight_decay", (0.01, 0.001, 0.1))))
RUNGS = {"augmentation": [{"num_views": 2}],
         "label smoothing": [{"label_smoothing": value} for value in (0.1, 0.05, 0.2)],
         "mixup": [{"mixup": value} for value in (0.2, 0.1, 0.4)],
         "asked twice": [{"asked_views": 2}], "second backbone": [{"backbones": JOINED}]}
UNTRAINED = climb("untrained backbone, learning rate", RATES, {"backbones": f"untrained {FIRST}"})[0]
UNTRAINED = climb("untrained backbone, weight decay", DECAYS, UNTRAINED)[1]
BASE = climb("trained backbone, learning rate", RATES, UNTRAINED, {})[0]
FROZEN = BASE = climb("trained backbone, weight decay", DECAYS, BASE)[1]
for rung, arms in RUNGS.items():
    FROZEN = climb(rung, arms, FROZEN)[1]
FROZEN, SINGLE = DEFAULTS | FROZEN, DEFAULTS | FROZEN | {"backbones": FIRST}
display(pd.DataFrame(LADDER).round(3))
results.save_figure(run, "experiments", plots.comparison(
    {name: value for name, value in EXPERIMENTS.items() if "gain" not in name}, "validation accuracy (%)", digits=1))

# %% [markdown]
# Accuracies are in percent, gains in points, the log loss in nats; the figure has every arm that was tried. If the
# points of a rung lie within each other's bars, its setting does not matter at this size and need not be tuned. Mind
# also that every technique keeps the learning rate and weight decay found without it, which puts it at a small
# disadvantage, and that a best value at the end of its list asks for a longer list (in the recorded run all five
# chosen values stand there, though they lead by less than their spread).
#
# In the recorded `laptop` run ImageNet's weights bring **52.7 ± 3.8 points** (1.3 % without, 54.0 % with), and all the
# rest together two more, none of it beyond its spread: weight decay +0.5, augmentation +0.4, mixup +0.3, asked twice
# +0.9. Label smoothing (-0.5 ± 1.6) and the second, much weaker backbone (-1.5 ± 0.6) are not kept.
#
# ## Which backbone?
#
# The same head on each backbone of the list. *Size* is that of the weights in 32 bits. *Latency* is what a user waits
# for: the time for one image alone. It depends on the machine, and one small image leaves most of a GPU idle.

# %%
comparison = []
for name in cfg.backbones:
    extractor, (value, loss) = connect({name: NETWORKS[name]}), scores(SINGLE | {"backbones": name}).mean(axis=0)
    extractor.compile(jit_compile=JIT)
    clock = [(extractor.predict_on_batch(some[:1]), time.perf_counter())[1] for _ in range(9)]  # the first compiles
    comparison.append({"backbone": name, "validation accuracy (%)": value, "log loss (nats)": loss,
                       "parameters": training.count_parameters(NETWORKS[name]),
                       "size (MiB)": 4 * NETWORKS[name].count_params() / 2 ** 20,
                       "latency (ms)": 1000 * np.median(np.diff(clock))})
display(pd.DataFrame(comparison).round(2))

# %% [markdown]
# Recorded in `laptop`: MobileNetV2 names 56.2 % rightly (2.2 million parameters, 20 ms), the narrow MobileNet 25.6 %
# (a tenth of them, 8 ms).
#
# ## Unfreezing, provably
#
# So far the backbone is what ImageNet made of it. *Fine-tuning* lets its last layers learn too, starting from the head
# that has just been trained: a head of random weights would send large, senseless gradients into the backbone first
# [4]. Three things go wrong in public notebooks, all of them silently.
#
# - **Nothing is unfrozen**: the model is compiled again, but no layer's `trainable` was changed. Or it was changed in
#   vain: what `clone_model` makes of a frozen network (Keras 3.13) stays frozen, whatever `trainable` is set to. So
#   we count the trainable parameters before and after, and compare all weights after training with those before.
# - **Batch norm is let loose.** In training it normalises by the mean and variance of the *batch* and moves its running
#   statistics towards them. Ours come from a million images, and 32 dogs would spoil them. `training=False` keeps
#   them as they are; the scale and shift of an unfrozen batch norm still learn. The comparison covers that, too.
# - **One learning rate for all.** Early layers see edges and textures, which dogs share with everything; the late ones
#   are about classes. *Discriminative* learning rates [5] fall towards the input: the unfrozen layers are cut into
#   three equal groups, and with the rate $\eta$ of the head and a factor $\gamma$, the group $k$ steps away from the
#   head learns at
#
# $$ \eta_k = \eta \, \gamma^k , \qquad k = 1, 2, 3 . $$
#
# With $\gamma$ = 1 all have the same rate; [5] suggests $\gamma$ = 1/2.6, about 0.4. Both get their own $\eta$ from the
# same list.

# %%
def unfrozen(head, factor):
    """Return a network whose last layers may learn, and for each variable that does its share of the learning rate."""
    tuned, own_head = backbone(f"untrained {FIRST}"), keras.models.clone_model(head)
    tuned.set_weights(NETWORKS[FIRST].get_weights())  # copies: the frozen backbone and its head stay as they are
    own_head.set_weights(head.get_weights())
    tuned.trainable = True
    weighted = [layer for layer in tuned.layers if layer.weights]
    first = len(weighted) - max(1, round(cfg.unfrozen_share * len(weighted)))
    for layer in weighted[:first]:
        layer.trainable = False
    scale = {id(weight): factor ** (3 - 3 * place // (len(weighted) - first))
             for place, layer in enumerate(weighted[first:]) for weight in layer.trainable_weights}
    network = connect({FIRST: tuned}, own_head)
    return network, [scale.get(id(weight), 1.0) for weight in network.trainable_variables]


TUNING, better = {"num_views": 1, "weight_decay": 0.0, "batch_size": 32, "num_steps": cfg.tuning_steps}, SINGLE
for rung, factor in {"unfrozen, one rate": 1.0, "unfrozen, falling rates": 0.4}.items():
    arms = [{"rate_factor": factor, "learning_rate": rate} for rate in (0.01, 0.003)]
    TUNED, better = climb(rung, arms, better, SINGLE, TUNING_FOLDS)

# %% [markdown]
# Now the proof: which weights are others than in the frozen backbone?

# %%
frozen, tuned = NETWORKS[FIRST], train(TUNED, 0)[0].network.get_layer(NETWORKS[FIRST].name)
learning, changed = {id(weight) for weight in tuned.trainable_weights}, {"unfrozen": [], "frozen": [], "statistics": []}
for old, new in zip(frozen.weights, tuned.weights):
    group = "statistics" if new.name.startswith("moving_") else "unfrozen" if id(new) in learning else "frozen"
    changed[group].append(not np.array_equal(*map(ops.convert_to_numpy, (old, new))))
print("trainable parameters of the backbone before and after unfreezing, and all",
      [training.count_parameters(*each) for each in ((frozen, True), (tuned, True), (tuned, False))])
print({group: f"{sum(flags)} of {len(flags)} arrays have changed" for group, flags in changed.items()})
assert any(changed["unfrozen"]) and not any(changed["frozen"] + changed["statistics"])
assert hashes == {name: networks.weights_hash(network) for name, network in NETWORKS.items()}, "no longer frozen"
display(pd.DataFrame(LADDER[-2:]).round(3))

# %% [markdown]
# The last rows have fewer folds than those above, as they cost minutes instead of seconds; the gain of the first of
# them is over the head on this one backbone, on the same folds. With six photographs a breed there is little that two
# million free weights could learn and much that they could learn by heart; with a hundred photographs it is another
# matter. Recorded in `laptop`: 38.4 % with one rate, 52.6 % with falling rates, beside 55.0 % for the frozen backbone
# on the same two folds. Both did best with the lower $\eta$ of a list of two, and $\gamma$ = 0.4 also makes the
# backbone's steps 2.5 to 16 times smaller; so the 14 points between them may come from smaller steps as well as from
# falling ones, and a longer list would have to tell. None of the four gained anything; the best, -2.3 ± 3.3 points,
# is no proven loss either.
#
# ## The choice, and the test images, once
#
# Two candidates are left: the frozen backbones with the best head, and the fine-tuned network. The accuracy on the
# folds where both were measured decides. The winner is then trained on *all* training images, for several seeds if
# there is time, and connected to one network from pixels to logits. For a frozen one we check that this network and
# the head on the cached features agree.

# %%
def whole_network(changes, seed=SEED):
    """Return a network from images in [0, 1] to logits, trained on all training images."""
    network, parts = train(changes, -1, seed)[0].network, (DEFAULTS | changes)["backbones"].split(" + ")
    return network if changes.get("rate_factor") else connect({name: NETWORKS[name] for name in parts}, network)


frozen_accuracy, tuned_accuracy = (scores(arm, TUNING_FOLDS)[:, 0].mean() for arm in (FROZEN, TUNED))
CHOSEN = FROZEN if frozen_accuracy >= tuned_accuracy else TUNED | TUNING
print(f"validation: frozen {frozen_accuracy:.2f} %, fine-tuned {tuned_accuracy:.2f} %; chosen: {CHOSEN}")
cached = answers(train(FROZEN, -1)[0], [features(FROZEN["backbones"], 0)[:8]])
assert np.allclose(cached, answers(whole_network(FROZEN), [train_set.images[:8]]), atol=1e-2), "another network"
arms = [(UNTRAINED, SEED), (BASE, SEED), *((CHOSEN, seed) for seed in range(SEED, SEED + cfg.num_seeds))]
trained = [whole_network(*arm) for arm in arms]
tested = [answers(each, sides(test_set.images, arm.get("asked_views", 1))) for each, (arm, _) in zip(trained, arms)]
test_accuracy = [100 * evaluate.accuracy(test_set.labels, found.argmax(1)) for found in tested]
accuracy, network, raw = evaluate.mean_and_spread(test_accuracy[2:]), trained[2], tested[2]
print(f"test accuracy (%): untrained {test_accuracy[0]:.2f}, frozen {test_accuracy[1]:.2f}, chosen "
      f"{results.format_metric(accuracy)}; chance in drawing {len(test_set)} test images moves it by "
      f"{(accuracy['mean'] * (100 - accuracy['mean']) / len(test_set)) ** 0.5:.1f} points (one standard deviation)")

# %% [markdown]
# The spread over seeds says how much the training itself varies: little, for a head. The uncertainty that counts is
# the second one, from the number of test images. Recorded in `laptop`: **64.6 %** of the test images (± 1.1 over
# three seeds, ± 3.0 by chance in drawing them), 61.6 % for the plain head (one seed; the difference is eight
# photographs), 0.4 % for the untrained backbone. That is more than the folds' 56 %: the last training has a quarter
# more images of each breed, and no breed whose only photograph is held out. The rest may be chance.
#
# ## Calibration, and the right to abstain
#
# A network is *calibrated* if, of the images where it says 70 %, it is right on 70 %. Dividing all logits by one
# number, the *temperature* $T$ [6, section 4.2], changes no answer, only how sure it is. $T$ comes from the held-out
# images: their answers were given by networks that had not learnt from them. (The final network has learnt from a
# quarter more images; nothing else is different.) As logits we take the logarithms of the averaged probabilities.

# %%
folds = TUNING_FOLDS if CHOSEN["rate_factor"] else FOLDS
replies, truth = (np.concatenate(parts) for parts in zip(*[
    (train(CHOSEN, fold)[2], train_set.labels[fold_of == fold]) for fold in folds]))
temperature = evaluate.temperature_scale(np.log(replies.clip(1e-12)), truth)


def name_breeds(images):
    """Return calibrated probabilities `(N, C)` for uint8 images `(N, H, W, 3)`."""
    found = answers(network, sides(images, CHOSEN["asked_views"]))
    return evaluate.softmax(np.log(found.clip(1e-12)) / temperature)


probabilities, labels, ours = name_breeds(test_set.images), test_set.labels, test_set.class_names
report = {"temperature": temperature, "top5": 100 * evaluate.top_k_accuracy(labels, raw, min(5, raw.shape[1]))}
for name, found in {"uncalibrated": raw, "calibrated": probabilities}.items():
    bins = evaluate.calibration(labels, found, 10)
    report[f"log_loss_{name}"] = evaluate.negative_log_likelihood(labels, found)
    report[f"calibration_error_{name}"] = 100 * bins["expected_calibration_error"]
print({name: round(value, 3) for name, value in report.items()})
display(results.save_figure(run, "calibration", plots.reliability(bins)))
predictions, order = probabilities.argmax(1), np.argsort(-probabilities.max(1), kind="stable")
right = 100 * np.cumsum((predictions == labels)[order]) / np.arange(1, len(order) + 1)
coverage = [{"answered (%)": 100 * (i + 1) / len(right), "accuracy (% of those)": right[i]}
            for i in np.linspace(len(right) // 20, len(right) - 1, 20).astype(int)]
results.save_figure(run, "coverage", plots.curves({"": coverage}, "accuracy (% of those)", None, 1, x="answered (%)"))

# %% [markdown]
# The upper figure (calibrated): diamonds on the dashed line are what calibration means; its lower half says how many
# images a bar stands for. (The *calibration error* in the printed line is the mean distance from the line, in
# percent.) The second figure: if the network may *abstain* on the images it is least sure of, how often is it right
# on the rest? At the right end it answers all of them. A curve that falls steadily says that its confidence is worth
# something: ask a human about the rest. In `laptop` the network was *too modest* ($T$ = 0.85; mixup and the mean of
# two views may be why); the temperature brings the calibration error from 8.1 down to 3.8 % and the log loss from
# 1.32 to 1.27. On the half it is surest of it is right in 87 of 100 cases; over all images the right breed is among
# its first five in 91.
#
# ## Breed by breed
#
# The full table goes into `breeds.csv`; here are its ends. With few test images of a breed a row is an anecdote; look
# for what the rows have in common. Then the pairs that are mistaken for each other most often, each with a photograph
# that was mistaken, and one training photograph of both breeds. (Recorded: Shih-Tzu and Lhasa, both ways; silky and
# Australian terrier; malamute and Siberian husky.)

# %%
table = evaluate.classification_report(labels, predictions, ours)
table.to_csv(run.folder / "breeds.csv")
ranked = table.drop("mean").dropna().sort_values("f1", kind="stable")
display(pd.concat([ranked.head(5), ranked.tail(5), table.loc[["mean"]]]).round(2))
matrix = evaluate.confusion_matrix(labels, predictions, len(ours))
pairs, photos, titles = evaluate.most_confused(matrix, ours, 4), [], []
for true, said in zip(pairs["true"], pairs["predicted"]):
    a, b = ours.index(true), ours.index(said)
    photos += [test_set.images[np.flatnonzero((labels == a) & (predictions == b))[0]],
               *(train_set.images[np.flatnonzero(train_set.labels == label)[0]] for label in (a, b))]
    titles += [f"{true}, taken for {said}", f"{true} (training)", f"{said} (training)"]
display(pairs.round(2), results.save_figure(run, "confused", plots.image_grid(np.array(photos), titles, num_columns=6)))

# %% [markdown]
# ## The file to hand in
#
# The competition wants a CSV file with the columns `id` and the 120 breeds in alphabetical order, one row for each test
# image, each a distribution over the breeds. Kaggle's archive has a sample, against which we check ours. Where the
# competition's files are not at hand, our own test images take the place of its test images, and a sample of the same
# format is made: the code is tested, but the file is not one to hand in.

# %%
asked, ids = test_set, [f"test-{i:05d}" for i in range(len(test_set))]
sample = pd.DataFrame({"id": ids} | dict.fromkeys(sorted(test_set.class_names), 1 / test_set.num_classes))
if train_set.name == "dog_breeds" and not (cfg.stand_in or DATA):
    folder = kaggle.find("dog-breed-identification", runtime.data_dir() / "kaggle")
    asked, ids = kaggle.test_images(folder, train_set.image_shape)
    sample = pd.read_csv(folder / "sample_submission.csv", dtype={"id": str})
columns = list(sample)[1:]
found = name_breeds(asked.images)[:, [train_set.class_index(name) for name in columns]]
kaggle.submission(ids, columns, found).to_csv(run.folder / "submission.csv", index=False)
written = pd.read_csv(run.folder / "submission.csv", dtype={"id": str})
assert list(written) == list(sample) and written["id"].equals(sample["id"]) and np.allclose(written[columns], found)

# %% [markdown]
# ## Has it seen our test images before?
#
# Yes, in all likelihood. Stanford Dogs was put together **from ImageNet** [1], and so is the competition, which took
# its photographs from there. The backbones were trained on ImageNet, on a thousand classes, and these 120 breeds are
# among them. Most of our *test* photographs have therefore been *training* photographs of the backbone, with their
# breed. Any public number on this data that uses an ImageNet backbone has this flaw; so has ours.
#
# What would it be on new dogs? Oxford-IIIT Pet [7] was collected from other sources (it is not documented as drawn from
# ImageNet, though nobody has compared every picture). Of its 25 breeds of dogs, 21 are among the 120, eight under
# another name. The network chooses among all 120, as before, and has learnt from none of these photographs. Beside it
# stand our own test images of the same breeds.

# %%
OTHER_NAMES = {
    "basset_hound": "basset", "english_cocker_spaniel": "cocker_spaniel", "japanese_chin": "japanese_spaniel",
    "german_shorthaired": "german_short-haired_pointer", "leonberger": "leonberg", "scottish_terrier": "scotch_terrier",
    "staffordshire_bull_terrier": "staffordshire_bullterrier", "wheaten_terrier": "soft-coated_wheaten_terrier"}
overlap, pets, names = {}, [], {}
try:
    pets = [data.load("oxford_iiit_pet", "test", cfg.image_size, cfg.stand_in)]
    names = {pet: OTHER_NAMES.get(pet, pet) for pet in pets[0].class_names if OTHER_NAMES.get(pet, pet) in ours}
except data.DataUnavailable as error:
    print(f"This comparison is left out. {error}")
if names:
    print(f"{len(names)} breeds:", names)
    dogs = pets[0].subset(np.isin(pets[0].labels, [pets[0].class_index(pet) for pet in names]))
    truth = np.array([ours.index(names[pets[0].class_names[label]]) for label in dogs.labels])
    same = np.isin(labels, [ours.index(name) for name in names.values()])
    for name, wanted, found in (("Oxford-IIIT Pet", truth, name_breeds(dogs.images)),
                                ("our test images", labels[same], probabilities[same])):
        overlap[f"{name}: accuracy"] = value = 100 * evaluate.accuracy(wanted, found.argmax(1))
        print(f"{name}: {value:.1f} ± {(value * (100 - value) / len(wanted)) ** 0.5:.1f} % of {len(wanted)} images")

# %% [markdown]
# The distance between the two rows is *not* the effect of having seen the photographs, nor is its absence proof of
# the contrary: the two collections differ in more than that (who took the pictures, how they were scaled and cropped,
# how close the dog is), and in the recorded run the pets' pictures are small and squeezed into squares. But the first
# row is nearer to what to expect on photographs that nobody has used before: recorded in `laptop`, 50.5 ± 2.5 % of
# 414 pets beside 68 ± 8 % of our 38 test images of the same breeds.
#
# ## What has it learnt?
#
# Three kinds of pictures: a dog whose breed the network names rightly and surely, one that it gets surely wrong, and
# noise, on which there is nothing to see; if you named a photo in `OVERRIDES`, yours is the fourth.
#
# **Activations.** How the pictures look on their way through the first backbone: at the beginning, in the middle and at
# the end, the eight maps that the first picture excites most, one row a picture.

# %%
wrong = predictions[order] != labels[order]
PHOTOS = {"right": test_set.images[order[wrong.argmin()]], "wrong": test_set.images[order[wrong.argmax()]],
          "noise": np.random.default_rng(SEED).integers(0, 256, train_set.image_shape).astype(np.uint8),
          **({"yours": pictures.decode(cfg.photo, train_set.image_shape)} if cfg.photo else {})}
stack, inner = np.stack(list(PHOTOS.values())), network.get_layer(NETWORKS[FIRST].name)
floats, said = stack.astype(np.float32) / 255, name_breeds(stack).argmax(1)


def maps_of(*kinds):
    """Return the names of the layers of these kinds in the first backbone whose output still has places."""
    return [f"{inner.name}/{layer.name}" for layer in inner.layers
            if isinstance(layer, kinds) and len(layer.output.shape) == 4 and layer.output.shape[1] > 1]


blocks, convolutions = maps_of(layers.ReLU, layers.Activation, layers.Add), maps_of(layers.Conv2D)
for depth, name in {"beginning": blocks[0], "middle": blocks[len(blocks) // 2], "end": blocks[-1]}.items():
    maps = explain.activations(network, floats, [name])[name].transpose(0, 3, 1, 2)
    strongest = np.argsort(-maps[0].mean(axis=(1, 2)))[:8]
    display(results.save_figure(run, f"activations_{depth}", plots.feature_maps(
        np.concatenate(maps[:, strongest]), [f"{what}, {channel}" for what in PHOTOS for channel in strongest])))

# %% [markdown]
# At the beginning the pictures are still recognisable: the maps are filters laid over the image. Towards the end a
# map is a handful of places, and says "there is something of this kind here". In the recorded run the maps at the end
# that the dog drives to their limit (6, where MobileNetV2 cuts off) hardly answer to noise; but they were chosen for
# that dog.
#
# **Filter patterns.** What would a single filter like to see? Start from noise and change the *image* so that the
# filter's mean activation grows; notebook 01 explains what keeps the picture smooth. **Class patterns** are the same
# for the logit of a whole breed [8].

# %%
for depth, name in {"middle": convolutions[len(convolutions) // 2], "end": convolutions[-1]}.items():
    dreams, climbed = explain.filter_ascent(
        network, train_set.image_shape, name, list(range(6)), seed=SEED, num_steps=cfg.ascent_steps)
    display(results.save_figure(run, f"filters_{depth}", plots.image_grid(
        dreams, [f"filter {i}\n{start:.1f} to {end:.1f}" for i, (start, end) in enumerate(climbed[[0, -1]].T)])))
breeds = np.unique(np.linspace(0, len(ours) - 1, 6).astype(int))
dreams, climbed = explain.class_ascent(network, train_set.image_shape, breeds, seed=SEED, num_steps=cfg.ascent_steps)
results.save_figure(run, "classes", plots.image_grid(dreams, [
    f"{ours[label]}\n{start:.1f} to {end:.1f}" for label, (start, end) in zip(breeds, climbed[[0, -1]].T)]))

# %% [markdown]
# The numbers are the activation, or the logit, at the start and at the end. Filters in the middle answer to textures
# and simple shapes. A breed's pattern is rarely a dog; look for the fur, the ears, the eyes that raise the logit. What
# raises it need not be what *we* would call the breed. (In the recorded run some patterns have eyes and a snout, the
# chihuahua's above all, and most are fur and stripes.)
#
# ## Where does it look, and is that true?
#
# Three ways to ask which places of a picture speak for the answer.
#
# - **Grad-CAM** [9] weighs the last maps by how much each raises the logit: coarse, cheap.
# - **Occlusion** [10] covers a square with the picture's mean colour and measures how far the probability falls: slow,
#   and needs no look inside.
# - **Integrated gradients** [11, section 3] divide the logit $F(x)$ among the pixels. With a picture $x'$ that shows
#   nothing (here grey), pixel $i$ gets
#
# $$ \mathrm{IG}_i(x) = (x_i - x'_i) \int_0^1 \frac{\partial F}{\partial x_i}\big(x' + t\,(x - x')\big)\, dt , \qquad
#    \sum_i \mathrm{IG}_i(x) = F(x) - F(x') . $$
#
# We replace the integral by the mean over `path_steps` points in the middle of equal intervals. The right equation is
# the check: what was handed out must add up. (The maps show it summed over the colours, without its sign.)

# %%
def integrated_gradients(network, image, class_index):
    """Return what each pixel is given, `(H, W, 3)`."""
    def logits(images):
        return network(images, training=False)[:, class_index]

    grey, parts = np.full_like(image, 0.5), (np.arange(cfg.path_steps, dtype=np.float32) + 0.5) / cfg.path_steps
    points = [grey + some[:, None, None, None] * (image - grey) for some in np.array_split(parts, -(-len(parts) // 8))]
    slopes = [ops.convert_to_numpy(explain.gradient(logits, ops.convert_to_tensor(each))) for each in points]
    given = (image - grey) * np.concatenate(slopes).mean(axis=0)
    ends = ops.convert_to_numpy(logits(np.stack([grey, image])))
    print(f"handed out {given.sum():.3f}, F(x) - F(x') = {ends[1] - ends[0]:.3f}")
    return given

# %% [markdown]
# A heat map proves nothing by looking plausible. The **sanity check** [12]: repeat it on a network with **random**
# weights. Where the two maps agree, the map shows the picture (its edges, its bright parts), not what was learnt. Our
# baseline is such a network: the weights of its backbone are random. (Its batch norm has statistics that fit: an
# empty map would pass the check.) The figures have the trained network at the left and the random one at the right;
# the correlation of the two is printed for each method.

# %%
def looks(network):
    """Return method -> maps `(N, H, W)` for the pictures, each for what the trained network says is on it."""
    given = np.abs([integrated_gradients(network, *each).sum(axis=2) for each in zip(floats, said)])
    return {"Grad-CAM": explain.grad_cam(network, floats, blocks[-1], said),
            "occlusion": explain.occlusion(network, floats, said, stride=cfg.image_size // 8, batch_size=16),
            "integrated gradients": np.minimum(given, np.quantile(given, 0.99, axis=(1, 2), keepdims=True))}


seen, by_chance, agreement = looks(network), looks(trained[0]), {}
titles = [f"{name}: {ours[label]}?" for name, label in zip(PHOTOS, said)] + [f"{name}, random" for name in PHOTOS]
for method, maps in seen.items():
    agreement[method] = np.nan_to_num(np.corrcoef(maps.ravel(), by_chance[method].ravel())[0, 1])
    print(f"{method}: correlation with the maps of random weights {agreement[method]:.2f}")
    display(results.save_figure(run, method.replace(" ", "_"), plots.heat_maps(
        np.concatenate([stack, stack]), np.concatenate([maps, by_chance[method]]), titles, 2 * len(stack))))

# %% [markdown]
# Each map has its own scale, written above it. Is it the dog that counts, its face, or the meadow? On noise every
# method still paints a map: it answers the question that was asked, even if the question makes no sense. A high
# correlation with the random network is a warning for that method, above all for integrated gradients, whose factor
# $x - x'$ draws the picture whatever the network has learnt. And the map of the wrong answer often looks just as
# reasonable as that of the right one: a heat map says where, not whether.
#
# In the recorded run occlusion says most: for the collie it is the muzzle alone that counts, and the random network's
# maps have nothing to do with it (correlation -0.06). Grad-CAM covers most of the dog, and its 0.41 may mean that
# both networks answer where the picture is bright or busy. Integrated gradients (0.16) draw the head also for random
# weights. Mind the check above as well: for the trained network what is handed out adds up to within a few percent
# for the dogs, for the random one it is wrong by a factor of two or more. Its logit goes up and down so fast along
# the way that 128 points are too few; such a map is not to be read at all.
#
# ## Try it on your own dog
#
# Choose a photo: the network names the five likeliest breeds, and shows for each where it has looked. The button works
# in Colab and Jupyter; below it, a test image shows what to expect. Photos are decoded as the data was, so that one
# lying on its side in the file stands upright. Remember what the network does not know: it has to name a breed, even
# for a cat.

# %%
def show_card(photo):
    """Show the five likeliest breeds of a photo, uint8 `(H, W, 3)`, and where the network has looked for each."""
    found = name_breeds(photo[None])[0]
    top = np.argsort(-found)[:5]
    photos, titles = np.stack([photo] * len(top)), [f"{ours[label]} {found[label]:.0%}" for label in top]
    maps = explain.grad_cam(network, photos.astype(np.float32) / 255, blocks[-1], top)
    display(results.save_figure(run, "card", plots.heat_maps(photos, maps, titles)))


def answer_upload(change):
    """Show a card for each uploaded file; they come as a dict by name from ipywidgets 7, as a tuple from 8."""
    with page:
        page.clear_output()
        for file in upload.value.values() if isinstance(upload.value, dict) else upload.value:
            show_card(pictures.decode(bytes(file["content"]), train_set.image_shape))


upload, page = widgets.FileUpload(accept="image/*", multiple=False), widgets.Output()
upload.observe(answer_upload, names="value")
display(upload, page)
show_card(stack[0])

# %% [markdown]
# ## Results
#
# | network | training | accuracy (%) | log loss |
# |---|---|---|---|
# | ResNet-152, Inception, Xception joined [13] | frozen, all photographs | 91 | 0.305 |
# | Inception, Inception-ResNet, Xception joined [14] | frozen, all photographs | 93 | not given |
# | ours | above | next cell | next cell |
#
# The first two rows are what their authors report, with the same flaw as ours: their backbones know the photographs.

# %%
seconds = sum(epoch["seconds"] for arm in (CHOSEN, UNTRAINED) for epoch in train(arm, -1)[1]) + sum(SECONDS.values())
steps = int(train(CHOSEN, -1)[0].optimizer.iterations)
metrics = {
    "test_accuracy": accuracy, "test_log_loss": report["log_loss_calibrated"], **report, **overlap,
    "untrained_test_accuracy": test_accuracy[0], "frozen_test_accuracy": test_accuracy[1],
    "accuracy_of_the_surest_half": right[len(right) // 2 - 1], "images_per_second": len(train_set) / SECONDS[FIRST, 0],
    "optimizer_steps": steps, "images_seen": steps * min(CHOSEN["batch_size"], len(train_set)),
    **{f"{row['backbone']}: {key}": float(row[key]) for row in comparison for key in list(row)[1:]},
    **{f"sanity: {method}": value for method, value in agreement.items()}, **EXPERIMENTS}
targets = [*({"metric": "test_accuracy", "at_least": bound} for bound in cfg.target_accuracies),
           {"metric": "test_log_loss", "at_most": cfg.target_log_loss}]
record = results.save(run, cfg, metrics, [] if DATA else targets, [train_set, test_set, *pets], seconds / 60)

# %% [markdown]
# **TensorBoard** has all curves, and under *HParams* a table of all runs with their options. In Colab or Jupyter put
# `%load_ext tensorboard` and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own, where `FOLDER` is
# what the cell of the imports printed behind *Files of this run*.
#
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **Kaggle refuses**: the message names the page where the rules are accepted, and where a token goes. The notebook
#   goes on with Stanford Dogs.
# - **"URL fetch failure"**: the weights of a backbone could not be downloaded. Put the file that the message names into
#   Keras' folder `~/.keras/models`, or take backbones in `OVERRIDES` whose weights you have.
# - **Files were left out**: the warning names them; the other photographs are used.
# - **Accuracy near chance with a pretrained backbone**: its pixels are scaled wrongly, or its weights are not loaded.
# - **Fine-tuning makes it worse**: the learning rate is too high, or too many layers learn from too few photographs.
# - **Out of memory**: lower `predict_batch_size`; or `image_size`, for the machine's own memory.
# - **The notebook seems not to train**: it resumed a finished run, and says so. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. Targets.** Return the targets of mixup with label smoothing for a batch: image $i$ is mixed with the image at the
# mirrored place, and keeps the share $\lambda_i$; then the targets are smoothed.

# %% tags=["exercise"]
def exercise_1(labels, shares, num_classes, smoothing):
    """Return float `(N, num_classes)`; `labels` int `(N,)`, `shares` float `(N,)` in [0, 1]."""
    raise NotImplementedError


def check_1(answer):
    mixed, smooth = (answer(np.array([2, 0, 1, 2]), np.array([1, 0.75, 0.5, 0.1]), 3, value) for value in (0.0, 0.3))
    assert np.allclose(mixed[1:], [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 1]]), "image 1 of 4 is mixed with image 2"
    assert np.allclose(smooth[0], [0.1, 0.1, 0.8]), "epsilon / C for each class, also for the right one"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. What still learns?** A backbone is a list of layers: `("convolution", weights)` or `("batch norm", channels)`.
# A batch norm has a scale, a shift, a running mean and a running variance for each channel. Only the last
# `num_unfrozen` layers are unfrozen, and batch norm is in inference mode throughout. How many numbers does a gradient
# change, and how many stay exactly as they were?

# %% tags=["exercise"]
def exercise_2(backbone_layers, num_unfrozen):
    """Return `(learning, staying)`, two ints; `backbone_layers` is a list of (kind, count), from input to output."""
    raise NotImplementedError


def check_2(answer):
    backbone_layers = [("convolution", 432), ("batch norm", 16), ("convolution", 2304), ("batch norm", 32)]
    for num_unfrozen, expected in ((0, (0, 2928)), (1, (64, 2864)), (2, (2368, 560)), (4, (2832, 96))):
        assert tuple(answer(backbone_layers, num_unfrozen)) == expected, f"{num_unfrozen} unfrozen: expected {expected}"


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. Hand it out.** Write integrated gradients for one input, given the gradient of a function: the mean over
# `num_steps` points in the middle of equal intervals. For which functions is a single step exact?

# %% tags=["exercise"]
def exercise_3(gradient, x, baseline, num_steps):
    """Return float `(D,)`; `gradient` maps `(D,)` to `(D,)`, `x` and `baseline` are float `(D,)`."""
    raise NotImplementedError


def check_3(answer):
    x, baseline = np.array([1.0, -2.0, 0.5]), np.array([0.5, 0.0, 0.5])
    # F is the sum of squares, then that of fourth powers
    squares, fourth = answer(lambda point: 2 * point, x, baseline, 1), answer(lambda point: 4 * point ** 3, x, 0 * x, 2)
    assert np.allclose(squares, x ** 2 - baseline ** 2), "the sum of squares gives x_i^2 - x'_i^2, even in one step"
    assert np.allclose(fourth, 0.4375 * x ** 4 * 2), "two steps: the points at 1/4 and 3/4 of the way"


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(labels, shares, num_classes, smoothing):
    targets, shares = np.eye(num_classes)[labels], shares[:, None]
    return (1 - smoothing) * (shares * targets + (1 - shares) * targets[::-1]) + smoothing / num_classes


def solution_2(backbone_layers, num_unfrozen):
    unfrozen = backbone_layers[len(backbone_layers) - num_unfrozen:]
    learning = sum(count * (2 if kind == "batch norm" else 1) for kind, count in unfrozen)
    return learning, sum(count * (4 if kind == "batch norm" else 1) for kind, count in backbone_layers) - learning


def solution_3(gradient, x, baseline, num_steps):
    points = [baseline + (step + 0.5) / num_steps * (x - baseline) for step in range(num_steps)]
    return (x - baseline) * np.mean([gradient(point) for point in points], axis=0)


# %% [markdown]
# ## Conclusion
#
# What a network has learnt on a million photographs is worth more, with six photographs of each breed, than anything
# we added to it: a linear layer on its frozen features does most of the work, in seconds. In the recorded run the
# techniques on top brought two points together, none of them beyond its spread. Whether unfreezing pays is a question
# of how many photographs there are, and that it took place at all should be shown, not believed. And two things
# belong beside every such accuracy: the number of test images, which sets how far chance moves it, and whether the
# backbone has seen them.
#
# In the recorded `laptop` run, with six photographs a breed, that is 64.6 ± 1.1 % of 120 breeds (and ± 3.0 by the
# choice of the 255 test images), of which a linear layer alone gives 61.6; on dogs from another collection, 50.5 %.
# Fine-tuning did not pay: 52.6 % with falling learning rates against 55.0 % frozen, on the same two folds. With a
# hundred photographs a breed it may; that run, on a GPU, is pending.
#
# Next: notebook 08 fine-tunes networks that were pretrained without labels; notebook 09 pretrains one itself; notebook
# 16 compares such methods on photos of your own.
#
# ## References
#
# 1. A. Khosla, N. Jayadevaprakash, B. Yao, L. Fei-Fei. Novel dataset for fine-grained image categorization: Stanford
#    Dogs. 2011. http://vision.stanford.edu/aditya86/ImageNetDogs/
# 2. C. Szegedy et al. Rethinking the Inception architecture for computer vision. 2015. https://arxiv.org/abs/1512.00567
# 3. H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz. mixup: beyond empirical risk minimization. 2017.
#    https://arxiv.org/abs/1710.09412
# 4. A. Kumar et al. Fine-tuning can distort pretrained features and underperform out-of-distribution. 2022.
#    https://arxiv.org/abs/2202.10054
# 5. J. Howard, S. Ruder. Universal language model fine-tuning for text classification. 2018.
#    https://arxiv.org/abs/1801.06146
# 6. C. Guo, G. Pleiss, Y. Sun, K. Weinberger. On calibration of modern neural networks. 2017.
#    https://arxiv.org/abs/1706.04599
# 7. O. Parkhi, A. Vedaldi, A. Zisserman, C. Jawahar. Cats and dogs. 2012. https://www.robots.ox.ac.uk/~vgg/data/pets/
# 8. K. Simonyan, A. Vedaldi, A. Zisserman. Deep inside convolutional networks. 2013. https://arxiv.org/abs/1312.6034
# 9. R. R. Selvaraju et al. Grad-CAM. 2016. https://arxiv.org/abs/1610.02391
# 10. M. Zeiler, R. Fergus. Visualizing and understanding convolutional networks. 2013. https://arxiv.org/abs/1311.2901
# 11. M. Sundararajan, A. Taly, Q. Yan. Axiomatic attribution for deep networks. 2017. https://arxiv.org/abs/1703.01365
# 12. J. Adebayo et al. Sanity checks for saliency maps. 2018. https://arxiv.org/abs/1810.03292
# 13. A team's report on the competition.
#     https://blog.alan-m-12.top/dog-breed-classification-transfer-learning-with-resnet152-inception-v3-xception-three-model-ensemble/
# 14. V. K. Linh. Dog breed prediction. https://vklinhhh.github.io/v.k.linh/work_dog_breed.html
