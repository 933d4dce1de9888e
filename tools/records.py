"""What the tools ask of the records in results/: what they say in a line, and whether they stand or are stale."""

import ast
import json
from pathlib import Path

from helpers import config, provenance, results, runtime
from helpers.data.folder import SOURCE as OWN_FOLDER

WORDS = {  # the first targets' metrics, as the tables call them; any other metric is called by its name
    "test_accuracy": "test accuracy (%)", "linear_accuracy": "linear probe, 10 % of labels (%)",
    "largest_import_difference": "largest relative error of the import", "nmi": "NMI of clusters and classes",
    "gain": "points gained from the teacher", "gain_less_error": "points above teacher, less their error",
    "test_knn": "nearest neighbours, test accuracy (%)", "knn_gain": "points gained by nearest neighbours",
    "gap_smallest": "gap, fewest labels (points)",
    "test_shortfall": "advice short of the best, standard errors",
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


def device(record):
    """Return a record's device for the tables, its processor named without trademark signs."""
    return record["device"].replace("(R)", "").replace(" Processor", "")


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
                    f"| {training_minutes(record):.1f} | {record['peak_memory_mib']} | {device(record)} "
                    f"| {record['date']} |")
    return "\n".join(rows) + "\n"
