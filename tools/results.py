"""`make results`: take the records of new runs into results/, and rewrite what is generated from them.

A record in runs/ is taken if its settings are the notebook's own column. From results/ come the README's table, the
table of measured runs at the top of each notebook, and the page of results with its pictures (`tools/gallery.py`).
"""

import json
import math
import re
import sys

from helpers import runtime
from tools import gallery
from tools import records as committed

RESULTS = runtime.ROOT / "results"


def adopt(runs, folder=RESULTS, root=runtime.ROOT):
    """Copy each run's record to `folder/<notebook>/<profile>-<device>.json`; return what was done, one line each."""
    lines = []
    for path in sorted(runs.glob("*/*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["profile"] == "smoke":
            continue
        found = committed.faults(record, root)
        found += ["its code has changed since"] if committed.is_stale(record, root) else []
        target = committed.path_of(record, folder)
        if found:
            lines.append(f"left out {path}: {'; '.join(found)}")
        elif not target.is_file() or target.read_text(encoding="utf-8") != path.read_text(encoding="utf-8"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
            lines.append(f"took in {target.relative_to(root)}")
    return lines


def replace_between(path, marker, text, prefix=""):
    """Write `text` between the lines `<!-- marker:begin -->` and `<!-- marker:end -->` of a file, if they are there."""
    content = path.read_text(encoding="utf-8")
    body = "".join(f"{prefix}{line}".rstrip() + "\n" for line in text.strip().splitlines())
    pattern = rf"({re.escape(prefix)}<!-- {marker}:begin -->\n).*?({re.escape(prefix)}<!-- {marker}:end -->)"
    path.write_text(re.sub(pattern, lambda found: found[1] + body + found[2], content, flags=re.DOTALL),
                    encoding="utf-8")


def card(records):
    """Return the table of measured runs for a notebook's first cell."""
    if not records:
        return "No run has been recorded yet."
    rows = ["| measured | result | minutes of training | images per second | memory | device |",
            "|---|---|---|---|---|---|"]
    for record in records:
        speed = f"{record['metrics'].get('images_per_second', math.nan):,.0f}".replace("nan", "")
        rows.append(f"| `{record['profile']}` | {committed.headline(record)['metric']} "
                    f"| {committed.training_minutes(record):.1f} | {speed} "
                    f"| {record['peak_memory_mib'] / 1024:.1f} GiB | {committed.device(record)} |")
    rows += ["", "Minutes are those of the headline training and its baseline; experiments come on top and say theirs."]
    if any("±" in row for row in rows):
        rows.append("± is the standard deviation over n runs.")
    if all(record["device"].startswith("CPU") for record in records):
        rows.append("On a GPU: pending, no such run has been recorded yet.")
    return "\n".join(rows)


def main():
    """Take in, check, write; the exit code is 1 if a committed record cannot stand."""
    runs = runtime.output_dir() / "runs"
    for line in adopt(runs):
        print(line)
    records = committed.load_records(RESULTS)
    bad = [f"{record['notebook']} {record['profile']}: {fault}"
           for record in records for fault in committed.faults(record)]
    replace_between(runtime.ROOT / "README.md", "results", committed.table(records))
    for path in sorted((runtime.ROOT / "notebooks").glob("*.py")):
        own = [record for record in records if record["notebook"] == path.stem]
        replace_between(path, "measured", card(own), prefix="# ")
    gallery.update(records, RESULTS, runs)
    print("\n".join(bad) or f"{len(records)} records; README.md, results/README.md and the notebooks' "
          "cards are written. Run `make notebooks` next.")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
