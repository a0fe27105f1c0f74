// The events: what happened, for whom, and what became of it.
import { at, get, once } from "./api.js";
import { steps } from "./flows.js";
import { titleOf, words } from "./format.js";
import { html } from "./preact.js";
import { useLoad } from "./store.js";
import { T } from "./texts.js";
import { ago, back, code, empty, facts, h1, h2, json, lazy, link, Pages, panel, selectField, status, table, tag, timeField, way } from "./ui.js";

export function Events({ instance, params: { type, since, until } }) {
	const types = useLoad("event-types", () => once("event-types"), true).data?.value ?? [];
	return html`<h1>${T.events}</h1>
		<div class="filters">
			${selectField(T.type, "type", type, types.map((one) => [one.type, words(one.type)]))}
			${timeField(T.since, "since", since)}${timeField(T.until, "until", until)}
		</div>
		${instance
			? html`<${Pages} path=${at(["events"], { instanceId: instance, type, since, until })} show=${eventTable} none=${type || since || until ? T.nothingShown : T.noEvents} />`
			: empty(T.noEnvironment)}`;
}

export const eventTable = (events) => table(T.events, events, (one) => one.id, [
	[T.event, (one) => link(titleOf(one), ["events", one.id])],
	[T.happened, (one) => ago(one.time)],
	[T.type, (one) => words(one.type)],
	[T.subject, (one) => one.subject ?? "–"],
	[T.delivered, (one) => lazy(at(["events", one.id]), fate)],
]);

function fate({ deliveries }) {
	const delivered = deliveries.filter((one) => one.stage === "delivered").length;
	if (!deliveries.length) return tag("calm", T.nobody);
	const isDead = deliveries.some((one) => one.stage === "dead");
	return tag(delivered === deliveries.length ? "ok" : isDead ? "bad" : "busy", T.fate(delivered, deliveries.length));
}

export function Event({ ids: [id] }) {
	const load = useLoad(id, () => Promise.all([get(at(["events", id])), get("subscriptions")]));
	return [
		back(T.events, ["events"]),
		panel(load, ([{ deliveries, publishedAt, dispatchedAt, ...event }, flows]) => [
			h1(titleOf(event)),
			facts([[T.type, code(event.type)], [T.subject, event.subject], [T.id, code(id)]]),
			h2(T.way),
			way([[T.happened, event.time], [T.seen, event.recordedtime], [T.published, publishedAt], [T.dispatched, dispatchedAt]]),
			h2(T.deliveries),
			deliveries.length ? copies(event, deliveries, new Map(flows.value.map((one) => [one.id, one.label]))) : empty(T.matchedNobody),
			h2(T.json),
			json(T.json, event),
		]),
	];
}

const copies = (event, deliveries, labels) => table(T.deliveries, deliveries, (one) => one.subscriptionId, [
	[T.flow, (one) => link(labels.get(one.subscriptionId) ?? one.subscriptionId, ["flows", one.subscriptionId, event.id])],
	[T.stage, (one) => status(one.stage)],
	[T.attempts, (one) => lazy(at(["subscriptions", one.subscriptionId, "deliveries", event.id]), steps)],
]);
