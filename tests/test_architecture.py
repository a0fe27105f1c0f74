"""The architecture: imports go one way, and importing anything does nothing."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [ROOT / "function_app.py", *sorted((ROOT / "triggers").glob("*.py")), *sorted((ROOT / "shared").rglob("*.py"))]
OURS = ("function_app", "triggers", "shared", "local", "doctor", "connector", "tests", "bench")

# Who may import which of our modules; the longest name that fits decides. `shared` itself holds the version.
ALLOWED = {
    "function_app": ("triggers",),
    "triggers": (
        "triggers",
        "shared.composition",
        "shared.usecases",
        "shared.domain",
        "shared.errors",
        "shared.settings.schedule",
        "shared.settings.is_console_enabled",
        "shared.__version__",
    ),
    "shared": (),
    "shared.composition": (
        "shared.settings",
        "shared.errors",
        "shared.ports",
        "shared.telemetry",
        "shared.usecases",
        "shared.insights",
        "shared.heap",
        "shared.wiring",
    ),
    "shared.wiring": (
        "shared.__version__",
        "shared.access",
        "shared.composition",
        "shared.heap",
        "shared.settings",
        "shared.telemetry",
        "shared.domain",
        "shared.usecases",
        "shared.adapters",
        "shared.insights",
        "shared.wiring_polling",
        "shared.wiring_delivering",
        "shared.wiring_managing",
    ),
    "shared.wiring_polling": ("shared.usecases", "shared.domain", "shared.ports", "shared.telemetry"),
    "shared.wiring_delivering": ("shared.usecases", "shared.domain", "shared.ports", "shared.telemetry"),
    "shared.wiring_managing": ("shared.usecases", "shared.ports", "shared.wiring_delivering"),
    "shared.heap": (),
    "shared.access": ("shared.settings", "shared.adapters", "shared.insights"),
    "shared.usecases": ("shared.usecases", "shared.domain", "shared.ports", "shared.telemetry", "shared.errors"),
    "shared.ports": ("shared.domain", "shared.errors"),
    "shared.domain": ("shared.domain", "shared.errors"),
    "shared.errors": (),
    "shared.telemetry": (),
    "shared.settings": ("shared.errors", "shared.grammars", "shared.schedules"),
    "shared.grammars": ("shared.schedules", "shared.domain.ids"),
    "shared.schedules": (),
    "shared.adapters": ("shared.adapters", "shared.domain", "shared.ports", "shared.telemetry", "shared.errors"),
    "shared.insights": ("shared.insights", "shared.domain", "shared.ports", "shared.telemetry", "shared.errors"),
}
FOREIGN_IN_CORE = {"pydantic", "pydantic_core"}
HEAVY = ("azure.storage", "azure.data", "azure.identity", "azure.monitor", "opentelemetry", "aiohttp", "requests")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = [module_of(path) for path in FILES]


def fits(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def imports(path: Path) -> Iterator[str]:
    """Every name a file imports, wherever in it, dotted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    allowed = ALLOWED[max((name for name in ALLOWED if fits(module, name)), key=len)]
    ours = [name for name in imports(path) if name.split(".")[0] in OURS]
    assert [name for name in ours if not any(fits(name, prefix) for prefix in allowed)] == []


@pytest.mark.parametrize("path", [p for p in FILES if fits(module_of(p), "shared.domain")], ids=lambda p: p.stem)
def test_the_domain_needs_the_standard_library_and_pydantic_only(path: Path) -> None:
    foreign = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"shared"}
    assert foreign <= FOREIGN_IN_CORE


@pytest.mark.parametrize("path", [p for p in FILES if fits(module_of(p), "shared.usecases")], ids=lambda p: p.stem)
def test_the_use_cases_need_no_sdk(path: Path) -> None:
    foreign = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"shared"}
    assert foreign <= FOREIGN_IN_CORE


def test_only_the_triggers_know_the_functions_sdk() -> None:
    knowing = {module_of(path) for path in FILES if any(fits(name, "azure.functions") for name in imports(path))}
    assert all(module == "function_app" or fits(module, "triggers") for module in knowing)


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        module_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        )
    }
    assert readers == {"shared.settings"}


def in_a_process_of_its_own(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-B", "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_does_nothing_and_needs_no_setting() -> None:
    # What an import may read is code; sockets, processes, and files opened for writing are none.
    code = f"""
import importlib, sys
def watch(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if writes and str(args[0]).endswith((".pyc", "/dev/null")) or "__pycache__" in str(args[:1]):
        return
    if writes or event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system"):
        raise RuntimeError(f"import did {{event}} {{args}}")
sys.addaudithook(watch)
for name in {MODULES!r}:
    importlib.import_module(name)
"""
    assert in_a_process_of_its_own(code) == ""


def test_starting_the_app_loads_no_sdk_before_it_is_needed() -> None:
    code = "import function_app, json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(in_a_process_of_its_own(code))
    assert [name for name in loaded if any(fits(name, heavy) for heavy in HEAVY)] == []
