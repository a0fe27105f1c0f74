"""Can the values that thresholds watch be read? The sizes of segments, and the outputs of measures.

The keys of a measure's `output.values` are documented nowhere; the bridge takes the one number among them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from doctor.findings import Finding, fine, listed, unseen, wrong
from doctor.probing import Json, values_at
from shared.domain.resources import Measure, Segment


def check_segments(segments: Sequence[Segment]) -> list[Finding]:
    """Look at the sizes of segments."""
    if not segments:
        return [unseen("There is no segment.", "Make one, and run this again.")]
    counted = [one for one in segments if one.latest is not None and one.latest.count is not None]
    text = f"{len(counted)} of {len(segments)} segments tell how many members they have"
    return [fine(f"{text}.") if counted else unseen(f"{text}.", "Refresh the segments, and run this again.")]


def check_measures(measures: Sequence[Measure], document: Json) -> list[Finding]:
    """Look at the values of measures, and at the document that lists them."""
    scalar = {one.name: one for one in measures if one.scalar}
    written = [item for item in document if isinstance(item, dict) and str(item.get("name")) in scalar]
    with_values = [item for item in written if any(values_at(item, "output", "values"))]
    if not with_values:
        return [
            unseen(
                f"None of {len(measures)} measures is a single number with a value, so the keys of output.values "
                "cannot be seen.",
                "Make a measure without dimensions, refresh it, and run this again.",
            )
        ]
    findings = [_keys(with_values)]
    unread = [str(item["name"]) for item in with_values if not _has_value(scalar[item["name"]])]
    if unread:
        findings.append(
            wrong(
                f"The bridge finds no value, or more than one, in output.values of: {listed(unread)}.",
                "Subscriptions to their thresholds never fire. Report the keys above.",
            )
        )
    else:
        findings.append(fine(f"The bridge reads the value of all {len(with_values)} measures that are one number."))
    return findings


def _has_value(measure: Measure) -> bool:
    return measure.output is not None and measure.output.value is not None


def _keys(items: Sequence[Mapping[str, Json]]) -> Finding:
    """Tell what the keys are, and where else in the measure they stand."""
    meanings = Counter(_meaning(key, item) for item in items for key in item["output"]["values"])
    keys = sorted({str(key) for item in items for key in item["output"]["values"]})
    told = ", ".join(f"{meaning} ({count})" for meaning, count in meanings.most_common())
    return fine(f"The keys of output.values are: {told}. They are: {listed(keys)}.")


def _meaning(key: str, item: Mapping[str, Json]) -> str:
    places = {
        "the calculation's alias": ("definition", "aggregates", "alias"),
        "the calculation's displayName": ("definition", "aggregates", "displayName"),
        "the measure's name": ("name",),
        "the measure's displayName": ("displayName",),
    }
    return next((meaning for meaning, path in places.items() if key in values_at(item, *path)), "no name of its own")
