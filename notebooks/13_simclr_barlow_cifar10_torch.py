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
# # SimCLR and Barlow Twins on CIFAR-10, in PyTorch
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/13_simclr_barlow_cifar10_torch.ipynb)
#
# A network can learn to see before it is told what anything is called. We show it two random views of each photograph
# and ask only that it recognise them as the same one; then we find out how much a linear layer can read from what it
# has learnt. The parts 1a to 6 are those of a course assignment on SimCLR and Barlow Twins, answered in order.
#
# | | |
# |---|---|
# | Data | CIFAR-10: 50,000 training and 10,000 test photographs, 32 x 32 pixels in colour, ten classes (171 MB) |
# | Method | SimCLR and Barlow Twins; ResNet-18 with the CIFAR stem; kNN, linear probe and fine-tuning |
# | Expected, `laptop` | vote of nearest neighbours at least 55 %, 18 points (Barlow Twins: 12) above no training |
# | Expected, `colab` and `full` | linear layer on features at least 85 % (Barlow Twins: 83 %) and 91.5 %; one seed |
# | You need | notebook 06 (residual networks, augmentation on the device) |
# | Reviewed | 2026-11-22, Colab's image of 2026-08-19 (Python 3.13, torch 2.11) |
#
# <!-- measured:begin -->
# | measured | result | minutes of training | images per second | memory | device |
# |---|---|---|---|---|---|
# | `laptop` | nearest neighbours, test accuracy (%): 64.28 | 7.2 | 649 | 2.8 GiB | CPU, 2 cores (Intel Xeon) |
#
# Minutes are those of the headline training and its baseline; experiments come on top and say theirs.
# On a GPU: pending, no such run has been recorded yet.
# <!-- measured:end -->
#
# **You will learn** to
# - write the losses of SimCLR and Barlow Twins from their equations, and check them against fast ones,
# - make two random views of every image of a batch on the device where the network computes,
# - train an encoder without labels and see whether it collapses (gives all images the same answer),
# - judge an encoder: nearest neighbours, a linear probe that is provably frozen, fine-tuning; and keep the three apart,
# - measure what temperature, augmentation and batch size do.

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
# photos (one sub-folder for each class), which are then scaled to 32 x 32 and take CIFAR-10's place; the numbers of the
# card are CIFAR-10's and do not apply to them.

# %%
import copy
import math
import time

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator, GradScalerKwargs
from IPython.display import display
from sklearn.manifold import TSNE
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from helpers import config, data, evaluate, experiments, plots, provenance, results, runtime
from helpers.data.order import epoch_order
from helpers.torch import augment, losses, networks, training

run = runtime.start("13_simclr_barlow_cifar10_torch", PROFILE, SEED, USE_DRIVE)

# %% [markdown]
# Every choice stands in one table, one column a profile. `smoke` checks that all cells run (seconds, no network, drawn
# pictures instead of photographs); `laptop` is real CIFAR-10 on a CPU, with a smaller network (some forty minutes for
# all cells, as recorded: two pretrainings of seven minutes, then experiments and classifiers); `colab` is meant for a
# free T4 (two to three hours for all cells by estimate, not yet measured; less without the experiments, by `OVERRIDES =
# {"run_experiments": False}`); `full` trains longest. To change one value, write for instance `OVERRIDES =
# {"num_epochs": 3}` in the form above.

# %% tags=["profiles"]
PROFILES = {
    "profile": ("smoke", "laptop", "colab", "full"),
    "stand_in": (True, False, False, False),  # drawn stripes instead of CIFAR-10
    "validation_fraction": (0.1, 0.1, 0.04, 0.04),  # of the training images, to choose by
    "blocks": ((1, 1), (1, 1, 1), (2, 2, 2, 2), (2, 2, 2, 2)),  # residual blocks of each stage; the last is ResNet-18
    "width": (8, 32, 64, 64),  # channels of the first stage
    "simclr_head": ((32, 16), (256, 128), (1024, 128), (1024, 128)),  # hidden features, outputs
    "barlow_head": ((32, 32), (512, 512), (512, 128), (512, 128)),
    "num_epochs": (3, 6, 100, 1000),  # without labels, for both methods
    "simclr_batch_size": (64, 128, 512, 512),  # images, each seen in two views
    "barlow_batch_size": (64, 64, 128, 128),
    "simclr_learning_rate": (0.2, 0.2, 0.12, 0.06),  # of SGD
    "barlow_learning_rate": (1e-3, 1e-3, 1e-3, 1e-3),  # of Adam
    "simclr_weight_decay": (5e-4, 5e-4, 5e-4, 5e-4),
    "barlow_weight_decay": (1e-6, 1e-6, 1e-6, 1e-6),
    "warmup_fraction": (0.3, 0.3, 0.05, 0.01),  # of all steps
    "temperature": (0.2, 0.2, 0.5, 0.5),
    "redundancy_weight": (8e-3, 2e-3, 8e-3, 8e-3),  # the lambda of Barlow Twins
    "knn_images": (400, 5000, 10000, 10000),  # training images whose labels vote, during training
    "num_neighbours": (20, 20, 200, 200),
    "linear_epochs": (5, 30, 60, 100),  # of the linear layer, on cached features
    "linear_learning_rate": (0.05, 0.05, 0.05, 0.05),
    "classifier_batch_size": (64, 128, 256, 256),  # images
    "finetune_epochs": (4, 2, 20, 50),  # of the whole network
    "finetune_learning_rate": (0.02, 0.02, 0.05, 0.05),
    "run_experiments": (True, True, True, True),  # False saves their minutes
    "experiment_images": (400, 10000, 10000, 10000),
    "experiment_epochs": (1, 2, 10, 30),
    "arms_per_question": (1, 3, 9, 9),  # at most
    "experiment_seeds": (1, 1, 1, 3),
    "target_knn": (None, 55.0, None, None),  # percent
    "target_knn_gain": (None, 18.0, None, None),  # points above an untrained encoder
    "target_barlow_knn_gain": (None, 12.0, None, None),
    "target_linear": (None, None, 85.0, 91.5),
    "target_barlow_linear": (None, None, 83.0, None),
}
cfg = config.resolve(run.profile, PROFILES, OVERRIDES)
print(config.table(cfg))

# %% [markdown]
# The library `accelerate` finds the device by itself: `.to(accelerator.device)` moves a tensor there, as `.cuda()`
# would move it to the GPU. The same notebook also runs on several GPUs, each with its share of every batch, when it is
# started with `accelerate launch notebooks/13_simclr_barlow_cifar10_torch.py` (batch norm then sees each GPU's own
# share). And it turns on *mixed precision* (notebook 05): 16 bits for convolutions and matrix products, `bfloat16`
# where the GPU or the processor computes with it, `float16` with a scaled loss on a T4, 32 bits on other processors.

# %%
has_bfloat16 = (torch.cuda.get_device_capability() >= (8, 0) if torch.cuda.is_available()
                else torch.cpu.get_capabilities().get("avx512_bf16", False))
