// What all screens are made of: links, states, tables, fields, dialogs, menus.
import { get } from "./api.js";
import { exact, relative, statusWord, tone } from "./format.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { dialog, href, refresh, say, store, tick, useStore } from "./store.js";
import { T } from "./texts.js";

const ICONS = { ok: "✓", bad: "✕", busy: "◔", calm: "–", unknown: "?", warn: "!" };

export const tag = (tone, text) => html`<span class="tag ${tone}"><span aria-hidden="true">${ICONS[tone]}</span>${text}</span>`;
export const status = (value) => tag(tone(value), statusWord(value));
export const link = (text, path, params, kind) => html`<a class=${kind} href=${href(path, params)}>${text}</a>`;
export const back = (text, path, params) => html`<p>${link(["← ", text], path, params)}</p>`;
export const outside = (text, address) => html`<a href=${address} rel="noreferrer noopener" target="_blank">${text}</a>`;
export const button = (text, onClick, kind, label) => html`<button class=${kind} aria-label=${label} onClick=${onClick}>${text}</button>`;
export const ago = (at) => (at ? html`<time datetime=${at} title=${exact(at)}>${relative(at)}</time>` : "–");
export const when = (at) => (at ? html`<time datetime=${at} title=${relative(at)}>${exact(at)}</time>` : "–");
export const small = (...texts) => texts.some(Boolean) && html` <small>${texts.filter(Boolean).join(" · ")}</small>`;
export const code = (text) => html`<code>${text}</code>`;
export const empty = (...what) => html`<div class="empty">${what}</div>`;

export const failure = ({ error, reload }) => html`<div class="failure" role="alert">
	<p>${tag("bad", T.wrong)} ${error.message}</p>
	${error.status === 503 && html`<p>${T.doctor} ${code("make doctor")}</p>`}
	${reload && button(T.again, reload)}
</div>`;

// The three states of what is loaded; what was there stays while it cannot be loaded anew.
export function panel(load, show) {
	if (load.data === undefined) return load.error ? failure(load) : html`<p class="loading" role="status">${T.loading}</p>`;
	return [load.error && failure(load), show(load.data)];
}

// `columns`: [name, what a row has there, whether it stands at the end]; the first one heads its row.
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

// `options`: [value, text, how many].
export const chips = (label, value = "", options, choose) => html`<div class="chips" role="group" aria-label=${label}>
	${options.map(([one, text, many]) => html`<button key=${one} class="chip" aria-pressed=${value === one} onClick=${() => choose(one)}>
		${text}${many !== undefined && html` <span class="many">${many}</span>`}
	</button>`)}
</div>`;

export const facts = (all) => html`<dl>
	${all.map(([name, value]) => value !== undefined && value !== false && html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;

const shown = (label, text, ref) => html`<pre tabindex="0" role="region" aria-label=${label}><code ref=${ref}>${text}</code></pre>`;
export const json = (label, value) => shown(label, typeof value === "string" ? value : JSON.stringify(value, null, 2));

export function Copy({ label, text }) {
	const value = useRef();
	const select = () => (getSelection().selectAllChildren(value.current), say(T.copyByHand));
	const copy = () => navigator.clipboard.writeText(text).then(() => say(T.copied(label)), select);
	return html`<div class="copy"><span>${label}</span>${button(T.copy, copy, "small", T.copyOf(label))}${shown(label, text, value)}</div>`;
}

export const field = (label, input, hint) => html`<label class="field"><span>${label}</span>${input}${small(hint)}</label>`;
export const select = (name, value, options, onChange) => html`<select name=${name} value=${value} onChange=${onChange}>
	${options.map(([one, text]) => html`<option value=${one}>${text}</option>`)}
</select>`;

// One dialog at a time, above everything; who opened it gets the focus back.
export function Dialogs() {
	const open = useStore(dialog);
	return open && html`<${Dialog} key=${open.title} ...${open} />`;
}

// Asks before it acts. `text`: what will happen; `fields`: what to fill in; `act` gives what to say when it is done.
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
				<button class=${danger ? "danger" : "main"} disabled=${Boolean(busy)}>${confirm}</button>
			</div>
		</form>
	</dialog>`;
}

// One menu for all rows: links and buttons that open beside what was pressed.
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
	const move = (event) => {
		const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
		if (!step) return;
		event.preventDefault();
		const all = [...it.current.querySelectorAll("a, button")];
		all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
	};
	return html`<ul ref=${it} popover="auto" class="menu" onKeyDown=${move}>
		${open?.items.map(({ text, to, act }) => html`<li key=${text}>
			${to ? html`<a href=${to} onClick=${choose()}>${text}</a>` : button(text, choose(act))}
		</li>`)}
	</ul>`;
}

// What a row needs beside its list, asked for once the row is seen, a few at a time.
const waiting = [];
let asking = 0;
function next() {
	if (asking >= 4 || !waiting.length) return;
	asking += 1;
	const [path, show] = waiting.shift();
	get(path).then(show, () => show(null)).finally(() => ((asking -= 1), next()));
}

export function Lazy({ path, show }) {
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
