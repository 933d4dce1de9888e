"""One JSON record a run: what was measured, with which settings and code, and whether the targets were met."""

import datetime
import json
import math
import os
import sys
import time
import warnings

from helpers import config, provenance, runtime


def save(run, settings, metrics, targets=(), data=(), training_minutes=None):
    """Write `record.json` into the run's folder, print the summary, and return the record.

    Args:
        run: the `runtime.Run`.
        settings: what `config.resolve` gave.
        metrics: dict, name -> number, or `{"mean", "sd", "n"}` as `evaluate.mean_and_spread` gives it; those that are
            no finite number are named and left out.
        targets: dicts `{"metric": name, "at_least": number}` or `{"metric": name, "at_most": number}`, the headline
            first; one whose number is None does not apply to this profile and is left out.
        data: the `ImageSet`s that were used.
        training_minutes: minutes the headline arm and its baseline trained, also over interrupted runs.

    Returns:
        The record, a dict; its fields are those of the file.

    Raises:
        ValueError: a target names a metric that is not there, or is no finite number.
    """
    finite = {name: value for name, value in metrics.items() if math.isfinite(_number(value))}
    if len(finite) < len(metrics):  # such as the accuracy on no image at all
        runtime.say(f"Not in the record, for lack of a finite number: {', '.join(metrics.keys() - finite)}.")
    record = {
        "notebook": run.notebook,
        "profile": run.profile,
        "settings": config.as_dict(settings),
        "seed": run.seed,
        "metrics": finite,
        "targets": judge(finite, targets),
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
    lines += [f"Target: {target['metric']} {bound(target)} ({target['value']:.4g})" for target in record["targets"]]
    lines += [] if record["targets"] else ["No target applies here: the card's are for its own data and settings."]
    return [*lines, f"{record['minutes']:.1f} minutes, {record['peak_memory_mib']} MiB, {record['device']}"]


def format_metric(value):
    """Return a metric as text: `99.12`, or `99.12 ± 0.05 (n = 3)`."""
    if not isinstance(value, dict):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    decimals = 2 if abs(value["mean"]) >= 1 else 4
    spread = "" if value["sd"] is None else f" ± {value['sd']:.{decimals}f}"
    return f"{value['mean']:.{decimals}f}{spread} (n = {value['n']})"


def bound(target):
    """Return a judged target as text: `≥ 99: met`, or `≤ 0.1: NOT met`."""
    sign, bound = ("≥", target["at_least"]) if "at_least" in target else ("≤", target["at_most"])
    return f"{sign} {bound:g}: {'met' if target['met'] else 'NOT met'}"


def _number(value):
    return float(value["mean"] if isinstance(value, dict) else value)
