"""The files of a Kaggle competition: find or fetch them, read the test pictures, write a submission."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data import pictures
from helpers.data.download import DataUnavailable
from helpers.data.imageset import ImageSet


def find(competition, root):
    """Return the folder with a competition's unpacked files, or None if they are nowhere to be had without asking.

    Looked for in this order: the folder `<root>/<competition>`, put there by hand with the files as Kaggle's archive
    has them (`sample_submission.csv`, `labels.csv`, `train/`, `test/` ...); Kaggle itself, through `kagglehub` and into
    its cache, where that finds credentials: `KAGGLE_API_TOKEN`, or `KAGGLE_USERNAME` and `KAGGLE_KEY`, in the
    environment; `~/.kaggle/access_token` or `~/.kaggle/kaggle.json`; on Colab the secret `KAGGLE_API_TOKEN`. No
    credential is ever asked for.

    Args:
        competition: the name in the competition's address, such as `"dog-breed-identification"`.
        root: path of the folder of such folders.

    Returns:
        Path, or None.

    Raises:
        DataUnavailable: credentials are there, and Kaggle refuses or fails; says what to do.
    """
    folder = Path(root) / competition
    if folder.is_dir():
        return folder
    try:
        kagglehub = importlib.import_module("kagglehub")  # seconds, and only needed here
        if importlib.import_module("kagglehub.config").get_kaggle_credentials() is None:
            return None
        return Path(kagglehub.competition_download(competition))
    except Exception as error:  # it raises its own kinds, those of requests and of zipfile
        raise DataUnavailable(
            f"The files of {competition} could not be fetched from Kaggle: {error or type(error).__name__}. Accept the "
            f"competition's rules at https://www.kaggle.com/competitions/{competition}/rules and check that the "
            f"credentials are valid; or download the archive in a browser and unpack it into {folder}.") from error


def test_images(folder, image_shape):
    """Return a competition's test pictures, in the order of its `sample_submission.csv`.

    Args:
        folder: path of the unpacked files; the pictures are `test/<id>.jpg`, or of another ending.
        image_shape: `(H, W, C)`, C is 1 or 3.

    Returns:
        ImageSet with labels -1 and the classes of the sample's header, and the list of N ids (str).

    Raises:
        FileNotFoundError: no `sample_submission.csv` there.
        ValueError: a picture is missing or cannot be read; a submission needs every row.
    """
    folder = Path(folder)
    sample = folder / "sample_submission.csv"
    if not sample.is_file():
        raise FileNotFoundError(f"{sample} is missing: put the competition's files there as Kaggle's archive has them.")
    table = pd.read_csv(sample, dtype=str, keep_default_na=False)
    ids, class_names = table.iloc[:, 0].tolist(), tuple(table.columns[1:])
    present = {path.stem: path for path in (folder / "test").glob("*")}
    files = ((name, present.get(name, folder / "test" / name)) for name in ids)
    images, _, left_out = pictures.decode_all(files, len(ids), image_shape)
    if left_out:
        raise ValueError(f"{len(left_out)} of {len(ids)} pictures in {folder / 'test'} cannot be read, and a "
                         f"submission needs all: {'; '.join(left_out[:5])}. Unpack the archive again.")
    labels = np.full(len(ids), -1)
    return ImageSet(images, labels, class_names, folder.name, "test", f"Kaggle competition {folder.name}"), ids


def submission(ids, class_names, probabilities):
    """Return the table to hand in: `submission(...).to_csv("submission.csv", index=False)`.

    Args:
        ids: N str, as `test_images` gives them.
        class_names: C str.
        probabilities: float `(N, C)`, each row sums to 1.

    Returns:
        pandas DataFrame with the columns `id` and the classes, N rows.

    Raises:
        ValueError: of the wrong shape, or not probabilities; names the first wrong row.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.shape != (len(ids), len(class_names)):
        raise ValueError(f"probabilities must have the shape (ids, classes) = ({len(ids)}, {len(class_names)}); "
                         f"got {probabilities.shape}.")
    wrong = ~(np.isclose(probabilities.sum(axis=1), 1, atol=1e-3) & (probabilities >= 0).all(axis=1))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"Each row of probabilities must be >= 0 and sum to 1; row {row} (id {ids[row]}) sums to "
                         f"{probabilities[row].sum():.4g}. Apply softmax to logits first.")
    table = pd.DataFrame(probabilities, columns=list(class_names))
    table.insert(0, "id", list(ids))
    return table
