"""Runs notebooks in a profile, checks that each left its record, and writes `build/index.html` (`make run`)."""

import argparse
import asyncio
import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import jinja2
import nbformat.v4
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi

from tools import records
from tools.notebooks import notebook_text

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("smoke", "laptop", "colab", "full")
PACKAGES = ("torch", "torchvision", "accelerate", "tensorflow", "keras", "numpy", "scikit-learn", "matplotlib")
SMOKE_CELL_SECONDS = 1800  # smoke cells take seconds: one that takes this long hangs
DATE = "%Y-%m-%d %H:%M"
# nbconvert's own page, but it does not wait for the network (no require.js, MathJax on the side), and has alt texts
PAGE = """{% extends 'index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}{{ super() | replace('<script src', '<script async src') }}{% endblock %}
{% block body_header %}{{ super() }}
<p class="jp-RenderedHTMLCommon"><a href="../index.html">All notebooks</a></p>{% endblock %}
{% block data_png scoped %}<div class="jp-RenderedImage jp-OutputArea-output"><img
alt="{{ output.metadata.alt | e }}" src="data:image/png;base64,{{ output.data['image/png'] }}"></div>{% endblock %}"""


class RecordError(Exception):
    """The notebook ran to its end, but did not leave the record it should."""


class ThisInterpreter(KernelSpecManager):
    """Whatever kernels the machine has registered, the one started is the interpreter of this process."""

    def get_kernel_spec(self, kernel_name):
        # the debugger that ipykernel loads warns at every start unless frozen modules are off
        argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def select(wanted, root=ROOT):
    """The notebooks asked for ("04", "04 13", "04_lenet_mnist_torch" or its path), in the order of the series."""
    known = sorted(path.stem for path in (root / "notebooks").glob("*.py"))
    words = [Path(word).stem for text in wanted for word in text.replace(",", " ").split()]
    found = {word: [name for name in known if name == word or name.startswith(f"{word.zfill(2)}_")]
             for word in words}
    unknown = [word for word, names in found.items() if not names]
    if unknown or not known:
        raise SystemExit(f"No notebook {', '.join(unknown) or 'at all'}; known: {', '.join(known) or 'none'}.")
    return [name for name in known if not words or any(name in names for names in found.values())]


def run_folder(name, profile, root=ROOT):
    """Where a notebook writes its record and figures."""
    return output_dir(root) / "runs" / name / profile


def output_dir(root):
    """The folder that holds `runs/`, absolute: the kernel works in another folder than this process."""
    return Path(os.environ.get("NB_OUTPUT_DIR") or root).resolve()


def check_record(path, since=0.0):
    """The ran-check: what is wrong with the `record.json` that a run should have left.

    Args:
        path: of the record.
        since: when the run began, seconds since the epoch; a record written before is not its own.

    Returns:
        list of sentences; empty if the record is there, is new, and all its metrics are finite numbers.
    """
    path = Path(path)
    shown = "/".join(path.parts[-4:])
    if not path.is_file():
        return [f"no record was written: {shown} is missing"]
    if path.stat().st_mtime < since:
        return [f"no new record was written: {shown} is older than this run"]
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        faults = [] if record["metrics"] else [f"{shown} has no metrics"]
        for name, value in record["metrics"].items():
            parts = {"mean": None, **value} if isinstance(value, dict) else {"value": value}
            if parts.get("n") == 1:
                parts.pop("sd", None)  # a single run has no spread
            faults += [f"metric {name}: {part} is {number}, not a finite number" for part, number in parts.items()
                       if type(number) not in (int, float) or not math.isfinite(number)]
        faults += [f"metric {target['metric']} has a target but was not measured"
                   for target in record["targets"] if target["metric"] not in record["metrics"]]
        if not faults:
            records.headline(record)  # raises if a target lacks a part
        return faults
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{shown} is not the record of a run: {type(error).__name__}: {error}"]


def heading(cells, index):
    """The last H2 or H3 at or above a cell."""
    titles = [title for cell in cells[:index + 1] if cell.cell_type == "markdown"
              for title in re.findall(r"^#{2,3} +(.+)", cell.source, re.M)]
    return titles[-1].strip() if titles else "the first cells"


def read_notebook(path, parameters):
    """The notebook of a `.py`, with `parameters` (name -> value) set right behind the cell tagged `parameters`."""
    notebook = nbformat.reads(notebook_text(path), as_version=4)
    if parameters:
        at = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
        if len(at) != 1:
            raise ValueError(f"{path.name} has {len(at)} cells tagged 'parameters'; one is needed to put "
                             f"{', '.join(parameters)} behind it.")
        code = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["injected-parameters"]})
        notebook.cells.insert(at[0] + 1, cell)
    return notebook


