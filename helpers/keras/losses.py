"""The losses of the series: pure functions of embeddings or logits, computed in float32 also in mixed precision.

Pure Keras 3, for the TensorFlow, JAX and torch backends. Each is the mean over the whole batch it is given, from one
matrix of all similarities. The names, arguments and results are those of `helpers.torch.losses`. (On a GPU newer than a
T4, TensorFlow and JAX multiply float32 matrices with 10 bits less, unless told otherwise.)
"""

from keras import ops


def nt_xent(view_a, view_b, temperature=0.5):
    """NT-Xent loss of SimCLR (Chen et al. 2020, arXiv 2002.05709, eq. 1).

    Args:
        view_a: float `(N, D)`, projections of the first view; need not be normalised.
        view_b: float `(N, D)`, row i is the positive of row i in `view_a`.
        temperature: positive float, unitless.

    Returns:
        float32 scalar (float64 for float64 projections), mean over the 2N anchors, in nats; ln(2N - 1) if all rows are
        equal.

    Raises:
        ValueError: `temperature` is not positive, the shapes differ or are not `(N, D)`, or N is 1.
    """
    _check_pair(view_a, view_b)
    if view_a.shape[0] == 1:
        raise ValueError("NT-Xent compares with other images, so it takes at least 2 rows; got 1.")
    a, b = _unit_rows(view_a), _unit_rows(view_b)
    positives = ops.tile(ops.sum(a * b, axis=1) / _positive(temperature), 2)
    rows, place = _stacked(a, b)
    half = ops.shape(rows)[0] // 2
    left_out = ops.equal(place[:, None] % half, place % half)  # itself and its positive
    # With the positive left out, -log(softmax of the positive) is log(1 + negatives / positive): nothing cancels.
    negatives = ops.logsumexp(_similarities(rows, temperature, left_out), axis=1)
    return ops.mean(ops.softplus(negatives - positives))


def supcon(view_a, view_b, labels, temperature=0.1, mean_inside_log=False):
    """Supervised contrastive loss of two views (Khosla et al. 2020, arXiv 2004.11362, eq. 2, or eq. 3).

    With all labels different it is NT-Xent.

    Args:
        view_a: float `(N, D)`, projections of the first view; need not be normalised.
        view_b: float `(N, D)`, the other view of the same images.
        labels: int `(N,)`, classes; all views of the same class are positives of each other. -1 is an image without a
            label, whose only positive is its other view.
        temperature: positive float, unitless.
        mean_inside_log: False is the paper's L_out, which it recommends; True is its L_in.

    Returns:
        float32 scalar (float64 for float64 projections), mean over the 2N anchors, in nats.

    Raises:
        ValueError: `temperature` is not positive, the shapes are wrong, or the labels are no integers.
    """
    _check_pair(view_a, view_b)
    labels = ops.convert_to_tensor(labels)
    if len(labels.shape) != 1 or _differ(labels.shape[0], view_a.shape[0]) or "int" not in str(labels.dtype):
        raise ValueError(f"`labels` must be {view_a.shape[0]} integers, one a row of the views; "
                         f"got {labels.dtype} of shape {tuple(labels.shape)}.")
    # An image without a label is a class of its own.
    labels = ops.where(labels < 0, -1 - ops.arange(ops.shape(labels)[0], dtype=labels.dtype), labels)
    rows, place = _stacked(_unit_rows(view_a), _unit_rows(view_b))
    labels, itself = ops.tile(labels, 2), ops.equal(place[:, None], place)
    positive = ops.logical_and(ops.equal(labels[:, None], labels), ops.logical_not(itself))
    num_positives = ops.sum(ops.cast(positive, rows.dtype), axis=1)
    similarities = _similarities(rows, temperature, itself)
    of_positives = ops.logsumexp(ops.where(positive, similarities, _NONE), axis=1)
    of_others = ops.logsumexp(ops.where(positive, _NONE, similarities), axis=1)
    if mean_inside_log:
        average = of_positives - ops.log(num_positives)
    else:
        average = ops.sum(ops.where(positive, similarities, 0.0), axis=1) / num_positives
    return ops.mean(ops.softplus(of_others - of_positives) + of_positives - average)  # nothing cancels


