"""The project's own rules: generated pages, the size of modules, CI, versions."""

from __future__ import annotations

import datetime as dt
import importlib.util
import itertools
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue import inputs
from catalogue.page import PAGE, as_markdown
from catalogue.promises import PROMISES
from oneroster_sync.findings.reference import format_page as findings_as_markdown
from oneroster_sync.stages.extract.semantics import format_page as semantics_as_markdown
from production import older_version

PROJECT = Path(__file__).resolve().parents[1]
WORKFLOW = ".github/workflows/ci.yml"
MODULES = sorted(
    path
    for folder in ("include", "plugins", "dags", "tests", "benchmarks")
    for path in (PROJECT / folder).rglob("*.py")
)


def test_the_page_of_findings_is_the_catalogue() -> None:
    """docs/reference/findings.md is generated from the code."""
    assert (PROJECT / "docs/reference/findings.md").read_text("utf-8") == findings_as_markdown()


def test_semantics_are_documented() -> None:
    """docs/reference/semantics.md is generated from the decision table."""
    page = (PROJECT / "docs/reference/semantics.md").read_text("utf-8")
    assert page == semantics_as_markdown()


def test_the_page_of_reliability_is_made_from_the_tests() -> None:
    """docs/reliability.md names exactly the tests of each case."""
    page = PAGE.read_text("utf-8")
    assert as_markdown(page) == page


def test_every_bad_input_is_tried() -> None:
    """Each case of bad input has an input for the command line, or an argument."""
    tried = {bad.case for bad in inputs.ALL}
    with_argument = {
        case for case, promise in PROMISES.items() if promise.part == "a" if promise.argument
    }
    assert tried | with_argument == {case for case in PROMISES if case.startswith("a")}
    assert len({bad.name for bad in inputs.ALL}) == len(inputs.ALL)


def test_every_design_page_is_listed() -> None:
    """docs/design/README.md lists every design page."""
    pages = {page.name for page in (PROJECT / "docs/design").glob("*.md")} - {"README.md"}
    index = (PROJECT / "docs/design/README.md").read_text("utf-8")
    assert pages == set(re.findall(r"\]\(([a-z-]+\.md)\)", index))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_room_is_too_large(path: Path) -> None:
    """A module has at most 500 lines."""
    assert len(path.read_text("utf-8").splitlines()) <= 500


def read_yaml(path: str) -> dict[Any, Any]:
    """Return the content of a YAML file of the project."""
    found: dict[Any, Any] = yaml.safe_load((PROJECT / path).read_text("utf-8"))
    return found


