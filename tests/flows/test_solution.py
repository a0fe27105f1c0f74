"""The solution holds the sample flows as they stand, with the connector's name in the maker's environment."""

import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from connector.solution import FLOWS, PLACEHOLDER, main, solution
from shared import __version__
from shared.errors import InvalidInputError
from tests.flows.power_automate import NAMES

CONNECTOR = "shared_cieb-5fcustomer-20insights-20event-20bridge-5f0a1b2c3d4e5f6071"
APIS = "/providers/Microsoft.PowerApps/apis/"


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(solution(CONNECTOR))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def flows(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in contents.items() if name.startswith("Workflows/")}


def parsed(content: bytes) -> ET.Element:
    return ET.fromstring(content)  # noqa: S314 - our own


def text(element: ET.Element, path: str) -> str:
    found = element.findtext(path)
    assert found is not None, path
    return found


def test_it_holds_what_a_solution_holds(contents: dict[str, bytes]) -> None:
    assert set(contents) - set(flows(contents)) == {"[Content_Types].xml", "solution.xml", "customizations.xml"}
    types = parsed(contents["[Content_Types].xml"])
    named = {one.attrib["Extension"] for one in types}
    assert {name.rpartition(".")[2] for name in contents} <= named


def test_each_flow_is_the_committed_one_with_the_connector_s_name(contents: dict[str, bytes]) -> None:
    expected = [
        json.loads((FLOWS / f"{name}.json").read_text("utf-8").replace(PLACEHOLDER, CONNECTOR)) for name in NAMES
    ]
    assert [json.loads(content) for _, content in sorted(flows(contents).items())] == expected
    assert PLACEHOLDER.encode() not in b"".join(contents.values())


def test_every_flow_is_listed_and_a_component(contents: dict[str, bytes]) -> None:
    listed = parsed(contents["customizations.xml"]).findall("Workflows/Workflow")
    files = {text(one, "JsonFileName").removeprefix("/") for one in listed}
    assert files == set(flows(contents))
    ids = {one.attrib["WorkflowId"] for one in listed}
    components = parsed(contents["solution.xml"]).findall("SolutionManifest/RootComponents/RootComponent")
    assert {(one.attrib["type"], one.attrib["id"]) for one in components} == {("29", one) for one in ids}
    assert len(ids) == len(NAMES)
    for one in listed:
        assert one.attrib["WorkflowId"].strip("{}").upper() in text(one, "JsonFileName")
        assert one.attrib["Name"] == one.findall("LocalizedNames/LocalizedName")[0].attrib["description"]
        # Cloud flows, and off: the environment is not chosen yet.
        assert [text(one, key) for key in ("Category", "Type", "StateCode", "StatusCode")] == ["5", "1", "0", "1"]


def test_every_connection_reference_is_declared(contents: dict[str, bytes]) -> None:
    used = {
        (one["connection"]["connectionReferenceLogicalName"], APIS + one["api"]["name"])
        for content in flows(contents).values()
        for one in json.loads(content)["properties"]["connectionReferences"].values()
    }
    declared = parsed(contents["customizations.xml"]).findall("connectionreferences/connectionreference")
    assert {(one.attrib["connectionreferencelogicalname"], text(one, "connectorid")) for one in declared} == used
    assert ("cieb_bridge", APIS + CONNECTOR) in used
    prefix = text(parsed(contents["solution.xml"]), "SolutionManifest/Publisher/CustomizationPrefix")
    assert all(name.startswith(f"{prefix}_") for name, _ in used)


def test_it_is_unmanaged_and_has_the_version_of_the_bridge(contents: dict[str, bytes]) -> None:
    manifest = parsed(contents["solution.xml"])
    assert text(manifest, "SolutionManifest/Managed") == "0"
    assert text(manifest, "SolutionManifest/Version") == f"{__version__}.0"


def test_the_same_name_gives_the_same_bytes_in_any_spelling() -> None:
    assert solution(CONNECTOR) == solution(APIS + CONNECTOR)
    assert solution(CONNECTOR) != solution(f"{CONNECTOR}a")


@pytest.mark.parametrize("name", ["", "customer-insights", "shared_", "shared_a b", 'shared_a"b', "shared_a/b"])
def test_what_is_no_connector_s_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        solution(name)


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "new" / "flows.zip"
    assert main([""], written) == 1
    assert "CONNECTOR" in capsys.readouterr().err
    assert not written.exists()
    assert main([CONNECTOR], written) == 0
    assert written.read_bytes() == solution(CONNECTOR)
