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
# # Which way is up? Rotation as a pretext, on cats and dogs, in Keras
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/15_rotation_cats_dogs_keras.ipynb)
#
# Photographs come with the right side up, and nobody has to write that down. A network that has learnt to tell by how
# much a picture was turned then has to tell cats from dogs: how many labels does it need less than one that starts from
# nothing?
#
# | | |
# |---|---|
# | Data | Cats vs. Dogs: 23,262 photographs (825 MB), a fifth of them held out as test images; 64 x 64 pixels |
# | Method | four-way rotation pretext (RotNet); then fine-tuning and linear probes with few labels; SimCLR as a rival |
# | Expected, `laptop` | rotation-pretrained minus from scratch: at least 5 points with 2 % of the labels, 6 with 10 % |
# | Expected, `colab` | at least 8 points with 2 % of the labels; ten volumes of labels |
# | You need | notebook 03 (residual networks, training with `fit`); 14 for what is said about SimCLR |
# | Reviewed | 2026-11-22, Colab's image of 2026-08-19 (Python 3.13, Keras 3.13, TensorFlow 2.20) |
#
# <!-- measured:begin -->
# No run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - turn a batch of images exactly, without touching a pixel's value, and let the images make their own labels,
# - train a network on all four turns of each image, see what it cannot tell, and why,
# - compare a pretrained network with an untrained one fairly: same labels, steps and augmentation, own learning rate,
# - draw nested, stratified volumes of labels, and prove that no test picture is among them,
# - read from two curves, with their spread, how many labels a pretext saves.

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
# photos (one sub-folder for each class, such as `cat` and `dog`), which are then scaled and cropped to squares and take
# the place of Cats vs. Dogs; the numbers of the card do not apply to them.

# %%
import hashlib
import itertools
import types

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from keras import layers, ops
from scipy import stats
from tqdm.auto import tqdm

from helpers import config, data, evaluate, experiments, plots, provenance, results, runtime
from helpers.data.imageset import spread_order
from helpers.keras import augment, explain, losses, networks, training

run = runtime.start("15_rotation_cats_dogs_keras", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, drawn
# pictures instead of photographs); `laptop` is real photographs on a CPU with a small network and three volumes of
# labels; `colab` is meant for a free T4, with ten volumes; `full` trains longer and draws more often. To change one
# value, write for instance `OVERRIDES = {"finetune_steps": 600}` in the form above.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn patterns instead of photographs
    "image_size": (32, 64, 64, 96),  # height and width, pixels
    "validation_fraction": (0.1, 0.1, 0.1, 0.1),  # of the training images, to choose by
    "volumes": ((0.1, 1.0), (0.02, 0.1, 1.0), (0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0),
                (0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)),  # share of the labels; 0.1 must be among them
    "arm_volumes": ((0.1,), (0.02, 0.1), (0.02, 0.1, 1.0), (0.02, 0.06, 0.1, 0.2, 0.5, 1.0)),  # of the other arms
    "num_draws": (2, 3, 3, 5),  # of the images that have labels, at least 2
    "tuning_draws": (1, 3, 1, 2),  # of them, those by which learning rates are chosen
    "blocks": ((1, 1), (1, 1, 1, 1), (2, 2, 2, 2), (2, 2, 2, 2)),  # residual blocks of each stage
    "width": (8, 16, 32, 64),  # channels of the first stage
    "crop_scale": (0.4, 0.4, 0.4, 0.4),  # share of the area that a crop keeps at least
    "batch_size": (32, 32, 64, 64),  # images; in the pretext each is seen in four turns
    "weight_decay": (5e-4, 5e-4, 5e-4, 5e-4),
    "warmup_fraction": (0.3, 0.3, 0.3, 0.1),  # of all steps
    "pretext_epochs": (2, 13, 20, 100),
    "pretext_rate": (0.1, 0.1, 0.1, 0.1),  # learning rate
    "temperature": (0.2, 0.2, 0.2, 0.2),  # of SimCLR
    "finetune_steps": (15, 300, 400, 1000),  # with labels, at least, for every arm
    "finetune_passes": (1, 3, 3, 10),  # over the labelled images, at least
    "finetune_rates": ((0.05,), (0.01, 0.03, 0.1), (0.01, 0.03, 0.1), (0.003, 0.01, 0.03, 0.1)),  # tried on validation
    "imagenet_size": (32, 96, 160, 160),  # pixels, to which images are scaled for the ImageNet network
    "imagenet_weights": (None, "imagenet", "imagenet", "imagenet"),  # None: random ones
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_epochs": (1, 4, 6, 30),
    "target_gap_smallest": (None, 5.0, 8.0, None),  # points, at the smallest volume
    "target_gap_tenth": (None, 6.0, None, None),  # points, with a tenth of the labels
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# ## The data
#
# The photographs come from Asirra [1], a test that asked people to prove that they are no program by picking the cats.
# The published archive has broken files; they are left out and counted. It has no test set: a stratified fifth is held
# out here, always the same. The original host has been down for long times; if the download fails, the message says
# what to put where, and two folders `cat` and `dog` of your own, named in `DATA`, will do as well (Kaggle's *Dogs vs.
# Cats* is the same collection).
#
# A collection from the web holds some pictures twice. If one copy is in the training set and one in the test set, the
# network may have seen the answer. So each picture is known by a hash of its pixels: a training picture that is also a
# test picture is left out, and so are second copies. (Other crops or sizes of the same photograph are not found that
# way.) A tenth of what is left are *validation* images, for all choices; the *test* images are used once, at the end.

# %%
def content_hashes(image_set):
    """Return one SHA-256 for each image: equal pixels have equal hashes, whatever the files were called."""
    return np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in image_set.images])


