"""The setup cell, tools/bootstrap.py, run in fresh processes: as a notebook cell (no `__file__`) and as a script."""

import http.server
import os
import shutil
import subprocess
import sys
import threading

import pytest

from tools import notebooks

SHOW = "\nimport helpers, sys; print(helpers.__file__, sys.path[0], sys.path.count(sys.path[0]), sep='\\n')\n"


def cell(address):
    return notebooks.bootstrap_text(str(address))


def run(code, folder, **environment):
    """Runs code as a notebook's kernel would in `folder`: nothing on the path but the working directory."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONPATH": "", "no_proxy": "*", **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def assert_uses(result, root):
    """The run ended well, with the helpers of `root`, which is on the path once and first."""
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [str(root / "helpers" / "__init__.py"), str(root), "1"]


def make_checkout(folder, api=1):
    (folder / "notebooks").mkdir(parents=True)
    (folder / "helpers").mkdir()
    (folder / "notebooks" / "01_small_torch.py").touch()
    (folder / "helpers" / "__init__.py").write_text(f"API = {api}\n")
    return folder


@pytest.fixture
def checkout(tmp_path):
    return make_checkout(tmp_path / "checkout")


@pytest.fixture
def fresh(tmp_path):
    """A folder with nothing above it that is a checkout, like Colab's /content."""
    (tmp_path / "content").mkdir()
    return tmp_path / "content"


@pytest.fixture
def remote(tmp_path):
    """The address of a bare repository with two commits."""
    work = make_checkout(tmp_path / "work")
    git = ["git", "-C", str(work), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for message in ("one", "two"):
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", message], check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(tmp_path / "series.git")], check=True)
    return (tmp_path / "series.git").as_uri()


@pytest.fixture
def nowhere(tmp_path):
    """An address that cannot be reached, of the same name as `remote`."""
    return (tmp_path / "nowhere" / "series.git").as_uri()


def test_the_notebooks_of_this_checkout_find_its_helpers(nowhere):
    assert_uses(run(cell(nowhere) + SHOW, notebooks.ROOT / "notebooks"), notebooks.ROOT)


def test_a_script_finds_its_checkout_from_any_folder(checkout, fresh, nowhere):
    script = checkout / "notebooks" / "01_small_torch.py"
    script.write_text(cell(nowhere) + SHOW)
    result = subprocess.run([sys.executable, str(script)], cwd=fresh, capture_output=True, text=True)
    assert_uses(result, checkout)


def test_a_fresh_folder_gets_a_shallow_clone_and_nothing_else(fresh, remote):
    assert_uses(run(cell(remote) + SHOW, fresh), fresh / "series")
    assert [path.name for path in fresh.iterdir()] == ["series"]
    count = subprocess.run(["git", "-C", str(fresh / "series"), "rev-list", "--count", "HEAD"], capture_output=True)
    assert count.stdout.strip() == b"1"


def test_a_second_run_does_nothing_more(fresh, remote, nowhere):
    twice = f"cell = {cell(remote)!r}\nexec(cell)\nsubprocess.run = None\nexec(cell)\n"
    assert_uses(run(twice + SHOW, fresh), fresh / "series")
    assert_uses(run(cell(nowhere) + SHOW, fresh), fresh / "series")  # a new process, and no network any more


def test_a_root_that_is_further_back_on_the_path_comes_first(checkout, nowhere):
    behind = f"import sys; sys.path.append({str(checkout)!r})\n"
    assert_uses(run(behind + cell(nowhere) + SHOW, checkout), checkout)


def test_a_foreign_helpers_earlier_on_the_path_gives_way(tmp_path, checkout, nowhere):
    make_checkout(tmp_path / "foreign")
    before = f"import sys; sys.path.insert(0, {str(tmp_path / 'foreign')!r})\n"
    assert_uses(run(before + cell(nowhere) + SHOW, checkout), checkout)


@pytest.mark.parametrize("kind", ["package", "folder without __init__"])
def test_a_foreign_helpers_already_imported_is_refused(kind, tmp_path, checkout, nowhere):
    foreign = make_checkout(tmp_path / "foreign")
    if kind != "package":
        (foreign / "helpers" / "__init__.py").unlink()
    result = run(f"import sys; sys.path.insert(0, {str(foreign)!r}); import helpers\n" + cell(nowhere),
                 checkout / "notebooks")
    assert "ImportError: `helpers` came from " in result.stderr and f"not from {checkout}" in result.stderr
    assert "restart the runtime and run this cell first" in result.stderr
    assert str(foreign) in result.stderr or kind != "package"


@pytest.mark.parametrize("found", [None, 0, 2])
def test_a_stale_helpers_is_refused(found, checkout, nowhere):
    (checkout / "helpers" / "__init__.py").write_text("" if found is None else f"API = {found}\n")
    result = run(cell(nowhere), checkout)
    assert f"ImportError: {checkout} has helpers.API {found}, this notebook needs 1" in result.stderr
    assert "delete it, restart the runtime, open a fresh copy from the badge" in result.stderr


def test_a_folder_that_is_no_checkout_is_named_and_left_alone(fresh, remote):
    (fresh / "series" / ".git").mkdir(parents=True)
    result = run(cell(remote), fresh)
    assert f"RuntimeError: {fresh / 'series'} is no whole copy of {remote}: remove it and run" in result.stderr
    shutil.rmtree(fresh / "series")
    assert_uses(run(cell(remote) + SHOW, fresh), fresh / "series")


def test_what_a_clone_cut_short_has_left_is_replaced(fresh, remote):
    make_checkout(fresh / "series.part")
    (fresh / "series.part" / "helpers" / "__init__.py").write_text("API = half a fi")
    assert_uses(run(cell(remote) + SHOW, fresh), fresh / "series")
    assert [path.name for path in fresh.iterdir()] == ["series"]


def test_an_unreachable_repository_raises_with_the_words_of_git(fresh, nowhere):
    result = run(cell(nowhere), fresh)
    assert f"RuntimeError: Cannot clone {nowhere}." in result.stderr and "run this cell again" in result.stderr
    assert "The reason given:\nfatal: " in result.stderr
    assert list(fresh.iterdir()) == []


def test_a_machine_without_git_is_told_so(fresh, remote):
    result = run(cell(remote), fresh, PATH=str(fresh))
    assert "See that git is installed" in result.stderr and "No such file or directory: 'git'" in result.stderr


def test_a_private_or_misspelt_address_fails_and_asks_for_no_password(fresh):
    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/someone/series"
        result = run(cell(address), fresh, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", GIT_ASKPASS="")
        server.shutdown()
    assert "RuntimeError: Cannot clone" in result.stderr and "terminal prompts disabled" in result.stderr


def test_without_an_address_the_reader_learns_how_to_set_it(fresh):
    result = run(cell("https://github.com/OWNER/REPOSITORY"), fresh)
    assert "RuntimeError: No address to clone from yet: run `make notebooks REPOSITORY=owner/name`" in result.stderr
    assert list(fresh.iterdir()) == []


def test_the_cell_leaves_few_names_behind(checkout, nowhere):
    result = run("before = set(globals())\n" + cell(nowhere) + "print(*sorted(set(globals()) - before - {'before'}))\n",
                 checkout)
    assert result.stdout.split() == ["HELPERS_API", "Path", "REPOSITORY", "find_checkout", "os", "shutil", "subprocess",
                                     "sys", "use_helpers"]
