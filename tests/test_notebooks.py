"""What every notebook promises: its exercises tell wrong from right, and its table resolves in every profile."""

import re

import definitions
import pytest

from helpers import config

NAMES = sorted(path.stem for path in definitions.NOTEBOOKS.glob("[0-9]*.py"))
EXERCISES = [(name, number) for name in NAMES for number in re.findall(
    r"^def exercise_(\d+)", (definitions.NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8"), re.MULTILINE)]


@pytest.mark.parametrize(("name", "number"), EXERCISES)
def test_an_exercise_fails_unsolved_and_passes_solved(name, number):
    notebook = vars(definitions.load(name))
    with pytest.raises(NotImplementedError):
        notebook[f"check_{number}"](notebook[f"exercise_{number}"])
    notebook[f"check_{number}"](notebook[f"solution_{number}"])


@pytest.mark.parametrize("name", NAMES)
def test_there_are_three_exercises(name):
    assert [number for notebook, number in EXERCISES if notebook == name] == ["1", "2", "3"]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_profiles_resolves_in_every_column(name):
    profiles = definitions.load(name).PROFILES
    assert profiles["profile"] == config.PROFILE_NAMES
    for profile in config.PROFILE_NAMES:
        config.resolve(profile, profiles)
