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
from pathlib import Path

from tqdm.auto import tqdm

SECONDS_OF_SILENCE = 30  # a host that says nothing for so long is given up for the next mirror


class DataUnavailable(RuntimeError):
    """A data set is neither on this machine nor to be had from any of its hosts."""


def md5(path):
    """Return the MD5 checksum of a file, 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def fetch(root, entry):
    """Put the archives of a data set below `root`; a file that is there already and agrees is left alone.

    The checksum decides, not the host.

    Args:
        root: Path of the folder; sub-folders are made.
        entry: the set's `catalogue.DataSet`.

    Raises:
        DataUnavailable: no mirror gave the right file; says what each answered, and which files to put where.
    """
    for path, checksum in entry.archives.items():
        target, failures = root / path, []
        if target.is_file() and checksum in (None, md5(target)):
            continue
        for url in (mirror.format(target.name) for mirror in entry.mirrors):
            try:
                _download(url, target, checksum, entry.title)
                break
            except (OSError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
                failures.append(f"  {url}: {error}\n")
        else:
            wanted = "".join(f"  {root / path}{f'  (MD5 {known})' if known else ''}, from "
                             f"{entry.mirrors[0].format(Path(path).name)}\n" for path, known in entry.archives.items())
            raise DataUnavailable(
                f"{entry.title} is not on this machine, and {target.name} could not be downloaded:\n"
                f"{''.join(failures)}To go on without these hosts, put the published files here, as they are:\n{wanted}"
                "or name a folder that has them in the environment variable NB_DATA_DIR. "
                "The profile 'smoke' needs no data: it runs on made-up images.")


def fetch_class_folders(folder, entry):
    """Fetch a set that is published as one zip, and arrange its pictures; a folder that is there is left alone.

    Args:
        folder: Path, to hold `<split>/<class>/<file>`, and `.source` to mark what was fetched here.
        entry: the set's `catalogue.DataSet`; its zip has `<any>/<class>/<split>/<file>.jpg`.

    Raises:
        DataUnavailable: no mirror gave a zip with the published number of pictures.
    """
    if folder.is_dir():
        return
    fetch(folder.parent, entry)
    archive = folder.parent / next(iter(entry.archives))
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        arranged = Path(temporary, "arranged")
        try:
            with zipfile.ZipFile(archive) as pictures:
                pictures.extractall(temporary)  # no file lands outside: zipfile sees to that
            for split, published in entry.splits.items():
                (arranged / split).mkdir(parents=True)
                for place in list(Path(temporary).glob(f"*/*/{split}")):
                    place.rename(arranged / split / place.parent.name)
                count = len(list(arranged.glob(f"{split}/*/*.jpg")))
                if count != published:
                    raise zipfile.BadZipFile(f"it has {count} pictures for {split}, not the published {published}")
            (arranged / ".source").write_text(f"{entry.mirrors[0]}\n")
            os.replace(arranged, folder)
        except zipfile.BadZipFile as error:
            raise DataUnavailable(f"The archive of {entry.title} that {entry.mirrors[0]} gave cannot be used: {error}. "
                                  f"Run this again, or put the pictures into {folder}, as <split>/<class>/<file>."
                                  ) from error
        finally:
            archive.unlink(missing_ok=True)


def check_answers(host):
    """Raise OSError if a host is not to be reached; any answer will do."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{host}/", timeout=SECONDS_OF_SILENCE).close()


def _download(url, target, checksum, title):
    """Download a file, with the right checksum or not at all."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")  # another process may fetch the same
    target.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(url, headers={"User-Agent": "notebook-series"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_OF_SILENCE) as answer, open(partial, "wb") as file:
            length = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm.wrapattr(answer, "read", total=length, desc=title, leave=False) as body:
                shutil.copyfileobj(body, file, 1 << 20)
        if length and partial.stat().st_size != length:
            raise OSError(f"it broke off after {partial.stat().st_size:,} of {length:,} bytes")
        if checksum not in (None, found := md5(partial)):
            raise OSError(f"the file there has the checksum {found}, expected {checksum}")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
