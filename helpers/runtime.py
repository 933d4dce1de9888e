"""The machine a notebook runs on: seeds, versions, device, folders.  Looks at a framework only if it is loaded."""

import dataclasses
import gc
import importlib.metadata
import os
import platform
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import helpers
from helpers import config

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "torchvision", "accelerate", "tensorflow", "keras", "jax", "tensorflow_datasets", "numpy",
            "sklearn", "matplotlib")
DISTRIBUTIONS = {"sklearn": "scikit-learn", "tensorflow_datasets": "tensorflow-datasets"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One execution of a notebook: who it is, where its files go, when it began."""

    notebook: str
    profile: str
    seed: int
    folder: Path  # runs/<notebook>/<profile>
    device: str
    started: float  # time.time() when the run began, seconds


def start(notebook, profile, seed, use_drive=False):
    """Seed every generator, report versions, device and folders, and return the `Run`.

    Args:
        notebook: name of the notebook without its ending, `"04_lenet_mnist_torch"`.
        profile: name of a profile; `NB_PROFILE` in the environment takes its place.
        seed: non-negative int.
        use_drive: True keeps the run's files in Google Drive, so that they outlive the Colab machine.

    Returns:
        `Run`.

    Raises:
        ValueError: unknown profile, or a seed that is not a non-negative int.
        RuntimeError: `use_drive` outside Colab.
    """
    profile = os.environ.get("NB_PROFILE") or profile
    if profile not in config.PROFILE_NAMES:
        raise ValueError(f"Unknown profile {profile!r}; choose one of {', '.join(config.PROFILE_NAMES)} "
                         "(PROFILE in the parameters cell, or NB_PROFILE in the environment).")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"SEED must be a non-negative int, got {seed!r}.")
    seed_everything(seed)
    folder = output_dir(use_drive) / "runs" / notebook / profile
    device = device_name()
    say(f"{notebook} · profile {profile} · seed {seed} · helpers API {helpers.API} · commit {commit()}")
    say(" · ".join(f"{name} {version}" for name, version in {"Python": sys.version.split()[0], **versions()}.items()))
    say(f"Device: {device}")
    if device.startswith("CPU"):
        say("No GPU found. In Colab: Runtime > Change runtime type > T4 GPU, then Runtime > Run all. "
            "On a machine without one, the profiles smoke and laptop are the right ones.")
    say(f"Files of this run: {folder}")
    return Run(notebook, profile, seed, folder, device, time.time())


def is_first_process():
    """Return False in all processes but the first of `accelerate launch` or `torchrun`: these leave no files."""
    return os.environ.get("RANK", "0") == "0"


def say(message):
    """Print one line at once (the only voice of the helpers beside `results`), in the first process only."""
    if is_first_process():
        print(message, flush=True)


def self_check(check, answer):
    """Run an exercise's check on the reader's answer and say how it went; never raises.

    Args:
        check: function that takes the answer and raises AssertionError, with a hint, where it is wrong.
        answer: the reader's function; NotImplementedError means not begun.
    """
    try:
        check(answer)
    except NotImplementedError:
        say(f"{answer.__name__}: not solved yet")
    except AssertionError as error:
        say(f"{answer.__name__}: not right yet. {error}")
    except Exception as error:  # whatever a reader's unfinished code may raise
        say(f"{answer.__name__}: stopped with {type(error).__name__}: {error}")
    else:
        say(f"{answer.__name__}: solved")


def seed_everything(seed):
    """Seed Python, numpy and whichever of torch and Keras is loaded; free what finished trainings have left behind."""
    gc.collect()  # a Keras model refers to itself, so Python frees its images and weights late
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed % 2**32)


def output_dir(use_drive=False):
    """Return the folder that holds `runs/`: `NB_OUTPUT_DIR`, else Google Drive if asked for, else the checkout."""
    if os.environ.get("NB_OUTPUT_DIR"):
        return Path(os.environ["NB_OUTPUT_DIR"]).resolve()
    if not use_drive:
        return ROOT
    try:
        from google.colab import drive
    except ImportError as error:
        raise RuntimeError("USE_DRIVE = True works in Colab only. Set it to False; the run's files then stay in "
                           f"{ROOT / 'runs'}.") from error
    drive.mount("/content/drive")
    return Path("/content/drive/MyDrive") / ROOT.name


def data_dir():
    """Return the folder of the data sets: `NB_DATA_DIR`, else `data/` in the checkout."""
    return Path(os.environ.get("NB_DATA_DIR") or ROOT / "data").resolve()


def versions():
    """Return name -> version of the packages of the series that this process has loaded."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    return {name: importlib.metadata.version(DISTRIBUTIONS.get(name, name)) for name in loaded}


def device_name():
    """Return the name of the device that the loaded framework computes on; it begins with "CPU" if there is no GPU."""
    framework = _framework()
    if framework == "torch" and sys.modules["torch"].cuda.is_available():
        torch = sys.modules["torch"]
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB"
    if framework == "tensorflow":
        experimental = sys.modules["tensorflow"].config.experimental
        gpus = experimental.list_physical_devices("GPU")
        if gpus:
            return experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    if framework == "jax" and sys.modules["jax"].default_backend() != "cpu":
        return sys.modules["jax"].devices()[0].device_kind
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {cores} cores ({_processor()})"


def device_slug(device):
    """Return the device's name as it stands in a file name: `cpu`, `tesla-t4`, `nvidia-h200`."""
    return re.sub(r"[^a-z0-9]+", "-", device.split(",")[0].lower()).strip("-")


def peak_memory_mib():
    """Return the most memory in use so far, MiB: the GPU's, else this process' resident memory."""
    framework = _framework()
    if framework == "torch" and sys.modules["torch"].cuda.is_available():
        return round(sys.modules["torch"].cuda.max_memory_allocated() / 2**20)
    if framework == "tensorflow" and not device_name().startswith("CPU"):
        return round(sys.modules["tensorflow"].config.experimental.get_memory_info("GPU:0")["peak"] / 2**20)
    if framework == "jax" and not device_name().startswith("CPU"):
        return round(sys.modules["jax"].devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20)
    try:
        import resource
    except ImportError:  # Windows
        import psutil
        return round(psutil.Process().memory_info().peak_wset / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss counts bytes on macOS, KiB on Linux
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def commit():
    """Return the checkout's short commit, with `+` behind it when files differ from it; "unknown" outside git."""
    def git(*words):
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _framework():
    """Return the name of the framework that computes here: Keras' backend if Keras is loaded, else torch or None."""
    keras = sys.modules.get("keras")
    return keras.backend.backend() if keras else "torch" if "torch" in sys.modules else None


def _processor():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
