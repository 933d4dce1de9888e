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
# # VGG-16 on CIFAR-100, in PyTorch
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/05_vgg16_cifar100_torch.ipynb)
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
# | You need | notebook 04 (the training loop, and how to judge a classifier) |
# | Reviewed | 2026-11-22, Colab's image of 2026-08-19 (Python 3.13, torch 2.11) |
#
# <!-- measured:begin -->
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | test accuracy (%): 51.20 (n = 1) | 9.8 | 1,651 | 1.7 GiB | CPU, 2 cores (AMD EPYC) |
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
import time

import numpy as np
import torch
from IPython.display import display
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from helpers import config, data, evaluate, experiments, plots, provenance, results, runtime
from helpers.data.catalogue import CIFAR100_SUPERCLASSES
from helpers.torch import augment, explain, training

run = runtime.start("05_vgg16_cifar100_torch", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, drawn
# pictures instead of photographs); `laptop` is real CIFAR-100 on a CPU, with a quarter of the filters; `colab` is meant
# for a free T4 (an hour and a half for all cells by estimate, not yet measured; less without the experiments, by
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
    "compile_model": (False, False, False, True),
    "learning_rates": ((0.1,), (0.02, 0.05), (0.05, 0.1, 0.2), (0.05, 0.1, 0.2)),  # tried on validation
    "baseline_learning_rates": ((0.02,), (0.01, 0.03, 0.1), (0.01, 0.03, 0.1), (0.01, 0.03, 0.1)),
    "tuning_epochs": (1, 3, 4, 8),
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_images": (300, 10000, 20000, 45000),
    "experiment_epochs": (1, 4, 20, 40),
    "arms_per_question": (2, 9, 9, 9),  # at most
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
# As bytes the training images take 138 MB: they are moved to the GPU **once**, and batches are cut out of them there.
# `.cuda()` does it here, `.to(device)` for any device; the library `accelerate` (notebook 13) finds the device by
# itself.
#
# ## Augmentation on the device
#
# *Crop with padding* puts a black frame around the image and cuts out a window of the old size, *flip* mirrors each
# image with probability 1/2. Both take the whole batch at once and draw the place and the side **for each image**, see
# the seven views below.

# %%
train_images, train_labels = training.tensors(train_set)
validation_images, test_images = training.tensors(validation_set)[0], training.tensors(test_set)[0]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cuda":
    train_images, train_labels = train_images.cuda(), train_labels.cuda()
    validation_images, test_images = validation_images.cuda(), test_images.cuda()


def augmented(images, options):
    """Return the batch as the network sees it in training; float `(N, C, H, W)` in [0, 1]."""
    images = augment.random_crop(images, options["crop_padding"])
    return augment.random_horizontal_flip(images, 0.5 if options["flip"] else 0.0)


original = train_images[:1].float() / 255
views = augmented(original.repeat(7, 1, 1, 1), {"crop_padding": 4, "flip": True})
results.save_figure(run, "augmentation", plots.image_grid(
    torch.cat([original, views]).cpu().numpy().transpose(0, 2, 3, 1),
    ["original", *[f"view {i}" for i in range(1, 8)]], num_columns=8))

# %% [markdown]
# ## The network: VGG-16
#
# Two 3 x 3 convolutions in a row see 5 x 5 pixels, three see 7 x 7. For $C$ channels a single 7 x 7 convolution has
# $49\,C^2$ weights, three of 3 x 3 have $27\,C^2$, and three ReLUs where the other has one. That is VGG's argument [1]:
# small filters, stacked. Five blocks, each ending in a 2 x 2 max pooling that halves the size; the number of filters
# doubles from block to block, up to 512.
#
# | block | output (channels, height, width) | parameters, with biases |
# |---|---|---|
# | 1: two convolutions | 64, 16, 16 | 64 · (3 · 9 + 1) + 64 · (64 · 9 + 1) = 38,720 |
# | 2: two convolutions | 128, 8, 8 | 128 · (64 · 9 + 1) + 128 · (128 · 9 + 1) = 221,440 |
# | 3: three convolutions | 256, 4, 4 | 256 · (128 · 9 + 1) + 2 · 256 · (256 · 9 + 1) = 1,475,328 |
# | 4: three convolutions | 512, 2, 2 | 512 · (256 · 9 + 1) + 2 · 512 · (512 · 9 + 1) = 5,899,776 |
# | 5: three convolutions | 512, 1, 1 | 3 · 512 · (512 · 9 + 1) = 7,079,424 |
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

# %%
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each block


def vgg_block(in_channels, out_channels, num_convolutions, batch_norm):
    """Return 3 x 3 convolutions with ReLUs, and a pooling that halves height and width."""
    block = nn.Sequential()
    for number in range(1, num_convolutions + 1):
        block.add_module(f"convolution{number}", nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
        if batch_norm:
            block.add_module(f"norm{number}", nn.BatchNorm2d(out_channels))
        block.add_module(f"relu{number}", nn.ReLU())
        in_channels = out_channels
    block.add_module("pooling", nn.MaxPool2d(2))
    return block


class Normalise(nn.Module):
    """Bring images in [0, 1] to mean 0 and standard deviation 1 a channel, so that callers never have to."""

    def __init__(self, pixel_mean, pixel_std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(pixel_mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(pixel_std).view(-1, 1, 1))

    def forward(self, images):
        return (images - self.mean) / self.std


# %% [markdown]
# VGG's weights start from He's normal distribution, whose variance keeps the size of the activations from layer to
# layer behind ReLUs; the last layer starts near zero, so that the untrained network favours no class. *Dropout* sets
# each number in front of a hidden fully connected layer to zero with a given probability in training, and scales up the
# rest.
#
# The baseline is LeNet-5 of notebook 04 with three input channels, every layer made wider until it has about as many
# parameters. VGG-16 has 96 % of them in its thirteen convolutions (95 % in `laptop`), this LeNet 96 % in its fully
# connected layers.

# %%
class VGG(nn.Module):
    """VGG with `depth` layers for images `(N, 3, 32, 32)` in [0, 1]; returns logits `(N, num_classes)`."""

    def __init__(self, num_classes, pixel_mean, pixel_std, width=64, depth=16, batch_norm=True, dropout=0.5):
        super().__init__()
        self.normalise, self.blocks, channels = Normalise(pixel_mean, pixel_std), nn.Sequential(), 3
        for number, num_convolutions in enumerate(CONVOLUTIONS[depth]):
            in_channels, channels = channels, width * min(2 ** number, 8)
            self.blocks.add_module(f"block{number + 1}", vgg_block(in_channels, channels, num_convolutions, batch_norm))
        norm = nn.BatchNorm1d if batch_norm else nn.Identity
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, channels), norm(channels), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(channels, channels), norm(channels), nn.ReLU(),
            nn.Linear(channels, num_classes))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.classifier[-1].weight, std=0.01)

    def forward(self, images):
        return self.classifier(self.blocks(self.normalise(images)))


