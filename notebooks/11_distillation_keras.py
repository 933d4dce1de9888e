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
# # Knowledge distillation, in Keras
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/11_distillation_keras.ipynb)
#
# A large network knows more than it says when it is asked for the best class. In knowledge distillation it is asked for
# all its probabilities, and a small network learns to give the same ones: how much better does that make it than the
# labels alone?
#
# | | |
# |---|---|
# | Data | CIFAR-10 or CIFAR-100 (32 x 32 pixels, 171 and 169 MB), MNIST (12 MB); on a GPU also TensorFlow Flowers |
# | Method | teacher, student alone, student with the teacher, by equal steps; soft labels, hints, self-distillation |
# | Expected, `laptop` | the teacher adds at least 1 point (mean of 3 seeds) and more than one standard error |
# | Expected, `colab` | the teacher adds at least 1 point on CIFAR-100 |
# | Expected, `full` | ResNet-20 taught by ResNet-56 at least 70.16 % on CIFAR-100 |
# | You need | notebook 03 (residual networks, training with `fit`) |
# | Reviewed | 2026-11-22, Colab's image of 2026-08-19 (Python 3.13, Keras 3.13, TensorFlow 2.20) |
#
# <!-- measured:begin -->
# No run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - write the distillation loss from its equation, and see why its soft term, and no other, is multiplied by $T^2$,
# - build a `Distiller` for `fit`, whose teacher is provably frozen and cannot change places with the student,
# - compare a student with its teacher's help to the same student alone: same steps, same images, own learning rate,
# - find out what matters: temperature and weight, soft or hard labels, hints, the same crop for both, patience,
# - see what a teacher knows about images it is sure of, and teach a digit that the student never sees.

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
# photos (one sub-folder for each class), which are then scaled to 32 x 32 and take the place of the first data set; the
# numbers of the card do not apply to them.

# %%
import functools
import itertools
import timeit

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from keras import layers, ops

from helpers import config, data, evaluate, experiments, plots, provenance, results, runtime
from helpers.keras import augment, losses, networks, training

