import json
import re
import time

import numpy as np
import pytest
from PIL import Image

from helpers import config, provenance, results, runtime
from tools import gallery, records
from tools import results as make_results

PROFILES = {"profile": ("laptop", "full"), "num_epochs": (3, 9)}
NOTEBOOK = '''# %% [markdown]
# # A lesson
# %% tags=["profiles"]
PROFILES = {"profile": ("laptop", "full"), "num_epochs": (3, 9)}
# %%
def model():
    """Say what it is."""
    return 1  # %s
# %% tags=["exercise"]
answer = 42
'''


@pytest.fixture
def project(tmp_path):
    """A project with one notebook; gives its root."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "04_lesson.py").write_text(NOTEBOOK)
    return tmp_path


def make_record(root, **changes):
    record = {"notebook": "04_lesson", "profile": "laptop", "settings": {"num_epochs": 3}, "seed": 0,
              "metrics": {"test_accuracy": {"mean": 99.1, "sd": 0.05, "n": 3}},
              "targets": [{"metric": "test_accuracy", "at_least": 99.0, "value": 99.1, "met": True}],
              "data": [{"name": "mnist", "source": "the published files"}], "minutes": 1.5, "peak_memory_mib": 700,
              "device": "CPU, 2 cores", "date": "2026-11-22",
              "code": provenance.code_hashes("04_lesson", [], root), **changes}
    return record


def test_a_saved_record_says_what_ran_and_whether_the_target_was_met(tmp_path, capsys):
    run = runtime.Run("04_lesson", "laptop", 7, tmp_path / "run", "CPU, 2 cores", time.time() - 60)
    settings = config.resolve("laptop", PROFILES)
    targets = [{"metric": "test_accuracy", "at_least": 99.0}, {"metric": "loss", "at_most": 0.1},
               {"metric": "loss", "at_least": None}]
    results.save(run, settings, {"test_accuracy": 98.5, "loss": 0.05}, targets)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert [target["met"] for target in record["targets"]] == [False, True]
    assert record["settings"] == {"num_epochs": 3} and record["seed"] == 7 and record["minutes"] >= 1
    assert "test_accuracy ≥ 99: NOT met" in capsys.readouterr().out


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"mean": float("nan"), "sd": 0.0, "n": 3}])
def test_a_metric_that_is_no_number_is_told_and_left_out_and_cannot_be_a_target(tmp_path, value, capsys):
    run = runtime.Run("04_lesson", "laptop", 0, tmp_path, "CPU", time.time())
    settings, metrics = config.resolve("laptop", PROFILES), {"accuracy": 98.5, "loss": value}
    assert results.save(run, settings, metrics)["metrics"] == {"accuracy": 98.5}
    assert "Not in the record, for lack of a finite number: loss." in capsys.readouterr().out
    with pytest.raises(ValueError, match="'loss'; measured were accuracy"):
        results.save(run, settings, metrics, [{"metric": "loss", "at_most": 1.0}])


def test_a_target_on_something_not_measured_is_refused():
    with pytest.raises(ValueError, match="'accuracy'; measured were loss"):
        results.judge({"loss": 1.0}, [{"metric": "accuracy", "at_least": 1}])


def test_a_record_with_other_settings_or_a_false_verdict_is_at_fault(project):
    assert records.faults(make_record(project), project) == []
    assert "num_epochs" in records.faults(make_record(project, settings={"num_epochs": 2}), project)[0]
    own = [{"name": "photos", "source": "the reader's own folder of images"}]
    assert "own folder" in records.faults(make_record(project, data=own), project)[0]
    false = [{"metric": "test_accuracy", "at_least": 99.5, "value": 99.1, "met": True}]
    assert "verdict" in records.faults(make_record(project, targets=false), project)[0]


@pytest.mark.parametrize(("old", "new", "stale"), [
    ("return 1", "return 2", True),
    ("# # A lesson", "# # A better lesson", False),
    ('"""Say what it is."""', '"""Say it better."""', False),
    ("answer = 42", "answer = 43", False),
    ('"num_epochs": (3, 9)', '"num_epochs": (3, 8)', False),
])
def test_a_record_goes_stale_with_the_code_and_not_with_the_prose(project, old, new, stale):
    record = make_record(project)
    path = project / "notebooks" / "04_lesson.py"
    path.write_text(path.read_text().replace(old, new))
    assert records.is_stale(record, project) is stale


def test_the_table_marks_a_stale_record_and_an_unmet_target(project):
    unmet = [{"metric": "test_accuracy", "at_least": 99.5, "value": 99.1, "met": False}]
    row = records.table([make_record(project, targets=unmet, code={"04_lesson": "0"})], project).splitlines()[-1]
    assert "99.10 ± 0.05 (n = 3)" in row and "stale" in row and "≥ 99.5: NOT met" in row


def test_committed_records_stand():
    for record in records.load_records():
        assert records.faults(record) == [], record["notebook"]


def test_make_results_takes_in_runs_with_the_notebooks_own_settings_only(project):
    records = {"laptop": make_record(project), "smoke": make_record(project, profile="smoke"),
               "colab": make_record(project, settings={"num_epochs": 2})}
    for folder, record in records.items():
        (project / "runs" / "04_lesson" / folder).mkdir(parents=True)
        (project / "runs" / "04_lesson" / folder / "record.json").write_text(json.dumps(record))
    said = make_results.adopt(project / "runs", project / "results", project)
    assert [path.name for path in (project / "results" / "04_lesson").iterdir()] == ["laptop-cpu.json"]
    assert len(said) == 2 and "num_epochs" in "".join(said)
    assert len(make_results.adopt(project / "runs", project / "results", project)) == 1  # nothing new to take in


def test_make_results_writes_between_its_marks_and_nowhere_else(tmp_path):
    path = tmp_path / "lesson.py"
    path.write_text("# before\n# <!-- measured:begin -->\n# old\n# <!-- measured:end -->\nafter = 1\n")
    make_results.replace_between(path, "measured", "| a |\n\n| b |", prefix="# ")
    assert path.read_text() == (
        "# before\n# <!-- measured:begin -->\n# | a |\n#\n# | b |\n# <!-- measured:end -->\nafter = 1\n")


def test_the_gallery_has_the_picture_of_a_run_until_its_record_is_renewed(project):
    run = project / "runs" / "04_lesson" / "laptop"
    (run / "figures").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (700, 1200, 3), np.uint8)
    Image.fromarray(noise).save(run / "figures" / "errors.png")
    metrics = {"test_accuracy": {"mean": 99.1, "sd": 0.05, "n": 3}, "baseline_test_accuracy": 97.0}
    folder, record = project / "results", make_record(project, metrics=metrics)
    (run / "record.json").write_text(json.dumps(record))
    make_results.adopt(project / "runs", folder, project)
    gallery.update([record], folder, project / "runs", project)
    pictures = sorted((folder / "04_lesson").glob("*.png"))
    assert [path.name for path in pictures] == ["laptop-cpu-compared.png", "laptop-cpu-errors.png"]
    assert all(path.stat().st_size <= 60_000 and Image.open(path).width <= 900 for path in pictures)
    page = (folder / "README.md").read_text()
    assert "LeNet-5 99.10 ± 0.05 (n = 3); fully connected 97" in page and gallery.FIGURES["04"][2] in page
    renewed = record | {"date": "2026-12-01"}
    records.path_of(record, folder).write_text(json.dumps(renewed))
    gallery.update([renewed], folder, project / "runs", project)
    assert [path.name for path in (folder / "04_lesson").glob("*.png")] == ["laptop-cpu-compared.png"]
    assert gallery.FIGURES["04"][2] not in (folder / "README.md").read_text()


def test_the_gallery_has_a_row_for_every_notebook_and_marks_what_is_stale(project):
    (project / "notebooks" / "05_other.py").write_text("# # Another lesson\n")
    (project / "results").mkdir()
    page = gallery.page([make_record(project, code={"04_lesson": "0"})], project / "results", project)
    first, second = page.strip().splitlines()[-2:]
    assert "A lesson" in first and "99.10 ± 0.05 (n = 3)" in first and "**stale**" in first
    assert "Another lesson" in second and "no run has been recorded yet" in second


def test_every_notebook_has_a_picture_to_show_and_its_record_what_it_is_compared_with():
    for path in sorted((runtime.ROOT / "notebooks").glob("*.py")):
        saved = re.findall(r'save_figure\(run, f?"([^"{]+)', path.read_text(encoding="utf-8"))
        assert any(gallery.FIGURES[path.stem[:2]][0].startswith(name) for name in saved), path.stem
    for record in records.load_records():
        missing = gallery.COMPARED[record["notebook"][:2]][1].keys() - gallery.compared(record).keys()
        assert not missing, f"{record['notebook']}: no metric for {missing}"
