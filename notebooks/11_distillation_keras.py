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
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | points gained from the teacher: 2.16 ± 0.30 (n = 3) | 9.9 |  | 5.7 GiB | CPU, 2 cores (Intel Xeon) |
#
# Minutes are those of the headline training and its baseline; experiments come on top and say theirs.
# ± is the standard deviation over n runs.
# On a GPU: pending, no such run has been recorded yet.
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
# pictures instead of photographs); `laptop` is real CIFAR-10 on a CPU, with 20,000 images and small networks (38
# minutes for all cells, as recorded); `colab` is meant for a free T4 (an hour to two hours for all cells by estimate,
# not yet measured; less without the experiments, by `OVERRIDES = {"run_experiments": False}`); `full` has networks and
# schedule of a published benchmark [2]. To change one value, write for instance `OVERRIDES = {"temperature": 2.0}` in
# the form above. A network is given by its residual blocks in each stage and the channels of its first stage.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn pictures instead of photographs
    "data_set": ("cifar10", "cifar10", "cifar100", "cifar100"),  # of the headline
    "flowers": (None, None, (96, 30), (160, 240)),  # pixels and epochs of a pair with a pretrained teacher, or none
    "validation_fraction": (0.1, 0.1, 0.04, 0.04),  # of the training images, to choose by
    "num_images": (540, 20000, 48000, 48000),  # training images, at most
    "num_seeds": (1, 3, 3, 3),  # students that differ in the seed only
    "teacher": (((1, 1), 16), ((1, 1, 1), 32), ((3, 3, 3), 32), ((9, 9, 9), 16)),  # blocks of each stage, width
    "student": (((1, 1), 8), ((1, 1, 1), 8), ((1, 1, 1), 16), ((3, 3, 3), 16)),
    "mixed_precision": (False, False, True, True),  # 16 bits for convolutions and matrix products
    "batch_size": (20, 64, 128, 64),  # images
    "num_epochs": (2, 4, 30, 240),
    "teacher_learning_rate": (0.1, 0.1, 0.1, 0.05),
    "learning_rates": ((0.1,), (0.2, 0.4, 0.8), (0.1, 0.2, 0.4), (0.05, 0.1, 0.2)),  # of the students, by validation
    "warmup_fraction": (0.3, 0.3, 0.1, 0.05),  # of all steps
    "temperature": (4.0, 4.0, 4.0, 4.0),
    "alpha": (0.9, 0.9, 0.9, 0.9),  # weight of the soft labels
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_epochs": ((1, 1), (2, 2), (2, 4), (10, 30)),  # to choose a learning rate, and of the arms
    "arms_per_question": (1, 20, 20, 20),  # at most
    "sweep": (((2.0,), (0.5,)), ((1.0, 4.0, 16.0), (0.5, 0.9)), ((1.0, 4.0, 16.0), (0.1, 0.5, 0.9)),
              ((1.0, 2.0, 4.0, 8.0, 16.0), (0.1, 0.5, 0.9))),  # temperatures and alphas that are tried
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
    size, own = cfg.flowers[0] if name == "tf_flowers" else None, DATA if name == cfg.data_set else ""
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
    share = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), 0.0 if options["mixup"] else 1.0, 1.0, seed=generator)
    return share * views + (1 - share) * ops.roll(views, 1, axis=0), ops.reshape(share, (-1,))  # the other: one before


shown = train_set.stratified(min(7, len(train_set)), seed=0)
originals, names = shown.images / np.float32(255), ("crop, flip", "mixup")
views = [ops.convert_to_numpy(random_view(originals, {"crop_padding": 4, "flip": True, "mixup": name == "mixup"},
                                          keras.random.SeedGenerator(SEED))[0]) for name in names]
titles = [shown.class_names[label] for label in shown.labels] + [name for name in names for _ in originals]
results.save_figure(run, "views", plots.image_grid(np.concatenate([originals, *views]), titles, num_columns=7))

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
# student is simply asked for the teacher's logits. All of it is checked on invented logits. The equation in numpy, in
# float64, is the reference; `losses.distillation`, which we train with, computes in the backend's precision (on JAX
# float32). Its slope in a random direction is compared with equation 2, and the limit with equation 4.

# %%
def distillation_naive(student_logits, teacher_logits, temperature):
    """The soft term with its factor, as it stands in the equation; logits float64 `(N, K)`, mean over N images."""
    q, p = (evaluate.softmax(logits / temperature) for logits in (student_logits, teacher_logits))
    return temperature ** 2 * np.mean(np.sum(p * np.log(p / q), axis=1))


def soft_gradient(student_logits, teacher_logits, temperature):
    """Equation 2, without the factor, for the mean over N images; float64 `(N, K)`."""
    q, p = (evaluate.softmax(logits / temperature) for logits in (student_logits, teacher_logits))
    return (q - p) / temperature / len(q)


toy_z, toy_v, direction = np.random.default_rng(0).normal(size=(3, 8, 5)) * [[[2]], [[4]], [[1]]]
toy_z, toy_v = (logits - logits.mean(axis=1, keepdims=True) for logits in (toy_z, toy_v))
for T in (1.0, 4.0, 16.0, 100.0):
    naive, plain = distillation_naive(toy_z, toy_v, T), soft_gradient(toy_z, toy_v, T)
    low, fast, high = (float(losses.distillation(*map(ops.convert_to_tensor, (toy_z + step * direction, toy_v)), T))
                       for step in (-0.05, 0.0, 0.05))
    assert abs(fast - naive) < 1e-3 * naive, "the helper computes something else"
    assert np.isclose((high - low) / 0.1, T ** 2 * np.sum(plain * direction), rtol=0.01, atol=0.01), "not equation 2"
    print(f"T = {T:<5} loss: naive {naive:.5f}, helper {fast:.5f}; length of the gradient without T^2 "
          f"{(length := np.linalg.norm(plain)):.5f}, with it {T ** 2 * length:.4f}")
