"""`python -m bench`: run the benchmark, print a table, write `bench/out/<time>.json`."""

import argparse
import gc
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import uvloop
from rich.console import Console

from bench import at_rest, coalesced, fanout, find, handover, latency, memory, report, trips, unary
from bench.connection import BenchError
from bench.processes import Disturbance, Server, pin_load, start_server
from bench.results import FULL, QUICK, TINY, Plan, Row

Part = Callable[[Server, Server, Plan], Awaitable[list[Row]]]

# Each part has servers of its own: what one left in memory would hide what the next allocates.
GROUPS: dict[str, Sequence[Part]] = {
    "unary": (unary.run,),
    "coalesced": (coalesced.run,),
    "fanout": (fanout.run,),
    "latency": (latency.run,),
    "memory": (memory.run,),
    "find": (find.run,),
    "tracking": (at_rest.idle_watches, at_rest.idle_requests, trips.rates, handover.next_admitted),
}
PLANS = {plan.name: plan for plan in (FULL, QUICK, TINY)}


def start_service(directory: Path) -> Server:
    """The real server, durable, on an empty data directory."""
    data = tempfile.mkdtemp(prefix="data-", dir=directory)
    return start_server(["-m", "sojourn_server", "--data-dir", data, "--listen", "127.0.0.1:0"], directory)


async def measure(names: list[str], plan: Plan, directory: Path, console: Console) -> tuple[list[Row], dict[str, str]]:
    """The rows of the named groups, and why a part of one gave none."""
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    parts = [(group, part) for group in names for part in GROUPS[group]]
    for group, part in parts:
        name = f"{group}: {part.__name__}" if len(GROUPS[group]) > 1 else group
        servers: list[Server] = []
        try:
            console.print(f"[dim]{name} ...[/]")
            servers.append(start_service(directory))
            servers.append(start_server(["-m", "bench.floors"], directory))
            gc.collect()
            gc.disable()  # a collection of ours would be a pause of theirs
            rows += await part(servers[0], servers[1], plan)
        except (BenchError, OSError, TimeoutError, psutil.Error) as error:
            log = servers[0].log_tail() if servers else ""
            skipped[name] = f"{error or type(error).__name__}{log}"
        finally:
            gc.enable()
            for server in servers:
                server.stop()
    return rows, skipped


def main() -> int:
    """Exit code 0 when every group was measured, 1 when one failed; missed targets are figures, not failures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the service against bare gRPC.")
    parser.add_argument("--quick", action="store_true", help="under two minutes, one round: for a first look")
    parser.add_argument("--plan", choices=PLANS, help="how much to measure (default: full, some minutes)")
    parser.add_argument("--only", choices=GROUPS, action="append", metavar="GROUP", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="directory of the JSON file")
    options = parser.parse_args()
    plan = PLANS[options.plan or ("quick" if options.quick else "full")]
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)  # a file or a pipe has no width to keep to
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    # On the same disk as the result: a temporary directory in memory would make fsync free.
    scratch = Path(tempfile.mkdtemp(prefix=".run-", dir=options.out))
    try:
        pin_load()
        about = report.machine(scratch)
        disturbance = Disturbance()
        rows, skipped = uvloop.run(measure(options.only or list(GROUPS), plan, scratch, console))
        about["others_cpu_share"] = disturbance.share()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    content = report.document(plan, about, rows, skipped)
    report.show(content, console)
    console.print(f"written to {report.save(content, options.out)}", highlight=False)
    return 1 if skipped else 0


if __name__ == "__main__":
    raise SystemExit(main())
