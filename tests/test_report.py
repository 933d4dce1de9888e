"""The PDF report of notebook 13."""

import importlib
import json

import matplotlib
import matplotlib.pyplot as plt
import pytest

from tools import report


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project in place of this one; gives the folder of notebook 13's laptop run."""
    monkeypatch.setattr(report.runtime, "ROOT", tmp_path)
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path))
    return tmp_path / "runs" / report.NOTEBOOK / "laptop"


def test_without_a_run_it_says_what_to_do_and_fails(project, capsys):
    assert report.main([]) == 1
    assert "make run NB=13 PROFILE=laptop" in capsys.readouterr().out


def test_it_writes_tables_and_the_figures_that_there_are(project, tmp_path):
    (project / "figures").mkdir(parents=True)
    plt.imsave(project / "figures" / "views.png", [[0.0, 1.0], [1.0, 0.0]])
    record = {"data": [{"name": "cifar10", "count": 45000}], "profile": "laptop", "seed": 0, "device": "CPU",
              "date": "2026-11-22", "settings": {"num_epochs": 4}, "metrics": {
                  "test_knn": 57.5, "encoder: hash": 3, "SimCLR, linear: train accuracy": 66.1,
                  "temperature: temperature 0.2": {"mean": 41.0, "sd": None, "n": 1, "minutes": 2.0}}}
    (project / "record.json").write_text(json.dumps(record))
    pages = list(report.pages(record, project / "figures"))
    shown = [text.get_text() for page in pages for ax in page.axes for table in ax.tables
             for text in (cell.get_text() for cell in table.get_celld().values())]
    for page in pages:
        plt.close(page)
    assert {"test knn", "57.5", "SimCLR, linear: train accuracy", "num epochs", "temperature: temperature 0.2"} <= {
        text.removesuffix("0") if text == "57.50" else text for text in shown}
    assert "encoder: hash" not in shown and len(pages) == 4
    assert report.main([]) == 0
    assert (tmp_path / "build" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_asked_for_in_a_notebook_it_leaves_the_plots_of_later_cells_alone():
    before = matplotlib.get_backend()
    try:
        matplotlib.use("svg")
        importlib.reload(report)
        assert matplotlib.get_backend() == "svg"
    finally:
        matplotlib.use(before)
