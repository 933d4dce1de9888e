"""Helpers of the notebook series.  Imports neither TensorFlow nor torch; `helpers.torch` and `helpers.keras` do.

`API` goes up by one when a helper that notebooks call changes in a way that an older notebook cannot follow.
"""

API = 1
