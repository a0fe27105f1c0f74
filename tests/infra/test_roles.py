"""Who may do what: each identity has the roles it needs and no more, the operators those of the runbook's commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid5

from tests.infra.deployment import ROLE_ASSIGNMENT, STORAGE, TOPIC, VAULT, Deployment
from tests.infra.pages import blocks, page

COMPONENT = "Microsoft.Insights/components"
OPERATORS = "77777777-7777-7777-7777-777777777777"
ROLES = {
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05": "Monitoring Reader",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
}
# What a role lets an operator do of what the runbook does, by Microsoft's list of built-in roles.
ALLOWS = {
    "Storage Blob Data Contributor": {"blob delete", "blob download", "blob list", "blob upload"},
    "Storage Queue Data Message Sender": {"message put"},
    "Storage Table Data Reader": {"entity query"},
}
READS = {"blob download", "blob list", "entity query"}
PLACES = {
    "table-name": "tableServices/default/tables",
    "queue-name": "queueServices/default/queues",
    "container-name": "blobServices/default/containers",
}
# Of which Azure Resource Manager makes a GUID from texts.
NAMESPACE = UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")


@dataclass(frozen=True)
class Assignment:
    """A role assignment; `principal` is as the template has it: an id, or what gives it during the deployment."""

    name: str
    scope: str
    principal: str
    kind: str
    role: str
    role_id: str
    description: str

    @property
    def who(self) -> str:
        """The app and the topic by the module whose output is their id."""
        made = re.search(r"format\('(\w+)-\{0\}'.*outputs\.principalId\.value$", self.principal)
        who = made[1] if made else self.principal
        return {"identity": "app", "topic": "topic", OPERATORS: "operators"}[who]


def assignments(deployment: Deployment) -> Iterator[Assignment]:
    """All role assignments, whether or not their names are known beforehand."""
    for resource in deployment.resources:
        if resource["type"] == ROLE_ASSIGNMENT:
            found = re.match(rf"\[extensionResourceId\('([^']+)', '{ROLE_ASSIGNMENT}', ", resource["id"])
            scope = found[1] if found else resource["id"].partition(f"/providers/{ROLE_ASSIGNMENT}/")[0]
            properties = resource["properties"]
            role_id = properties["roleDefinitionId"].rpartition("/")[2]
            yield Assignment(
                name=resource["name"],
                scope=scope,
                principal=properties["principalId"].strip("[]"),
                kind=properties["principalType"],
                role=ROLES[role_id],
                role_id=role_id,
                description=properties["description"],
            )


def test_a_role_assignment_is_named_after_its_scope_its_principal_and_its_role(deployment: Deployment) -> None:
    # Azure refuses to give an assignment that is there to another principal, such as an identity that was made anew.
    found = list(assignments(deployment))
    assert len(found) > 5
    for one in found:
        if "reference(" in one.principal:
            assert one.name == f"[guid('{one.scope}', {one.principal}, '{one.role_id}')]"
        else:
            assert one.name == str(uuid5(NAMESPACE, f"{one.scope}-{one.principal}-{one.role_id}"))
    assert len({one.name for one in found}) == len(found)


def test_every_identity_has_its_roles_and_nothing_more(deployment: Deployment) -> None:
    given = []
    for one in assignments(deployment):
        if one.who != "operators":
            assert one.kind == "ServicePrincipal"  # else a new identity may not be found in time
            given.append((one.who, one.role, deployment.within_group(one.scope)))
        assert one.description == f"The {one.who}: {one.role}"
    account = f"{STORAGE}/{deployment.the(STORAGE)['name']}"
    topic = f"{TOPIC}/{deployment.the(TOPIC)['name']}"
    assert sorted(given) == sorted(
        [
            ("app", "Storage Blob Data Owner", account),
            ("app", "Storage Queue Data Contributor", account),
            ("app", "Storage Table Data Contributor", account),
            ("app", "EventGrid Data Sender", topic),
            ("app", "Key Vault Secrets User", f"{VAULT}/{deployment.the(VAULT)['name']}"),
            ("app", "Monitoring Metrics Publisher", f"{COMPONENT}/{deployment.the(COMPONENT)['name']}"),
            ("topic", "Storage Queue Data Message Sender", f"{account}/queueServices/default/queues/events"),
            (
                "topic",
                "Storage Blob Data Contributor",
                f"{account}/blobServices/default/containers/event-grid-dead-letters",
            ),
        ]
    )


def operators(deployment: Deployment) -> set[tuple[str, str]]:
    """What the operators' group gets: roles and scopes."""
    found = [one for one in assignments(deployment) if one.who == "operators"]
    assert {one.kind for one in found} <= {"Group"}
    return {(one.role, one.scope) for one in found}


def done_by_the_runbook(deployment: Deployment) -> set[tuple[str, str]]:
    """Each command of the runbook on data, and the table, queue or container that it is about."""
    account = deployment.the(STORAGE)["id"]
    shell, found = "\n".join(blocks(page("operations.md"))), set()
    for command in re.findall(r"\bstore (?:[^\n]|(?<=\\)\n)+", shell):
        [(option, name)] = re.findall(r"--(table-name|queue-name|container-name) ([\w-]+)", command)
        found.add((" ".join(command.split()[1:3]), f"{account}/{PLACES[option]}/{name}"))
    return found


def test_operators_may_do_what_the_runbook_does_with_data(full: Deployment) -> None:
    given = operators(full)
    done = done_by_the_runbook(full)
    assert len(done) > 8
    for verb, place in done:
        assert any(verb in ALLOWS.get(role, ()) and place.startswith(scope) for role, scope in given), (verb, place)


def test_operators_may_do_nothing_that_the_runbook_does_not(full: Deployment) -> None:
    done = done_by_the_runbook(full)
    given = operators(full)
    group = full.the("Microsoft.Resources/resourceGroups")["id"]
    assert ("Monitoring Reader", group) in given
    for role, scope in given - {("Monitoring Reader", group)}:
        used = {verb for verb, place in done if place.startswith(scope)} & ALLOWS[role]
        # Reading alone would be a smaller role.
        assert used - READS or (role.endswith("Reader") and used), (role, scope)
        # Deployed packages run as the app, and whoever reads the host's containers has the function keys.
        assert role.endswith("Reader") or scope != full.the(STORAGE)["id"]


def test_nobody_is_an_operator_unless_asked(plain: Deployment) -> None:
    assert operators(plain) == set()