def execute(notebook, profile, root, on_cell_start, progress):
    """Executes all cells with this interpreter, in `notebooks/`; calls `progress` every second (minute, in a log).

    In a thread, so that Ctrl-C arrives here: nbclient, left in the main thread, swallows it.
    """
    client = NotebookClient(notebook, kernel_name="python3", startup_timeout=300, iopub_timeout=60,
                            timeout=SMOKE_CELL_SECONDS if profile == "smoke" else None,
                            coalesce_streams=True, on_cell_start=on_cell_start)
    client.create_kernel_manager().kernel_spec_manager = ThisInterpreter()
    env = {**os.environ, "NB_PROFILE": profile, "NB_OUTPUT_DIR": str(output_dir(root))}
    if profile == "smoke":
        env.setdefault("OMP_NUM_THREADS", "1")  # tiny steps gain nothing from threads, and lose much on a busy machine
    if env.get("NB_DATA_DIR"):
        env["NB_DATA_DIR"] = str(Path(env["NB_DATA_DIR"]).resolve())
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(client.async_execute(cwd=str(root / "notebooks"), env=env))
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(loop.run_until_complete, task)
            try:
                while wait([done], timeout=1 if sys.stdout.isatty() else 60).not_done:
                    progress()
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do takes seconds
                loop.call_soon_threadsafe(task.cancel)  # shuts the kernel down
                raise
            finally:
                wait([done])
                without_widgets(notebook)
        done.result()


def without_widgets(notebook):
    """Takes progress bars off the page: it would have to fetch scripts from the network to show them."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs
                            if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})]


def write_page(notebook, path):
    """Writes the executed notebook as one HTML file; only MathJax, for the formulas, comes from the network."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if "data" in output:
                output.metadata.setdefault("alt", f"Figure in the section {heading(notebook.cells, index)}")
    page, _ = HTMLExporter(raw_template=PAGE).from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    path.write_text(page, encoding="utf-8")


def describe(error):
    """What an exception says, without colours; of a long text the first and the last lines."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, CellExecutionError):
        name, text = error.ename, error.evalue
    elif isinstance(error, DeadKernelError):
        text += " (most often because the machine ran out of memory)"
    elif isinstance(error, KeyboardInterrupt):
        text = "stopped before its end"
    lines = strip_ansi(f"{name}: {text}").strip().splitlines()
    return "\n".join(lines if len(lines) <= 12 else [lines[0], "...", *lines[-10:]])


def run_notebook(name, profile, parameters, say, root=ROOT):
    """Executes one notebook; writes its page and, beside it, its figures and its result as JSON.

    Args:
        name: of the notebook, `"04_lenet_mnist_torch"`.
        profile: name of the profile.
        parameters: dict, values that replace those of the cell tagged `parameters`.
        say: called with a short text now and then while the notebook runs.
        root: the project's folder.

    Returns:
        dict, the result: `status` ("ok", "failed" or "stopped"), `minutes`, `headline`, `where`, `error`, ...
    """
    started, at = time.time(), {"cell": 0}
    runs, build = run_folder(name, profile, root), root / "build" / profile
    result = {"notebook": name, "profile": profile, "parameters": parameters, "status": "ok", "commit": commit(root),
              "date": time.strftime(DATE)}
    notebook = nbformat.v4.new_notebook()
    try:
        if profile == "smoke" and runs.exists():
            shutil.rmtree(runs)  # so that it is a real run; in the other profiles a killed run resumes
        notebook = read_notebook(root / "notebooks" / f"{name}.py", parameters)
        execute(notebook, profile, root, on_cell_start=lambda cell, cell_index: at.update(cell=cell_index),
                progress=lambda: say(f"{(time.time() - started) / 60:.1f} min, "
                                     f"in: {heading(notebook.cells, at['cell'])}"))
        faults = check_record(runs / "record.json", started)
        if faults:
            raise RecordError("; ".join(faults))
        result["headline"] = records.headline(json.loads((runs / "record.json").read_text(encoding="utf-8")))
    except (Exception, KeyboardInterrupt) as error:
        if not isinstance(error, CellExecutionError):  # that one is on the page already
            report = nbformat.v4.new_output("error", ename="", evalue="", traceback=[describe(error)])
            at["cell"] = min(at["cell"] + 1, len(notebook.cells))
            notebook.cells.insert(at["cell"], nbformat.v4.new_code_cell(outputs=[report]))
        result |= {"status": "stopped" if isinstance(error, KeyboardInterrupt) else "failed",
                   "error": describe(error), "where": heading(notebook.cells, at["cell"]),
                   "anchor": f"#cell-id={notebook.cells[at['cell']].id}"}
    result["minutes"] = (time.time() - started) / 60
    shutil.rmtree(build / name, ignore_errors=True)
    (build / name).mkdir(parents=True)
    for figure in (runs / "figures").glob("*.png"):
        if figure.stat().st_mtime >= started:
            shutil.copy2(figure, build / name)
    write_page(notebook, build / f"{name}.html")
    (build / f"{name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def commit(root):
    """The checkout's commit, with "-dirty" behind it where files have changed since."""
    git = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=root, text=True,
                         capture_output=True, check=False)
    return f"commit {git.stdout.strip()}" if git.returncode == 0 else "no commit"