class LeNet(nn.Sequential):
    """The baseline: LeNet-5 for images `(N, 3, 32, 32)` in [0, 1], `factor` times as wide."""

    def __init__(self, num_classes, pixel_mean, pixel_std, factor):
        sizes = [number * factor for number in (6, 16, 400, 120, 84)]
        super().__init__(
            Normalise(pixel_mean, pixel_std),
            nn.Conv2d(3, sizes[0], kernel_size=5), nn.ReLU(), nn.MaxPool2d(2),  # 14 x 14
            nn.Conv2d(sizes[0], sizes[1], kernel_size=5), nn.ReLU(), nn.MaxPool2d(2),  # 5 x 5
            nn.Flatten(), nn.Linear(sizes[2], sizes[3]), nn.ReLU(),
            nn.Linear(sizes[3], sizes[4]), nn.ReLU(), nn.Linear(sizes[4], num_classes))


# %% [markdown]
# `build` turns a dict of options into a network, on the GPU if there is one. *Channels last* keeps the channels of a
# pixel side by side in memory, the layout that fast convolutions want; shapes stay as they are written.

# %%
pixel_mean, pixel_std = (statistic(train_set.images[:10000] / 255, axis=(0, 1, 2)).tolist()
                         for statistic in (np.mean, np.std))  # three numbers each: red, green, blue


