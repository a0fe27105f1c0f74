"""Which files the tools that deploy take from a checkout: how each reads `.funcignore`. They differ.

**azd** (Azure/azure-dev, `createDeployableZip` in cli/azd/pkg/project/project_utils.go) walks the service's folder and
leaves out what matches, a folder with all that is in it. It always leaves out `.funcignore`, `local.settings.json` and
folders called `.azure`; its exclusions for Python (virtual environments, `__pycache__`) hold only where there is no
`.funcignore`. Its matcher is denormal/go-gitignore (pattern.go and gitignore.go there):

1. `#` begins a comment. `!` at the start negates; until azd 1.23.12 a negated pattern excluded like any other
   (Azure/azure-dev#7311).
2. `/` at the start anchors the pattern at the root, `/` at the end makes it match folders only.
3. A pattern with `**` is matched part by part; `**` stands for any number of parts.
4. A pattern with `/` in it is matched part by part: anchored against the whole path, else against its last parts.
5. A pattern without `/` in it is matched against the last part; if anchored against the **whole path as one text**, and
   `*` goes over `/` there: `/*` matches `shared/errors.py`.
6. The last pattern that matches decides. A path that none matches is taken.

**Core Tools** (Azure/azure-functions-core-tools, Common/GitIgnoreParser.cs) make one regular expression of all
patterns, and one of all negated ones, which win. Each is anchored at the root, whatever its form, and need match only
the beginning of a path: `local` excludes `local.settings.json` too. `*` does not go over `/`, `**` does, and neither
stands for nothing.

**VS Code** reads the file as Git does.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pathspec

APP = {"host.json", "requirements.txt", "function_app.py", "shared", "triggers", "console"}  # what shall be taken
ALWAYS_OUT = {".funcignore", "local.settings.json"}


def azd(files: Iterable[str], lines: Sequence[str]) -> set[str]:
    """What azd packages, since 1.23.13."""
    return {file for file in files if not _azd_leaves_out(file, lines, negation=True)}


def azd_1_23_12(files: Iterable[str], lines: Sequence[str]) -> set[str]:
    """What azd packages until 1.23.12."""
    return {file for file in files if not _azd_leaves_out(file, lines, negation=False)}


def core_tools(files: Iterable[str], lines: Sequence[str]) -> set[str]:
    """What `func azure functionapp publish` packages."""
    patterns = _patterns(lines)
    denied = _beginnings([one for one in patterns if not one.startswith("!")])
    accepted = _beginnings([one[1:] for one in patterns if one.startswith("!")])
    taken = {file for file in files if accepted.match(file) or not denied.match(file)}
    return {file for file in taken if file not in ALWAYS_OUT}


def git(files: Iterable[str], lines: Sequence[str]) -> set[str]:
    """What VS Code packages."""
    spec = pathspec.GitIgnoreSpec.from_lines(lines)
    return {file for file in files if file not in ALWAYS_OUT and not spec.match_file(file)}


def _patterns(lines: Sequence[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _azd_leaves_out(file: str, lines: Sequence[str], *, negation: bool) -> bool:
    """Whether a file or a folder above it is left out."""
    path = PurePosixPath(file)
    if path.name in ALWAYS_OUT or ".azure" in path.parts[:-1]:
        return True
    folders = [str(folder) for folder in path.parents if folder.name]
    patterns = _patterns(lines)
    return any(
        _excluded(name, patterns, folder=name != file, negation=negation) for name in (*reversed(folders), str(path))
    )


def _excluded(path: str, patterns: Sequence[str], *, folder: bool, negation: bool) -> bool:
    for pattern in reversed(patterns):
        if _matches(path, pattern.removeprefix("!"), folder=folder):
            return not (negation and pattern.startswith("!"))
    return False


def _matches(path: str, pattern: str, *, folder: bool) -> bool:
    if pattern.endswith("/") and not folder:
        return False
    anchored, pattern = pattern.startswith("/"), pattern.strip("/")
    wanted, parts = pattern.split("/"), path.split("/")
    if "**" in wanted:
        return _walk(parts, wanted if anchored else ["**", *wanted])
    if len(wanted) > 1:
        return _walk(parts if anchored else parts[-len(wanted) :], wanted)
    return fnmatchcase(path if anchored else parts[-1], pattern)


def _walk(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether each part of a path is what a pattern wants there."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return _walk(parts, wanted[1:]) or (bool(parts) and _walk(parts[1:], wanted))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _walk(parts[1:], wanted[1:])


def _beginnings(patterns: Sequence[str]) -> re.Pattern[str]:
    """What matches where one of the patterns matches the beginning; nothing without patterns."""
    texts = [re.escape(one.removeprefix("/")).replace(r"\*\*", "(.+)").replace(r"\*", "([^/]+)") for one in patterns]
    return re.compile("|".join(texts) or "(?!)")
