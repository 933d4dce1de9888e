"""Keeps each pair in step: notebooks/NAME.py (jupytext percent, the only file that is edited) and NAME.ipynb.

    python -m tools.notebooks write [--repository owner/name]   stamp the address and the setup cell, write each .ipynb
    python -m tools.notebooks check                             exit 1 and name what `write` would change
    python -m tools.notebooks pull NOTEBOOK                     bring an .ipynb edited in Colab back into its .py
"""
import argparse
import ast
import difflib
import itertools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
PERCENT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
KEPT_METADATA = ("tags", "cellView")  # of a cell; whatever else a cell carries is Colab's or Jupyter's own

CELL = re.compile(r"^(?=# %%)", re.MULTILINE)
SETUP = re.compile(r'^(# %% tags=\["setup"\]\n)(?:(?!# %%).*\n)*', re.MULTILINE)
ADDRESS = re.compile(r'^(Repository|REPOSITORY) = ".*"$', re.MULTILINE)  # in pyproject.toml; in the setup cell
BADGE = re.compile(r"(https://colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(?=/blob/)")
GITHUB = re.compile(r"(?:(?:https?://|ssh://)?(?:[^@/\s]+@)?(?:www\.)?github\.com[/:])?([\w.-]+/[\w.-]+?)(?:\.git)?/?")
# The only magics of the series. In the .py they are comments, so that it stays plain Python.
MAGIC_IN_PY = re.compile(r"^([ \t]*)# (?=%(?:load_ext )?tensorboard\b)", re.MULTILINE)
MAGIC_IN_IPYNB = re.compile(r"^([ \t]*)(?=%(?:load_ext )?tensorboard\b)", re.MULTILINE)
MAGIC = re.compile(r"^([ \t]*)(?=[%!])", re.MULTILINE)  # any other magic or shell command, as people add in Colab


def repository_address(name):
    """Returns `https://github.com/owner/name` for `owner/name` or any https or ssh form of it; None for all else."""
    match = GITHUB.fullmatch(name.strip())
    return f"https://github.com/{match[1]}" if match else None


def stamped_address(root=ROOT):
    """Returns the address in pyproject.toml, the one place that names the repository."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]


def address_to_stamp(repository="", root=ROOT):
    """Returns the address for `write`: `repository`, else git's origin if that is on GitHub, else the stamped one.

    Raises:
        ValueError: if `repository` is given and names no GitHub repository.
    """
    if repository:
        if address := repository_address(repository):
            return address
        raise ValueError(f"{repository!r} names no GitHub repository: give it as owner/name.")
    try:
        command = ["git", "-C", str(root), "remote", "get-url", "origin"]
        origin = subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:  # no git here
        origin = ""
    return ("github.com" in origin and repository_address(origin)) or stamped_address(root)


def bootstrap_text(address):
    """Returns the setup cell's code: tools/bootstrap.py with `address` (anything that git can clone) in it."""
    text = BOOTSTRAP.read_text("utf-8").strip("\n") + "\n"
    return ADDRESS.sub(lambda match: f'{match[1]} = "{address}"', text)


def stamp_badges(text, address):
    """Returns `text` with every Colab badge leading to `address`; the rest of each link stays."""
    return BADGE.sub(lambda match: match[1] + address.removeprefix("https://github.com/"), text)


def stamp_notebook(text, address):
    """Returns the .py text with `address` in its badges and the canonical bootstrap as its setup cell.

    Raises:
        ValueError: if there is not exactly one cell marked `# %% tags=["setup"]`.
    """
    text = stamp_badges(text.rstrip("\n") + "\n", address)
    text, count = SETUP.subn(lambda match: f"{match[1]}{bootstrap_text(address)}\n", text)
    if count != 1:
        raise ValueError(f'{count} cells start with the line `# %% tags=["setup"]`, expected is one.')
    return text.rstrip("\n") + "\n"


def kept(cell):
    """Returns what we keep of a cell's metadata."""
    return {key: cell["metadata"][key] for key in KEPT_METADATA if cell["metadata"].get(key)}


def read_percent(text):
    """Returns a .py text as jupytext reads it: the header's metadata, and a list of (cell type, source, metadata).

    Raises:
        ValueError: if the lines that start with `# %%` are not the starts of the cells.
    """
    notebook = jupytext.reads(text, fmt=PERCENT)
    if len(notebook.cells) != len(CELL.split(text)) - 1:
        raise ValueError("text stands before the first `# %%`, or a line within a cell starts with `# %%`.")
    return notebook.metadata, [(cell.cell_type, cell.source.strip("\n"), kept(cell)) for cell in notebook.cells]


