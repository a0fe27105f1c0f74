"""A solution with the sample flows that use the connector, for import into a Power Platform environment.

`python -m connector.solution <name>` writes it, with the name that the environment gave the connector. Not tried on
the platform: the files have the form that exported solutions have, of which Microsoft documents parts only.
"""

import io
import json
import re
import sys
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from shared import __version__
from shared.errors import InvalidInputError

ROOT = Path(__file__).parent.parent
FLOWS = ROOT / "docs" / "flows" / "power-automate"
WRITTEN = ROOT / ".local" / "connector" / "sample-flows.zip"
# What the sample flows call the connector. Each environment has a name of its own for it.
PLACEHOLDER = "shared_customerinsightseventbridge"
APIS = "/providers/Microsoft.PowerApps/apis/"
NAME = re.compile(r"shared_[A-Za-z0-9._-]+")
TITLE = "Customer Insights sample flows"
ENGLISH = "1033"
CLOUD_FLOW, MODERN_FLOW = "29", "5"  # a component's type, and the category of a workflow
# Ids stay the same from one build to the next, so that an import replaces what the last one brought.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "customer-insights-event-bridge/sample-flows")
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flow:
    """A sample flow, by the name of its file."""

    name: str
    content: Json

    @property
    def id(self) -> str:
        """Its id in every environment."""
        return str(uuid.uuid5(NAMESPACE, self.name))

    @property
    def title(self) -> str:
        """Its name for people: what it does."""
        described: str = self.content["properties"]["definition"]["description"]
        return described.rstrip(".")

    @property
    def path(self) -> str:
        """Where it lies in the solution."""
        return f"Workflows/{self.name}-{self.id.upper()}.json"


def solution(connector: str) -> bytes:
    """The solution (a zip file) whose flows use the connector of this name. Raises `InvalidInputError`."""
    name = connector.removeprefix(APIS)
    if not NAME.fullmatch(name):
        raise InvalidInputError({"CONNECTOR": "must be the connector's name in your environment: shared_..."})
    flows = [
        Flow(path.stem, json.loads(path.read_text("utf-8").replace(PLACEHOLDER, name)))
        for path in sorted(FLOWS.glob("*.json"))
    ]
    return _zipped(
        {
            "[Content_Types].xml": _written(_content_types()),
            "solution.xml": _written(_manifest(flows)),
            "customizations.xml": _written(_customizations(flows)),
            **{flow.path: json.dumps(flow.content, indent=2).encode() for flow in flows},
        }
    )


def _content_types() -> ET.Element:
    types = ET.Element("Types", xmlns="http://schemas.openxmlformats.org/package/2006/content-types")
    for extension in ("xml", "json"):
        ET.SubElement(types, "Default", Extension=extension, ContentType="application/octet-stream")
    return types


def _manifest(flows: Iterable[Flow]) -> ET.Element:
    root = ET.Element("ImportExportXml", version="9.2.0.0", SolutionPackageVersion="9.2", languagecode=ENGLISH)
    manifest = ET.SubElement(root, "SolutionManifest")
    _add(manifest, {"UniqueName": "CustomerInsightsSampleFlows"})
    _name(manifest, TITLE)
    _add(manifest, {"Descriptions": "", "Version": f"{__version__}.0", "Managed": "0"})
    publisher = ET.SubElement(manifest, "Publisher")
    _add(publisher, {"UniqueName": "CustomerInsightsEventBridge"})
    _name(publisher, "Customer Insights Event Bridge")
    _add(publisher, {"Descriptions": ""})
    for absent in ("EMailAddress", "SupportingWebsiteUrl"):
        ET.SubElement(publisher, absent, {NIL: "true"})
    _add(publisher, {"CustomizationPrefix": "cieb", "CustomizationOptionValuePrefix": "50817", "Addresses": ""})
    components = ET.SubElement(manifest, "RootComponents")
    for flow in flows:
        ET.SubElement(components, "RootComponent", type=CLOUD_FLOW, id=f"{{{flow.id}}}", behavior="0")
    _add(manifest, {"MissingDependencies": ""})
    return root


def _customizations(flows: Iterable[Flow]) -> ET.Element:
    root = ET.Element("ImportExportXml")
    _add(root, {"Entities": "", "Roles": ""})
    workflows = ET.SubElement(root, "Workflows")
    for flow in flows:
        _workflow(ET.SubElement(workflows, "Workflow", WorkflowId=f"{{{flow.id}}}", Name=flow.title), flow)
    _add(root, dict.fromkeys(("FieldSecurityProfiles", "Templates", "EntityMaps", "EntityRelationships"), ""))
    _add(root, dict.fromkeys(("OrganizationSettings", "optionsets", "CustomControls", "EntityDataProviders"), ""))
    references = ET.SubElement(root, "connectionreferences")
    for logical_name, api in sorted(_references(flows)):
        reference = ET.SubElement(references, "connectionreference", connectionreferencelogicalname=logical_name)
        _add(reference, {"connectionreferencedisplayname": logical_name, "connectorid": APIS + api})
        _add(reference, {"iscustomizable": "1", "promptingbehavior": "0", "statecode": "0", "statuscode": "1"})
    _add(ET.SubElement(root, "Languages"), {"Language": ENGLISH})
    return root


def _workflow(element: ET.Element, flow: Flow) -> None:
    """The keys that exports give a flow. It comes switched off: first somebody says for which environment it is."""
    _add(element, {"JsonFileName": f"/{flow.path}", "Type": "1", "Subprocess": "0", "Category": MODERN_FLOW})
    _add(element, {"Mode": "0", "Scope": "4", "OnDemand": "0", "TriggerOnCreate": "0", "TriggerOnDelete": "0"})
    _add(element, {"AsyncAutodelete": "0", "SyncWorkflowLogOnFailure": "0", "StateCode": "0", "StatusCode": "1"})
    _add(element, {"RunAs": "1", "IsTransacted": "1", "IntroducedVersion": "1.0.0.0", "IsCustomizable": "1"})
    _add(element, {"BusinessProcessType": "0", "IsCustomProcessingStepAllowedForOtherPublishers": "1"})
    _add(element, {"ModernFlowType": "0", "PrimaryEntity": "none"})
    _name(element, flow.title)


def _references(flows: Iterable[Flow]) -> set[tuple[str, str]]:
    """The connection references of the flows, and the connector of each."""
    return {
        (one["connection"]["connectionReferenceLogicalName"], one["api"]["name"])
        for flow in flows
        for one in flow.content["properties"]["connectionReferences"].values()
    }


def _add(element: ET.Element, texts: Mapping[str, str]) -> None:
    for tag, text in texts.items():
        ET.SubElement(element, tag).text = text or None


def _name(element: ET.Element, text: str) -> None:
    ET.SubElement(ET.SubElement(element, "LocalizedNames"), "LocalizedName", description=text, languagecode=ENGLISH)


def _written(root: ET.Element) -> bytes:
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # of no date: the same bytes always
    return written.getvalue()


def main(arguments: list[str], written: Path = WRITTEN) -> int:
    """Write the solution, and return the exit code."""
    try:
        content = solution(" ".join(arguments))
    except InvalidInputError as error:
        print(f"Nothing was written: {error}", file=sys.stderr)  # noqa: T201 - a command talks to its user
        return 1
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_bytes(content)
    print(f"Written: {written}")  # noqa: T201 - the same
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