def build(options):
    """Return a fresh network as `options` says."""
    given = train_set.num_classes, pixel_mean, pixel_std
    if options["network"] == "LeNet":
        model = LeNet(*given, factor=options["width"] // 4)
    else:
        model = VGG(*given, *(options[name] for name in ("width", "depth", "batch_norm", "dropout")))
    model = model.to(memory_format=torch.channels_last)
    return model.cuda() if DEVICE == "cuda" else model


DEFAULTS = {"network": "VGG", "depth": 16, "batch_norm": True, "learning_rate": 0.1, "schedule": "cosine", "flip": True,
            **{name: getattr(cfg, name) for name in (
                "width", "num_epochs", "batch_size", "weight_decay", "label_smoothing", "dropout", "warmup_fraction",
                "crop_padding", "mixed_precision", "compile_model")}}
NETWORKS = {"VGG-16": {"network": "VGG"}, "LeNet": {"network": "LeNet"}}
RATES = {"VGG-16": cfg.learning_rates, "LeNet": cfg.baseline_learning_rates}
runtime.seed_everything(SEED)
vgg, lenet = (build(DEFAULTS | changes) for changes in NETWORKS.values())
num_parameters = {"VGG-16": training.count_parameters(vgg), "LeNet": training.count_parameters(lenet)}
print(vgg, num_parameters)
by_hand = 38_720 + 221_440 + 1_475_328 + 5_899_776 + 7_079_424 + 10_496 + 525_312 + 51_300
assert training.count_parameters(VGG(100, pixel_mean, pixel_std)) == by_hand == 15_301_796

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
# averaged over the batch. (1) This must equal PyTorch's own. (2) Before training it must lie near $\ln C$, 4.61 for a
# hundred classes. (3) The network must be able to learn one small batch by heart (without smoothing, since a smoothed
# loss cannot fall to zero, and without dropout, which is there to prevent just this).

# %%
def smoothed_cross_entropy(logits, labels, label_smoothing):
    """The equation above; logits float `(N, C)`, labels int `(N,)`; returns a scalar in nats."""
    num_classes = logits.shape[1]
    right = functional.one_hot(labels, num_classes).to(logits.dtype)
    targets = label_smoothing / num_classes + (1 - label_smoothing) * right
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


images, labels = next(training.batches(train_images, train_labels, 32, seed=SEED))
vgg = build(DEFAULTS | {"dropout": 0.0})
logits = vgg(images)
assert images.shape == (len(images), 3, 32, 32) and logits.shape == (len(images), train_set.num_classes)
loss = functional.cross_entropy(logits, labels, label_smoothing=0.1)
torch.testing.assert_close(smoothed_cross_entropy(logits, labels, 0.1), loss)
print(f"loss before training {loss.item():.3f}, ln C = {np.log(train_set.num_classes):.3f}")
assert abs(loss.item() - np.log(train_set.num_classes)) < 0.3

optimizer = torch.optim.Adam(vgg.parameters(), lr=0.003)
for _ in range(100):
    loss = functional.cross_entropy(vgg(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss on {len(images)} images after 100 steps on them: {loss.item():.4f}")
assert loss < 0.5, "the network cannot even learn one batch by heart"

# %% [markdown]
# ## The training recipe
#
# The loop is that of notebook 04. What is new is the recipe:
#
# - **Schedule.** *Cosine*: the learning rate rises from zero in a straight line for the first part of all steps
#   (*warm-up*: at first the gradients point anywhere, and large steps would do harm), then falls along half a cosine to
#   zero. *Step*: after the warm-up it stays, and is divided by ten after a half and after three quarters of all steps.
#   *Constant*: it stays.
# - **Weight decay** pulls weights gently towards zero (in front of batch norm it works otherwise: the smaller the
#   weights, the larger the relative steps [10]); **dropout** and **label smoothing** as above.
# - **Mixed precision.** Inside `torch.autocast`, convolutions and matrix products compute with 16 bits, which a GPU
#   does several times faster; weights and sums stay at 32. A T4 knows `float16`, in which numbers below 6e-8
#   become 0, some gradients among them. The *scaler* multiplies the loss so that they survive, and divides again before
#   the step.
# - **Compiling.** `torch.compile` has PyTorch write fused kernels (several operations in one program on the GPU) for
#   this very network. That takes a while at the start and can pay in long runs on a GPU, so only `full` does it, and
#   not in the experiments.
#
# After each epoch the loop logs to TensorBoard and writes a checkpoint. If the kernel dies, *Run all* goes on after
# the last finished epoch and ends with the very weights it would have had (on a GPU up to rounding: some of its kernels
# add up in a different order each time).

# %%
def learning_rate_factor(step, num_steps, options):
    """The schedule as a fraction of the highest learning rate; `step` counts from 0."""
    num_warmup_steps = round(options["warmup_fraction"] * num_steps)
    if step < num_warmup_steps:
        return step / num_warmup_steps
    if options["schedule"] == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)))
    if options["schedule"] == "step":
        return 0.1 ** ((step >= num_steps / 2) + (step >= 3 * num_steps / 4))
    return 1.0  # constant


