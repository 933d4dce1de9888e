"""Kill a notebook's training at random moments, rerun it, and compare the weights with an uninterrupted run's.

    python tests/kill.py 04_lenet_mnist_torch --kills 12

Each trial starts in an empty folder, dies by SIGKILL (every second one while a checkpoint is being written), is run
again to its end, and must leave the same weights, optimiser state and history, bit for bit, in every checkpoint.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def start(notebook, folder):
    """Start the notebook as a script in the smoke profile, its runs below `folder`, without a network."""
    environment = {**os.environ, "NB_PROFILE": "smoke", "NB_OUTPUT_DIR": str(folder), "OMP_NUM_THREADS": "1",
                   "TF_DETERMINISTIC_OPS": "1", "PYTHONPATH": str(ROOT / "tests" / "no_network")}
    return subprocess.Popen([sys.executable, ROOT / "notebooks" / f"{notebook}.py"], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    """Wait for the end and return the output; a failure raises with the last of it."""
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(output[-3000:])
    return output


def checkpoints(folder):
    """Return the paths of all checkpoints below `folder`, of either framework."""
    return [path for ending in ("pt", "npz") for path in Path(folder).rglob(f"epoch-*.{ending}")]


def final_states(folder):
    """Return run name -> hash of weights, optimiser, schedule, seeds and history in that run's last checkpoint."""
    hashes = {}
    for run in sorted({path.parent for path in checkpoints(folder)}):
        state = read(sorted(checkpoints(run))[-1])
        digest = hashlib.sha256()
        _feed(digest, state["parts"])
        for epoch in state["history"]:
            digest.update(repr([value for name, value in epoch.items() if "second" not in name]).encode())
        hashes[run.relative_to(folder).as_posix()] = digest.hexdigest()[:16]
    return hashes


def read(path):
    """Return a checkpoint's state: `parts` and `history` at least."""
    if path.suffix == ".pt":
        import torch

        return torch.load(path, weights_only=True)
    with np.load(path) as file:
        arrays = {name: file[name].tolist() for name in file.files if name != "json"}
        return {"parts": arrays, **json.loads(str(file["json"]))}


def _feed(digest, value):
    if isinstance(value, dict):
        for name in value:
            digest.update(repr(name).encode())
            _feed(digest, value[name])
    elif isinstance(value, (list, tuple)):
        for item in value:
            _feed(digest, item)
    else:
        digest.update(value.numpy().tobytes() if hasattr(value, "numpy") else repr(value).encode())


def kill(process, folder, after, while_saving):
    """Kill after `after` seconds, or, `while_saving`, as soon after that as a checkpoint is half written."""
    begun = time.monotonic()
    time.sleep(after)
    while while_saving and process.poll() is None and not _half_written(folder):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return time.monotonic() - begun


def _half_written(folder):
    return any(name.endswith(".part") for _, _, names in os.walk(folder) for name in names)


def trials(notebook, kills, seed):
    """Run the trials; yield (seconds to the kill, whether a save was cut, checkpoints left, resumed, equal, hash)."""
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        process = start(notebook, folder)
        while process.poll() is None and not checkpoints(folder):
            time.sleep(0.05)
        first = time.time() - begun  # imports and data are behind us, training has begun
        finish(process)
        last = max(path.stat().st_mtime for path in checkpoints(folder)) - begun
        expected = final_states(folder)
    for trial in range(kills):
        with tempfile.TemporaryDirectory() as folder:
            process = start(notebook, folder)
            moment = kill(process, folder, generator.uniform(first, last), while_saving=trial % 2 == 1)
            cut, before = _half_written(folder), len(checkpoints(folder))
            output = finish(start(notebook, folder))
            found = final_states(folder)
            yield moment, cut, before, output.count("resumed after"), found == expected, _summary(found)


def _summary(states):
    return hashlib.sha256(repr(sorted(states.items())).encode()).hexdigest()[:16]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = 0
    for moment, cut, before, resumed, equal, digest in trials(options.notebook, options.kills, options.seed):
        where = "inside a save" if cut else ""
        print(f"killed after {moment:6.2f} s {where:<14} {before:3d} checkpoints left, {resumed:3d} resumed, "
              f"{'equal' if equal else 'DIFFERENT'} {digest}", flush=True)
        failed += not equal
    sys.exit(bool(failed))
