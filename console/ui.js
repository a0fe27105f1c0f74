// What all screens are made of.
import { get, pages } from "./api.js";
import { between, exact, instant, local, relative, statusWord, tone } from "./format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { change, dialog, href, refresh, say, store, tick, useLoad, useStore } from "./store.js";
import { T } from "./texts.js";

const ICONS = { ok: "✓", bad: "✕", busy: "◔", calm: "–", unknown: "?", warn: "!" };

export const tag = (tone, text) => html`<span class="tag ${tone}"><span aria-hidden="true">${ICONS[tone]}</span>${text}</span>`;
export const status = (value) => tag(tone(value), statusWord(value));
export const link = (text, path, params, kind) => html`<a class=${kind} href=${href(path, params)}>${text}</a>`;
export const back = (text, path) => html`<p>${link(`← ${text}`, path)}</p>`;
export const button = (text, onClick, kind, label) => html`<button class=${kind} aria-label=${label} onClick=${onClick}>${text}</button>`;
const time = (at, text, other) => (at ? html`<time datetime=${at} title=${other(at)}>${text(at)}</time>` : "–");
export const ago = (at) => time(at, relative, exact);
export const when = (at) => time(at, exact, relative);
export const small = (...texts) => texts.some(Boolean) && html` <small>${texts.filter(Boolean).join(" · ")}</small>`;
export const h1 = (...text) => html`<h1>${text}</h1>`;
export const h2 = (text) => html`<h2>${text}</h2>`;
export const code = (text) => html`<code>${text}</code>`;
export const empty = (...what) => html`<div class="empty">${what}</div>`;

export const failure = ({ error, reload }) => html`<div class="failure" role="alert">
	<p><b>${T.wrong}</b> ${error.message}</p>
	${error.fields?.length > 0 && html`<ul>${error.fields.map((one) => html`<li>${code(one.field)} ${one.message}</li>`)}</ul>`}
	${reload && button(T.again, reload)}
</div>`;

// The three states of what is loaded; what was there stays to be seen.
export function panel(load, show) {
	if (load.data === undefined) return load.error ? failure(load) : html`<p role="status">${T.loading}</p>`;
	return [load.error && failure(load), show(load.data)];
}

// `columns`: [name, what a row has there, whether at the end]; the first heads its row.
export const table = (caption, rows, id, columns) => html`<div class="scroll">
	<table>
		<caption>${caption}</caption>
		<thead>
			<tr>${columns.map(([name, , end]) => html`<th scope="col" class=${end && "end"}>${name}</th>`)}</tr>
		</thead>
		<tbody>
			${rows.map((row) => html`<tr key=${id(row)}>
				${columns.map(([name, cell, end], place) => place
					? html`<td class=${end && "end"} data-name=${name}>${cell(row)}</td>`
					: html`<th scope="row">${cell(row)}</th>`)}
			</tr>`)}
		</tbody>
	</table>
</div>`;

const PAGE = 50;
export function Pages({ path, show, none }) {
	const [many, set] = useState(PAGE);
	const load = useLoad(path, () => pages(path, many));
	const grow = () => (set(many + PAGE), load.reload());
	return panel(load, ({ value, more }) => [value.length ? show(value) : empty(none), more && button(T.more, grow)]);
}

const SEVERE = ["bad", "busy", "unknown", "calm", "ok"];

// The statuses that there are, the worst first, to filter by.
export function statusChips(all, value) {
	const found = [...Map.groupBy(all, (one) => one.status)].map(([one, some]) => [one, statusWord(one), some.length]);
	found.sort(([a], [b]) => SEVERE.indexOf(tone(a)) - SEVERE.indexOf(tone(b)));
	return chips(T.filter, value, [["", T.all, all.length], ...found], (status) => change({ status }));
}

// `options`: [value, text, how many].
export const chips = (label, value = "", options, choose) => html`<div class="chips" role="group" aria-label=${label}>
	${options.map(([one, text, many]) => html`<button key=${one} class="chip" aria-pressed=${value === one} onClick=${() => choose(one)}>
		${text}${many !== undefined && html` <span class="many">${many}</span>`}
	</button>`)}
</div>`;

