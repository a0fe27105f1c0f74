// Times, numbers and words as people read them.
import { store } from "./store.js";
import { T } from "./texts.js";

export const utc = store(false);

// By how many milliseconds this machine's clock is before the bridge's.
export const clock = { ahead: 0 };
export const now = () => Date.now() - clock.ahead;

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const STYLE = { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" };
const LOCAL = new Intl.DateTimeFormat("en", STYLE);
const UTC = new Intl.DateTimeFormat("en", { ...STYLE, timeZone: "UTC" });
const UNITS = { day: 86_400, hour: 3_600, minute: 60, second: 1 };

export const exact = (at) => (utc.value ? `${UTC.format(new Date(at))} UTC` : LOCAL.format(new Date(at)));
export const number = (value) => NUMBER.format(value);
export const count = ({ count: many, more }) => `${number(many)}${more ? "+" : ""}`;

export function relative(at) {
	const seconds = (new Date(at) - now()) / 1000;
	const [unit, size] = Object.entries(UNITS).find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
	return RELATIVE.format(Math.trunc(seconds / size), unit);
}

export function duration(seconds) {
	if (seconds < 60) return `${number(seconds < 10 ? seconds : Math.round(seconds))} s`;
	const minutes = Math.floor(seconds / 60);
	return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
// Clocks differ: what comes first cannot come later.
export const between = (from, to) => duration(Math.max(0, new Date(to) - new Date(from)) / 1000);

// A time as the field for one has it, in the zone that is shown; and back.
export function local(at) {
	const here = new Date(at);
	return new Date(here - (utc.value ? 0 : here.getTimezoneOffset() * 60_000)).toISOString().slice(0, 16);
}
export const instant = (text) => (text ? new Date(utc.value ? `${text}Z` : text).toISOString() : "");

// A name of the API in words: data-source-refresh-failed, dataSources, CustomerInsights.DataSource.RefreshFailed.
export function words(name = "") {
	const text = name.replace(/^CustomerInsights\./, "").replace(/[-_.]/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
	return text.charAt(0).toUpperCase() + text.slice(1);
}

export const titleOf = ({ data, type }) => data.summary ?? words(type);

const TONES = {
	ok: "successful succeeded active delivered updated completed",
	bad: "failed timedout dead suspended failing",
	busy: "running queued refreshing updating attempting waiting inprogress",
	calm: "skipped aborted canceled cancelled deleted paused held notstarted",
};
export const tone = (value) => Object.keys(TONES).find((one) => TONES[one].split(" ").includes(String(value).toLowerCase())) ?? "unknown";

// A value newer than this page stands as it came.
export function statusWord(value) {
	if (!value) return T.unknown;
	return T.statuses[value] ?? (tone(value) === "unknown" ? value : words(value));
}
