"""Figures of the series: arrays in, a matplotlib `Figure` out.

A figure comes back closed for pyplot, so a notebook shows it once, as the last value of a cell or by `display(figure)`;
`figure.savefig(path)` works as ever.  Colours are Okabe and Ito's (distinct for colour-blind readers); lines differ in
style and marker too, and colour maps get steadily lighter or darker, so that all can be read in grey.
"""

import math
import textwrap
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

WIDTH = 9.0  # inches, a notebook page at 100 dots an inch
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
WRONG = "#D55E00"
STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}


@contextmanager
def _panels(num_rows, num_columns, height, width=WIDTH):
    """A figure in the series' style whatever the caller's settings are, which stay as they were."""
    with plt.style.context(["default", STYLE]):
        figure, axes = plt.subplots(
            num_rows, num_columns, figsize=(width, height), squeeze=False, layout="constrained"
        )
        try:
            yield figure, axes
            figure.draw_without_rendering()  # ticks are made when first drawn: do it while the style holds
        finally:
            plt.close(figure)


def _look(index):
    return {
        "color": PALETTE[index % len(PALETTE)],
        "linestyle": LINES[index % len(LINES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def _text(text, width, max_lines=2):
    """Class names and titles: underscores as spaces, wrapped to `width` characters, `$` shown and not taken for maths."""
    options = {"max_lines": max_lines, "placeholder": "…"}
    lines = [textwrap.fill(line, max(4, int(width)), **options) for line in str(text).replace("_", " ").split("\n")]
    return "\n".join(lines).replace("$", r"\$")


def _names(class_names, count, width=22):
    if len(class_names) != count:
        raise ValueError(f"class_names must have one name a class: expected {count}, got {len(class_names)}.")
    return [_text(name, width, max_lines=1) for name in class_names]


def _per_item(values, count, name):
    if values is not None and len(values) != count:
        raise ValueError(f"{name} must have one entry an image: expected {count}, got {len(values)}.")
    return values


def _images(images, budget=110_000):
    """Checked, in [0, 1], and averaged over blocks of pixels until all together have at most `budget` pixels."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise ValueError(f"images must be (N, H, W, C) with C 1 or 3 and N 1 or more, got shape {images.shape}.")
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    elif not np.issubdtype(images.dtype, np.floating) or not (images.min() >= -1e-3 and images.max() <= 1.001):
        raise ValueError(
            f"images must be uint8 or float in [0, 1], got {images.dtype} in [{images.min():.3g}, {images.max():.3g}]. "
            "Undo the normalisation (times deviation, plus mean) before plotting."
        )
    count, height, width, channels = images.shape
    block = min(height, width, math.ceil(math.sqrt(count * height * width / budget)))
    if block > 1:
        rows, columns = height // block, width // block
        images = images[:, : rows * block, : columns * block]
        images = images.reshape(count, rows, block, columns, block, channels).mean(axis=(2, 4))
    return np.clip(images, 0, 1)


def _show(ax, image, **options):
    """An image without axes; grey where it has one channel."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **options)


def _cells(count, num_columns, largest=3.0):
    """Rows, columns and cell width in inches of a grid: few images are shown larger, not stretched over the page."""
    columns = min(num_columns, count)
    return math.ceil(count / columns), columns, min(WIDTH / columns, largest)


def image_grid(images, titles=None, wrong=None, num_columns=8):
    """Images in a grid; those marked wrong have a thick frame and a bold title that begins with a cross.

    Large images are reduced by averaging blocks of pixels, so that the figure stays near 200 kB.

    Args:
        images: `(N, H, W, C)`, C 1 (shown grey) or 3, uint8 or float in [0, 1].
        titles: N strings, or None; `\\n` starts a new line.
        wrong: bool `(N,)`, or None.
        num_columns: most images in a row.

    Returns:
        Figure with N visible axes.

    Raises:
        ValueError: if shape, type or range of the images, or the number of titles or marks, is not as stated.
    """
    images = _images(images)
    titles, wrong = _per_item(titles, len(images), "titles"), _per_item(wrong, len(images), "wrong")
    rows, columns, cell = _cells(len(images), num_columns)
    titles = [_text(title, cell * 12) for title in titles or [""] * len(images)]
    num_lines = max(title.count("\n") + bool(title) for title in titles)
    height = rows * (cell * images.shape[1] / images.shape[2] + 0.17 * num_lines)
    with _panels(rows, columns, height, cell * columns) as (figure, axes):
        for index, ax in enumerate(axes.flat):
            if index >= len(images):
                ax.remove()
                continue
            _show(ax, images[index])
            marked = wrong is not None and wrong[index]
            ax.set_title("✗ " * bool(marked) + titles[index], fontsize=9, pad=3)
            if marked:
                ax.title.set(color=WRONG, fontweight="bold")
                ax.spines[:].set(visible=True, color=WRONG, linewidth=3)
    return figure


def curves(histories, metrics, units=None, num_columns=2):
    """Training curves: a panel for each metric, or for each group of metrics, with a line for each run.

    Runs differ in colour and marker; the metrics of one panel differ in line style.

    Args:
        histories: `{"run name": [{"epoch": 1, "train_loss": 2.3, ...}, ...]}`; an epoch may lack a metric.
        metrics: a metric's name, or a list whose entries are names or tuples of names to share a panel.
        units: `{"train_loss": "nats"}`, put on the axes; or None.
        num_columns: most panels in a row.

    Returns:
        Figure with one axes a panel.

    Raises:
        ValueError: if a metric is in no history.
    """
    panels = [(m,) if isinstance(m, str) else tuple(m) for m in ([metrics] if isinstance(metrics, str) else metrics)]
    known = {key for history in histories.values() for epoch in history for key in epoch} - {"epoch"}
    missing = sorted({metric for panel in panels for metric in panel} - known)
    if missing:
        raise ValueError(f"no history has {missing}; the metrics there are: {sorted(known)}.")
    several, grouped = len(histories) > 1, any(len(panel) > 1 for panel in panels)
    rows, columns = math.ceil(len(panels) / num_columns), min(num_columns, len(panels))
    with _panels(rows, columns, 2.8 * rows + 0.3 * several) as (figure, axes):
        for ax, panel in zip(axes.flat, panels):
            for run, history in enumerate(histories.values()):
                for number, metric in enumerate(panel):
                    points = [(epoch["epoch"], epoch[metric]) for epoch in history if metric in epoch]
                    look = _look(run if several else number)
                    look |= {"linestyle": LINES[number % len(LINES)]} if grouped else {}
                    ax.plot(*zip(*points), markevery=max(1, len(points) // 8), **look) if points else None
            if len(panel) > 1:
                looks = [{"color": "0.3", "linestyle": LINES[n % len(LINES)]} if several else _look(n) for n in range(9)]
                handles = [Line2D([], [], label=_text(m, 40), **look) for m, look in zip(panel, looks)]
                ax.legend(handles=handles)
            words = {metric.split("_")[-1] for metric in panel}
            unit = (units or {}).get(panel[0])
            name = words.pop() if len(panel) > 1 and len(words) == 1 else ", ".join(panel).replace("_", " ")
            ax.set(xlabel="epoch", ylabel=f"{name} ({unit})" if unit else name)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.grid(True)
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        if several:
            looks = [_look(run) | ({"linestyle": "none"} if grouped else {}) for run in range(len(histories))]
            handles = [Line2D([], [], label=_text(name, 40), **look) for name, look in zip(histories, looks)]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def confusion(matrix, class_names):
    """Confusion matrix, true classes as rows, shaded by the share of the true class that went to each wrong class.

    The diagonal is left grey and out of the scale, so that a few per cent of errors show beside 99 % of hits.
    Counts are written up to 20 classes (no 0), names up to 40; beyond that the axes show class numbers.

    Args:
        matrix: integer `(C, C)`, as `evaluate.confusion_matrix` returns it.
        class_names: C strings.

    Returns:
        Figure with the matrix and its colour bar.

    Raises:
        ValueError: if the matrix is not square or the names do not fit.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix must be (C, C), got shape {matrix.shape}.")
    count = len(matrix)
    names = _names(class_names, count)
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    errors = np.where(np.eye(count, dtype=bool), np.nan, share)
    largest = max(np.nanmax(errors, initial=0), 1e-9)
    with _panels(1, 1, np.clip(2 + 0.4 * count, 3.2, 8.5)) as (figure, axes):
        ax = axes[0, 0]
        picture = ax.imshow(errors, plt.get_cmap("Blues").with_extremes(bad="0.85"), vmin=0, vmax=largest)
        figure.colorbar(picture, label="share of the true class (%), errors only", shrink=0.8)
        ax.set(xlabel="predicted class", ylabel="true class")
        if count <= 40:
            ax.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 2 else 0)
            ax.set_yticks(range(count), names)
        for row, column in np.argwhere(matrix) if count <= 20 else ():
            dark, hit = errors[row, column] > 0.6 * largest, row == column
            options = {"color": "white" if dark else "black", "fontweight": "bold" if hit else "normal"}
            ax.text(column, row, str(matrix[row, column]), ha="center", va="center", fontsize=9, **options)
    return figure


def reliability(result):
    """Reliability diagram (Guo et al. 2017, arXiv 1706.04599): accuracy against confidence, and how many images.

    Args:
        result: dict that `evaluate.calibration` returns.

    Returns:
        Figure with two axes: accuracy a bin (the dashed line is perfect calibration), and counts on a log scale.
    """
    edges, counts = result["edges"], result["count"]
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    with _panels(2, 1, 5.4) as (figure, (top, bottom)):
        top, bottom = top[0], bottom[0]
        top.bar(middles, result["accuracy"], width, color=PALETTE[5], edgecolor="black", label="accuracy in the bin")
        top.plot([0, 1], [0, 1], "--", color="black", label="perfect calibration")
        top.plot(result["confidence"], result["accuracy"], "o", color=WRONG, label="at the mean confidence of the bin")
        top.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy (fraction)")
        top.set_title(f"expected calibration error {100 * result['expected_calibration_error']:.2f} %, {len(counts)} bins")
        top.legend(loc="upper left")
        bars = bottom.bar(middles, counts, width, color="0.75", edgecolor="black")
        bottom.bar_label(bars, [f"{count}" if count else "" for count in counts] if len(counts) <= 15 else [""] * len(counts), fontsize=9)
        bottom.set(xlim=(0, 1), ylim=(0.7, 4 * counts.max()), yscale="log", ylabel="images (count)")
        bottom.set_xlabel("confidence (highest probability)")
        figure.get_layout_engine().set(hspace=0.02)
    return figure


def comparison(results, metric, target=None, digits=1):
    """Results of experiments: a point for each, with its spread as a bar and its value written at the right.

    Points and not bars, because the axis covers the values found; where it leaves out 0 its label says so.

    Args:
        results: `{"name": number or {"mean", "sd", "n"}}`, as `evaluate.mean_and_spread` returns; drawn in this order
            from the top.
        metric: what is compared, with its unit, for the axis.
        target: number, drawn as a dashed line; or None.
        digits: decimals of the written values.

    Returns:
        Figure with one axes.

    Raises:
        ValueError: if there are no results.
    """
    if not results:
        raise ValueError("results are empty: expected {name: number or {'mean', 'sd', 'n'}}.")
    entries = [r if isinstance(r, dict) else {"mean": r, "sd": None, "n": 1} for r in results.values()]
    means, spreads = [e["mean"] for e in entries], [e["sd"] or 0 for e in entries]
    heights = np.arange(len(entries))
    with _panels(1, 1, 0.9 + 0.34 * len(entries)) as (figure, axes):
        ax = axes[0, 0]
        ax.errorbar(means, heights, xerr=spreads, fmt="o", color=PALETTE[0], ecolor="0.35", capsize=4, markersize=7)
        for height, entry in zip(heights, entries):
            written = f"{entry['mean']:.{digits}f}"
            written += f" ± {entry['sd']:.{digits}f} (n = {entry['n']})" if entry["sd"] is not None else ""
            ax.annotate(written, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        if target is not None:
            ax.axvline(target, linestyle="--", color="black", label=f"target {target:g}")
            figure.legend(loc="outside upper right")
        ax.margins(x=0.08)
        ax.set(ylim=(len(entries) - 0.5, -0.5))
        ax.set_yticks(heights, [_text(name, 34) for name in results])
        omits_zero = ax.get_xlim()[0] > 0 or ax.get_xlim()[1] < 0
        spread = "; bars: standard deviation" if any(spreads) else ""
        ax.set_xlabel(metric + spread + ("; the axis does not start at 0" if omits_zero else ""))
        ax.grid(True)
    return figure


def feature_maps(maps, titles=None, signed=None, num_columns=8):
    """Activation maps or filters on one shared scale, with its colour bar.

    Args:
        maps: float `(K, H, W)`, any range.
        titles: K strings, or None.
        signed: True for a scale symmetric about 0 (filters: blue negative, grey 0, yellow positive), False for one
            from the lowest to the highest value; None takes True if a value is negative.
        num_columns: most maps in a row.

    Returns:
        Figure with K visible axes and the colour bar's.

    Raises:
        ValueError: if the shape is not as stated or a value is not finite.
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size or not np.isfinite(maps).all():
        raise ValueError(f"maps must be (K, H, W) and finite, got shape {maps.shape}; one image's channels, first.")
    titles = _per_item(titles, len(maps), "titles") or [""] * len(maps)
    signed = bool(maps.min() < 0) if signed is None else signed
    largest = np.abs(maps).max() or 1.0
    limits = (-largest, largest) if signed else (maps.min(), max(maps.max(), maps.min() + 1e-9))
    rows, columns, cell = _cells(len(maps), num_columns, largest=2.0)
    height = max(1.5, rows * (cell * maps.shape[1] / maps.shape[2] + 0.17 * any(titles)))
    with _panels(rows, columns, height, cell * columns + 0.9) as (figure, axes):
        for index, ax in enumerate(axes.flat):
            if index >= len(maps):
                ax.remove()
                continue
            picture = ax.imshow(maps[index], "cividis" if signed else "viridis", vmin=limits[0], vmax=limits[1])
            ax.set(xticks=[], yticks=[])
            ax.set_title(_text(titles[index], cell * 12, max_lines=1), fontsize=9, pad=3)
        left = [ax for ax in axes.flat if ax.figure is not None]
        figure.colorbar(picture, ax=left, label="value (no unit)", aspect=30, fraction=0.05)
    return figure


def heat_maps(images, maps, titles=None, num_columns=6):
    """What a network looks at: the image, its map with the range of values, and the map laid over the image.

    Each map has its own scale, from its lowest value (dark, left transparent in the overlay) to its highest (bright).

    Args:
        images: `(N, H, W, C)`, C 1 or 3, uint8 or float in [0, 1].
        maps: float `(N, h, w)`, any range; stretched to the image.
        titles: N strings, or None.
        num_columns: most images beside one another.

    Returns:
        Figure with 3 N visible axes, image, map and overlay below one another.

    Raises:
        ValueError: if images or maps are not as stated, their numbers differ, or a value is not finite.
    """
    images, maps = _images(images, budget=50_000), np.asarray(maps, np.float64)
    if maps.ndim != 3 or len(maps) != len(images) or not np.isfinite(maps).all():
        raise ValueError(f"maps must be ({len(images)}, h, w) and finite, one for each image; got shape {maps.shape}.")
    titles = _per_item(titles, len(images), "titles") or [""] * len(images)
    rows, columns, cell = _cells(len(images), num_columns, largest=2.2)
    height, width = images.shape[1:3]
    on_image = {"extent": (-0.5, width - 0.5, height - 0.5, -0.5), "cmap": "inferno", "interpolation": "bilinear"}
    inches = rows * (3 * cell * height / width + 0.9)
    with _panels(3 * rows, columns, inches, cell * columns) as (figure, axes):
        for index in range(rows * columns):
            above, middle, below = axes[3 * (index // columns) : 3 * (index // columns) + 3, index % columns]
            if index >= len(images):
                figure.delaxes(above), figure.delaxes(middle), figure.delaxes(below)
                continue
            low, high = maps[index].min(), maps[index].max()
            scaled = (maps[index] - low) / (high - low or 1)
            for ax in (above, middle, below):
                _show(ax, images[index])
            middle.imshow(scaled, vmin=0, vmax=1, **on_image)
            below.imshow(scaled, vmin=0, vmax=1, alpha=0.75 * scaled, **on_image)
            above.set_title(_text(titles[index], cell * 12), fontsize=9, pad=3)
            middle.set_title(f"{low:.3g} to {high:.3g}", fontsize=9, pad=3)
            below.set_title("overlay", fontsize=9, pad=3)
    return figure


def embedding(points, labels, class_names, method=""):
    """Images as points in the plane; class shown by colour and marker.

    From the 21st class on, points are small and grey and named together in the legend.

    Args:
        points: float `(N, 2)`, or `{"title": (N, 2)}` for panels side by side (three in a row) of the same images.
        labels: integer `(N,)`, class indices.
        class_names: C strings.
        method: for the axes, such as "t-SNE"; these have no unit.

    Returns:
        Figure with one axes for each array of points.

    Raises:
        ValueError: if points are not `(N, 2)` or a label has no name.
    """
    panels = points if isinstance(points, dict) else {"": points}
    panels, labels = {title: np.asarray(array) for title, array in panels.items()}, np.asarray(labels)
    shapes = [array.shape for array in panels.values()]
    if any(shape != (len(labels), 2) for shape in shapes) or not len(labels):
        raise ValueError(f"points must be (N, 2) for the N = {len(labels)} labels, got {shapes}.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(f"labels must be 0..{len(class_names) - 1}, found {labels.min()}..{labels.max()}.")
    shown = min(len(class_names), 20)
    names = _names(class_names, len(class_names))[:shown]
    looks = [{"color": PALETTE[c % len(PALETTE)], "marker": MARKERS[c % len(MARKERS)]} for c in range(shown)]
    if shown < len(class_names):
        names, looks = [*names, f"{len(class_names) - shown} others"], [*looks, {"color": "0.8", "marker": "."}]
    rows, columns = math.ceil(len(panels) / 3), min(3, len(panels))
    height = rows * {1: 5.5, 2: 4.2, 3: 3.0}[columns] + 0.2 * math.ceil(len(names) / 5)
    groups = np.minimum(labels, shown)
    with _panels(rows, columns, height) as (figure, axes):
        for ax, (title, array) in zip(axes.flat, panels.items()):
            for group in reversed(range(len(names))):
                ax.scatter(*array[groups == group].T, s=12, alpha=0.7, linewidths=0, **looks[group])
            ax.set(xticks=[], yticks=[], title=_text(title, 40), xlabel=f"{method} 1".strip(), ylabel=f"{method} 2".strip())
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        handles = [Line2D([], [], linestyle="none", label=name, **look) for name, look in zip(names, looks)]
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def class_balance(counts, class_names):
    """Number of images of each class; names up to 40 classes, beyond that class numbers.

    Args:
        counts: integer `(C,)`.
        class_names: C strings.

    Returns:
        Figure with one axes, which starts at 0.

    Raises:
        ValueError: if there is not one name for each count.
    """
    counts = np.asarray(counts)
    names = _names(class_names, len(counts))
    with _panels(1, 1, 3.2) as (figure, axes):
        ax = axes[0, 0]
        bars = ax.bar(range(len(counts)), counts, color=PALETTE[0])
        ax.set(ylabel="images (count)", xlabel="class")
        if len(counts) <= 40:
            ax.set_xticks(range(len(counts)), names, rotation=90 if sum(map(len, names)) > 90 else 0)
        if len(counts) <= 12:
            ax.bar_label(bars, fontsize=9)
    return figure
