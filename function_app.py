"""The function app: registers the blueprints, nothing else."""

import azure.functions as func

from triggers import (
    actions,
    catalog,
    console,
    dead_letters,
    deliveries,
    description,
    editing,
    events,
    health,
    items,
    polling,
    queues,
    status,
    subscriptions,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

FUNCTIONS = (polling, queues)
ROUTES = (
    subscriptions,
    editing,
    deliveries,
    events,
    dead_letters,
    status,
    catalog,
    items,
    actions,
    description,
    health,
    console,
)

for module in (*FUNCTIONS, *ROUTES):
    app.register_functions(module.blueprint)