run = runtime.start("11_distillation_keras", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Keras 3 computes with TensorFlow, JAX or PyTorch, whichever the environment variable `KERAS_BACKEND` names before the
# first import; Colab's GPU runtime takes TensorFlow.
#
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, drawn
# pictures instead of photographs); `laptop` is real CIFAR-10 on a CPU, with 20,000 images and small networks; `colab`
# is meant for a free T4; `full` has networks and schedule of a published benchmark [2]. To change one value, write for
# instance `OVERRIDES = {"temperature": 2.0}` in the form above. A network is given by its residual blocks in each stage
# and the channels of its first stage.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn pictures instead of photographs
    "data_set": ("cifar10", "cifar10", "cifar100", "cifar100"),  # of the headline
    "second_data_set": (None, "cifar100", None, None),  # one more pair of the same networks, or none
    "flowers_size": (None, None, 96, 160),  # pixels of the photos for a pretrained teacher; None leaves that pair out
    "validation_fraction": (0.1, 0.1, 0.04, 0.04),  # of the training images, to choose by
    "num_images": (540, 20000, 48000, 48000),  # training images, at most
    "num_seeds": (1, 3, 3, 3),  # students that differ in the seed only
    "teacher": (((1, 1), 16), ((1, 1, 1), 32), ((3, 3, 3), 32), ((9, 9, 9), 16)),  # blocks of each stage, width
    "student": (((1, 1), 8), ((1, 1, 1), 8), ((1, 1, 1), 16), ((3, 3, 3), 16)),
    "batch_size": (20, 64, 128, 64),  # images
    "num_epochs": (4, 5, 40, 240),
    "learning_rates": ((0.1,), (0.05, 0.1, 0.2), (0.05, 0.1, 0.2), (0.05, 0.1, 0.2)),  # tried on validation
    "weight_decay": (5e-4, 5e-4, 5e-4, 5e-4),
    "warmup_fraction": (0.3, 0.3, 0.1, 0.05),  # of all steps
    "temperature": (4.0, 4.0, 4.0, 4.0),
    "alpha": (0.9, 0.9, 0.9, 0.9),  # weight of the soft labels
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_images": (200, 10000, 20000, 48000),  # also for the learning rates
    "experiment_epochs": ((1, 2, 4), (2, 3, 9), (4, 10, 40), (10, 30, 120)),  # of learning rates, arms, patient arms
    "arms_per_question": (1, 20, 20, 20),  # at most
    "sweep": (((4.0,), (0.9,)), ((1.0, 4.0, 16.0), (0.5, 0.9, 1.0)), ((1.0, 2.0, 4.0, 8.0, 16.0), (0.1, 0.5, 0.9, 1.0)),
              ((1.0, 2.0, 4.0, 8.0, 16.0), (0.1, 0.5, 0.9, 1.0))),  # temperatures and alphas that are tried
    "mnist": ((1200, 3, 32, 16), (20000, 6, 1200, 800), (54000, 15, 1200, 800), (54000, 60, 1200, 800)),
    # images, epochs, and units of both hidden layers, of the teacher and of the student
    "target_gain": (None, 1.0, 1.0, None),  # points that the teacher adds
    "target_standard_errors": (None, 1.0, None, None),  # the same, in standard errors
    "target_test_accuracy": (None, None, None, 70.16),  # percent, of the student with the teacher
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# ## The data
#
# Some of the training images are set aside as *validation* images, for all choices; the *test* images are used once, at
# the end. All networks learn from the same `num_images` of the training images.

# %%
@functools.cache
def image_sets(name):
    """Return the training, validation and test images of a data set."""
    size, own = cfg.flowers_size if name == "tf_flowers" else None, DATA if name == cfg.data_set else ""
    train_all, test_set = (data.load(name, split, size, cfg.stand_in, own) for split in ("train", "test"))
    return *train_all.split_off(cfg.validation_fraction, seed=0), test_set


def images_for(options):
    """Return the images that an arm learns from, the same for every seed; none of the class `left_out` (-1: of all)."""
    train_set = image_sets(options["data_set"])[0]
    part = train_set.stratified(min(options["num_images"], len(train_set)), seed=0)
    return part.subset(part.labels != options["left_out"])


train_set, validation_set, test_set = image_sets(cfg.data_set)
print(*map(len, (train_set, validation_set)), "training and validation images;", train_set.source)

# %% [markdown]
# ## What the student gets to see
#
# All networks are trained on images that are moved by a few pixels and mirrored at random, each image by its own random
# numbers, as in notebook 03. A third operation waits for the experiments: *mixup* [6] blends an image with another one
# of the batch, here with a share between 0 and 1 drawn for each image. For a label that is awkward: what is 60 % of a
# cat and 40 % of a truck? A teacher can be asked.

# %%
def random_view(images, options, generator):
    """Move, mirror and, with `mixup`, blend images `(N, H, W, C)` in [0, 1]; returns views, and own shares `(N,)`."""
    views = augment.random_crop(images, options["crop_padding"], generator)
    views = augment.random_horizontal_flip(views, 0.5 if options["flip"] else 0.0, generator)
    share = keras.random.uniform((ops.shape(images)[0],), 0.0 if options["mixup"] else 1.0, 1.0, seed=generator)
    weight = share[:, None, None, None]
    return weight * views + (1 - weight) * ops.roll(views, 1, axis=0), share  # blended with the one before in the batch


shown = train_set.stratified(min(7, len(train_set)), seed=0)
originals, rows = shown.images / np.float32(255), {}
for name in ("crop, flip", "mixup"):
    look = {"crop_padding": 4, "flip": True, "mixup": name == "mixup"}
    rows[name] = ops.convert_to_numpy(random_view(originals, look, keras.random.SeedGenerator(SEED))[0])
titles = [shown.class_names[label] for label in shown.labels] + [name for name in rows for _ in originals]
results.save_figure(run, "views", plots.image_grid(np.concatenate([originals, *rows.values()]), titles, num_columns=7))

# %% [markdown]
# ## Soft labels, and a loss for them
#
# Let $z$ be the student's logits for an image, $v$ the teacher's, $K$ the number of classes and $y$ the right one. With
# a *temperature* $T > 0$ the softmax of logits gives [1, eq. 1]
#
# $$ q_i(T) = \frac{\exp(z_i / T)}{\sum_{j=1}^{K} \exp(z_j / T)} , \qquad
#    p_i(T) = \frac{\exp(v_i / T)}{\sum_{j=1}^{K} \exp(v_j / T)} . $$
#
# At $T = 1$ these are the usual probabilities, $q$ of the student and $p$ of the teacher. A trained teacher is often
# nearly sure, say 0.999 for a truck, and then says little more than the label. A higher $T$ spreads the probability
# more evenly, and the small ones come to light: the automobile is likelier than the frog. $p(T)$ is the *soft label*,
# and the student learns from it and from the *hard* label $y$, with a weight $\alpha$ in [0, 1]:
#
# $$ L = \alpha \, T^2 \sum_{i=1}^{K} p_i(T) \ln \frac{p_i(T)}{q_i(T)} \; - \; (1 - \alpha) \ln q_y(1) . $$
#
# The *soft term* is the Kullback-Leibler divergence, 0 if both agree, and the *hard term* the cross-entropy, always at
# $T = 1$. (The paper takes the cross-entropy in the soft term as well; it differs by the teacher's own entropy, which
# no student can change.) Why $T^2$? Without it, the soft term has the gradient [1, eq. 2 and 4]
#
# $$ \frac{\partial}{\partial z_i} \sum_j p_j \ln \frac{p_j}{q_j} = \frac{q_i(T) - p_i(T)}{T}
#    \;\approx\; \frac{z_i - v_i}{K \, T^2} , $$
#
# the latter for a $T$ far above all logits, if $z$ and $v$ have the mean 0. It fades like $1 / T^2$, and the factor
# makes up for that: it is $\alpha$, and hardly $T$, that sets the balance of both terms, and at a high temperature the
# student is simply asked for the teacher's logits. All of it is checked on invented logits, in float64: the loss
# written as a loop against `losses.distillation`, which we train with; the latter's slope in a random direction against
# equation 2; and the limit, equation 4.

# %%
def distillation_naive(student_logits, teacher_logits, temperature):
    """The soft term with its factor, as it stands in the equation; logits float64 `(N, K)`, mean over N images."""
    total = 0.0
    for pair in zip(student_logits, teacher_logits):
        q, p = (np.exp(logits / temperature) / np.sum(np.exp(logits / temperature)) for logits in pair)
        total += temperature ** 2 * np.sum(p * np.log(p / q))
    return total / len(student_logits)


def soft_gradient(temperature):
    """Equation 2, without the factor, for the mean over the toy images; float64 `(N, K)`."""
    return (evaluate.softmax(z / temperature) - evaluate.softmax(v / temperature)) / temperature / len(z)


z, v, direction = np.random.default_rng(SEED).normal(size=(3, 8, 5)) * [[[2]], [[4]], [[1]]]
z, v = (logits - logits.mean(axis=1, keepdims=True) for logits in (z, v))
student, teacher, change = map(ops.convert_to_tensor, (z, v, direction))
for T in (1.0, 4.0, 16.0, 100.0):
    naive, gradient = distillation_naive(z, v, T), T ** 2 * soft_gradient(T)
    low, fast, high = (float(losses.distillation(student + step * change, teacher, T)) for step in (-0.05, 0.0, 0.05))
    assert abs(fast - naive) < 1e-3 * naive, "the helper computes something else"
    assert np.isclose((high - low) / 0.1, np.sum(gradient * direction), rtol=0.01, atol=0.01), "not equation 2"
    print(f"T = {T:<5} loss: naive {naive:.5f}, helper {fast:.5f}; length of the gradient without T^2 "
          f"{np.linalg.norm(soft_gradient(T)):.5f}, with it {np.linalg.norm(gradient):.4f}")
assert np.linalg.norm(gradient - (z - v) / z.size) < 0.05 * np.linalg.norm(gradient), "not the limit of equation 4"
assert abs(float(losses.distillation(teacher, teacher, 4.0))) < 1e-5, "a student that agrees has nothing to learn"

# %% [markdown]
# ## What goes wrong otherwise
#
# Two mistakes are common. Some programs leave the factor out. Others multiply the *whole* loss, hard term included (one
# public project [7] does so with all gradients). What becomes of the gradient of our toy logits, if nothing but $T$ is
# changed?

# %%
FACTORS = {  # what the soft and what the hard term are multiplied by
    "soft term": lambda T: (T ** 2, 1), "nowhere": lambda T: (1, 1), "both terms": lambda T: (T ** 2, T ** 2)}
hard_gradient = (evaluate.softmax(z) - np.eye(z.shape[1])[v.argmax(axis=1)]) / len(z)
laws = {f"T² on: {name}": [] for name in FACTORS}
for T, (name, factors) in itertools.product((1, 2, 4, 8, 16), FACTORS.items()):
    parts = cfg.alpha * soft_gradient(T), (1 - cfg.alpha) * hard_gradient
    soft, hard = (factor * np.linalg.norm(part) for factor, part in zip(factors(T), parts))
    laws[f"T² on: {name}"].append(
        {"temperature": T, "share_of_the_soft_term": 100 * soft / (soft + hard), "size_of_both": soft + hard})
results.save_figure(run, "factor", plots.curves(
    laws, ["share_of_the_soft_term", "size_of_both"], {"share_of_the_soft_term": "%"}, x="temperature", log=True))

# %% [markdown]
# Left: how much of the gradient (the length of each term's, measured by itself) comes from the soft term. With the
# factor where it belongs, the curve is nearly flat. With either mistake (both have the same curve) it falls, in the end
# like $1 / T^2$: the teacher has less and less to say, although $\alpha$ stays as it is. Right: the size of the whole
# gradient. With the factor on both terms it grows with $T^2$, and so does every step: that looks like a learning rate
# which is too high. (Adam divides by the size of the gradients. It hides this second mistake, and the first one
# remains.) The experiments train all three.
#
# ## The same from Keras itself
#
# Keras 3.13 has `keras.distillation`; its `Distiller` calls $1 - \alpha$ the `student_loss_weight`. Is its
# `LogitsDistillation` the same loss? We ask it about our toy logits, as it comes and with
# `loss=keras.losses.KLDivergence()`.

# %%
for T in (1.0, 4.0, 16.0):
    default, given = (float(keras.distillation.LogitsDistillation(T, **options).compute_loss(v, z))
                      for options in ({}, {"loss": keras.losses.KLDivergence()}))
    ours = float(losses.distillation(student, teacher, T))
    print(f"T = {T:<4} ours {ours:.5f}; Keras with KLDivergence() {given:.5f}, by default {default:.5f}")
    assert abs(given - ours) < 1e-3 * ours, "another loss than Keras' own"

# %% [markdown]
# With the object it is our loss, $T^2$ included; by default it is something else. In Keras 3.13.2 the default
# `"kl_divergence"` stands for a *function*, and only for an object of the class `KLDivergence` does the code take the
# softmax and multiply by $T^2$; the function gets the logits themselves, as if they were probabilities. So pass the
# object, and compare any loss with a reference before you train with it. Other differences, read from the code: it cuts
# probabilities off at $10^{-7}$, where ours stays with logarithms; it shows the teacher what `fit` hands over, so that
# augmentation belongs into the data pipeline; it freezes whichever network it is given as the teacher, large or small;
# and its feature distillation runs the student twice a step and has no regressor (see hints below).
#
# ## Teacher and student
#
# Both are residual networks, as in notebook 03, from `networks.resnet`: residual blocks in three stages, whose channels
# double from stage to stage; then the mean over the places of the last maps, the *features*, and one linear layer. It
# starts with zeros, so that the untrained network gives every class the same probability. For later sections there are
# networks of two dense layers, and a MobileNetV2 that others have trained on ImageNet, with pixels between -1 and 1.

# %%
def residual(blocks, width):
    """Return inputs and features of a residual network."""
    encoder = networks.resnet(blocks, width, stem="cifar", zero_last_gamma=False)
    return encoder.input, encoder.output


def dense(num_units):
    """Return inputs and features of a network of two dense layers, for grey images of 28 x 28 pixels."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Dense(num_units, "relu")(layers.Flatten()(inputs))
    return inputs, layers.Dense(num_units, "relu")(x)


def pretrained(size):
    """Return inputs and features of a MobileNetV2 trained on ImageNet, frozen."""
    inputs = keras.Input((size, size, 3))
    backbone = keras.applications.MobileNetV2((size, size, 3), include_top=False, pooling="avg", weights="imagenet")
    backbone.trainable = False
    return inputs, backbone(layers.Rescaling(2.0, -1.0)(inputs), training=False)


NETWORKS = {
    "large": functools.partial(residual, *cfg.teacher), "small": functools.partial(residual, *cfg.student),
    "large, dense": functools.partial(dense, cfg.mnist[2]), "small, dense": functools.partial(dense, cfg.mnist[3]),
    "MobileNetV2": functools.partial(pretrained, cfg.flowers_size),
}


def build(options):
    """Return a fresh network; it maps images `(N, H, W, C)` in [0, 1] to logits `(N, num_classes)`."""
    inputs, features = NETWORKS[options["network"]]()
    logits = layers.Dense(image_sets(options["data_set"])[0].num_classes, kernel_initializer="zeros", name="logits")
    return keras.Model(inputs, logits(features))


# %% [markdown]
# ## The Distiller
#
# `Distiller` is a `keras.Model` around the student. In training, `call` makes one random view of each image, shows
# **the same view** to student and teacher and returns both answers; `compute_loss` puts the loss together; `fit` does
# the rest. Three points deserve care:
#
# - **The teacher stays as it is.** It is frozen and asked in evaluation mode: its batch norm uses the statistics it has
#   learnt and collects no new ones from the student's batches. The Distiller keeps it where Keras finds none of its
#   weights, so that no optimizer changes them and no checkpoint stores them.
# - **Nobody changes places.** `Distiller(teacher, student)` instead of `Distiller(student, teacher)` would run without
#   a complaint, train the teacher, and report the teacher's accuracy as the student's. `check_roles` stops that: a
#   student has weights to train, a teacher none, and it has at least as many parameters.
# - **An epoch's accuracy is that of the epoch.** `fit` adds up all batches and starts anew with the next epoch. The
#   project [7] wrote its own training step, which resets after every *batch*, so that Keras printed the last batch
#   alone: its accuracies are multiples of 1/38.
#
# Without a teacher the same class trains with the hard term alone: all arms go through the same code.

# %%
def cross_entropy(labels, logits):
    """Return the cross-entropy of each image with its label, float `(N,)`, in nats."""
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def accuracy(labels, logits):
    """Return 100 for an image whose largest logit is the right one, else 0: the mean is a percentage."""
    return 100 * keras.metrics.sparse_categorical_accuracy(labels, logits)


def watched(network, layer):
    """Return `network` with two outputs: the logits, and what comes out of `layer`."""
    return keras.Model(network.input, [network.output, network.get_layer(layer).output])


def check_roles(student, teacher):
    """Raise ValueError if teacher and student have changed places."""
    sizes = [training.count_parameters(network) for network in (student, teacher)]
    if teacher.trainable_weights or not student.trainable_weights or sizes[0] > sizes[1]:
        raise ValueError("Have student and teacher changed places? A teacher must be frozen (`trainable = False`) and "
                         f"at least as large as its student; these have {sizes[1]:,} and {sizes[0]:,} parameters.")


# %% [markdown]
# Two options of the Distiller belong to the experiments. With `targets` "hard" the teacher tells its best class only.
# With a `hint_weight` above 0 the student also learns from maps inside the teacher (see there).

# %%
class Distiller(keras.Model):
    """A student that learns from labels and, if it has one, from a frozen teacher."""

    def __init__(self, student, teacher, options):
        super().__init__(dtype="float32")
        self.options, self.student, self.has_teacher = options, student, teacher is not None
        self.generator = keras.random.SeedGenerator()  # saved with the model's other variables
        layer = options["hint_layer"]
        self.watched_student = watched(student, layer)
        if teacher is not None:
            check_roles(student, teacher)
            self.ask_teacher = functools.partial(watched(teacher, layer), training=False)  # hides it from Keras
        if options["hint_weight"]:
            self.regressor = layers.Dense(teacher.get_layer(layer).output.shape[-1])
            self.regressor.build(student.get_layer(layer).output.shape)

    def call(self, images, training=False):
        """Return the student's logits `(N, K)`; in training a dict of all that the loss compares."""
        if not training:
            return self.student(images, training=False)
        views, share = random_view(images, self.options, self.generator)
        answers = {"student": self.watched_student(views, training=True), "share": share}
        if self.has_teacher:
            answers["teacher"] = self.ask_teacher(views if self.options["same_view"] else images)
        return answers

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss L of the equation; in evaluation, and without a teacher, the hard term alone."""
        if not training:
            return ops.mean(cross_entropy(y, y_pred))
        options, share, (logits, maps) = self.options, y_pred["share"], y_pred["student"]
        hard = ops.mean(share * cross_entropy(y, logits) + (1 - share) * cross_entropy(ops.roll(y, 1), logits))
        if not self.has_teacher:
            return hard
        temperature, (teacher_logits, teacher_maps) = options["temperature"], y_pred["teacher"]
        on_soft, on_hard = FACTORS[options["squared"]](temperature)
        soft = on_soft * losses.distillation(logits, teacher_logits, temperature) / temperature ** 2  # it has the T^2
        if options["targets"] == "hard":
            soft = ops.mean(cross_entropy(ops.argmax(teacher_logits, axis=1), logits))
        loss = options["alpha"] * soft + (1 - options["alpha"]) * on_hard * hard
        if options["hint_weight"]:
            loss = loss + options["hint_weight"] * ops.mean(ops.square(self.regressor(maps) - teacher_maps))
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Measure the student's logits; `fit` reports the mean over an epoch."""
        logits = y_pred["student"][0] if isinstance(y_pred, dict) else y_pred
        return super().compute_metrics(x, y, logits, sample_weight)


# %% [markdown]
# Now the checks, with fresh networks and before any training. (1) The shapes are right, and the loss of the untrained
# student is $\ln K$. (2) A swapped pair is an error, whichever of the two is frozen. (3) After two steps every weight
# of the student has changed (the last layer starts at zero, and in the first step passes no gradient on), and nothing
# of the teacher: a hash over all its weights and batch norm statistics is the same as before.

# %%
DEFAULTS = {
    "data_set": cfg.data_set, "num_images": cfg.num_images, "left_out": -1, "network": "small",
    "teacher": cfg.data_set, "temperature": cfg.temperature, "alpha": cfg.alpha, "squared": "soft term",
    "targets": "soft", "hint_layer": "logits", "hint_weight": 0.0, "same_view": True, "mixup": False,
    "crop_padding": 4, "flip": True, "learning_rate": 0.1, "batch_size": cfg.batch_size, "num_epochs": cfg.num_epochs,
    "weight_decay": cfg.weight_decay, "warmup_fraction": cfg.warmup_fraction}
runtime.seed_everything(SEED)
teacher, student = build(DEFAULTS | {"network": "large"}), build(DEFAULTS)
print(f"teacher {training.count_parameters(teacher):,} parameters, student {training.count_parameters(student):,}")
for frozen, free in ((student, teacher), (teacher, student)):
    frozen.trainable, free.trainable = False, True
    try:
        raise AssertionError(f"a swapped pair was accepted: {Distiller(teacher, student, DEFAULTS)}")
    except ValueError as error:
        print(error)

images, labels = train_set.images[:32] / np.float32(255), train_set.labels[:32]
model = Distiller(student, teacher, DEFAULTS)
assert abs(float(ops.mean(cross_entropy(labels, model(images)))) - np.log(train_set.num_classes)) < 1e-4, "not ln K"
teacher_hash, before = networks.weights_hash(teacher), student.get_weights()
model.compile(keras.optimizers.SGD(0.1))
for _ in range(2):
    model.train_on_batch(images, labels)
assert networks.weights_hash(teacher) == teacher_hash, "the teacher has changed"
assert all(np.any(old != new) for old, new in zip(before, student.get_weights())), "something of the student has not"

# %% [markdown]
# ## Training, by equal steps
#
# SGD with Nesterov momentum; the learning rate rises in a straight line (*warm-up*) and falls along half a cosine to
# zero; weight decay is multiplied by ten, as explained in notebook 01. Each training notes how many optimiser steps it
# took and how many images it saw, and assertions compare the arms. One thing cannot be equal: with the teacher each
# step takes longer, since the teacher has to be asked.

# %%
TEACHERS, HASHES, RATES, MODELS, HISTORIES, BUDGETS = {"none": None}, {}, {}, {}, {}, {}


def train(name, changes, seed):
    """Train as `DEFAULTS | changes` says; returns `(network, history)`, the history with one dict an epoch."""
    options = DEFAULTS | changes
    images, asked, teacher = images_for(options), image_sets(options["data_set"])[1], TEACHERS[options["teacher"]]
    runtime.seed_everything(seed)
    model = Distiller(build(options), teacher, options)
    model.build((None, *images.image_shape))
    batch_size = min(options["batch_size"], len(images))
    steps_per_epoch = len(images) // batch_size
    num_steps = options["num_epochs"] * steps_per_epoch
    num_warmup_steps = round(options["warmup_fraction"] * num_steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, num_steps - num_warmup_steps),
        warmup_target=options["learning_rate"], warmup_steps=num_warmup_steps)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=10 * options["weight_decay"])
    model.compile(optimizer, metrics=[accuracy])
    settings = options | {"seed": seed, "images": images.fingerprint(), "code": CODE, "sizes": SIZES,
                          "teacher_hash": networks.weights_hash(teacher) if teacher else ""}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, settings, model=model)
    history = checkpoint.resume()
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    model.fit(
        training.batches(images.images, images.labels, batch_size, seed, epoch=len(history), drop_last=True),
        steps_per_epoch=steps_per_epoch, initial_epoch=len(history), epochs=options["num_epochs"],
        validation_data=training.batches(asked.images, asked.labels, batch_size=1000),
        callbacks=[tensorboard, checkpoint], verbose=0)
    assert not teacher or networks.weights_hash(teacher) == settings["teacher_hash"], "the teacher has changed"
    steps = int(model.optimizer.iterations)  # counted by the optimizer itself
    BUDGETS[name] = {"optimizer_steps": steps, "images_seen": steps * batch_size}
    tensorboard.close(options, BUDGETS[name] | {"final/validation_accuracy": history[-1]["validation_accuracy"]})
    return model.student, history


