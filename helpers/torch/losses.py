"""The losses of the series: pure functions of embeddings or logits, computed in float32 also under autocast.

Each is the mean over the whole batch it is given. Where several processes train together, pass `gather(embeddings)`,
and every process computes the loss of the global batch, with gradients.
"""

import torch
from torch import distributed
from torch.nn import functional

DENSE_ROWS = 1024  # up to so many embeddings one similarity matrix is faster than tiles
TILE_ROWS = {"cpu": 512, "cuda": 4096}


def nt_xent(view_a, view_b, temperature=0.5):
    """NT-Xent loss of SimCLR (Chen et al. 2020, arXiv 2002.05709, eq. 1).

    More than 1,024 embeddings are compared tile by tile, in memory that grows with N and not with its square.

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
    if len(view_a) < 2:
        raise ValueError("NT-Xent compares with other images, so it takes at least 2 rows; got 1.")
    with torch.autocast(view_a.device.type, enabled=False):
        a, b = _unit_rows(view_a), _unit_rows(view_b)
        positive = ((a * b).sum(1) / _positive(temperature)).repeat(2)
        count = len(a)
        # With the positive left out, -log(softmax of the positive) is log(1 + negatives / positive): nothing cancels.
        negatives = _row_logsumexp(torch.cat([a, b]), temperature, (0, count, -count))
        return functional.softplus(negatives - positive).mean()


def supcon(view_a, view_b, labels, temperature=0.1, mean_inside_log=False):
    """Supervised contrastive loss of two views (Khosla et al. 2020, arXiv 2004.11362, eq. 2, or eq. 3).

    With all labels different it is NT-Xent. More than 1,024 embeddings are compared tile by tile, as in `nt_xent`,
    unless `mean_inside_log`.

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
    if labels.shape != view_a.shape[:1] or labels.dtype == torch.bool or labels.is_floating_point():
        raise ValueError(f"`labels` must be {len(view_a)} integers, one a row of the views; "
                         f"got {labels.dtype} of shape {tuple(labels.shape)}.")
    with torch.autocast(view_a.device.type, enabled=False):
        rows = torch.cat([_unit_rows(view_a), _unit_rows(view_b)])
        own_class = -1 - torch.arange(len(labels), device=labels.device)
        labels = torch.where(labels < 0, own_class, labels).repeat(2)
        if mean_inside_log:
            similarities = _similarities(rows, temperature, (0,))
            same = labels[:, None] == labels
            positives = similarities.masked_fill(~same, -torch.inf).logsumexp(1)
            others = similarities.masked_fill(same, -1e9).logsumexp(1)  # finite: a row may have no others
            return (functional.softplus(others - positives) + (same.sum(1) - 1).to(rows.dtype).log()).mean()
        classes, members, sizes = labels.unique(return_inverse=True, return_counts=True)
        if 1 < len(classes) == len(view_a):  # one positive each, which nt_xent takes out of the sum
            return nt_xent(view_a, view_b, temperature)
        class_sums = functional.one_hot(members).T.to(rows.dtype) @ rows
        positives = (rows * (class_sums[members] - rows)).sum(1) / (sizes[members] - 1) / _positive(temperature)
        return (_row_logsumexp(rows, temperature, (0,)) - positives).mean()


def barlow_twins(view_a, view_b, redundancy_weight=5e-3):
    """Barlow Twins loss (Zbontar et al. 2021, arXiv 2103.03230, eq. 1 and 2).

    Each dimension is first brought to mean 0 and variance 1 over the batch (1e-5 added to it, as in batch norm). Where
    the batch is at most half the number of dimensions, the D x D cross-correlation is never formed: N x N
    products give the same loss.

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
    count, dimensions = view_a.shape
    if count < 2:
        raise ValueError("Barlow Twins standardises over the batch, which takes at least 2 rows; got 1.")
    with torch.autocast(view_a.device.type, enabled=False):
        a, b = (functional.batch_norm(_at_least_float32(view), None, None, training=True) for view in (view_a, view_b))
        diagonal = (a * b).mean(0)  # more exact than that of the product below
        if 2 * count <= dimensions:
            squares = _CrossCorrelationSquares.apply(a, b) - diagonal.square().sum()
        else:  # the more rows, the less is left off the diagonal near the optimum: subtracting would cancel digits
            correlation = a.T @ b / count
            squares = (correlation - torch.diag(correlation.diagonal())).square().sum()
        return (1 - diagonal).square().sum() + redundancy_weight * squares


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
    with torch.autocast(student_logits.device.type, enabled=False):
        student, teacher = (functional.log_softmax(_at_least_float32(logits) / _positive(temperature), 1)
                            for logits in (student_logits, teacher_logits.detach()))
        return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature ** 2


def gather(embeddings):
    """Return the embeddings `(N, D)` of all processes, one after the other `(N * processes, D)`, with gradients.

    Of a single process they come back as they are; labels `(N,)` may be gathered too. `DistributedDataParallel`
    averages gradients over the processes, so that the loss of gathered embeddings has on each the gradient of the whole
    batch. All must bring the same N.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return embeddings
    return _Gather.apply(embeddings)


def _check_pair(a, b, name_a="view_a", name_b="view_b"):
    if a.ndim != 2 or a.shape != b.shape or a.numel() == 0:
        raise ValueError(f"`{name_a}` and `{name_b}` must have one shape with two dimensions, (rows, columns); "
                         f"got {tuple(a.shape)} and {tuple(b.shape)}.")


