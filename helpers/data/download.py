"""Fetch a file once, from the first mirror that gives the right bytes."""

import hashlib
import http.client
import os
import urllib.request

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
            host.
        title: the data set's name, for messages.

    Raises:
        DataUnavailable: no address gave the right file; says what each answered, and which files to put where.
    """
    for path, checksum, urls in archives:
        target = root / path
        if target.is_file() and md5(target) == checksum:
            continue
        failures = _try_in_turn(urls, target, checksum, title)
        if len(failures) == len(urls):
            wanted = "".join(f"  {root / path}  (MD5 {known}), from {source[0]}\n" for path, known, source in archives)
            raise DataUnavailable(
                f"{title} is not on this machine, and {target.name} could not be downloaded:\n"
                + "".join(f"  {failure}\n" for failure in failures)
                + f"To go on without these hosts, put the published files here, as they are:\n{wanted}"
                "or name a folder that has them in the environment variable NB_DATA_DIR. "
                "The profile 'smoke' needs no data: it runs on made-up images.")


def _try_in_turn(urls, target, checksum, title):
    """Download until the checksum agrees; return what went wrong at each address before that."""
    failures = []
    partial = target.with_name(target.name + ".part")
    for url in urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(url, partial, title)
            found = md5(partial)
            if found == checksum:
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