# These two stand for code and sizes in the settings of a checkpoint.
CODE = provenance.source_hash(random_view, residual, dense, pretrained, build, watched, Distiller, *FACTORS.values(),
                              images_for, train)
SIZES = [cfg.teacher, cfg.student, cfg.mnist, cfg.flowers_size, cfg.validation_fraction]

# %% [markdown]
# Teacher, student alone and student with the teacher each get **a learning rate of their own**, the best of a short
# list on the validation images, after a short training on a part of the images. That matters: the two losses do not
# have gradients of the same size, and a rate that suits one would be a handicap for the other.

# %%
def best_rate(arm, options):
    """Return the learning rate with the best validation accuracy after a short training on a part of the images."""
    found = {}
    for rate in cfg.learning_rates if len(cfg.learning_rates) > 1 else ():
        short = {"learning_rate": rate, "num_images": cfg.experiment_images, "num_epochs": cfg.experiment_epochs[0]}
        found[rate] = round(train(f"tuning/{arm}-{rate}", options | short, SEED)[1][-1]["validation_accuracy"], 2)
    print(f"{arm}: validation accuracy in % by learning rate {found}")
    return max(found or cfg.learning_rates, key=found.get)


def enrol(name, network):
    """Freeze a trained network and make it the teacher `name`."""
    network.trainable = False
    TEACHERS[name], HASHES[name] = network, networks.weights_hash(network)