assert np.linalg.norm(T ** 2 * plain - (toy_z - toy_v) / toy_z.size) < 0.05 * T ** 2 * length, "not equation 4"

# %% [markdown]
# ## What goes wrong otherwise
#
# Two mistakes are common. Some programs leave the factor out. Others multiply the *whole* loss, hard term included (one
# public project [7] does so with all gradients). What becomes of the gradient of our toy logits, if nothing but $T$ is
# changed?

# %%
FACTORS = {"soft term": (2, 0), "nowhere": (0, 0), "both terms": (2, 2)}  # powers of T: of the soft and the hard term
hard_gradient = (evaluate.softmax(toy_z) - np.eye(toy_z.shape[1])[toy_v.argmax(axis=1)]) / len(toy_z)
laws = {f"T² on: {name}": [] for name in FACTORS}
for T, (name, powers) in itertools.product((1, 2, 4, 8, 16), FACTORS.items()):
    parts = cfg.alpha * soft_gradient(toy_z, toy_v, T), (1 - cfg.alpha) * hard_gradient
    soft, hard = (T ** power * np.linalg.norm(part) for power, part in zip(powers, parts))
    laws[f"T² on: {name}"].append(
        {"temperature": T, "share_of_the_soft_term": 100 * soft / (soft + hard), "size_of_both": soft + hard})
results.save_figure(run, "factor", plots.curves(
    laws, ["share_of_the_soft_term", "size_of_both"], {"share_of_the_soft_term": "%"}, x="temperature", log=True))

# %% [markdown]
# Both vertical axes are logarithmic. Left: how much of the gradient (the lengths of both terms) comes from the soft
# term. With the factor where it belongs, the curve is nearly flat. With either mistake (one curve for both) it falls,
# from 88 to 6 %: the teacher has less and less to say, although $\alpha$ stays as it is. Right: the lengths of both,
# added up. With the factor on both terms they are $T^2$ times those without it, and so is every step, as with a
# learning rate that is too high. The experiments train all three.
#
# ## The same from Keras itself
#
# Keras 3.13 has `keras.distillation`; its `Distiller` calls $1 - \alpha$ the `student_loss_weight`. Is its
# `LogitsDistillation` the same loss? We ask it about our toy logits, as it comes and with
# `loss=keras.losses.KLDivergence()`.

# %%
for T in (1.0, 4.0, 16.0):
    default, given = (float(keras.distillation.LogitsDistillation(T, **options).compute_loss(toy_v, toy_z))
                      for options in ({}, {"loss": keras.losses.KLDivergence()}))
    ours = distillation_naive(toy_z, toy_v, T)
    print(f"T = {T:<4} ours {ours:.5f}; Keras with KLDivergence() {given:.5f}, by default {default:.5f}")
    assert abs(given - ours) < 1e-3 * ours, "another loss than Keras' own"

# %% [markdown]
# With the object it is our loss, $T^2$ included; by default it is something else. In Keras 3.13.2 the default
# `"kl_divergence"` stands for a *function*, and only for an object of the class `KLDivergence` does the code take the
# softmax and multiply by $T^2$. So pass the object, and compare any loss with a reference before you train with it. (It
# also freezes whichever network it is given as the teacher, large or small.)
#
# ## Teacher and student
#
# Both are residual networks, as in notebook 03, from `networks.resnet`: residual blocks in three stages, whose channels
# double from stage to stage; then the mean over the places of the last maps, the *features*, and one linear layer. It
# starts with zeros, so that the untrained network gives every class the same probability. For later sections there are
# networks of two dense layers, and a MobileNetV2 that others have trained on ImageNet, with pixels between -1 and 1. On
# a GPU most layers compute with 16 bits; the logits, which a loss divides by $T$ and compares, always have 32.

# %%
def residual(blocks, width):
    """Return inputs and features of a residual network."""
    encoder = networks.resnet(blocks, width, stem="cifar", zero_last_gamma=False)
    return encoder.input, encoder.output


def dense(num_units):
    """Return inputs and features of a network of two dense layers, for grey images of 28 x 28 pixels."""
    inputs, hidden = keras.Input((28, 28, 1)), [layers.Dense(num_units, "relu") for _ in range(2)]
    return inputs, keras.Sequential([layers.Flatten(), *hidden])(inputs)


def pretrained(size):
    """Return inputs and features of a MobileNetV2 trained on ImageNet, frozen."""
    local = runtime.data_dir() / "weights" / "mobilenet_v2_1.0_224_no_top_fp16.weights.h5"
    inputs, weights = keras.Input((size, size, 3)), str(local) if local.is_file() else "imagenet"  # else downloaded
    backbone = keras.applications.MobileNetV2((size, size, 3), include_top=False, pooling="avg", weights=weights)
    backbone.trainable = False
    return inputs, backbone(layers.Rescaling(2.0, -1.0)(inputs), training=False)