train_all = data.load("cats_vs_dogs", "train", cfg.image_size, cfg.stand_in, DATA)
test_set = data.load("cats_vs_dogs", "test", cfg.image_size, cfg.stand_in, DATA)
hashes, once = np.unique(content_hashes(train_all), return_index=True)
once = np.sort(once[~np.isin(hashes, content_hashes(test_set))])
train_set, validation_set = train_all.subset(once).split_off(cfg.validation_fraction, seed=0)
for name, image_set in {"train": train_set, "validation": validation_set, "test": test_set}.items():
    print(f"{name:<11} {len(image_set):>6} images {image_set.image_shape}, per class {image_set.counts()}")
print(f"{train_set.source}; {len(train_all) - len(once)} left out as second copies or test pictures")

# %% [markdown]
# ## Volumes of labels, nested
#
# We pretend that only some training images have labels: a *volume* of 2 %, 10 % and so on. Which images these are is
# chance, so everything is repeated for several *draws*. Within a draw the volumes are **nested** (the images of 2 % are
# among those of 10 %), so that a step along the curve adds labels and changes nothing else; and they are
# **stratified**: each class has its share, up to rounding. Both are checked here, and so is that no test picture is in
# any volume.

# %%
COUNTS = {fraction: round(fraction * len(train_set)) for fraction in cfg.volumes}
SMALLEST, TENTH, LARGEST = min(COUNTS.values()), COUNTS[0.1], max(COUNTS.values())
DRAWS = range(cfg.num_draws)


def drawn(count, draw):
    """Return the positions of `count` training images that have labels in this draw, each class with its share."""
    return np.sort(spread_order(train_set.labels, seed=draw)[:count])


train_hashes, share = content_hashes(train_set), train_set.counts() / len(train_set)
for draw, (count, larger) in itertools.product(DRAWS, itertools.pairwise([*COUNTS.values(), len(train_set)])):
    volume = drawn(count, draw)
    assert len(volume) == count and set(volume) <= set(drawn(larger, draw)), "the volumes are not nested"
    assert np.abs(train_set.subset(volume).counts() - count * share).max() < 2, "a class has not its share"
    assert not np.isin(train_hashes[volume], content_hashes(test_set)).any(), "a test picture is in a volume"
print({f"{fraction:.0%}": train_set.subset(drawn(count, 0)).counts().tolist() for fraction, count in COUNTS.items()})

# %% [markdown]
# ## Four turns of each image
#
# Turning by 90, 180 or 270 degrees needs no interpolation: pixels only change places, which is checked below. A
# turn by 45 degrees would leave black corners and soft pixels, and a network would rather learn to see those than to
# see what is in the picture. (Another such shortcut: some copies of this collection have been squeezed to squares. Then
# everything is too narrow, and after a quarter turn too flat. A crop with a random shape, width to height between 3/4
# and 4/3, makes that clue unreliable.)
#
# All training here, with labels and without, sees a random crop and flip of each image, with random numbers of its own.

# %%
TURN_NAMES = ("0°", "90°", "180°", "270°")  # counter-clockwise


def crop_and_flip(images, generator):
    """Cut a random window out of each image, scale it to the old size, and mirror it with probability 1/2."""
    images = augment.random_resized_crop(images, scale=(cfg.crop_scale, 1.0), generator=generator)
    return augment.random_horizontal_flip(images, generator=generator)


def all_turns(images):
    """Return images `(N, S, S, C)` in all four turns `(4N, S, S, C)`, and each one's turn in quarters `(4N,)`."""
    answers = ops.repeat(ops.arange(4), ops.shape(images)[0])
    return ops.concatenate([images, *(ops.rot90(images, quarters, (1, 2)) for quarters in (1, 2, 3))]), answers


shown, generator = train_set.stratified(4, seed=0), keras.random.SeedGenerator(SEED)
originals = shown.images.astype(np.float32) / 255
images, answers = (ops.convert_to_numpy(each) for each in all_turns(originals))
assert all(np.array_equal(images[i], np.rot90(originals[i % 4], answers[i])) for i in range(16)), "not an exact turn"
views = ops.convert_to_numpy(all_turns(crop_and_flip(originals, generator))[0]).clip(0, 1)
grid = np.concatenate([originals, views]).reshape(5, 4, *train_set.image_shape).swapaxes(0, 1)  # a row an image
titles = [title for label in shown.labels for title in (f"a {shown.class_names[label]}", *TURN_NAMES)]
results.save_figure(run, "turns", plots.image_grid(grid.reshape(-1, *train_set.image_shape), titles, num_columns=5))

# %% [markdown]
# In each row: the photograph, and one crop of it in its four turns. You know at once which one is upright, and by what:
# a face, legs below a body, a floor, light from above. To answer as well as you, the network has to find such things;
# that is the whole idea.
#
# ## The pretext: which turn is this?
#
# RotNet [2] shows the network each image in all $K = 4$ turns and asks for the turn. With the images $X_1, \dots, X_N$
# of a batch, $g(X, y)$ the image $X$ turned by $y$ quarters ($y = 0, \dots, K - 1$), and $F^y(X)$ the probability that
# the network with its weights $\theta$ gives to the turn $y$ of $X$, the loss is (equations 2 and 3 there, which count
# $y$ from 1)
#
# $$ L(\theta) = \frac{1}{N} \sum_{i=1}^{N} \left( -\frac{1}{K} \sum_{y=0}^{K-1}
#    \log F^y\big(g(X_i, y)\big) \right) , $$
#
# the cross-entropy over all $4N$ turned images. All four turns of an image are in **the same batch**. So each turn is
# there equally often, and what the four have in common, colours and sharpness for instance, cannot help to tell them
# apart. The study that this lesson goes back to [3] turned each image once and kept that turn; an experiment below asks
# what one turn an image is worth.
#
# A pretext task is three things: how a batch of images becomes *inputs* with *answers*, what sits on top of the
# encoder, and the loss. `Learner` takes the three and leaves the rest to `fit`. The rival of the pretext fits the same
# mould: SimCLR [4] makes two views of each image, and the answer is which views belong together (notebook 14 explains
# its loss, NT-Xent). And so does learning from labels: one view, and the answer is the label.

# %%
def four_turns(images, generator):
    return all_turns(crop_and_flip(images, generator))


