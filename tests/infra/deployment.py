"""A deployment as a snapshot shows it: the resources that Azure would be asked for, by type."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from tests.infra.compiler import INFRA

type Resource = Mapping[str, Any]

STORAGE = "Microsoft.Storage/storageAccounts"
TOPIC = "Microsoft.EventGrid/topics"
VAULT = "Microsoft.KeyVault/vaults"
SITE = "Microsoft.Web/sites"
COMPONENT = "Microsoft.Insights/components"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"
ACTION_GROUP = "Microsoft.Insights/actionGroups"
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
DIAGNOSTICS = "Microsoft.Insights/diagnosticSettings"


@dataclass(frozen=True)
class Deployment:
    """The resources of one snapshot."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, str]
    text: str

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> Self:
        return cls(tuple(snapshot["predictedResources"]), snapshot["outputs"], json.dumps(snapshot))

    def all(self, kind: str) -> dict[str, Resource]:
        """The resources of a type, by the last part of their name."""
        found = [resource for resource in self.resources if resource["type"] == kind]
        named = {resource["name"].rpartition("/")[2]: resource for resource in found}
        assert len(named) == len(found)
        return named

    def the(self, kind: str) -> Resource:
        """The only resource of a type."""
        (resource,) = self.all(kind).values()
        return resource

    def properties(self, kind: str) -> Mapping[str, Any]:
        """The properties of the only resource of a type."""
        return self.the(kind)["properties"]

    def app_settings(self) -> dict[str, str]:
        pairs = self.properties(SITE)["siteConfig"]["appSettings"]
        settings = {pair["name"]: pair["value"] for pair in pairs}
        assert len(settings) == len(pairs)
        return settings

    def within_group(self, resource_id: str) -> str:
        """The part of a resource's id that comes after its resource group."""
        group = self.the("Microsoft.Resources/resourceGroups")["id"]
        assert resource_id.startswith(group)
        return resource_id.removeprefix(f"{group}/providers/")


@cache
def sample(name: str) -> Deployment:
    """The deployment that a committed snapshot describes."""
    return Deployment.of(json.loads((INFRA / "samples" / f"{name}.snapshot.json").read_text("utf-8")))