def train_pair(data_set, large, small, changes, seeds):
    """Train a teacher, then for each seed a student alone and one with the teacher, by equal steps."""
    keys = [(data_set, "teacher", SEED), *((data_set, arm, seed) for seed in seeds for arm in ARMS)]
    for key in keys:
        options = {"data_set": data_set, "network": small, "teacher": "none"} | changes | {
            "teacher": {"network": large, "left_out": -1}, "with the teacher": {"teacher": data_set}}.get(key[1], {})
        RATES[key[1]] = RATES.get(key[1]) or best_rate(key[1], options)
        MODELS[key], HISTORIES[key] = train(PATH.format(*key), {"learning_rate": RATES[key[1]]} | options, key[2])
        if key[1] == "teacher":
            enrol(data_set, MODELS[key])
    spent = [BUDGETS[PATH.format(*key)] for key in keys["left_out" in changes:]]  # no teacher that has seen more
    assert all(budget == spent[0] for budget in spent), "unequal budgets"


ARMS, PATH = ("alone", "with the teacher"), "{}/{}-{}"  # of a training: data set, arm, seed
train_pair(cfg.data_set, "large", "small", {}, range(SEED, SEED + cfg.num_seeds))

# %% [markdown]
# If a best rate sits at an end of the list, the list may be too short: extend it in `PROFILES` and run again. The seeds
# change the initial weights, the order of the images and the views; the teacher is the same for all students. A student
# alone and one with the teacher that have the same seed start from the same weights and see the same images in the same
# order, so it is the difference of each such pair that counts.

