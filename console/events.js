// The events: what happened, for whom, and what became of it.
import { at, get, once, pages } from "./api.js";
import { between, words } from "./format.js";
import { answer } from "./flows.js";
import { html, useState } from "./preact.js";
import { useLoad } from "./store.js";
import { T } from "./texts.js";
import { ago, back, button, code, empty, facts, json, Lazy, link, panel, selectField, small, status, table, tag, timeField, when } from "./ui.js";

const PAGE = 50;
const titleOf = ({ data, type }) =>
	data.summary ?? [data.friendlyName ?? data.displayName ?? data.name, words(type)].filter(Boolean).join(": ");

export function Events({ instance, params: { type, since, until } }) {
	const [many, show] = useState(PAGE);
	const path = at(["events"], { instanceId: instance, type, since, until, limit: PAGE });
	const load = useLoad(instance && `${path} ${many}`, () => pages(path, many));
	const types = useLoad("event-types", () => once("event-types"), true).data?.value ?? [];
	return html`<h1>${T.events}</h1>
		<div class="filters">
			${selectField(T.type, "type", type, types.map((one) => [one.type, words(one.type)]))}
			${timeField(T.since, "since", since)}${timeField(T.until, "until", until)}
		</div>
		${panel(load, ({ value, more }) => [
			value.length ? eventTable(value) : empty(type || since || until ? T.nothingShown : T.noEvents),
			more && button(T.more, () => show(many + PAGE)),
		])}`;
}

export const eventTable = (events) => table(T.events, events, (one) => one.id, [
	[T.event, (one) => link(titleOf(one), ["events", one.id])],
	[T.happened, (one) => ago(one.time)],
	[T.type, (one) => words(one.type)],
	[T.subject, (one) => one.subject ?? "–"],
	[T.delivered, (one) => html`<${Lazy} path=${at(["events", one.id])} show=${fate} />`],
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
		panel(load, ([{ deliveries, ...event }, flows]) => [
			html`<h1>${titleOf(event)}</h1>`,
			facts([[T.happened, when(event.time)], [T.type, code(event.type)], [T.subject, event.subject], [T.id, code(id)]]),
			html`<h2>${T.way}</h2>`,
			deliveries.length ? copies(event, deliveries, new Map(flows.value.map((one) => [one.id, one.label]))) : empty(T.matchedNobody),
			html`<h2>${T.json}</h2>`,
			json(T.json, event),
		]),
	];
}

const copies = (event, deliveries, labels) => table(T.way, deliveries, (one) => one.subscriptionId, [
	[T.flow, (one) => link(labels.get(one.subscriptionId) ?? one.subscriptionId, ["flows", one.subscriptionId, event.id])],
	[T.stage, (one) => status(one.stage)],
	[T.attempts, (one) => one.attempts, true],
	[T.answer, answer],
	[T.steps, (one) => html`<${Lazy} path=${at(["subscriptions", one.subscriptionId, "deliveries", event.id])} show=${(delivery) => way(event, delivery)} />`],
]);

// From what happened to where its delivery stands, and how long each step took.
function way(event, { dispatchedAt, attempts, updatedAt, nextAttemptAt }) {
	const all = [[T.happened, event.time], [T.dispatched, dispatchedAt], [T.attempt(attempts), updatedAt], [T.next, nextAttemptAt]];
	const steps = all.filter(([, at]) => at);
	return html`<ol class="way">
		${steps.map(([name, at], place) => html`<li>${name} ${when(at)}${small(place > 0 && `+${between(steps[place - 1][1], at)}`)}</li>`)}
	</ol>`;
}
