"""`make links`: ask every link of the series and every address it takes data from, and say which do not answer.

Nothing is downloaded: each address gets one HEAD, or where that is refused a GET of its first byte; one host gets one
request a second. Printed are the answer, the size, and the checksum we hold. A page that refuses programs (401, 403,
429) is printed as such and is no failure; of a file it is one, and so is a size that is not the known one.
"""

import ast
import dataclasses
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urldefrag, urlsplit

import requests

from helpers import runtime
from helpers.data import catalogue, tfds_reader

HOSTS_AT_ONCE = 4
PAUSE = 1.0  # seconds between two requests to a host
TIMEOUT = (10, 30)  # seconds to connect, and of silence
REFUSES_PROGRAMS = (401, 403, 429)
LINK = re.compile(r"(?:https?|gs)://[^\s<>\"'`\\|\])]+")


@dataclasses.dataclass
class Address:
    """What we know of an address, and what it answered.

    Attributes:
        url: https or http.
        place: where the series has it.
        sizes: the sizes in bytes that are right, a range; None where nobody states one.
        checksum: the one we hold, "md5 ..." or "sha256 ..."; or "".
        is_file: True for what the notebooks download.
        answer: HTTP status, or the error that came instead of one.
        size: bytes, as the host states them; None if it does not.
    """

    url: str
    place: str
    sizes: range | None = None
    checksum: str = ""
    is_file: bool = False
    answer: int | str = "not asked"
    size: int | None = None

    def fault(self):
        """Return what is wrong with the answer, or ""."""
        if isinstance(self.answer, str):
            return f"not reached ({self.answer})"
        if self.answer >= 400 and (self.is_file or self.answer not in REFUSES_PROGRAMS):
            return f"answers {self.answer}"
        if self.answer < 400 and self.sizes and self.size is not None and self.size not in self.sizes:
            wanted = f"{self.sizes[0]:,}" + (f" to {self.sizes[-1]:,}" if len(self.sizes) > 1 else "")
            return f"has {self.size:,} bytes, expected {wanted}"
        return ""


def links_in(path):
    """Return the links in a text, or in the strings of a `.py` of the helpers, without those that are no address yet.

    OWNER/REPOSITORY and addresses with `{` are templates.
    """
    text = path.read_text(encoding="utf-8")
    if "helpers" in path.parts:  # strings that Python joins are one there
        nodes = list(ast.walk(ast.parse(text)))
        templates = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        text = "\n".join(node.value for node in nodes if isinstance(node, ast.Constant)
                         and isinstance(node.value, str) and id(node) not in templates)
    found = {link.rstrip(".,;:*") for link in LINK.findall(text)}
    return sorted(link for link in found if "{" not in link and "OWNER/REPOSITORY" not in link)


def https(url):
    """Return the address at which Google's storage gives a `gs://` to a browser; any other as it is, less its anchor.

    A SavedModel is a folder, which has no address there: its first file stands for it.
    """
    url = urldefrag(url).url.replace("gs://", "https://storage.googleapis.com/", 1)
    return url + "saved_model.pb" * url.endswith("/saved_model/")


def data_addresses():
    """Return the Addresses that the notebooks download from, with sizes and checksums as far as anybody states them."""
    found = []
    for name, entry in catalogue.CATALOGUE.items():
        near = entry.megabytes and len(entry.archives) == 1  # rounded
        sizes = range((entry.megabytes - 1) * 10**6, (entry.megabytes + 1) * 10**6) if near else None
        found += [Address(mirror.format(path.rpartition("/")[2]), f"catalogue: {name}", sizes, f"md5 {md5}" * bool(md5),
                          True) for path, md5 in entry.archives.items() for mirror in entry.mirrors]
    tfds = tfds_reader.import_tfds()
    for name in (name for name, entry in catalogue.CATALOGUE.items() if entry.tfds_host):
        found += [Address(url, f"tensorflow-datasets: {name}", range(info.size, info.size + 1),
                          f"sha256 {info.checksum}", True)
                  for url, info in tfds.builder_cls(name).url_infos.items()]
    from helpers.keras import simclrv2  # loads no framework
    model, weights = "r50_1x_sk0", [simclrv2.CONVERTED.format(model="r50_1x_sk0")]
    for kind, step in simclrv2.STEPS.items():
        folder = f"gs://{simclrv2.SAVED_MODELS.format(kind=kind, model=model)}"
        weights += [folder + file for file in simclrv2.FILES]
        folder = simclrv2.CHECKPOINTS.format(kind=kind, model=model)
        weights += [f"{folder}model.ckpt-{step}{ending}" for ending in (".index", ".data-00000-of-00001")]
    return found + [Address(https(url), "SimCLRv2's weights", is_file=True) for url in weights]


def addresses(root=runtime.ROOT):
    """Return the Addresses of the whole series, each once, those of files first."""
    paths = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "notebooks").glob("*.py")),
             *sorted((root / "helpers").rglob("*.py"))]
    found = {}
    for address in data_addresses() + [Address(https(link), path.relative_to(root).as_posix())
                                       for path in paths for link in links_in(path)]:
        known = found.setdefault(address.url, address)
        known.sizes = known.sizes or address.sizes
    return list(found.values())


def ask(address, session):
    """Fill in an Address's `answer` and `size`."""
    try:
        answer = session.head(address.url, allow_redirects=True, timeout=TIMEOUT)
        if answer.status_code not in (200, 429) or (address.sizes and "Content-Length" not in answer.headers):
            answer = session.get(address.url, headers={"Range": "bytes=0-0"}, stream=True, timeout=TIMEOUT)
            answer.close()
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get("Content-Length", "")
        address.answer, address.size = answer.status_code, int(whole) if whole.isdecimal() else None
    except requests.RequestException as error:
        address.answer = type(error).__name__


def ask_all(found, pause=PAUSE):
    """Ask the Addresses, each host's one after the other and a few hosts at a time; return them, printed."""
    hosts = {}
    for address in found:
        hosts.setdefault(urlsplit(address.url).netloc, []).append(address)

    def visit(of_one_host):
        with requests.Session() as session:
            session.headers.update({"User-Agent": "notebook-series link check", "Accept-Encoding": "identity"})
            for number, address in enumerate(of_one_host):
                time.sleep(pause * bool(number))
                ask(address, session)
                size = "" if address.size is None else f"{address.size:,}"
                shown = address.answer if isinstance(address.answer, int) else "not reached"
                print(f"{shown:>11} {size:>13}  {address.url}  {address.checksum}", flush=True)

    with ThreadPoolExecutor(HOSTS_AT_ONCE) as pool:
        list(pool.map(visit, hosts.values()))
    return found


def report(found):
    """Print what the answers come to; return the exit code, 1 if an address failed."""
    faults = [f"  {address.url}: {fault}; in {address.place}" for address in found if (fault := address.fault())]
    refused = [f"  {address.url}; in {address.place}" for address in found
               if not address.fault() and address.answer in REFUSES_PROGRAMS]
    if found and all(isinstance(address.answer, str) for address in found):
        print(f"None of {len(found)} addresses was reached: is there a network here?")
    elif faults:
        print("\n".join([f"{len(faults)} of {len(found)} addresses failed:", *faults]))
    if refused:
        print("\n".join(["These refuse programs; look at them in a browser:", *refused]))
    if not faults:
        print(f"All {len(found)} addresses are there.")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(report(ask_all(addresses())))