# %%
keys, told_by = [key for key in HISTORIES if key[0] == cfg.data_set], {}
for key in keys:
    told_by[key] = training.predict(MODELS[key], validation_set.images)
    right, agrees = (100 * evaluate.accuracy(labels, told_by[key].argmax(axis=1)) for labels in (
        validation_set.labels, told_by[keys[0]].argmax(axis=1)))
    assert abs(right - HISTORIES[key][-1]["validation_accuracy"]) < 0.1, "fit did not report the mean over all images"
    print(f"{key[1]:<16} seed {key[2]}: right on {right:.1f} % of the validation images, agrees with the teacher on "
          f"{agrees:.1f} %; {HISTORIES[key][-1]['seconds']:.1f} s an epoch, {BUDGETS[PATH.format(*key)]}")
UNITS = {"train_accuracy": "%", "validation_accuracy": "%", "validation_loss": "nats"}
results.save_figure(run, "curves", plots.curves(
    {key[1]: HISTORIES[key] for key in keys[:3]}, [*UNITS], units=UNITS, num_columns=3))

# %% [markdown]
# The loss of the validation images is the cross-entropy with the labels for all, so it can be compared; the training
# losses cannot, as the arms do not minimise the same thing. What `fit` reports has been computed once more by hand: it
# is the mean over all validation images. Look at the *agreement*: a student with the teacher that agrees with it more
# often than the student alone has learnt from it; if it is not right more often as well, it has learnt its errors, too.
#
# ## What the teacher knows
#
# Upper row: the validation images the teacher is least sure of; lower row: those it is surest of. Behind "1:" the
# three highest probabilities at $T$ = 1 in percent, behind the next number the same at the temperature of the training.
# Then the mean soft label of each class.

# %%
def heat_map(values, rows, columns, labels):
    """Draw `values` float `(R, C)` with its numbers; `labels` name the vertical and horizontal axis and the values."""
    with plt.style.context(["default", plots.STYLE]):
        figure, ax = plt.subplots(figsize=(3 + 0.6 * len(columns), 2 + 0.35 * len(rows)), layout="constrained")
        figure.colorbar(ax.imshow(values, cmap="Blues", aspect="auto"), label=labels[2])
        ax.set(ylabel=labels[0], xlabel=labels[1], yticks=range(len(rows)), yticklabels=rows)
        ax.set_xticks(range(len(columns)), columns, rotation=90 if len(columns) > 5 else 0)
        for (i, j), value in np.ndenumerate(values):
            color = "white" if value > (values.min() + values.max()) / 2 else "black"
            ax.text(j, i, f"{value:.1f}", ha="center", va="center", color=color)
        plt.close(figure)
    return figure


teacher_logits, names = told_by[keys[0]], np.array(validation_set.class_names)
told = {f"{T:g}": 100 * evaluate.softmax(teacher_logits / T) for T in (1, cfg.temperature)}
order, best = np.argsort(told["1"].max(axis=1), kind="stable"), np.argsort(-teacher_logits, axis=1)[:, :3]
chosen, titles = [*order[:4], *order[-4:]], []
for i in chosen:
    lines = [f"{T}: " + ", ".join(f"{names[k]} {soft[i, k]:.0f}" for k in best[i]) for T, soft in told.items()]
    titles.append("\n".join([names[validation_set.labels[i]], *lines]))