def one_turn(images, generator):
    return augment.random_quarter_turn(crop_and_flip(images, generator), generator)


def two_views(images, generator):
    views = [augment.random_color_jitter(crop_and_flip(images, generator), generator=generator) for _ in range(2)]
    return augment.random_grayscale(ops.concatenate(views), generator=generator), ops.arange(ops.shape(images)[0])


def one_view(images, generator):
    return crop_and_flip(images, generator), ops.arange(ops.shape(images)[0])


def turn_loss(outputs, answers, labels):
    return ops.mean(keras.losses.sparse_categorical_crossentropy(answers, outputs, from_logits=True))


def contrastive_loss(outputs, answers, labels):  # row i and row N + i show the same image
    return losses.nt_xent(*ops.split(outputs, 2), cfg.temperature)


def label_loss(outputs, answers, labels):
    return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True))


class Learner(keras.Model):
    """Encoder and head; in training on inputs and answers that `make_batch` makes of a batch of images."""

    def __init__(self, make_batch, objective, encoder, head):
        super().__init__()
        self.make_batch, self.objective, self.encoder, self.head = make_batch, objective, encoder, head
        self.generator = keras.random.SeedGenerator()  # saved with the model's other variables

    def call(self, images, training=False):
        """Return the head's outputs for the images; in training those for the inputs made of them, and the answers."""
        if not training:
            return self.head(self.encoder(images, training=False), training=False)
        inputs, answers = self.make_batch(images, self.generator)
        return self.head(self.encoder(inputs, training=True), training=True), answers

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The objective; only `label_loss` looks at the labels `y`."""
        return self.objective(*y_pred, y)


# %% [markdown]
# The encoder is a small ResNet (its first stage already works at half the image's height and width); a linear layer on
# the mean of its last maps gives the logits. That layer starts near zero, so that the untrained network favours no
# answer. `build` makes every network of this notebook from a dict of options; what `start` and `learning` are for comes
# with the labels.

# %%
TASKS = {"four turns": (four_turns, turn_loss), "one turn": (one_turn, turn_loss),
         "SimCLR": (two_views, contrastive_loss), "labels": (one_view, label_loss)}
DEFAULTS = {"task": "four turns", "start": "scratch", "learning": "all", "learning_rate": cfg.pretext_rate,
            "batch_size": cfg.batch_size, "num_epochs": cfg.pretext_epochs, "steps_per_epoch": 0}
STAGES, ENCODERS = [f"stage{number}" for number in range(1, len(cfg.blocks) + 1)], {}
LAST_CONVOLUTION = (f"{STAGES[-1]}_convolution2", f"{STAGES[-1]}_norm2")


def build(options):
    """Return a model with fresh weights, or with a copy of a pretrained encoder's, for a task."""
    make_batch, objective = TASKS[options["task"]]
    encoder = networks.resnet(cfg.blocks, cfg.width, stem="strided", zero_last_gamma=False)
    if options["start"] != "scratch":
        encoder.set_weights(ENCODERS[options["start"]].get_weights())
    for layer in encoder.layers:
        layer.trainable = options["learning"] == "all" or layer.name in LAST_CONVOLUTION
    near_zero, width = keras.initializers.RandomNormal(stddev=0.01), encoder.output_shape[-1]
    head = layers.Dense(train_set.num_classes if objective is label_loss else 4, kernel_initializer=near_zero)
    if objective is contrastive_loss:
        head = networks.projection_head(width, width, 64)
    model = Learner(make_batch, objective, encoder, head)
    model(np.zeros((1, *train_set.image_shape), np.float32))  # makes all weights
    return model


runtime.seed_everything(SEED)
untrained = build(DEFAULTS)  # stays as it is: where the training starts
print(f"{training.count_parameters(untrained.encoder):,} parameters, {untrained.encoder.output_shape[1]} features")

# %% [markdown]
# Three checks before any training. (1) Shapes: $4N$ rows of four logits. (2) The loss as the equation has it, one image
# and one turn after the other, equals the fast one. (3) A network that knows nothing gives each turn the probability
# 1/4: its loss lies near $\ln 4$ = 1.386.

# %%
def naive_loss(model, images):
    """The equation as it stands; images float `(N, S, S, 3)`."""
    terms = []
    for image, y in itertools.product(images, range(4)):
        exponentials = np.exp(ops.convert_to_numpy(model(np.rot90(image, y)[None], training=False))[0])
        terms.append(-np.log(exponentials[y] / exponentials.sum()))
    return np.mean(terms)


assert build(DEFAULTS)(originals, training=True)[0].shape == (16, 4)  # four turns of four images, four logits each
inputs, answers = all_turns(originals)
naive, fast = naive_loss(untrained, originals), float(turn_loss(untrained(inputs, training=False), answers, None))
print(f"before training: naive loss {naive:.5f}, fast loss {fast:.5f}, ln 4 = {np.log(4):.5f}")
assert abs(naive - fast) < 1e-4 and abs(fast - np.log(4)) < 0.3

# %% [markdown]
# ## Training
#
# One function trains everything in this notebook, with SGD and Nesterov momentum, a learning rate that rises in a
# straight line (*warm-up*) and falls along half a cosine, and a checkpoint after each epoch. (Keras' weight decay is
# multiplied by ten to mean the same as in PyTorch, see notebook 01.) A falling loss says that the answers get better,
# not that the features are of use. So after each epoch of a pretext we ask twice on the validation images: for the
# share of *turns* that are named correctly, and for the accuracy of a linear layer that learns cats and dogs from the
# features of a tenth of the training images, all stages side by side. The labels in that *probe* only serve to look at
# the training; no gradient comes from them.
#
# Later there will be a hundred short trainings of networks that differ in nothing but their weights. Such networks need
# not be compiled each on its own: the first one of a kind is kept, and later ones move into it, which saves seconds to
# half a minute each time.

