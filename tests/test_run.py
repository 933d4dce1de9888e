"""`make run`: execution, the ran-check, and the index."""

import json
import os
import re
import signal
import sys
import time

import pytest

from tools import records, run

HEAD = '''# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A lesson

# %% tags=["parameters"]
SEED = 0
OVERRIDES = {}
DATA = ""

# %% [markdown]
# ## Training

# %%
'''
RECORD = {"metrics": {"accuracy": 97.8, "loss": {"mean": 0.1, "sd": None, "n": 1}},
          "targets": [{"metric": "accuracy", "at_least": 99.0, "met": False}]}
SAVES = f'''
import json, os, sys
from pathlib import Path
folder = Path(os.environ["NB_OUTPUT_DIR"], "runs", NAME, os.environ["NB_PROFILE"])
folder.mkdir(parents=True)  # fails if an earlier smoke run was left in place
record = {RECORD} | {{"saw": [sys.executable, os.getcwd(), SEED, OVERRIDES, DATA]}}
(folder / "record.json").write_text(json.dumps(record))
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder laid out like the project; `project(**code)` adds notebooks."""
    monkeypatch.delenv("NB_OUTPUT_DIR", raising=False)
    monkeypatch.delenv("NB_PROFILE", raising=False)
    (tmp_path / "notebooks").mkdir()

    def add(**code):
        for name, text in code.items():
            name = name.removeprefix("nb")
            (tmp_path / "notebooks" / f"{name}.py").write_text(f"{HEAD}NAME = {name!r}\n{text}\n", encoding="utf-8")
        return tmp_path

    return add


def index_rows(root):
    """The text of each row of the index, from the top."""
    page = (root / "build" / "index.html").read_text(encoding="utf-8")
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in page.split("<tr")[2:]]


def test_the_kernel_is_this_interpreter_and_gets_the_parameters(project, tmp_path, monkeypatch):
    root = project(nb01_good=SAVES)
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "another", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.chdir(tmp_path)
    (root / "runs" / "01_good" / "smoke").mkdir(parents=True)
    code = run.main(["1", "--seed", "7", "--overrides", '{"num_epochs": 2, "shift": true}', "--data", "photos"], root)
    record = json.loads((root / "runs" / "01_good" / "smoke" / "record.json").read_text(encoding="utf-8"))
    assert code == 0
    assert record["saw"] == [sys.executable, str(root / "notebooks"), 7, {"num_epochs": 2, "shift": True},
                             str(tmp_path / "photos")]


def test_a_failure_is_reported_and_the_next_notebook_runs(project, capsys):
    root = project(nb01_raises="1 / 0", nb02_good=SAVES, nb03_not_chosen="")
    (root / "build" / "laptop").mkdir(parents=True)
    earlier = {"profile": "laptop", "status": "ok", "minutes": 9.5, "headline": records.headline(RECORD)}
    (root / "build" / "laptop" / "02_good.json").write_text(json.dumps(earlier))
    assert run.main(["01", "02_good"], root) == 1
    assert "[1/2] 01_raises smoke ... failed" in (out := capsys.readouterr().out)
    assert "in: Training\n    ZeroDivisionError: division by zero" in out
    assert "accuracy: 97.8 (target ≥ 99: NOT met)" in out
    assert "ZeroDivisionError" in (root / "build" / "smoke" / "01_raises.html").read_text(encoding="utf-8")
    raises, smoke, laptop, not_chosen = index_rows(root)
    assert "failed" in raises and "ZeroDivisionError: division by zero" in raises
    assert "smoke ok" in smoke and "laptop ok 9.5" in laptop  # the row of the earlier call is still there
    assert "not run yet" in not_chosen


def test_ctrl_c_stops_the_kernel_and_still_writes_the_index(project):
    root = project(nb01_long="""
import os, signal, time
from pathlib import Path
try:
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    Path("stopped").touch()""", nb02_never=SAVES)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run.main([], root) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert (root / "notebooks" / "stopped").exists()
    stopped, never = index_rows(root)
    assert "stopped" in stopped and "not run yet" in never


@pytest.mark.parametrize("record, fault", [
    (None, "no record was written"),
    ({"metrics": {}, "targets": []}, "has no metrics"),
    (RECORD | {"metrics": {"accuracy": float("nan")}}, "accuracy: value is nan"),
    (RECORD | {"metrics": {"accuracy": None}}, "accuracy: value is None"),
    (RECORD | {"metrics": {"accuracy": {"mean": 3.0, "sd": float("inf"), "n": 2}}}, "accuracy: sd is inf"),
    (RECORD | {"metrics": {"loss": 0.1}}, "accuracy has a target but was not measured"),
    ({"metrics": {"loss": 0.1}}, "is not the record of a run"),
    ({"metrics": {"loss": 0.1}, "targets": [{"metric": "loss"}]}, "is not the record of a run: KeyError: 'at_most'"),
    (["loss", 0.1], "is not the record of a run"),
])
def test_a_record_that_is_missing_or_not_finite_is_a_fault(tmp_path, record, fault):
    if record is not None:
        (tmp_path / "record.json").write_text(json.dumps(record))
    (found,) = run.check_record(tmp_path / "record.json")
    assert fault in found


def test_a_record_older_than_the_run_is_a_fault(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(RECORD))
    began = time.time()
    os.utime(path, (began + 1, began + 1))
    assert run.check_record(path, began) == []
    os.utime(path, (began - 1, began - 1))
    assert "older than this run" in run.check_record(path, began)[0]


def test_check_only_names_the_notebook_without_a_record(project, capsys, monkeypatch, tmp_path):
    root = project(nb01_good="", nb02_silent="")
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "elsewhere"))
    folder = tmp_path / "elsewhere" / "runs" / "01_good" / "smoke"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(RECORD))
    assert run.main(["--check-only", "1"], root) == 0
    capsys.readouterr()
    assert run.main(["--check-only"], root) == 1
    assert "02_silent" in (out := capsys.readouterr().out) and "01_good" not in out


def test_notebooks_are_chosen_by_number_name_or_path(project):
    root = project(nb01_one="", nb04_four="", nb13_more="")
    assert run.select([], root) == ["01_one", "04_four", "13_more"]
    assert run.select(["13 4"], root) == run.select(["notebooks/04_four.py", "13_more"], root) == ["04_four", "13_more"]
    with pytest.raises(SystemExit, match=r"No notebook 05, mnist; known: 01_one, 04_four, 13_more\."):
        run.select(["05", "04", "mnist"], root)


def test_progress_bars_are_left_off_the_page():
    output = run.nbformat.v4.new_output
    bar = output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "box"}, "text/plain": "0%"})
    cell = run.nbformat.v4.new_code_cell("", outputs=[bar, output("stream", text="done")])
    run.without_widgets(run.nbformat.v4.new_notebook(cells=[cell]))
    assert [kept.output_type for kept in cell.outputs] == ["stream"]
