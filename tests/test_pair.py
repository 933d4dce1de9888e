"""The notebooks follow the house style, each .ipynb is what its .py gives, and tools/notebooks.py keeps it so."""

import ast
import functools
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import nbformat
import pytest
from jupytext.cli import jupytext as jupytext_command

from tools import notebooks

ROOT = notebooks.ROOT
PARAMETERS = {"PROFILE", "SEED", "OVERRIDES", "DATA", "USE_DRIVE"}
OTHER_FRAMEWORK = {
    "torch": ("tensorflow", "keras", "tf_keras", "tensorflow_hub", "tensorflow_datasets", "helpers.keras"),
    "keras": ("torch", "torchvision", "accelerate", "helpers.torch"),
}
MOST_CODE_LINES = {"02": 360, "03": 360, "05": 360, "06": 360, "07": 450, "08": 360, "09": 410, "10": 410, "11": 410,
                   "12": 410, "13": 450, "14": 410, "15": 410, "16": 490}  # 300 in all others
HEADER = """\
# ---
# jupyter:
#   accelerator: GPU
#   colab:
#     gpuType: T4
#     toc_visible: true
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""


# The rules. Each takes a page (see `read_page`) and returns what is wrong with it, as sentences.


def read_page(path):
    """Reads a pair: the .py's text and cells, the .ipynb's text, and the address all notebooks are stamped with."""
    root, text, ipynb = path.parent.parent, path.read_text("utf-8"), path.with_suffix(".ipynb")
    return SimpleNamespace(
        path=path, text=text, cells=notebooks.read_percent(text)[1], address=notebooks.stamped_address(root),
        ipynb=ipynb.read_text("utf-8") if ipynb.exists() else None)


def sources(page, kind, tag=None):
    """Returns {position: source} of the cells of a kind, or of those that carry a tag."""
    return {position: source for position, (cell_kind, source, metadata) in enumerate(page.cells)
            if cell_kind == kind and (tag is None or tag in metadata.get("tags", ()))}


def badge_link(path, address):
    repository = address.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{path.stem}.ipynb"


def colab_links(text):
    return set(re.findall(r"https://colab\.research\.google\.com/github/[^\s)\"'>]+", text))


def the_name_is_number_topic_framework(page):
    return [] if re.fullmatch(r"\d\d_[a-z0-9_]+_(keras|torch)", page.path.stem) else ["Expected NN_topic_framework.py."]


def the_header_is_the_common_one(page):
    return [] if page.text.startswith(HEADER) else [f"Expected at its start, and a text cell first:\n{HEADER}"]


def the_ipynb_is_what_the_py_gives(page):
    if page.ipynb == notebooks.notebook_text(page.path):
        return []
    return [f"{page.path.stem}.ipynb is not what the .py gives: run `make notebooks`."]


def the_ipynb_holds_no_output(page):
    notebook = json.loads(page.ipynb or '{"cells": [], "metadata": {}}')
    used = [position for position, cell in enumerate(notebook["cells"])
            if cell.get("outputs") or cell.get("execution_count")]
    widgets = ["Remove `widgets` from the metadata."] if "widgets" in notebook["metadata"] else []
    return [f"Cell {at} holds an output or an execution count: run `make notebooks`." for at in used] + widgets


def the_badge_leads_to_this_notebook(page):
    own, there = badge_link(page.path, page.address), page.path.parent.glob("*.py")
    missing = [] if own in page.cells[0][1] else [f"The first cell needs a badge that leads to {own}"]
    astray = colab_links(page.text) - {badge_link(path, page.address) for path in there}
    return missing + [f"{link} leads to no notebook of this repository: run `make notebooks`." for link in astray]


def one_cell_holds_the_five_parameters_as_literals(page):
    cells = sources(page, "code", "parameters")
    if len(cells) != 1:
        return [f"{len(cells)} cells are tagged `parameters`, expected is one."]
    names = []
    for statement in ast.parse(*cells.values()).body:
        try:
            (target,) = statement.targets
            ast.literal_eval(statement.value)
            names.append(target.id)
        except (AttributeError, ValueError):
            return [f"Only `NAME = literal` may stand in `parameters`, not `{ast.unparse(statement)}`."]
    return [] if sorted(names) == sorted(PARAMETERS) else [f"`parameters` has {names}, expected are {PARAMETERS}."]


def the_setup_cell_is_the_bootstrap(page):
    setup = list(sources(page, "code", "setup").values())
    expected = notebooks.bootstrap_text(page.address).strip("\n")
    return [] if setup == [expected] else ["The one `setup` cell must be tools/bootstrap.py: run `make notebooks`."]


def the_headings_are_one_h1_then_h2_and_h3(page):
    headings = [(position, line) for position, source in sources(page, "markdown").items()
                for line in re.sub(r"(?ms)^```.*?^```", "", source).splitlines() if re.match(r"#+ ", line)]
    titles = [position for position, line in headings if line.startswith("# ")]
    problems = [] if titles == [0] else [f"H1 headings are in cells {titles}, expected is one, in cell 0."]
    return problems + [f"Cell {at}: `{line}` is deeper than H3." for at, line in headings if line.startswith("####")]


def code_cells_are_plain_python(page):
    return [f"Cell {position} is not plain Python; `!` and magics are not used (but `# %tensorboard`):\n{source}"
            for position, source in sources(page, "code").items() if not notebooks.is_python(source)]


def one_framework_is_imported(page):
    imported = set()
    for node in ast.walk(ast.parse(page.text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    framework = page.path.stem.rpartition("_")[2]
    return [f"A {framework} notebook imports no {name}: TensorFlow and torch never share a kernel."
            for name in imported for other in OTHER_FRAMEWORK.get(framework, ()) if f"{name}.".startswith(f"{other}.")]


def arxiv_links_lead_to_abstracts(page):
    return [f"Link arxiv.org/abs/..., not {link}" for link in re.findall(r"arxiv\.org/(?!abs/)\S*", page.text)]


def code_lines(source):
    """Returns the number of lines that are neither blank, nor comment, nor docstring."""
    docstrings = {line for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)
                  and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
                  for line in range(node.lineno, node.end_lineno + 1)}
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") and number not in docstrings
               for number, line in enumerate(source.splitlines(), start=1))


def the_code_is_short(page):
    counts = {position: code_lines(source) for position, source in sources(page, "code").items()}
    problems = [f"Cell {position} has {count} code lines, at most 40 fit a screen."
                for position, count in counts.items() if count > 40]
    total = sum(count for position, count in counts.items() if position not in sources(page, "code", "setup"))
    most = MOST_CODE_LINES.get(page.path.stem[:2], 300)
    return problems + ([f"{total} code lines, at most {most} are a lesson."] if total > most else [])


RULES = [
    the_name_is_number_topic_framework, the_header_is_the_common_one, the_ipynb_is_what_the_py_gives,
    the_ipynb_holds_no_output, the_badge_leads_to_this_notebook, one_cell_holds_the_five_parameters_as_literals,
    the_setup_cell_is_the_bootstrap, the_headings_are_one_h1_then_h2_and_h3, code_cells_are_plain_python,
    one_framework_is_imported, arxiv_links_lead_to_abstracts, the_code_is_short,
]
by_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


# The notebooks of this repository


page_of_repository = functools.cache(read_page)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
@by_rule
def test_notebook(rule, path):
    problems = rule(page_of_repository(path))
    assert not problems, "\n".join([path.name, *problems])


def test_no_file_is_missing_or_behind():
    assert notebooks.check() == []


def test_the_readme_has_every_badge_and_no_other():
    readme, address = ROOT / "README.md", notebooks.stamped_address()
    found = colab_links(readme.read_text("utf-8")) if readme.exists() else set()
    expected = {badge_link(path, address) for path in (ROOT / "notebooks").glob("*.py")}
    assert not readme.exists() or found == expected


# A small notebook that follows every rule, and what happens to it

SMALL = HEADER + '''\
# # A small notebook
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/notebooks/01_small_torch.ipynb)
# after [LeCun](https://arxiv.org/abs/1234.5678)

# %% tags=["parameters"]
PROFILE = "colab"  # @param ["smoke", "colab"]
SEED = 0
OVERRIDES = {}
DATA = ""
USE_DRIVE = False  # @param {type:"boolean"}

# %% tags=["setup"]

# %% [markdown]
# ## Training
#
#     indented
# $$x^2$$

# %%
import torch


# %%
# copy the weights
# why?
template = """
%s"""
if SEED:
    # %load_ext tensorboard
    # %tensorboard --logdir runs
    pass

# %% tags=["exercise"]
answer = torch.zeros(2)  # é
'''


@pytest.fixture
def project(tmp_path):
    """A checkout with the small notebook, stamped and written."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/OWNER/REPOSITORY"\n')
    (tmp_path / "README.md").write_text("[b](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/x)\n")
    (tmp_path / "notebooks" / "01_small_torch.py").write_text(SMALL, "utf-8")
    notebooks.write("someone/series", tmp_path)
    return tmp_path


