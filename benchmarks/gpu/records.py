"""Results as JSON lines, on the disk as soon as they are known, and their short table."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

FILE = "results.jsonl"
STEP_COLUMNS = ("ms", "ratio", "host_ms", "device_ms", "kernels", "images_per_s", "peak_GiB")


def plain(value: Any) -> Any:
    """A value that JSON takes: six digits of a number, `nan` and `inf` as text.

    Args:
        value: A number, a tensor, text, or mappings and lists of them.
    """
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def append(out: Path, record: dict[str, Any]) -> None:
    """Append a record and flush it to the disk.

    Args:
        out: Folder of the results.
        record: `part`, `task`, `ok`, and what was measured.
    """
    line = json.dumps({"at": round(time.time(), 2), **plain(record)})
    with (out / FILE).open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(out: Path) -> list[dict[str, Any]]:
    """All records of a folder of results."""
    path = out / FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(records: list[dict[str, Any]]) -> str:
    """A line per record: the columns of steps, else the beginning of what was measured."""
    lines = []
    for record in records:
        name = f"{record['part']} {record.get('task', '')}".strip()
        measured = {
            key: value
            for key, value in record.items()
            if key not in ("at", "part", "task", "ok", "seconds")
        }
        if not record.get("ok", True):
            lines.append(f"FAILED {name}: {json.dumps(measured)[:400]}")
        elif "ms" in record:
            columns = [f"{key} {record[key]:.4g}" for key in STEP_COLUMNS if key in record]
            lines.append(f"{name}: {' '.join(columns)}")
        elif "epoch" not in record:
            lines.append(f"{name}: {json.dumps(measured)[:700]}")
    return "\n".join(lines)