def pyproject() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    text = (PROJECT / "pyproject.toml").read_text("utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"(?m)^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8")))


def steps_of_workflow() -> list[dict[str, Any]]:
    """Return each step of CI as it runs: once for each combination of its job's matrix."""
    steps = []
    for job in read_yaml(WORKFLOW)["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for values in itertools.product(*matrix.values()):
            for step in job["steps"]:
                text = yaml.safe_dump(step)
                for name, value in zip(matrix, values, strict=True):
                    text = text.replace(f"${{{{ matrix.{name} }}}}", value)
                assert "${{" not in text, text
                steps.append(yaml.safe_load(text))
    return steps


def test_workflow_has_the_parts_of_ci() -> None:
    """The workflow and .ci/run run the same parts."""
    parts = re.findall(r"(?m)^part (.+)$", (PROJECT / ".ci/run").read_text("utf-8"))
    runs = [step["run"] for step in steps_of_workflow() if "run" in step]
    assert {f"make {part}" for part in parts} == set(runs)
    assert {shlex.split(run)[1] for run in runs} <= make_targets()
    assert len(parts) == len(set(parts)) > 7


def test_workflow_tries_every_python_that_is_claimed() -> None:
    """The workflow checks and tests every Python minor version that pyproject.toml allows."""
    first, end = map(int, re.findall(r"3\.(\d+)", pyproject()["requires-python"]))
    tried = read_yaml(WORKFLOW)["jobs"]["quick"]["strategy"]["matrix"]["python"]
    assert tried == [f"3.{minor}" for minor in range(first, end)]


def test_workflow_may_only_read() -> None:
    """CI has only the right to read, and uses actions by their reviewed commit."""
    workflow = read_yaml(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    on = workflow[True]  # YAML 1.1 reads the key `on` as true
    assert set(on) == {"push", "pull_request", "workflow_dispatch"}
    used = re.findall(r"(?m)uses: (.+)$", (PROJECT / WORKFLOW).read_text("utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    for step in steps_of_workflow():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_hooks_are_the_checks_with_the_versions_of_the_lock() -> None:
    """The hooks before a commit run the commands of `make check`, from the same environment."""
    (repo,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    hooks = [shlex.split(hook["entry"]) for hook in repo["hooks"]]
    recipe = (PROJECT / "Makefile").read_text("utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
    needed = set(recipe.partition("##")[0].split()) - {"setup"}
    assert {words[1] for words in hooks if words[0] == "make"} == needed
    hooks = [words for words in hooks if words[0] != "make"]
    checks = [shlex.split(line) for line in re.findall(r"\$\(VENV\)/(.+)", recipe)]
    assert [words[0] for words in hooks] == [f".venv/{words[0]}" for words in checks]
    assert [words[1] for words in hooks[:2]] == [words[1] for words in checks[:2]]
    assert hooks[-1][1:] == checks[-1][1:-1]


def test_version_is_the_same_everywhere() -> None:
    """The package, the changelog, the images of Compose and Helm and SECURITY.md agree."""
    version = pyproject()["version"]
    headings = re.findall(r"(?m)^## (.+)$", (PROJECT / "CHANGELOG.md").read_text("utf-8"))
    assert headings[0] == "Unreleased"
    newest, _, day = headings[1].partition(" - ")
    assert newest == version
    assert dt.date.fromisoformat(day)
    image = read_yaml("docker-compose.yaml")["x-airflow"]["image"]
    assert image == f"${{ONEROSTER_IMAGE:-oneroster-sync:{version}}}"
    assert read_yaml("deploy/helm/values.yaml")["images"]["airflow"]["tag"] == version
    supported = re.findall(
        r"(?m)^\| (\S+) \| yes \|$", (PROJECT / "SECURITY.md").read_text("utf-8")
    )
    assert supported == [version.rpartition(".")[0]]


def test_release_says_first_how_to_upgrade() -> None:
    """A release starts with at most ten upgrade notes, which name real migrations and modules."""
    changelog = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    release = changelog.partition(f"\n## {pyproject()['version']}")[2]
    heading, _, rest = release.partition("\n### ")[2].partition("\n")
    assert heading == "Upgrade notes"
    notes = rest.partition("\n### ")[0]
    assert len(re.findall(r"(?m)^- ", notes)) <= 10
    migrations = {
        path.name[:4]
        for path in (PROJECT / "include/oneroster_sync/database/migrations").rglob("0*.py")
    }
    named = set(re.findall(r"\b0\d{3}\b", notes))
    assert named
    assert named <= migrations
    for module in re.findall(r"`python -m ([a-z_.]+)`", notes):
        assert importlib.util.find_spec(module), module


def test_an_upgrade_begins_with_the_release_before(tmp_path: Path) -> None:
    """That is the newest tag of a release; before the first tag, the last of the version before."""
    git_program = str(shutil.which("git"))

    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(
            [git_program, *who, *words], cwd=tmp_path, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "main")
    for number, version in enumerate(("0.1.0", "0.1.0", "0.1.0", "0.2.0", "0.2.0", "0.2.0")):
        text = f'version = "{version}"\ndescription = "{number}"\n'
        (tmp_path / "pyproject.toml").write_text(text, "utf-8")
        git("add", "-A")
        git("commit", "-q", "-m", f"{number}")
    commits = git("log", "--reverse", "--format=%h").split()
    assert older_version(tmp_path, ()) == commits[2]
    assert older_version(tmp_path, [(commits[1], commits[3])]) == commits[0]
    git("tag", "v0.2.0")
    git("tag", "v0.3.0-rc1", commits[4])
    assert older_version(tmp_path, ()) == commits[2]
    git("tag", "v0.1.9", commits[1])
    git("tag", "v0.1.10", commits[0])
    assert older_version(tmp_path, ()) == "v0.1.10"
