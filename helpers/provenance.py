"""Which code a result came from: hashes of all code that could change it, and of none that could not."""

import ast
import hashlib
import inspect
import re
import sys

from helpers import runtime

UNCOUNTED_TAGS = {"parameters", "setup", "profiles", "exercise", "solution"}
# Of `data` what makes pixels, labels or their order; how they reached this machine changes no result.
COUNTED_MODULES = re.compile(r"helpers\.((keras|torch)\.training"
                             r"|data\.(imageset|order|pictures|synthetic|tfds_reader|torchvision_reader))")
# Of these only the definitions that a notebook uses count: a new loss leaves the results of the others as they were.
LIBRARIES = re.compile(r"helpers\.(evaluate|(keras|torch)\.(augment|losses|networks|simclrv2))")


def loaded_modules():
    """Return the names of the helpers modules in this process that can change a result."""
    return sorted(name for name in sys.modules if COUNTED_MODULES.fullmatch(name) or LIBRARIES.fullmatch(name))


def code_hashes(notebook, modules, root=runtime.ROOT):
    """Return name -> 12 hexadecimal digits for a notebook's code cells and for helpers modules.

    Prose, comments, docstrings, blank lines, the cells tagged as in `UNCOUNTED_TAGS` and modules that only draw or
    report do not count: changing them leaves a result as it was; nor do the functions of `LIBRARIES` that the notebook
    does not use. A file that is not there gives None.
    """
    text = _text(root / "notebooks" / f"{notebook}.py")
    code = None if text is None else _code_lines(counted_cells(text))
    libraries = {name: _module_text(name, root) for name in modules if LIBRARIES.fullmatch(name)}
    used = _reached(libraries, code or "")
    counted = {name: used[name] if libraries.get(name) else _module_code(name, root) for name in modules}
    return {notebook: _digest(code)} | {name: _digest(text) for name, text in counted.items()}


def source_hash(*definitions):
    """Return 8 hexadecimal digits for the source of functions and classes, and for the helpers they use."""
    functions = []
    for definition in definitions:  # of a class its methods: the source of a class in a notebook cannot be had
        members = vars(definition).values() if inspect.isclass(definition) else [definition]
        functions += [member for member in members if inspect.isfunction(member)]
    source = "".join(map(inspect.getsource, functions))
    libraries = {name: _module_text(name) for name in loaded_modules() if LIBRARIES.fullmatch(name)}
    return _digest(source + "".join(_reached(libraries, source).values()))[:8]


def helpers_hash():
    """Return 8 hexadecimal digits for the modules in this process that make batches and train."""
    modules = [name for name in loaded_modules() if COUNTED_MODULES.fullmatch(name)]
    return _digest("".join(_module_code(name) for name in modules))[:8]


def counted_cells(text):
    """Return the code cells of a notebook's `.py` text that make its results, one after the other."""
    parts = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)
    cells = [body for head, body in zip(parts[1::2], parts[2::2])
             if "[markdown]" not in head and not UNCOUNTED_TAGS & set(re.findall(r'"(\w+)"', head))]
    return "\n".join(cells)


def _reached(libraries, code):
    """Of each module (name -> its text) return the code of the definitions that `code` names, directly or by others."""
    definitions = {}
    for module, text in libraries.items():
        for node in ast.parse(text or "").body:
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
            segment = _code_lines("\n".join(text.splitlines()[first - 1:node.end_lineno]))
            for target in node.targets if isinstance(node, ast.Assign) else [node]:
                definitions[module, getattr(target, "name", getattr(target, "id", None))] = segment
    reached, words = set(), set(re.findall(r"\w+", code))
    while new := {key for key in definitions.keys() - reached if key[1] in words}:
        reached |= new
        words = {word for key in new for word in re.findall(r"\w+", definitions[key])}
    return {module: "\n".join(definitions[key] for key in sorted(reached) if key[0] == module) for module in libraries}


def _text(path):
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _module_text(name, root=runtime.ROOT):
    return _text(root / f"{name.replace('.', '/')}.py")


def _module_code(name, root=runtime.ROOT):
    text = _module_text(name, root)
    return None if text is None else _code_lines(text)


def _digest(code):
    return None if code is None else hashlib.sha256(code.encode()).hexdigest()[:12]


def _code_lines(text):
    """Return the lines of code without docstrings, comment lines, blank lines and trailing space."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            documentation = node.body[0]
            lines[documentation.lineno - 1:documentation.end_lineno] = [""] * (
                documentation.end_lineno - documentation.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
