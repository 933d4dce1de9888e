"""What every torch training loop of the series needs beside the loop: batches, checkpoints, TensorBoard."""

import contextlib
import hashlib
import inspect
import io
import os
import pickle
import random
import sys
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import extract_model_from_parallel, gather_object

from helpers import config, runtime

UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError)


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
        seed: int, shuffles; None keeps the order. The order depends on `seed` and `epoch` alone, so that a resumed
            run sees what the uninterrupted one would have seen, on whichever device.
        epoch: int, which epoch this is.
        drop_last: True leaves out a last batch that is not full.

    Yields:
        images float32 `(B, C, H, W)` in [0, 1], labels int64 `(B,)`.
    """
    count = len(labels)
    order = torch.arange(count)
    if seed is not None:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(epoch_seed(seed, epoch)))
    order = order.to(images.device)
    stop = count - count % batch_size if drop_last else count
    for start in range(0, stop, batch_size):
        chosen = order[start:start + batch_size]
        yield images[chosen].float().div_(255), labels[chosen]


def epoch_seed(seed, epoch):
    """Return a seed for one epoch: well mixed, so that seed 0 epoch 1 and seed 1 epoch 0 have nothing in common."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


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


def source_hash(*definitions):
    """Return 8 hexadecimal digits of the source of functions and classes, so that a change in them is noticed."""
    functions = []
    for definition in definitions:  # of a class its methods: the source of a class in a notebook cannot be had
        members = vars(definition).values() if inspect.isclass(definition) else [definition]
        functions += [member for member in members if inspect.isfunction(member)]
    return hashlib.sha256("".join(map(inspect.getsource, functions)).encode()).hexdigest()[:8]


class TensorBoard:
    """The curves of one training, and its row in the HParams table; a full disk costs the log, not the run."""

    def __init__(self, folder, next_epoch=1):
        """Open a log in `folder`; TensorBoard hides what an interrupted run logged there at `next_epoch` and later."""
        # TensorBoard takes TensorFlow where it finds it: seconds of start-up, and two frameworks in one kernel. The
        # module named here is what it looks for to use its own small stand-in.
        sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
        from torch.utils.tensorboard import SummaryWriter

        self.writer = None
        with self._reported():
            self.writer = SummaryWriter(str(folder), purge_step=next_epoch)

    def log(self, epoch, metrics):
        """Log the numbers of one epoch; `metrics` is a dict, name -> number."""
        with self._reported():
            for name, value in metrics.items():
                self.writer.add_scalar(name, value, epoch)

    def close(self, options, results):
        """Enter `options` (name -> number, str or bool) and `results` (name -> number) into the table, and close."""
        with self._reported():
            self.writer.add_hparams(options, results, run_name=".")
            self.writer.close()

    @contextlib.contextmanager
    def _reported(self):
        try:
            yield
        except OSError as error:
            warnings.warn(f"TensorBoard's log ends here: {error}. Training goes on.", stacklevel=4)
            self.writer = _Silent()


class _Silent:
    """Takes a writer's place once its disk is full."""

    def add_scalar(self, *ignored, **options):
        """Log nothing."""

    add_hparams = close = add_scalar


class Checkpoint:
    """Saves a training after every epoch and resumes it exactly; the last two epochs are kept.

    A file holds the state of everything passed in, the history, the settings and the state of every random generator,
    so that a run killed at any moment ends with the same weights as one that was not. It is written under a temporary
    name, flushed and renamed: a file that has its name is whole. Settings go into the name, so that a run with
    others starts afresh and the older files stay. Loading is `weights_only`: it runs no code from the file.

    Under `accelerate launch` the first process writes, and each process gets its own random state back. (accelerate's
    `save_state` writes a folder of files, which cannot appear in one step: hence one file here.)
    """

    def __init__(self, folder, settings, **parts):
        """Prepare to save `parts` below `folder`.

        Args:
            folder: path, one for each training.
            settings: JSON-able dict of all that decides the outcome: settings, seed, data, `source_hash` of the code.
            parts: objects with `state_dict` and `load_state_dict` (model, optimizer, scheduler, scaler), by name.
        """
        self.folder = Path(folder)
        self.settings = settings
        self.parts = {name: extract_model_from_parallel(part) if isinstance(part, torch.nn.Module) else part
                      for name, part in parts.items()}
        self.suffix = f"-{config.fingerprint(settings)}.pt"

    def resume(self):
        """Load the newest whole checkpoint of these settings and return its history; [] if the run starts afresh.

        The history is a list of dicts, one an epoch that is done. Says what it found; a torn file is passed over with
        a warning.
        """
        for path in reversed(self._files()):
            try:
                state = _read(path)
            except UNREADABLE as error:
                warnings.warn(f"The checkpoint {path} is damaged and passed over: {error}", stacklevel=2)
                continue
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
            _set_random_state(state["random"][PartialState().process_index])
            runtime.say(f"{self.folder.name}: resumed after epoch {len(state['history'])} ({path.name})")
            return state["history"]
        self._tell_of_others()
        return []

    def save(self, history):
        """Save after an epoch; `history` (list of dicts of numbers, one an epoch) decides the file's number.

        A full disk costs this checkpoint, not the run: it is reported as a warning and the older ones stay.
        """
        random_states = gather_object([_random_state()])
        if not PartialState().is_main_process:
            return
        state = {"parts": {name: part.state_dict() for name, part in self.parts.items()}, "history": history,
                 "settings": self.settings, "random": random_states}
        path = self.folder / f"epoch-{len(history):04d}{self.suffix}"
        try:
            _write(path, state)
        except OSError as error:
            warnings.warn(f"No checkpoint after epoch {len(history)}: {error}. Training goes on.", stacklevel=2)
            return
        for leftover in [*self._files()[:-2], *self.folder.glob("*.part")]:
            leftover.unlink(missing_ok=True)

    def _files(self):
        return sorted(self.folder.glob(f"epoch-*{self.suffix}"))

    def _tell_of_others(self):
        others = sorted(self.folder.glob("epoch-*.pt"))
        if not others:
            return
        changed = "other settings"
        try:
            older = _read(others[-1])["settings"]
            names = sorted(name for name in older.keys() | self.settings.keys()
                           if older.get(name) != self.settings.get(name))
            changed = ", ".join(f"{name} {older.get(name)!r} -> {self.settings.get(name)!r}" for name in names)
        except UNREADABLE:
            pass  # an unreadable old file has nothing to tell
        runtime.say(f"{self.folder.name}: starts afresh; the checkpoints there are of another run ({changed}). "
                    f"They are kept in {self.folder}.")


def _write(path, state):
    """Write a checkpoint so that it appears whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    try:
        with open(partial, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _read(path):
    """Read a checkpoint on the CPU, without running code from it; a torn or altered file raises."""
    with zipfile.ZipFile(path) as archive:
        altered = archive.testzip()
    if altered:
        raise ValueError(f"the part {altered} does not agree with its checksum")
    return torch.load(path, map_location="cpu", weights_only=True)


def _random_state():
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return {"torch": torch.get_rng_state(), "python": random.getstate(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached)}


def _set_random_state(state):
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
