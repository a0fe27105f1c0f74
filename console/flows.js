// The flows: who subscribes to what, whether it gets it, and each of its deliveries.
import { acts, named } from "./acts.js";
import { at, get, post } from "./api.js";
import { duration, number, statusWord, titleOf, words } from "./format.js";
import { html, useEffect } from "./preact.js";
import { nameOf, useNodes } from "./status.js";
import { change, useLoad } from "./store.js";
import { T } from "./texts.js";
import { ago, ask, back, button, chips, code, empty, facts, h1, h2, json, lazy, link, menuButton, Pages, panel, selectField, small, status, statusChips, table, tag, textField, way, when } from "./ui.js";

const ABOUT =
	"id trigger eventType instanceId label status statusReason statusSince failingSince switchOffAt held signed createdAt updatedAt callbackHost".split(" ");
// What a trigger watches, by how its name begins; without it, a flow hears of any.
const WATCHED = { data: "dataSourceId", segment: "segmentName", measure: "measureName", export: "exportId" };
const STAGES = ["attempting", "waiting", "held", "delivered", "dead"];
const DAY = 86_400_000;
// In days.
const NEAR = 5;

const watched = ({ trigger }) => WATCHED[trigger.split("-")[0]];

const plain = (field) => words(field).replace(/ (id|name)$/, "");

// What a flow hears of, with the names that people know.
function Scope({ flow }) {
	const names = new Map(useNodes(flow.instanceId).map((node) => [node.identifier, nameOf(node)]));
	const field = watched(flow);
	const isAny = field && !flow[field];
	const filters = Object.entries(flow).filter(([name, value]) => !ABOUT.includes(name) && value && value !== "any");
	const text = filters.map(([name, value]) => `${plain(name)}: ${names.get(value) ?? (value.constructor === Object ? JSON.stringify(value) : value)}`).join(", ");
	return [isAny && tag("warn", T.any(plain(field).toLowerCase())), " ", text || (!isAny && T.everything)];
}
const scope = (flow) => html`<${Scope} flow=${flow} />`;

function standing({ status: value, statusReason, switchOffAt }) {
	const days = Math.max(Math.ceil((new Date(switchOffAt) - Date.now()) / DAY), 0);
	return [status(value), small(statusReason), switchOffAt && days <= NEAR && html` <small class="bad">${T.switchedOff(days)}</small>`];
}

export function Flows({ instance, params }) {
	const load = useLoad("subscriptions", () => get("subscriptions"));
	const create = link(T.create, ["create"], {}, "button");
	return [
		h1(T.flows, " ", create),
		panel(load, ({ value }) => (value.length ? list(value, instance, params) : empty(html`<p>${T.noFlows}</p>`, create))),
	];
}

function list(all, instance, { everywhere, status, trigger, q = "", field, value = "", name }) {
	const here = all.filter((flow) => everywhere || [instance, "*"].includes(flow.instanceId));
	// Of a row of the status page: by its name, or of any.
	const watches = (flow) => !field || (flow[field] ? flow[field].toLowerCase() === value.toLowerCase() : watched(flow) === field);
	const mine = here.filter((flow) => watches(flow) && JSON.stringify(flow).toLowerCase().includes(q.toLowerCase()));
	const shown = mine.filter((flow) => (!status || flow.status === status) && (!trigger || flow.trigger === trigger));
	shown.sort((a, b) => named(a).localeCompare(named(b)));
	const slugs = [...new Set(here.map((flow) => flow.trigger))].sort();
	return html`
		${statusChips(mine, status)}
		<div class="filters">
			${selectField(T.trigger, "trigger", trigger, slugs.map((slug) => [slug, words(slug)]))}
			${textField(T.contains, "q", q)}
			<label class="check"><input type="checkbox" checked=${Boolean(everywhere)} onChange=${({ target }) => change({ everywhere: target.checked && 1 })} /> ${T.everywhere}</label>
			${field && button(T.only(name), () => change({ field: "" }), "chip")}
		</div>
		${shown.length ? flowTable(shown) : empty(T.nothingShown)}`;
}

export const flowTable = (flows) => table(T.flows, flows, (flow) => flow.id, [
	[T.label, (flow) => link(named(flow), ["flows", flow.id])],
	[T.trigger, (flow) => words(flow.trigger)],
	[T.scope, scope],
	[T.status, standing],
	[T.lastDelivery, ({ id }) => lazy(at(["subscriptions", id, "deliveries"], { limit: 1 }), ({ value: [one] }) =>
		(one ? link([status(one.stage), " ", ago(one.updatedAt)], ["flows", id, one.eventId], {}, "plain") : T.never))],
	[T.backlog, (flow) => (flow.held ? number(flow.held) : "–"), true],
	[T.host, (flow) => flow.callbackHost],
	[T.created, (flow) => ago(flow.createdAt)],
	[T.actions, (flow) => menuButton(T.actions, T.actionsOf(named(flow)), () => acts(flow)), true],
]);