# %%
def train(name, changes, image_set, seed):
    """Train as `changes` to the default options say, or go on where it was stopped; returns `(model, history)`.

    A model for labels may be taken over by the next training: use it at once.
    """
    options = DEFAULTS | changes
    runtime.seed_everything(seed)
    batch_size, num_epochs = min(options["batch_size"], len(image_set)), options["num_epochs"]
    steps_per_epoch = options["steps_per_epoch"] or len(image_set) // batch_size
    num_steps = num_epochs * steps_per_epoch
    num_warmup = max(1, round(cfg.warmup_fraction * num_steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, num_steps - num_warmup), warmup_target=options["learning_rate"], warmup_steps=num_warmup)
    model = build(options)
    model.compile(keras.optimizers.SGD(schedule, 0.9, nesterov=True, weight_decay=10 * cfg.weight_decay))
    if options["task"] == "labels":  # a model of the same kind, already compiled, takes over the state of this one
        fresh, kind = model, repr([value for name, value in options.items() if name != "start"])
        model = KEPT.setdefault(kind, fresh)
        fresh.optimizer.build(fresh.trainable_variables)
        for old, new in zip((model, model.optimizer), (fresh, fresh.optimizer)):
            for variable, value in zip(old.variables, new.variables, strict=True):
                variable.assign(value)
    frozen = types.SimpleNamespace(
        weights=[weight for layer in model.encoder.layers if not layer.trainable for weight in layer.weights])
    start, frozen_hash = networks.weights_hash(model), networks.weights_hash(frozen)
    settings = options | {"seed": seed, "start": start, "images": image_set.fingerprint(), "settings": SETTINGS}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, settings, model=model)
    history = checkpoint.resume()
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    batches = training.batches(image_set.images, image_set.labels, batch_size, seed, len(history), drop_last=True)
    with tqdm(total=num_epochs, initial=len(history), desc=name, leave=False) as bar:
        measure = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: (logs.update(look(model)), bar.update()))
        model.fit(batches, steps_per_epoch=steps_per_epoch, initial_epoch=len(history), epochs=num_epochs, verbose=0,
                  callbacks=[measure, tensorboard, checkpoint])
    tensorboard.close(options, {f"final/{key}": value for key, value in history[-1].items() if "valid" in key})
    assert networks.weights_hash(frozen) == frozen_hash, "frozen weights have changed"
    return model, history


# %%
def features_of(encoder, image_set):
    """Return the features after each stage, the means over its maps: dict, stage -> float32 `(N, channels)`."""
    names = [layer.name for layer in encoder.layers if layer.name in (*STAGES, "ImageNet")]
    means = [layers.GlobalAveragePooling2D()(encoder.get_layer(name).output) for name in names]
    found = training.predict(keras.Model(encoder.input, ops.concatenate(means, axis=1)), image_set.images, 250)
    return dict(zip(names, np.split(found, np.cumsum([mean.shape[1] for mean in means])[:-1], axis=1)))


def accuracy(model, image_set):
    """Return the share of right answers, in percent."""
    return 100 * evaluate.accuracy(image_set.labels, training.predict(model, image_set.images, 250).argmax(1))


def look(model):
    """Measure a model on the validation images, in percent: on labels, or by a probe, and a pretext on turns."""
    if hasattr(model, "jax_state_sync"):  # while JAX trains, the variables are elsewhere
        model.jax_state_sync()
    if model.objective is label_loss:
        return {"val_accuracy": accuracy(model, validation_set)}
    asked, known = (np.hstack([*features_of(model.encoder, each).values()]) for each in (validation_set, PROBE_SET))
    found = evaluate.linear_probe(known, PROBE_SET.labels, asked, validation_set.labels, l2=0.1)["accuracy"]
    turns = {"val_turns": accuracy(model, TURNED)} if model.objective is turn_loss else {}
    return {"val_probe": round(100 * found, 2)} | turns


KEPT, PROBE_SET = {}, train_set.subset(drawn(TENTH, 0))
TURNED = data.ImageSet(*map(ops.convert_to_numpy, all_turns(validation_set.images)), TURN_NAMES)
SETTINGS = [cfg.crop_scale, cfg.temperature, cfg.weight_decay, cfg.warmup_fraction, cfg.blocks, cfg.width,
            provenance.source_hash(crop_and_flip, all_turns, *itertools.chain(*TASKS.values()), Learner, build, train)]
pretrained, history = train("pretext", {}, train_set, SEED)
assert history[-1]["train_loss"] < history[0]["train_loss"], "the loss did not fall: is the learning rate too high?"
before, minutes = look(untrained), {"rotation": sum(epoch["seconds"] for epoch in history) / 60}
print(f"{minutes['rotation']:.1f} minutes; probe {before['val_probe']} %, then {history[-1]['validation_probe']} %")
units = {"train_loss": "nats", "validation_turns": "%", "validation_probe": "%"}
results.save_figure(run, "curves", plots.curves({"rotation": history}, [*units], units=units, num_columns=3))

# %% [markdown]
# Left the loss, which starts near $\ln 4$; in the middle the turns named on validation images, right the probe, which
# is what we are after. Look whether the probe still rises at the end, and whether it rises *with* the turns: a pretext
# may get better at its own question, by details that say nothing about animals, while the features get no better.
#
# ## What it cannot tell
#
# The errors on the validation images, by turn; below, those of which the network was surest, true turn → answer.

# %%
probabilities = evaluate.softmax(training.predict(pretrained, TURNED.images, 250))
matrix = evaluate.confusion_matrix(TURNED.labels, probabilities.argmax(1), 4)
display(results.save_figure(run, "turns_confused", plots.confusion(matrix, TURN_NAMES)))
results.save_figure(run, "turns_errors", plots.worst_errors(TURNED, probabilities, 16, 8))