def validate(model, label_smoothing):
    """Return loss (nats, smoothed as in training) and accuracy (percent) on the validation images."""
    logits, labels = training.predict(model, validation_images), torch.from_numpy(validation_set.labels)
    loss = functional.cross_entropy(torch.from_numpy(logits), labels, label_smoothing=label_smoothing)
    return {"validation_loss": loss.item(),
            "validation_accuracy": 100 * evaluate.accuracy(validation_set.labels, logits.argmax(1))}


# %%
def train(name, options, images, labels, seed):
    """Train one network as `options` says; returns `(model, history)`, the history with one dict an epoch."""
    runtime.seed_everything(seed)
    model = build(options)
    network = torch.compile(model) if options["compile_model"] else model  # shares its weights with `model`
    optimizer = torch.optim.SGD(model.parameters(), options["learning_rate"], momentum=0.9, nesterov=True,
                                weight_decay=options["weight_decay"])
    batch_size = min(options["batch_size"], len(labels))
    steps_per_epoch = len(labels) // batch_size
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, options["num_epochs"] * steps_per_epoch, options))
    half = torch.float16 if DEVICE == "cuda" else torch.bfloat16
    scaler = torch.amp.GradScaler(DEVICE, init_scale=1024.0, enabled=options["mixed_precision"] and DEVICE == "cuda")
    settings = options | {"seed": seed, "num_images": len(labels), "images": IMAGES, "code": CODE, "half": str(half)}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, settings,
                                     model=model, optimizer=optimizer, scheduler=scheduler, scaler=scaler)
    history = checkpoint.resume()
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    for epoch in range(len(history), options["num_epochs"]):
        started, loss_sum, num_correct = time.perf_counter(), 0.0, 0
        for batch, batch_labels in training.batches(images, labels, batch_size, seed, epoch, drop_last=True):
            with torch.autocast(DEVICE, half, enabled=options["mixed_precision"]):
                logits = network(augmented(batch, options))
                loss = functional.cross_entropy(logits, batch_labels, label_smoothing=options["label_smoothing"])
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
            loss_sum += loss.detach()  # a sum on the GPU: reading a number back at each step would make it wait
            num_correct += (logits.argmax(1) == batch_labels).sum()
        means = {"train_loss": float(loss_sum) / steps_per_epoch,
                 "train_accuracy": 100 * float(num_correct) / (steps_per_epoch * batch_size)}
        means |= validate(model, options["label_smoothing"])
        history.append({"epoch": epoch + 1, **means, "seconds": time.perf_counter() - started})
        tensorboard.log(epoch + 1, history[-1])
        checkpoint.save(history)
    tensorboard.close(options, {"final/validation_accuracy": history[-1]["validation_accuracy"]})
    return model, history


