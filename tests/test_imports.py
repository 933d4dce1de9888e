import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tools import count

ROOT = Path(__file__).resolve().parent.parent


def loaded_after(code):
    """Return the top-level modules that a fresh process has loaded after `code`."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_the_framework_free_helpers_load_no_framework():
    loaded = loaded_after("import helpers\nfrom helpers import checkpoints, config, data, evaluate, plots, results\n"
                          "from helpers import runtime, saliency, tensorboard")
    assert not loaded & {"torch", "torchvision", "tensorflow", "keras", "jax"}


def test_tensorboard_logging_in_torch_does_not_load_tensorflow(tmp_path):
    loaded = loaded_after(
        "import torch\nfrom helpers.torch import explain, training\n"
        f"tensorboard = training.TensorBoard({str(tmp_path)!r})\n"
        "tensorboard.log(1, {'loss': 1.0})\ntensorboard.close({'rate': 0.1}, {'accuracy': 1.0})\n"
        "torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)")
    assert "torch" in loaded and not loaded & {"tensorflow", "keras"}
    assert list(tmp_path.rglob("events.out.tfevents.*"))


FLOORS = [{"config"}, {"runtime"}, {"provenance"},
          {"checkpoints", "data", "evaluate", "plots", "results", "saliency", "tensorboard"},
          {"experiments"}, {"keras", "torch"}]  # from the ground up
FILES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "helpers").rglob("*.py"))}


def rooms_imported(tree):
    """Return the parts of `helpers` that a module imports, anywhere in it."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names = [[alias.name for alias in node.names] if node.module == "helpers" else [node.module.split(".")[1]]
             for node in nodes if node.module.split(".")[0] == "helpers"]
    return {name for each in names for name in each}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_helper_keeps_to_its_floor_is_short_and_does_not_print(path):
    room = path.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")
    floor = next((number for number, rooms in enumerate(FLOORS) if room in rooms), 0)
    assert rooms_imported(FILES[path]) <= {room, *(name for rooms in FLOORS[:floor] for name in rooms)}
    for node in ast.walk(FILES[path]):
        if isinstance(node, ast.FunctionDef):
            lines = textwrap.dedent("\n".join(path.read_text("utf-8").splitlines()[node.lineno - 1:node.end_lineno]))
            assert count.code_lines(lines) <= 40, node.name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print" or room in ("runtime", "results")