NETWORKS = {"large": (residual, *cfg.teacher), "small": (residual, *cfg.student),
            "large, dense": (dense, cfg.mnist[2]), "small, dense": (dense, cfg.mnist[3]),
            "MobileNetV2": (pretrained, *(cfg.flowers or ())[:1])}
HALF = "mixed_bfloat16" if run.device.startswith(("CPU", "TPU")) else "mixed_float16"  # a T4 has no bfloat16


def build(options):
    """Return a fresh network; it maps images `(N, H, W, C)` in [0, 1] to logits float32 `(N, num_classes)`."""
    network, *sizes = NETWORKS[options["network"]]
    keras.config.set_dtype_policy(HALF if cfg.mixed_precision else "float32")
    inputs, features = network(*sizes)
    keras.config.set_dtype_policy("float32")  # for what follows, and all that is not built here
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
# - **Nobody changes places.** `Distiller(teacher, student)` instead of `Distiller(student, teacher)` would run
#   without a complaint, train the teacher, and report the teacher's accuracy as the student's. `check_roles` stops
#   that: a student has weights to train, a teacher none, but at least as many parameters.
# - **An epoch's accuracy is that of the epoch.** The training accuracy that `fit` reports is the mean over all
#   batches of the epoch. The project [7] wrote steps of its own, whose metrics reset after every *batch*, so that of
#   the validation images Keras printed the last batch alone: those accuracies are multiples of 1/38.
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
        self.watched_student = watched(student, options["hint_layer"])
        if teacher is not None:
            check_roles(student, teacher)
            self.ask_teacher = functools.partial(watched(teacher, options["hint_layer"]), training=False)  # hides it
        if options["hint_weight"]:
            self.regressor = layers.Dense(teacher.get_layer(options["hint_layer"]).output.shape[-1])
            self.regressor.build(student.get_layer(options["hint_layer"]).output.shape)

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
        on_soft, on_hard = (temperature ** power for power in FACTORS[options["squared"]])
        soft = losses.distillation(logits, teacher_logits, temperature) * (on_soft / temperature ** 2)  # it has the T^2
        if options["targets"] == "hard":
            soft = ops.mean(cross_entropy(ops.argmax(teacher_logits, axis=1), logits))
        loss = options["alpha"] * soft + (1 - options["alpha"]) * on_hard * hard
        if options["hint_weight"]:
            loss += options["hint_weight"] * ops.mean((self.regressor(maps) - ops.cast(teacher_maps, "float32")) ** 2)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Measure the student's logits; `fit` reports the mean over an epoch."""
        logits = y_pred["student"][0] if isinstance(y_pred, dict) else y_pred
        return super().compute_metrics(x, y, logits, sample_weight)


# %% [markdown]
# Now the checks, with fresh networks and before any training. (1) The shapes are right, and the loss of the untrained
# student is $\ln K$. (2) A swapped pair is an error, whichever of the two is frozen. (3) After two steps every weight
# of the student has changed (the last layer starts at zero, and in the first step passes no gradient on), and nothing
# of the teacher: a hash over all its weights and batch norm statistics is the same as before. (4) The training accuracy
# of an epoch of two batches is that over the images of both. So that it can be computed by hand, too, nothing is moved
# or mirrored here, and in that epoch the learning rate is 0.

# %%
DEFAULTS = {
    "data_set": cfg.data_set, "num_images": cfg.num_images, "left_out": -1, "network": "small",
    "teacher": cfg.data_set, "temperature": cfg.temperature, "alpha": cfg.alpha, "squared": "soft term",
    "targets": "soft", "hint_layer": "logits", "hint_weight": 0.0, "same_view": True, "mixup": False,
    "crop_padding": 4, "flip": True, "learning_rate": 0.1, "batch_size": cfg.batch_size, "num_epochs": cfg.num_epochs,
    "weight_decay": 5e-4, "warmup_fraction": cfg.warmup_fraction}
runtime.seed_everything(SEED)
teacher, student = build(DEFAULTS | {"network": "large"}), build(DEFAULTS)
print(f"teacher {training.count_parameters(teacher):,} parameters, student {training.count_parameters(student):,}")
for frozen, free in ((student, teacher), (teacher, student)):
    frozen.trainable, free.trainable = False, True
    try:
        Distiller(teacher, student, DEFAULTS)
    except ValueError as error:
        print(error)
    else:
        raise AssertionError("a swapped pair was accepted")

images, labels = train_set.images[:32] / np.float32(255), train_set.labels[:32]
model = Distiller(student, teacher, DEFAULTS | {"crop_padding": 0, "flip": False})
assert abs(float(ops.mean(cross_entropy(labels, model(images)))) - np.log(train_set.num_classes)) < 1e-4, "not ln K"
teacher_hash, before = networks.weights_hash(teacher), student.get_weights()
model.compile(keras.optimizers.SGD(0.1), metrics=[accuracy], run_eagerly=True)  # no graph for so few steps
model.fit(images, labels, batch_size=16, verbose=0)  # two steps
assert networks.weights_hash(teacher) == teacher_hash, "the teacher has changed"
assert all(np.any(old != new) for old, new in zip(before, student.get_weights())), "something of the student has not"

model.optimizer.learning_rate = 0.0
reported = model.fit(images, labels, batch_size=16, shuffle=False, verbose=0).history["accuracy"][0]
logits = np.concatenate([ops.convert_to_numpy(student(half, training=True)) for half in np.split(images, 2)])
by_hand = 100 * evaluate.accuracy(labels, logits.argmax(axis=1))
assert abs(reported - by_hand) < 1.01 * 100 / 32, "not the mean over the epoch"  # two logits may be all but equal

