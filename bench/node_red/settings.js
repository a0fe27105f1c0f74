// Node-RED without its editor.
module.exports = {
  flowFile: "flows.json",
  userDir: __dirname,
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.PORT),
  httpAdminRoot: false,
  credentialSecret: false,
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: "info" } },
};
