"""Generate code from the protos, and check the protos and the generated code.

    python scripts/protos.py generate            write client_sdk/sojourn/v1 anew
    python scripts/protos.py check [--base REF]  lint, breaking changes, generated code is current

Needs no network: protoc, its plugins and buf come from wheels in the environment that runs this script.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "client_sdk" / "sojourn" / "v1"
# The environment's scripts, so that its buf and protoc plugins are found without being activated.
SCRIPTS = sysconfig.get_path("scripts")
ENVIRONMENT = {**os.environ, "PATH": os.pathsep.join([SCRIPTS, os.environ.get("PATH", "")])}


def run(*command: str | Path) -> None:
    """Run a command in the project's root; raises CalledProcessError when it fails."""
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True)


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in the project's root; the caller looks at the return code."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


def generate(target: Path) -> None:
    """Write the generated modules of all protos into `target`, replacing those of an earlier run.

    Messages get `_pb2.py` and `_pb2.pyi`; files with a service get `_pb2_grpc.py` and `_pb2_grpc.pyi` too.
    """
    protos = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    services = [name for name in protos if name.endswith("_service.proto")]
    with tempfile.TemporaryDirectory() as scratch:
        protoc = (sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}")
        run(*protoc, f"--python_out={scratch}", f"--pyi_out={scratch}", *protos)
        run(*protoc, f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}", *services)
        target.mkdir(parents=True, exist_ok=True)
        for stale in target.glob("*_pb2*.py*"):
            stale.unlink()
        for module in sorted(Path(scratch, "sojourn", "v1").iterdir()):
            shutil.copyfile(module, target / module.name)


def check_generated() -> bool:
    """Whether the checked-in generated code is what the protos give now; says what differs."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        names = sorted({path.name for folder in (fresh, GENERATED) for path in folder.glob("*_pb2*.py*")})
        _, changed, missing = filecmp.cmpfiles(fresh, GENERATED, names, shallow=False)
    for name in changed + missing:
        print(f"generated code: {(GENERATED / name).relative_to(ROOT)} is not current; run `make proto`")
    return not changed and not missing


def breaking_base() -> str:
    """The commit to compare with: the last one while the protos have uncommitted changes, else the one before it."""
    dirty = git("status", "--porcelain", "--", "protos", "buf.yaml").stdout.strip()
    return "HEAD" if dirty else "HEAD~1"


def check_breaking(base: str) -> bool:
    """Whether clients of the protos at commit `base` still work with these; true when there is nothing to compare."""
    commit = git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}").stdout.decode().strip()
    if not commit:
        shallow = git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        reason = "this clone is shallow: fetch more history to compare" if shallow else "there is no such commit"
        print(f"breaking changes: not checked against {base}: {reason}")
        return True
    if not git("ls-tree", commit, "--", "protos").stdout:
        print(f"breaking changes: not checked: {base} has no protos")
        return True
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "base.tar")
        git("archive", f"--output={archive}", commit, "--", "protos").check_returncode()
        shutil.unpack_archive(archive, scratch)
        archive.unlink()
        # The earlier protos are read by today's rules: buf.yaml may be younger than they are.
        shutil.copyfile(ROOT / "buf.yaml", Path(scratch, "buf.yaml"))
        return succeeds("breaking changes", "buf", "breaking", "--against", scratch)


def succeeds(check: str, *command: str) -> bool:
    """Run a checking command; says which check failed when it does."""
    try:
        run(*command)
    except subprocess.CalledProcessError:
        print(f"{check}: failed (above)")
        return False
    return True


def main() -> int:
    """Run the command line; the exit status is 1 when a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", help="write the generated code anew")
    check = commands.add_parser("check", help="check the protos and the generated code")
    check.add_argument("--base", help="commit whose protos must still work (default: see breaking_base)")
    arguments = parser.parse_args()
    if arguments.command == "generate":
        generate(GENERATED)
        return 0
    passed = [succeeds("lint", "buf", "lint"), check_breaking(arguments.base or breaking_base()), check_generated()]
    if all(passed):
        print("protos: fine")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