display(results.save_figure(run, "told", plots.image_grid(validation_set.images[chosen], titles, num_columns=4)))
means = np.stack([told[f"{cfg.temperature:g}"][validation_set.labels == k].mean(axis=0) for k in range(len(names))])
shown = np.sort(np.argsort(means.diagonal())[:10])  # of many classes the ten it is least sure of
results.save_figure(run, "soft_labels", heat_map(means[np.ix_(shown, shown)], names[shown], names[shown], (
    "true class", "class in the soft label", f"mean soft label at T = {cfg.temperature:g} (%)")))

# %% [markdown]
# A row of the matrix says what the teacher tells about the images of a class, all of them together. Look for the
# largest numbers beside the diagonal: are they where you would put them? No label contains that. For the surest images
# the answer at $T$ = 1 is the label once more, and the second line shows what is left underneath.
#
# ## Experiments
#
# Each arm trains a student on a part of the images, with fewer epochs, and changes the named options alone. The number
# is the accuracy on the validation images, one seed: with 5,000 of them (`laptop`) chance alone moves a number by 0.7
# points, and another seed may move it more, so take a point for nothing. `teacher none` is the student alone, at its
# own learning rate; all arms with a teacher share one.
#
# - **Temperature and alpha.** How much does it matter to have chosen these two well?
# - **The factor $T^2$**, on both terms and nowhere, at the same learning rate.
# - **Labels.** Does it take *soft* labels, or would the teacher's best class do (`targets hard`)? And what are the true
#   labels worth beside the soft ones ($\alpha$ = 1 leaves them out)?
# - **Hints** [3]. The student also imitates the maps behind the second stage. As it has fewer channels, a linear layer
#   $r$, the *regressor*, turns its maps $h_S$ into as many as the teacher's $h_T$, at each place alike; it is thrown
#   away after training. The loss gets one more term, the `hint_weight` times $\mathrm{mean}\big((r(h_S) - h_T)^2\big)$.
#   (The paper trains with hints first and with soft labels afterwards; we do both at once.)
# - **Self-distillation** [4]. The teacher is the first student alone, as large as its pupil. What can that add?
# - **Consistency** [5]. The soft label is that of the very view the student sees. If the teacher saw the image without
#   crop and flip instead, it would have to be asked only once. And mixup, with $\alpha$ = 1; in its control without a
#   teacher the hard labels are mixed like the images.
# - **Patience** [5]. A training several times as long, with and without mixup, and the student alone for as long.

# %%
def train_arm(changes, seed):
    """Train on a part of the images, with `changes` to the default options; return the history."""
    options = PART | changes
    return train(f"experiments/{config.fingerprint(DEFAULTS | options)}-{seed}", options, seed)[1]


PART = {"num_images": cfg.experiment_images, "num_epochs": cfg.experiment_epochs[1], "learning_rate": RATES[ARMS[1]]}
enrol("same size", MODELS[cfg.data_set, "alone", SEED])
ALONE, MIXUP = {"teacher": "none", "learning_rate": RATES["alone"]}, {"mixup": True, "alpha": 1.0}
LONG, HINT = {"num_epochs": cfg.experiment_epochs[2]}, {"hint_layer": "stage2", "hint_weight": 10.0}
EXPERIMENTS = {
    "temperature and alpha": [{"temperature": T, "alpha": alpha} for T in cfg.sweep[0] for alpha in cfg.sweep[1]],
    "factor": [{}, {"squared": "both terms"}, {"squared": "nowhere"}],
    "labels": [{"targets": "hard", "alpha": 1.0}, {"targets": "hard"}, {"alpha": 1.0}, {}, ALONE],
    "hints": [HINT, HINT | {"hint_weight": 1.0}, HINT | {"alpha": 0.0}, {}],
    "self-distillation": [{}, {"teacher": "same size"}, ALONE],
    "consistency": [{}, {"same_view": False}, {"alpha": 1.0}, MIXUP, ALONE | {"mixup": True}],
    "patience": [LONG | MIXUP, LONG, ALONE | LONG],
}
EXPERIMENTS = {question: arms[:cfg.arms_per_question] for question, arms in EXPERIMENTS.items() if cfg.run_experiments}
found = experiments.run(EXPERIMENTS, DEFAULTS, train_arm, [SEED])
spent = {(*budget.values(),) for name, budget in BUDGETS.items() if name.startswith("experiments")}
assert len(spent) <= 2, "unequal budgets: expected are those of the short arms and of the patient ones"
for question, arms in found.items():
    figure = plots.comparison(arms, f"validation accuracy (%), by {question}", digits=1)
    if question == "temperature and alpha":
        values = np.reshape([arm["mean"] for arm in arms.values()], [*map(len, cfg.sweep)])
        figure = heat_map(values, *cfg.sweep, ("temperature", "alpha", "validation accuracy (%)"))
    display(results.save_figure(run, f"experiment_{question.replace(' ', '_')}", figure))

# %% [markdown]
# How to read them:
#
# - **The heat map** is worth more as a whole than by its best cell, which chance has helped to choose. Is there a
#   plateau? At $T$ = 1 a teacher that is sure says little more than the label.
# - **Labels.** If the teacher's hard labels do as well as its soft ones, it is not the similarity of classes that
#   helps, but something simpler.
# - **Hints** ask a small network to do inside as a large one does. In a published benchmark [2] hints alone added next
#   to nothing to ResNet-20 on CIFAR-100 (69.21 instead of 69.06 %), soft labels 1.6 points.
# - **Self-distillation**: what it adds comes from the soft labels themselves, not from a larger network.
# - **Patience** must be judged by the pairs of equal length: long training helps the student alone as well.
#
# ## A digit that the student never sees
#
# The paper's own experiment [1], on MNIST. A teacher with two layers of 1,200 units learns all ten digits. A student
# with 800 learns from the teacher's soft labels alone ($\alpha$ = 1, $T$ = 20), by images among which there is **not a
# single 3**. All it can know of a 3 is that this 8 has a little of one. The control, the student alone, learns the
# labels of the same images.
#
# A student that is never asked for a 3 may give it too low a logit. The paper adds a constant to it, chosen on the test
# images; we choose it on the validation images, among which there are 3s, and for the control, too.

# %%
DIGIT, IS_DIGIT = 3, np.arange(10) == 3
MNIST = {"num_images": cfg.mnist[0], "num_epochs": cfg.mnist[1], "crop_padding": 2, "flip": False,
         "learning_rate": 0.05, "temperature": 20.0, "alpha": 1.0, "left_out": DIGIT}