# %% [markdown]
# ## Training, by equal steps
#
# SGD with Nesterov momentum; the learning rate rises in a straight line (*warm-up*) and falls along half a cosine to
# zero; weight decay is multiplied by ten, as explained in notebook 01. Each training notes how many optimiser steps it
# took and how many images it saw, and assertions compare the arms. One thing cannot be equal: with the teacher each
# step takes longer, since the teacher has to be asked. Options that were trained already are not trained again.

# %%
def new_optimizer(options, num_steps):
    """Return SGD with warm-up and half a cosine over `num_steps` steps."""
    num_warmup_steps = round(options["warmup_fraction"] * num_steps)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, max(
        1, num_steps - num_warmup_steps), warmup_target=options["learning_rate"], warmup_steps=num_warmup_steps)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=10 * options["weight_decay"])
    scaled = cfg.mixed_precision and HALF == "mixed_float16"  # there the smallest gradients would round to 0
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024) if scaled else optimizer


def check_budgets(runs):
    """Raise AssertionError if trainings that are compared differ in optimiser steps or in images seen."""
    budgets = {run["name"]: (run["optimizer_steps"], run["images_seen"]) for run in runs}
    assert len(set(budgets.values())) == 1, f"unequal budgets (steps, images): {budgets}"


# %%
TEACHERS, RUNS, TRAINED = {"none": None}, {}, {}


def train(name, changes, seed):
    """Train as `DEFAULTS | changes` says, once; returns a dict: network, history (one dict an epoch), steps, images."""
    options = DEFAULTS | changes
    fingerprint = config.fingerprint(options | {"seed": seed})
    if fingerprint in TRAINED:
        return TRAINED[fingerprint]
    images, asked, teacher = images_for(options), image_sets(options["data_set"])[1], TEACHERS[options["teacher"]]
    runtime.seed_everything(seed)
    model = Distiller(build(options), teacher, options)
    model.build((None, *images.image_shape))
    batch_size = min(options["batch_size"], len(images))
    steps_per_epoch = len(images) // batch_size
    num_steps = options["num_epochs"] * steps_per_epoch
    short = num_steps < 5000 and keras.backend.backend() != "jax"  # compiling would take longer than it saves
    model.compile(new_optimizer(options, num_steps), metrics=[accuracy], jit_compile=False if short else "auto")
    settings = options | {
        "seed": seed, "images": [part.fingerprint() for part in (images, asked)], "code": CODE, "settings": SETTINGS,
        "hashes": [networks.weights_hash(network) for network in (model.student, teacher) if network]}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, settings, model=model)
    history = checkpoint.resume()
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    model.fit(training.batches(images.images, images.labels, batch_size, seed, epoch=len(history), drop_last=True),
              steps_per_epoch=steps_per_epoch, initial_epoch=len(history), epochs=options["num_epochs"], verbose=0,
              validation_data=training.batches(asked.images, asked.labels, batch_size=1000),
              callbacks=[tensorboard, checkpoint])
    assert not teacher or networks.weights_hash(teacher) == settings["hashes"][1], "the teacher has changed"
    missing = num_steps - int(model.optimizer.iterations)  # in 16 bits a step that overflows is left out
    assert 0 <= missing <= cfg.mixed_precision * num_steps / 100, f"{missing} of {num_steps} steps were not taken"
    budget = {"optimizer_steps": num_steps, "images_seen": num_steps * batch_size}
    tensorboard.close(options, budget | {"final/validation_accuracy": history[-1]["validation_accuracy"]})
    model.student.trainable = False  # from now on it may teach
    TRAINED[fingerprint] = {"name": name, "network": model.student, "history": history, **history[-1], **budget}
    return TRAINED[fingerprint]


# Code and sizes for the settings of a checkpoint.
CODE = provenance.source_hash(image_sets.__wrapped__, images_for, random_view, residual, dense, pretrained, build,
                              cross_entropy, accuracy, watched, Distiller, new_optimizer, train)
SETTINGS = [FACTORS, [sizes for _, *sizes in NETWORKS.values()], HALF if cfg.mixed_precision else "float32"]

# %% [markdown]
# Student alone and student with the teacher each get **a learning rate of their own**, the best of one short list on
# the validation images, after a short training. That matters: the two losses do not have gradients of the same size,
# and a rate that suits one would be a handicap for the other. The teacher's is fixed in `PROFILES`; it is the same
# teacher for all.

# %%
ARMS, RATES = ("alone", "with the teacher"), {"teacher": cfg.teacher_learning_rate}


def best_rate(arm, options):
    """Return the learning rate with the best validation accuracy after a short training."""
    if len(cfg.learning_rates) == 1:
        return cfg.learning_rates[0]
    options, found = options | {"num_epochs": cfg.experiment_epochs[0]}, {}
    for rate in cfg.learning_rates:
        found[rate] = train(f"tuning/{arm}-{rate}", options | {"learning_rate": rate}, SEED)["validation_accuracy"]
    print(f"{arm}: validation accuracy by learning rate", {rate: f"{value:.2f} %" for rate, value in found.items()})
    return max(found, key=found.get)