def ipynb_text(text):
    """Returns the .ipynb text for a .py text; see `notebook_text`."""
    header, cells = read_percent(text)
    written = []
    for position, (cell_type, source, metadata) in enumerate(cells):
        cell = {"cell_type": cell_type, "id": f"{position:03d}", "metadata": metadata}
        if cell_type == "code":
            cell |= {"execution_count": None, "outputs": []}
            source = MAGIC_IN_PY.sub(r"\1", source)
        written.append(cell | {"source": source.splitlines(keepends=True)})
    metadata = {key: header[key] for key in ("accelerator", "kernelspec") if key in header}
    metadata |= {"colab": {**header.get("colab", {}), "provenance": []}, "language_info": {"name": "python"}}
    notebook = {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def notebook_text(py_path):
    """Returns the text of the .ipynb that belongs to the .py at `py_path`.

    The same .py gives the same bytes: cell ids are positions, and the JSON is written here, not by a library's release.

    Raises:
        ValueError: if the lines that start with `# %%` are not the starts of the cells.
    """
    return ipynb_text(Path(py_path).read_text("utf-8"))


def generated_files(address, root=ROOT):
    """Returns {path: text} of every file that `write` sees to, as it should be with `address` stamped.

    Raises:
        ValueError: naming the .py that is not laid out as a notebook of this series.
    """
    pyproject, readme = root / "pyproject.toml", root / "README.md"
    files = {pyproject: ADDRESS.sub(lambda match: f'{match[1]} = "{address}"', pyproject.read_text("utf-8"))}
    if readme.exists():
        files[readme] = stamp_badges(readme.read_text("utf-8"), address)
    for path in sorted((root / "notebooks").glob("*.py")):
        try:
            files[path] = stamp_notebook(path.read_text("utf-8"), address)
            files[path.with_suffix(".ipynb")] = ipynb_text(files[path])
        except ValueError as error:
            raise ValueError(f"{path.relative_to(root)}: {error}") from error
    return files


def differing_files(address, root=ROOT):
    """Returns the part of `generated_files` that is missing on disk or reads otherwise there."""
    return {path: text for path, text in generated_files(address, root).items()
            if not path.exists() or path.read_bytes() != text.encode()}


def write(repository="", root=ROOT):
    """Stamps the repository's address and writes every .ipynb anew; returns the paths that changed."""
    files = differing_files(address_to_stamp(repository, root), root)
    for path, text in files.items():
        path.write_text(text, "utf-8", newline="\n")
    return list(files)


def check(root=ROOT):
    """Returns a sentence for each file that `write` would change and for each .ipynb without a .py."""
    differing = differing_files(stamped_address(root), root)
    orphans = [path for path in sorted((root / "notebooks").glob("*.ipynb")) if not path.with_suffix(".py").exists()]
    return [
        *(f"{path.relative_to(root)} {'differs' if path.exists() else 'is missing'}: run `make notebooks`."
          for path in differing),
        *(f"{path.relative_to(root)} has no .py beside it: remove it, or bring the .py back." for path in orphans),
    ]


def is_python(source):
    """Returns whether a cell's code is Python as it stands, without magics."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def pulled_cells(ipynb, own_cells, address):
    """Returns the cells of an .ipynb text as they belong into the .py, and sentences on what was not taken over.

    Colab's ids, outputs and metadata go, and so do empty cells. Badges keep our address, the setup cell its text.
    """
    setup = next((source for _, source, metadata in own_cells if "setup" in metadata.get("tags", ())), None)
    cells, notes = [], []
    for position, cell in enumerate(json.loads(ipynb)["cells"]):
        kind, metadata = cell["cell_type"], kept(cell)
        source = stamp_badges("".join(cell["source"]).strip("\n"), address)
        if kind == "code":
            source = MAGIC_IN_IPYNB.sub(r"\1# ", source)
        if setup is not None and "setup" in metadata.get("tags", ()):
            if ADDRESS.sub("", source) != ADDRESS.sub("", setup):
                notes.append(f"cell {position}: the setup cell keeps its text, edit tools/bootstrap.py instead")
            source = setup
        elif kind == "code" and not is_python(source):
            source = MAGIC.sub(r"\1# ", source)
            problem = "its magics became comments" if is_python(source) else "it is not valid Python, look at it"
            notes.append(f"cell {position}: {problem}")
        if "attachments" in cell:
            notes.append(f"cell {position}: the picture attached to it was left behind")
        if source.strip() or (kind, source, metadata) in own_cells:
            cells.append((kind, source, metadata))
    return cells, notes


def cell_text(kind, source, metadata):
    """Returns one cell as text for the .py, a blank line after it."""
    new_cell = getattr(nbformat.v4, f"new_{kind}_cell")
    filters = {"notebook_metadata_filter": "-all", "cell_metadata_filter": ",".join((*KEPT_METADATA, "-all"))}
    notebook = nbformat.v4.new_notebook(cells=[new_cell(source, metadata=metadata)], metadata={"jupytext": filters})
    return jupytext.writes(notebook, fmt=PERCENT).strip("\n") + "\n\n"


def pulled_text(text, ipynb, address):
    """Returns the .py text with the cells of an .ipynb text, and sentences that say what changed.

    Cells that did not change keep their text in the .py to the byte, and so does the header.

    Raises:
        ValueError: if the new text would not read as the same cells again.
    """
    _, old = read_percent(text)
    new, notes = pulled_cells(ipynb, old, address)
    if new == old:
        return text, notes
    header, *texts = CELL.split(text.rstrip("\n") + "\n\n")
    result = header
    matcher = difflib.SequenceMatcher(None, list(map(repr, old)), list(map(repr, new)), autojunk=False)
    for operation, start, end, new_start, new_end in matcher.get_opcodes():
        if operation == "equal":
            result += "".join(texts[start:end])
            continue
        result += "".join(cell_text(*cell) for cell in new[new_start:new_end])
        pairs = itertools.zip_longest(old[start:end], new[new_start:new_end])
        for offset, (before, after) in enumerate(pairs):
            verb = "added" if before is None else "removed" if after is None else "changed"
            position = offset + (start if after is None else new_start)
            notes.append(f"cell {position}: {verb}: {(after or before)[1].strip().partition(chr(10))[0]}")
    result = result.rstrip("\n") + "\n"
    if read_percent(result)[1] != new:
        raise ValueError("a line within an edited cell starts with `# %%` and would be taken for a new cell.")
    return result, notes


def find_pair(name, root=ROOT):
    """Returns (.py, .ipynb) for a number (`04`), a name, or the path of an .ipynb, a download from Colab included.

    Raises:
        ValueError: if `name` fits no notebook, or more than one.
    """
    given, notebooks = Path(name), sorted((root / "notebooks").glob("*.py"))
    found = [path for path in notebooks if path.stem in given.stem or path.stem.startswith(f"{given.stem.zfill(2)}_")]
    if len(found) != 1:
        names = ", ".join(path.stem for path in found or notebooks)
        raise ValueError(f"{name!r} fits {len(found)} notebooks, expected is one of: {names}.")
    return found[0], given if given.suffix == ".ipynb" else found[0].with_suffix(".ipynb")


def pull(name, root=ROOT):
    """Brings the edits of an .ipynb back into its .py; returns sentences that say which cells changed.

    Raises:
        ValueError: if `name` fits no single notebook, or its text cannot be brought back.
    """
    py_path, ipynb_path = find_pair(name, root)
    text, ipynb = py_path.read_text("utf-8"), ipynb_path.read_text("utf-8")
    try:
        text, notes = pulled_text(text, ipynb, stamped_address(root))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{ipynb_path} cannot be brought back, {py_path.name} stays as it is: {error}") from error
    py_path.write_text(text, "utf-8", newline="\n")
    return [f"{py_path.relative_to(root)}, {note}" for note in notes]


def main(arguments=None, root=ROOT):
    """Runs one of the subcommands; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write").add_argument("--repository", default="", metavar="owner/name")
    commands.add_parser("check")
    commands.add_parser("pull").add_argument("notebook", help="04, 04_lenet_mnist_torch, or the path of an .ipynb")
    options = parser.parse_args(arguments)
    try:
        if options.command == "write":
            lines = [f"wrote {path.relative_to(root)}" for path in write(options.repository, root)]
        elif options.command == "check":
            lines = check(root)
        else:
            lines = pull(options.notebook, root)
            lines += ["Now `make notebooks` writes the clean .ipynb."] if lines else ["No cell differs from the .py."]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines) or "All notebooks are up to date.")
    return int(options.command == "check" and bool(lines))


if __name__ == "__main__":
    sys.exit(main())