def write_index(root=ROOT):
    """Writes `build/index.html` from the results beside the pages, those of earlier calls included."""
    build, rows = root / "build", []
    for source in sorted((root / "notebooks").glob("*.py")):
        title = re.search(r"^# # (.+)", source.read_text(encoding="utf-8"), re.M)
        files = [path for profile in PROFILES if (path := build / profile / f"{source.stem}.json").is_file()]
        for result in [json.loads(file.read_text(encoding="utf-8")) for file in files] or [{}]:
            figures = (build / result["profile"] / source.stem).glob("*.png") if result else []
            rows.append({"notebook": source.stem, "title": title[1] if title else source.stem, "status": "not run yet",
                         "headline": None, "minutes": 0.0, **result,
                         "figures": [figure.relative_to(build).as_posix() for figure  # in the order of the lesson
                                     in sorted(figures, key=lambda figure: figure.stat().st_mtime)]})
    installed = {dist.name: dist.version for dist in importlib.metadata.distributions()}
    versions = {"Python": platform.python_version()} | {name: installed[name] for name in PACKAGES if name in installed}
    met = [row["headline"]["met"] for row in rows if row["headline"] and row["headline"]["met"] is not None]
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        Path(__file__).with_name("index.html").read_text(encoding="utf-8"))
    page = template.render(rows=rows, met=met, versions=versions, commit=commit(root), date=time.strftime(DATE))
    build.mkdir(exist_ok=True)
    (build / "index.html").write_text(page, encoding="utf-8")


def main(argv=None, root=ROOT):
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="04, 04_lenet_mnist_torch or several; none: all")
    parser.add_argument("--profile", choices=PROFILES, default="smoke")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--overrides", type=json.loads, help="settings that replace the profile's, a JSON object")
    parser.add_argument("--data", help="a folder of your own images instead of the lesson's data")
    parser.add_argument("--check-only", action="store_true", help="check the records that are there; run nothing")
    options = parser.parse_args(argv)
    names = select(options.notebooks, root)
    if not isinstance(options.overrides, dict | None):
        parser.error(f"--overrides must be a JSON object, got {options.overrides!r}")
    if options.check_only:
        faults = [f"{name} {options.profile}: {fault}" for name in names
                  for fault in check_record(run_folder(name, options.profile, root) / "record.json")]
        print("\n".join(faults) or f"{len(names)} records ok")
        return int(bool(faults))
    parameters = {name: value for name, value in (
        ("SEED", options.seed), ("OVERRIDES", options.overrides),
        ("DATA", options.data and str(Path(options.data).resolve()))) if value not in (None, "", {})}
    statuses = []
    try:
        for number, name in enumerate(names, 1):
            label = f"[{number}/{len(names)}] {name} {options.profile} ... "
            result = run_notebook(name, options.profile, parameters, root=root,
                                  say=lambda text, label=label: say(label + text, passing=True))
            statuses.append(result["status"])
            say(label + summary(result))
            write_index(root)
            if result["status"] == "stopped":
                break
    except KeyboardInterrupt:
        statuses.append("stopped")
    write_index(root)
    say(f"{statuses.count('ok')} of {len(names)} ok; see {root / 'build' / 'index.html'}")
    return 130 if "stopped" in statuses else int("failed" in statuses)


def say(text, passing=False):
    """Prints a line; on a terminal the next one takes the place of a passing one."""
    terminal = sys.stdout.isatty()
    if terminal:
        text = "\r\x1b[K" + (text[:shutil.get_terminal_size().columns - 1] if passing else text)
    print(text, end="" if passing and terminal else "\n", flush=True)


def summary(result):
    """The line printed at the end of a notebook, and those of its error."""
    text = f"{result['status']} {result['minutes']:.1f} min  "
    if result["status"] == "ok":
        return text + f"{result['headline']['metric']} ({result['headline']['target']})"
    return text + f"in: {result['where']}\n    " + result["error"].replace("\n", "\n    ")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job that is cancelled stops as Ctrl-C does
    sys.exit(main())
