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
from matplotlib.font_manager import get_font_names
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

WIDTH = 9.0  # inches, a notebook page at 100 dots an inch
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
WRONG = "#D55E00"
NAME_BOX = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1}
DARK = 0.72  # of "Blues", 0 to 1: white letters are legible from here on, black ones below (contrast 4.5 and more)
# Class names may be in any script; matplotlib's own font has Latin, Greek, Cyrillic and Arabic letters.
FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Microsoft YaHei",
         "Malgun Gothic", "Noto Sans Devanagari")
STYLE = {
    "font.family": ["DejaVu Sans", *(name for name in FONTS if name in get_font_names())],
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
        figure, axes = plt.subplots(num_rows, num_columns, figsize=(width, height), squeeze=False, layout="constrained")
        try:
            yield figure, axes
        finally:
            plt.close(figure)


def _look(index):
    return {
        "color": PALETTE[index % len(PALETTE)],
        "linestyle": LINES[index % len(LINES)],
        "marker": MARKERS[index % len(MARKERS)],
        **{"markeredgecolor": "black", "markeredgewidth": 0.5},  # two of the colours are pale
    }


def _wrapped(text, width):
    """Each line of a title on at most two lines of `width` characters; underscores become spaces, `$` is no maths."""
    lines = str(text).replace("_", " ").split("\n")
    lines = [textwrap.fill(line, max(4, int(width)), max_lines=2, placeholder="…") for line in lines]
    return "\n".join(lines).replace("$", r"\$")


def _short(name, width=24):
    """One line of at most `width` characters."""
    name = str(name).replace("_", " ")
    return (name if len(name) <= width else name[: width - 1] + "…").replace("$", r"\$")


def _names(class_names, count):
    if len(class_names) != count:
        raise ValueError(f"class_names must have one name a class: expected {count}, got {len(class_names)}.")
    return [_short(name) for name in class_names]


def _handles(names, looks):
    return [Line2D([], [], label=name, **look) for name, look in zip(names, looks)]


def _legend_columns(names):
    return max(1, min(len(names), int(WIDTH * 72 / (5.5 * max(map(len, names)) + 42))))  # points: text and symbol


def _per_item(values, count, name):
    if values is not None and len(values) != count:
        raise ValueError(f"{name} must have one entry an image: expected {count}, got {len(values)}.")
    return None if values is None else list(values)


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


def _show(ax, image):
    """An image without axes; grey where it has one channel."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _cells(count, num_columns, largest=3.0, width=WIDTH):
    """Rows, columns and cell width in inches of a grid: few images are shown larger, not stretched over the page."""
    columns = min(num_columns, count)
    return math.ceil(count / columns), columns, min(width / columns, largest)


def _note(text):
    with _panels(1, 1, 0.4) as (figure, axes):
        axes[0, 0].axis("off")
        axes[0, 0].text(0.5, 0.5, text, ha="center", va="center")
    return figure


def image_grid(images, titles=None, wrong=None, num_columns=8):
    """Images in a grid; those marked wrong have a thick frame and a bold title that begins with a cross.

    Large images are reduced by averaging blocks of pixels, so that a page of photos stays near 250 kB.

    Args:
        images: `(N, H, W, C)`, C 1 (shown grey) or 3, uint8 or float in [0, 1]; with N = 0 the figure says so.
        titles: N strings, or None; `\\n` starts a new line.
        wrong: bool `(N,)`, or None.
        num_columns: most images in a row.

    Returns:
        Figure with N visible axes.

    Raises:
        ValueError: if shape, type or range of the images, or the number of titles or marks, is not as stated.
    """
    if np.ndim(images) == 4 and not len(images):
        return _note("no image to show")  # such as the errors of a network that made none
    images = _images(images)
    titles, wrong = _per_item(titles, len(images), "titles"), _per_item(wrong, len(images), "wrong")
    rows, columns, cell = _cells(len(images), num_columns)
    titles = [_wrapped(title, cell * 12) for title in titles or [""] * len(images)]
    num_lines = max(title.count("\n") + bool(title) for title in titles)
    height = rows * (cell * images.shape[1] / images.shape[2] + 0.17 * num_lines)
    with _panels(rows, columns, height, cell * columns) as (figure, axes):
        for index, ax in enumerate(axes.flat):
            if index >= len(images):
                ax.remove()
                continue
            _show(ax, images[index])
            marked = wrong is not None and wrong[index]
            ax.set_title("✗ " * bool(marked) + titles[index], fontsize=9, pad=5)  # above the frame
            if marked:
                ax.title.set(color=WRONG, fontweight="bold")
                ax.spines[:].set(visible=True, color=WRONG, linewidth=3)
    return figure


def worst_errors(image_set, probabilities, count=24, num_columns=8):
    """The errors, worst first: the images whose wrong answer was the surest, with truth, answer and its probability.

    Args:
        image_set: ImageSet of N images.
        probabilities: float `(N, K)`.
        count: most images to show.
        num_columns: most images in a row.

    Returns:
        Figure; without errors it says so.
    """
    predictions, surest = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predictions != image_set.labels)
    wrong = wrong[np.argsort(-surest[wrong], kind="stable")][:count]
    names = image_set.class_names
    titles = [f"{names[image_set.labels[i]]} → {names[predictions[i]]}\n{surest[i]:.0%}" for i in wrong]
    return image_grid(image_set.images[wrong], titles, num_columns=num_columns)


def _quantity(panel, units):
    """Axis label of metrics that share a panel: train_loss and validation_loss are both "loss"."""
    last_words = {metric.split("_")[-1] for metric in panel}
    shared = len(panel) > 1 and len(last_words) == 1
    unit = (units or {}).get(panel[0])
    label = (last_words.pop() if shared else _short(", ".join(panel), 60)) + (f" ({unit})" if unit else "")
    return textwrap.fill(label.replace("knn", "kNN"), 36)  # the height of a panel


def curves(histories, metrics, units=None, num_columns=2, x="epoch", log=False):
    """Training curves: a panel for each metric, or for each group of metrics, with a line for each run.

    Runs differ in colour and marker; the metrics of one panel differ in line style.

    Args:
        histories: `{"run name": [{"epoch": 1, "train_loss": 2.3, ...}, ...]}`; an epoch may lack a metric.
        metrics: a metric's name, or a list whose entries are names or tuples of names to share a panel.
        units: `{"train_loss": "nats"}`, put on the axes; or None.
        num_columns: most panels in a row.
        x: what stands in place of "epoch" in the histories and on the axis, for instance "layer".
        log: logarithmic vertical axes.

    Returns:
        Figure with one axes a panel.

    Raises:
        ValueError: if a metric is in no history.
    """
    panels = [(m,) if isinstance(m, str) else tuple(m) for m in ([metrics] if isinstance(metrics, str) else metrics)]
    known = {key for history in histories.values() for epoch in history for key in epoch} - {x}
    missing = sorted({metric for panel in panels for metric in panel} - known)
    if missing:
        raise ValueError(f"no history has {missing}; the metrics there are: {sorted(known)}.")
    several, grouped = len(histories) > 1, any(len(panel) > 1 for panel in panels)
    names = [_short(name, 40) for name in histories]
    legend_height = 0.2 + 0.2 * math.ceil(len(names) / _legend_columns(names)) if several else 0
    rows, columns = math.ceil(len(panels) / num_columns), min(num_columns, len(panels))
    with _panels(rows, columns, 2.8 * rows + legend_height) as (figure, axes):
        for ax, panel in zip(axes.flat, panels):
            for number, metric in enumerate(panel):
                for run, history in enumerate(histories.values()):
                    points = [(epoch[x], epoch[metric]) for epoch in history if metric in epoch]
                    look = _look(run if several else number)
                    look |= {"linestyle": LINES[number % len(LINES)]} if grouped else {}
                    ax.plot(*zip(*points), markevery=max(1, len(points) // 8), **look)
            if len(panel) > 1:
                looks = [_look(number) for number in range(len(panel))]
                looks = [{"color": "0.3", "linestyle": look["linestyle"]} if several else look for look in looks]
                ax.legend(handles=_handles([_short(metric, 40) for metric in panel], looks))
            ax.set(xlabel=x, ylabel=_quantity(panel, units), yscale="log" if log else "linear")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            ax.grid(True)
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        if several:
            looks = [_look(run) | ({"linestyle": "none"} if grouped else {}) for run in range(len(names))]
            handles = _handles(names, looks)
            figure.legend(handles=handles, loc="outside lower center", ncols=_legend_columns(names))
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
    with _panels(1, 1, np.clip(2 + 0.4 * count, 3.6, 8.5)) as (figure, axes):
        ax = axes[0, 0]
        picture = ax.imshow(errors, plt.get_cmap("Blues").with_extremes(bad="0.85"), vmin=0, vmax=largest)
        figure.colorbar(picture, label="% of the true class (errors only)")
        number = "" if count <= 40 else " (number)"
        ax.set(xlabel="predicted class" + number, ylabel="true class" + number)
        if not number:
            ax.set_xticks(range(count), names, rotation=90 if len("".join(names)) > 35 else 0)
            ax.set_yticks(range(count), names)
        for row, column in np.argwhere(matrix) if count <= 20 else ():
            dark, hit = errors[row, column] > DARK * largest, row == column
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
        points = {"color": "white", "markeredgecolor": "black", "label": "at the mean confidence"}
        top.plot(result["confidence"], result["accuracy"], "D", **points)
        error = 100 * result["expected_calibration_error"]
        top.set_title(f"expected calibration error {error:.2f} %, {len(counts)} bins")
        top.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy (fraction)")
        top.legend(loc="upper left")
        bars = bottom.bar(middles, counts, width, color="0.75", edgecolor="black")
        if len(counts) <= 15:
            bottom.bar_label(bars, [str(count or "") for count in counts], fontsize=9)
        bottom.set(xlim=(0, 1), ylim=(0.7, 4 * counts.max()), yscale="log", ylabel="images (count)")
        bottom.set_xlabel("confidence (highest probability)")
        figure.get_layout_engine().set(hspace=0.02)
    return figure


def comparison(results, metric, digits=None):
    """Results of experiments: a point for each, with its spread as a bar and its value written at the right.

    Points and not bars, because the axis covers the values found; where it leaves out 0 its label says so.

    Args:
        results: `{"name": number or {"mean", "sd", "n"}}`, as `evaluate.mean_and_spread` returns; drawn in this order
            from the top.
        metric: what is compared, with its unit, for the axis.
        digits: decimals of the written values; None for three significant figures of the largest.

    Returns:
        Figure with one axes.

    Raises:
        ValueError: if there are no results.
    """
    if not results:
        raise ValueError("results are empty: expected {name: number or {'mean', 'sd', 'n'}}.")
    entries = [r if isinstance(r, dict) else {"mean": r, "sd": None, "n": 1} for r in results.values()]
    means, spreads = [e["mean"] for e in entries], [e["sd"] or 0 for e in entries]
    if digits is None:
        digits = max(0, 3 - math.ceil(math.log10(max(map(abs, means)) or 1)))
    heights = np.arange(len(entries))
    with _panels(1, 1, 0.9 + 0.34 * len(entries)) as (figure, axes):
        ax = axes[0, 0]
        ax.errorbar(means, heights, xerr=spreads, fmt="o", color=PALETTE[0], ecolor="0.35", capsize=4, markersize=7)
        for height, entry in zip(heights, entries):
            written = f"{entry['mean']:.{digits}f}"
            written += f" ± {entry['sd']:.{digits}f} (n = {entry['n']})" if entry["sd"] is not None else ""
            ax.annotate(written, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        ax.margins(x=0.08)
        ax.set(ylim=(len(entries) - 0.5, -0.5))
        ax.set_yticks(heights, [_wrapped(name, 34) for name in results])
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
    rows, columns, cell = _cells(len(maps), num_columns, largest=2.0, width=WIDTH - 0.9)
    height = max(1.5, rows * (cell * maps.shape[1] / maps.shape[2] + 0.17 * any(titles)))
    with _panels(rows, columns, height, cell * columns + 0.9) as (figure, axes):
        for index, ax in enumerate(axes.flat):
            if index >= len(maps):
                ax.remove()
                continue
            picture = ax.imshow(maps[index], "cividis" if signed else "viridis", vmin=limits[0], vmax=limits[1])
            ax.set(xticks=[], yticks=[])
            ax.set_title(_short(titles[index], int(cell * 12)), fontsize=9, pad=3)
        left = [ax for ax in axes.flat if ax.figure is not None]
        figure.colorbar(picture, ax=left, label="value (no unit)", aspect=30, fraction=0.05)
    return figure


def heat_map(values, rows, columns, labels):
    """A table of numbers as shades, the number written in each cell: an accuracy by two options, for instance.

    Args:
        values: float `(R, C)`.
        rows: R names or numbers, from the top; columns: C of them, from the left.
        labels: three strings, for the vertical axis, the horizontal axis and the values, with unit.

    Returns:
        Figure with the table and its colour bar.

    Raises:
        ValueError: if the shape is not as stated or a value is not finite.
    """
    values, rows, columns = np.asarray(values, np.float64), list(map(_short, rows)), list(map(_short, columns))
    if values.shape != (len(rows), len(columns)) or not values.size or not np.isfinite(values).all():
        raise ValueError(f"values must be finite and ({len(rows)}, {len(columns)}), as rows and columns say; got "
                         f"shape {values.shape}.")
    dark = values.min() + DARK * np.ptp(values)
    with _panels(1, 1, 2 + 0.35 * len(rows), min(WIDTH, 3 + 0.6 * len(columns))) as (figure, axes):
        ax = axes[0, 0]
        figure.colorbar(ax.imshow(values, "Blues", aspect="auto"), label=labels[2])
        ax.set(ylabel=labels[0], xlabel=labels[1])
        ax.set_yticks(range(len(rows)), rows)
        ax.set_xticks(range(len(columns)), columns, rotation=90 if len("".join(columns)) > 35 else 0)
        for (row, column), value in np.ndenumerate(values):
            color = "white" if value > dark else "black"
            ax.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=9, color=color)
    return figure


def heat_maps(images, maps, titles=None, num_columns=6):
    """What a network looks at: the image, its map with the range of values, and the map laid over the image.

    Each map has its own scale, from its lowest value (dark) to its highest (bright); the overlay's image is grey.

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
    on_image = {"extent": (-0.5, width - 0.5, height - 0.5, -0.5), "cmap": "inferno", "vmin": 0, "vmax": 1}
    inches = rows * (3 * cell * height / width + 0.9)
    with _panels(3 * rows, columns, inches, cell * columns) as (figure, axes):
        for index in range(rows * columns):
            above, middle, below = axes[3 * (index // columns) : 3 * (index // columns) + 3, index % columns]
            if index >= len(images):
                figure.delaxes(above), figure.delaxes(middle), figure.delaxes(below)
                continue
            low, high = maps[index].min(), maps[index].max()
            scaled = (maps[index] - low) / (high - low or 1)
            _show(above, images[index])
            _show(middle, images[index])
            middle.imshow(scaled, interpolation="nearest", **on_image)  # as coarse as it is
            _show(below, images[index].mean(axis=2, keepdims=True))  # grey: the only colour is the map's
            below.imshow(scaled, interpolation="bilinear", alpha=0.5, **on_image)
            above.set_title(_wrapped(titles[index], cell * 12), fontsize=9, pad=3)
            middle.set_title(f"{low:.3g} to {high:.3g}", fontsize=9, pad=3)
            below.set_title("overlay", fontsize=9, pad=3)
    return figure


def embedding(points, labels, class_names, method="dimension"):
    """Images as points in the plane; class shown by colour and marker, and by its name where it stands apart.

    The name is at the median of the class's points, if no other class has its own near. From the 21st class on, points
    are small and grey and named together in the legend.

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
    rows, columns, legend_columns = math.ceil(len(panels) / 3), min(3, len(panels)), _legend_columns(names)
    height = rows * {1: 5.5, 2: 4.2, 3: 3.0}[columns] + 0.2 * math.ceil(len(names) / legend_columns)
    groups = np.minimum(labels, shown)
    with _panels(rows, columns, height) as (figure, axes):
        for ax, (title, array) in zip(axes.flat, panels.items()):
            for group in reversed(range(len(names))):
                ax.scatter(*array[groups == group].T, s=12, alpha=0.7, linewidths=0, **looks[group])
            present = np.unique(labels[labels < shown])
            middles = np.array([np.median(array[labels == label], axis=0) for label in present]).reshape(-1, 2)
            room = np.maximum(np.ptp(array, axis=0), 1e-9) * (0.25, 0.07)  # that a name takes, as shares of the panel
            apart = np.abs((middles[:, None] - middles) / room).max(axis=2) + 2 * np.eye(len(present))
            for index in np.flatnonzero((apart > 1).all(axis=0)):
                ax.text(*middles[index], names[present[index]], ha="center", va="center", fontsize=9, bbox=NAME_BOX)
            ax.set(xticks=[], yticks=[], title=_short(title, 40), xlabel=f"{method} 1", ylabel=f"{method} 2")
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        handles = _handles(names, [look | {"linestyle": "none"} for look in looks])
        figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns)
    return figure
