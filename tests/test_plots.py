import warnings

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.text import Text

from helpers import evaluate, plots

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (3, 24, 20, 3), dtype=np.uint8)
DIGITS = RNG.random((5, 8, 8, 1))
HISTORY = [{"epoch": e, "train_loss": 2 / e, "validation_loss": 2.1 / e, "accuracy": 1 - 1 / e} for e in (1, 2, 3)]
PROBABILITIES = RNG.dirichlet([0.3] * 4, 200)
FIGURES = {
    "image_grid": lambda: plots.image_grid(DIGITS, list("abcde"), wrong=[True, False, False, True, False]),
    "curves": lambda: plots.curves({"a": HISTORY, "b": HISTORY}, ["accuracy", ("train_loss", "validation_loss")]),
    "confusion": lambda: plots.confusion(np.arange(9).reshape(3, 3), ["$5 cat", "hot_dog", "$6"]),
    "reliability": lambda: plots.reliability(evaluate.calibration(RNG.integers(0, 4, 200), PROBABILITIES)),
    "comparison": lambda: plots.comparison({"a": 0.9, "b": {"mean": 0.8, "sd": 0.1, "n": 3}}, "accuracy"),
    "feature_maps": lambda: plots.feature_maps(RNG.normal(size=(5, 3, 3)), list("abcde")),
    "heat_map": lambda: plots.heat_map([[61.5, 62.0], [60.1, 58.9]], [1.0, 4.0], [0.5, 0.9], ("T", "alpha", "%")),
    "heat_maps": lambda: plots.heat_maps(PHOTOS, RNG.random((3, 4, 4)), np.array(["a", "b", "c"])),
    "embedding": lambda: plots.embedding(RNG.normal(size=(30, 2)), np.arange(30) % 3, ["cat", "dog", "elk"]),
}


def texts(figure):
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_closed_legible_and_leaves_the_readers_settings_alone(name):
    with plt.style.context(["dark_background", {"font.size": 5, "xtick.labelsize": 4, "ytick.labelsize": 4}]):
        before = dict(plt.rcParams)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # a glyph that is missing, a layout that does not fit
            warnings.simplefilter("ignore", DeprecationWarning)  # matplotlib's own, of pyparsing
            figure = FIGURES[name]()
            figure.canvas.draw()
        assert dict(plt.rcParams) == before
    assert plt.get_fignums() == []
    assert figure.get_size_inches()[0] <= 9
    assert min(text.get_fontsize() for text in texts(figure)) >= 9
    assert figure.get_facecolor()[:3] == (1, 1, 1)
    assert {label.get_color() for ax in figure.axes for label in ax.get_xticklabels()} <= {"black"}


def test_a_figure_that_fails_halfway_is_closed_too():
    with pytest.raises(KeyError):
        plots.curves({"a": [{"accuracy": 0.5}]}, "accuracy")
    assert plt.get_fignums() == []


def test_the_grid_shows_each_image_and_marks_the_wrong_ones_by_more_than_colour():
    figure = FIGURES["image_grid"]()
    assert len(figure.axes) == 5
    for ax, image in zip(figure.axes, DIGITS):
        np.testing.assert_array_equal(ax.images[0].get_array(), image[:, :, 0])
        assert ax.images[0].get_cmap().name == "gray" and ax.images[0].get_clim() == (0, 1)
    assert [ax.get_title() for ax in figure.axes] == ["✗ a", "b", "c", "✗ d", "e"]
    assert [ax.title.get_fontweight() for ax in figure.axes[:2]] == ["bold", "normal"]


def test_bytes_become_fractions_and_big_photos_are_averaged_down():
    shown = plots.image_grid(PHOTOS).axes[1].images[0].get_array()
    np.testing.assert_allclose(shown, PHOTOS[1] / 255, atol=1e-6)
    big = RNG.integers(0, 256, (1, 1200, 900, 3), dtype=np.uint8)
    reduced = plots.image_grid(big).axes[0].images[0].get_array()
    assert reduced.shape[0] * reduced.shape[1] <= 110_000
    assert reduced.mean() == pytest.approx(big.mean() / 255, abs=1e-3)


