"""What the tools ask of the records in results/: what they say in a line, and whether they stand or are stale."""

import ast
import json
from pathlib import Path

from helpers import config, provenance, results, runtime
from helpers.data.folder import SOURCE as OWN_FOLDER

WORDS = {  # the first targets' metrics, as the tables call them; any other metric is called by its name
    "test_accuracy": "test accuracy (%)", "linear_accuracy": "test accuracy (%) of a linear probe, 10 % of the labels",
    "largest_import_difference": "largest relative difference of the imported networks' outputs",
    "nmi": "agreement of clusters and classes (NMI, at most 1)", "gain": "points that the teacher adds to its student",
    "gain_less_error": "points of the student above its teacher, less their standard error",
    "test_knn": "test accuracy (%) by nearest neighbours", "knn_gain": "points that SimCLR adds to nearest neighbours",
    "gap_smallest": "points that rotation first adds with the fewest labels",
    "test_shortfall": "points that the advice lies behind the best method",
}


def headline(record):
    """Return what to say of a record in one line: the first target's metric, else the first metric.

    Returns:
        dict: `metric`, its name and value as text; `target`, how it stands to its target, as text; `met`, bool, None
        without a target.
    """
    target = next(iter(record["targets"]), None)
    name = target["metric"] if target else next(iter(record["metrics"]))
    metric = f"{WORDS.get(name, name.replace('_', ' '))}: {results.format_metric(record['metrics'][name])}"
    if target is None:
        return {"metric": metric, "target": "no target", "met": None}
    others = len(record["targets"]) - 1
    more = f", and {sum(each['met'] for each in record['targets'][1:])} of {others} others" if others else ""
    return {"metric": metric, "target": f"target {results.bound(target)}{more}", "met": target["met"]}


def training_minutes(record):
    """Return the minutes the headline arm and its baseline trained; of a record without them, those of the run."""
    minutes = record.get("training_minutes")
    return record["minutes"] if minutes is None else minutes


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
    if results.judge(record["metrics"], record["targets"]) != record["targets"]:
        found.append("its verdict on the targets is not what its metrics say")
    return found


def is_stale(record, root=runtime.ROOT):
    """Return True if code that the record ran has changed since."""
    modules = [name for name in record["code"] if name != record["notebook"]]
    return provenance.code_hashes(record["notebook"], modules, root) != record["code"]


def path_of(record, folder=runtime.ROOT / "results"):
    """Return where a record is committed."""
    return folder / record["notebook"] / f"{record['profile']}-{runtime.device_slug(record['device'])}.json"


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
