"""Load what a notebook defines without running it: imports, functions, classes and literal constants of its `.py`."""

import ast
import contextlib
import types
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def load(notebook):
    """Return a module with the notebook's imports, functions, classes and assignments of literals.

    A function whose default arguments are computed in the notebook is left out.
    """
    path = NOTEBOOKS / f"{notebook}.py"
    kept = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if _is_definition(node)]
    module = types.ModuleType(notebook)
    for node in kept:
        with contextlib.suppress(NameError):
            exec(compile(ast.Module([node], type_ignores=[]), str(path), "exec"), module.__dict__)
    return module


def _is_definition(node):
    if isinstance(node, ast.Assign):
        try:
            ast.literal_eval(node.value)
        except ValueError:
            return False
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign))
