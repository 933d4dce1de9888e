"""The page `results/README.md` (`make results`): what each notebook found, in numbers and in small pictures.

Two pictures at most stand beside a notebook's numbers: its result beside what it is compared with, drawn from the
record, and one figure of the run, copied where the run's folder is at hand. Each picture carries the checksum of its
record and goes when the record is renewed.
"""

import hashlib
import io
import re

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers import plots, results, runtime
from tools import records as committed

WIDTH, BYTES = 900, 60_000  # most of a picture: pixels, bytes
INCHES = 6.0  # width of what is drawn here: shown at its own size, so that its text can be read

# Number of the notebook -> the axis; what is compared, name -> pattern of a metric's name (the first that fits counts);
# and what that shows.
COMPARED = {
    "01": ("test accuracy (%)", {"LeNet-5": "test_accuracy", "fully connected": "baseline_test_accuracy"},
           "LeNet-5 beside a fully connected network with as many parameters, equally well tuned."),
    "02": ("test accuracy (%)", {"VGG-16": "test_accuracy", "LeNet": "baseline_test_accuracy"},
           "VGG-16 beside a LeNet that is as large, has the same recipe and a learning rate of its own."),
    "03": ("test accuracy (%)", {"ResNet-8": "test_accuracy", "LeNet": "baseline_test_accuracy"},
           "ResNet-8 beside LeNet, which has four fifths of its parameters, with the same recipe."),
    "07": ("test accuracy (%)", {"all techniques": "test_accuracy", "frozen features": "frozen_test_accuracy",
                                 "untrained features": "untrained_test_accuracy"},
           "A classifier on untrained features, on those that ImageNet taught, and with all techniques together."),
    "08": ("test accuracy (%)", {
        "without labels, probe": "linear_accuracy", "with labels, probe": "supervised_linear_accuracy",
        "without labels, fine-tuned": "finetuned_accuracy", "from scratch": "scratch_accuracy"},
           "With 10 % of the labels: networks pretrained without and with labels (in `laptop` small stand-ins for the "
           "published ones), and one that starts from nothing."),
    "09": ("test accuracy (%)", {
        "linear probe": "linear_accuracy", "fine-tuned": "finetuned_accuracy", "from scratch": "scratch_accuracy",
        "untrained, linear probe": "random_linear_accuracy"},
           "With 10 % of the labels: the network pretrained without labels, beside training from scratch and beside an "
           "untrained network."),
    "10": ("NMI of clusters and classes", {
        "supervised contrastive": "nmi", "cross-entropy": "cross_entropy_nmi", "untrained": "random_nmi"},
           "How well clusters of test images agree with their classes (1: fully), by the loss that trained the "
           "network."),
    "11": ("test accuracy (%)", {"teacher": r"(?!\w+_with_the_)\w+_teacher_test_accuracy",
                                 "with the teacher": r"\w+_with_the_teacher_test_accuracy",
                                 "alone": r"\w+_alone_test_accuracy"},
           "The small network with its teacher's help and alone, beside the teacher."),
    "12": ("test accuracy (%)", {"last student": "student_accuracy", "first teacher": "teacher_accuracy",
                                 "control": "control_accuracy"},
           "The last student, the teacher it began with, and a control trained as long without pseudo-labels."),
    "13": ("test accuracy (%), nearest neighbours", {
        "SimCLR": "test_knn", "Barlow Twins": "barlow_test_knn", "untrained": "random_test_knn"},
           "What the nearest neighbours of a test image say of its class, by the loss that trained the network."),
    "14": ("test accuracy (%), nearest neighbours", {
        "SimCLR": "test_knn", "plain pixels": "pixels_test_knn", "untrained": "random_test_knn"},
           "What the nearest neighbours of a test image say of its class: by SimCLR's features, by the pixels, by an "
           "untrained network."),
    "15": ("test accuracy (%)", {
        "rotation first": r"rotation, whole network: \d+ labels", "SimCLR first": r"SimCLR, whole network: \d+ labels",
        "from scratch": r"from scratch, whole network: \d+ labels"},
           "With the fewest labels (2 %): a network that has learnt rotations first, one that has learnt by SimCLR, "
           "and one that starts from nothing."),
    "16": ("test accuracy (%)", {name: rf"test, \d+ labels: {name}" for name in (
        "from scratch", "noisy student", "SimCLR, linear", "SimCLR, fine-tuned", "ImageNet, linear",
        "ImageNet, fine-tuned")}, "Six methods with the fewest labels; the bars are standard errors."),
}
COMPARED |= {"04": COMPARED["01"], "05": COMPARED["02"], "06": COMPARED["03"]}

