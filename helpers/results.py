"""One JSON record a run: what was measured, with which settings and code, and whether the targets were met."""

import ast
import datetime
import json
import math
import os
import sys
import time
import warnings
from pathlib import Path

from helpers import config, provenance, runtime
from helpers.data.folder import SOURCE as OWN_FOLDER


def save(run, settings, metrics, targets=(), data=(), training_minutes=None):
    """Write `record.json` into the run's folder, print the summary, and return the record.

    Args:
        run: the `runtime.Run`.
        settings: what `config.resolve` gave.
        metrics: dict, name -> number, or `{"mean", "sd", "n"}` as `evaluate.mean_and_spread` gives it.
        targets: dicts `{"metric": name, "at_least": number}` or `{"metric": name, "at_most": number}`, the headline
            first; one whose number is None does not apply to this profile and is left out.
        data: the `ImageSet`s that were used.
        training_minutes: minutes the headline arm and its baseline trained, also over interrupted runs.

    Returns:
        The record, a dict; its fields are those of the file.

    Raises:
        ValueError: a metric is not a finite number, or a target names a metric that is not there.
    """
    for name, value in metrics.items():
        if not math.isfinite(_number(value)):
            raise ValueError(f"The metric {name!r} is {value!r}; a record holds finite numbers only.")
    record = {
        "notebook": run.notebook,
        "profile": run.profile,
        "settings": config.as_dict(settings),
        "seed": run.seed,
        "metrics": metrics,
        "targets": judge(metrics, targets),
        "minutes": round((time.time() - run.started) / 60, 2),
        "training_minutes": None if training_minutes is None else round(training_minutes, 2),
        "peak_memory_mib": runtime.peak_memory_mib(),
        "device": run.device,
        "versions": {"python": sys.version.split()[0], **runtime.versions()},
        "commit": runtime.commit(),
        "code": provenance.code_hashes(run.notebook, provenance.loaded_modules()),
        "data": [image_set.describe() for image_set in data],
        "date": datetime.date.today().isoformat(),
    }
    runtime.say("\n".join(["", *summary(record)]))
    if not runtime.is_first_process():
        return record
    run.folder.mkdir(parents=True, exist_ok=True)
    partial = run.folder / "record.json.part"
    partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, run.folder / "record.json")
    runtime.say(f"Record: {run.folder / 'record.json'}")
    return record


def save_figure(run, name, figure):
    """Keep a figure as `figures/<name>.png` in the run's folder, and return it; a full disk is a warning."""
    folder = run.folder / "figures"
    if not runtime.is_first_process():
        return figure
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=100, bbox_inches="tight")
    except OSError as error:
        warnings.warn(f"The figure {name} was not kept: {error}.", stacklevel=2)
    return figure


def judge(metrics, targets):
    """Return the targets that apply, each with the measured `value` and whether it was `met`."""
    judged = []
    for target in targets:
        metric, bound = target["metric"], target.get("at_least", target.get("at_most"))
        if bound is None:
            continue
        if metric not in metrics:
            raise ValueError(f"A target names the metric {metric!r}; measured were {', '.join(metrics)}.")
        value = _number(metrics[metric])
        met = value >= bound if "at_least" in target else value <= bound
        side = "at_least" if "at_least" in target else "at_most"
        judged.append({"metric": metric, side: bound, "value": value, "met": met})
    return judged


def summary(record):
    """Return the lines that tell a reader what a record says; arms of experiments ("question: arm") are left out."""
    lines = [f"{name:<32} {format_metric(value)}" for name, value in record["metrics"].items() if ":" not in name]
    lines += [f"Target: {target['metric']} {_bound(target)} ({target['value']:.4g})" for target in record["targets"]]
    lines += [] if record["targets"] else ["No target applies to this run."]
    return [*lines, f"{record['minutes']:.1f} minutes, {record['peak_memory_mib']} MiB, {record['device']}"]