def train_pair(data_set, large, small, changes, seeds, teacher_changes):
    """Train a teacher, then for each seed a student alone and one with the teacher, by equal steps."""
    same = {"data_set": data_set} | changes
    plan = {"teacher": same | {"network": large, "teacher": "none"} | teacher_changes,
            "alone": same | {"network": small, "teacher": "none"},
            "with the teacher": same | {"network": small, "teacher": data_set}}
    for arm, seed in [("teacher", SEED), *itertools.product(ARMS, seeds)]:
        RATES[arm] = RATES.get(arm) or best_rate(arm, plan[arm])
        if large == "MobileNetV2" and arm == "with the teacher":
            right = {who: RUNS[data_set, who, SEED]["validation_accuracy"] for who in ("teacher", "alone")}
            assert right["teacher"] > right["alone"], f"a teacher must know more than its student: {right}"
        RUNS[data_set, arm, seed] = train(f"{data_set}/{arm}-{seed}", {"learning_rate": RATES[arm]} | plan[arm], seed)
        if arm == "teacher":
            TEACHERS[data_set] = RUNS[data_set, arm, seed]["network"]
    compared = RATES if "left_out" not in teacher_changes else ARMS  # a teacher may know a class more
    check_budgets([RUNS[key] for key in RUNS if key[0] == data_set and key[1] in compared])


train_pair(cfg.data_set, "large", "small", {}, range(SEED, SEED + cfg.num_seeds), {})

# %% [markdown]
# If a best rate sits at an end of the list, the list may be too short: extend it in `PROFILES` and run again. (In the
# recorded `laptop` run both arms took 0.8, the largest, by 1.3 points over 0.2, which one seed cannot tell from
# noise; a still larger one might serve either better.) The seeds change the initial weights, the order of the images
# and the views. A student alone and one with the teacher that have the same seed start from the same weights and see
# the same images in the same order, so it is the difference of each such pair that counts.

# %%
keys, n = [key for key in RUNS if key[0] == cfg.data_set], len(validation_set)
told_by = {key: training.predict(RUNS[key]["network"], validation_set.images) for key in keys}
for key in keys:
    right, agrees = (100 * evaluate.accuracy(labels, told_by[key].argmax(axis=1)) for labels in (
        validation_set.labels, told_by[keys[0]].argmax(axis=1)))
    assert abs(right - RUNS[key]["validation_accuracy"]) <= 100 * max(2, 0.002 * n) / n, "fit reports something else"
    print(f"{key[1]:<16} seed {key[2]}: right on {right:.1f} % of the validation images, agrees with the teacher on "
          f"{agrees:.1f} %; {RUNS[key]['optimizer_steps']:,} steps, {RUNS[key]['seconds']:.1f} s for the last epoch")
UNITS = {"train_accuracy": "%", "validation_accuracy": "%", "validation_loss": "nats"}
results.save_figure(run, "curves", plots.curves(
    {who: RUNS[cfg.data_set, who, SEED]["history"] for who in RATES}, [*UNITS], units=UNITS, num_columns=3))

# %% [markdown]
# The loss of the validation images is the cross-entropy with the labels for all, so it can be compared; the training
# losses cannot, as the arms do not minimise the same thing. Look at the *agreement*: a student that agrees with its
# teacher more often than the student alone does has learnt from it; if it is not right more often, it has learnt its
# errors, too.
#
# In the recorded `laptop` run the students with the teacher agree with it on 84 to 86 % of the images, those alone on
# 75 to 76 %, and they are right on 64.4 % instead of 61.5 % (means of three). Mind when the lead is large (first
# seed, as drawn): after one epoch it is 9 points, after two 20, where the validation accuracy of the student alone
# drops while the learning rate is high, at the end 2.4. The teacher makes learning **faster** first of all. Four
# epochs are short, and nothing here says how much would be left after forty.
#
# ## What the teacher knows
#
# Upper row: the validation images the teacher is least sure of; lower row: those it is surest of. Behind "1:" the
# three highest probabilities at $T$ = 1 in percent, behind the next number the same at the temperature of the training.
# Then the mean soft label of each class.

# %%
teacher_logits, names = told_by[keys[0]], np.array(validation_set.class_names)
told = [100 * evaluate.softmax(teacher_logits / T) for T in (1.0, cfg.temperature)]
chosen = np.argsort(told[0].max(axis=1), kind="stable")[[0, 1, 2, 3, -4, -3, -2, -1]]
best = np.argsort(-teacher_logits, axis=1)[:, :3]
soft_labels = [[", ".join(f"{names[k]} {soft[i, k]:.0f}" for k in best[i]) for i in chosen] for soft in told]
titles = [f"{names[label]}\n1: {at_1}\n{cfg.temperature:g}: {at_T}"
          for label, at_1, at_T in zip(validation_set.labels[chosen], *soft_labels)]
display(results.save_figure(run, "told", plots.image_grid(validation_set.images[chosen], titles, num_columns=4)))
present = np.unique(validation_set.labels)
means = np.stack([told[1][validation_set.labels == k].mean(axis=0) for k in present])[:, present]
shown = np.sort(np.argsort(means.diagonal())[:10])  # of many classes the ten it is least sure of
results.save_figure(run, "soft_labels", plots.heat_map(
    means[np.ix_(shown, shown)], names[present[shown]], names[present[shown]],
    ("true class", "class in the soft label", f"mean soft label at T = {cfg.temperature:g} (%)")))