export function Flow({ ids: [id], params: { stage }, nameOf }) {
	const flow = useLoad(id, () => get(at(["subscriptions", id])));
	return [
		back(T.flows, ["flows"]),
		panel(flow, (found) => flowView(found, nameOf)),
		h2(T.deliveries),
		chips(T.stage, stage, [["", T.all], ...STAGES.map((one) => [one, statusWord(one)])], (one) => change({ stage: one })),
		html`<${Pages} path=${at(["subscriptions", id, "deliveries"], { stage })} show=${(some) => deliveryTable(id, some)} none=${stage ? T.nothingShown : T.noDeliveries} />`,
	];
}

const flowView = (flow, nameOf) => [
	h1(named(flow)),
	html`<div class="buttons start">${acts(flow).map(({ text, act, kind }) => button(text, act, kind))}</div>`,
	facts([
		[T.status, standing(flow)],
		[T.statusSince, when(flow.statusSince)],
		[T.trigger, words(flow.trigger)],
		[T.scope, scope(flow)],
		[T.environment, nameOf(flow.instanceId)],
		[T.backlog, number(flow.held)],
		[T.host, flow.callbackHost],
		[T.created, when(flow.createdAt)],
		[T.id, code(flow.id)],
	]),
];

const deliveryTable = (id, deliveries) => table(T.deliveries, deliveries, (one) => one.eventId, [
	[T.event, (one) => [link(words(one.eventType), ["flows", id, one.eventId]), small(one.subject)]],
	[T.happened, (one) => ago(one.eventTime)],
	[T.stage, (one) => [status(one.stage), small(one.replayed && T.replayedOne)]],
	[T.attempts, (one) => one.attempts, true],
	[T.answer, answer],
	[T.next, (one) => ago(one.nextAttemptAt)],
	[T.run, run],
	[T.actions, (one) => button(T.send, () => send(id, one), "small", T.sendOf(one.eventId)), true],
]);

const answer = ({ status, reason = status && `HTTP ${status}` }) => reason ?? "–";
const run = ({ runId, runUrl }) => (runUrl ? html`<a href=${runUrl} rel="noreferrer" target="_blank">${T.run}</a>` : runId ? code(runId) : "–");

// From its dispatch on: each attempt, how long the flow took and what it said, and the next.
export const steps = ({ dispatchedAt, attempts, history, nextAttemptAt }) => way([
	[T.dispatched, dispatchedAt],
	...history.map(({ at, durationMs, status, reason = status }, place) => [T.attempt(attempts - history.length + place + 1), at, reason, T.took(duration(durationMs / 1000))]),
	[T.next, nextAttemptAt],
]);

const send = (id, { eventId, stage }) =>
	ask(T.send, {
		text: stage === "delivered" ? T.sendTwice : T.sendAsk,
		act: () => post(at(["subscriptions", id, "deliveries", eventId, "redeliver"])).then(() => T.sent),
	});

export function Delivery({ ids: [id, eventId], params: { isNew } }) {
	const load = useLoad(`${id} ${eventId}`, () => get(at(["subscriptions", id, "deliveries", eventId])));
	// What was just sent may be unknown yet; its first attempt is being made.
	const isUnderWay = isNew && !load.data?.attempts;
	useEffect(() => {
		const timer = isUnderWay && setInterval(load.reload, 1_000);
		return () => clearInterval(timer);
	}, [isUnderWay]);
	return [
		back(T.flow, ["flows", id]),
		panel(isUnderWay && load.error?.status === 404 ? {} : load, (one) => [
			h1(titleOf(one.event)),
			one.event.data.test && html`<p>${tag("calm", T.isTest)}</p>`,
			html`<div class="buttons start">${button(T.send, () => send(id, one))}</div>`,
			facts([
				[T.stage, status(one.stage)],
				[T.answer, answer(one)],
				[T.happened, when(one.eventTime)],
				[T.run, one.runId && run(one)],
				[T.event, one.event.data.test ? code(eventId) : link(code(eventId), ["events", eventId])],
			]),
			html`<h2>${T.attempts} <span class="many">${one.attempts}</span></h2>`,
			steps(one),
			h2(T.json),
			json(T.json, one.event),
		]),
	];
}
