// Binds KQL queries to tables with Microsoft's own language service. In, as JSON: {tables: {name: schema}, queries:
// {name: text}}. Out: {name: [{severity, message, text}]}, empty for a query without any diagnostic.
"use strict";

const { readFileSync } = require("node:fs");

// The service was made for a page: its parts find each other in the window.
global.window = global;
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { GlobalState, KustoCode, Symbols } = Kusto.Language;

const asked = JSON.parse(readFileSync(0, "utf8"));
const tables = Object.entries(asked.tables).map(([name, schema]) => Symbols.TableSymbol.From(schema).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor1("workspace", tables));

const found = {};
for (const [name, text] of Object.entries(asked.queries)) {
  const diagnostics = KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics();
  found[name] = [];
  for (let index = 0; index < diagnostics.Count; index += 1) {
    const one = diagnostics.getItem(index);
    const text_ = text.substring(one.Start, one.Start + one.Length);
    found[name].push({ severity: one.Severity, message: one.Message, text: text_ });
  }
}
process.stdout.write(JSON.stringify(found));
