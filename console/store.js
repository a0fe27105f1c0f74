// Shared state: values that tell who looks at them, the address, and the ticks of refreshing.
import { useEffect, useState } from "./preact.js";

export function store(value) {
	const watching = new Set();
	const one = {
		value,
		set(next) {
			one.value = next;
			for (const tell of watching) tell(next);
		},
		watch(tell) {
			watching.add(tell);
			return () => watching.delete(tell);
		},
	};
	return one;
}

export function useStore(one) {
	const [value, set] = useState(one.value);
	useEffect(() => {
		set(one.value);
		return one.watch(set);
	}, [one]);
	return value;
}

// The address: #/path/of/segments?parameters.
function read() {
	const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
	let segments = [""];
	try {
		segments = path.split("/").map(decodeURIComponent);
	} catch {
		// What cannot be decoded leads home.
	}
	return { path: segments[0] ? segments : ["status"], params: Object.fromEntries(new URLSearchParams(query)) };
}

export const route = store(read());
// A question belongs to where it was asked.
addEventListener("hashchange", () => (dialog.set(null), route.set(read())));

// The environment stays from link to link.
export function href(path, params) {
	const { instance } = route.value.params;
	const query = new URLSearchParams(Object.entries({ instance, ...params }).filter(([, value]) => value));
	const segments = path.map(encodeURIComponent).join("/");
	return query.size ? `#/${segments}?${query}` : `#/${segments}`;
}

export const go = (path, params) => (location.hash = href(path, params));

// Change parameters of this view; those without a value go.
export function change(params) {
	history.replaceState(null, "", href(route.value.path, { ...route.value.params, ...params }));
	route.set(read());
}

// All is loaded anew at each tick. Ticks rest while paused, hidden, or in a dialog.
const EVERY = 30_000;
export const paused = store(false);
export const dialog = store(null);
export const tick = store(0);
export const refresh = () => tick.set(tick.value + 1);

let last = Date.now();
tick.watch(() => (last = Date.now()));
setInterval(() => {
	if (!paused.value && !dialog.value && !document.hidden && Date.now() - last >= EVERY) refresh();
}, 1_000);

// What `load` gives, named by `key`. What was there stays until it is loaded anew.
export function useLoad(key, load, isStill) {
	const [state, set] = useState({});
	const [again, ask] = useState();
	const now = useStore(tick);
	useEffect(() => {
		let isWanted = Boolean(key);
		const show = (found) => isWanted && set((before) => ({ data: before.key === key ? before.data : undefined, key, ...found }));
		if (isWanted) load().then((data) => show({ data, error: undefined }), (error) => show({ error }));
		return () => (isWanted = false);
	}, [key, isStill ? 0 : now, again]);
	return { ...(state.key === key && state), reload: () => ask(Date.now()) };
}

// What happened, in the line that is read aloud.
export const notice = store("");
let fading;
export function say(text) {
	notice.set(text);
	clearTimeout(fading);
	fading = setTimeout(() => notice.set(""), 8_000);
}