precision = "bf16" if has_bfloat16 else "fp16" if torch.cuda.is_available() else "no"
accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=precision,
                          kwargs_handlers=[GradScalerKwargs(init_scale=1024.0)])

# %% [markdown]
# ## The data
#
# CIFAR-10 as in notebook 06. The *training* images are used without their labels until part 5 (but for a check that
# trains nothing and only chooses the best epoch); some are set aside as *validation* images, for all choices; the
# *test* images are looked at once, at the end.

# %%
train_all = data.load("cifar10", "train", stand_in=cfg.stand_in, own_folder=DATA)
test_set = data.load("cifar10", "test", stand_in=cfg.stand_in, own_folder=DATA)
train_set, validation_set = train_all.split_off(cfg.validation_fraction, seed=0)
for name, image_set in {"train": train_set, "validation": validation_set, "test": test_set}.items():
    print(f"{name:<11} {len(image_set):>6} images {image_set.image_shape}, per class {image_set.counts()}")
print(train_set.source)
train_images, validation_images, test_images = (
    training.tensors(image_set)[0].to(accelerator.device) for image_set in (train_set, validation_set, test_set))

# %% [markdown]
# ## Part 1a: the loss of SimCLR
#
# Let $N$ images be in a batch. Two random *views* of each (part 3) go through the network, which gives $2N$ vectors
# $z_1, \dots, z_{2N}$, the *projections*; $z_i$ and $z_{j(i)}$ come from the same image and are called a *positive
# pair*. All others are *negatives* of $z_i$, the *anchor*. With the cosine similarity
# $\mathrm{sim}(u, v) = u^\top v \,/\, (\lVert u \rVert \lVert v \rVert)$, the inner product over both lengths, and the
# *temperature* $\tau > 0$, the loss of SimCLR [1], called NT-Xent (normalised temperature-scaled cross-entropy), is
#
# $$ \ell_i = -\log \frac{\exp\big(\mathrm{sim}(z_i, z_{j(i)}) / \tau\big)}
#    {\sum_{k \neq i} \exp\big(\mathrm{sim}(z_i, z_k) / \tau\big)} , \qquad
#    L = \frac{1}{2N} \sum_{i=1}^{2N} \ell_i . $$
#
# Read it as classification: which of the other $2N - 1$ vectors is the partner of $z_i$? If all similarities are the
# same, each has probability $1 / (2N - 1)$ and the loss is $\ln(2N - 1)$. A small temperature makes the differences
# between similarities count for more. This is the equation in code, one row at a time:

# %%
def nt_xent_naive(view_a, view_b, temperature):
    """The equation as it stands; views float `(N, D)`, row i of both from the same image."""
    z = torch.cat([view_a, view_b])
    count, terms = len(view_a), []
    for i in range(2 * count):
        similarities = (functional.cosine_similarity(z[i:i + 1], z) / temperature).exp()
        j = (i + count) % (2 * count)
        terms.append(-torch.log(similarities[j] / (similarities.sum() - similarities[i])))
    return torch.stack(terms).mean()


torch.manual_seed(0)
view_a, view_b = torch.randn(2, 64, 32, dtype=torch.float64)
naive, fast, ones = nt_xent_naive(view_a, view_b, 0.5), losses.nt_xent(view_a, view_b, 0.5), torch.ones(64, 32)
torch.testing.assert_close(naive, fast)
print(f"unrelated views: naive {naive:.6f}, helper {fast:.6f}")
print(f"all rows equal: {losses.nt_xent(ones, ones, 0.5):.6f}, ln(127) = {math.log(127):.6f}")

# %% [markdown]
# `losses.nt_xent` computes the same from one matrix of all similarities, and beyond 1,024 vectors in tiles of that
# matrix, so that a batch of 16,384 images needs megabytes where the matrix would need gigabytes.
#
# ## Part 1b: the loss of Barlow Twins
#
# Barlow Twins [2] has no negatives. Let $z^A$ and $z^B$ be the projections of the two views, $N$ rows and $D$ columns
# each, and $C$ the $D \times D$ *cross-correlation matrix* between their columns ($b$ counts images, $i$ and $j$ count
# columns here):
#
# $$ L = \sum_i (1 - C_{ii})^2 + \lambda \sum_i \sum_{j \neq i} C_{ij}^2 , \qquad
#    C_{ij} = \frac{\sum_b z^A_{b,i} \, z^B_{b,j}}{\sqrt{\sum_b (z^A_{b,i})^2} \, \sqrt{\sum_b (z^B_{b,j})^2}} . $$
#
# The first sum wants each column to be the same for both views, the second wants different columns to be uncorrelated
# (*redundancy reduction*), weighted by $\lambda$. The formula alone is no correlation yet: a column with the same
# constant for every image would count as a perfect match, $C_{ii} = 1$. The paper therefore assumes that each column
# has mean 0 over the batch, and `losses.barlow_twins` sees to it. How much that matters, on vectors whose mean is not
# 0, the last line printed below shows:

# %%
def barlow_twins_naive(view_a, view_b, redundancy_weight):
    """The equation as it stands; views float `(N, D)`."""
    loss = 0
    for i in range(view_a.shape[1]):
        for j in range(view_b.shape[1]):
            correlation = (view_a[:, i] @ view_b[:, j]) / (view_a[:, i].norm() * view_b[:, j].norm())
            loss = loss + ((1 - correlation) ** 2 if i == j else redundancy_weight * correlation ** 2)
    return loss


def standardised(view):
    """Bring each column to mean 0 and variance 1 over the batch."""
    return (view - view.mean(0)) / view.std(0, unbiased=False)


shifted_a, shifted_b = 10 * (view_a + 1), 10 * (view_a + 0.5 * view_b + 1)
naive = barlow_twins_naive(standardised(shifted_a), standardised(shifted_b), 5e-3)
torch.testing.assert_close(naive, losses.barlow_twins(shifted_a, shifted_b, 5e-3), rtol=1e-5, atol=0)
print(f"standardised first: naive {naive:.5f}, helper {losses.barlow_twins(shifted_a, shifted_b, 5e-3):.5f} "
      "(which adds 0.00001 to each variance, as batch norm does)")
print(f"the equation on the raw vectors: {barlow_twins_naive(shifted_a, shifted_b, 5e-3):.5f}")

# %% [markdown]
# ## Part 2: the network
#
# The *encoder* is a ResNet-18 with the stem of CIFAR: a 3 x 3 convolution of stride 1 and no pooling in place of the
# 7 x 7 convolution of stride 2, which would throw away most of a 32 x 32 image before the first block (`laptop` has a
# smaller one of the same kind). Its features, the mean over the last feature maps, are what we are after. On top sits
# the *projection head*, whose output the loss sees; `forward` returns both. The head is thrown away after training:
# the loss makes its output forget whatever differs between views, such as the colour, which other tasks may need [1].
# SimCLR's head has two linear layers, each followed by batch norm; that of Barlow Twins has three, the last without.

