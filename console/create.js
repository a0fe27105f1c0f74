// Create a flow: from a row, or from nothing, to a flow that has subscribed and been tried.
import { named, test } from "./acts.js";
import { at, get, once } from "./api.js";
import { number, words } from "./format.js";
import { html, useEffect, useMemo, useRef, useState } from "./preact.js";
import { groupOf, nameOf as nodeName, useNodes } from "./status.js";
import { change, useLoad } from "./store.js";
import { T } from "./texts.js";
import { addressOf, catalog, fits, RESOURCES, valuesOf, workflow } from "./triggers.js";
import { button, chips, copyable, empty, failure, field, json, link, panel, select, status, when } from "./ui.js";

export function Create({ instance, params, nameOf }) {
	const load = useLoad("catalog", catalog, true);
	return [
		html`<h1>${T.create}<small>${params.name ?? nameOf(instance)}</small></h1>`,
		panel(load, ({ triggers, server }) => {
			const fitting = triggers.filter((one) => fits(one, params));
			const trigger = fitting.find((one) => one.trigger === params.trigger) ?? fitting[0];
			if (!instance || !trigger) return empty(T.noTrigger);
			return html`<${Recipe} key=${trigger.trigger} ...${{ trigger, fitting, server, instance, params, nameOf }} />`;
		}),
	];
}

// As Power Automate calls the fields.
const request = (title, all) => Object.entries(all).map(([name, text]) => copyable(title(name), text));

function Recipe({ trigger, fitting, server, instance, params, nameOf }) {
	const { fields } = trigger;
	const fresh = useMemo(() => `${trigger.trigger}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}`, []);
	const id = params.id || fresh;
	const label = params.label ?? (params.name ? `${params.name}: ${trigger.title}` : "");
	const filled = Object.fromEntries(fields.map(({ name, initial }) => [name, params[name] ?? String(initial ?? "")]));
	const missing = fields.filter(({ name, isRequired }) => isRequired && !filled[name]).map((one) => one.title);
	const body = { callbackUrl: "@{listCallbackUrl()}", instanceId: instance, ...(label && { label }), ...valuesOf(fields, filled) };
	const chosen = fields.map(({ name, title }) => [title, filled[name]]);
	const choices = [[T.trigger, trigger.title], [T.environment, nameOf(instance)], ...chosen, [T.label, label]];
	const uri = addressOf(server, trigger, id);
	const key = `x-functions-key: ${T.yourKey}`;
	const set = (name) => ({ target }) => change({ [name]: target.value });
	return html`
		<h2>${T.which}</h2>
		${chips(T.which, trigger.trigger, fitting.map((one) => [one.trigger, one.title]), (slug) => change({ trigger: slug, id: "" }))}
		<p>${trigger.description}</p>
		<div class="form">
			${fields.map((one) => html`<${Input} key=${one.name} ...${one} value=${filled[one.name]} instance=${instance} set=${set(one.name)} />`)}
			${field(T.label, html`<input value=${label} maxlength="200" onInput=${set("label")} />`)}
			${field(T.id, html`<input value=${id} onInput=${set("id")} />`, T.idHint)}
		</div>
		${"threshold" in filled && html`<${Values} instance=${instance} ...${filled} />`}
		${missing.length > 0 && html`<p class="hint" role="status">${T.missing(missing.join(", "))}</p>`}
		<h2>${T.ways}</h2>
		<div class="ways">
			<article>
				<h3>${T.connector}</h3>
				<ol>${T.connectorSteps.map((step) => html`<li>${step}</li>`)}</ol>
				${choices.map(([name, text]) => text && copyable(name, text))}
			</article>
			<article>
				<h3>${T.webhook}</h3>
				<p>${T.webhookText}</p>
				${request(T.subscribe, { Method: "PUT", URI: uri, Headers: `${key}\nContent-Type: application/json`, Body: JSON.stringify(body, null, 2) })}
				${request(T.unsubscribe, { Method: "DELETE", URI: uri, Headers: key })}
			</article>
			<${LogicApps} id=${id} text=${JSON.stringify(workflow(trigger, server, id, body), null, 2)} />
		</div>
		<h2>${T.wait}</h2><${Wait} ...${{ trigger, instance, id }} />
		<h2>${T.sample}</h2><${Sample} type=${trigger.type} instance=${instance} />`;
}