# %% [markdown]
# A row of the matrix says what the teacher tells about the images of a class, all of them together. Look for the
# largest numbers beside the diagonal: are they where you would put them? No label contains that. For the surest images
# the answer at $T$ = 1 is the label once more, and the line of the higher temperature shows what lies underneath.
# Recorded: trucks get 18 % automobile and automobiles 17 % truck, cats 17 % dog and dogs 18 % cat, horses 16 % deer,
# ships 16 % airplane (sky and sea are blue).
#
# ## Experiments
#
# Each arm trains a student for fewer epochs, on the images from above, and changes the named options alone. The number
# is the accuracy on the validation images, one seed: with 5,000 of them (`laptop`) chance alone moves a number by 0.7
# points, and another seed may move it more, so take a point for nothing. `teacher none` is the student alone. Arms that
# learn from soft labels with the factor share the learning rate of *with the teacher*; all others (hard labels, hints
# alone, no factor) have that of *alone*, since their gradients are of that size. (In `laptop` the two are the same,
# 0.8.)
#
# - **Temperature and alpha.** How much does it matter to have chosen these two well? At $T$ = 1 a teacher that is sure
#   says little more than the label.
# - **The factor $T^2$**, nowhere and on both terms. On both terms it multiplies the whole loss, which for SGD is the
#   same as a learning rate $T^2$ times as large and a weight decay $T^2$ times as small. A second arm takes both back:
#   it should do as well as the factor nowhere.
# - **Labels.** Does it take *soft* labels, or would the teacher's best class do (`targets hard`)? Then it is not the
#   similarity of classes that helps, but something simpler. And what are the true labels worth beside the soft ones
#   ($\alpha$ = 1 leaves them out)?
# - **Hints** [3]. The student also imitates the maps behind the second stage. As it has fewer channels, a linear layer
#   $r$, the *regressor*, turns its maps $h_S$ into as many as the teacher's $h_T$, at each place alike; it is thrown
#   away after training. The loss gets one more term, the `hint_weight` times $\mathrm{mean}\big((r(h_S) - h_T)^2\big)$.
#   (The paper trains with hints first and with soft labels afterwards; we do both at once.)
# - **Self-distillation** [4]. The teacher is the student alone of these experiments, as large as its pupil and trained
#   on the same images for as long. What it adds comes from the soft labels themselves.
# - **Consistency** [5]. The soft label is that of the very view the student sees. If the teacher saw the image without
#   crop and flip, it would have to be asked only once. And mixup, with $\alpha$ = 1; in its control without a teacher
#   the hard labels are mixed like the images. (The training accuracy of both is measured against the labels of the
#   unmixed images.)
# - **Patience** [5]. As many epochs as in the main comparison, with mixup and without; long training helps the student
#   alone as well, so each has its control.

# %%
def arm(changes, seed):
    """Train with `changes` to the options of a short training, or look it up; return what `train` returns."""
    name = ", ".join(f"{option.replace('_', ' ')} {value}" for option, value in changes.items()) or "default"
    return train(f"experiments/{name}", SHORT | changes, seed)


SHORT = {"num_epochs": cfg.experiment_epochs[1], "learning_rate": RATES["with the teacher"]}
RATE, LONG, square = {"learning_rate": RATES["alone"]}, {"num_epochs": cfg.num_epochs}, cfg.temperature ** 2
ALONE, MIXUP = {"teacher": "none"} | RATE, {"mixup": True, "alpha": 1.0}
HINT = {"hint_layer": "stage2", "hint_weight": 10.0}
TAKEN_BACK = {"learning_rate": RATES["alone"] / square, "weight_decay": DEFAULTS["weight_decay"] * square}
EXPERIMENTS = {
    "temperature and alpha": [{"temperature": T, "alpha": alpha} for T in cfg.sweep[0] for alpha in cfg.sweep[1]],
    "factor": [{"squared": "nowhere"} | RATE, {"squared": "both terms"} | TAKEN_BACK, {"squared": "both terms"}, {}],
    "labels": [{"targets": "hard", "alpha": 1.0} | RATE, {"targets": "hard"} | RATE, {"alpha": 1.0}, ALONE, {}],
    "hints": [HINT, HINT | {"hint_weight": 1.0}, HINT | {"alpha": 0.0} | RATE, {}],
    "self-distillation": [{"teacher": "same size"}, ALONE, {}],
    "consistency": [{"same_view": False}, MIXUP, {"alpha": 1.0}, ALONE | {"mixup": True}, {}],
    "patience": [LONG | MIXUP, LONG, ALONE | LONG | {"mixup": True}, ALONE | LONG],
}
EXPERIMENTS = {question: arms if question.startswith("temp") else arms[:cfg.arms_per_question]  # a grid stays whole
               for question, arms in EXPERIMENTS.items() if cfg.run_experiments}
TEACHERS["same size"] = arm(ALONE, SEED)["network"] if cfg.run_experiments else None
found = experiments.run(EXPERIMENTS, DEFAULTS | SHORT, lambda *wanted: arm(*wanted)["history"], [SEED])
for question, arms in found.items():
    check_budgets([arm(changes, SEED) for changes in EXPERIMENTS[question]])
    figure = plots.comparison(arms, f"validation accuracy (%), by {question}", digits=1)
    if question == "temperature and alpha":
        values = np.reshape([arm["mean"] for arm in arms.values()], [*map(len, cfg.sweep)])
        figure = plots.heat_map(values, *cfg.sweep, ("temperature", "alpha", "validation accuracy (%)"))
    display(results.save_figure(run, f"experiment_{question.replace(' ', '_')}", figure))