# These two stand for the code and the images in the settings of a checkpoint.
CODE = provenance.source_hash(vgg_block, Normalise, VGG, LeNet, augmented, build, learning_rate_factor, train)
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
# the recorded `laptop` run this is so: 0.05, the larger of two. A single trial of 0.1 on the side was as good after
# these three epochs, and 0.6 points worse on the validation images after all fifteen, less than one standard error, so
# 0.05 stayed.
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
# In the recorded `laptop` run VGG-16 ends at 51.0 % of the validation images, LeNet at 49.6 %, one seed each. That is
# little more than the standard error of such a difference, 1 point, and worth a thought. With a quarter of the filters
# and fifteen epochs, thirteen convolutions buy hardly more than two. LeNet is ahead for the first half (fewer layers
# are quicker to train) and then falls back: its training accuracy goes on rising, to 55 %, while its validation
# accuracy stops below 50 %; VGG-16 keeps the two closer together, 54 and 51 %. Depth should pay with width and time:
# published networks of full width reach 73 to 74 % in 200 epochs (*Results*, below).
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
    options = DEFAULTS | {"num_epochs": cfg.experiment_epochs, "compile_model": False} | changes
    part = training.tensors(train_set.stratified(min(cfg.experiment_images, len(train_set)), seed))
    images, labels = (tensor.to(DEVICE) for tensor in part)
    return train(f"experiments/{config.fingerprint(options)}-{seed}", options, images, labels, seed)[1]


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
# that of guessing. With 0.03 or 0.01 it does learn, half as much in the same time (8 %; rates below 0.01 were not
# tried). So batch norm does two things: it makes large learning rates possible, and even the best rate without it
# reaches little more than half as much here.
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
# | nothing: cosine with warm-up, decay 5e-4, smoothing 0.1, crop and flip, no dropout, 16 layers | 15.1 | |
# | no batch norm (best of three learning rates, above) | 8.2 | -6.9 |
# | constant learning rate / step schedule | 10.8 / 12.6 | -4.3 / -2.5 |
# | no warm-up | 13.1 | -2.0 |
# | weight decay ten times as strong / none | 9.6 / 14.5 | -5.5 / -0.6 |
# | no label smoothing | 14.3 | -0.8 |
# | 16 bits instead of 32 | 14.3 | -0.8 |
# | dropout 0.1 / 0.5 | 11.5 / 6.8 | -3.6 / -8.3 |
# | neither crop nor flip | 16.8 | +1.6 |
# | 11 layers / 19 layers | 18.1 / 11.2 | +3.0 / -3.9 |
#
# Two kinds of parts can be told apart. Batch norm, the schedule and the warm-up help the network to *learn*, and that
# shows at once. Dropout, augmentation, label smoothing and, in its way, weight decay keep it from learning *by heart*,
# and in four epochs there is nothing to keep it from: they cost, or make no difference that one seed can show. Depth
# costs, too, as long as time is short: 11 layers are ahead of 16, and 16 of 19. That is why `laptop` sets dropout to 0,
# and it is no verdict on the long trainings of `colab` and `full`, where each image is seen 60 to 200 times.
#
# ## The test images, once
#
# Everything is decided; now the test images are used, for all trained networks at once. *Top-5* counts an answer as
# right if the true class is among the five with the largest logits: with a hundred classes, some of them all but
# synonyms at this size, a fairer measure of what the network has understood.

# %%
test_logits = {key: training.predict(model, test_images) for key, model in models.items()}
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
# (notebook 04), the most frequent confusions, and the errors, worst first, with the true class → the answer (its
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
# In the recorded run 51.2 % of the test images get the right answer at once and 80.9 % among five; 65.4 % get the right
# superclass. Of the errors 29 % stay inside the superclass, seven times what chance would give. Between the
# superclasses the darkest fields make sense: vehicles 1 (bus, train, motorcycle ...) for vehicles 2 (tank, tractor,
# streetcar ...), large carnivores and small mammals for medium mammals, food containers for household devices. Trees
# and outdoor scenes are told apart best.
#
# ## What has it learnt?
#
# **What filters look for.** The first filters are only 3 x 3 pixels, and those of later blocks see the image through
# all layers before them, so their weights say little. Instead we look for the image that excites a filter most: start
# from noise and climb the gradient of the filter's mean activation with respect to the *image* [3]. Eight filters each,
# in the first, the third and the last block.

# %%
first = models["VGG-16", SEED]
for layer in ("blocks.block1.convolution2", "blocks.block3.convolution3", "blocks.block5.convolution3"):
    wishes, _ = explain.filter_ascent(first, (3, 32, 32), layer, list(range(8)), seed=SEED)
    display(results.save_figure(run, f"filters_{layer.split('.')[1]}", plots.image_grid(
        wishes, [f"{layer.split('.')[1]}, filter {number}" for number in range(8)], num_columns=8)))

