// The frame: who may enter, which environment, how the bridge is, and the screen that the address names.
import { enter, entered, get, leave } from "./api.js";
import { Bridge, Search } from "./bridge.js";
import { Create } from "./create.js";
import { Event, Events } from "./events.js";
import { Delivery, Flow, Flows } from "./flows.js";
import { count, relative, utc } from "./format.js";
import { Letter, Letters } from "./letters.js";
import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./preact.js";
import { Job, Status } from "./status.js";
import { go, href, notice, paused, refresh, route, useLoad, useStore } from "./store.js";
import { T } from "./texts.js";
import { button, Dialogs, empty, failure, field, h1, link, Menus, select } from "./ui.js";

// By the first segment of the address, and how many follow.
const SCREENS = {
	status: [Status],
	flows: [Flows, Flow, Delivery],
	letters: [Letters, Letter],
	events: [Events, Event],
	bridge: [Bridge],
	create: [Create],
	jobs: [, Job],
	search: [Search],
};
const NAV = ["status", "flows", "letters", "events", "bridge"];

const App = () => html`<${useStore(entered).open ? Frame : Enter} />`;

function Enter() {
	const key = useRef();
	useEffect(() => {
		document.title = T.title;
		key.current.focus();
	}, []);
	const submit = (event) => {
		event.preventDefault();
		const { key, token, keep } = Object.fromEntries(new FormData(event.target));
		event.target.reset();
		enter({ key: key.trim(), token: token.trim() }, keep);
	};
	const { why } = useStore(entered);
	const secret = { type: "password", autocomplete: "off" };
	return html`<main class="enter">
		<form onSubmit=${submit}>
			<h1><img src="icon.svg" alt="" />${T.title}</h1>
			<p>${T.intro}</p>
			${why && html`<p class="failure" role="alert">${why}</p>`}
			${field(T.key, html`<input ref=${key} name="key" required ...${secret} />`, T.keyHint)}
			<details><summary>${T.signIn}</summary>${field(T.token, html`<input name="token" ...${secret} />`, T.tokenHint)}</details>
			<label class="check"><input type="checkbox" name="keep" /> ${T.keep}</label>
			<button class="main">${T.open}</button>
		</form>
	</main>`;
}

function Frame() {
	const load = useLoad("status", () => get("status"));
	const { path, params } = useStore(route);
	const said = useStore(notice);
	useStore(utc);
	const main = useRef();
	const instances = (load.data?.instances ?? []).filter((one) => one.instanceId !== "*");
	const instance = params.instance ?? instances[0]?.instanceId;
	useEffect(() => {
		document.title = `${path[0] in SCREENS ? T[path[0]] : T.lost} · ${T.title}`;
		main.current.focus();
		scrollTo(0, 0);
	}, [path.join("/")]);
	const find = (event) => {
		event.preventDefault();
		go(["search"], { q: new FormData(event.target).get("q").trim() });
	};
	const skip = (event) => (event.preventDefault(), main.current.focus());
	return html`
		<a class="skip" href="#main" onClick=${skip}>${T.skip}</a>
		<header>
			<a class="brand" href=${href(["status"])}><img src="icon.svg" alt="" />${T.title}</a>
			${field(T.environment, select("instance", instance, instances.map((one) => [one.instanceId, one.name ?? one.instanceId]), ({ target }) => go(["status"], { instance: target.value })))}
			<form role="search" onSubmit=${find}><input type="search" name="q" required aria-label=${T.search} placeholder=${T.searchHint} /></form>
			${button(T.leave, () => leave(), "quiet")}
		</header>
		<nav>
			${NAV.map((name) => html`<a href=${href([name])} aria-current=${path[0] === name && "page"}>${T[name]}</a>`)}
		</nav>
		<${Truth} ...${load} />
		<main id="main" tabindex="-1" ref=${main}>
			<${Screen} key=${path.join("/")} ...${{ path, params, instance, load }} />
		</main>
		<div class="notice" role="status">${said}</div>
		<${Menus} /><${Dialogs} />`;
}

function Screen({ path: [name, ...ids], params, instance, load }) {
	const [error, reload] = useErrorBoundary();
	const View = SCREENS[name]?.[ids.length];
	if (error) return failure({ error, reload });
	if (!View) return empty(h1(T.lost), link(T.home, ["status"]));
	const nameOf = (id) => load.data?.instances.find((one) => one.instanceId === id)?.name ?? id;
	return html`<${View} ...${{ ids, params, instance, nameOf, overview: load }} />`;
}

// One line that says how the bridge is; time goes on in it.
function Truth({ data, error }) {
	const [, again] = useState(0);
	const isPaused = useStore(paused);
	const isUtc = useStore(utc);
	useEffect(() => {
		const timer = setInterval(again, 5_000, Date.now);
		return () => clearInterval(timer);
	}, []);
	const toggle = (text, isOn, one) => html`<button class="quiet" aria-pressed=${isOn} onClick=${() => one.set(!isOn)}>${text}</button>`;
	return html`<section class="truth" aria-label=${T.bridge}>
		<p>${error ? link(error.message, ["bridge"], {}, "bad") : data ? sentence(data) : T.loading}</p>
		<div class="buttons">${toggle(T.utc, isUtc, utc)}${toggle(T.pauseRefresh, isPaused, paused)}${button(T.refresh, refresh, "quiet")}</div>
	</section>`;
}

function sentence({ instances, subscriptions, deadLetters, held, timers }) {
	const families = instances.flatMap((one) => one.families);
	const unwell = families.filter((one) => one.failingSince).length;
	const { failing, suspended, paused } = subscriptions;
	const flows = (text, status, kind) => link(text, ["flows"], { status, everywhere: 1 }, kind);
	const parts = [
		link(timers?.polledAt ? T.polled(relative(timers.polledAt)) : T.unpolled, ["bridge"]),
		unwell && link(T.unwell(unwell), ["bridge"], {}, "bad"),
		flows(T.failingFlows(failing), "failing", failing && "bad"),
		suspended && flows(T.suspendedFlows(suspended), "suspended", "bad"),
		paused && flows(T.pausedFlows(paused), "paused"),
		held.count && flows(T.held(count(held))),
		link(T.deadLetters(deadLetters.count, count(deadLetters)), ["letters"], {}, deadLetters.count && "bad"),
	];
	return parts.filter(Boolean).map((one, place) => [place > 0 && " · ", one]);
}

render(html`<${App} />`, document.getElementById("app"));
