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
# # Which method suits my photos? PyTorch
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/16_which_method_torch.ipynb)
#
# You have a folder of photos, labels for some of them, and an hour. This notebook tries six methods of the series on
# *your* photos, says which one to use and how sure that is, and leaves a file that classifies new photos.
#
# | | |
# |---|---|
# | Data | your folder of images (`DATA`, below); without one, 3,670 photographs of five kinds of flowers (229 MB) |
# | Method | from scratch, noisy student, SimCLR, ImageNet's weights; a linear layer or all of it; five draws |
# | Expected, on the flowers | the method named is the best on the test images too, or within one standard error of it |
# | You need | notebook 06 (training a residual network); helpful: 13 (SimCLR), 12 (noisy student), 07 (transfer) |
# | Reviewed | 2026-12-01, Colab's image of 2026-08-19 (Python 3.13, torch 2.11) |
#
# <!-- measured:begin -->
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | advice short of the best, standard errors: 0 | 7.9 |  | 2.3 GiB | CPU, 2 cores (Intel Xeon) |
#
# Minutes are those of the headline training and its baseline; experiments come on top and say theirs.
# On a GPU: pending, no such run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - compare methods so that the comparison means something: one split, the same labels for all, several draws,
# - put an error bar on a difference, and say how sure a choice is,
# - find the same photo on both sides of a split before it flatters you,
# - weigh accuracy against minutes, and more labels against a better method,
# - save a classifier as one file that needs none of this code, and check that it answers the same.

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
# **Your photos.** Put the path of a folder into `DATA`: one sub-folder of images for each class, beside them, if you
# have it, a sub-folder `unlabelled` with photos nobody has sorted. Folders `train` and `test`, or a `labels.csv` with
# the columns *file* and *label*, do as well. On Colab, upload the folder or mount your Drive. Everything below then is
# about your photos; the numbers in the text, and the expected result on the card, are those of the flowers.

# %%
import json
import math
import time
import warnings

import numpy as np
import pandas as pd
import torch
from IPython.display import display
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision import models
from tqdm.auto import tqdm

from helpers import config, data, evaluate, plots, provenance, results, runtime
from helpers.data import duplicates, pictures
from helpers.data.imageset import spread_order
from helpers.torch import augment, losses, networks, training

run = runtime.start("16_which_method_torch", PROFILE, SEED, USE_DRIVE)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% [markdown]
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, drawn
# pictures, a backbone without its weights); `laptop` is for a CPU, with a small network; `colab` is meant for a free
# T4; `full` has more draws and longer trainings. To change one value, write for instance `OVERRIDES = {"minutes": 45}`
# in the form above. `minutes` is the budget: if the trainings would take longer, all are shortened by the same factor.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn stripes instead of photographs
    "data_set": ("tf_flowers", "tf_flowers", "tf_flowers", "tf_flowers"),  # if DATA names no folder
    "image_size": (64, 96, 160, 224),  # pixels, of the photos as they are read
    "backbone_size": (64, 96, 160, 224),  # pixels, for the pretrained backbone
    "small_size": (32, 64, 96, 128),  # pixels, for the network that starts from nothing
    "most_images": (400, 6000, 20000, 100000),  # of the labelled photos, and of the others; more are left aside
    "most_test_images": (100, 2000, 10000, 50000),
    "validation_fraction": (0.2, 0.2, 0.2, 0.2),  # of the labelled photos, to choose by
    "drop_duplicates": (False, True, True, True),  # photos that are on both sides of a split; drawn ones all look alike
    "labels_per_class": ((4, 8), (5, 20, 80), (5, 20, 80), (5, 20, 80, 320)),  # the budgets of labels
    "num_draws": (2, 5, 5, 10),  # of the photos whose labels are used, for each budget
    "minutes": (3.0, 11.0, 25.0, 600.0),  # for all trainings together
    "use_pretrained": (True, True, True, True),  # False: no weights from ImageNet
    "imagenet_weights": (False, True, True, True),  # False: the same backbone, untrained
    "backbone": ("mobilenet_v2", "mobilenet_v2", "resnet50", "resnet50"),  # of torchvision
    "blocks": ((1, 1), (1, 1, 1, 1), (2, 2, 2, 2), (2, 2, 2, 2)),  # the network that starts from nothing
    "width": (8, 16, 48, 64),  # channels of its first stage
    "batch_size": (16, 64, 128, 256),  # images
    "num_steps": (40, 200, 1000, 6000),  # of a training from nothing, and of a student
    "finetune_steps": (4, 40, 200, 1000),
    "finetune_batch_size": (8, 16, 64, 128),
    "simclr_steps": (20, 1200, 6000, 40000),
    "simclr_learning_rate": (0.1, 0.1, 0.2, 0.4),
    "temperature": (0.2, 0.2, 0.2, 0.2),
    "l2": ((0.1,), (1.0, 0.1, 0.01), (1.0, 0.1, 0.01), (1.0, 0.1, 0.01)),  # weight decay of a linear layer, tried
    "learning_rates": ((0.1,), (0.02, 0.05, 0.1), (0.02, 0.05, 0.1), (0.02, 0.05, 0.1)),  # of SGD, tried
    "finetune_rates": ((1e-4,), (3e-5, 1e-4, 3e-4), (3e-5, 1e-4, 3e-4), (3e-5, 1e-4, 3e-4)),  # of AdamW, tried
    "threshold": (0.3, 0.5, 0.5, 0.5),  # least confidence of a pseudo-label
    "student_views": ("mild", "mild", "strong", "strong"),  # strong ones need long trainings
    "target_shortfall": (None, 1.0, 1.0, 1.0),  # standard errors by which the method named may miss the best
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# ## Your photos, and which of them may be used for what
#
# - The **test** images answer one question, once, at the very end: was the advice right?
# - The **validation** images choose: between methods, learning rates and so on.
# - The **pool** is what methods learn from. Of each *budget* of labels, such as five a class, several **draws** are
#   made: *these* photos have labels, the others of the pool count as unlabelled, like those in your folder
#   `unlabelled`. All methods get the same draws. So we see what a method makes of few labels, although you may have
#   many, and how much depends on which photos happened to be labelled.

# %%
train_all = data.load(cfg.data_set, "train", cfg.image_size, cfg.stand_in, own_folder=DATA)
test_set = data.load(cfg.data_set, "test", cfg.image_size, cfg.stand_in, own_folder=DATA)
unlabelled = data.load_unlabelled(DATA, train_all.image_shape) if DATA else train_all.subset(np.arange(0))
train_all, test_set, unlabelled = (each if len(each) <= most else each.stratified(most, seed=0) for each, most in (
    (train_all, cfg.most_images), (test_set, cfg.most_test_images), (unlabelled, cfg.most_images)))