# %% [markdown]
# The first block wants plain colours and simple stripes. The third wants waves, grids and chequered patterns, of one
# direction and a few pixels wide. The last one wants parts: a round bright thing with a dark rim, several of them, an
# arch, scales. The first block has no choice, its filters see only 5 x 5 pixels; the rest is what training found.
#
# **Activations.** One test image on its way: the first eight maps behind each of the first three blocks, 16, 8 and 4
# pixels wide: how far can its outline be followed?

# %%
chosen = test_set.stratified(min(6, len(test_set)), seed=0)
pictures = training.tensors(chosen)[0].to(DEVICE).float() / 255
layer_names = [f"blocks.block{number}" for number in (1, 2, 3)]
maps = explain.activations(first, pictures[:1], layer_names)
for name in layer_names:
    display(results.save_figure(run, f"activations_{name.split('.')[1]}", plots.feature_maps(
        maps[name][0].transpose(2, 0, 1)[:8], [f"{name.split('.')[1]}, {number}" for number in range(8)])))

# %% [markdown]
# **What a class would like to see.** The same climb, now for the logit of one class [4]: ten of the hundred. Would you
# know them?

# %%
class_indices = np.linspace(0, train_set.num_classes - 1, min(10, train_set.num_classes)).astype(int).tolist()
dreams, scores = explain.class_ascent(first, (3, 32, 32), class_indices, seed=SEED)
print("logits of the classes before", scores[0].round(1), "\nafter", scores[-1].round(1))
results.save_figure(run, "class_ascent", plots.image_grid(
    dreams, [train_set.class_names[label] for label in class_indices], num_columns=5))

# %% [markdown]
# **Where does it look?** *Grad-CAM* [5] weighs the maps of a layer by how much each raises the logit of the true class.
# The usual choice is the last convolution, but there VGG-16 has only 2 x 2 places left of so small an image; we take
# the third block's, 8 x 8 places. A map proves nothing by looking plausible, so the second figure repeats it on a
# network with **random** weights [6]: where the two figures agree, the map shows the image, not what was learnt.

# %%
layer = "blocks.block3.relu3"
heat_maps = {"Grad-CAM": explain.grad_cam(first, pictures, layer, chosen.labels),
             "random weights": explain.grad_cam(explain.randomised(first), pictures, layer, chosen.labels)}
for name, maps in heat_maps.items():
    figure = plots.heat_maps(chosen.images, maps, [f"{name}, {chosen.class_names[label]}" for label in chosen.labels])
    display(results.save_figure(run, f"map_{name.replace(' ', '_')}", figure))
print("correlation of the two figures", np.corrcoef(*[maps.ravel() for maps in heat_maps.values()])[0, 1].round(2))

# %% [markdown]
# The spider, the snail's horns and foot, the poppy: most of the warm places lie on the thing. The oranges and the lamp
# are found in part only, and of the butterfly only a corner of the wings. Over all six images the random network's maps
# have little in common with these (correlation 0.12 in the recorded run).
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
    **{f"original: {name}": history[-1]["validation_accuracy"] for name, history in original.items()},
    **{f"{question}: {arm}": value for question, arms in found.items() for arm, value in arms.items()},
}
targets = [{"metric": "test_accuracy", "at_least": None if DATA else cfg.target_test_accuracy}]
record = results.save(run, cfg, metrics, targets, [train_set, validation_set, test_set], training_minutes)
torch.save(first.state_dict(), run.folder / "vgg16.pt")  # torch.load(..., weights_only=True) brings it back

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
# - **Much slower than the card says, on a CPU**: other programs keep the cores busy, and the threads of torch wait for
#   each other. Start Jupyter with `OMP_NUM_THREADS=1` in the environment.
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
# steps, down to 0 over the second. Then put it into `learning_rate_factor` and compare it with the cosine (`train_arm`
# trains it; set `warmup_fraction` to 0).

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
# same learning rate fails outright. With a quarter of its width, ten minutes of two CPU cores, baseline included, bring
# it to 51.2 % of a hundred classes, 2.4 points more than a wide LeNet with about as many parameters (one seed each).
# The recipe matters, too: schedule and warm-up were worth two to four points in a short run, and the parts that fight
# learning by heart cost points or made no difference. Measure before you believe, and measure under the conditions you
# will train in.
#
# Next: notebook 06 shows the other way to make depth work, the skip connection; notebook 02 tells this lesson in Keras.
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
