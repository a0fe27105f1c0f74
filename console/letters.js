// Dead letters: what was given up, by flow and reason. Deliver it all the same, or give it up for good.
import { at, call, each, get, pages, post } from "./api.js";
import { number, words } from "./format.js";
import { html } from "./preact.js";
import { change, go, href, useLoad } from "./store.js";
import { T } from "./texts.js";
import { ago, ask, back, button, chips, empty, facts, h1, json, link, menuButton, panel, small, table, textField, timeField, when } from "./ui.js";

const MOST = 2_000;

async function find({ flow, kind, since }) {
	const path = at(["dead-letters"], { subscriptionId: flow, kind, since, limit: 500 });
	const [found, { value }] = await Promise.all([pages(path, MOST), get("subscriptions")]);
	return { letters: found.value, more: found.more, flows: new Map(value.map((one) => [one.id, one])) };
}

export function Letters({ params }) {
	const { flow, kind, since, reason = "" } = params;
	const load = useLoad(`letters ${flow} ${kind} ${since}`, () => find(params));
	return html`<h1>${T.letters}</h1>
		${chips(T.kind, kind, [["", T.all], ...Object.entries(T.kinds)], (one) => change({ kind: one }))}
		<div class="filters">
			${timeField(T.since, "since", since)}
			${textField(T.reason, "reason", reason)}
			${flow && button(T.only(flow), () => change({ flow: "" }), "chip")}
		</div>
		${panel(load, (data) => groups(data, params))}`;
}

function groups({ letters, more, flows }, params) {
	const { flow, kind, since, reason = "" } = params;
	if (!letters.length) return empty(flow || kind || since ? T.nothingShown : T.noLetters);
	const shown = letters.filter((one) => one.reason.toLowerCase().includes(reason.toLowerCase()));
	const all = Map.groupBy(shown, (one) => `${one.subscriptionId ?? ""} ${one.reason}`);
	const name = ([{ subscriptionId: id }]) => (id ? (flows.get(id)?.label ?? id) : T.noFlow);
	if (reason && all.size === 1) return [redeliverAll(shown), single(shown)];
	const items = (some) => [
		...(some[0].kind === "delivery" ? [{ text: T.redeliverMany(some.length), act: () => redeliver(some) }] : []),
		...(flows.has(some[0].subscriptionId) ? [{ text: T.openFlow, to: href(["flows", some[0].subscriptionId]) }] : []),
		{ text: T.giveUpMany(some.length), act: () => giveUp(some) },
	];
	return [
		redeliverAll(shown),
		more && html`<p>${T.notAll(number(letters.length))}</p>`,
		table(T.letters, [...all], ([key]) => key, [
			[T.flow, ([, some]) => link(name(some), ["letters"], { ...params, flow: some[0].subscriptionId, reason: some[0].reason })],
			[T.reason, ([, some]) => some[0].reason],
			[T.count, ([, some]) => number(some.length), true],
			[T.first, ([, some]) => ago(some.at(-1).recordedAt)],
			[T.last, ([, some]) => ago(some[0].recordedAt)],
			[T.actions, ([, some]) => menuButton(T.actions, T.actionsOf(`${name(some)}, ${some[0].reason}`), () => items(some)), true],
		]),
	];
}

function redeliverAll(letters) {
	const some = letters.filter((one) => one.kind === "delivery");
	return some.length > 0 && html`<p>${button(T.redeliverMany(some.length), () => redeliver(some), "main")}</p>`;
}

const single = (letters) => table(T.letters, letters, (one) => one.id, [
	[T.event, (one) => [link(one.eventType ? words(one.eventType) : T.kinds[one.kind], ["letters", one.id]), small(one.eventId)]],
	[T.recorded, (one) => when(one.recordedAt)],
	[T.attempts, (one) => one.attempts, true],
	[T.actions, (one) => html`<div class="buttons">
		${one.kind === "delivery" && button(T.redeliver, () => redeliver([one]), "small", `${T.redeliver} ${one.id}`)}
		${button(T.giveUp, () => giveUp([one]), "small", `${T.giveUp} ${one.id}`)}
	</div>`, true],
]);

// What could not be done stays; the first error says why.
async function forAll(letters, act, said, work) {
	const of = number(letters.length);
	const { done, error } = await each(letters, act, (many) => work(T.progress(number(many), of)));
	if (error) throw new Error(`${T.progress(number(done), of)} ${error.message}`);
	return said(number(done));
}

const redeliver = (letters, then) =>
	ask(T.redeliverMany(letters.length), {
		text: T.redeliverAsk(letters.length, new Set(letters.map((one) => one.subscriptionId)).size),
		confirm: T.redeliver,
		act: (_, work) => forAll(letters, (one) => post(at(["dead-letters", one.id, "redeliver"])), T.redelivered, work).finally(then),
	});

const giveUp = (letters, then) =>
	ask(T.giveUpMany(letters.length), {
		text: T.giveUpAsk,
		confirm: T.giveUp,
		danger: true,
		act: (_, work) => forAll(letters, (one) => call("DELETE", at(["dead-letters", one.id])), T.givenUp, work).finally(then),
	});

export function Letter({ ids: [id] }) {
	const load = useLoad(id, () => get(at(["dead-letters", id])));
	const home = () => go(["letters"]);
	return [
		back(T.letters, ["letters"]),
		h1(T.letter),
		panel(load, (one) => [
			html`<div class="buttons start">
				${one.kind === "delivery" && button(T.redeliver, () => redeliver([one], home), "main")}
				${button(T.giveUp, () => giveUp([one], home), "danger")}
			</div>`,
			facts([
				[T.reason, one.reason],
				[T.recorded, when(one.recordedAt)],
				[T.flow, one.subscriptionId && link(one.subscriptionId, ["flows", one.subscriptionId])],
				[T.event, one.eventId && link(one.eventId, ["events", one.eventId])],
				[T.attempts, one.attempts],
			]),
			json(T.json, one.event ?? one.message),
		]),
	];
}
