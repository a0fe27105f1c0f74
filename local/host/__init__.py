"""A small Functions host for developers: runs the app in a folder through Microsoft's own worker runtime.

Indexing, binding conversion and invocation are Microsoft's; what Azure does around them in .NET (routes, keys, timers,
queue polling, poison queues) is done here, as Azure does it, for HTTP, timer and queue triggers.

It is not Azure's host: there is no scaling, no `functionTimeout`, no retry policy, no output binding but the HTTP
answer, no identity-based storage connection. Where Azure Functions Core Tools are installed, `func start` runs the
same app. The product must never import it.

    configuration   host.json, local.settings.json, %SETTING%
    worker          the runtime: index the app, invoke a function
    routes, web     HTTP triggers
    timers          timer triggers
    queues          queue triggers
    admin           readiness, and running a timer at once
    keys, console   the function key, the log
    host            puts them together, from start to clean stop
"""
