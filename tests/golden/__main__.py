"""Write the golden values anew, or compare them: ``python -m tests.golden write|check [GROUP ...]``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.golden.comparing import differences
from tests.golden.encoding import as_text
from tests.golden.groups import GROUPS, compute

VALUES = Path(__file__).parent / "values"


def stored(group: str) -> Any:
    """Read the values of a group."""
    return json.loads((VALUES / f"{group}.json").read_text(encoding="utf-8"))


def main(command: str, *wanted: str) -> int:
    """Write or compare groups, all by default; those that begin as one of the words says."""
    chosen = [each for each in GROUPS if not wanted or each.startswith(wanted)]
    found = 0
    for group in chosen:
        start = time.process_time()
        records = compute(group)
        spent = time.process_time() - start
        if command == "write":
            VALUES.mkdir(exist_ok=True)
            (VALUES / f"{group}.json").write_text(as_text(records), encoding="utf-8")
        else:
            for each in differences(stored(group), records, group):
                found += 1
                print(each)
        print(f"{spent:6.2f} s  {len(records):3} records  {group}", file=sys.stderr)
    if command == "write" and not wanted:
        for path in VALUES.glob("*.json"):
            if path.stem not in GROUPS:
                path.unlink()
    return int(found > 0)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