# %% [markdown]
# In the recorded `laptop` run (two epochs, validation accuracy in %, one seed):
#
# | question | arms |
# |---|---|
# | factor $T^2$ on | soft term: 60.8; nowhere: 55.9; both terms: 52.3, with everything taken back: 55.9 |
# | labels | soft alone: 61.3; soft and hard: 60.8; teacher's best class and hard: 59.0, alone: 57.9; no teacher: 50.7 |
# | hints | with soft labels, weight 10: 62.1, weight 1: 61.6; with hard labels: 61.6; no hints: 60.8 |
# | self-distillation | teacher as large: 49.4; no teacher: 50.7 |
# | consistency | same view: 60.8, other view: 59.7; mixup: 55.5 with a teacher, 45.0 without |
# | patience, four epochs | 63.9 with the teacher, 61.6 without; with mixup 61.3 and 54.5 |
#
# - **The heat map** is a plateau: five of six cells lie between 60.2 and 61.1. Only with $T$ = 1 *and* half the weight
#   on the labels is the teacher hardly heard, 54.9. (The learning rate was chosen for one of the cells.)
# - **The factor** is worth 5 points. The factor nowhere, and the factor on both terms with everything taken back, come
#   to the same number to the last digit, as the argument says: the second mistake is the first and a wrong learning
#   rate.
# - **Labels.** The larger part of the gain does not need soft labels at all: the teacher's best class brings 7 or 8
#   of the 10 points, without and with the true labels. It may be easier to learn than the truth, for the teacher
#   never says what cannot be seen. The rest, 3 or 2 points, is what the probabilities add.
# - **Hints** without soft labels bring as much as these, and both together a point more: one seed. In a published
#   benchmark [2] hints without soft labels added next to nothing (69.06 to 69.21 %).
# - **Self-distillation** brings nothing from a teacher that has itself trained for two epochs only, and **mixup**
#   costs 6 points in so short a training, with a teacher and without. That the teacher sees the same view is worth a
#   point, no more than chance might bring.
# - **Patience** takes away most of what the teacher adds: 10 points after two epochs, 2.4 after four.
#
# ## A digit that the student never sees
#
# The paper's own experiment [1], on MNIST. A teacher with two layers of 1,200 units learns all ten digits. A student
# with 800 learns from the teacher's soft labels alone ($\alpha$ = 1, $T$ = 20), by images among which there is **not a
# single 3**. All it can know of a 3 is that this 8 has a little of one. The control, the student alone, learns the
# labels of the same images.
#
# A student that is never asked for a 3 may give it too low a logit. The paper adds a constant to it, chosen on the test
# images; we choose it on the validation images, among which there are 3s, and for the control, too. The learning rate
# is 0.05 for all three, not tuned.

# %%
DIGIT, IS_DIGIT = 3, np.arange(10) == 3
MNIST = {"num_images": cfg.mnist[0], "num_epochs": cfg.mnist[1], "crop_padding": 2, "flip": False,
         "learning_rate": 0.05, "temperature": 20.0, "alpha": 1.0, "left_out": DIGIT}
train_pair("mnist", "large, dense", "small, dense", MNIST, [SEED], {"left_out": -1})

asked, by_shift, SHIFTS = image_sets("mnist")[1], {}, {"teacher": [0]}
for who in ARMS:
    logits = training.predict(RUNS["mnist", who, SEED]["network"], asked.images)
    by_shift[who] = [{"shift": shift, "validation_accuracy": 100 * evaluate.accuracy(
        asked.labels, (logits + shift * IS_DIGIT).argmax(axis=1))} for shift in np.arange(0, 30.5, 0.5)]
    SHIFTS[who] = [0, max(by_shift[who], key=lambda point: point["validation_accuracy"])["shift"]]
results.save_figure(run, "shift", plots.curves(by_shift, "validation_accuracy", UNITS, x="shift"))

# %% [markdown]
# The *shift* is the constant: the further to the right, the more images are called a 3, in the end all. In the
# recorded run the student alone never says 3 by itself, and a shift (6 is its best) gains next to nothing: what it
# wins with this digit it loses with the others. The student with the teacher has most 3s right from the start; half a
# unit of shift is its best. It has learnt what a 3 is from digits that are none.
#
# ## A teacher that has learnt elsewhere
#
# The same functions, other data: MobileNetV2, trained on ImageNet, gets a new last layer for the five kinds of
# TensorFlow Flowers, and teaches the small network, which has seen nothing but these few photographs. (The project
# [7] tried that, too, but handed pixels from 0 to 1 to a network that expects -1 to 1.) The students' learning rates
# are those from above; a single layer on many features needs a lower one. Before MobileNetV2 teaches, it must be better
# than the student alone.

