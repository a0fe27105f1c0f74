// The bridge itself: its polls, its queues, what waits; and the search through everything.
import { at, get } from "./api.js";
import { eventTable } from "./events.js";
import { flowTable } from "./flows.js";
import { count, number, words } from "./format.js";
import { html } from "./preact.js";
import { nodeTable } from "./status.js";
import { useLoad } from "./store.js";
import { T } from "./texts.js";
import { ago, code, empty, facts, failure, h1, h2, link, panel, small, table, tag, when } from "./ui.js";

export const Bridge = ({ overview }) => [h1(T.bridge), panel(overview, view)];

function view({ version, instances, queues, held, timers = {} }) {
	const polls = instances.flatMap(({ families, ...one }) => families.map((family) => ({ ...one, ...family })));
	const isPoisoned = Object.entries(queues).some(([name, { count: many }]) => name.endsWith("Poison") && many);
	return [
		facts([
			[T.version, version],
			...Object.entries(timers).map(([name, at]) => [words(name), when(at)]),
			[T.backlog, link(count(held), ["flows"], { everywhere: 1 })],
		]),
		h2(T.polls),
		polls.some((one) => one.failingSince) && html`<p class="failure">${T.pollsFail} ${code("make doctor")}</p>`,
		polls.length ? pollTable(polls) : empty(T.noEnvironment),
		h2(T.queues),
		isPoisoned && html`<p class="failure">${T.poisoned}</p>`,
		table(T.queues, Object.entries(queues), ([name]) => name, [
			[T.queue, ([name]) => words(name)],
			[T.messages, ([, many]) => count(many), true],
		]),
	];
}

const pollTable = (polls) => table(T.polls, polls, (one) => `${one.instanceId} ${one.family}`, [
	[T.environment, (one) => (one.instanceId === "*" ? T.all : link(one.name ?? one.instanceId, ["status"], { instance: one.instanceId }))],
	[T.family, (one) => words(one.family)],
	[T.status, (one) => (one.failingSince ? [tag("bad", T.failingSince), " ", ago(one.failingSince), small(one.error)] : tag("ok", T.well))],
	[T.lastPoll, (one) => ago(one.lastPollAt)],
	[T.lastSuccess, (one) => ago(one.lastSuccessAt)],
	[T.pending, (one) => number(one.pendingEvents), true],
]);

async function find(text, instance) {
	const says = (...words) => words.some((one) => one?.toLowerCase().includes(text.toLowerCase()));
	const [event, flows, nodes] = await Promise.all([
		// One that is missing is nothing found.
		get(at(["events", text])).catch((error) => (error.status === 404 ? null : Promise.reject(error))),
		get("subscriptions"),
		instance && get(at(["instances", instance, "status"])).catch((error) => ({ error })),
	]);
	return {
		events: event ? [event] : [],
		flows: flows.value.filter((one) => says(one.id, one.label, one.dataSourceId, one.segmentName, one.measureName)),
		error: nodes?.error,
		nodes: (nodes?.value ?? []).filter((one) => says(one.name, one.identifier)),
	};
}

export function Search({ instance, params: { q = "" } }) {
	const load = useLoad(q && `${instance} ${q}`, () => find(q, instance));
	return [
		h1(T.found(q)),
		panel(load, ({ events, flows, nodes, error }) => [
			error && failure({ error }),
			!events.length && !flows.length && !nodes.length && empty(T.foundNothing),
			events.length > 0 && [h2(T.events), eventTable(events)],
			flows.length > 0 && [h2(T.flows), flowTable(flows)],
			nodes.length > 0 && [h2(T.status), nodeTable(T.status, nodes, instance)],
		]),
	];
}
