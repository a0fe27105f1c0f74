"""What the bridge has Customer Insights do: run and cancel jobs, switch segments on and off.

None of these is ever repeated by itself: a job would run twice.
"""

from typing import Final

from shared.domain.actions import Refresh, Scope
from shared.domain.catalog import Job
from shared.insights import catalog_wire as wire
from shared.insights.calls import Calls
from shared.insights.paths import below, quoted
from shared.insights.transport import Call

# Which operation brings about which scope. That `merge` runs map and match before it, and that a unification alone is
# one without what follows the merge, are assumptions: nothing published says it.
_OPERATIONS: Final[dict[Scope, str]] = {
    "all": "all",
    "dataSources": "ingestion",
    "unification": "merge",
    "relationships": "relationship",
    "activities": "activity",
    "enrichments": "enrichment",
    "segments": "segmentation",
    "measures": "measures",
    "predictions": "intelligence",
    "exports": "export",
}


class ActionsClient:
    """Acts on one tenant's Customer Insights. What it raises, see `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def refresh(self, instance_id: str, refresh: Refresh) -> Job:
        """Start a job."""
        operation = _OPERATIONS[refresh.scope]
        query = {"operationType": operation, "forceRunRequested": str(refresh.force).lower()}
        # Microsoft's client sends the same in the query and in the body.
        body: dict[str, object] = {
            "operationType": operation,
            "submissionKind": "onDemand",
            "forceRunRequested": refresh.force,
        }
        if refresh.identifiers:
            query["identifiers"] = ",".join(refresh.identifiers)
            body["identifiers"] = list(refresh.identifiers)
        if refresh.mode is not None:
            body["jobType"] = refresh.mode
        if refresh.scope == "unification":
            body["options"] = {"runDownstreamAfterMerge": False}
        call = Call("POST", "jobs", query, body)
        return await self._calls.found(
            "refresh job", instance_id, lambda: self._calls.one_of_workflow(wire.JOBS, instance_id, call)
        )

    async def cancel(self, instance_id: str, job_id: str) -> Job:
        """Cancel a job."""
        call = Call("POST", f"jobs/{quoted(job_id)}/cancel")
        what = f"job {job_id!r}"
        return await self._calls.found(
            what, instance_id, lambda: self._calls.one_of_workflow(wire.JOBS, instance_id, call)
        )

    async def switch_segment(self, instance_id: str, name: str, *, active: bool) -> None:
        """Activate or deactivate a segment."""
        verb = "activate" if active else "deactivate"
        call = Call("PUT", below(instance_id, "manage/segments", quoted(name), verb))
        await self._calls.found(f"segment {name!r}", instance_id, lambda: self._calls.ask(call, lambda _: True))