# %%
if cfg.flowers:
    FLOWERS = {"num_epochs": cfg.flowers[1], "crop_padding": cfg.flowers[0] // 8}
    train_pair("tf_flowers", "MobileNetV2", "small", FLOWERS, [SEED], {"learning_rate": 0.01})
    print({key[1]: RUNS[key]["validation_accuracy"] for key in RUNS if key[0] == "tf_flowers"})

# %% [markdown]
# ## The test images, once
#
# Everything is decided; now the test images are used, for all trained networks.

# %%
scores, test_logits = {}, {}
for key, trained in RUNS.items():
    tested = image_sets(key[0])[2]
    test_logits[key] = training.predict(trained["network"], tested.images)
    scores.setdefault(key[:2], []).append(100 * evaluate.accuracy(tested.labels, test_logits[key].argmax(axis=1)))
test_accuracy = {key: evaluate.mean_and_spread(values) for key, values in scores.items()}
display(pd.Series({key: results.format_metric(value) for key, value in test_accuracy.items()}).unstack())
gain = evaluate.mean_and_spread(np.subtract(scores[cfg.data_set, "with the teacher"], scores[cfg.data_set, "alone"]))

digits, errors = image_sets("mnist")[2].labels, {}
for who, shift in [(who, shift) for who, shifts in SHIFTS.items() for shift in shifts]:
    wrong = (test_logits["mnist", who, SEED] + shift * IS_DIGIT).argmax(axis=1) != digits
    errors[f"{who}, shift {shift:g}"] = {"errors": int(wrong.sum()), "among the 3s": int(wrong[digits == DIGIT].sum())}
display(pd.DataFrame(errors).T.rename_axis(index=f"{len(digits):,} digits, {np.sum(digits == DIGIT):,} of them a 3"))

# %% [markdown]
# The gain is the mean of the differences of students with the same seed; behind the ± stands their standard
# deviation, which divided by the root of their number is the *standard error* of the mean. With three seeds both are
# rough. Recorded: 61.2 % alone, **63.4 %** with the teacher, which has 66.7 % itself: **+2.2 ± 0.3**, twelve standard
# errors. Of 1,010 test images of a 3, the student that never saw one gets 956 right, 979 after its shift; alone,
# none, and ten after the shift, which costs 14 other digits (one seed each).
#
# ## What a prediction costs
#
# Why not use the teacher itself? Numbers to store, kilobytes on disk (`.keras`, which holds the
# architecture, too), and milliseconds for one image and for a batch of 256, the median of 25 calls after warming up.

# %%
costs, student = {}, RUNS[cfg.data_set, "with the teacher", SEED]["network"]
for name, network in {"student": student, "teacher": TEACHERS[cfg.data_set]}.items():
    network.save(path := run.folder / f"{name}.keras")
    costs[name] = {"parameters": training.count_parameters(network), "kilobytes": path.stat().st_size / 1000}
    for size in (1, 256):
        ask = functools.partial(network.predict_on_batch, np.zeros((size, *train_set.image_shape), np.float32))
        costs[name][f"milliseconds_for_{size}"] = 1000 * np.median(timeit.repeat(ask, number=1, repeat=30)[5:])
display(pd.DataFrame(costs).T.round(2))

# %% [markdown]
# For a single image much of the time goes into calling, not into computing, so that a fifteenth of the parameters does
# not mean fifteen times as fast; the batch shows more of it: recorded, 1.5 against 2.1 ms for one image, 40 against 166
# ms for 256, 202 against 1,361 kB.
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
standard_errors = gain["mean"] / max(gain["sd"] or 0, 1e-9) * gain["n"] ** 0.5
metrics = {
    "gain": gain, **({"gain_in_standard_errors": standard_errors} if gain["n"] > 1 else {}),
    **{f"{data_set}_{who}_test_accuracy".replace(" ", "_"): value for (data_set, who), value in test_accuracy.items()},
    **{f"{who.replace(' ', '_')}_learning_rate": rate for who, rate in RATES.items()},
    **{f"{role}_{name}": value for role, cost in costs.items() for name, value in cost.items()},
    **{f"mnist without 3: {name}, {what}": number for name, row in errors.items() for what, number in row.items()},
    **{f"{question}: {changes}": value for question, arms in found.items() for changes, value in arms.items()},
    **{f"{what}: {one['name']}": one[what] for one in TRAINED.values() for what in ("optimizer_steps", "images_seen")},
}
targets = [{"metric": metric, "at_least": bound if metric in metrics and not DATA else None} for metric, bound in (
    ("gain", cfg.target_gain), ("gain_in_standard_errors", cfg.target_standard_errors),  # the latter of several seeds
    (f"{cfg.data_set}_with_the_teacher_test_accuracy", cfg.target_test_accuracy))]
used = [image_set for name in dict.fromkeys(key[0] for key in RUNS) for image_set in image_sets(name)]
seconds = sum(epoch["seconds"] for key in keys for epoch in RUNS[key]["history"])
record = results.save(run, cfg, metrics, targets, used, training_minutes=seconds / 60)

# %% [markdown]
# **TensorBoard** has all curves, and under *HParams* a table of all runs with their options. In Colab or Jupyter put
# `%load_ext tensorboard` and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own, where `FOLDER` is
# what the cell of the imports printed behind *Files of this run*.
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
# same wrong answer? Return that share, 0 if the teacher makes no error. (Then compare both arms: `told_by` has all
# logits of the validation images.)

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
# image is. To learn from them takes one more term in the loss, with $T^2$ on this term alone, and a frozen teacher.
# Whether it pays is a question about pairs: the same student with the same steps, with the teacher and without, each
# at its own learning rate, and more than one seed. Here it did, by 2.2 ± 0.3 points on CIFAR-10 after four epochs
# (after two, by 10 on validation images, one seed). The clearest proof that soft labels say more than labels is the
# digit: 95 % of the 3s are right, by a student that has met none.
#
# Next: in notebook 12 the teacher labels images that nobody has labelled, and its student becomes the next teacher;
# notebook 09 distils a network that has learnt almost without labels; notebook 16 compares methods on photos of your
# own.
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
