"""The protos suffice for another language: a Node.js client creates, watches, writes and completes a session."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import google.rpc
import pytest

import sojourn.testing

HERE = Path(__file__).parent
PROTOS = HERE.parents[2] / "protos"
NOT_FOUND = 5
# What npm says when the registry cannot be reached, as opposed to a mistake in package.json.
UNREACHABLE = re.compile(r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|E?TIMEDOUT|ERR_SOCKET_TIMEOUT)\b")


@pytest.fixture(scope="module")
def client(pytestconfig: pytest.Config) -> Path:
    """client.js beside its dependencies, which are installed once into pytest's cache directory."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs Node.js and npm, which are not installed")
    folder = pytestconfig.cache.mkdir("node-client")
    lock, installed = HERE / "package-lock.json", folder / "installed.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, folder / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
        if run.returncode != 0 and UNREACHABLE.search(run.stderr):
            pytest.skip("the npm registry cannot be reached")
        assert run.returncode == 0, run.stderr
        shutil.copyfile(lock, installed)
    return Path(shutil.copyfile(HERE / "client.js", folder / "client.js"))


async def test_a_node_client_needs_only_the_protos(client: Path) -> None:
    async with sojourn.testing.server() as target:
        google_protos = Path(next(iter(google.rpc.__path__))).parents[1]
        node = await asyncio.create_subprocess_exec(
            *("node", client, target, PROTOS, google_protos),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await asyncio.wait_for(node.communicate(), 60)
        finally:
            if node.returncode is None:
                node.kill()
    assert node.returncode == 0, stderr.decode()
    answers = json.loads(stdout)

    assert re.fullmatch(r"node-\d+-[0-9a-f]+", answers["id"])
    assert answers["write"] == {"revision": 2, "durability": "DURABILITY_RELAXED"}  # the engine is an ephemeral one
    assert answers["read"] == {
        "status": "SESSION_STATUS_COMPLETED",
        "revision": 3,
        "state": {"step": 2, "nested": {"list": [1, "zwei", None]}},
    }
    assert answers["events"] == [
        {"revision": 1, "kinds": ["session_created"]},
        {"revision": 2, "kinds": ["state_set", "message_appended"]},
        {"revision": 3, "kinds": ["status_changed"]},
    ]
    assert answers["message"] == "Grüße aus Node"
    assert answers["refused"]["code"] == NOT_FOUND
    assert answers["refused"]["info"] == {
        "reason": "SESSION_NOT_FOUND",
        "domain": "sojourn.dev",
        "metadata": {"session_id": "no-such-session"},
    }