# Number of the notebook -> one figure of its run, what it is, and what it shows.
FIGURES = {
    "01": ("errors", "Grid of handwritten digits", "Test digits that LeNet-5 got wrong, the surest errors first; above "
           "each the true digit, the answer and its probability."),
    "02": ("original", "Two panels of curves over the epochs", "Training loss and validation accuracy of VGG-16 with "
           "batch norm, and of the original without it at three learning rates."),
    "03": ("depth_curves", "Two panels of curves over the epochs", "Training loss and validation accuracy at three "
           "depths, with and without skip connections: without them, more layers learn less."),
    "07": ("card", "Rows of photographs with heat maps", "The likeliest breeds of one dog, and where the network looks "
           "for each of them."),
    "08": ("label_efficiency", "Two panels of curves over the number of labels", "Test accuracy against the number of "
           "labelled images: a linear probe on frozen features, and the whole network trained."),
    "09": ("label_efficiency", "Curves over the number of labels", "Test accuracy against the number of labelled "
           "images, pretrained and from scratch."),
    "10": ("clusters_pca", "Three panels of points", "Features of the test images in the plane of their two main "
           "directions: untrained, by cross-entropy, by the supervised contrastive loss; NMI above each."),
    "11": ("soft_labels", "Table of numbers, shaded", "What the teacher tells: the mean soft label of the images of "
           "each class."),
    "12": ("robustness", "Four panels of curves over the severity", "Error on test images with noise, blur and other "
           "corruptions, from mild to severe: teacher, students and control."),
    "13": ("tsne", "Panels of points", "Features of test images in the plane (t-SNE), by SimCLR, by Barlow Twins and "
           "untrained."),
    "14": ("tsne", "Two panels of points", "Features of test images in the plane (t-SNE), untrained and by SimCLR."),
    "15": ("label_volumes", "Curves over the number of labels", "Test accuracy against the number of labelled images: "
           "rotation or SimCLR first, from scratch, and probes of frozen features."),
    "16": ("budgets", "Curves over the number of labels", "Validation accuracy of six methods against the number of "
           "labelled images."),
}
FIGURES |= {"04": FIGURES["01"], "05": FIGURES["02"], "06": FIGURES["03"]}


