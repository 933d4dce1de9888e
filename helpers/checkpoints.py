"""Checkpoint files of a training: whole or not there, the last two kept, found again by the settings that made them."""

import contextlib
import math
import os
import pickle
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import config, provenance, runtime

UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError)


class CheckpointFolder:
    """The checkpoints of one training; what is in a file is the framework room's affair.

    A file is written under a temporary name, flushed and renamed: a file that has its name is whole. The settings and a
    hash of the helpers that the training uses go into the name, so that a run with others starts afresh and the older
    files stay.
    """

    def __init__(self, folder, settings, ending, encode, decode, best=None):
        """Prepare to keep checkpoints.

        Args:
            folder: path, one for each training.
            settings: JSON-able dict of all that decides the outcome.
            ending: of the files, `".pt"`.
            encode: function, state (dict) -> bytes of a zip archive.
            decode: function, path -> state.
            best: name of a number in the history; the epoch where it is best (lowest if the name ends in `loss`,
                highest otherwise) is kept too.
        """
        self.folder, self.best = Path(folder), best
        self.settings = {**settings, "helpers": provenance.helpers_hash()}
        self.encode, self.decode = encode, decode
        self.ending, self.suffix = ending, f"-{config.fingerprint(self.settings)}{ending}"

    def newest(self):
        """Return the state of the newest whole checkpoint, None if there is none; says which, and what it found."""
        for path in reversed(self._files()):
            try:
                state = self._read(path)
            except UNREADABLE as error:
                warnings.warn(f"The checkpoint {path} is damaged and passed over: {error}", stacklevel=3)
                continue
            runtime.say(f"{self.folder.name}: resumed after epoch {len(state['history'])} ({path.name})")
            return state
        self._tell_of_others()
        return None

    def best_state(self):
        """Return the state of the best epoch; FileNotFoundError, ValueError or the like if it cannot be had."""
        return self._read(self.folder / f"best{self.suffix}")

    def save(self, history, state):
        """Save after an epoch; a full disk costs this checkpoint, not the run: a warning, and the older ones stay.

        Args:
            history: list of dicts of numbers, one an epoch that is done; also written to a CSV file.
            state: dict, all else that the training goes on from.
        """
        try:
            content = self.encode({**state, "history": history, "settings": self.settings})
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.best and best_epoch(history, self.best) == len(history) - 1:
                self._write(f"best{self.suffix}", content)  # first: a run killed in between makes this epoch anew
            self._write(f"epoch-{len(history):04d}{self.suffix}", content)
            self._write(f"history-{config.fingerprint(self.settings)}.csv", _csv(history))
        except OSError as error:
            warnings.warn(f"No checkpoint after epoch {len(history)}: {error}. Training goes on.", stacklevel=3)
            return
        until_now = [path for path in self._files() if path.name <= f"epoch-{len(history):04d}{self.suffix}"]
        for leftover in {*self._files(), *self.folder.glob("*.part")} - {*until_now[-2:]}:
            with contextlib.suppress(OSError):
                os.truncate(leftover, 0)  # what is deleted in Google Drive takes up space for 30 days more
            leftover.unlink(missing_ok=True)

    def _files(self):
        return sorted(self.folder.glob(f"epoch-*{self.suffix}"))

    def _read(self, path):
        """Read a checkpoint; a torn or altered file raises one of UNREADABLE."""
        with zipfile.ZipFile(path) as archive:
            altered = archive.testzip()
        if altered:
            raise ValueError(f"the part {altered} does not agree with its checksum")
        return self.decode(path)

    def _write(self, name, content):
        partial = self.folder / f"{name}.part"
        try:
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.folder / name)
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    def _tell_of_others(self):
        others = sorted({*self.folder.glob(f"epoch-*{self.ending}")} - {*self._files()})
        if not others:
            return
        changed = "other settings"
        try:
            older = self._read(others[-1])["settings"]
            names = sorted(name for name in older.keys() | self.settings.keys()
                           if older.get(name) != self.settings.get(name))
            changed = ", ".join(f"{name} {older.get(name)!r} -> {self.settings.get(name)!r}" for name in names)
        except UNREADABLE:
            pass  # an unreadable old file has nothing to tell
        runtime.say(f"{self.folder.name}: starts afresh; the checkpoints there are of another run ({changed}). "
                    f"They are kept in {self.folder}.")


def best_epoch(history, name):
    """Return the place in the history where `name` is best: lowest if it ends in `loss`, else highest; the first.

    An epoch without a number (nan) is worse than any other.
    """
    if name not in history[-1]:
        raise ValueError(f"best={name!r} is not in the history, which has {', '.join(history[-1])}.")
    worst = math.inf if name.endswith("loss") else -math.inf
    values = [worst if math.isnan(epoch[name]) else epoch[name] for epoch in history]
    return values.index(min(values) if name.endswith("loss") else max(values))


def random_state():
    """Return the state of Python's and numpy's global random generators, JSON-able."""
    kind, keys, *rest = np.random.get_state()
    version, words, gauss = random.getstate()
    return {"python": [version, list(words), gauss], "numpy": [kind, keys.tolist(), *rest]}


def set_random_state(state):
    """Put back what `random_state` gave."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))


def _csv(history):
    return pd.DataFrame(history, dtype=object).to_csv(index=False).encode()