export const facts = (all) => html`<dl>
	${all.map(([name, value]) => (value ?? false) !== false && html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;

// A way: its known steps [name, when, what else], and how long each took.
export const way = (all) => {
	const steps = all.filter(([, at]) => at);
	return html`<ol class="way">
		${steps.map(([name, at, ...more], place) => html`<li><span>${name}</span> ${when(at)}${small(place > 0 && `+${between(steps[place - 1][1], at)}`, ...more)}</li>`)}
	</ol>`;
};

export const json = (label, value) => html`<pre tabindex="0" role="region" aria-label=${label}>${typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>`;

export function copyable(label, text) {
	const copy = () => navigator.clipboard.writeText(text).then(() => say(T.copied(label)), (error) => say(error.message));
	return html`<div class="copy" key=${label}><span>${label}</span>${button(T.copy, copy, "small", T.copyOf(label))}${json(label, text)}</div>`;
}

export const field = (label, input, hint) => html`<label class="field"><span>${label}</span>${input}${small(hint)}</label>`;
export const select = (name, value, options, onChange) => html`<select name=${name} onChange=${onChange}>
	${options.map(([one, text]) => html`<option value=${one} selected=${one === value}>${text}</option>`)}
</select>`;

export const timeField = (label, name, value) =>
	field(label, html`<input type="datetime-local" value=${value && local(value)} onInput=${({ target }) => change({ [name]: instant(target.value) })} />`);

export const selectField = (label, name, value = "", options) =>
	field(label, select(name, value, [["", T.all], ...options], ({ target }) => change({ [name]: target.value })));

export const textField = (label, name, value) =>
	field(label, html`<input type="search" value=${value} onInput=${({ target }) => change({ [name]: target.value })} />`);

// One dialog at a time; who opened it gets the focus back.
export function Dialogs() {
	const open = useStore(dialog);
	useEffect(() => () => dialog.set(null), []);
	return open && html`<${Dialog} key=${open.title} ...${open} />`;
}

// Asks before it acts; `act` gives what to say when it is done.
export const ask = (title, question) => dialog.set({ title, ...question });

function Dialog({ title, text, fields, confirm = title, danger, act }) {
	const it = useRef();
	const [{ error, busy }, set] = useState({});
	useLayoutEffect(() => {
		const before = document.activeElement;
		it.current.showModal();
		return () => before.focus();
	}, []);
	const close = () => dialog.set(null);
	const submit = async (event) => {
		event.preventDefault();
		set({ busy: T.working });
		try {
			const said = await act(Object.fromEntries(new FormData(event.target)), (busy) => set({ busy }));
			close();
			say(said);
			refresh();
		} catch (error) {
			set({ error });
		}
	};
	return html`<dialog ref=${it} aria-labelledby="dialog-title" onClose=${close}>
		<form onSubmit=${submit}>
			<h2 id="dialog-title">${title}</h2>
			${text && html`<p>${text}</p>`}
			${fields}
			${error && failure({ error })}
			<div class="buttons">
				<span role="status">${busy}</span>
				<button type="button" onClick=${close}>${T.cancel}</button>
				<button class=${danger ? "danger" : "main"} disabled=${busy}>${confirm}</button>
			</div>
		</form>
	</dialog>`;
}

// One menu for all rows, beside what was pressed.
const menu = store(null);
export const menuButton = (text, label, items) => html`<button
	class="opens"
	aria-haspopup="true"
	aria-label=${label}
	onClick=${({ currentTarget }) => menu.set({ anchor: currentTarget, items: items() })}
>${text} <span aria-hidden="true">▾</span></button>`;

export function Menus() {
	const open = useStore(menu);
	const it = useRef();
	useEffect(() => () => menu.set(null), []);
	useLayoutEffect(() => {
		if (!open) return;
		const { bottom, right } = open.anchor.getBoundingClientRect();
		const list = it.current;
		list.showPopover();
		list.style.left = `${Math.max(4, right - list.offsetWidth)}px`;
		list.style.top = `${Math.max(4, Math.min(bottom + 2, innerHeight - list.offsetHeight - 4))}px`;
		list.querySelector("a, button").focus();
	}, [open]);
	const choose = (act) => () => {
		it.current.hidePopover();
		open.anchor.focus();
		act?.();
	};
	return html`<ul ref=${it} popover="auto" class="menu">
		${open?.items.map(({ text, to, act }) => html`<li key=${text}>
			${to ? html`<a href=${to} onClick=${choose()}>${text}</a>` : button(text, choose(act))}
		</li>`)}
	</ul>`;
}

// What a row needs beside its list, once it is seen, a few at a time.
const waiting = [];
let asking = 0;
function next() {
	if (asking >= 4 || !waiting.length) return;
	asking += 1;
	const [path, show] = waiting.shift();
	get(path).then(show, () => show(null)).finally(() => ((asking -= 1), next()));
}

export const lazy = (path, show) => html`<${Lazy} ...${{ path, show }} />`;

function Lazy({ path, show }) {
	const place = useRef();
	const [value, set] = useState();
	const now = useStore(tick);
	useEffect(() => {
		const seen = new IntersectionObserver(([{ isIntersecting }]) => {
			if (!isIntersecting) return;
			seen.disconnect();
			waiting.push([path, set]);
			next();
		});
		seen.observe(place.current);
		return () => seen.disconnect();
	}, [path, now]);
	return html`<span ref=${place}>${value === undefined ? "…" : value === null ? "–" : show(value)}</span>`;
}