def _positive(temperature):
    if not temperature > 0:
        raise ValueError(f"`temperature` must be above 0; got {temperature}.")
    return temperature


def _at_least_float32(values):
    return values if values.dtype == torch.float64 else values.float()


def _unit_rows(values):
    """Rows of length 1; one of zeros stays so, with a gradient that is not divided by almost nothing."""
    values = _at_least_float32(values)
    lengths = torch.linalg.vector_norm(values, dim=1, keepdim=True)
    return values / torch.where(lengths > 0, lengths, 1)


def _similarities(rows, temperature, left_out):
    """All cosine similarities / temperature, `(M, M)`; those on the diagonals `left_out` are minus infinity."""
    similarities = rows @ rows.T / _positive(temperature)
    for diagonal in left_out:
        similarities.diagonal(diagonal).fill_(-torch.inf)
    return similarities


def _row_logsumexp(rows, temperature, left_out):
    """Return `(M,)`: of each unit row of `(M, D)` the log of the sum of exp(cosine / temperature) over all others.

    `left_out` names the diagonals of the M x M matrix that do not count: 0 is each row itself, M / 2 and -M / 2 its
    other view. A row with none left gives minus infinity.
    """
    if len(rows) <= DENSE_ROWS or temperature < 0.003:  # below that exp(-2 / temperature) is 0 in float64 too
        return _similarities(rows, temperature, left_out).logsumexp(1)
    precise = rows if temperature >= 0.025 else rows.double()  # nor may it be 0 in float32
    return _TiledLogSumExp.apply(precise, temperature, left_out).to(rows.dtype)


class _TiledLogSumExp(torch.autograd.Function):
    """The log-sum-exp of `_row_logsumexp`, tile by tile.

    The matrix is symmetric: only tiles on and above its diagonal are computed, and each serves its rows and its
    columns. No entry exceeds 1 / temperature, so this constant takes the place of a running maximum. The backward pass
    computes the tiles anew: 4 M^2 D operations and memory for two tiles in all.
    """

    @staticmethod
    def forward(ctx, rows, temperature, left_out):
        sums = rows.new_zeros(len(rows))
        for first, second, tile in _tiles(rows, temperature, left_out):
            sums[first] += tile.sum(1)
            if first != second:
                sums[second] += tile.sum(0)
        ctx.save_for_backward(rows, sums)
        ctx.temperature, ctx.left_out = temperature, left_out
        return sums.log() + 1 / temperature

    @staticmethod
    def backward(ctx, gradient):
        rows, sums = ctx.saved_tensors
        weights = gradient / sums / ctx.temperature
        result = torch.zeros_like(rows)
        for first, second, tile in _tiles(rows, ctx.temperature, ctx.left_out):
            tile *= weights[first, None] + weights[second]
            result[first].addmm_(tile, rows[second])
            if first != second:
                result[second].addmm_(tile.T, rows[first])
        return result, None, None


def _tiles(rows, temperature, left_out):
    """Yield `(slice, slice, exp(similarities / temperature - 1 / temperature))` for tiles on and above the diagonal."""
    count, size = len(rows), TILE_ROWS.get(rows.device.type, 512)
    shift = rows.new_full((), -1 / temperature)
    for top in range(0, count, size):
        for left in range(top, count, size):
            first, second = slice(top, min(top + size, count)), slice(left, min(left + size, count))
            tile = torch.addmm(shift, rows[first], rows[second].T, alpha=1 / temperature).exp_()
            for diagonal in left_out:
                inside = top - left + diagonal  # the same diagonal, counted from the tile's corner
                if -tile.shape[0] < inside < tile.shape[1]:
                    tile.diagonal(inside).zero_()
            yield first, second, tile


class _CrossCorrelationSquares(torch.autograd.Function):
    """Sum of all squared entries of a^T b / N, as <a a^T, b b^T> / N^2.

    The diagonals, which are the largest numbers and nearly cancel in the gradient of what is standardised, are summed
    apart.
    """

    @staticmethod
    def forward(ctx, a, b):
        gram_a, gram_b = ((rows @ rows.T).fill_diagonal_(0) for rows in (a, b))
        lengths_a, lengths_b = (rows.square().sum(1, keepdim=True) for rows in (a, b))
        ctx.save_for_backward(a, b, gram_a, gram_b, lengths_a, lengths_b)
        return ((gram_a * gram_b).sum() + (lengths_a * lengths_b).sum()) / len(a) ** 2

    @staticmethod
    def backward(ctx, gradient):
        a, b, gram_a, gram_b, lengths_a, lengths_b = ctx.saved_tensors
        scale = 2 * gradient / len(a) ** 2
        return scale * torch.addcmul(gram_b @ a, lengths_b, a), scale * torch.addcmul(gram_a @ b, lengths_a, b)


class _Gather(torch.autograd.Function):
    """all_gather whose backward pass adds up what every process sends back.

    (Putting one's own slice back into the result of a plain `all_gather`, as is often done, loses the gradients of
    the other processes' losses.)
    """

    @staticmethod
    def forward(ctx, values):
        values = values.contiguous()
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, values)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone(memory_format=torch.contiguous_format)  # autograd may hand it to others too
        distributed.all_reduce(gradient)
        return gradient.chunk(distributed.get_world_size())[distributed.get_rank()]