pool, validation_set = train_all.split_off(cfg.validation_fraction, seed=0)

# %% [markdown]
# **The same photo twice** is the commonest way to fool oneself: a burst of five shots, a picture saved in two sizes.
# One copy is learnt, the other is asked for, and the answer is remembered rather than known. Names do not help, bytes
# do not agree; a *perceptual hash* does: 255 bits that say how the brightness changes across the picture, nearly the
# same for two versions of one photo. What looks like a photo of validation or test is left out of what methods learn
# from; and what looks like a test photo out of validation too, for the classifier to keep, at the end, learns from that
# as well.

# %%
LEARNT = {"pool": pool, "unlabelled": unlabelled, "validation": validation_set}  # the last by the classifier to keep
HELD_OUT = {"validation": validation_set, "test": test_set}
twins = {(a, b): duplicates.find(LEARNT[a], HELD_OUT[b]) for a in LEARNT for b in HELD_OUT if a != b}
print({f"{a} and {b}": f"{len(pairs)} pairs look the same" for (a, b), pairs in twins.items()})
shown = [image for (a, b), pairs in twins.items() for i, j in pairs[:6] for image in (
    LEARNT[a].images[i], HELD_OUT[b].images[j])]
if shown:
    titles = ["learnt", "held out"] * (len(shown) // 2)
    display(results.save_figure(run, "twins", plots.image_grid(np.stack(shown), titles, num_columns=6)))
leaked = {a: np.unique(np.concatenate([pairs[:, 0] for (learnt, _), pairs in twins.items() if learnt == a]))
          for a in LEARNT if cfg.drop_duplicates}
for a, places in leaked.items():
    LEARNT[a] = LEARNT[a].subset(np.setdiff1d(np.arange(len(LEARNT[a])), places))
    print(f"{a}: {len(places)} photos left out")
pool, unlabelled, validation_set = LEARNT.values()

# %% [markdown]
# Of the flowers (profile `laptop`) fourteen pairs look the same: the same bouquet, saved twice; the same field in other
# colours; the same tulips, brighter. Half a percent of the photos can do little harm. In a folder of series it may be
# most of them, and there the hash is not enough: it does not see the next shot of a series, taken a step aside. If your
# photos come in series, sort them into `train` and `test` yourself, with each series on one side only.

# %%
PARTS = LEARNT | {"test": test_set}
for name, image_set in PARTS.items():
    print(f"{name:<11} {len(image_set):>6} images {image_set.image_shape}, per class {image_set.counts()}")
print(pool.source)
NUM_CLASSES = pool.num_classes
BUDGETS = sorted({min(count * NUM_CLASSES, len(pool)) for count in cfg.labels_per_class})
ALL = len(pool) + len(validation_set)  # labels that the classifier to keep will learn from
few = pool.stratified(min(40, len(pool)), seed=0)
results.save_figure(run, "samples", plots.image_grid(
    few.images, [few.class_names[label] for label in few.labels], num_columns=10))

# %% [markdown]
# All photos lie on the device as bytes, in the order pool, unlabelled, validation, test; `PART` says which are where.
# Each network gets them in its own size.

# %%
ends = np.cumsum([len(each) for each in PARTS.values()])
PART = {name: np.arange(end - len(each), end) for (name, each), end in zip(PARTS.items(), ends)}
LABELS = np.concatenate([each.labels for each in PARTS.values()])
ONE_HOT = torch.eye(NUM_CLASSES, device=DEVICE)  # row i is the target of class i
ALL_PHOTOS = torch.cat([training.tensors(each)[0].to(DEVICE) for each in PARTS.values()])


def resized(images, size):
    """Scale square images to `size` pixels, antialiased; `(N, 3, S, S)` uint8 to uint8, or float to float."""
    scaled = functional.interpolate(images.float(), size=(size, size), mode="bilinear", antialias=True)
    return scaled.round().to(torch.uint8) if images.dtype == torch.uint8 else scaled


SMALL, LARGE = (torch.cat([resized(chunk, size) for chunk in ALL_PHOTOS.split(1000)]) for size in (
    min(cfg.small_size, cfg.image_size), cfg.backbone_size))
IMAGES = {"nothing": SMALL, "SimCLR": SMALL, "ImageNet": LARGE}  # where the network starts from -> what it gets to see
BATCH_SIZE = {"nothing": cfg.batch_size, "SimCLR": cfg.batch_size, "ImageNet": cfg.finetune_batch_size}


def keep(file, content):
    """Save what `torch.load` reads without running code; the file is there when it is whole, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file.with_suffix(".part"))
    file.with_suffix(".part").replace(file)


def draw(budget, number):
    """Return the indices of the labelled photos of a draw, and of all that count as unlabelled in it."""
    if budget == ALL:
        return np.concatenate([PART["pool"], PART["validation"]]), PART["unlabelled"]
    order = spread_order(pool.labels, seed=1000 * SEED + number)
    return order[:budget], np.concatenate([order[budget:], PART["unlabelled"]])


# %% [markdown]
# ## Six methods
#
# A classifier here is an *encoder*, which turns an image into a vector of *features*, and a linear layer. The methods
# differ in where the encoder comes from and in what the labels train:
#
# | method | the encoder starts from | the labels train |
# |---|---|---|
# | from scratch | random weights | all of it |
# | noisy student | random weights | all of it, with what the first method guesses for unlabelled photos (notebook 12) |
# | SimCLR, linear | training on all photos of the pool without labels (notebook 13) | the linear layer |
# | SimCLR, fine-tuned | the same | first the linear layer, then all of it |
# | ImageNet, linear | training on a million labelled photos of a thousand things, not ours | the linear layer |
# | ImageNet, fine-tuned | the same | first the linear layer, then all of it |
#
# The first four share one small residual network. The others use a backbone of torchvision with published weights; its
# batch norm keeps ImageNet's statistics, also in training, for a handful of photos would spoil them.

# %%
METHODS = {"from scratch": ("nothing", "network"), "noisy student": ("nothing", "student"),
           "SimCLR, linear": ("SimCLR", "linear"), "SimCLR, fine-tuned": ("SimCLR", "network"),
           "ImageNet, linear": ("ImageNet", "linear"), "ImageNet, fine-tuned": ("ImageNet", "network")}
OWN = [name for name, (start, _) in METHODS.items() if start != "ImageNet"]
if not cfg.use_pretrained:
    METHODS = {name: METHODS[name] for name in OWN}
LOCAL_WEIGHTS = runtime.data_dir() / "weights" / f"{cfg.backbone}_features_fp16.pth"  # used if it is there


class Backbone(nn.Module):
    """A network of torchvision without its last layer; images float `(N, 3, H, W)` in [0, 1], features `(N, F)`."""

    def __init__(self):
        super().__init__()
        local = cfg.imagenet_weights and LOCAL_WEIGHTS.is_file()
        self.network = getattr(models, cfg.backbone)(weights="DEFAULT" if cfg.imagenet_weights and not local else None)
        if local:
            self.network.load_state_dict(torch.load(LOCAL_WEIGHTS, weights_only=True), strict=False)
        self.num_features = list(self.network.modules())[-1].in_features  # of the last layer, which is left out
        setattr(self.network, "fc" if hasattr(self.network, "fc") else "classifier", nn.Identity())
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))  # of ImageNet's photos
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, images):
        return self.network((images - self.mean) / self.std)


def new_network(start, dropout=0.0):
    """Return an encoder (of ImageNet, or untrained), dropout and a linear layer of zeros."""
    encoder = Backbone() if start == "ImageNet" else networks.resnet(
        cfg.blocks, cfg.width, stem="strided", zero_last_gamma=False)
    linear = nn.Linear(encoder.num_features, NUM_CLASSES)
    nn.init.zeros_(linear.weight), nn.init.zeros_(linear.bias)
    return nn.Sequential(encoder, nn.Dropout(dropout), linear).to(DEVICE, memory_format=torch.channels_last)


print({start: f"{training.count_parameters(new_network(start)):,} parameters" for start in ("nothing", "ImageNet")})

# %% [markdown]
# **Views.** Whatever trains a whole network sees each photo at random: a part of it, mirrored or not, its colours
# changed. SimCLR needs strong changes, and so does a student that trains for long; the others get milder ones. Each
# photo of a batch has its own. Look whether you can still tell what the strong views show.

# %%
MILD = {"least_area": 0.4, "jitter": 0.2, "gray": 0.0}
STRONG = {"least_area": 0.2, "jitter": 0.4, "gray": 0.1}


def random_view(images, least_area, jitter, gray):
    """Return one random view of each image; float `(N, 3, S, S)` in [0, 1] in and out."""
    images = augment.random_resized_crop(images, scale=(least_area, 1.0))
    images = augment.random_horizontal_flip(images)
    images = augment.random_color_jitter(images, jitter, jitter, jitter, jitter / 4, probability=0.8)
    return augment.random_grayscale(images, gray)


torch.manual_seed(0)
original = ALL_PHOTOS[:2].float() / 255
rows = [torch.cat([image[None], *(random_view(image.repeat(4, 1, 1, 1), **kind) for kind in (MILD, STRONG))])
        for image in original]
results.save_figure(run, "views", plots.image_grid(
    torch.cat(rows).cpu().numpy().transpose(0, 2, 3, 1), (["original"] + ["mild"] * 4 + ["strong"] * 4) * 2,
    num_columns=9))

# %% [markdown]
# **Training.** A linear layer is trained on features that were computed once, before any label is used: softmax
# regression, the weights $W$ and biases $b$ that minimise the mean cross-entropy plus $\frac{\lambda}{2} \lVert W
# \rVert^2$ (`l2` is $\lambda$), found by L-BFGS, without learning rate or luck. For it the features are brought to mean
# 0, and all together to standard deviation 1; folded into $W$ and $b$, that costs nothing later.
#
# A whole network is trained by SGD with momentum 0.9, the pretrained backbone by AdamW, whose steps do not depend on
# how large the gradients of its layers are; the learning rate rises for a fifth of the steps and falls along half a
# cosine. Targets are rows of probabilities, one-hot for a label. If there are two sources of images (labelled and
# pseudo-labelled), each gives half of every batch.

# %%
HALF = {"device_type": DEVICE.type, "dtype": torch.float16, "enabled": DEVICE.type == "cuda"}  # mixed precision


def fit_linear(features, targets, l2):
    """Return the `nn.Linear` of a softmax regression; features float `(N, F)`, targets `(N, K)`."""
    mean, scale = features.mean(0), (features - features.mean(0)).square().mean().sqrt().clamp(min=1e-12)
    scaled, linear = (features - mean) / scale, nn.Linear(features.shape[1], targets.shape[1]).to(features.device)
    nn.init.zeros_(linear.weight), nn.init.zeros_(linear.bias)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        loss = functional.cross_entropy(linear(scaled), targets) + l2 / 2 * linear.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    with torch.no_grad():
        linear.weight /= scale
        linear.bias -= linear.weight @ mean
    return linear


# %%
def sgd(network, learning_rate):
    return torch.optim.SGD(network.parameters(), learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4)


def optimise(optimizer, loss_of_batch, num_steps):
    """Train in place; `loss_of_batch()` draws a batch and gives its loss. Returns all losses, float `(num_steps,)`."""
    num_warmup_steps = max(1, num_steps // 5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        (step + 1) / num_warmup_steps,
        0.5 * (1 + math.cos(math.pi * max(0, step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)))))
    scaler, recorded = torch.amp.GradScaler(DEVICE.type, init_scale=1024.0, enabled=HALF["enabled"]), []
    for _ in tqdm(range(num_steps), leave=False):
        loss = loss_of_batch()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        recorded.append(loss.detach())
    return torch.stack(recorded).float().cpu().numpy()


def outputs(network, images, view):
    """Return what a network makes of one view of each image; uint8 `(N, 3, S, S)` in, float32 out."""
    views = random_view(images.float() / 255, **view).contiguous(memory_format=torch.channels_last)
    with torch.autocast(**HALF):
        return network(views).float()


def fit_network(network, start, sources, view, learning_rate, num_steps):
    """Train in place; `sources` are pairs of indices of images and targets `(N, K)`."""
    def loss_of_batch():
        share = BATCH_SIZE[start] // len(sources)
        rows = [torch.randint(len(places), (share,), device=DEVICE) for places, _ in sources]
        batch = IMAGES[start][torch.cat([places[chosen] for (places, _), chosen in zip(sources, rows)])]
        targets = torch.cat([targets[chosen] for (_, targets), chosen in zip(sources, rows)])
        return functional.cross_entropy(outputs(network, batch, view), targets)

    network.train(start != "ImageNet")  # whose batch norm keeps its statistics
    optimizer = torch.optim.AdamW(network.parameters(), learning_rate) if start == "ImageNet" else sgd(
        network, learning_rate)
    return optimise(optimizer, loss_of_batch, num_steps)


# %% [markdown]
# ## The budget of minutes
#
# How long will all this take? One step of each kind of training is timed, and multiplied. If the sum is more than
# `minutes`, all trainings are shortened by the same factor; draws are not cut, for without them there are no error
# bars. The plan is written down, so that an interrupted run goes on with the same numbers of steps. (A GPU and a CPU
# have a plan each, and trainings of their own: what takes minutes on the one takes hours on the other.)

# %%
def seconds_per_step(start, num_steps):
    """Time some steps of training on the pool."""
    network, places = new_network(start), torch.arange(len(pool), device=DEVICE)
    sources, started = [(places, ONE_HOT[torch.from_numpy(pool.labels).to(DEVICE)])], time.perf_counter()
    fit_network(network, start, sources, STRONG, 0.01, num_steps)
    return (time.perf_counter() - started) / num_steps


plan_file = run.folder / f"plan-{config.fingerprint([config.as_dict(cfg), len(LABELS), DEVICE.type])}.pt"
if not plan_file.is_file():  # the first step of a network takes longer, and is left out
    keep(plan_file, {start: [seconds_per_step(start, count) for count in (1, 3)][-1]
                     for start in ("nothing", "ImageNet")[:1 + cfg.use_pretrained]})
seconds = {"ImageNet": 0.0} | torch.load(plan_file, weights_only=True)
trainings = len(BUDGETS) * cfg.num_draws + len(cfg.learning_rates) - 1
minutes = pd.Series({
    "from scratch": trainings * cfg.num_steps * seconds["nothing"],
    "noisy student": trainings * cfg.num_steps * seconds["nothing"],
    "SimCLR, without labels": 2 * cfg.simclr_steps * seconds["nothing"],  # two views of each image
    "SimCLR, fine-tuned": trainings * cfg.finetune_steps * seconds["nothing"],
    "ImageNet, fine-tuned": trainings * cfg.finetune_steps * seconds["ImageNet"]}, name="minutes, if whole") / 60
FACTOR = min(1.0, cfg.minutes / minutes.sum())
STEPS, FINETUNE_STEPS, SIMCLR_STEPS = (max(1, round(FACTOR * number)) for number in (
    cfg.num_steps, cfg.finetune_steps, cfg.simclr_steps))
display(minutes.round(1).to_frame())
print(f"budget {cfg.minutes:g} minutes: all trainings get {FACTOR:.0%} of their length, {STEPS} steps from nothing, "
      f"{FINETUNE_STEPS} of fine-tuning, {SIMCLR_STEPS} of SimCLR")

# %% [markdown]
# ## Training without labels
#
# SimCLR shows the small network two views of each of $N$ photos and asks which of the other $2N - 1$ views of the batch
# comes from the same photo. Notebook 13 explains the loss and looks at what is learnt; here it is one training, which
# all draws and budgets share. (So the error bars of its methods do not hold the luck of this training.) It sees all
# photos of the pool and of `unlabelled`, but neither validation nor test. Before training, $\ln(2N - 1)$ is the loss to
# expect.

# %%
def pretrain(num_steps):
    """Train encoder and head without labels; returns the encoder, the losses and the seconds."""
    runtime.seed_everything(SEED)
    encoder, started = new_network("nothing")[0], time.perf_counter()
    head = networks.projection_head(encoder.num_features, 2 * encoder.num_features, 64).to(DEVICE)
    model, images = nn.Sequential(encoder, head).train(), SMALL[:len(pool) + len(unlabelled)]

    def loss_of_batch():
        batch = images[torch.randperm(len(images), device=DEVICE)[:cfg.batch_size]]
        return losses.nt_xent(outputs(model, batch, STRONG), outputs(model, batch, STRONG), cfg.temperature)

    found = optimise(sgd(model, cfg.simclr_learning_rate), loss_of_batch, num_steps)
    return encoder, found, time.perf_counter() - started


CODE = provenance.source_hash(Backbone, new_network, random_view, fit_linear, sgd, optimise, outputs, fit_network,
                              resized, draw, pretrain)
DECIDING = ("small_size", "backbone_size", "imagenet_weights", "backbone", "blocks", "width", "batch_size",
            "finetune_batch_size", "simclr_learning_rate", "temperature", "threshold",
            "student_views")  # more draws need nothing anew
SETTINGS = {name: config.as_dict(cfg)[name] for name in DECIDING} | {
    "code": CODE, "seed": SEED, "device": DEVICE.type, "steps": [STEPS, FINETUNE_STEPS, SIMCLR_STEPS],
    "photos": [each.fingerprint() for each in PARTS.values()]}
simclr_file = run.folder / f"simclr-{config.fingerprint(SETTINGS)}.pt"
if not simclr_file.is_file():
    encoder, simclr_losses, seconds = pretrain(SIMCLR_STEPS)
    keep(simclr_file, {"encoder": encoder.state_dict(), "losses": simclr_losses.tolist(), "seconds": seconds})
kept = torch.load(simclr_file, map_location="cpu", weights_only=True)
simclr_losses, simclr_minutes = np.array(kept["losses"]), kept["seconds"] / 60
history = [{"step": int(part[-1]) + 1, "loss": simclr_losses[part].mean()}
           for part in np.array_split(np.arange(SIMCLR_STEPS), min(40, SIMCLR_STEPS))]
assert SIMCLR_STEPS < 100 or history[-1]["loss"] < simclr_losses[0], "does not fall: lower simclr_learning_rate"
print(f"first loss {simclr_losses[0]:.2f}, ln(2N - 1) = {math.log(2 * min(cfg.batch_size, len(pool)) - 1):.2f}, last "
      f"{history[-1]['loss']:.2f}; {simclr_minutes:.1f} minutes")
tensorboard = training.TensorBoard(run.folder / "tensorboard" / "simclr")
for step in history:
    tensorboard.log(step["step"], step)
tensorboard.close({"temperature": cfg.temperature}, {"final/loss": history[-1]["loss"]})
results.save_figure(run, "simclr", plots.curves({"SimCLR": history}, ["loss"], {"loss": "nats"}, x="step"))

# %% [markdown]
# On the flowers the loss starts at 4.86, where $\ln 127 = 4.84$ is expected (the curve shows means of 25 steps), is
# down to half of that after half of the steps, and ends at 2.2.
#
# Now the features of all photos, once, from both encoders. Neither is trained by it: a hash of all weights and
# statistics must be the same before and after.

# %%
ENCODERS = {start: new_network(start)[0].eval() for start in ("SimCLR", "ImageNet")[:1 + cfg.use_pretrained]}
ENCODERS["SimCLR"].load_state_dict(kept["encoder"])
FEATURES, SHARED_MINUTES = {}, {"nothing": 0.0, "SimCLR": simclr_minutes, "ImageNet": 0.0}
for start, encoder in ENCODERS.items():
    started, before = time.perf_counter(), networks.weights_hash(encoder)
    with torch.autocast(**HALF):
        FEATURES[start] = torch.from_numpy(training.predict(encoder, IMAGES[start], batch_size=200)).to(DEVICE)
    assert networks.weights_hash(encoder) == before, f"the encoder of {start} has changed"
    SHARED_MINUTES[start] += (time.perf_counter() - started) / 60
    print(f"{start}: {FEATURES[start].shape[1]} features, {(time.perf_counter() - started) / 60:.1f} minutes")

# %% [markdown]
# ## One arm
#
# `build` trains one classifier; `arm` calls it for one method, budget and draw and keeps its answers in a file, so that
# an interrupted run goes on where it was. It answers for the test images too, but nobody looks at that before the end.
# The student gets the guesses of *from scratch* for the same draw: probabilities, if the largest is at least
# `threshold`.

# %%
def build(method, labelled, others, options, guesses=None):
    """Train one classifier on the labels of the photos `labelled`; returns a network for images in [0, 1].

    `guesses` are the first method's probabilities `(N, K)` for all photos; the student learns from those of `others`.
    """
    start, trained = METHODS[method]
    places = torch.from_numpy(labelled).to(DEVICE)
    sources = [(places, ONE_HOT[torch.from_numpy(LABELS[labelled]).to(DEVICE)])]
    network = new_network(start, dropout=0.2 if trained == "student" else 0.0)
    if start != "nothing":
        network[0].load_state_dict(ENCODERS[start].state_dict())
        network[2] = fit_linear(FEATURES[start][places], sources[0][1], options["l2"])
    if trained == "linear":
        return network
    if trained == "student":
        sure = torch.from_numpy(others[guesses[others].max(1) >= cfg.threshold]).to(DEVICE)
        sources += [(sure, torch.from_numpy(guesses).float().to(DEVICE)[sure])] if len(sure) else []
    view = STRONG if trained == "student" and cfg.student_views == "strong" else MILD
    fit_network(network, start, sources, view, options["learning_rate"],
                STEPS if start == "nothing" else FINETUNE_STEPS)
    return network


def answers(method, network, places):
    """Return the logits for the photos at `places`, float32 `(len(places), K)`."""
    start, trained = METHODS[method]
    with torch.no_grad(), torch.autocast(**HALF):
        if trained == "linear":
            return network[-1](FEATURES[start][places]).float().cpu().numpy()
        return training.predict(network, IMAGES[start][places], batch_size=200)


# %%
def arm(method, budget, number, options):
    """Return the logits of a draw, for all photos that are asked, and the seconds; from a file, if it is there."""
    settings = SETTINGS | {"method": method, "budget": budget, "draw": number, "options": options,
                           "arm": provenance.source_hash(build, answers)}
    file = run.folder / "arms" / f"{method.replace(', ', '-').replace(' ', '-')}-{config.fingerprint(settings)}.pt"
    if not file.is_file():
        labelled, others = draw(budget, number)
        guesses = None
        if METHODS[method][1] == "student":
            guesses = evaluate.softmax(arm("from scratch", budget, number, OPTIONS["from scratch"])["logits"])
        runtime.seed_everything(SEED + number)
        started = time.perf_counter()
        network = build(method, labelled, others, options, guesses)
        seconds = time.perf_counter() - started
        asked = np.arange(len(LABELS)) if method == "from scratch" else np.concatenate(
            [PART["validation"], PART["test"]])  # the first method also guesses what the student learns
        logits = np.zeros((len(LABELS), NUM_CLASSES), np.float32)
        logits[asked] = answers(method, network, asked)
        keep(file, {"logits": torch.from_numpy(logits), "seconds": seconds,
                    "weights": network.state_dict() if budget == ALL else {}})
    kept = torch.load(file, map_location="cpu", weights_only=True)
    return kept | {"logits": kept["logits"].numpy()}


def right(method, budget, number, part, options=None):
    """Return for each photo of a part whether the answer is right, bool `(n,)`."""
    logits = arm(method, budget, number, options or OPTIONS[method])["logits"][PART[part]]
    return logits.argmax(1) == LABELS[PART[part]]


# %% [markdown]
# **The same care for all.** Each method gets its own learning rate, or $\lambda$, chosen among as many, on the
# validation images, with the first draw of the middle budget. Fine-tuning begins with the linear layer that was chosen
# before it [1]; the student takes the learning rate of its teacher.

# %%
CHOICES = {"linear": [{"l2": value} for value in cfg.l2],
           "nothing": [{"learning_rate": value} for value in cfg.learning_rates],
           "ImageNet": [{"learning_rate": value} for value in cfg.finetune_rates]}
CHOICES["SimCLR"] = CHOICES["nothing"]
OPTIONS, tried = {}, []
for method, (start, trained) in METHODS.items():
    linear = OPTIONS.get(method.replace("fine-tuned", "linear"), {})
    choices = [OPTIONS["from scratch"]] if trained == "student" else [
        linear | choice for choice in CHOICES["linear" if trained == "linear" else start]]
    accuracies = [100 * right(method, BUDGETS[len(BUDGETS) // 2], 0, "validation", choice).mean() for choice in choices]
    OPTIONS[method] = choices[int(np.argmax(accuracies))]
    tried += [{"method": method, **choice, "accuracy (%)": accuracy, "chosen": "*" * (choice is OPTIONS[method])}
              for choice, accuracy in zip(choices, accuracies)]
display(pd.DataFrame(tried).round({"accuracy (%)": 1}).fillna(""))

# %% [markdown]
# A star at the end of a list says that the list may be too short. On the flowers it stands there in four of the five
# lists (learning rates: from scratch 0.02, SimCLR 0.1, ImageNet 0.00003; $\lambda = 1$ for SimCLR, linear). But the
# value beside it is worse by 1.2 to 1.9 points, and the standard error of one accuracy on 584 photos is 2: a longer
# list would choose among chances.
#
# ## All arms

# %%
for method in METHODS:
    for budget in BUDGETS:
        seconds = sum(arm(method, budget, number, OPTIONS[method])["seconds"] for number in range(cfg.num_draws))
        print(f"{method:<21} {budget:>6} labels, {cfg.num_draws} draws: {seconds / 60:5.2f} minutes", flush=True)


def correct(methods, budget, part):
    """Return whether each answer is right, bool `(methods, draws, images)`."""
    return np.array([[right(method, budget, number, part) for number in range(cfg.num_draws)] for method in methods])


MINUTES = {method: SHARED_MINUTES[start] + np.mean([arm(method, BUDGETS[-1], number, OPTIONS[method])["seconds"]
                                                   for number in range(cfg.num_draws)]) / 60
           for method, (start, _) in METHODS.items()}
MINUTES["noisy student"] += MINUTES["from scratch"]

# %% [markdown]
# ## How sure is a difference?
#
# Two things could have come out otherwise: which photos were labelled (the draws) and which photos we ask about (the
# validation images). The *bootstrap* [2] plays both again: it draws as many draws from ours, with replacement, and as
# many images, and computes all accuracies anew, the same for all methods, two thousand times. The standard deviation of
# what comes out is the *standard error* of an accuracy, or of a difference of two; and the share of the resamples in
# which a method is the best one says how sure its victory is. (With five draws, their part of the error comes out a
# tenth too small.) In the advice, a method "cannot be told from" the best if it is at most one standard error behind.

# %%
def resampled(correct, count=2000, seed=0):
    """Return accuracies `(count, methods)` in percent, with draws and images drawn anew; see `correct`."""
    generator = np.random.default_rng(seed)
    _, num_draws, num_images = correct.shape
    draws = generator.multinomial(num_draws, np.full(num_draws, 1 / num_draws), count) / num_draws
    images = generator.multinomial(num_images, np.full(num_images, 1 / num_images), count) / num_images
    by_draw = correct.reshape(-1, num_images).astype(np.float64) @ images.T  # (methods * draws, count)
    return 100 * np.einsum("mdr,rd->rm", by_draw.reshape(len(correct), num_draws, count), draws)


def compared(methods, budget, part):
    """Return a table, the best method first: accuracy, distance to the best, their errors, how often it is the best."""
    answers = correct(methods, budget, part)
    means, again = 100 * answers.mean((1, 2)), resampled(answers)
    best = int(means.argmax())
    table = pd.DataFrame({
        "accuracy (%)": means, "standard error": again.std(0), "behind the best": means[best] - means,
        "error of that": (again[:, [best]] - again).std(0), "minutes": [MINUTES[method] for method in methods],
        "best in (%)": 100 * np.bincount(again.argmax(1), minlength=len(methods)) / len(again)}, index=methods)
    return table.sort_values("accuracy (%)", ascending=False, kind="stable")


def advice(table):
    """Return the advice in words."""
    first, second = table.iloc[0], table.iloc[1]
    name, alike = table.index[0], table[table["behind the best"] <= table["error of that"]]
    if len(alike) == 1:
        return (f"Use “{name}”. It is the best in {first['best in (%)']:.0f} % of the resamples; “{table.index[1]}” "
                f"is {second['behind the best']:.1f} ± {second['error of that']:.1f} points behind.")
    return (f"“{name}” came out first, in {first['best in (%)']:.0f} % of the resamples, but cannot be told from "
            f"“{'” and “'.join(alike.index[1:])}”. Of these “{alike['minutes'].idxmin()}” costs least.")


# %%
tables = {budget: compared(list(METHODS), budget, "validation") for budget in BUDGETS}
for budget, table in tables.items():
    print(f"With {budget} labels: {advice(table)}")
    display(table.round(1))

lines = {method: [{"labels": budget, "accuracy": table.loc[method, "accuracy (%)"]} for budget, table in tables.items()]
         for method in METHODS}
figure = plots.curves(lines, "accuracy", {"accuracy": "%, validation; bars: standard error"}, 1, "labels")
ax = figure.axes[0]
for method, line in zip(METHODS, list(ax.lines)):
    ax.errorbar(*line.get_data(), [table.loc[method, "standard error"] for table in tables.values()], fmt="none",
                capsize=3, ecolor=line.get_color())
ax.set_xscale("log")
ax.set_xticks(BUDGETS, [str(budget) for budget in BUDGETS])
ax.minorticks_off()
display(results.save_figure(run, "budgets", figure))

# %% [markdown]
# How to read it: two lines whose bars overlap may still differ surely, for all methods had the same labels and were
# asked the same photos; *behind the best* and *error of that* take this into account, the bars do not.
#
# On the flowers there are two groups. With ImageNet's weights 25 labels, five of each kind, bring 62 %, as much as any
# other reaches with 400 (61 ± 2). The four others lie within 7 points of each other with 25 labels, within 5 with more.
# SimCLR with fine-tuning is ahead of *from scratch* by 5.6 ± 1.4, 2.2 ± 1.8 and 0.6 ± 1.8 points with 25, 100 and 400
# labels, for 1.8 minutes instead of 0.2; only with 25 is that more than two standard errors. The noisy
# student gains nothing (notebook 12 says when it does). And more labels are worth more than most choices within a
# group: four times as many bring 8 to 13 points from 25 on, 4 to 8 from 100 on.
#
# ## The advice for your photos
#
# It is fixed now, before any test image is looked at: once for all methods, once for the case that weights from
# ImageNet are out of the question (their licence, a medical device, images unlike any photograph).

# %%
NAMED = tables[BUDGETS[-1]].index[0]
print(f"ADVICE for {BUDGETS[-1]} labels. {advice(tables[BUDGETS[-1]])}")
print(f"Without ImageNet's weights. {advice(compared(OWN, BUDGETS[-1], 'validation'))}")
if len(BUDGETS) > 1:
    gain = np.diff([table.loc[NAMED, "accuracy (%)"] for table in tables.values()])[-1]
    print(f"More labels: from {BUDGETS[-2]} to {BUDGETS[-1]} they brought “{NAMED}” {gain:+.1f} points.")

# %% [markdown]
# ## Was it right? The test images, once
#
# The *shortfall* of an advice is how far the method it names is behind the best one on the test images, in standard
# errors of that difference. 0: it is the best. Up to 1: it is as good, as far as one can tell. The *separation* is the
# same number for best and worst: if it were small, any advice would be right.

# %%
tests = {budget: compared(list(METHODS), budget, "test") for budget in BUDGETS}
display(pd.DataFrame({(f"{budget} labels", side): each[budget]["accuracy (%)"]
                      for budget in BUDGETS for side, each in (("validation", tables), ("test", tests))}).round(1))
checks = {}
for budget in BUDGETS:
    for kind, methods in {"all methods": list(METHODS), "without ImageNet": OWN}.items():
        name, table = compared(methods, budget, "validation").index[0], compared(methods, budget, "test")
        behind = table["behind the best"] / table["error of that"].clip(lower=1e-9)
        checks[budget, kind] = {"named": name, "shortfall": behind[name], "separation": behind.iloc[-1]}
display(pd.DataFrame(checks).T)

# %% [markdown]
# On the flowers all six pieces of advice, three budgets with and without ImageNet's weights, name the method that is
# the best on the test images as well: the shortfall is 0. With all methods best and worst are 9 to 13 standard errors
# apart, but “ImageNet, fine-tuned” and “ImageNet, linear” only 2.5, 3.0 and 1.1. Without ImageNet's weights best and
# worst are 5.1, 2.9 and 3.5 apart, “SimCLR, fine-tuned” and “from scratch” 4.8, 2.5 and 1.5. With 400 labels both
# pieces of advice name two methods as equal.
#
# A second trial (one run, without a record), on 3,000 photos of CIFAR-10 with 50, 200 and 800 labels: with all methods
# right three times. Without ImageNet's weights “SimCLR, fine-tuned” was named each time; the test images put “SimCLR,
# linear” 1.1 and 1.0 points before it with 200 and 800 labels, 1.7 and 1.8 standard errors. The advice had warned: the
# best in 46 and 51 % of the resamples, not to be told from two others. Where it says so, believe it.
#
# ## The classifier to keep
#
# The method named is trained once more, with all labels there are, those of the validation images too (the method is
# chosen, they are free). How sure it may be of an answer is brought in line with how often it is right: one
# *temperature* divides its logits (notebook 01). It is found on the validation photos, with a training that had the
# labels of the pool only: nearly as many labels, for the more there are, the surer a classifier is, and with reason.

# %%
final = arm(NAMED, ALL, 0, OPTIONS[NAMED])
final_logits = final["logits"][PART["test"]]
final_accuracy = 100 * evaluate.accuracy(test_set.labels, final_logits.argmax(1))
held_out = arm(NAMED, len(pool), 0, OPTIONS[NAMED])["logits"][PART["validation"]]
temperature = evaluate.temperature_scale(held_out, validation_set.labels)
before, after = (evaluate.calibration(test_set.labels, evaluate.softmax(final_logits / divisor))
                 for divisor in (1.0, temperature))
print(f"{NAMED}, {ALL} labels: test accuracy {final_accuracy:.1f} %; temperature {temperature:.2f}, "
      f"calibration error {100 * before['expected_calibration_error']:.1f} -> "
      f"{100 * after['expected_calibration_error']:.1f} %")
matrix = evaluate.confusion_matrix(test_set.labels, final_logits.argmax(1), NUM_CLASSES)
display(results.save_figure(run, "confusion", plots.confusion(matrix, test_set.class_names)))
results.save_figure(run, "worst", plots.worst_errors(test_set, evaluate.softmax(final_logits / temperature), 12, 6))

# %% [markdown]
# With all 2,922 labels, seven times as many, ImageNet's fine-tuned network is right for 83 % of the test photos (80 %
# with 400). Tulips and roses are taken for one another most often (15 of 160 and 15 of 128), then sunflowers for
# dandelions and tulips for daisies (11 of 140 and of 160). The temperature of 1.13 says that it was a little too sure;
# the calibration error is 2.5 % with it and 3.7 % without, a difference that may be chance on 734 photos.
#
# Look at the last picture with your own labels in mind: where a good classifier is sure and yet "wrong", quite often
# the label is. Of the flowers, a house behind trees is labelled tulips, and so is a bare tree.
#
# ## One file
#
# `torch.export` writes down what the network computes, as a graph with its weights, so that the file needs none of this
# code: photos go in as bytes, probabilities come out. Class names, photo size and the story of the choice lie in the
# same file. Then it is read back, and must give the same answers.

# %%
class PhotoClassifier(nn.Module):
    """Photos uint8 `(N, 3, S, S)` to probabilities float `(N, K)`; scaling and temperature included."""

    def __init__(self, network, size, temperature):
        super().__init__()
        self.network, self.size, self.temperature = network, size, temperature

    def forward(self, photos):
        images = resized(photos.float() / 255, self.size)
        return functional.softmax(self.network(images) / self.temperature, 1)


start = METHODS[NAMED][0]
network = new_network(start).to("cpu", memory_format=torch.contiguous_format)  # as `torch.export` wants it
network.load_state_dict(final["weights"])
classifier = PhotoClassifier(network, IMAGES[start].shape[-1], temperature).eval()
photos = ALL_PHOTOS[PART["test"][:50]].cpu()
about = {"class_names": pool.class_names, "photo_size": cfg.image_size, "method": NAMED, "labels": ALL,
         "test_accuracy": final_accuracy, "source": pool.source}
program = torch.export.export(classifier, (photos,), dynamic_shapes={"photos": {0: torch.export.Dim("photos")}})
file, kept = run.folder / "classifier.pt2", {"about.json": ""}
torch.export.save(program, file, extra_files={"about.json": json.dumps(about)})
with warnings.catch_warnings(action="ignore"):  # torch 2.11 warns of how it reads its own file
    loaded = torch.export.load(file, extra_files=kept).module()
kept = json.loads(kept["about.json"])
with torch.no_grad():
    torch.testing.assert_close(loaded(photos), classifier(photos), rtol=1e-4, atol=1e-5)
print(f"{file}, {file.stat().st_size / 2**20:.1f} MiB: {len(kept['class_names'])} classes, photos of "
      f"{kept['photo_size']} pixels; the same answers as before saving")

# %% [markdown]
# **New photos.** Put paths into `NEW_PHOTOS` and run this cell; until then it takes three test images, written to
# files. A photo is turned upright, scaled until its shorter side fits, and cropped in the middle, as all photos above
# were. The classifier knows its own classes only: shown anything else, it will name one of them all the same.

# %%
NEW_PHOTOS = []
if not NEW_PHOTOS:
    for i, image in enumerate(test_set.images[:3]):
        NEW_PHOTOS.append(run.folder / f"new-photo-{i}.png")
        Image.fromarray(image).save(NEW_PHOTOS[-1])
new = np.stack([pictures.decode(photo, (kept["photo_size"], kept["photo_size"], 3)) for photo in NEW_PHOTOS])
with torch.no_grad():
    probabilities = loaded(torch.from_numpy(new.transpose(0, 3, 1, 2).copy())).numpy()
named_classes = [kept["class_names"][i] for i in probabilities.argmax(1)]
results.save_figure(run, "new_photos", plots.image_grid(
    new, [f"{name} {100 * row.max():.0f} %" for name, row in zip(named_classes, probabilities)], num_columns=3))

# %% [markdown]
# It is sure of the sunflowers, sees roses in the garden with the woman (80 %), and rightly hesitates before a purple
# field.
#
# ## Results

# %%
def summary(table, method):
    """Return mean accuracy, its standard error (as `sd`) and the number of draws."""
    return {"mean": table.loc[method, "accuracy (%)"], "sd": table.loc[method, "standard error"], "n": cfg.num_draws}


last = BUDGETS[-1]
seconds = [arm(method, budget, number, OPTIONS[method])["seconds"] for method in METHODS for budget in BUDGETS
           for number in range(cfg.num_draws)]
metrics = {
    "named_test_accuracy": summary(tests[last], NAMED), "final_test_accuracy": final_accuracy,
    "test_shortfall": checks[last, "all methods"]["shortfall"],
    "test_shortfall_without_imagenet": checks[last, "without ImageNet"]["shortfall"],
    "largest_test_shortfall": max(check["shortfall"] for check in checks.values()),
    "smallest_separation": min(check["separation"] for check in checks.values()),
    "best_in_percent": float(tables[last].iloc[0]["best in (%)"]), "share_of_full_length": FACTOR,
    "photos_left_out": sum(map(len, leaked.values())),
    **{f"minutes: {method}": value for method, value in MINUTES.items()},
    **{f"{part}, {budget} labels: {method}": summary(sides[budget], method) for part, sides in (
        ("validation", tables), ("test", tests)) for budget in BUDGETS for method in METHODS},
}
targets = [{"metric": metric, "at_most": None if DATA else cfg.target_shortfall}
           for metric in ("test_shortfall", "test_shortfall_without_imagenet")]
record = results.save(run, cfg, metrics, targets, [each for each in PARTS.values() if len(each)],
                      sum(seconds) / 60 + simclr_minutes)

# %% [markdown]
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **It takes too long**: lower `minutes`; or look with `num_draws` 2 first, whose error bars mean little.
# - **"cannot be told from"**: more draws help, and more validation photos about as much.
# - **Begun with a GPU, going on without one**, or the other way round: a plan and trainings of their own are begun.
#   Those of the first are kept, and found again when the GPU is back.
# - **Out of memory**: halve `batch_size` and `finetune_batch_size`, or lower `image_size` and `backbone_size`.
# - **A class has very few photos**: it takes its part in every draw only if its share of the budget is at least one.
# - **SimCLR's loss does not fall**: lower `simclr_learning_rate`; with fewer than some hundred photos it has little to
#   learn from.
# - **The weights cannot be downloaded**: put them where the message says, or `OVERRIDES = {"use_pretrained": False}`.
# - **The notebook seems not to train**: it resumed a finished run. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. The error of a difference.** Two methods answered the same photos. Return the standard error of the difference of
# their accuracies, in points, without a bootstrap: of $n$ differences with (sample) standard deviation $s$ the mean has
# the standard error $s / \sqrt n$.

# %% tags=["exercise"]
def exercise_1(first, second):
    """Return a float, points; `first` and `second` bool `(n,)`: was the answer right?"""
    raise NotImplementedError


def check_1(answer):
    first = np.random.default_rng(0).random(400) < 0.9
    second = np.where(np.arange(400) < 360, first, ~first)  # differs on 40 photos
    assert answer(first, first) == 0, "two methods that answer alike differ by 0, without any error"
    assert abs(answer(first, second) - 1.43) < 0.1, "the same photos: take the difference photo by photo first"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. How many photos to tell two methods apart?** They differ on a share $d$ of the photos, and one is ahead by $g$
# points. Return how many validation photos make the lead two standard errors. (The variance of a difference that is
# $-1$, 0 or 1 is about $d$, when $g$ is small.)

# %% tags=["exercise"]
def exercise_2(share_that_differs, lead):
    """Return an int; `share_that_differs` in [0, 1], `lead` in points."""
    raise NotImplementedError


def check_2(answer):
    assert answer(0.1, 2.0) == 1000, "0.02 must be two standard errors, each the root of 0.1 / n"
    assert answer(0.1, 1.0) == 4000, "half the lead takes four times the photos"


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. The cheapest that is as good.** From a table as above return the name of the method with the fewest minutes among
# those that are behind the best by at most one standard error of that difference [3].

# %% tags=["exercise"]
def exercise_3(table):
    """Return a name of `table.index`; columns "behind the best", "error of that" and "minutes" are used."""
    raise NotImplementedError


def check_3(answer):
    table = pd.DataFrame({"behind the best": [0.0, 0.8, 3.0], "error of that": [0.0, 1.0, 1.0],
                          "minutes": [9.0, 2.0, 0.1]}, index=["slow", "quick", "poor"])
    assert answer(table) == "quick", "within one error of the best, and cheaper"
    assert answer(table.assign(**{"error of that": 0.0})) == "slow", "nothing else is as good"


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(first, second):
    return 100 * np.std(first.astype(float) - second, ddof=1) / math.sqrt(len(first))


def solution_2(share_that_differs, lead):
    return math.ceil(round(4 * share_that_differs / (lead / 100) ** 2, 6))


def solution_3(table):
    return table[table["behind the best"] <= table["error of that"]]["minutes"].idxmin()


# %% [markdown]
# ## Conclusion
#
# On 3,670 photographs of flowers and a CPU (profile `laptop`, five draws, trainings at 85 % of their length, eleven
# minutes in all) the advice was right for every budget of labels, with and without ImageNet's weights. What it says is
# not new: published weights, if there are any for the kind of image, are worth more than all that can be learnt from a
# few thousand photos in minutes; a linear layer on top gets most of it at almost no cost. Fine-tuning adds 3.6 ± 1.4
# points with 25 labels, 1.1 ± 1.0 with 400 (± standard error). A study of sixteen networks on twelve sets of images [4]
# found that a network better on ImageNet is nearly always better to transfer (correlation 0.99 for a linear layer, 0.96
# for fine-tuning), so a larger `backbone` is the next thing to try; and that for some fine-grained kinds these weights
# help little, so try it on *your* photos.
#
# What is worth taking along is how it was found: the same labels and the same photos for all, several draws, an error
# bar on the *difference*, and advice fixed before the test images are touched. It takes little code, and lets you say
# "these two cannot be told apart" instead of choosing by the last digit. Two limits: one split, so that all draws come
# from the same pool; and one training of SimCLR, whose luck the bars do not hold.
#
# Next: the notebook of the method that won, to get more out of it: 07 (ImageNet's weights), 13 (SimCLR), 12 (noisy
# student), 06 (from scratch); 08 for networks that were published after training without labels.
#
# ## References
#
# 1. A. Kumar, A. Raghunathan, R. Jones, T. Ma, P. Liang. Fine-tuning can distort pretrained features and underperform
#    out-of-distribution. 2022. https://arxiv.org/abs/2202.10054
# 2. B. Efron, R. Tibshirani. An introduction to the bootstrap. Chapman & Hall, 1993.
# 3. T. Hastie, R. Tibshirani, J. Friedman. The elements of statistical learning, section 7.10: the one-standard-error
#    rule. 2nd edition, Springer, 2009.
# 4. S. Kornblith, J. Shlens, Q. V. Le. Do better ImageNet models transfer better? 2018.
#    https://arxiv.org/abs/1805.08974
