"""What a deployment packages is the app, all of it and nothing else; and it runs with what requirements.txt names."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from local.install_azurite import install
from local.stack import PROJECT, Stack
from local.tenant.api import TenantApi
from local.tenant.model import Tenant
from tests.deploy import ignoring
from tests.deploy.lock import APP, environment, pins
from tests.functions import FUNCTIONS
from tests.pages import PAGES, shell

type Packager = Callable[[Sequence[str], Sequence[str]], set[str]]

IGNORED = (PROJECT / ".funcignore").read_text("utf-8").splitlines()
PACKAGERS = [ignoring.azd, ignoring.azd_1_23_12, ignoring.core_tools, ignoring.git]

# What lies about in a working copy that has been used: made by tools, by the bridge, by azd, by people.
STRAYS = [
    *(
        ".git/HEAD",
        ".github/workflows/x.yml",
        ".devcontainer/devcontainer.json",
        ".vscode/settings.json",
        ".idea/x.xml",
    ),
    *(".venv/bin/python", ".venv/lib/python3.13/site-packages/x.py", "bridge_env/lib/x.py", "venv/pyvenv.cfg"),
    *(".azure/bridge/.env", ".azure/config.json", ".env", ".env.local", ".DS_Store", "shared/.DS_Store"),
    *("local.settings.json", ".local/function-key", ".local/azurite/__azurite_db_blob__.json"),
    *("__azurite_db_table__.json", "__blobstorage__/x", "__queuestorage__/x"),
    *("__pycache__/function_app.cpython-313.pyc", "shared/__pycache__/errors.cpython-313.pyc"),
    *("shared/domain/__pycache__/events.cpython-313.pyc", "triggers/__pycache__/http.cpython-313.pyc"),
    *(".pytest_cache/v/x", ".mypy_cache/x.json", ".ruff_cache/x", ".hypothesis/x", ".coverage", "htmlcov/index.html"),
    *(".python_packages/lib/site-packages/x.py", "node_modules/x/index.js", "local/azurite/node_modules/x/index.js"),
    *("docs/new.md", "tests/new.py", "connector/new.json", "infra/new.bicep", "infra/main.json", "bench/x.py"),
    *("customer_insights_event_bridge.egg-info/PKG-INFO", "build/lib/x.py", "dist/x.whl", "NOTES.md", "package.zip"),
]

# What the pages have one save into a checkout. Some of it is customers' data.
SAVED = re.findall(r"(?:> |--file |--output-path )([\w-]+\.\w+)", "\n".join(shell(page) for page in PAGES.values()))

# What Azure brings besides: the worker's runtime. And what the local host needs: a cron library.
PLATFORM = ("azure-functions-runtime", "azurefunctions-extensions-base", "cronsim")

IMPORT_ALL = """
import importlib, pkgutil, function_app, shared, triggers
for package in (shared, triggers):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        print(importlib.import_module(module.name).__file__)
"""
INDEX = """
import json, sys
from pathlib import Path
from local.host.worker import Worker
print(json.dumps([function.name for function in Worker.load(Path(sys.argv[1])).functions]))
"""


def checked_out() -> list[str]:
    """Every file that Git knows."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S607 - any git
    if done.returncode:
        pytest.skip("This is no Git checkout: what belongs to it is not known.")
    return [name for name in done.stdout.split("\0") if (PROJECT / name).is_file()]


def run(python: Path, code: str, *arguments: object, cwd: Path) -> str:
    """What a program prints that sees its working folder and the interpreter's own packages."""
    done = subprocess.run(  # noqa: S603 - our own code
        [python, "-B", "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=PACKAGERS, ids=lambda packager: packager.__name__)
def packager(request: pytest.FixtureRequest) -> Packager:
    return request.param


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what azd packages, and nothing else."""
    folder = tmp_path_factory.mktemp("package")
    for name in ignoring.azd(checked_out(), IGNORED):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that can import what requirements.txt pins, and what Azure and the local host bring."""
    locked = [name for name, pin in pins(APP).items() if pin.is_for_here]
    return environment(tmp_path_factory.mktemp("environment"), [*locked, *PLATFORM])


def test_the_app_is_packaged_and_nothing_else(packager: Packager) -> None:
    files = checked_out()
    app = {name for name in files if name.split("/")[0] in ignoring.APP}
    assert app >= {"host.json", "requirements.txt", "function_app.py", "shared/settings.py", "triggers/queues.py"}
    assert packager([*files, *STRAYS, *SAVED], IGNORED) == app


def test_what_the_pages_have_one_save_is_not_committed() -> None:
    assert {"checkpoint.json", "package.zip"} <= set(SAVED)
    assert ignoring.git(SAVED, (PROJECT / ".gitignore").read_text("utf-8").splitlines()) == set()


# Measured with azd's own matcher, compiled, on this project's first .funcignore.
ALLOWING = ["/*", "!/host.json", "!/requirements.txt", "!/function_app.py", "!/shared", "!/triggers", "__pycache__"]


def test_the_model_of_azd_does_what_azd_was_seen_to_do() -> None:
    files = checked_out()
    assert ignoring.azd(files, ALLOWING) == {"host.json", "requirements.txt", "function_app.py"}
    assert ignoring.azd_1_23_12(files, ALLOWING) == set()
    assert "shared/domain/events/envelope.py" in ignoring.azd(files, [*ALLOWING, "!/shared/**"])


def test_every_module_of_the_package_finds_what_it_imports(package: Path, python: Path) -> None:
    imported = run(python, IMPORT_ALL, cwd=package).splitlines()
    assert len(imported) > 50
    assert [name for name in imported if not name.startswith(str(package))] == []


def test_the_worker_finds_every_function_in_the_package(package: Path, python: Path) -> None:
    found = json.loads(run(python, INDEX, package, cwd=PROJECT).splitlines()[-1])
    assert sorted(found) == sorted(one.get_function_name() for one in FUNCTIONS)


async def test_the_package_starts_and_is_healthy(package: Path, python: Path) -> None:
    install()
    settings = {"CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": "key", "CUSTOMER_INSIGHTS_ACCESS_TOKEN": "token"}
    tenant = TenantApi(Tenant(), token="token", key="key").app()
    async with Stack(package, tenant=tenant, settings=settings, python=python) as stack:
        await stack.start_host()
        answer = await stack.call("GET", "/health", key=False)
        assert (answer.status, answer.json()) == (200, {"status": "healthy"})