# %% [markdown]
# In the matrix, compare the fields two apart (0° taken for 180°, 90° for 270°) with those one apart. Half a turn keeps
# upright edges upright and level ones level, so that their directions cannot give it away; only what lies above and
# what below can.
#
# Among the surest errors look for pictures **without a cue of gravity**: an animal photographed from straight above, a
# cat curled up on a blanket, a face that fills the frame and is itself askew, a dog on its back. There the question has
# no answer in the picture: its "upright" is how somebody held the camera. No network can get these right other than by
# chance, so the accuracy of the pretext stays below 100 % even for the best; and a photograph that was stored on its
# side to begin with counts as an error where the network is right.
#
# ## Experiments: which turns, and how many in a batch?
#
# Each arm is a shorter pretraining of its own; the number is the probe on validation images. *One turn*, drawn anew
# whenever an image is seen, comes twice: with four times as many images in a batch and four times as many epochs (see
# `batch size` in the arm's name), so that number and cost of the steps are those of four turns; and with the same
# images in a batch and the same epochs, at a quarter of the cost.

# %%
SHORT = DEFAULTS | {"num_epochs": cfg.experiment_epochs}


def train_arm(changes, seed):
    """Pretrain with `changes` to the short options; return the history."""
    return train(f"experiments/{config.fingerprint(SHORT | changes)}-{seed}", SHORT | changes, train_set, seed)[1]


as_costly = {"task": "one turn", "batch_size": 4 * cfg.batch_size, "num_epochs": 4 * cfg.experiment_epochs}
EXPERIMENTS = {"turns in a batch": [{}, as_costly, {"task": "one turn"}],
               "learning rate": [{}, {"learning_rate": cfg.pretext_rate / 3}]}
found = experiments.run(EXPERIMENTS if cfg.run_experiments else {}, SHORT, train_arm, [SEED], "validation_probe")
arms = {f"{question}: {arm}": value for question, answers in found.items() for arm, value in answers.items()}
if arms:
    display(results.save_figure(run, "experiments", plots.comparison(arms, "probe on validation images (%)", digits=1)))

# %% [markdown]
# Mind what is compared: the pretext "one turn" at the same number of images has had a quarter of the computing, and its
# fair rival is the arm with the larger batch. Of differences below two points believe none: the probe is asked on one
# set of validation images, and another seed would move it, too.
#
# ## The rival: SimCLR
#
# The same encoder, images, learning rate and schedule, and as many inputs a step (two views of twice as many images)
# for as many steps; the jitter of the colours costs extra minutes, which are printed. The probe compares the features.

# %%
VIEWS = {"task": "SimCLR", "batch_size": 2 * cfg.batch_size, "num_epochs": 2 * cfg.pretext_epochs}
rival, rival_history = train("simclr", VIEWS, train_set, SEED)
minutes["SimCLR"] = sum(epoch["seconds"] for epoch in rival_history) / 60
ENCODERS |= {"rotation": pretrained.encoder, "SimCLR": rival.encoder, "untrained": untrained.encoder}
hashes = {name: networks.weights_hash(encoder) for name, encoder in ENCODERS.items()}
print(f"SimCLR: {minutes['SimCLR']:.1f} minutes; probe {rival_history[-1]['validation_probe']:.1f} %")

# %% [markdown]
# ## With labels: the whole network, or its last two layers
#
# Now the labels. A classifier is crop and flip, the encoder and a new linear layer. Its arms:
#
# - **rotation, whole network**: starts from the pretrained encoder, and all of it goes on learning (*fine-tuning*);
# - **from scratch, whole network**: the same network, from fresh weights. Everything else is equal: the labelled
#   images, their order, the augmentation, the schedule and the **number of steps**;
# - **rotation, last two layers**: only the last convolution (with its batch norm) and the linear layer learn. All other
#   weights and the statistics of their batch norm are *frozen*, and a hash of them before and after proves it;
# - **SimCLR, whole network**: as the first one, from the rival's encoder.
#
# More labels need more steps, so all arms take at least `finetune_steps` steps and at least `finetune_passes` passes
# over the labelled images.

# %%
ROTATION, SCRATCH = HEADLINE = "rotation, whole network", "from scratch, whole network"
ARMS = {ROTATION: {"start": "rotation"}, SCRATCH: {"start": "scratch"}, "SimCLR, whole network": {"start": "SimCLR"},
        "rotation, last two layers": {"start": "rotation", "learning": "last two layers"}}
ARM_COUNTS = [COUNTS[fraction] for fraction in cfg.arm_volumes]
PLAN = [(arm, count) for arm in ARMS for count in (COUNTS.values() if arm in HEADLINE else ARM_COUNTS)]


