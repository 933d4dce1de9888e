import subprocess
import sys
from pathlib import Path

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
