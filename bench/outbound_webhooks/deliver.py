"""`python deliver.py DATABASE_URL RELAYS`: has django-outbound-webhooks deliver events, as its documentation has it.

It reads {"urls": [...], "events": [{...}]} as JSON from its input. Each URL becomes an endpoint for all events. Relays
are processes that deliver one at a time. It prints the seconds from when they begin to the last delivery that is
recorded. It runs in an environment of its own, where Django is.
"""

import base64
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import django
from django.conf import settings

EVENT = "bench.RefreshFailed"
POLL = 0.05  # seconds
BATCH = 1  # a relay that takes more at a time leaves others without work


def configure(url: str) -> None:
    """Set Django up."""
    database = urlsplit(url)
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": database.path[1:],
                "USER": database.username,
                "HOST": database.hostname,
                "PORT": database.port,
            }
        },
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django_domain_events",
            "django_outbound_webhooks",
        ],
        USE_TZ=True,
        # Loopback is not permitted otherwise.
        DJANGO_OUTBOUND_WEBHOOKS={"ALLOW_PRIVATE_ADDRESSES": True, "CLOUDEVENTS_SOURCE": "/customer-insights"},
    )
    django.setup()


def begin(number: int) -> int:
    """Begin a relay, which goes on until it is asked to stop; gives its process id."""
    child = os.fork()
    if child:
        return child
    from django_domain_events.delivery.run_relay import run_relay

    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    try:
        run_relay(worker_id=f"relay {number}", stop=lambda: bool(stopping), batch_size=BATCH)
    finally:
        os._exit(0)


def fired(urls: Iterable[str], events: Iterable[Mapping[str, object]]) -> int:
    """Register endpoints and fire events; gives how many deliveries are owed then."""
    from django.core.management import call_command
    from django.db import transaction
    from django_domain_events import event, fire
    from django_domain_events.models.delivery_record import DeliveryRecord
    from django_outbound_webhooks import register_endpoint

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)  # what an earlier turn has left

    @event(name=EVENT)
    @dataclass(frozen=True, slots=True)
    class RefreshFailed:
        data: str

    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    for url in urls:
        register_endpoint(name=url[-1], url=url, secret=secret, event_names=[EVENT], format_name="cloudevents")
    for one in events:
        with transaction.atomic():
            fire(RefreshFailed(json.dumps(one)))
    return int(DeliveryRecord.objects.count())


def main(url: str, relays: int) -> None:
    """Deliver what the input says."""
    configure(url)
    from django.db import connections
    from django_domain_events.models.delivery_record import DeliveryRecord

    owed = fired(**json.load(sys.stdin))
    connections.close_all()  # no relay may share one
    begun = time.perf_counter()
    children = [begin(number) for number in range(relays)]
    while DeliveryRecord.objects.filter(succeeded_at__isnull=False).count() < owed:
        time.sleep(POLL)
    print(f"took {time.perf_counter() - begun}", flush=True)
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