def fine_tune(arm, count, draw, rate):
    """Train an arm with `count` labels; returns `(model, history)`."""
    steps = max(cfg.finetune_steps, cfg.finetune_passes * count // cfg.batch_size)
    options = ARMS[arm] | {"task": "labels", "learning_rate": rate, "num_epochs": 1, "steps_per_epoch": steps}
    return train(f"labels/{arm}-{count}-{draw}-{rate}", options, train_set.subset(drawn(count, draw)), SEED + draw)


# %% [markdown]
# Each arm gets **its own learning rate at each volume**, the best of the same list, by its mean accuracy on the
# validation images. A network from scratch usually wants a larger one than a pretrained network, whose weights are to
# be kept rather than overrun; with one rate for both, whoever chooses the rate chooses the winner.

# %%
rates = {}
for arm, count in tqdm(PLAN, desc="learning rates", leave=False):
    rates[arm, count] = {rate: np.mean([fine_tune(arm, count, draw, rate)[1][-1]["validation_accuracy"]
                                        for draw in range(cfg.tuning_draws)]) for rate in cfg.finetune_rates}
best_rate = {key: max(means, key=means.get) for key, means in rates.items()}
display(pd.DataFrame(rates).T.round(1).assign(chosen=best_rate))

# %% [markdown]
# If the chosen value sits at an end of the list, the list may be too short: extend it in `PROFILES` and run again.
#
# ## Frozen: what does each stage know?
#
# In fine-tuning, the labels change the network, so that it is hard to say what it knew before. The **linear probe**
# asks that: the encoder stays as it is, its features are computed once, and only a linear layer is fitted to them (to
# the end, by L-BFGS; its one setting, the weight decay, comes from the validation images). It is asked stage by stage:
# the last maps of a pretext are made for *its* question, and what is good for another may lie further down. In the
# RotNet paper [2] the second of four blocks was best and the last far behind.
#
# Beside the pretext stand the same network **untrained**, SimCLR, and, as a line that is hard to pass, **ImageNet**: a
# MobileNetV2 that was trained with labels on 1.3 million photographs, more than a tenth of them of dogs. That is no
# rival but the practical alternative: whoever may use such a network should.

# %%
def probe(name, stage, count, l2, asked, labels):
    """Fit a linear layer to `count` labelled images, once for each draw; returns a list of accuracies (%)."""
    known, draws = FEATURES[name][0][stage], [drawn(count, draw) for draw in DRAWS]
    return [100 * evaluate.linear_probe(known[draw], train_set.labels[draw], asked[stage], labels, l2)["accuracy"]
            for draw in draws]


file, size = runtime.data_dir() / "weights" / "mobilenet_v2_1.0_224_no_top_fp16.weights.h5", cfg.imagenet_size
weights = file if cfg.imagenet_weights and file.is_file() else cfg.imagenet_weights  # else downloaded, 9 MB
mobilenet = keras.applications.MobileNetV2((size, size, 3), include_top=False, weights=weights)
inputs = keras.Input(train_set.image_shape)
maps = mobilenet(layers.Rescaling(2, -1)(layers.Resizing(size, size)(inputs)))
ENCODERS["ImageNet"] = keras.Model(inputs, layers.Activation("linear", name="ImageNet")(maps))
FEATURES = {name: [features_of(encoder, s) for s in (train_set, validation_set)] for name, encoder in ENCODERS.items()}
PROBES = {}  # encoder, stage, count -> the best weight decay, and its mean accuracy on the validation images
for name, (_, asked) in FEATURES.items():
    for stage, count in itertools.product(asked, ARM_COUNTS):
        means = {l2: np.mean(probe(name, stage, count, l2, asked, validation_set.labels)) for l2 in (1, .1, .01, .001)}
        PROBES[name, stage, count] = max(means.items(), key=lambda item: item[1])
by_stage = {name: {stage: PROBES[name, stage, TENTH][1] for stage in asked} for name, (_, asked) in FEATURES.items()}
BEST_STAGE = {name: max(means, key=means.get) for name, means in by_stage.items()}
display(pd.DataFrame(by_stage).T.round(1).fillna("").rename_axis(f"validation accuracy (%), {TENTH} labels"))

# %% [markdown]
# From left to right the stages, with a tenth of the labels. Where the pretext's numbers fall at the end, its last stage
# has given up what its own question does not need. The untrained network is the line to beat: random filters already
# separate some colours and textures.
#
# ## The test images, once
#
# Everything is decided: rates, weight decays, stages. Each trained network of the plan and each probe is tested now,
# for every draw.

# %%
SCORES, seconds = {}, dict.fromkeys(ARMS, 0.0)
for arm, count in PLAN:
    SCORES[arm, count] = []
    for draw in DRAWS:
        model, found = fine_tune(arm, count, draw, best_rate[arm, count])
        SCORES[arm, count].append(accuracy(model, test_set))
        seconds[arm] += found[-1]["seconds"]
TESTED = {name: features_of(encoder, test_set) for name, encoder in ENCODERS.items()}
stage_scores = {key: probe(*key, l2, TESTED[key[0]], test_set.labels) for key, (l2, _) in PROBES.items()}
SCORES |= {(f"{name}, frozen probe", count): values for (name, stage, count), values in stage_scores.items()
           if stage == BEST_STAGE[name]}
assert all(networks.weights_hash(ENCODERS[name]) == before for name, before in hashes.items()), "not frozen"
test_accuracy = {key: evaluate.mean_and_spread(values) for key, values in SCORES.items()}
display(pd.Series({key: results.format_metric(value) for key, value in test_accuracy.items()}).unstack(fill_value=""))

# %%
with plt.style.context(["default", plots.STYLE, {"axes.grid": True}]):
    figure, ax = plt.subplots(figsize=(plots.WIDTH, 5), layout="constrained")
    for index, name in enumerate(dict.fromkeys(name for name, _ in SCORES)):
        counts, means, spreads = np.array([(count, value["mean"], value["sd"]) for (arm, count), value
                                           in test_accuracy.items() if arm == name]).T
        ax.errorbar(counts * 1.015 ** (index - 3), means, spreads, label=name, capsize=3, marker=plots.MARKERS[index],
                    color=plots.PALETTE[index % 7], linestyle=plots.LINES[index % 4])
    ax.set(xscale="log", xlabel="labelled images (count, and share of the training images; logarithmic)",
           ylabel="test accuracy (%)")
    ax.set_xticks(list(COUNTS.values()), [f"{count}\n{fraction:.0%}" for fraction, count in COUNTS.items()])
    ax.minorticks_off()
    ax.legend(ncols=2)
    plt.close(figure)
results.save_figure(run, "label_volumes", figure)

# %% [markdown]
# Points are means over the draws, bars their standard deviation; the points of one volume are set a little apart, so
# that bars do not hide each other. (At the right end all images have labels: draws differ there in initial weights and
# order only, and probes not at all.) Read it along a vertical line first: how far apart are the two networks that
# learnt as a whole? Where bars overlap, compare draw by draw instead, as the next cell does.
#
# ## What is the pretext worth?
#
# Twice read off these curves. **Points**: at a volume, both networks had the same labelled images in each draw, so the
# difference is taken draw by draw. With the mean $\bar d$ and the standard deviation $s$ of the differences of $n$
# draws, the 95 % interval of the mean is $\bar d \pm t \, s / \sqrt{n}$, where $t$ is the 97.5 % quantile of Student's
# distribution with $n - 1$ degrees of freedom (4.3 for three draws: few draws make wide intervals).
#
# **Labels**: how many would the network from scratch need to be as good as the pretrained one at this volume? The curve
# between two volumes is taken as a straight line over the logarithm of the count, and made never to fall. What it needs
# more are the labels saved; `inf` says that it does not get there with all labels.

# %%
def labels_needed(counts, accuracies, wanted):
    """Return how many labels a curve needs for the wanted accuracy; infinity if it does not get there."""
    rising = np.maximum.accumulate(accuracies)
    return float(np.exp(np.interp(wanted, rising, np.log(counts)))) if wanted <= rising[-1] else np.inf


gaps, needed, rows, counts = {}, {}, {}, list(COUNTS.values())
for count in counts:
    gap = gaps[count] = evaluate.mean_and_spread(np.subtract(SCORES[ROTATION, count], SCORES[SCRATCH, count]))
    half = stats.t.ppf(0.975, gap["n"] - 1) * gap["sd"] / gap["n"] ** 0.5
    needed[count] = labels_needed(counts, [test_accuracy[SCRATCH, each]["mean"] for each in counts],
                                  test_accuracy[ROTATION, count]["mean"])
    rows[count] = {"gap (points)": f"{gap['mean']:.1f} ± {half:.1f}", "labels saved": f"{needed[count] - count:.0f}"}
display(pd.DataFrame(rows).T.rename_axis(index="labels"))

# %% [markdown]
# The interval speaks of other draws of labels only: pretext and test images were the same each time. And mind what is
# equal here: labels and steps *with* labels. The pretext's own minutes come on top, so the table says what a label is
# worth, not what a processor is.
#
# **The claim of the study.** The seed of this lesson [3] reports, for its smallest volume (given as 2 %), 90.3 % with
# the pretext and 75.5 % without: 14.8 points, and about 15 in its abstract. We do not compare with it, for five
# reasons. Its figure says 372 to 3,722 images, its program takes 1,861 to 18,610, so it is open which volume the number
# belongs to. Each point is one run. The accuracy is that of the best epoch *on the test images*. Its description speaks
# of fine-tuning the last two layers, while the program leaves all of them free to learn. And the feature maps it shows
# for the two networks are the same file twice. The direction of its claim is what we test; the size is ours to measure.
#
# ## What do they look at?
#
# The same picture in three networks: pretext, *supervised* (from scratch with all labels) and untrained. First eight
# **feature maps** of the first stage and of the last one, each network's divided by their largest value. Maps of the
# same number in two networks have nothing to do with each other: filters come in any order.

# %%
supervised = fine_tune(SCRATCH, LARGEST, 0, best_rate[SCRATCH, LARGEST])[0].encoder
SHOWN = {"pretext": pretrained.encoder, "supervised": supervised, "untrained": untrained.encoder}
chosen = test_set.stratified(2, seed=0)
maps = {name: explain.activations(encoder, chosen.images / np.float32(255), STAGES) for name, encoder in SHOWN.items()}
for stage in STAGES[::len(STAGES) - 1]:
    first = [each[stage][0].transpose(2, 0, 1)[:8] for each in maps.values()]
    display(results.save_figure(run, f"feature_maps_{stage}", plots.feature_maps(np.concatenate(
        [each / max(each.max(), 1e-9) for each in first]), [f"{name} {i}" for name in SHOWN for i in range(8)])))

# %% [markdown]
# **Attention maps** put all channels of a stage together [5]: with $A_c$ the map of channel $c$, one of $C$, they show
# $\frac{1}{C} \sum_{c=1}^{C} A_c^2$ at each place, large where many filters answer or a few answer strongly. (The paper
# takes the sum; each map here has its own scale anyway.) That is not the attention of a transformer.

# %%
for stage in STAGES[1:]:
    attention = np.stack([(each[stage] ** 2).mean(axis=3) for each in maps.values()], axis=1)  # (image, network, H, W)
    assert not np.allclose(attention[:, 0], attention[:, 1]), "the same map twice"
    likeness = np.corrcoef(attention.swapaxes(0, 1).reshape(3, -1))[0]
    print(f"{stage}: correlation of the pretext's maps with the others", dict(zip(SHOWN, likeness.round(2))))
    display(results.save_figure(run, f"attention_{stage}", plots.heat_maps(
        chosen.images.repeat(3, axis=0), np.concatenate(attention), [f"{name}, {stage}" for name in SHOWN] * 2)))

# %% [markdown]
# Two pictures, each in three networks. Do the pretext's maps lie on the head and the legs, which tell up from down?
# Does the supervised network look at the same parts, or rather at fur and ears? And where the untrained network lights
# up at the same places, the map shows the picture (its bright or busy parts), not what was learnt. The correlations say
# the same in numbers: 1 would be the same map. An assertion sees to it that the networks' maps are really different
# ones.
#
# ## Results
#
# | network | method | labels | test accuracy (%) |
# |---|---|---|---|
# | network in network, CIFAR-10 [2] | rotation, non-linear probe, block 1, 2, 3, 4 | 50,000 | 85.1, 89.1, 86.2, 61.7 |
# | ResNet-20, cats and dogs, 120 pixels [3] | rotation, from scratch; best epoch on test | unclear | 90.3, 75.5 |
# | ours, as set in `PROFILES` | the arms above | above | next cell, mean and spread over draws |

# %%
steps = cfg.pretext_epochs * (len(train_set) // min(cfg.batch_size, len(train_set)))
metrics = {
    "gap_smallest": gaps[SMALLEST], "gap_tenth": gaps[TENTH], "rotation_accuracy": history[-1]["validation_turns"],
    "rotation_probe": history[-1]["validation_probe"], "simclr_probe": rival_history[-1]["validation_probe"],
    "untrained_probe": before["val_probe"], **{f"{name}_minutes": value for name, value in minutes.items()},
    **{f"{name}: {count} labels": value for (name, count), value in test_accuracy.items()},
    **{f"{name}: frozen {stage}, {count} labels": evaluate.mean_and_spread(values)
       for (name, stage, count), values in stage_scores.items()},
    **{f"{arm}: learning rate, {count} labels": rate for (arm, count), rate in best_rate.items()},
    **{f"labels from scratch: for {count}": value for count, value in needed.items() if value < np.inf}, **arms,
    "images_seen": steps * cfg.batch_size, "images_per_second": steps * cfg.batch_size / 60 / minutes["rotation"],
    "encoder_parameters": training.count_parameters(untrained.encoder), "optimizer_steps": steps,
}
targets = [{"metric": metric, "at_least": None if DATA else bound} for metric, bound in (
    ("gap_smallest", cfg.target_gap_smallest), ("gap_tenth", cfg.target_gap_tenth))]
training_minutes = minutes["rotation"] + sum(seconds[arm] for arm in HEADLINE) / 60
record = results.save(run, cfg, metrics, targets, [train_set, validation_set, test_set], training_minutes)

# %% [markdown]
# **TensorBoard** has all curves, and under *HParams* a table of all runs with their options. In Colab or Jupyter put
# `%load_ext tensorboard` and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own, where `FOLDER` is
# what the first cell printed behind *Files of this run*.
#
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **The loss stays at ln 4**: the network does not see what turned. Lower the learning rate; and look at the images: a
#   set without up and down (cells under a microscope, the sky) has no answer to give.
# - **The turns are named almost perfectly, the probe gets no better**: there is a shortcut, such as a black border, a
#   date printed in a corner, or pictures squeezed to squares. Look at the surest right answers.
# - **The pretrained network is worse than the one from scratch**: see the table of learning rates; at too large a rate
#   the first steps destroy what the pretext has built.
# - **Your own photos**: have at least some dozens of labels at the smallest volume, or make it larger in `volumes`.
# - **The disk fills up**: each training keeps a checkpoint. Finished ones below `checkpoints/labels` may be
#   deleted; the notebook then trains them anew if it is run again.
# - **The data cannot be downloaded**: the message names the host and the folder to put the files in.
# - **The notebook seems not to train**: it resumed a finished run, and says so. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. Turn them back.** Given turned images and by how many quarters each was turned, return them upright.

# %% tags=["exercise"]
def exercise_1(images, quarters):
    """Return the images upright; `images` `(N, S, S, C)`, `quarters` int `(N,)`, counter-clockwise, numpy arrays."""
    raise NotImplementedError


def check_1(answer):
    upright, quarters = np.random.default_rng(0).random((8, 5, 5, 3)), np.array([0, 1, 2, 3, 3, 2, 1, 0])
    found = answer(np.stack([np.rot90(image, number) for image, number in zip(upright, quarters)]), quarters)
    assert np.array_equal(found, upright), "three quarters more, or one back: which of them undoes a quarter?"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. How good can anybody be?** A picture is shown in one of its four turns, each with probability 1/4. If two turns
# look the same, nobody can tell them apart. How often can the best possible network be right on this picture?

# %% tags=["exercise"]
def exercise_2(image):
    """Return the largest possible accuracy, in (0, 1]; image `(S, S, C)`, numpy array."""
    raise NotImplementedError


def check_2(answer):
    image = np.random.default_rng(0).random((6, 6, 3))
    half = image + np.rot90(image, 2)
    for picture, expected in ((image, 1), (half, 0.5), (half + np.rot90(half), 0.25)):
        assert np.isclose(answer(picture), expected), f"expected {expected}: how many of its four turns differ?"


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. How many draws?** Suppose the differences of two networks have mean $\bar d > 0$ and standard deviation $s$,
# however many draws are made. What is the smallest number of draws $n \geq 2$ for which the 95 % interval no longer
# holds 0? (`stats.t.ppf` gives the quantile.)

# %% tags=["exercise"]
def exercise_3(mean, sd):
    """Return the number of draws, int; `mean` and `sd` of the differences, positive floats, points."""
    raise NotImplementedError


def check_3(answer):
    for mean, sd, expected in ((10, 1, 2), (5, 1, 3), (2, 1, 4), (1, 2, 18)):
        assert answer(mean, sd) == expected, f"mean {mean}, standard deviation {sd}: expected {expected} draws"


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(images, quarters):
    return np.stack([np.rot90(image, -number) for image, number in zip(images, quarters)])


def solution_2(image):
    return len(np.unique([np.rot90(image, number).ravel().round(9) for number in range(4)], axis=0)) / 4


def solution_3(mean, sd):
    return next(n for n in itertools.count(2) if stats.t.ppf(0.975, n - 1) * sd / n ** 0.5 < mean)


# %% [markdown]
# ## Conclusion
#
# Photographs carry labels that nobody wrote: which way is up. Four exact turns of each image and a cross-entropy are
# all it takes to learn from them. Whether the features that answer this question are a better start for another one,
# and how many labels that saves, has to be measured with care: the same labels, steps and augmentation, an own learning
# rate for each network, several draws, and volumes that hold no test picture. A recorded run of this notebook is still
# to come; the numbers will stand here and in the card.
#
# Next: notebook 09 does the same with SimCLRv2 and five classes; notebook 14 is about SimCLR itself; notebook 16
# compares such methods on photos of your own.
#
# ## References
#
# 1. J. Elson, J. Douceur, J. Howell, J. Saul. Asirra: a CAPTCHA that exploits interest-aligned manual image
#    categorization. ACM CCS, 2007. The data: https://www.microsoft.com/en-us/download/details.aspx?id=54765
# 2. S. Gidaris, P. Singh, N. Komodakis. Unsupervised representation learning by predicting image rotations. 2018.
#    https://arxiv.org/abs/1803.07728
# 3. H. AlQuabeh, A. Bawazeer, A. Alhashmi. Investigating a baseline of self supervised learning towards reducing
#    labeling costs for image classification. 2021. https://arxiv.org/abs/2108.07464 ; its program:
#    https://github.com/AmeeraBawazir/self-supervised-learning-img-classification
# 4. T. Chen, S. Kornblith, M. Norouzi, G. Hinton. A simple framework for contrastive learning of visual
#    representations. 2020. https://arxiv.org/abs/2002.05709
# 5. S. Zagoruyko, N. Komodakis. Paying more attention to attention. 2016. https://arxiv.org/abs/1612.03928
