import dataclasses

import pytest

from helpers import config

PROFILES = {
    "profile": ("smoke", "laptop"),
    "num_epochs": (1, 10),
    "learning_rate": (0.1, 0),
    "sizes": ((8,), [8, 16]),
    "limit": (100, None),
    "augment": (False, True),
}


def test_a_column_becomes_one_frozen_object():
    settings = config.resolve("laptop", PROFILES, {"num_epochs": 3})
    assert (settings.profile, settings.num_epochs, settings.learning_rate, settings.sizes, settings.limit) == (
        "laptop", 3, 0.0, (8, 16), None)
    assert isinstance(settings.learning_rate, float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.num_epochs = 5


@pytest.mark.parametrize(("overrides", "error", "said"), [
    ({"num_epoch": 3}, ValueError, "Did you mean 'num_epochs'"),
    ({"num_epochs": "3"}, TypeError, "must be int"),
    ({"num_epochs": 2.5}, TypeError, "must be int"),
    ({"num_epochs": True}, TypeError, "must be int"),
    ({"augment": 1}, TypeError, "must be bool"),
    ({"num_epochs": None}, TypeError, "must be int"),
])
def test_an_override_that_does_not_fit_is_refused(overrides, error, said):
    with pytest.raises(error, match=said):
        config.resolve("smoke", PROFILES, overrides)


def test_an_override_may_be_an_int_for_a_float_and_none_where_the_row_has_none():
    settings = config.resolve("smoke", PROFILES, {"learning_rate": 1, "limit": None})
    assert settings.learning_rate == 1.0 and settings.limit is None


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ValueError, match="Unknown profile 'colab'; this notebook has smoke, laptop"):
        config.resolve("colab", PROFILES)


@pytest.mark.parametrize("row", [(1,), (1, "a"), [1, 2], (None, None)])
def test_a_row_that_is_too_short_or_of_mixed_types_is_refused(row):
    with pytest.raises((ValueError, TypeError), match="'num_epochs'"):
        config.resolve("smoke", {**PROFILES, "num_epochs": row})