@pytest.fixture
def small(project):
    return project / "notebooks" / "01_small_torch.py"


def as_colab_saves_it(ipynb):
    """What Colab makes of a notebook: ids and run times in the cells, outputs, a Drive id, widgets without state."""
    notebook = json.loads(ipynb)
    for position, cell in enumerate(notebook["cells"]):
        del cell["id"]
        cell["metadata"] |= {"id": f"aB{position}", "outputId": "c0ffee", "executionInfo": {"user": {"userId": "7"}}}
        if cell["cell_type"] == "code":
            cell |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["loss\n"]}]}
    notebook["cells"].append({"cell_type": "code", "metadata": {}, "source": [], "outputs": []})
    notebook["metadata"]["colab"] |= {"name": "01_small_torch.ipynb", "provenance": [{"file_id": "1DriveId"}]}
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"0a": {"model_name": "HTML"}}}
    return json.dumps(notebook | {"nbformat_minor": 0})


@by_rule
def test_the_small_notebook_follows_the_rule(rule, small):
    assert rule(read_page(small)) == []


@pytest.mark.parametrize(("rule", "before", "after"), [
    (the_header_is_the_common_one, "#   accelerator: GPU\n", ""),
    (the_ipynb_is_what_the_py_gives, "$$x^2$$", "$$x^3$$"),
    (the_badge_leads_to_this_notebook, "/01_small_torch.ipynb", "/02_small_torch.ipynb"),
    (the_badge_leads_to_this_notebook, "github/someone/", "github/someone-else/"),
    (one_cell_holds_the_five_parameters_as_literals, "SEED = 0", "SEED = int(0)"),
    (one_cell_holds_the_five_parameters_as_literals, "SEED = 0\n", ""),
    (one_cell_holds_the_five_parameters_as_literals, "SEED = 0\n", "SEED = 0\nEPOCHS = 3\n"),
    (one_cell_holds_the_five_parameters_as_literals, "SEED = 0\n", "SEED = 0\nprint(SEED)\n"),
    (one_cell_holds_the_five_parameters_as_literals, '["exercise"]', '["parameters"]'),
    (the_setup_cell_is_the_bootstrap, "import sys", "import sys "),
    (the_setup_cell_is_the_bootstrap, '["exercise"]', '["setup"]'),
    (the_headings_are_one_h1_then_h2_and_h3, "# ## Training", "# # Training"),
    (the_headings_are_one_h1_then_h2_and_h3, "# ## Training", "# #### Training"),
    (code_cells_are_plain_python, "import torch", "!pip install torch"),
    (code_cells_are_plain_python, "import torch", "%timeit torch"),
    (one_framework_is_imported, "import torch", "import tensorflow as tf"),
    (one_framework_is_imported, "import torch", "from helpers import keras"),
    (arxiv_links_lead_to_abstracts, "arxiv.org/abs/1234.5678", "arxiv.org/pdf/1234.5678"),
    (the_code_is_short, "import torch", "import torch\n" * 41),
    (the_code_is_short, "import torch", "\n\n# %%\n".join(["import torch\n" * 39] * 8)),
])
def test_a_rule_catches_its_breach(rule, before, after, small):
    text = small.read_text("utf-8")
    assert before in text
    small.write_text(text.replace(before, after), "utf-8")
    assert rule(read_page(small))


