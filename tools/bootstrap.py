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
