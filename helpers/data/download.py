"""Fetch a file once, from the first mirror that gives the right bytes."""

import contextlib
import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

SECONDS_OF_SILENCE = 30  # a host that says nothing for so long is given up for the next mirror


class DataUnavailable(RuntimeError):
    """A data set is neither on this machine nor to be had from any of its hosts."""


def md5(path):
    """Return the MD5 checksum of a file, 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def fetch(root, archives, title):
    """Put the archives of a data set below `root`; a file that is there already and agrees is left alone.

    Args:
        root: Path of the folder; sub-folders are made.
        archives: (path below `root`, MD5, addresses to try in this order), one a file. The checksum decides, not the
            host; None where none is known.
        title: the data set's name, for messages.

    Raises:
        DataUnavailable: no address gave the right file; says what each answered, and which files to put where.
    """
    for path, checksum, urls in archives:
        target = root / path
        if target.is_file() and checksum in (None, md5(target)):
            continue
        failures = _try_in_turn(urls, target, checksum, title)
        if len(failures) == len(urls):
            wanted = "".join(f"  {root / path}{f'  (MD5 {known})' if known else ''}, from {source[0]}\n"
                             for path, known, source in archives)
            raise DataUnavailable(
                f"{title} is not on this machine, and {target.name} could not be downloaded:\n"
                + "".join(f"  {failure}\n" for failure in failures)
                + f"To go on without these hosts, put the published files here, as they are:\n{wanted}"
                "or name a folder that has them in the environment variable NB_DATA_DIR. "
                "The profile 'smoke' needs no data: it runs on made-up images.")


def fetch_class_folders(folder, entry):
    """Fetch and unpack a set that is published as one zip of class folders; a folder that is there is left alone.

    Args:
        folder: Path, to hold `<split>/<class>/<file>`.
        entry: the set's `catalogue.DataSet`, with one archive.

    Returns:
        True if the folder is what was fetched here, False if it came from elsewhere.

    Raises:
        DataUnavailable: no address gave a zip with the published number of pictures.
    """
    if not folder.is_dir():
        fetch(folder.parent, entry.archives, entry.title)
        _unpack_class_folders(folder.parent / entry.archives[0][0], folder, entry)
    return (folder / ".source").is_file()


def check_answers(host):
    """Raise OSError if a host is not to be reached; any answer will do."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{host}/", timeout=SECONDS_OF_SILENCE).close()


def _unpack_class_folders(archive, folder, entry):
    """Arrange the pictures `<class>/<split>/<file>` of a zip in `folder`, whole or not at all; remove the zip."""
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    counts = dict.fromkeys(((split, name) for split in entry.splits for name in entry.class_names), 0)
    try:
        with zipfile.ZipFile(archive) as pictures:
            for member in pictures.namelist():
                # Only the last three parts of a name are used: no file can land outside the folder.
                class_name, split, file_name = ("", "", *PurePosixPath(member).parts)[-3:]
                if (split, class_name) in counts and file_name.lower().endswith(".jpg"):
                    counts[split, class_name] += 1
                    target = partial / split / class_name / file_name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(pictures.read(member))
        wrong = {place: count for place, count in counts.items()
                 if count * len(entry.class_names) != entry.splits[place[0]]}
        if wrong:
            raise zipfile.BadZipFile(f"the numbers of its pictures are not the published ones: {wrong}")
        (partial / ".source").write_text(f"{entry.archives[0][2][0]}\n")
        os.replace(partial, folder)
    except zipfile.BadZipFile as error:
        raise DataUnavailable(f"The archive of {entry.title} that {entry.archives[0][2][0]} gave cannot be used: "
                              f"{error}. Run this again, or put the pictures into {folder}, as <split>/<class>/<file>."
                              ) from error
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)


def _try_in_turn(urls, target, checksum, title):
    """Download until the checksum agrees; return what went wrong at each address before that."""
    failures = []
    partial = target.with_name(target.name + ".part")
    for url in urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(url, partial, title)
            found = md5(partial)
            if checksum in (None, found):
                os.replace(partial, target)
                return failures
            failures.append(f"{url}: the file there has the checksum {found}, expected {checksum}")
        except (OSError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
            failures.append(f"{url}: {error}")
        partial.unlink(missing_ok=True)
    return failures


def _download(url, target, title):
    request = urllib.request.Request(url, headers={"User-Agent": "notebook-series"})
    with urllib.request.urlopen(request, timeout=SECONDS_OF_SILENCE) as answer, open(target, "wb") as file:
        length = int(answer.headers.get("Content-Length") or 0) or None
        with tqdm(total=length, unit="B", unit_scale=True, desc=title, leave=False) as bar:
            while block := answer.read(1 << 20):
                file.write(block)
                bar.update(len(block))