def barlow_twins(view_a, view_b, redundancy_weight=5e-3):
    """Barlow Twins loss (Zbontar et al. 2021, arXiv 2103.03230, eq. 1 and 2).

    Each dimension is first brought to mean 0 and variance 1 over the batch (1e-5 added to it, as in batch norm).

    Args:
        view_a: float `(N, D)`, projections of the first view.
        view_b: float `(N, D)`, projections of the other view of the same images.
        redundancy_weight: float, the paper's lambda.

    Returns:
        float32 scalar (float64 for float64 projections), the sum over dimensions; 0 at the optimum.

    Raises:
        ValueError: the shapes differ or are not `(N, D)`, or N is 1.
    """
    _check_pair(view_a, view_b)
    if view_a.shape[0] == 1:
        raise ValueError("Barlow Twins standardises over the batch, which takes at least 2 rows; got 1.")

    def standardised(view):
        view = _at_least_float32(view)
        centred = view - ops.mean(view, axis=0)
        return centred / ops.sqrt(ops.mean(ops.square(centred), axis=0) + 1e-5)

    a, b = standardised(view_a), standardised(view_b)
    correlation = ops.matmul(ops.transpose(a), b) / ops.cast(ops.shape(a)[0], a.dtype)
    identity = ops.eye(a.shape[1], dtype=a.dtype)
    diagonal = ops.sum(ops.square(1 - ops.sum(correlation * identity, axis=1)))
    return diagonal + redundancy_weight * ops.sum(ops.square(correlation * (1 - identity)))


def distillation(student_logits, teacher_logits, temperature=4.0):
    """Distillation loss on soft labels (Hinton et al. 2015, arXiv 1503.02531), times the squared temperature.

    The factor keeps its gradient as large as that of the cross-entropy with hard labels, whatever the temperature, so
    a loss with both is `alpha * distillation(...) + (1 - alpha) * cross_entropy(...)`.

    Args:
        student_logits: float `(N, K)`.
        teacher_logits: float `(N, K)`; no gradient flows into them.
        temperature: positive float, unitless.

    Returns:
        float32 scalar (float64 for float64 logits), mean Kullback-Leibler divergence of the softened student from the
        softened teacher, times `temperature ** 2`, in nats; 0 if both agree.

    Raises:
        ValueError: `temperature` is not positive, or the shapes differ or are not `(N, K)`.
    """
    _check_pair(student_logits, teacher_logits, "student_logits", "teacher_logits")
    student, teacher = (ops.log_softmax(_at_least_float32(logits) / _positive(temperature), axis=1)
                        for logits in (student_logits, ops.stop_gradient(teacher_logits)))
    divergence = ops.sum(ops.exp(teacher) * (teacher - student), axis=1)
    return ops.mean(divergence) * temperature ** 2


_NONE = -1e9  # stands for minus infinity, whose gradients are not numbers on every backend


def _check_pair(a, b, name_a="view_a", name_b="view_b"):
    if len(a.shape) != 2 or len(b.shape) != 2 or any(map(_differ, a.shape, b.shape)) or 0 in a.shape:
        raise ValueError(f"`{name_a}` and `{name_b}` must have one shape with two dimensions, (rows, columns); "
                         f"got {tuple(a.shape)} and {tuple(b.shape)}.")


def _differ(size, other):
    return None not in (size, other) and size != other  # None: not known before the graph runs


def _positive(temperature):
    if not temperature > 0:
        raise ValueError(f"`temperature` must be above 0; got {temperature}.")
    return temperature


def _at_least_float32(values):
    values = ops.convert_to_tensor(values)
    return values if "float64" in str(values.dtype) else ops.cast(values, "float32")


def _unit_rows(values):
    """Rows of length 1; one of zeros stays so, with a gradient that is not divided by almost nothing."""
    values = _at_least_float32(values)
    squares = ops.sum(ops.square(values), axis=1, keepdims=True)
    return values / ops.sqrt(ops.where(squares > 0, squares, 1.0))


def _stacked(a, b):
    """Both views' rows `(2N, D)`, and their numbers `(2N,)`."""
    rows = ops.concatenate([a, b])
    return rows, ops.arange(ops.shape(rows)[0])


def _similarities(rows, temperature, left_out):
    similarities = ops.matmul(rows, ops.transpose(rows)) / _positive(temperature)
    return ops.where(left_out, _NONE, similarities)