def test_curves_draw_what_the_histories_hold_and_skip_epochs_without_the_metric():
    sparse = [{"epoch": 1, "train_loss": 3.0}, {"epoch": 2, "train_loss": 2.0, "accuracy": 0.5}]
    figure = plots.curves({"long": HISTORY, "sparse": sparse}, ["train_loss", "accuracy"], {"train_loss": "nats"})
    loss, accuracy = figure.axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [(1, 2), (2, 1), (3, 2 / 3)])
    np.testing.assert_allclose(loss.lines[1].get_xydata(), [(1, 3), (2, 2)])
    np.testing.assert_allclose(accuracy.lines[1].get_xydata(), [(2, 0.5)])
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "train loss (nats)", "accuracy")
    assert [text.get_text() for text in figure.legends[0].texts] == ["long", "sparse"]
    looks = {(line.get_linestyle(), line.get_marker()) for line in loss.lines}
    assert len(looks) == 2  # told apart without colour


def test_a_confusion_matrix_is_shaded_by_its_errors_and_not_by_its_diagonal():
    figure = plots.confusion([[990, 10, 0], [0, 100, 0], [3, 1, 96]], ["$1 to $2", "hot_dog", "elk"])
    picture = figure.axes[0].images[0]
    np.testing.assert_allclose(picture.get_array().filled(-1), [[-1, 1, 0], [0, -1, 0], [3, 1, -1]])
    assert picture.get_clim() == (0, 3)
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == [r"\$1 to \$2", "hot dog", "elk"]  # escaped: shown as money, not as mathematics
    written = {(t.get_position(), t.get_text()) for t in figure.axes[0].texts}  # position: (predicted, true)
    assert written == {((0, 0), "990"), ((1, 0), "10"), ((1, 1), "100"), ((0, 2), "3"), ((1, 2), "1"), ((2, 2), "96")}
    assert not plots.confusion(np.ones((100, 100), int), [str(i) for i in range(100)]).axes[0].texts
    assert plots.confusion(np.diag([5, 5]), ["cat", "dog"]).axes[0].images[0].get_clim()[1] > 0  # no error at all


def test_the_reliability_diagram_has_the_accuracies_and_counts_of_the_bins():
    result = evaluate.calibration([0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], num_bins=4)
    top, bottom = plots.reliability(result).axes
    np.testing.assert_allclose([bar.get_height() for bar in top.patches], [np.nan, np.nan, 1, 0.5])
    assert [bar.get_height() for bar in bottom.patches] == [0, 0, 1, 2]
    assert "expected calibration error 33.33 %" in top.get_title()


def test_a_comparison_shows_mean_spread_and_value_and_admits_an_axis_without_zero():
    results = {"one run": 85.0, "three": {"mean": 90.0, "sd": 1.5, "n": 3}}
    ax = plots.comparison(results, "accuracy (%)").axes[0]
    points, (bars,) = ax.containers[0][0], ax.containers[0][2]
    np.testing.assert_allclose(points.get_xydata(), [(85, 0), (90, 1)])
    np.testing.assert_allclose(bars.get_segments()[1], [(88.5, 1), (91.5, 1)])
    assert [text.get_text() for text in ax.texts] == ["85.0", "90.0 ± 1.5 (n = 3)"]
    assert "does not start at 0" in ax.get_xlabel()
    assert "start at 0" not in plots.comparison({"a": -1, "b": 1}, "gain").axes[0].get_xlabel()
    assert plots.comparison({"a": 0.993}, "accuracy").axes[0].texts[0].get_text() == "0.993"


def test_filters_share_one_scale_that_is_symmetric_about_zero():
    maps = np.array([[[-1.0, 0.5]], [[3.0, 0.0]]])
    figure = plots.feature_maps(maps)
    assert len(figure.axes) == 3  # two maps and the colour bar
    assert [ax.images[0].get_clim() for ax in figure.axes[:2]] == [(-3, 3)] * 2
    assert plots.feature_maps(np.abs(maps)).axes[0].images[0].get_clim() == (0, 3)
    assert plots.feature_maps(np.zeros((1, 2, 2))).axes  # a dead layer can be drawn


def test_a_heat_map_writes_each_value_into_its_cell_and_stays_legible():
    ax = plots.heat_map([[61.5, 62.0, 59.96]], ["a"], [0.5, 0.9, 1.0], ("T", "alpha", "accuracy (%)")).axes[0]
    written = {text.get_position(): (text.get_text(), text.get_color()) for text in ax.texts}
    assert written == {(0, 0): ("61.5", "white"), (1, 0): ("62.0", "white"), (2, 0): ("60.0", "black")}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "0.9", "1.0"]