def checksum(path):
    """Return what a picture keeps of its record's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def belongs(picture, record_path):
    """Return whether a picture is there and was made for the record as it is now."""
    if not picture.is_file():
        return False
    with Image.open(picture) as image:
        return image.info.get("record") == checksum(record_path)


def keep(image, target, record_path):
    """Write a picture with at most WIDTH pixels across and BYTES bytes, in a palette, with its record's checksum."""
    image, width, colours, note = image.convert("RGB"), min(WIDTH, image.width), 256, PngInfo()
    note.add_text("record", checksum(record_path))
    while True:
        small = image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)
        small.quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True, pnginfo=note)
        if target.stat().st_size <= BYTES:
            return
        colours, width = (colours // 2, width) if colours > 64 else (colours, int(0.85 * width))


def picture_path(record_path, name):
    """Return where the picture `name` of a record lies."""
    return record_path.with_name(f"{record_path.stem}-{name}.png")


def compared(record):
    """Return name -> metric of what a record's result is compared with."""
    patterns = COMPARED.get(record["notebook"][:2], ("", {}, ""))[1]
    found = {name: next((value for metric, value in record["metrics"].items() if re.fullmatch(pattern, metric)), None)
             for name, pattern in patterns.items()}
    return {name: value for name, value in found.items() if value is not None}


def draw(record, record_path):
    """Draw a record's comparison, if it has one and its picture is not there."""
    target, found, buffer = picture_path(record_path, "compared"), compared(record), io.BytesIO()
    if len(found) < 2 or belongs(target, record_path):
        return
    digits = 2 if max(value["mean"] if isinstance(value, dict) else value for value in found.values()) >= 1 else 3
    figure = plots.comparison(found, COMPARED[record["notebook"][:2]][0], digits=digits)
    figure.set_size_inches(INCHES, figure.get_size_inches()[1])
    label = figure.axes[0].get_xlabel().replace("; the", ";\nthe")
    if record["notebook"].startswith("16"):  # which records the errors of means under this name
        label = label.replace("standard deviation", "standard error")
    figure.axes[0].set_xlabel(label)
    figure.savefig(buffer, bbox_inches="tight")
    keep(Image.open(buffer), target, record_path)


def copy(record, record_path, run_folder):
    """Copy the run's figure that FIGURES names beside its record, if the run left it and it is not there."""
    name = FIGURES.get(record["notebook"][:2], ("",))[0]
    source, target = run_folder / "figures" / f"{name}.png", picture_path(record_path, name)
    if source.is_file() and not belongs(target, record_path):
        with Image.open(source) as image:
            keep(image, target, record_path)


def pictures(record, record_path):
    """Return a record's pictures as (path, alternative text, sentence), at most two."""
    axis, _, sentence = COMPARED.get(record["notebook"][:2], ("", {}, ""))
    said = "; ".join(f"{name} {results.format_metric(value)}" for name, value in compared(record).items())
    name, alternative, shows = FIGURES.get(record["notebook"][:2], ("", "", ""))
    found = [(picture_path(record_path, "compared"), f"{axis}: {said}", sentence),
             (picture_path(record_path, name), alternative, shows)]
    return [picture for picture in found if belongs(picture[0], record_path)]


def row(notebook, title, own, folder, root):
    """Return a notebook's row of the table: every record in words, the pictures of the last."""
    said, shown = [f"**[{title}](../notebooks/{notebook}.ipynb)**"], []
    for record in own:
        headline = committed.headline(record)
        stale = "; **stale**: the code has changed since" if committed.is_stale(record, root) else ""
        said.append(f"`{record['profile']}`: {headline['metric']}; {headline['target']}{stale}. "
                    f"{committed.training_minutes(record):.1f} minutes of training, {committed.device(record)}")
    for path, alternative, sentence in pictures(own[-1], committed.path_of(own[-1], folder)) if own else ():
        place, shown_at = path.relative_to(folder).as_posix(), min(600, Image.open(path).width)
        shown.append(f'<a href="{place}"><img src="{place}" width="{shown_at}" alt="{alternative}"></a><br>{sentence}')
    said += [] if own else ["no run has been recorded yet"]
    return f"| {'<br><br>'.join(said)} | {'<br><br>'.join(shown) or 'no picture yet'} |"


def page(records, folder, root=runtime.ROOT):
    """Return the text of `results/README.md`: a row for each notebook, in the order of the series."""
    rows = []
    for path in sorted((root / "notebooks").glob("*.py")):
        title = re.search(r"^# # (.+)", path.read_text(encoding="utf-8"), re.M)[1]
        own = [record for record in records if record["notebook"] == path.stem]
        rows.append(row(path.stem, title, own, folder, root))
    return "\n".join([
        "# Results", "",
        "What each notebook found, from the records of real runs that lie in this folder. Written by `make results`: "
        "edit the notebooks, not this page. Points in the first pictures are means, bars standard deviations; minutes "
        "are those of the training that the first number comes from, and of its baseline. A picture opens larger by a "
        "click. How the numbers come about stands in the notebooks; the table of all runs is in the "
        "[README](../README.md#results).", "",
        "| notebook and result | pictures |", "|---|---|", *rows, ""])


def update(records, folder, runs, root=runtime.ROOT):
    """Bring the pictures of each notebook's last record and the page up to date; pictures of renewed records go."""
    last = {record["notebook"]: committed.path_of(record, folder) for record in records}
    for record in records:
        path, run_folder = committed.path_of(record, folder), runs / record["notebook"] / record["profile"]
        left = run_folder / "record.json"
        if path == last[record["notebook"]]:
            draw(record, path)
            if left.is_file() and left.read_bytes() == path.read_bytes():  # this very run
                copy(record, path, run_folder)
        for picture in path.parent.glob(f"{path.stem}-*.png"):
            if path != last[record["notebook"]] or not belongs(picture, path):
                picture.unlink()
    (folder / "README.md").write_text(page(records, folder, root), encoding="utf-8")
