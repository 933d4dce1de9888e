"""`make report`: the assignment's report on notebook 13 as a PDF, from the record and the figures of its run."""

import argparse
import json
import sys

import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

from helpers import results, runtime

NOTEBOOK = "13_simclr_barlow_cifar10_torch"
PAGE = (8.27, 11.69)  # A4, inches
VIEWS = [("random resized crop", "20 to 100 % of the area, width to height 3/4 to 4/3", "1"),
         ("horizontal flip", "", "0.5"),
         ("colour jitter", "brightness, contrast, saturation x 0.6 to 1.4, hue +- 0.1 of the circle", "0.8"),
         ("grey", "", "0.1")]
OPTIMISERS = [("SimCLR, linear layer, fine-tuning", "SGD with Nesterov momentum 0.9, warm-up, cosine"),
              ("Barlow Twins", "Adam, warm-up, cosine")]
FIGURES = {
    "views": "Part 3. An image and seven random views of it, three times.",
    "pairs": "Part 4. Similarities of sixteen images in two views each.",
    "curves": "Part 4. Training without labels: loss, kNN accuracy, effective rank, alignment, uniformity.",
    "classifier_linear": "Part 6. Linear layer on the frozen encoder: train and test curves.",
    "classifier_fine-tuned": "Part 6. Fine-tuning of the whole network: train and test curves.",
    "experiment_temperature": "Temperature: kNN accuracy on validation images.",
    "experiment_augmentation": "Augmentation, one operation left out at a time.",
    "experiment_batch_size": "Batch size.",
    "experiment_negatives": "With and without negatives.",
    "collapse": "With and without negatives: does the encoder collapse?",
    "neighbours": "Test images (left) and the five whose features are most similar.",
    "tsne": "t-SNE of the features of test images.",
}


def main(arguments=None):
    """Write build/report.pdf; the exit code is 1 if there is no run to report on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="laptop")
    profile = parser.parse_args(arguments).profile
    folder = runtime.output_dir() / "runs" / NOTEBOOK / profile
    if not (folder / "record.json").is_file():
        print(f"{folder} holds no record: run the notebook first, for instance `make run NB=13 PROFILE={profile}`.")
        return 1
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    target = runtime.ROOT / "build" / "report.pdf"
    target.parent.mkdir(exist_ok=True)
    with PdfPages(target, metadata={"Title": "SimCLR and Barlow Twins on CIFAR-10"}) as pdf:
        for page in pages(record, folder / "figures"):
            pdf.savefig(page)
            plt.close(page)
    print(f"Report: {target}")
    return 0


def pages(record, figures):
    """Yield the report's pages as Figures: results and settings as tables, then the figures that the run left."""
    final = [(name.replace("_", " "), results.format_metric(value)) for name, value in record["metrics"].items()
             if ":" not in name or name.endswith("train accuracy")]
    experiments = [(name, results.format_metric(value)) for name, value in record["metrics"].items()
                   if isinstance(value, dict) and "minutes" in value]
    settings = [(name.replace("_", " "), str(value)) for name, value in record["settings"].items()]
    about = (f"{record['data'][0]['name']}, {record['data'][0]['count']:,} training images; profile "
             f"{record['profile']}, seed {record['seed']}; {record['device']}; {record['date']}")
    yield _table_page("SimCLR and Barlow Twins on CIFAR-10", about, {
        "Final results (accuracies in %)": final, "Augmentation: operation, setting, probability": VIEWS})
    yield _table_page("Hyper-parameters", "all settings of the run", {"Optimisers": OPTIMISERS, "Settings": settings})
    if experiments:
        yield _table_page("Experiments", "kNN accuracy on validation images, %", {"": experiments})
    found = [(figures / f"{name}.png", caption) for name, caption in FIGURES.items()
             if (figures / f"{name}.png").is_file()]
    for first in range(0, len(found), 2):
        page, axes = plt.subplots(2, 1, figsize=PAGE, layout="constrained")
        for ax in axes:
            ax.axis("off")
        for ax, (path, caption) in zip(axes, found[first:first + 2]):
            ax.imshow(plt.imread(path))
            ax.set_title(caption, fontsize=10, loc="left")
        yield page


def _table_page(title, about, tables):
    page, axes = plt.subplots(len(tables), 1, figsize=PAGE, layout="constrained", squeeze=False,
                              height_ratios=[len(rows) + 2 for rows in tables.values()])
    page.suptitle(f"{title}\n{about}", fontsize=11)
    for ax, (heading, rows) in zip(axes.flat, tables.items()):
        ax.axis("off")
        ax.set_title(heading, fontsize=10, loc="left")
        table = ax.table([list(row) for row in rows], loc="upper left", cellLoc="left", edges="horizontal")
        table.auto_set_font_size(False)
        table.set_fontsize(8)
        table.auto_set_column_width(range(len(rows[0])))
    return page


if __name__ == "__main__":
    sys.exit(main())
