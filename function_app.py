"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from triggers import health, polling, queues, subscriptions

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (polling, queues, subscriptions, health):
    app.register_functions(module.blueprint)