train_pair("mnist", "large, dense", "small, dense", MNIST, [SEED])

asked, by_shift, SHIFTS = image_sets("mnist")[1], {}, {"teacher": [0]}
for arm in ARMS:
    logits = training.predict(MODELS["mnist", arm, SEED], asked.images)
    by_shift[arm] = [{"shift": shift, "validation_accuracy": 100 * evaluate.accuracy(
        asked.labels, (logits + shift * IS_DIGIT).argmax(axis=1))} for shift in np.arange(0, 30.5, 0.5)]
    SHIFTS[arm] = [0, max(by_shift[arm], key=lambda point: point["validation_accuracy"])["shift"]]
results.save_figure(run, "shift", plots.curves(by_shift, "validation_accuracy", UNITS, x="shift"))

# %% [markdown]
# The further to the right, the more images are called a 3, in the end all. See whether the student with the teacher
# gains by a shift, or needs none. A student that has learnt nothing about 3s can only lose with the other digits what
# it wins with this one.
#
# ## More pairs
#
# The same functions, other data: in `laptop` a CIFAR-100 pair of the same two networks, one seed; in `colab` and `full`
# a teacher that has learnt elsewhere. MobileNetV2, trained on ImageNet, gets a new last layer for the five kinds of
# TensorFlow Flowers, and teaches the small network, which has seen nothing but these few photographs. (The project
# [7] tried that, too, but handed pixels from 0 to 1 to a network that expects -1 to 1.) Learning rates are those from
# above.

# %%
PAIRS = {cfg.second_data_set: ("large", "small", {}),
         "tf_flowers" if cfg.flowers_size else None: ("MobileNetV2", "small", {"crop_padding": 8})}
for data_set in filter(None, PAIRS):
    train_pair(data_set, *PAIRS[data_set], [SEED])
    print(data_set, {key[1]: HISTORIES[key][-1]["validation_accuracy"] for key in HISTORIES if key[0] == data_set})

# %% [markdown]
# ## The test images, once
#
# Everything is decided; now the test images are used, for all trained networks. And for the last time the hashes of all
# teachers are compared with those from before the students came.

# %%
scores, test_logits = {}, {}
for key, network in MODELS.items():
    tested = image_sets(key[0])[2]
    test_logits[key] = training.predict(network, tested.images)
    scores.setdefault(key[:2], []).append(100 * evaluate.accuracy(tested.labels, test_logits[key].argmax(axis=1)))
assert {name: networks.weights_hash(TEACHERS[name]) for name in HASHES} == HASHES, "a teacher has changed"
test_accuracy = {key: evaluate.mean_and_spread(values) for key, values in scores.items()}
display(pd.Series({key: results.format_metric(value) for key, value in test_accuracy.items()}).unstack())
gain = evaluate.mean_and_spread(np.subtract(*[scores[cfg.data_set, arm] for arm in ARMS[::-1]]))
print(f"{cfg.data_set}: the teacher adds {results.format_metric(gain)} points")

digits, errors = image_sets("mnist")[2].labels, {}
for arm, shift in [(arm, shift) for arm, shifts in SHIFTS.items() for shift in shifts]:
    wrong = (test_logits["mnist", arm, SEED] + shift * IS_DIGIT).argmax(axis=1) != digits
    errors[f"{arm}, shift {shift:g}"] = {"errors": int(wrong.sum()), "among the 3s": int(wrong[digits == DIGIT].sum())}
display(pd.DataFrame(errors).T.rename_axis(index=f"{len(digits):,} digits, {np.sum(digits == DIGIT):,} of them a 3"))

# %% [markdown]
# The gain is the mean of the differences of students with the same seed; behind the ± stands their standard deviation,
# which divided by the root of their number is the *standard error* of the mean. With three seeds both are rough, and a
# gain of less than one standard error would be none. In the second table compare the errors among the 3s of both
# students after their shift.
#
# ## What a prediction costs
#
# Why not use the teacher itself? Because of this table: numbers to store, kilobytes on disk (`.keras`, which holds the
# architecture, too), and milliseconds for one image and for a batch of 256, the median of 25 calls after warming up.

# %%
pair = MODELS[cfg.data_set, "with the teacher", SEED], TEACHERS[cfg.data_set]
costs, batches = {}, {size: np.zeros((size, *train_set.image_shape), np.float32) for size in (1, 256)}
for network, path in zip(pair, [run.folder / "student.keras", run.folder / "teacher.keras"]):
    network.save(path)
    costs[path.stem] = {"parameters": training.count_parameters(network), "kilobytes": path.stat().st_size / 1000}
    for size, batch in batches.items():
        seconds = timeit.repeat(lambda: network.predict_on_batch(batch), number=1, repeat=30)[5:]  # noqa: B023
        costs[path.stem][f"milliseconds_for_{size}"] = 1000 * float(np.median(seconds))
display(pd.DataFrame(costs).T.round(2))

# %% [markdown]
# For a single image much of the time goes into calling, not into computing, so that a tenth of the parameters does not
# mean ten times as fast; the batch shows more of it.
#
# ## Results
#
# | pair | data, training | alone | with the teacher | teacher |
# |---|---|---|---|---|
# | ResNet-20 and ResNet-56 [2] | CIFAR-100, 240 epochs, $T$ = 4, $\alpha$ = 0.9, accuracy (%) | 69.06 | 70.66 | 72.34 |
# | the same, hints instead [2] | | 69.06 | 69.21 | 72.34 |
# | 800 and 1,200 units [1] | MNIST, $T$ = 20, test errors | 146 | 74 | 67 |
# | the same without 3s, before and after the shift [1] | errors; among 1,010 3s | | 206; 133, then 109; 14 | |
# | ours, as set in `PROFILES` | above | above | next cell | |
#
# They train on all training images; ours have a part less, set aside for validation. The MNIST teacher has dropout.

# %%
metrics = {
    "gain": gain, **BUDGETS[PATH.format(*keys[0])],
    **({"gain_in_standard_errors": gain["mean"] / max(gain["sd"], 1e-9) * gain["n"] ** 0.5} if gain["n"] > 1 else {}),
    **{f"{arm.replace(' ', '_')}_test_accuracy": test_accuracy[cfg.data_set, arm] for arm in RATES},
    **{f"{arm.replace(' ', '_')}_learning_rate": rate for arm, rate in RATES.items()},
    **{f"{role}_{name}": value for role, cost in costs.items() for name, value in cost.items()},
    **{f"test accuracy: {data_set}, {arm}": value for (data_set, arm), value in test_accuracy.items()},
    **{f"mnist without 3: {name}, {what}": number for name, row in errors.items() for what, number in row.items()},
    **{f"{question}: {arm}": value for question, arms in found.items() for arm, value in arms.items()},
}
targets = [{"metric": metric, "at_least": None if DATA else bound} for metric, bound in (
    ("gain", cfg.target_gain), ("gain_in_standard_errors", cfg.target_standard_errors),
    ("with_the_teacher_test_accuracy", cfg.target_test_accuracy))]