def headline(record):
    """Return what to say of a record in one line: the first target's metric, else the first metric.

    Returns:
        dict: `metric`, its name and value as text; `target`, how it stands to its target, as text; `met`, bool, None
        without a target.
    """
    target = next(iter(record["targets"]), None)
    name = target["metric"] if target else next(iter(record["metrics"]))
    metric = f"{name.replace('_', ' ')} {format_metric(record['metrics'][name])}"
    if target is None:
        return {"metric": metric, "target": "no target", "met": None}
    others = len(record["targets"]) - 1
    more = f", and {sum(each['met'] for each in record['targets'][1:])} of {others} others" if others else ""
    return {"metric": metric, "target": f"target {_bound(target)}{more}", "met": target["met"]}


def training_minutes(record):
    """Return the minutes the headline arm and its baseline trained; of a record without them, those of the run."""
    minutes = record.get("training_minutes")
    return record["minutes"] if minutes is None else minutes


def format_metric(value):
    """Return a metric as text: `99.12`, or `99.12 ± 0.05 (n = 3)`."""
    if not isinstance(value, dict):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    decimals = 2 if abs(value["mean"]) >= 1 else 4
    spread = "" if value["sd"] is None else f" ± {value['sd']:.{decimals}f}"
    return f"{value['mean']:.{decimals}f}{spread} (n = {value['n']})"


def own_settings(notebook, profile, root=runtime.ROOT):
    """Return the settings of a notebook's own column, read from the table in its `.py`, as a record holds them."""
    tree = ast.parse((root / "notebooks" / f"{notebook}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PROFILES":
            return config.as_dict(config.resolve(profile, ast.literal_eval(node.value)))
    raise ValueError(f"notebooks/{notebook}.py has no table PROFILES = {{...}}.")


def faults(record, root=runtime.ROOT):
    """Return what speaks against committing a record: other settings, the reader's data, a verdict that is not true."""
    found = []
    own = own_settings(record["notebook"], record["profile"], root)
    changed = sorted(name for name in own.keys() | record["settings"].keys()
                     if own.get(name) != record["settings"].get(name))
    if changed:
        found.append("its settings are not the notebook's own: " + ", ".join(changed))
    if any(image_set["source"] == OWN_FOLDER for image_set in record["data"]):
        found.append(f"it ran on {OWN_FOLDER}")
    if judge(record["metrics"], record["targets"]) != record["targets"]:
        found.append("its verdict on the targets is not what its metrics say")
    return found


def is_stale(record, root=runtime.ROOT):
    """Return True if code that the record ran has changed since."""
    modules = [name for name in record["code"] if name != record["notebook"]]
    return provenance.code_hashes(record["notebook"], modules, root) != record["code"]


def load_records(folder=runtime.ROOT / "results"):
    """Return the committed records (dicts), by notebook, profile and device."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*/*.json"))]
    order = {name: index for index, name in enumerate(config.PROFILE_NAMES)}
    return sorted(records, key=lambda record: (record["notebook"], order[record["profile"]], record["device"]))


def table(records, root=runtime.ROOT):
    """Return the records as a Markdown table, one row a record."""
    rows = ["| notebook | profile | result | target | minutes of training | memory, MiB | device | date |",
            "|---|---|---|---|---|---|---|---|"]
    for record in records:
        said = headline(record)
        stale = " (stale: the code has changed since)" if is_stale(record, root) else ""
        rows.append(f"| {record['notebook']} | {record['profile']} | {said['metric']}{stale} | {said['target']} "
                    f"| {training_minutes(record):.1f} | {record['peak_memory_mib']} | {record['device']} "
                    f"| {record['date']} |")
    return "\n".join(rows) + "\n"


def _bound(target):
    sign, bound = ("≥", target["at_least"]) if "at_least" in target else ("≤", target["at_most"])
    return f"{sign} {bound:g}: {'met' if target['met'] else 'NOT met'}"


def _number(value):
    return float(value["mean"] if isinstance(value, dict) else value)