def test_a_notebook_with_outputs_is_caught(small):
    ipynb = small.with_suffix(".ipynb")
    ipynb.write_text(as_colab_saves_it(ipynb.read_text("utf-8")), "utf-8")
    assert len(the_ipynb_holds_no_output(read_page(small))) == 5 + 1  # its code cells, and the widgets


def test_docstrings_comments_and_blank_lines_are_not_code():
    assert code_lines('def f():\n    """One\n\n    two."""\n    # three\n\n    return 4  # five\n') == 2


def test_the_ipynb_is_valid_and_clean(small):
    notebook = json.loads(small.with_suffix(".ipynb").read_text("utf-8"))
    nbformat.validate(notebook)
    assert [cell["id"] for cell in notebook["cells"]] == ["000", "001", "002", "003", "004", "005", "006"]
    assert notebook["metadata"] == {
        "accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}}


def test_only_the_tensorboard_magics_are_uncommented(small):
    source = "".join(json.loads(small.with_suffix(".ipynb").read_text("utf-8"))["cells"][5]["source"])
    assert source.splitlines() == [
        "# copy the weights", "# why?", 'template = """', '%s"""', "if SEED:", "    %load_ext tensorboard",
        "    %tensorboard --logdir runs", "    pass"]


def test_stamping_a_fork_changes_badge_and_bootstrap_and_back_gives_the_same_bytes(project):
    files = [*project.glob("notebooks/*"), project / "README.md", project / "pyproject.toml"]
    before = {path: path.read_bytes() for path in files}
    assert set(notebooks.write("https://github.com/fork/copy.git", project)) == set(files)
    text = files[0].read_text("utf-8")
    assert text.count("github/fork/copy/blob/main/notebooks/01_small_torch.ipynb") == 1
    assert "https://github.com/fork/copy" in text and "someone" not in text
    notebooks.write("someone/series", project)
    assert {path: path.read_bytes() for path in files} == before
    assert notebooks.write("", project) == []


@pytest.mark.parametrize(("origin", "address"), [
    ("https://github.com/fork/copy.git", "https://github.com/fork/copy"),
    ("git@github.com:fork/co.py.git", "https://github.com/fork/co.py"),
    ("ssh://git@github.com/fork/copy", "https://github.com/fork/copy"),
    ("https://me:secret@github.com/fork/copy/", "https://github.com/fork/copy"),
    ("https://notgithub.com/fork/copy", "https://github.com/someone/series"),
    ("/srv/git/copy", "https://github.com/someone/series"),
    (None, "https://github.com/someone/series"),
])
def test_the_address_comes_from_a_github_origin_else_from_pyproject(origin, address, project):
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    if origin:
        subprocess.run(["git", "-C", str(project), "remote", "add", "origin", origin], check=True)
    assert notebooks.address_to_stamp("", project) == address


def test_a_repository_that_is_none_is_refused(project):
    with pytest.raises(ValueError, match="owner/name"):
        notebooks.write("https://example.org/a/b", project)


@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_check_notices_one_character(suffix, project, small):
    path = small.with_suffix(suffix)
    path.write_text(path.read_text("utf-8").replace("zeros(2)", "zeros(3)"), "utf-8")
    assert notebooks.check(project) == ["notebooks/01_small_torch.ipynb differs: run `make notebooks`."]


def test_check_names_a_missing_and_an_orphaned_ipynb(project, small):
    small.with_suffix(".ipynb").rename(small.with_name("02_gone_torch.ipynb"))
    missing, orphaned = notebooks.check(project)
    assert "01_small_torch.ipynb is missing: run" in missing
    assert "02_gone_torch.ipynb has no .py" in orphaned


def test_the_commands_exit_with_1_when_something_is_wrong(project, small, capsys):
    small.with_suffix(".ipynb").unlink()
    assert notebooks.main(["check"], project) == 1 and "make notebooks" in capsys.readouterr().out
    assert notebooks.main(["pull", "05"], project) == 1 and "01_small_torch" in capsys.readouterr().err
    assert notebooks.main(["pull", "01"], project) == 1 and "01_small_torch.ipynb" in capsys.readouterr().err
    assert notebooks.main(["write", "--repository", ""], project) == notebooks.main(["check"], project) == 0


def test_a_cell_marker_inside_a_string_is_refused_by_name(project, small):
    small.write_text(small.read_text("utf-8").replace("%s", "# %% not a cell"), "utf-8")
    with pytest.raises(ValueError, match=r"01_small_torch.py: .* starts with `# %%`"):
        notebooks.write("", project)


def test_an_unchanged_notebook_from_colab_leaves_the_py_as_it_was(project, small):
    before, ipynb = small.read_bytes(), small.with_suffix(".ipynb")
    clean = ipynb.read_bytes()
    ipynb.write_text(as_colab_saves_it(ipynb.read_text("utf-8")), "utf-8")
    assert notebooks.pull("01", project) == []
    assert small.read_bytes() == before
    notebooks.write("", project)
    assert ipynb.read_bytes() == clean


def test_an_unchanged_notebook_from_a_fork_leaves_the_py_as_it_was(project, small):
    before, ipynb = small.read_bytes(), small.with_suffix(".ipynb")
    ipynb.write_text(ipynb.read_text("utf-8").replace("someone/series", "fork/copy"), "utf-8")
    assert notebooks.pull("01_small_torch", project) == []
    assert small.read_bytes() == before


def test_an_edit_from_colab_reaches_the_py_and_is_named(project, small, tmp_path):
    before = small.read_text("utf-8")
    notebook = json.loads(as_colab_saves_it(small.with_suffix(".ipynb").read_text("utf-8")))
    notebook["cells"][6]["source"] = ["!nvidia-smi\n", "answer = torch.ones(2)"]
    notebook["cells"].insert(4, {"cell_type": "markdown", "metadata": {"id": "x"}, "source": "Why **so**?"})
    del notebook["cells"][3]
    notebook["cells"][2]["source"] = ["print('another setup')"]
    download = tmp_path / "Copy of 01_small_torch (1).ipynb"
    download.write_text(json.dumps(notebook), "utf-8")
    notes = "\n".join(notebooks.pull(str(download), project))
    assert small.read_text("utf-8") == before.replace(
        "# ## Training\n#\n#     indented\n# $$x^2$$\n", "# Why **so**?\n").replace(
        "answer = torch.zeros(2)  # é", "# !nvidia-smi\nanswer = torch.ones(2)")
    for sentence in ("cell 3: changed: Why **so**?", "cell 6: changed: # !nvidia-smi", "cell 6: its magics",
                     "cell 2: the setup cell keeps"):
        assert sentence in notes
    notebooks.write("", project)
    assert notebooks.check(project) == []


def test_an_edit_that_cannot_be_brought_back_leaves_the_py_alone(project, small):
    before, ipynb = small.read_bytes(), small.with_suffix(".ipynb")
    for text in ("<html>", ipynb.read_text("utf-8").replace("template =", "# %% template =")):
        ipynb.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=r"01_small_torch.ipynb cannot be brought back"):
            notebooks.pull("1", project)
        assert small.read_bytes() == before


def test_plain_jupytext_takes_no_noise_of_colab_into_the_py(project, small):
    """By jupytext.toml, whichever way a notebook becomes a .py; and an indented magic is no trap on the way back."""
    noisy = project / "noisy.ipynb"
    noisy.write_text(as_colab_saves_it(small.with_suffix(".ipynb").read_text("utf-8")), "utf-8")
    jupytext_command(["--quiet", "--to", "py:percent", str(noisy)])
    text = noisy.with_suffix(".py").read_text("utf-8")
    assert text.startswith(HEADER)
    assert not re.search("DriveId|c0ffee|aB1|userId|jupytext_version|loss", text)
    jupytext_command(["--quiet", "--to", "ipynb", "--output", str(project / "again.ipynb"), str(small)])
    again = json.loads((project / "again.ipynb").read_text("utf-8"))
    ours = json.loads(small.with_suffix(".ipynb").read_text("utf-8"))
    assert [cell["source"] for cell in again["cells"][:5]] == [cell["source"] for cell in ours["cells"][:5]]