# %%
class TwoViewModel(nn.Module):
    """Encoder and projection head; images float `(N, 3, H, W)` in [0, 1]."""

    def __init__(self, method):
        super().__init__()
        self.encoder = networks.resnet(cfg.blocks, cfg.width, stem="cifar", zero_last_gamma=False)
        if method == "Barlow Twins":  # its loss standardises the outputs itself
            self.head = networks.projection_head(self.encoder.num_features, *cfg.barlow_head, num_layers=3)[:-1]
        else:
            self.head = networks.projection_head(self.encoder.num_features, *cfg.simclr_head)

    def forward(self, images):
        features = self.encoder(images)  # (N, num_features)
        return features, self.head(features)  # and (N, num_outputs)


model = TwoViewModel("SimCLR")
features, projections = model(torch.rand(8, 3, 32, 32))
print(f"features {tuple(features.shape)}, projections {tuple(projections.shape)}")
print(f"{training.count_parameters(model.encoder):,} parameters in the encoder, "
      f"{training.count_parameters(model.head):,} in the head")
assert training.count_parameters(networks.resnet(stem="cifar")) == 11_168_832  # ResNet-18 with this stem

# %% [markdown]
# ## Part 3: two views, optimiser and schedule
#
# The views decide what is learnt: whatever two views of an image have in common, the network may use to recognise it;
# whatever they do not, it learns to ignore. A *random resized crop* cuts out a window of random size and shape and
# scales it back. Without it, both views show the same pixels at the same places; with it but without *colour jitter*,
# the distribution of colours gives the pair away [1].
#
# | operation | setting | probability |
# |---|---|---|
# | random resized crop | 20 to 100 % of the area, width to height 3/4 to 4/3 | 1 |
# | horizontal flip | | 0.5 |
# | colour jitter | brightness, contrast, saturation times 0.6 to 1.4, hue turned by up to a tenth of the circle | 0.8 |
# | grey | | 0.1 |
#
# The jitter is SimCLR's for CIFAR-10 (its strength 0.5, no blur); crops from 20 % and grey with 0.1 follow [6]. Each
# image of the batch has its own draw of everything, even its own order of the four colour operations, all at once on
# the device. The helper is checked against torchvision's functions, image by image. Below: what do all views of an
# image share?

# %%
def random_view(images, options):
    """Return one random view of each image; float `(N, 3, H, W)` in [0, 1] in and out."""
    if "crop" not in options["left_out"]:
        images = augment.random_resized_crop(images, scale=(0.2, 1.0))
    if "flip" not in options["left_out"]:
        images = augment.random_horizontal_flip(images)
    if "jitter" not in options["left_out"]:
        images = augment.random_color_jitter(images, 0.4, 0.4, 0.4, 0.1, probability=0.8)
    return images if "grey" in options["left_out"] else augment.random_grayscale(images, 0.1)


originals = train_images[:3].float().cpu() / 255
torch.manual_seed(0)
rows = [torch.cat([image[None], random_view(image.repeat(7, 1, 1, 1), {"left_out": ""})]) for image in originals]
titles = ["original", *[f"view {i}" for i in range(1, 8)]] * 3
results.save_figure(run, "views", plots.image_grid(
    torch.cat(rows).numpy().transpose(0, 2, 3, 1), titles, num_columns=8))

# %% [markdown]
# The *loader* is `training.batches`: the images lie on the device as bytes, an epoch is a random order of them, and a
# batch is cut out by index; a last batch that is not full is left out. Two calls of `random_view` make the pair. The
# optimiser is SGD with Nesterov momentum 0.9 for SimCLR and Adam for Barlow Twins (in short, unrecorded trials SGD
# was far slower there); `colab` and `full` take learning rates, batch sizes and weight decays from [6] and [8]. The
# learning rate rises from 0 in a straight line (*warm-up*) and falls along half a cosine. All hyper-parameters
# (`temperature` is SimCLR's, `redundancy_weight`, $\lambda$, Barlow Twins'):

# %%
DEFAULTS = {"method": "SimCLR", "learning_rate": cfg.simclr_learning_rate, "weight_decay": cfg.simclr_weight_decay,
            "warmup_fraction": cfg.warmup_fraction, "num_epochs": cfg.num_epochs, "batch_size": cfg.simclr_batch_size,
            "temperature": cfg.temperature, "redundancy_weight": cfg.redundancy_weight, "left_out": ""}
BARLOW = {"method": "Barlow Twins", "learning_rate": cfg.barlow_learning_rate, "batch_size": cfg.barlow_batch_size,
          "weight_decay": cfg.barlow_weight_decay}
display(pd.DataFrame({"SimCLR": DEFAULTS, "Barlow Twins": DEFAULTS | BARLOW}))
LOSSES = {
    "SimCLR": lambda a, b, options: losses.nt_xent(a, b, options["temperature"]),
    "Barlow Twins": lambda a, b, options: losses.barlow_twins(a, b, options["redundancy_weight"]),
    "no negatives": lambda a, b, options: 1 - functional.cosine_similarity(a.float(), b.float()).mean(),
}


