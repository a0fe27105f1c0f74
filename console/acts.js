// What can be done to a flow. Each asks first, and says what came of it.
import { at, call, post } from "./api.js";
import { instant, local, now, number, words } from "./format.js";
import { html, useEffect, useState } from "./preact.js";
import { go, say } from "./store.js";
import { T } from "./texts.js";
import { ask, failure, field, select } from "./ui.js";

const path = (flow, ...more) => at(["subscriptions", flow.id, ...more]);
const patch = (flow, body) => call("PATCH", path(flow), body);
export const named = (flow) => flow.label ?? flow.id;
const radio = (value, text, checked) =>
	html`<label class="check"><input type="radio" name="backlog" value=${value} checked=${checked} /> ${text}</label>`;

export const acts = (flow) => [
	...(flow.status === "active" ? [] : [{ text: T.resume, act: () => resume(flow) }]),
	...(flow.status === "paused" ? [] : [{ text: T.pause, act: () => pause(flow) }]),
	{ text: T.test, act: () => test(flow) },
	{ text: T.edit, act: () => edit(flow) },
	{ text: T.replay, act: () => replay(flow) },
	{ text: T.remove, act: () => remove(flow), kind: "danger" },
];

const pause = (flow) =>
	ask(T.pause, { text: T.pauseAsk(named(flow)), act: () => patch(flow, { status: "paused" }).then(() => T.paused) });

const resume = (flow) =>
	ask(T.resume, {
		text: T.resumeAsk(named(flow)),
		fields: flow.held > 0 && html`<fieldset>
			<legend>${T.backlogOf(flow.held)}</legend>
			${radio("deliver", T.deliver, true)}${radio("discard", T.discard)}
		</fieldset>`,
		act: (given) => patch(flow, { status: "active", ...given }).then(() => T.resumed),
	});

// The page of its delivery shows what the flow answers.
export const test = (flow) =>
	post(path(flow, "test")).then(({ eventId }) => go(["flows", flow.id, eventId], { isNew: 1 }), (error) => say(error.message));

const NUMBERS = ["threshold", "rearmMargin", "maxAgeHours"];

// What may be changed, as far as the flow has it.
const edit = (flow) =>
	ask(T.edit, {
		fields: [
			field(T.label, html`<input name="label" maxlength="200" defaultValue=${flow.label} />`),
			NUMBERS.map((name) => name in flow && field(words(name), html`<input name=${name} required defaultValue=${flow[name]} />`)),
			flow.direction && field(words("direction"), select("direction", flow.direction, ["above", "below", "either"].map((one) => [one, words(one)]))),
		],
		confirm: T.save,
		act: (given) => {
			const changed = Object.entries(given).filter(([name, text]) => text !== String(flow[name] ?? ""));
			const body = changed.map(([name, text]) => [name, NUMBERS.includes(name) && Number.isFinite(Number(text)) ? Number(text) : text]);
			return patch(flow, Object.fromEntries(body)).then(() => T.edited);
		},
	});

const replay = (flow) =>
	ask(T.replay, {
		text: T.replayAsk(named(flow)),
		fields: html`<${Replay} flow=${flow} />`,
		act: (given) => post(path(flow, "replay"), wanted(given)).then(({ count }) => T.replayed(number(count))),
	});

const wanted = ({ since, which }) => ({ since: instant(since), which });

function Replay({ flow }) {
	const [given, set] = useState({ since: local(now() - 86_400_000), which: "undelivered" });
	const [{ count, error }, show] = useState({});
	const input = ({ target }) => set({ ...given, [target.name]: target.value });
	useEffect(() => {
		let isWanted = Boolean(given.since);
		show({});
		const ask = () => isWanted && post(path(flow, "replay"), { ...wanted(given), dryRun: true }).catch((error) => ({ error })).then((found) => isWanted && show(found));
		const timer = setTimeout(ask, 300);
		return () => ((isWanted = false), clearTimeout(timer));
	}, [given]);
	return [
		field(T.since, html`<input type="datetime-local" name="since" required value=${given.since} onInput=${input} />`),
		field(T.whichEvents, select("which", given.which, Object.entries(T.whiches), input)),
		error ? failure({ error }) : html`<p role="status">${count === undefined ? T.counting : T.wouldReplay(number(count))}</p>`,
	];
}

const remove = (flow) =>
	ask(T.remove, {
		text: T.removeAsk(named(flow), number(flow.held)),
		danger: true,
		act: async () => {
			await call("DELETE", path(flow));
			go(["flows"]);
			return T.removed;
		},
	});