function Input({ name, title, description, options, isRequired, value, instance, set }) {
	const label = isRequired ? `${title} *` : title;
	if (options) return field(label, select(name, value, [...(value ? [] : [["", "–"]]), ...options.map((one) => [one, words(one)])], set), description);
	const list = RESOURCES.includes(name) ? `all-${name}` : undefined;
	const input = html`<input name=${name} value=${value} required=${isRequired} list=${list} onInput=${set} />`;
	return field(label, [input, list && html`<${Names} id=${list} field=${name} instance=${instance} />`], description);
}

function Names({ id, field, instance }) {
	const nodes = useNodes(instance).filter((node) => groupOf(node.operationType).field === field);
	return html`<datalist id=${id}>${nodes.map((node) => html`<option value=${node.identifier}>${nodeName(node)}</option>`)}</datalist>`;
}

function Values({ instance, segmentName, measureName, threshold }) {
	const path = segmentName ? ["segments", segmentName] : measureName && ["measures", measureName];
	const { data } = useLoad(path && path.join("/"), () => get(at(["instances", instance, ...path])), true);
	if (!data) return null;
	const value = data.memberCount ?? data.value;
	const history = (data.history ?? []).slice(-10);
	const limit = threshold && Number.isFinite(Number(threshold)) ? Number(threshold) : undefined;
	return html`<figure>
		<figcaption>${value === undefined ? T.noValue : [T.valueNow, " ", html`<b>${number(value)}</b>`, ", ", when(data.evaluatedAt)]}</figcaption>
		${history.length > 1 && plot(history, limit)}
	</figure>`;
}

const [WIDTH, HEIGHT, EDGE] = [320, 90, 10];

function plot(values, limit) {
	const all = [...values.map((one) => one.value), limit ?? values[0].value];
	const low = Math.min(...all);
	const span = Math.max(...all) - low || 1;
	const x = (place) => EDGE + (place / (values.length - 1)) * (WIDTH - 2 * EDGE);
	const y = (value) => HEIGHT - EDGE - ((value - low) / span) * (HEIGHT - 2 * EDGE);
	const line = limit !== undefined && y(limit);
	return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${T.plot(values.map((one) => number(one.value)).join(", "))}>
		${limit !== undefined && html`<line x1="0" x2=${WIDTH} y1=${line} y2=${line} /><text x="2" y=${line < 20 ? line + 12 : line - 4}>${number(limit)}</text>`}
		<polyline points=${values.map(({ value }, place) => `${x(place)},${y(value)}`).join(" ")} />
		${values.map(({ value }, place) => html`<circle cx=${x(place)} cy=${y(value)} r="3" />`)}
	</svg>`;
}

function LogicApps({ id, text }) {
	const download = () => {
		const href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
		Object.assign(document.createElement("a"), { href, download: `${id}.json` }).click();
		URL.revokeObjectURL(href);
	};
	return html`<article>
		<h3>${T.logicApps}</h3>
		<p>${T.logicAppsText}</p>
		<p>${button(T.download, download)}</p>
	</article>`;
}

function Sample({ type, instance }) {
	const load = useLoad(type, () => once(at(["event-types", type])), true);
	const source = `/customer-insights/instances/${instance}`;
	return panel(load, ({ sample }) =>
		json(T.sample, { specversion: "1.0", id: "…", source, type, time: "…", data: { ...sample, instanceId: instance } }));
}

// Until the flow has subscribed: with this id, or, as the connector has its own, with one that was not there.
function Wait({ trigger, instance, id }) {
	const before = useRef();
	const [{ found, error }, set] = useState({});
	useEffect(() => {
		if (found) return undefined;
		const path = at(["subscriptions"], { trigger: trigger.trigger, instanceId: instance });
		const seen = ({ value }) => {
			before.current ??= value.map((one) => one.id);
			set({ found: value.find((one) => one.id === id || !before.current.includes(one.id)) });
		};
		const look = () => document.hidden || get(path).then(seen, (error) => set({ error }));
		look();
		const timer = setInterval(look, 2_000);
		return () => clearInterval(timer);
	}, [found, id]);
	if (error) return failure({ error });
	if (!found) return html`<p role="status">${T.waiting}</p>`;
	return html`<div class="good" role="status">
		<p><b>${T.subscribed}</b> ${link(named(found), ["flows", found.id])} ${status(found.status)} ${found.callbackHost}</p>
		<p>${button(T.test, () => test(found), "main")}</p>
	</div>`;
}