def optimiser_and_schedule(parameters, options, num_steps):
    """Adam for Barlow Twins, else SGD; the learning rate rises in a straight line and falls along half a cosine."""
    kind, more = torch.optim.SGD, {"momentum": 0.9, "nesterov": True}
    if options.get("method") == "Barlow Twins":
        kind, more = torch.optim.Adam, {}
    optimizer = kind(parameters, options["learning_rate"], weight_decay=options["weight_decay"], **more)
    num_warmup_steps = max(1, round(options["warmup_fraction"] * num_steps))

    def factor(step):
        progress = (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)
        return step / num_warmup_steps if progress < 0 else 0.5 * (1 + math.cos(math.pi * min(1, progress)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


# %% [markdown]
# Before any training: is the loss what it should be? With the wrong partners it must be near or above $\ln(2N - 1)$;
# with the right ones it is lower already, for two views of an image have more in common than two images, also to a
# network that has learnt nothing.

# %%
model, batch = model.to(accelerator.device), train_images[:256].float() / 255
with torch.no_grad():
    view_a, view_b = (model(random_view(batch, DEFAULTS))[1] for _ in range(2))
print(f"untrained: {losses.nt_xent(view_a, view_b, 0.5):.3f}, with wrong partners "
      f"{losses.nt_xent(view_a, view_b.roll(1, 0), 0.5):.3f}; ln(2N - 1) = {math.log(2 * len(batch) - 1):.3f}")

# %% [markdown]
# ## Part 4: training without labels
#
# How do we know that something useful is learnt? A falling loss does not say so. After each epoch we therefore look at
# four numbers, on validation images:
#
# - **kNN** (k nearest neighbours): label each validation image by a vote, weighted by similarity, of the 20 or 200
#   nearest of `knn_images` training images. No parameter is trained; it shows whether images of one class lie
#   together.
# - **Alignment**: the mean squared distance between the projections of two views of an image, scaled to length 1.
#   0 is best, *if* the projections are not all the same.
# - **Uniformity**: the logarithm of the mean of $\exp(-2 d^2)$ over all pairs of projections at distance $d$. It is 0
#   if all are the same and near -4 if they are spread over the sphere [3].
# - **Effective rank**: in how many directions the features vary about their mean (exponential of the entropy of the
#   singular values); 1 if all lie on a line, 0 if all are the same ([4], there with the mean left in).
#
# *Collapse*, the danger of every method that pulls views together, is when all images get the same vector: alignment
# **and** uniformity then both come near 0. The effective rank says how many directions are used, not how far; read it
# beside uniformity. An experiment below leaves the negatives out, to see what happens.

# %%
KNN_SET = train_set.stratified(min(cfg.knn_images, len(train_set)), seed=0)
knn_images = training.tensors(KNN_SET)[0].to(accelerator.device)
NUM_NEIGHBOURS = min(cfg.num_neighbours, max(1, len(KNN_SET) // 10))


@torch.no_grad()
def look(model, options):
    """Return what the encoder and its head look like on validation images, as a dict of numbers."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # leaves the training's random numbers alone
        torch.manual_seed(0)
        views = [(255 * random_view(validation_images[:2000].float() / 255, options)).byte() for _ in range(2)]
    with accelerator.autocast():
        features, votes = (training.predict(model.encoder, images) for images in (validation_images, knn_images))
        pair = [training.predict(nn.Sequential(model.encoder, model.head), view) for view in views]
    return {"validation_knn": 100 * evaluate.knn_accuracy(votes, KNN_SET.labels, features, validation_set.labels,
                                                          NUM_NEIGHBOURS),
            "alignment": evaluate.alignment(*pair), "uniformity": evaluate.uniformity(pair[0]),
            "effective_rank": evaluate.effective_rank(features)}


# %%
def pretrain(name, options, images, seed):
    """Train encoder and head without labels; returns `(model, history, checkpoint)`, one dict an epoch in history."""
    runtime.seed_everything(seed)
    model = TwoViewModel(options["method"]).to(accelerator.device, memory_format=torch.channels_last)
    batch_size = min(options["batch_size"], len(images))
    batch_size -= batch_size % accelerator.num_processes
    steps_per_epoch = len(images) // batch_size
    optimizer, scheduler = optimiser_and_schedule(model.parameters(), options, options["num_epochs"] * steps_per_epoch)
    network, optimizer = accelerator.prepare(model, optimizer)  # `network` shares its weights with `model`
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, **new_scaler()}
    checkpoint = training.Checkpoint(run.folder / "checkpoints" / name, options | {"seed": seed, **fixed(images)},
                                     best="validation_knn", **parts)
    history = checkpoint.resume()
    if not history:
        torch.manual_seed(seed + 1000 * accelerator.process_index)  # other views in every process
    tensorboard = training.TensorBoard(run.folder / "tensorboard" / name, next_epoch=len(history) + 1)
    no_labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    for epoch in range(len(history), options["num_epochs"]):
        started, loss_sum = time.perf_counter(), 0.0
        for batch, _ in training.batches(images, no_labels, batch_size, seed, epoch, drop_last=True):
            batch = batch.chunk(accelerator.num_processes)[accelerator.process_index]
            views = torch.cat([random_view(batch, options), random_view(batch, options)])
            with accelerator.autocast():
                _, projections = network(views.contiguous(memory_format=torch.channels_last))
            loss = LOSSES[options["method"]](*map(losses.gather, projections.chunk(2)), options)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step()
            loss_sum += loss.detach()
        mean_loss = float(loss_sum) / steps_per_epoch  # waits for the GPU; the look is not part of the training
        measured = {f"{options['method']} loss": mean_loss, "seconds": time.perf_counter() - started}
        history.append({"epoch": epoch + 1, **measured, **look(model, options)})
        tensorboard.log(epoch + 1, history[-1])
        checkpoint.save(history)
    tensorboard.close(options, {"final/validation_knn": history[-1]["validation_knn"]})
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return model, history, checkpoint


# %%
CODE = provenance.source_hash(TwoViewModel, random_view, optimiser_and_schedule, pretrain, look, *LOSSES.values())
IMAGES = train_set.fingerprint()


def new_scaler():
    """The scaler of float16, set back to its start, as a part to save; accelerate has one for all trainings."""
    if accelerator.scaler is None:
        return {}
    accelerator.scaler.load_state_dict(accelerator.scaler.state_dict() | {"scale": 1024.0, "_growth_tracker": 0})
    return {"scaler": accelerator.scaler}


def fixed(images):
    """What else decides the outcome of a training, for the settings of its checkpoints."""
    return {"images": f"{IMAGES}-{len(images)}", "code": CODE, "precision": precision, "net": [cfg.blocks, cfg.width],
            "heads": [cfg.simclr_head, cfg.barlow_head], "knn": [len(KNN_SET), NUM_NEIGHBOURS]}


# %% [markdown]
# Both methods train on the same images, with the same views and for the same number of epochs. The *random encoder* has
# seen nothing: it is where they start. (Its batch norm has seen nothing either and still has the mean 0 and variance 1
# that it begins with.)

# %%
models, histories = {}, {}
for method, changes in {"SimCLR": {}, "Barlow Twins": BARLOW}.items():
    options = DEFAULTS | changes
    models[method], histories[method], checkpoint = pretrain(f"headline/{method}", options, train_images, SEED)
    best = checkpoint.load_best()  # by kNN on the validation images
    name = {"SimCLR": "simclr_best_epoch.pt", "Barlow Twins": "barlow_best_epoch.pt"}[method]
    accelerator.save(models[method].state_dict(), run.folder / name)
    first, last = (histories[method][i][f"{method} loss"] for i in (0, -1))
    assert last < first or cfg.num_epochs == 1, "the loss did not fall: is the learning rate too high?"
    accelerator.print(f"{method}: best epoch {best['epoch']}, validation kNN {best['validation_knn']:.2f} %, in {name}")
runtime.seed_everything(SEED)
models["random encoder"] = TwoViewModel("SimCLR").to(accelerator.device)
print("random encoder:", {name: round(value, 2) for name, value in look(models["random encoder"], DEFAULTS).items()})

accelerator.wait_for_everyone()
reloaded = TwoViewModel("SimCLR")
reloaded.load_state_dict(torch.load(run.folder / "simclr_best_epoch.pt", map_location="cpu", weights_only=True))
assert networks.weights_hash(reloaded) == networks.weights_hash(models["SimCLR"])

# %% [markdown]
# What it has come to, in one picture: sixteen validation images in two views each, and the similarity of every
# projection (row) to every other (column). An image's own two views are 16 places apart, so that a good encoder shows
# two thin lines beside the diagonal and little elsewhere.

# %%
torch.manual_seed(0)
pairs = torch.cat([random_view(validation_images[:16].float() / 255, DEFAULTS) for _ in range(2)])
projections = [training.predict(nn.Sequential(model.encoder, model.head), (255 * pairs).byte())
               for model in models.values()]
unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in projections]
results.save_figure(run, "pairs", plots.feature_maps(np.stack([z @ z.T for z in unit]), list(models), num_columns=3))

# %%
UNITS = {"SimCLR loss": "nats", "validation_knn": "%"}
display(results.save_figure(run, "curves", plots.curves(histories, [
    "SimCLR loss", "Barlow Twins loss", "validation_knn", "effective_rank", "alignment", "uniformity"], units=UNITS)))
seconds_per_epoch = {method: float(np.median([epoch["seconds"] for epoch in history]))
                     for method, history in histories.items()}
for method, seconds in seconds_per_epoch.items():
    print(f"{method}: {seconds:.1f} s an epoch, {2 * len(train_set) / seconds:,.0f} views per second")

# %% [markdown]
# In the recorded `laptop` run both losses fall in every epoch, and with them rises what they are not told about: the
# neighbours agree on the class for 58.2 % (SimCLR) and 48.3 % (Barlow Twins) of the validation images. The curves
# flatten towards the end, where the learning rate goes to zero. Nothing collapses: uniformity falls and the effective
# rank rises, from 60 to 77 of 128 directions for SimCLR. At the end both bring the two views about equally close
# together; SimCLR spreads the images further apart. In the picture above, the untrained network finds everything
# similar to everything; in the two others the two thin lines are there, and single pairs of similar images besides.
#
# ## Experiments: temperature, augmentation, batch size, collapse
#
# Each arm trains SimCLR anew on a part of the training images with one option changed, and is judged by kNN on the
# validation images (for the random encoder's, see part 4). `left_out` takes one or two operations out of the views;
# the learning rate is proportional to the batch size; *no negatives* only pulls the two views together,
# $1 - \mathrm{sim}(z_i, z_{j(i)})$. One seed each in most profiles: the standard error is 0.7 points with 5,000
# validation images (`laptop`), one with 2,000, and another seed may move a number further.

# %%
def train_arm(changes, seed):
    """Train on a part of the images, with `changes` to the default options; return the history."""
    options = DEFAULTS | {"num_epochs": cfg.experiment_epochs} | changes
    part = train_set.stratified(min(cfg.experiment_images, len(train_set)), seed)
    images = training.tensors(part)[0].to(accelerator.device)
    return pretrain(f"experiments/{config.fingerprint(options)}-{seed}", options, images, seed)[1]


EXPERIMENTS = {
    "temperature": [{"temperature": temperature} for temperature in (0.07, 0.2, 0.5, 1.0)],
    "augmentation": [{}, *[{"left_out": name} for name in ("crop", "jitter, grey", "flip", "jitter", "grey")]],
    "batch size": [{"batch_size": size, "learning_rate": cfg.simclr_learning_rate * size / cfg.simclr_batch_size}
                   for size in dict.fromkeys((64, 128, 256, cfg.simclr_batch_size))],
    "negatives": [{}, {"method": "no negatives"}],
}
EXPERIMENTS = {question: arms[:cfg.arms_per_question] for question, arms in EXPERIMENTS.items()}
seeds = range(SEED, SEED + cfg.experiment_seeds)
found = experiments.run(EXPERIMENTS if cfg.run_experiments else {}, DEFAULTS, train_arm, seeds, "validation_knn")
for question, arms in found.items():
    figure = plots.comparison(arms, f"validation kNN accuracy (%), by {question}", digits=1)
    display(results.save_figure(run, f"experiment_{question.replace(' ', '_')}", figure))
if "negatives" in found:
    display(results.save_figure(run, "collapse", plots.curves(
        {"with negatives": train_arm({}, SEED), "no negatives": train_arm({"method": "no negatives"}, SEED)},
        ["alignment", "uniformity", "effective_rank", "validation_knn"], units=UNITS)))

# %% [markdown]
# What to see, with the numbers of the recorded `laptop` run (10,000 images, two epochs, one seed, validation kNN in %):
#
# | question | arms |
# |---|---|
# | temperature | 0.07: 36.2; 0.2: 40.4; 0.5: 36.8 |
# | left out of the views | nothing: 40.4; crop: 24.0; jitter and grey: 31.3 |
# | batch size, learning rate | 64, 0.1: 39.1; 128, 0.2: 40.4; 256, 0.4: 36.5 |
# | negatives | with: 40.4; without: 31.0 |
#
# - **The views decide.** Without the crop 16 points are lost, without the colour operations 9: the largest
#   differences here; [1] found the same two to matter most. Both arms have a *lower loss* than the default (1.3 and
#   1.9 against 3.4, in TensorBoard): the question has become easier, and less is learnt by answering it. So losses of
#   different views cannot be compared.
# - **Temperature.** 0.2 is four points ahead of both others here. With the same seed on another processor, whose sums
#   round otherwise, it had 38.9 and 0.5 as good as the same, 38.7: one run cannot settle four points.
# - **Batch size.** 256 is 4 points below 128, on both processors 3 or more. At equal epochs it takes half as many
#   steps, 78, so this is no word against large batches: [1] found them to help, the more the shorter the training (of
#   100 epochs and more).
# - **Without negatives** alignment falls to 0.05 and uniformity rises to -0.08: nearly all projections are the same.
#   A loss that only pulls together is perfectly content with that: its value has fallen to 0.04. The encoder below the
#   head keeps more (effective rank 16, against 54), but its neighbours are worth 9 points less.
#
# ## Part 5: from features to classes
#
# Three questions are often mixed up, so here they are apart:
#
# 1. **kNN**: how well do the features work with no training at all?
# 2. **Linear probe**: how much can one linear layer read from them? The encoder is *frozen*: neither its weights nor
#    its batch norm statistics may change. To be sure of it, the features of all images are computed once, before any
#    label is used, and the layer is trained on them; and a hash (a fingerprint) of the encoder before and after must
#    agree.
# 3. **Fine-tuning**: how good a start is the encoder, if the whole network then learns from all labels? This says less
#    about the features, since the network may change them.
#
# Each is done for both methods and, as the baseline, for the random encoder, with the same settings; fine-tuning that
# one is ordinary training from scratch, with the same budget. The linear layer learns from features brought to mean 0
# and standard deviation 1 on the training images, by the same SGD with cosine as above. Fine-tuning adds crop and flip
# as in notebook 06.

# %%
def fit_classifier(name, classifier, inputs, prepare, options):
    """Train with the training labels; return the weights after each epoch, from a file if they were trained before.

    `prepare` makes of a batch of `inputs` what the classifier takes. Only the first process trains.
    """
    file = run.folder / "classifiers" / f"{name}-{config.fingerprint(options)}.pt"
    if accelerator.is_main_process and not file.is_file():
        labels = torch.from_numpy(train_set.labels).to(accelerator.device)
        batch_size = min(options["batch_size"], len(labels))
        num_steps = options["num_epochs"] * (len(labels) // batch_size)
        optimizer, scheduler = optimiser_and_schedule(classifier.parameters(), options, num_steps)
        scaler = torch.amp.GradScaler(accelerator.device.type, init_scale=1024.0, enabled=precision == "fp16")
        states = []
        classifier.train()
        for epoch in tqdm(range(options["num_epochs"]), desc=name, leave=False):
            order = torch.from_numpy(epoch_order(len(labels), SEED, epoch)).to(accelerator.device)
            for chosen in order[:len(labels) - len(labels) % batch_size].split(batch_size):
                batch = prepare(inputs[chosen])
                with accelerator.autocast():
                    loss = functional.cross_entropy(classifier(batch).float(), labels[chosen])
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                scheduler.step()
            states.append({key: value.detach().to("cpu", copy=True) for key, value in classifier.state_dict().items()})
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(states, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)  # whole, or not there
    accelerator.wait_for_everyone()
    return torch.load(file, map_location="cpu", mmap=True, weights_only=True)  # from the disk when needed


@torch.no_grad()
def measured(classifier, states, inputs, labels):
    """Return loss (nats) and accuracy (percent) for the weights after each epoch, a list of dicts."""
    classifier.eval()
    found = []
    for state in states:
        classifier.load_state_dict(state)
        with accelerator.autocast():
            logits = torch.cat([classifier(batch.float() / 255 if batch.dtype == torch.uint8 else batch).float().cpu()
                                for batch in inputs.split(1000)])
        loss = functional.cross_entropy(logits, torch.from_numpy(labels)).item()
        found.append({"loss": loss, "accuracy": 100 * evaluate.accuracy(labels, logits.argmax(1).numpy())})
    return found


# %%
def crop_and_flip(images):
    """The augmentation of notebook 06; uint8 in, float in [0, 1] out."""
    return augment.random_horizontal_flip(augment.random_crop(images.float() / 255, 4))


LINEAR = {"learning_rate": cfg.linear_learning_rate, "weight_decay": 5e-4, "warmup_fraction": 0.1,
          "batch_size": cfg.classifier_batch_size, "num_epochs": cfg.linear_epochs, "seed": SEED, "images": IMAGES,
          "precision": precision, "code": provenance.source_hash(fit_classifier, crop_and_flip, optimiser_and_schedule)}
FINETUNING = LINEAR | {"learning_rate": cfg.finetune_learning_rate, "num_epochs": cfg.finetune_epochs}

# %%
classifiers, states, sides, scales, hashes, features = {}, {}, {}, {}, {}, {}
for method, model in models.items():
    model.requires_grad_(False).eval()
    before = networks.weights_hash(model.encoder)
    # The features of all images, before any label is used, in the scale of the training features
    features[method] = [training.predict(model.encoder, images)
                        for images in (train_images, validation_images, test_images)]
    scales[method] = mean, std = features[method][0].mean(0), features[method][0].std(0).clip(min=1e-3)
    sides[method, "linear"] = [torch.from_numpy((each - mean) / std).to(accelerator.device)
                               for each in features[method]]
    sides[method, "fine-tuned"] = [train_images, validation_images, test_images]

    runtime.seed_everything(SEED)
    key = (method, "linear")
    classifiers[key] = nn.Linear(model.encoder.num_features, train_set.num_classes).to(accelerator.device)
    states[key] = fit_classifier("-".join(key), classifiers[key], sides[key][0], lambda batch: batch,
                                 LINEAR | {"encoder": before})
    hashes[method] = {"before": before, "after": networks.weights_hash(model.encoder)}
    assert hashes[method]["after"] == before, "the linear probe has changed the encoder"

    runtime.seed_everything(SEED)
    key = (method, "fine-tuned")
    encoder = copy.deepcopy(model.encoder).requires_grad_(True)
    linear = nn.Linear(encoder.num_features, train_set.num_classes).to(accelerator.device)
    classifiers[key] = nn.Sequential(encoder, linear)
    states[key] = fit_classifier("-".join(key), classifiers[key], train_images, crop_and_flip,
                                 FINETUNING | {"encoder": before})
    print(f"{method}: encoder {before}, the same before and after the linear probe")

# %% [markdown]
# ## Part 6: the best epochs, the curves, the final accuracies
#
# The epoch is chosen on the validation images. Only then are the test labels used, once, for the curves of all epochs
# and the final numbers; nothing is chosen by them. Training accuracy is measured on the first 10,000 training images,
# as they are, without augmentation.

# %%
LABELS = [train_set.labels, validation_set.labels, test_set.labels]
curves, final = {}, {}
for key, classifier in classifiers.items():
    method, stage = key
    validation = measured(classifier, states[key], sides[key][1], LABELS[1])
    best = int(np.argmax([epoch["accuracy"] for epoch in validation]))
    on_train, on_test = (measured(classifier, states[key], sides[key][side][:10000], LABELS[side][:10000])
                         for side in (0, 2))
    curves[key] = [{"epoch": i + 1, **{f"train_{name}": value for name, value in on_train[i].items()},
                    **{f"test_{name}": value for name, value in on_test[i].items()}} for i in range(len(validation))]
    final[key] = {"train": on_train[best]["accuracy"], "test": on_test[best]["accuracy"], "epoch": best + 1}
    classifier.load_state_dict(states[key][best])
    print(f"{method + ', ' + stage:<28} epoch {best + 1:>3}: train accuracy {final[key]['train']:.2f} %, "
          f"test accuracy {final[key]['test']:.2f} %")
units = {"train_loss": "nats", "test_loss": "nats", "train_accuracy": "%", "test_accuracy": "%"}
for stage in ("linear", "fine-tuned"):
    display(results.save_figure(run, f"classifier_{stage}", plots.curves(
        {method: curves[method, stage] for method in models},
        [("train_loss", "test_loss"), ("train_accuracy", "test_accuracy")], units=units)))

# %% [markdown]
# The best linear layer goes into `simclr_lin_best.pt`, together with the encoder. It was trained on standardised
# features; so that nothing else is needed, their scale is taken into its weights. Read back from the file, the two
# give the same accuracy, up to rounding.

# %%
probe, (mean, std) = copy.deepcopy(classifiers["SimCLR", "linear"]).cpu(), map(torch.from_numpy, scales["SimCLR"])
with torch.no_grad():
    probe.weight /= std
    probe.bias -= probe.weight @ mean
whole = nn.Sequential(copy.deepcopy(models["SimCLR"].encoder), probe.to(accelerator.device))
accelerator.save(whole.state_dict(), run.folder / "simclr_lin_best.pt")
accelerator.wait_for_everyone()
whole.load_state_dict(torch.load(run.folder / "simclr_lin_best.pt", map_location="cpu", weights_only=True))
read_back = 100 * evaluate.accuracy(test_set.labels, training.predict(whole, test_images).argmax(1))
assert abs(read_back - final["SimCLR", "linear"]["test"]) < 0.3 + 100 / len(test_set)  # one image may be on the edge

test_knn = {}
for method in models:
    votes, _, asked = features[method]
    test_knn[method] = 100 * evaluate.knn_accuracy(votes, train_set.labels, asked, test_set.labels, NUM_NEIGHBOURS)
    print(f"{method:<15} test kNN {test_knn[method]:6.2f} %   linear {final[method, 'linear']['test']:6.2f} %   "
          f"fine-tuned {final[method, 'fine-tuned']['test']:6.2f} %")

# %% [markdown]
# ## What lies near what?
#
# The best picture of a feature space is its neighbourhoods. Left: a test image. Then the five other test images whose
# features are most similar.

# %%
unit = features["SimCLR"][2] / np.linalg.norm(features["SimCLR"][2], axis=1, keepdims=True)
queries = [int(np.flatnonzero(test_set.labels == label)[0]) for label in np.unique(test_set.labels)[:8]]
order = np.argsort(-unit[queries] @ unit.T, axis=1)[:, :6]  # the first is the image itself
names = np.array(test_set.class_names)[test_set.labels]
wrong = [names[i] != names[row[0]] for row in order for i in row]
results.save_figure(run, "neighbours", plots.image_grid(
    test_set.images[order.ravel()], names[order.ravel()], wrong=wrong, num_columns=order.shape[1]))

# %% [markdown]
# *t-SNE* [5] lays the features of test images out in the plane so that near ones stay near; distances between far
# groups mean little. The random encoder's map stands beside it, since t-SNE can make structure out of very little.

# %%
shown, maps = test_set.stratified(min(2000, len(test_set)), seed=0), {}
shown_images = training.tensors(shown)[0].to(accelerator.device)
for method, model in models.items():
    unit = training.predict(model.encoder, shown_images)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    perplexity = min(30, (len(unit) - 1) / 3)
    maps[method] = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(unit)
results.save_figure(run, "tsne", plots.embedding(maps, shown.labels, shown.class_names, method="t-SNE"))

# %% [markdown]
# The recorded `laptop` run, on the test images (one seed; all training images vote, not `knn_images` as in the
# curves):
#
# | encoder | kNN (%) | linear probe (%) | fine-tuned, two epochs (%) |
# |---|---|---|---|
# | SimCLR | 64.3 | 66.7 | 60.5 |
# | Barlow Twins | 54.4 | 57.4 | 58.6 |
# | random encoder | 39.9 | 45.6 | 58.2 |
#
# - **Learnt without labels.** Six epochs of SimCLR are worth 24 points of kNN and 21 of the linear probe. Train and
#   test accuracy of the probe lie within a point of each other: a linear layer can learn little by heart here.
# - **Barlow Twins** gains 14 points of kNN, a good half of that, at equal epochs and in equal time. It had its own
#   optimiser; a dozen other settings (batch size, learning rate, width of the head, $\lambda$, stronger crops), tried
#   for a fraction of an epoch, judged on validation images and not recorded, hardly differed. Where both train for
#   200 epochs [7], they end half a point apart: perhaps Barlow Twins only starts more slowly.
# - **Fine-tuning** is the wrong place to look for the difference: after two epochs with all 45,000 labels the three lie
#   within two and a half points. And the network fine-tuned from SimCLR is *worse* than the linear layer on the frozen
#   one, perhaps because this learning rate, the same as from scratch, undoes much of what was learnt. Yet after one
#   epoch it is 16 points ahead of the network from scratch (see the curves): a good start pays when steps are few.
# - **Neighbours and maps.** The automobile's are automobiles in front of white, some hardly another photograph; deer
#   and frog find mostly their kind, which has their colours, too. White dogs lie near white horses, the airplane in
#   front of trees among automobiles; neither cat nor horse finds one of its kind. t-SNE shows a side of animals and a
#   side of vehicles for SimCLR, no clean groups: that would take more training.
#
# ## Results
#
# | encoder | method | epochs | evaluation | accuracy (%) |
# |---|---|---|---|---|
# | ResNet-18 [6] | SimCLR, batch 512 | 100 | kNN (k = 10) / linear | 83.2 / 85.6 |
# | ResNet-18 [6] | SimCLR, batch 512 | 1000 | kNN (k = 10) / linear | 91.4 / 91.7 |
# | ResNet-18 [7] | SimCLR / Barlow Twins, batch 128 | 200 | kNN (k = 200), best epoch on test | 84.7 / 84.2 |
# | ours | above | above | above | next cell |
#
# They trained on all 50,000 images; ours on what is left without the validation images.

# %%
batch_size = min(cfg.simclr_batch_size, len(train_set))
steps = cfg.num_epochs * (len(train_set) // batch_size)
gain = {method: test_knn[method] - test_knn["random encoder"] for method in histories}
metrics = {
    "test_knn": test_knn["SimCLR"], "test_linear": final["SimCLR", "linear"]["test"],
    "knn_gain": gain["SimCLR"], "barlow_test_knn": test_knn["Barlow Twins"], "barlow_knn_gain": gain["Barlow Twins"],
    "barlow_test_linear": final["Barlow Twins", "linear"]["test"], "random_test_knn": test_knn["random encoder"],
    "random_test_linear": final["random encoder", "linear"]["test"],
    **{f"{name}_fine_tuned": final[method, "fine-tuned"]["test"]
       for name, method in (("simclr", "SimCLR"), ("barlow", "Barlow Twins"), ("random", "random encoder"))},
    **{f"{method}, {stage}: train accuracy": value["train"] for (method, stage), value in final.items()},
    **{f"{method}: encoder hash {when}": int(value[:12], 16)
       for method, both in hashes.items() for when, value in both.items()},
    "encoder_parameters": training.count_parameters(models["SimCLR"].encoder), "optimizer_steps": steps,
    "images_seen": steps * batch_size, "seconds_per_epoch": seconds_per_epoch["SimCLR"],
    "images_per_second": len(train_set) / seconds_per_epoch["SimCLR"],
    "barlow_minutes": sum(epoch["seconds"] for epoch in histories["Barlow Twins"]) / 60,
    **{f"{question}: {arm}": value for question, arms in found.items() for arm, value in arms.items()},
}
targets = [{"metric": metric, "at_least": None if DATA else bound} for metric, bound in (
    ("test_knn", cfg.target_knn), ("test_linear", cfg.target_linear), ("knn_gain", cfg.target_knn_gain),
    ("barlow_knn_gain", cfg.target_barlow_knn_gain), ("barlow_test_linear", cfg.target_barlow_linear))]
training_minutes = sum(epoch["seconds"] for epoch in histories["SimCLR"]) / 60
record = results.save(run, cfg, metrics, targets, [train_set, validation_set, test_set], training_minutes)

# %% [markdown]
# The assignment asks for a report: in a checkout of your own, `make report PROFILE=colab` (or `laptop`) writes one from
# the record of that profile and its figures, as a PDF; in Colab, `from tools import report` and
# `report.main(["--profile", run.profile])` in a cell of their own do (without `USE_DRIVE`). **TensorBoard** has all
# curves, and under *HParams* a table of all runs with their options. In Colab or Jupyter put `%load_ext tensorboard`
# and `%tensorboard --logdir FOLDER/tensorboard` into a cell of their own, where `FOLDER` is what the cell of the
# imports printed behind *Files of this run*.
#
# ## If something goes wrong
#
# - **No GPU found** in Colab: *Runtime > Change runtime type > T4 GPU*, then *Run all*.
# - **The loss stays at ln(2N - 1)** (SimCLR): all projections are alike. Lower the learning rate, or look whether the
#   views still show the same thing.
# - **Uniformity rises towards 0** while alignment falls to 0: collapse, see the experiments.
# - **The loss stops far above 0**: that is normal. Similarities lie between -1 and 1, so with $N$ = 256, $\tau$ = 0.5,
#   perfect pairs and all else unrelated it is $\ln(1 + 510 \, e^{-2})$ = 4.25.
# - **Out of memory**: halve `simclr_batch_size`, `simclr_learning_rate` and `barlow_batch_size` in `OVERRIDES`.
# - **The data cannot be downloaded**: the message names the hosts, the files and the folder to put them in.
# - **The notebook seems not to train**: it resumed a finished run, and says so. Delete the folder `runs` to start over.
#
# ## Exercises
#
# Each exercise has a stub to fill in and a check that tells you whether it is right. One solution to each is folded
# away in the last cell of the section.
#
# **1. How often is the pair found?** Return the share of the $2N$ projections whose most similar other projection is
# their own positive.

# %% tags=["exercise"]
def exercise_1(view_a, view_b):
    """Return a float in [0, 1]; views float `(N, D)`."""
    raise NotImplementedError


def check_1(answer):
    torch.manual_seed(0)
    a = torch.randn(50, 64)
    assert answer(a, 3 * a) == 1.0, "each is its own view, only longer: cosine similarity does not see the length"
    assert answer(a, a.roll(1, 0)) == 0.0, "the views of other images"
    b = torch.cat([a[:25], torch.randn(25, 64)])
    assert 0.5 <= answer(a, b) < 0.6, "half of the pairs agree, the others only by chance"


runtime.self_check(check_1, exercise_1)

# %% [markdown]
# **2. What does the temperature do?** The gradient of $\ell_i$ with respect to the similarity of $z_i$ and a negative
# $z_k$ is $p_k / \tau$, with $p_k$ the share of $\exp(\mathrm{sim}(z_i, z_k) / \tau)$ in the denominator of $\ell_i$.
# Return, for one anchor, the share of each negative in the sum *of the negatives alone*: how the push is divided
# among them.

# %% tags=["exercise"]
def exercise_2(similarities, temperature):
    """Return float `(K,)`, summing to 1; `similarities` float `(K,)` of one anchor to its K negatives."""
    raise NotImplementedError


def check_2(answer):
    similarities = torch.tensor([0.9, 0.5, 0.0])
    expected = {0.1: [0.9819, 0.0180, 0.0001], 1.0: [0.4815, 0.3228, 0.1958]}
    for temperature, shares in expected.items():
        torch.testing.assert_close(answer(similarities, temperature), torch.tensor(shares), atol=1e-3, rtol=0)


runtime.self_check(check_2, exercise_2)

# %% [markdown]
# **3. Barlow Twins for small batches.** With $N$ = 256 images and $D$ = 8,192 outputs, $C$ has 67 million entries.
# Return the sum of all $C_{ij}^2$ without ever forming a $D \times D$ matrix. (Hint: $\lVert A^\top B \rVert^2$ can be
# had from $A A^\top$ and $B B^\top$, where $A$ and $B$ are the standardised $z^A$ and $z^B$.)

# %% tags=["exercise"]
def exercise_3(a, b):
    """Return the sum of the squared entries of `a.T @ b / N`; float `(N, D)` each, columns of mean 0 and variance 1."""
    raise NotImplementedError


def check_3(answer):
    torch.manual_seed(0)
    a, b = torch.randn(2, 20, 100, dtype=torch.float64)
    torch.testing.assert_close(answer(a, b), (a.T @ b / 20).square().sum())


runtime.self_check(check_3, exercise_3)

# %% cellView="form" tags=["solution"]
# @title Solutions (double-click to see)
def solution_1(view_a, view_b):
    z = functional.normalize(torch.cat([view_a, view_b]), dim=1)
    similarities = (z @ z.T).fill_diagonal_(-2)
    return (similarities.argmax(1) == torch.arange(len(z)).roll(len(view_a))).float().mean().item()


def solution_2(similarities, temperature):
    return (similarities / temperature).softmax(0)


def solution_3(a, b):
    return ((a @ a.T) * (b @ b.T)).sum() / len(a) ** 2


# %% [markdown]
# ## Conclusion
#
# Two losses, one with negatives and one without, teach an encoder to see without a single label. With seven minutes
# on two CPU cores, a small ResNet's neighbours agree on the class of 64 % of the test images, 24 points more than
# without training; Barlow Twins is at a good half of that gain after as many epochs. How the views differ decides
# what is learnt, the crop most of all. And nearest neighbours, a frozen linear layer and fine-tuning answer three
# different questions, which should never be mixed up: the three encoders span more than 20 points under the first two
# and less than three under the third.
#
# Next: notebook 09 goes on to SimCLRv2 (in Keras; a look at notebook 01 for `fit` is enough), where few labels and a
# second, smaller network come in; notebook 14 tells this lesson in Keras; notebook 16 compares such methods on photos
# of your own.
#
# ## References
#
# 1. T. Chen, S. Kornblith, M. Norouzi, G. Hinton. A simple framework for contrastive learning of visual
#    representations. 2020. https://arxiv.org/abs/2002.05709
# 2. J. Zbontar, L. Jing, I. Misra, Y. LeCun, S. Deny. Barlow Twins. 2021. https://arxiv.org/abs/2103.03230
# 3. T. Wang, P. Isola. Understanding contrastive representation learning through alignment and uniformity on the
#    hypersphere. 2020. https://arxiv.org/abs/2005.10242
# 4. Q. Garrido, R. Balestriero, L. Najman, Y. LeCun. RankMe. 2022. https://arxiv.org/abs/2210.02885
# 5. L. van der Maaten, G. Hinton. Visualizing data using t-SNE. Journal of Machine Learning Research 9, 2008.
# 6. D. Kobak. simclr-cifar10. https://github.com/dkobak/simclr-cifar10
# 7. Lightly. Benchmarks. https://docs.lightly.ai/self-supervised-learning/getting_started/benchmarks.html
# 8. Y.-H. H. Tsai. Barlow-Twins-HSIC. https://github.com/yaohungt/Barlow-Twins-HSIC
