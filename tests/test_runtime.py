import gc
import random
import weakref

import numpy as np
import pytest

from helpers import runtime


def solved():
    return 1


def wrong():
    return 2


def unsolved():
    raise NotImplementedError


def broken():
    return {}["x"]


def check(answer):
    assert answer() == 1, "it should be 1"


@pytest.mark.parametrize(("answer", "said"), [
    (solved, "solved: solved"), (wrong, "wrong: not right yet. it should be 1"), (unsolved, "unsolved: not solved yet"),
    (broken, "broken: stopped with KeyError: 'x'"),
])
def test_a_self_check_says_how_far_the_reader_is_and_never_stops_the_notebook(answer, said, capsys):
    assert runtime.self_check(check, answer) is None  # a value would stand under the cell
    assert said in capsys.readouterr().out


def test_a_run_is_seeded_and_named_by_the_environments_profile(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NB_PROFILE", "laptop")
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path))
    run = runtime.start("04_lesson", "colab", 7)
    drawn = random.random(), np.random.rand()
    assert runtime.start("04_lesson", "colab", 7) and drawn == (random.random(), np.random.rand())
    assert (run.profile, run.folder) == ("laptop", tmp_path / "runs" / "04_lesson" / "laptop")
    assert "Runtime > Change runtime type" in capsys.readouterr().out or not run.device.startswith("CPU")


@pytest.mark.parametrize(("words", "said"), [
    (("04_lesson", "huge", 0), "choose one of smoke, laptop, colab, full"),
    (("04_lesson", "smoke", "0"), "SEED must be a non-negative int"),
    (("04_lesson", "smoke", -1), "SEED must be a non-negative int"),
])
def test_a_wrong_profile_or_seed_is_refused(monkeypatch, words, said):
    monkeypatch.delenv("NB_PROFILE", raising=False)
    with pytest.raises(ValueError, match=said):
        runtime.start(*words)


def test_drive_outside_colab_is_a_clear_error(monkeypatch):
    monkeypatch.delenv("NB_OUTPUT_DIR", raising=False)
    with pytest.raises(RuntimeError, match="works in Colab only"):
        runtime.start("04_lesson", "smoke", 0, use_drive=True)


def test_what_a_finished_training_left_behind_is_freed_before_the_next():
    class Model:
        pass

    gc.disable()
    try:
        model = Model()
        model.itself = model
        alive = weakref.ref(model)
        del model
        assert alive() is not None
        runtime.seed_everything(0)
        assert alive() is None
    finally:
        gc.enable()
