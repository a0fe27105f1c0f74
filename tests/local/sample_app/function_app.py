"""A function app that shows what it is given, for the tests of the local host."""

# ruff: noqa: INP001 - the folder of a function app is no package

import asyncio
import json
import logging
import os
import pathlib
import sys

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def note(name: str, **facts: object) -> None:
    """Append a fact to the journal that the tests read."""
    with pathlib.Path(os.environ["JOURNAL"]).open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"name": name, **facts}) + "\n")


@app.route("things/{name}", methods=["GET", "POST"])
def thing(req: func.HttpRequest) -> func.HttpResponse:
    facts = {
        "function": "thing",
        "url": req.url,
        "route": dict(req.route_params),
        "params": dict(req.params),
        "header": req.headers.get("X-Twice"),
        "body": req.get_body().decode(),
        "last_import_path": sys.path[-1],
    }
    return func.HttpResponse(
        json.dumps(facts), status_code=201, mimetype="application/json", headers={"Set-Cookie": "a=b; Path=/"}
    )


@app.route("things/all", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def all_things(req: func.HttpRequest) -> str:  # noqa: ARG001 - the binding needs its parameter
    logging.getLogger("sample").info("all things listed")
    return "all"


@app.route("broken", auth_level=func.AuthLevel.ANONYMOUS)
async def broken(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the binding needs its parameter
    raise RuntimeError("broken on purpose")


@app.route("slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> str:  # noqa: ARG001 - the binding needs its parameter
    note("slow started")
    await asyncio.sleep(0.5)
    return "slow"


@app.queue_trigger("msg", queue_name="work", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    note("work", id=msg.id, body=body, dequeue_count=msg.dequeue_count)
    if "fail" in body:
        raise RuntimeError("failed on purpose")
    if "slow" in body:
        await asyncio.sleep(60)


@app.queue_trigger("msg", queue_name="work-poison", connection="AzureWebJobsStorage")
def work_poison(msg: func.QueueMessage) -> None:
    note("work_poison", body=msg.get_body().decode())
    raise RuntimeError("failed on purpose")


@app.timer_trigger("timer", schedule="%EVERY_SECOND%")
async def every_second(timer: func.TimerRequest) -> None:
    note("every_second", past_due=timer.past_due)


@app.timer_trigger("timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def new_year(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding needs its parameter
    note("new_year")
    if os.environ.get("NEW_YEAR_FAILS"):
        raise RuntimeError("failed on purpose")
