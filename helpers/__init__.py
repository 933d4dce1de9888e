"""Helpers of the notebook series.  Imports neither TensorFlow nor torch; `helpers.torch` and `helpers.keras` do.

`API` goes up by one when a helper that notebooks call changes in a way that an older notebook cannot follow.
"""

import os

# TensorFlow's start-up log (no CUDA driver, which CPU instructions) frightens and says nothing that `runtime.start`
# does not say better; errors that stop a notebook are Python exceptions all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

API = 1
