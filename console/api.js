// The HTTP API, and the key to it. Nothing else calls it, and nothing else knows the key.
import { clock } from "./format.js";
import { store } from "./store.js";
import { T } from "./texts.js";

const ROOT = new URL("../", document.baseURI);
const PATIENCE = 60_000;
const UNUSED = 30 * 60_000;
const KEPT = "event-bridge-access";

let access = null;
let usedAt = 0;

// Whether there is a key, and why there is none any more.
export const entered = store({ open: false });

export class Problem extends Error {
	constructor(status, detail, fields = []) {
		super(detail);
		Object.assign(this, { status, fields });
	}
}

export function enter(given, keep) {
	access = given;
	usedAt = Date.now();
	if (keep) sessionStorage.setItem(KEPT, JSON.stringify(given));
	entered.set({ open: true });
}

export function leave(why) {
	access = null;
	sessionStorage.removeItem(KEPT);
	entered.set({ open: false, why });
}

const kept = sessionStorage.getItem(KEPT);
if (kept) enter(JSON.parse(kept));
for (const use of ["pointerdown", "keydown"]) addEventListener(use, () => (usedAt = Date.now()));
setInterval(() => access && Date.now() - usedAt > UNUSED && leave(T.unused), 15_000);

export async function call(method, path, body) {
	const by = access;
	const headers = { "x-functions-key": by?.key ?? "", "Content-Type": "application/json" };
	if (by?.token) headers.Authorization = `Bearer ${by.token}`;
	const options = { method, headers, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE) };
	if (body) options.body = JSON.stringify(body);
	const answer = await fetch(new URL(path, ROOT), options).catch(() => Promise.reject(new Problem(0, T.unreachable)));
	const at = Date.parse(answer.headers.get("Date"));
	if (at) clock.ahead = Date.now() - at;
	const { ok, status } = answer;
	// What stands before the bridge may answer in its place.
	const said = await answer.text().then((text) => text && JSON.parse(text)).catch(() => null);
	if (ok && said !== null) return said;
	// A late answer to a key that is gone says nothing of the next.
	if (status === 401 && by && by === access) leave(T.refused);
	throw new Problem(status, said?.detail ?? T.httpStatus(status), said?.errors);
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

// A path of segments that may hold anything, and the parameters that have a value.
export function at(segments, params = {}) {
	const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value));
	const path = segments.map(encodeURIComponent).join("/");
	return query.size ? `${path}?${query}` : path;
}

// A list up to so many items, and whether there are more. Whatever host a next link names, the bridge is here.
export async function pages(path, most) {
	const value = [];
	let next = path;
	while (next && value.length < most) {
		const page = await get(next);
		value.push(...page.value);
		next = page.nextLink && path.split("?")[0] + new URL(page.nextLink).search;
	}
	return { value, more: Boolean(next) };
}

// What does not change while the bridge runs is asked for once.
const asked = new Map();
export function once(path) {
	if (!asked.has(path)) asked.set(path, get(path).catch((error) => (asked.delete(path), Promise.reject(error))));
	return asked.get(path);
}

// Many items, a few at a time: how many went well, and the first error.
export async function each(items, act, progress) {
	const left = [...items];
	let done = 0;
	let error;
	const work = async () => {
		while (left.length) {
			await act(left.shift()).then(() => progress(++done), (failed) => (error ??= failed));
		}
	};
	await Promise.all([work(), work(), work(), work()]);
	return { done, error };
}
