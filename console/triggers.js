// What a flow can subscribe to, as the API describes it, and what it says to subscribe.
import { once } from "./api.js";
import { words } from "./format.js";
import { GROUPS } from "./status.js";

const SHARED = ["callbackUrl", "instanceId", "label", "signed"];
// The fields by which triggers name something that Customer Insights refreshes.
export const RESOURCES = GROUPS.map((one) => one.field).filter(Boolean);

// All triggers with their fields, and the address that the routes follow.
export async function catalog() {
	const [types, api] = await Promise.all([once("event-types"), once("openapi.json")]);
	return { triggers: types.value.map((one) => ({ ...one, fields: fieldsOf(api, one.trigger) })), server: api.servers[0].url };
}

function fieldsOf(api, slug) {
	const named = (schema) => (schema.$ref ? api.components.schemas[schema.$ref.split("/").at(-1)] : schema);
	const { content } = api.paths[`/triggers/${slug}/subscriptions`].post.requestBody;
	const { properties, required = [] } = named(content["application/json"].schema);
	const names = Object.keys(properties).filter((name) => !SHARED.includes(name));
	names.sort((a, b) => RESOURCES.includes(b) - RESOURCES.includes(a));
	return names.map((name) => {
		const property = properties[name];
		const schema = named(property.anyOf?.find((one) => one.type !== "null") ?? property);
		const { title = words(name), description, default: initial } = { ...schema, ...property };
		return { name, title, description, initial, options: schema.enum, type: schema.type, isRequired: required.includes(name) };
	});
}

// Whether a trigger fits a row: it can name it; where none can, it is about runs.
export function fits({ trigger, fields }, { group }) {
	if (!group) return true;
	const has = (name) => fields.some((one) => one.name === name);
	const { field } = GROUPS.find((one) => one.id === group) ?? {};
	if (field) return has(field);
	return has("outcome") && !RESOURCES.some(has) && (group === "unification" || !trigger.startsWith("unification"));
}

// What is filled in, as JSON; a default is left out.
export function valuesOf(fields, filled) {
	const given = fields.filter(({ name, initial }) => filled[name] && filled[name] !== String(initial));
	return Object.fromEntries(given.map(({ name, type }) => [name, type === "string" ? filled[name] : parsed(filled[name])]));
}

function parsed(text) {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

export const addressOf = (server, { trigger }, id) => `${server}/triggers/${trigger}/subscriptions/${id}`;

// A workflow of Logic Apps that subscribes. The key is a parameter without a value.
export function workflow({ trigger, title, type }, server, subscriptionId, body) {
	const { host, pathname } = new URL(server);
	const uri = addressOf(`https://@{parameters('bridgeHost')}${pathname}`, { trigger }, "@{encodeUriComponent(parameters('subscriptionId'))}");
	const key = { "x-functions-key": "@parameters('bridgeKey')" };
	const text = (defaultValue) => ({ type: "String", defaultValue });
	return {
		$schema: "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
		contentVersion: "1.0.0.0",
		parameters: { bridgeHost: text(host), bridgeKey: { type: "SecureString" }, subscriptionId: text(subscriptionId) },
		triggers: {
			[title.replace(/\W+/g, "_")]: {
				type: "HttpWebhook",
				inputs: {
					subscribe: { method: "PUT", uri, headers: { "Content-Type": "application/json", ...key }, body },
					unsubscribe: { method: "DELETE", uri, headers: key },
				},
				conditions: [{ expression: `@equals(triggerBody()?['type'], '${type}')` }],
				correlation: { clientTrackingId: "@{triggerBody()?['id']}" },
				runtimeConfiguration: { secureData: { properties: ["inputs"] } },
			},
		},
		actions: {},
		outputs: {},
	};
}
