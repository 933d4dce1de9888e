"""What every torch training loop of the series needs beside the loop: batches, checkpoints, TensorBoard."""

import io

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import extract_model_from_parallel, gather_object

from helpers import checkpoints, runtime
from helpers.data.order import epoch_order
from helpers.tensorboard import TensorBoard

__all__ = ["Checkpoint", "TensorBoard", "batches", "count_parameters", "predict", "tensors"]


def tensors(image_set):
    """Return an ImageSet as two tensors: images uint8 `(N, C, H, W)`, labels int64 `(N,)`, both on the CPU.

    Sets of this size fit on the GPU as uint8 (CIFAR-10: 150 MB): move both there once, with `.cuda()`.
    """
    images = torch.from_numpy(np.ascontiguousarray(image_set.images.transpose(0, 3, 1, 2)))
    return images, torch.from_numpy(image_set.labels)


def batches(images, labels, batch_size, seed=None, epoch=0, drop_last=False):
    """Yield one epoch of `(images, labels)` batches, cut out of tensors that stay on their device.

    Args:
        images: uint8 `(N, C, H, W)`; labels: int64 `(N,)` on the same device.
        batch_size: int.
        seed: int, shuffles; None keeps the order.
        epoch: int, which epoch this is; with the seed it decides the order.
        drop_last: True leaves out a last batch that is not full.

    Yields:
        images float32 `(B, C, H, W)` in [0, 1], labels int64 `(B,)`.
    """
    count = len(labels)
    order = torch.arange(count) if seed is None else torch.from_numpy(epoch_order(count, seed, epoch))
    order = order.to(images.device)
    stop = count - count % batch_size if drop_last else count
    for start in range(0, stop, batch_size):
        chosen = order[start:start + batch_size]
        yield images[chosen].float().div_(255), labels[chosen]


@torch.no_grad()
def predict(model, images, batch_size=1000):
    """Return the model's outputs for uint8 images `(N, C, H, W)` as a float32 array `(N, K)`, in evaluation mode."""
    was_training = model.training
    model.eval()
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    outputs = [model(batch).float().cpu() for batch, _ in batches(images, labels, batch_size)]
    model.train(was_training)
    return torch.cat(outputs).numpy()


def count_parameters(model, trainable_only=False):
    """Return the number of parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


class Checkpoint:
    """Saves a training after every epoch and resumes it exactly; the last two epochs are kept.

    A file holds the state of everything passed in, the history, the settings and the state of every random generator,
    so that a run killed at any moment ends with the same weights as one that was not. It is written whole or not at
    all. Loading is `weights_only`: it runs no code from the file. Beside it lies the history as CSV.

    Under `accelerate launch` the first process writes, and each process gets its own random state back. (accelerate's
    `save_state` writes a folder of files, which cannot appear in one step: hence one file here.)
    """

    def __init__(self, folder, settings, best=None, **parts):
        """Prepare to save `parts` below `folder`.

        Args:
            folder: path, one for each training.
            settings: JSON-able dict of all that decides the outcome: settings, seed, data, `provenance.source_hash` of
                the code. A run with other settings starts afresh; the older files stay.
            best: name of a number in the history; the epoch where it is best (lowest if the name ends in `loss`,
                highest otherwise) is kept too, for `load_best`.
            parts: objects with `state_dict` and `load_state_dict` (model, optimizer, scheduler, scaler), by name.
        """
        self.files = checkpoints.CheckpointFolder(folder, settings, ".pt", _encode, _decode, best)
        self.parts = {name: extract_model_from_parallel(part) if isinstance(part, torch.nn.Module) else part
                      for name, part in parts.items()}

    def resume(self):
        """Load the newest whole checkpoint of these settings and return its history; [] if the run starts afresh.

        The history is a list of dicts, one an epoch that is done. Says what it found; a torn file is passed over with
        a warning.
        """
        state = self.files.newest()
        if state is None:
            return []
        self._load(state)
        process = PartialState()
        if len(state["random"]) == process.num_processes:
            _set_random_state(state["random"][process.process_index])
        else:
            runtime.say(f"The checkpoint is of {len(state['random'])} processes, this run has {process.num_processes}: "
                        "it goes on with the same weights, but not with the same random numbers.")
        return state["history"]

    def save(self, history):
        """Save after an epoch; `history` (list of dicts of numbers, one an epoch) decides the file's number.

        A full disk costs this checkpoint, not the run: it is reported as a warning and the older ones stay.
        """
        random_states = gather_object([_random_state()])
        if PartialState().is_main_process:
            states = {name: part.state_dict() for name, part in self.parts.items()}
            self.files.save(history, {"parts": states, "random": random_states})

    def load_best(self):
        """Put all parts back to where they were after the best epoch; return that epoch's dict of the history."""
        state = self.files.best_state()
        self._load(state)
        return state["history"][-1]

    def _load(self, state):
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])


def _encode(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()


def _decode(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def _random_state():
    return {**checkpoints.random_state(), "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def _set_random_state(state):
    checkpoints.set_random_state(state)
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
