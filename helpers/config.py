"""Profiles: from the table a notebook shows to one frozen settings object."""

import dataclasses
import difflib
import hashlib
import json

PROFILE_NAMES = ("smoke", "laptop", "colab", "full")


def resolve(profile, profiles, overrides=None):
    """Return the settings of one column of a notebook's table, with the reader's overrides put in.

    Args:
        profile: name of the column, one of `profiles["profile"]`.
        profiles: dict, one row a setting: name -> tuple with a value for each column; the row `"profile"` names the
            columns. The values of a row have one type; a row may also hold None, an int may stand for a float.
        overrides: dict of settings to change, name -> value of the row's type.

    Returns:
        A frozen object with `profile` and one attribute a setting; lists become tuples. `config.as_dict` turns it
        into a dict, `config.table` into text.

    Raises:
        ValueError: unknown profile or setting, a row of the wrong length.
        TypeError: a row of mixed types, an override of another type than its row.
    """
    columns = tuple(profiles.get("profile", ()))
    if not columns or set(columns) - set(PROFILE_NAMES):
        raise ValueError(f"PROFILES needs a row 'profile' that names its columns (of {PROFILE_NAMES}); got {columns}.")
    if profile not in columns:
        raise ValueError(f"Unknown profile {profile!r}; this notebook has {', '.join(columns)}. "
                         "Change PROFILE in the parameters cell, or NB_PROFILE in the environment.")
    rows = {name: row for name, row in profiles.items() if name != "profile"}
    kinds = {name: _row_type(name, row, len(columns)) for name, row in rows.items()}
    values = {name: row[columns.index(profile)] for name, row in rows.items()}
    for name, value in (overrides or {}).items():
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"OVERRIDES has an unknown setting {name!r}.{hint} Known settings: {', '.join(rows)}.")
        if not _fits(value, kinds[name], optional=None in rows[name]):
            raise TypeError(f"OVERRIDES[{name!r}] must be {kinds[name].__name__} (the profile has {values[name]!r}), "
                            f"not {type(value).__name__} {value!r}.")
        values[name] = value
    frozen = {name: _freeze(value, kinds[name]) for name, value in values.items()}
    return dataclasses.make_dataclass("Settings", ["profile", *frozen], frozen=True)(profile, **frozen)


def as_dict(settings):
    """Return the settings as a dict that survives JSON unchanged (tuples become lists); `profile` is left out."""
    values = dataclasses.asdict(settings)
    del values["profile"]
    return json.loads(json.dumps(values))


def table(settings):
    """Return the settings as text, one line each, for `print`."""
    values = dataclasses.asdict(settings)
    width = max(map(len, values))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in values.items())


def fingerprint(values):
    """Return 8 hexadecimal digits that stand for a JSON-able dict, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def _row_type(name, row, num_columns):
    if not isinstance(row, tuple) or len(row) != num_columns:
        raise ValueError(f"PROFILES[{name!r}] must be a tuple of {num_columns} values, one a column; got {row!r}.")
    kinds = {tuple if isinstance(value, list) else type(value) for value in row if value is not None}
    if kinds == {int, float}:
        return float
    if len(kinds) != 1:
        found = ", ".join(sorted(kind.__name__ for kind in kinds)) or "only None"
        raise TypeError(f"PROFILES[{name!r}] must hold values of one type; found {found}.")
    return kinds.pop()


def _fits(value, kind, optional):
    if value is None:
        return optional
    if kind is float:
        return type(value) in (int, float)
    return isinstance(value, (tuple, list)) if kind is tuple else type(value) is kind


def _freeze(value, kind):
    return value if value is None else kind(value)
