"""The order in which a training sees its images."""

import numpy as np


def epoch_order(count, seed, epoch):
    """Return int64 `(count,)`, the images of one epoch in random order.

    It depends on `count`, `seed` and `epoch` alone, so that a resumed run sees what the uninterrupted one would have
    seen, on every device and in both frameworks.
    """
    return np.random.default_rng([seed, epoch]).permutation(count)
