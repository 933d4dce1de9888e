import linecache

import pytest

from helpers import provenance

NOTEBOOK = """# %%
from helpers.torch import losses
loss = losses.contrastive(1)
"""
LIBRARY = """import math
SCALE = 2


def scaled(x):
    return SCALE * x


@math.trunc
def contrastive(x):
    return scaled(x)


def unused(x):
    return x
"""


@pytest.mark.parametrize(("old", "new", "changes"), [
    ("return scaled(x)", "return -scaled(x)", True),
    ("return SCALE * x", "return SCALE + x", True),
    ("SCALE = 2", "SCALE = 3", True),
    ("@math.trunc", "@math.ceil", True),
    ("def unused(x):\n    return x", "def unused(x):\n    return -x", False),
    ("def unused", "def another(x):\n    return 2 * x\n\n\ndef unused", False),
])
def test_of_a_library_the_definitions_count_that_the_notebook_reaches(tmp_path, old, new, changes):
    library = tmp_path / "helpers" / "torch" / "losses.py"
    library.parent.mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "04_lesson.py").write_text(NOTEBOOK)

    def hashes(text):
        library.write_text(text)
        return provenance.code_hashes("04_lesson", ["helpers.torch.losses"], tmp_path)

    assert old in LIBRARY
    assert (hashes(LIBRARY) != hashes(LIBRARY.replace(old, new))) is changes


def test_the_code_of_a_run_names_what_can_change_it_and_not_what_draws():
    import helpers.torch.training  # noqa: F401
    from helpers import data, plots  # noqa: F401

    modules = provenance.loaded_modules()
    assert "helpers.torch.training" in modules and "helpers.data.imageset" in modules
    assert not [name for name in modules if "plots" in name or "explain" in name or "catalogue" in name]


def test_the_source_hash_notices_a_changed_method_and_works_on_classes_without_a_file():
    def hash_of(line):
        namespace = {"__name__": "no_such_module"}
        source = f"class Net:\n    def forward(self, x):\n        return {line}\n"
        path = f"<cell {line}>"
        linecache.cache[path] = (len(source), None, source.splitlines(True), path)
        exec(compile(source, path, "exec"), namespace)
        return provenance.source_hash(namespace["Net"])

    assert hash_of("x") == hash_of("x") != hash_of("x + 1")
