"""`sojourn doctor` on a server that is well, and where there is none."""

import json
import socket

import sojourn as sdk
from tests.support.command import sojourn


async def test_a_server_that_is_well(server):
    done = await sojourn("doctor", target=server.target)
    assert done.code == 0, done.stdout + done.stderr
    told = {line.split()[1]: line.split()[0] for line in done.lines if not line.startswith(" ")}
    wanted = ["connection", "version", "engine", "engine.memory", "clock"]
    wanted += ["catalog", "catalog.schema", "outbox", "blobs"]
    assert {name: told.get(name) for name in wanted} == dict.fromkeys(wanted, "OK")
    assert told["durability"] == told["settings"] == "WARNING"  # ephemeral
    assert "nothing is written to disk" in done.stdout

    as_json = await sojourn("doctor", "-o", "json", target=server.target)
    checks = [sdk.Check.model_validate_json(line) for line in as_json.lines]
    assert {check.name for check in checks} == set(told)
    assert all(check.found for check in checks)
    async with sdk.Client(server.target) as client:
        diagnosis = await client.diagnose()
    assert diagnosis.failed == ()
    assert diagnosis.server_version


async def test_no_server():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = await sojourn("doctor", "-o", "json", target=f"127.0.0.1:{taken.getsockname()[1]}")
    assert (done.code, "Traceback" in done.stderr) == (4, False)
    (check,) = map(json.loads, done.lines)
    assert (check["name"], check["status"]) == ("connection", "failed")
    assert "sojourn serve" in check["advice"]
