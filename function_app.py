"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from triggers import actions, catalog, description, health, items, polling, queues, subscriptions

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (polling, queues, subscriptions, catalog, items, actions, description, health):
    app.register_functions(module.blueprint)