def test_letters_in_shaded_cells_have_a_contrast_of_at_least_4():
    def luminance(colour):
        colour = np.array(matplotlib.colors.to_rgb(colour))
        return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    counts = np.arange(16).reshape(4, 4)
    for figure in (plots.heat_map(counts, "abcd", "efgh", ("", "", "")), plots.confusion(counts, list("abcd"))):
        shades = figure.axes[0].images[0].to_rgba(figure.axes[0].images[0].get_array())
        for text in figure.axes[0].texts:
            cell = shades[text.get_position()[::-1]][:3]
            light, dark = sorted([luminance(cell), luminance(text.get_color())], reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4, text


def test_heat_maps_stretch_each_map_over_its_image_and_state_its_range():
    maps = np.stack([np.arange(4.0).reshape(2, 2), np.zeros((2, 2)), -np.ones((2, 2))])
    figure = plots.heat_maps(PHOTOS, maps)
    assert len(figure.axes) == 9
    middle, below = figure.axes[3], figure.axes[6]
    assert [ax.get_title() for ax in figure.axes[3:6]] == ["0 to 3", "0 to 0", "-1 to -1"]
    for ax in (middle, below):
        assert ax.images[1].get_extent() == [-0.5, 19.5, 23.5, -0.5]
        np.testing.assert_allclose(ax.images[1].get_array(), maps[0] / 3)
    assert len(plots.heat_maps(PHOTOS, maps, num_columns=2).axes) == 9


def test_an_embedding_draws_every_point_and_names_at_most_20_classes():
    points, labels = RNG.normal(size=(240, 2)), np.arange(240) % 120
    figure = plots.embedding({"PCA": points, "t-SNE": points + 1}, labels, [f"class_{i}" for i in range(120)])
    assert [ax.get_title() for ax in figure.axes] == ["PCA", "t-SNE"]
    drawn = np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(points, axis=0))
    assert len(figure.legends[0].texts) == 21 and figure.legends[0].texts[-1].get_text() == "100 others"
    markers = {(handle.get_marker(), handle.get_color()) for handle in figure.legends[0].legend_handles}
    assert len(markers) == 21


def test_an_embedding_names_a_class_where_it_stands_apart_and_nowhere_else():
    labels = np.arange(40) % 4
    points = np.array([(0, 0), (10, 0), (10, 0.1), (0, 10)])[labels] + RNG.normal(size=(40, 2)) / 100
    ax = plots.embedding(points, labels, ["cat", "dog", "elk", "fox"]).axes[0]
    assert {text.get_text() for text in ax.texts} == {"cat", "fox"}
    assert not plots.embedding(np.zeros((40, 2)), labels, list("abcd")).axes[0].texts  # collapsed
    assert not plots.embedding(points, labels + 20, [str(i) for i in range(24)]).axes[0].texts  # none of the named


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.image_grid(PHOTOS[0]), r"\(N, H, W, C\)"),
        (lambda: plots.image_grid(3 * DIGITS - 1), "Undo the normalisation"),
        (lambda: plots.image_grid(DIGITS * np.nan), "float in"),
        (lambda: plots.image_grid(DIGITS, ["one"]), "expected 5, got 1"),
        (lambda: plots.curves({"a": HISTORY}, "top_5"), r"no history has \['top_5'\].*train_loss"),
        (lambda: plots.confusion(np.ones((2, 3)), ["a", "b"]), r"\(C, C\)"),
        (lambda: plots.confusion(np.ones((2, 2)), ["a"]), "expected 2, got 1"),
        (lambda: plots.comparison({}, "accuracy"), "empty"),
        (lambda: plots.feature_maps(np.full((1, 2, 2), np.inf)), "finite"),
        (lambda: plots.heat_map([[1.0, 2.0]], ["a", "b"], ["c"], ("", "", "")), r"\(2, 1\)"),
        (lambda: plots.heat_maps(PHOTOS, np.ones((2, 4, 4))), r"\(3, h, w\)"),
        (lambda: plots.embedding(np.ones((4, 3)), [0, 0, 1, 1], ["a", "b"]), r"\(N, 2\)"),
        (lambda: plots.embedding(np.ones((2, 2)), [0, 2], ["a", "b"]), r"0\.\.1, found 0\.\.2"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert plt.get_fignums() == []


def test_a_grid_of_no_images_says_so_instead_of_stopping_the_notebook():
    figure = plots.image_grid(np.zeros((0, 28, 28, 1), np.uint8), [])
    assert [text.get_text() for text in figure.axes[0].texts] == ["no image to show"]
