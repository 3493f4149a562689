"""The SDK's coalesced writes and reads, N callers in one process, against the bare unary echo at N callers."""

from bench.processes import Server, run_on_load_core
from bench.results import Plan, Row, against, median
from bench.unary import Subject, echo, subjects


def callers(mode: str, server: Server, concurrency: int, plan: Plan, *extra: str) -> dict[str, float]:
    """One measurement by a process of its own."""
    arguments = [mode, "--target", server.target, "--callers", str(concurrency), "--server-pid", str(server.pid)]
    arguments += ["--seconds", str(plan.seconds), "--warmup", str(plan.warmup), "--count", str(plan.sessions), *extra]
    if server.engine is not None:
        arguments += ["--engine-pid", str(server.engine)]
    return run_on_load_core("bench.callers", arguments, timeout=plan.seconds + plan.warmup + 60)


def _row(name: str, concurrency: int, results: list[dict[str, float]], bare: float, python: float) -> Row:
    calls = sum(result["calls"] for result in results) or 1
    rates = [result["rate"] for result in results]
    rate = median(rates)
    floors = [against("bare echo", rate, bare), against("Python-client echo", rate, python)]
    details = {
        "server_cpu_us_per_call": 1e6 * sum(result["server_cpu"] for result in results) / calls,
        "engine_cpu_us_per_call": 1e6 * sum(result["engine_cpu"] for result in results) / calls,
        "server_cpu_share": median([result["server_share"] for result in results]),
        "load_cpu_share": median([result["load_share"] for result in results]),
    }
    if name.startswith("Python-client"):
        floors = floors[:1]
    return Row("coalesced", name, "calls/s", rate, "higher", concurrency, floors, details, rates)


def _echo(subject: Subject) -> list[str]:
    return ["--request-bytes", str(subject.request_bytes), "--reply-bytes", str(subject.reply_bytes)]


async def run(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """All rows; each round measures both floors, then both subjects."""
    rows = []
    found = {subject.name: subject for subject in await subjects(server, plan, prefix="sdk")}
    write, get = found["WriteSession"], found["GetSession"]
    for concurrency in plan.concurrency:
        bare: dict[str, list[float]] = {"write": [], "get": []}
        results: dict[str, list[dict[str, float]]] = {"echo": [], "sdk-write": [], "sdk-get": []}
        for _ in range(plan.rounds):
            for kind, subject in (("write", write), ("get", get)):
                result = await echo(floor, subject.request_bytes, subject.reply_bytes, concurrency, plan)
                bare[kind].append(result.rate)
            results["echo"].append(callers("echo", floor, concurrency, plan, *_echo(write)))
            results["sdk-write"].append(callers("sdk-write", server, concurrency, plan, "--sessions", "sdk-write"))
            results["sdk-get"].append(callers("sdk-get", server, concurrency, plan, "--sessions", "sdk-read"))
        python = median([result["rate"] for result in results["echo"]])
        rows.append(_row("Python-client echo", concurrency, results["echo"], median(bare["write"]), python))
        rows.append(_row("SDK writes", concurrency, results["sdk-write"], median(bare["write"]), python))
        rows.append(_row("SDK gets", concurrency, results["sdk-get"], median(bare["get"]), python))
    return rows
