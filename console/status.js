// All that Customer Insights refreshes, and the jobs that do it.
import { at, get, once, post } from "./api.js";
import { between, duration, now, statusWord, tone, words } from "./format.js";
import { html } from "./preact.js";
import { go, href, useLoad } from "./store.js";
import { T } from "./texts.js";
import { ago, ask, back, button, code, empty, facts, h1, link, menuButton, panel, small, status, statusChips, table, when } from "./ui.js";

// The id of a group is the scope of its refresh, where there is one; `field` is how a trigger names a member.
export const GROUPS = [
	{ id: "dataSources", operations: ["ingestion"], field: "dataSourceId" },
	{ id: "unification", operations: ["map", "match", "merge"] },
	{ id: "segments", operations: ["segmentation"], field: "segmentName" },
	{ id: "measures", operations: ["measures", "entitymeasures", "attributemeasures"], field: "measureName" },
	{ id: "exports", operations: ["export"], field: "exportId" },
	{ id: "dataverseSync", operations: ["dataversehydration"], isFixed: true },
	{ id: "other", operations: [], isFixed: true },
];
export const groupOf = (operation) => GROUPS.find((one) => one.operations.includes(operation?.toLowerCase())) ?? GROUPS.at(-1);
export const nameOf = (node) => node.name ?? node.identifier ?? words(node.operationType);

// All there is in an environment, for names: asked for once.
export function useNodes(instance) {
	const path = at(["instances", instance, "status"]);
	return useLoad(instance && instance !== "*" && path, () => once(path), true).data?.value ?? [];
}

export function Status({ instance, params: { status: filter }, overview, nameOf: named }) {
	const load = useLoad(instance, () => get(at(["instances", instance, "status"])));
	const title = h1(T.status, small(instance && named(instance)));
	if (!instance) return [title, panel(overview, () => empty(T.noEnvironment))];
	return [title, panel(load, ({ value }) => (value.length ? nodes(value, instance, filter) : empty(T.nothingRefreshed)))];
}

function nodes(all, instance, filter) {
	const shown = all.filter((node) => !filter || node.status === filter);
	return [
		statusChips(all, filter),
		!shown.length && empty(T.nothingShown),
		byGroup(shown, (id, some) => {
			const failed = some.filter((node) => tone(node.status) === "bad").length;
			return html`<h2>${T.groups[id]} <span class="many">${some.length}</span>${failed > 0 && html` <span class="many bad">${T.failed(failed)}</span>`}</h2>
				${nodeTable(T.groups[id], some, instance)}`;
		}),
	];
}

const byGroup = (all, show) => {
	const groups = Map.groupBy(all, (one) => groupOf(one.operationType).id);
	return GROUPS.filter(({ id }) => groups.has(id)).map(({ id }) => html`<section key=${id}>${show(id, groups.get(id))}</section>`);
};

export const nodeTable = (caption, some, instance) => table(caption, some, (node) => `${node.operationType} ${node.identifier} ${node.name}`, [
	[T.name, (node) => progress(node, nameOf(node))],
	[T.status, (node) => progress(node, status(node.status), "plain")],
	[T.refreshed, (node) => ago(node.completedAt)],
	[T.duration, (node) => (node.durationSeconds === undefined ? "–" : duration(node.durationSeconds)), true],
	[T.flows, watching],
	[T.actions, (node) => menuButton(T.flows, T.flowsOf(nameOf(node)), () => items(node, instance)), true],
]);

const progress = (node, text, kind) =>
	link(text, ["jobs", node.jobIds[0] ?? "-"], { operation: node.operationType, of: node.identifier ?? node.name }, kind);

function watching(node) {
	const { subscriptions } = node;
	if (!subscriptions) return "–";
	const some = Object.entries(subscriptions).filter(([, many]) => many);
	const text = some.map(([one, many]) => `${many} ${statusWord(one).toLowerCase()}`).join(", ") || T.none;
	return html`<a href=${mine(node)} class=${(subscriptions.failing || subscriptions.suspended) && "bad"}>${text}</a>`;
}

const mine = (node) => href(["flows"], { field: groupOf(node.operationType).field, value: node.identifier, name: nameOf(node) });

function items(node, instance) {
	const { id, field, isFixed } = groupOf(node.operationType);
	const what = field ? { [field]: node.identifier } : { stage: id === "other" ? node.operationType : id };
	return [
		{ text: T.create, to: href(["create"], { group: id, name: nameOf(node), ...what }) },
		{ text: T.myFlows, to: mine(node) },
		...(isFixed ? [] : [{ text: T.refreshNow, act: () => refreshNow(node, instance) }]),
	];
}

function refreshNow(node, instance) {
	const { id: scope, field } = groupOf(node.operationType);
	const act = async () => {
		const job = await post(at(["instances", instance, "refresh"]), { scope, ...(field && { identifiers: [node.identifier] }) });
		go(["jobs", job.jobId]);
		return T.started;
	};
	ask(T.refreshNow, { text: T.refreshAsk(nameOf(node)), act });
}

export function Job({ ids: [id], instance, params: { operation, of } }) {
	const isKnown = id !== "-";
	const job = useLoad(isKnown && instance && id, () => get(at(["instances", instance, "jobs", id])));
	const all = useLoad(of && instance, () => get(at(["instances", instance, "status"])));
	const isIt = (one) => one.operationType === operation && (one.identifier ?? one.name) === of;
	return [
		back(T.status, ["status"]),
		h1(T.jobs, small(of && all.data && nameOf(all.data.value.find(isIt) ?? {}))),
		of && panel(all, ({ value }) => value.filter(isIt).map(nodeFacts)),
		isKnown ? panel(job, (found) => jobView(found, instance)) : empty(T.noJob),
	];
}

const nodeFacts = (node) => facts([
	[T.status, status(node.status)],
	[T.refreshed, when(node.completedAt)],
	[T.lastSuccess, when(node.lastSucceededAt)],
	[T.error, node.error && trouble(node.error)],
]);

const trouble = ({ code, message, culprit, severity }) => html`<span class="bad">${message ?? code}${small(message && code, culprit && T.culprit(culprit), severity)}</span>`;

function jobView(job, instance) {
	const act = () => post(at(["instances", instance, "jobs", job.jobId, "cancel"])).then(() => T.canceling);
	const cancel = () => ask(T.cancelJob, { text: T.cancelAsk, danger: true, act });
	return [
		facts([
			[T.job, words(job.operationType)],
			[T.status, status(job.status)],
			[T.startedBy, job.submissionKind && words(job.submissionKind)],
			[T.mode, job.mode && words(job.mode)],
			[T.submitted, when(job.submittedAt)],
			[T.completed, when(job.completedAt)],
			[T.duration, job.submittedAt && between(job.submittedAt, job.completedAt ?? now())],
			[T.id, code(job.jobId)],
		]),
		["busy", "unknown"].includes(tone(job.status)) && button(T.cancelJob, cancel, "danger"),
		!job.tasks?.length && empty(T.noTasks),
		byGroup(job.tasks ?? [], (id, tasks) => html`<h2>${T.groups[id]} <span class="many">${tasks.length}</span></h2>
			${table(T.groups[id], tasks, (task) => tasks.indexOf(task), [
				[T.name, (task) => task.name ?? words(task.operationType)],
				[T.status, (task) => status(task.status)],
				[T.completed, (task) => when(task.completedAt)],
				[T.error, (task) => (task.error ? trouble(task.error) : "–")],
			])}`),
	];
}