used = [image_set for name in dict.fromkeys(key[0] for key in MODELS) for image_set in image_sets(name)]
training_minutes = sum(epoch["seconds"] for key in keys for epoch in HISTORIES[key]) / 60
record = results.save(run, cfg, metrics, targets, used, training_minutes)

# %% [markdown]
# **TensorBoard** has all curves, and under *HParams* a table of all runs with their options. In Colab or Jupyter put
# `%load_ext tensorboard` and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own, where `FOLDER` is
# what the first cell printed behind *Files of this run*.
#
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **"Have student and teacher changed places?"**: the Distiller takes the student first. Freeze the teacher after its
#   own training.
# - **The student is worse with the teacher than alone**: see that both have a learning rate of their own; that the
#   teacher sees pixels in the range it was trained on; that it is better than the student alone.
# - **The loss becomes `nan`, or jumps**, at a high temperature: is the factor on the soft term only?
# - **Out of memory**: lower `batch_size` and the learning rates; the teacher needs memory for its forward pass only.
# - **The data cannot be downloaded**: the message names the hosts, the files and the folder to put them in.
# - **The notebook seems not to train**: it resumed a finished run, and says so. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. Equal steps are not equal time.** Suppose that the backward pass takes twice as long as the forward pass, and the
# teacher's forward pass `ratio` times as long as the student's. For how many epochs could the student alone train in
# the time that `num_epochs` with the teacher take? If `stored`, the teacher answers each image once, before the
# training, instead of each view.

# %% tags=["exercise"]
def exercise_1(num_epochs, ratio, stored):
    """Return the number of epochs of the student alone, float."""
    raise NotImplementedError


def check_1(answer):
    assert np.isclose(answer(6, 0, False), 6), "a teacher that costs nothing leaves the time as it is"
    assert np.isclose(answer(6, 3, False), 12), "the student takes 3 parts, the teacher 3 more: twice the time"
    assert np.isclose(answer(6, 3, True), 7), "stored, the teacher goes through the images once: one epoch's time"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. Whose errors are these?** Of the images that the teacher gets wrong, on how many does the student give the very
# same wrong answer? Return that share, 0 if the teacher makes no error. (Then compare both arms from above.)

# %% tags=["exercise"]
def exercise_2(labels, teacher_logits, student_logits):
    """Return the share of the teacher's errors that the student repeats, float in [0, 1]."""
    raise NotImplementedError


def check_2(answer):
    labels, one = np.array([0, 1, 2, 0, 1]), np.eye(3)
    assert np.isclose(answer(labels, one[[0, 2, 1, 1, 1]], one[[1, 2, 0, 1, 2]]), 2 / 3), "two of three are repeated"
    assert answer(labels, one[labels], one[[1, 1, 1, 1, 1]]) == 0, "no error of the teacher, none repeated"


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. Many teachers.** The paper distils an *ensemble*. Return logits of one imaginary teacher whose softmax at
# temperature $T$ is the mean of all teachers' softened probabilities, so that `losses.distillation` can be used as it
# is.

# %% tags=["exercise"]
def exercise_3(teacher_logits, temperature):
    """Return float `(N, K)`; `teacher_logits` float `(M, N, K)`, of M teachers, numpy array."""
    raise NotImplementedError


def check_3(answer):
    teachers = np.random.default_rng(0).normal(size=(3, 6, 4)) * 3
    for temperature in (1.0, 4.0):
        expected = np.mean([evaluate.softmax(logits / temperature) for logits in teachers], axis=0)
        found = evaluate.softmax(np.asarray(answer(teachers, temperature)) / temperature)
        assert np.allclose(found, expected), "not the mean of the probabilities (that of the logits is another one)"


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(num_epochs, ratio, stored):
    return num_epochs + ratio * (1 if stored else num_epochs) / 3  # a teacher that learns nothing has no backward pass


def solution_2(labels, teacher_logits, student_logits):
    teacher, student = teacher_logits.argmax(axis=1), student_logits.argmax(axis=1)
    return float(np.sum((student == teacher) & (teacher != labels)) / max(1, np.sum(teacher != labels)))


def solution_3(teacher_logits, temperature):
    return temperature * np.log(np.mean([evaluate.softmax(logits / temperature) for logits in teacher_logits], axis=0))


# %% [markdown]
# ## Conclusion
#
# A teacher's probabilities are labels with more in them: which classes resemble each other, and how clear a case an
# image is. To learn from them takes one more term in the loss, with $T^2$ on this term alone, and a teacher that is
# asked about the view that the student sees. Whether it pays is a question about pairs: the same student with the same
# steps, with the teacher and without, each at its own learning rate, and more than one seed. A recorded run of this
# notebook is still to come; the numbers will stand here and in the card.
#
# Next: in notebook 12 the teacher labels images that nobody has labelled, and its student becomes a better teacher;
# notebook 09 distils a network that has learnt almost without labels.
#
# ## References
#
# 1. G. Hinton, O. Vinyals, J. Dean. Distilling the knowledge in a neural network. 2015.
#    https://arxiv.org/abs/1503.02531
# 2. Y. Tian, D. Krishnan, P. Isola. Contrastive representation distillation. 2019. https://arxiv.org/abs/1910.10699 .
#    The numbers are those of its benchmark, https://github.com/HobbitLong/RepDistiller
# 3. A. Romero, N. Ballas, S. E. Kahou, A. Chassang, C. Gatta, Y. Bengio. FitNets: hints for thin deep nets. 2014.
#    https://arxiv.org/abs/1412.6550
# 4. T. Furlanello, Z. C. Lipton, M. Tschannen, L. Itti, A. Anandkumar. Born again neural networks. 2018.
#    https://arxiv.org/abs/1805.04770
# 5. L. Beyer, X. Zhai, A. Royer, L. Markeeva, R. Anil, A. Kolesnikov. Knowledge distillation: a good teacher is patient
#    and consistent. 2021. https://arxiv.org/abs/2106.05237
# 6. H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz. mixup: beyond empirical risk minimization. 2017.
#    https://arxiv.org/abs/1710.09412
# 7. S. Paul. Knowledge-Distillation-in-Keras. https://github.com/sayakpaul/Knowledge-Distillation-in-Keras
