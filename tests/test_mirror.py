"""The two framework rooms mirror each other: same files, same names, same arguments."""

import ast
from pathlib import Path

import pytest

HELPERS = Path(__file__).resolve().parent.parent / "helpers"
ONLY_TORCH = {
    "tensors",  # Keras cuts its batches out of the ImageSet's own arrays
    "gather",  # Keras' losses see one device's batch
    "fused_crop_and_color",
}
FILES = sorted({path.name for room in ("keras", "torch") for path in (HELPERS / room).glob("[a-z]*.py")}
               - {"simclrv2.py"})  # its weights are TensorFlow's, and go into the Keras network


def public(room, file):
    """Return name -> names of the arguments of every public function, and of every public method of a class."""
    found = {}
    for node in ast.parse((HELPERS / room / file).read_text(encoding="utf-8")).body:
        members = [(node.name, node)] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.ClassDef):
            members = [(f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef)]
        for name, function in members:
            if not any(part.startswith("_") and part != "__init__" for part in name.split(".")):
                found[name] = [argument.arg for argument in function.args.args + function.args.kwonlyargs]
    return found


@pytest.mark.parametrize("file", FILES)
def test_what_both_rooms_have_takes_the_same_arguments(file):
    keras, torch = public("keras", file), public("torch", file)
    missing = set(torch) - set(keras) - ONLY_TORCH
    assert not missing, f"helpers/keras/{file} lacks {missing}"
    assert {name: keras[name] for name in torch.keys() & keras.keys()} == {
        name: torch[name] for name in torch.keys() & keras.keys()}
