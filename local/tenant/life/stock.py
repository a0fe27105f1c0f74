"""Contoso's tables: unified customers, their activities, the web shop's orders as ingested, and a measure's rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from local.tenant.model import Instance
from local.tenant.records import DataSource, Measure
from local.tenant.tables import BOOLEAN, DATE_TIME, DECIMAL, GUID, INTEGER, STRING, Row
from local.tenant.workflow import derived_id

CUSTOMERS = 120
_FIRST_NAMES = ("Ana", "Björn", "Chiara", "Dana", "Émile", "Fatima", "Grace", "Hiro")
_LAST_NAMES = ("O'Neill", "García", "Novák", "Smith", "Østergaard")
_CITIES = (("Dublin", "Ireland"), ("Madrid", "Spain"), ("Brno", "Czechia"), ("Leeds", "United Kingdom"))


def add_tables(instance: Instance, shop: DataSource, by_country: Measure, at: datetime) -> None:
    """Add the tables as the unification that ended at `at` left them."""
    customers = [_customer(number, at) for number in range(CUSTOMERS)]
    activities = [_activity(customers[number // 3], number, at) for number in range(CUSTOMERS * 3)]
    instance.add_table(
        "Customer",
        {
            "CustomerId": STRING,
            "FirstName": STRING,
            "LastName": STRING,
            "Email": STRING,
            "City": STRING,
            "Country": STRING,
            "LoyaltyPoints": INTEGER,
            "LifetimeValue": DECIMAL,
            "IsSubscribed": BOOLEAN,
            "CreatedOn": DATE_TIME,
        },
        customers,
        entity_type="profile",
        expands={"UnifiedActivity": "CustomerId"},
        partitions=2,
        at=at,
    )
    instance.add_table(
        "UnifiedActivity",
        {
            "ActivityId": STRING,
            "CustomerId": STRING,
            "ActivityType": STRING,
            "ActivityTime": DATE_TIME,
            "Title": STRING,
            "Amount": DECIMAL,
        },
        activities,
        entity_type="unifiedActivity",
        partitions=3,
        at=at,
    )
    instance.add_table(
        "WebOrders",
        {"OrderId": GUID, "Email": STRING, "OrderedOn": DATE_TIME, "Note": STRING, "Total": DECIMAL},
        [_order(customers[number], number, at) for number in range(CUSTOMERS // 2)],
        source=shop,
        at=at,
    )
    instance.add_table(
        by_country.name,
        {"Country": STRING, by_country.alias: DECIMAL},
        [{"Country": country, by_country.alias: sum_} for country, sum_ in _revenue(customers, activities).items()],
        entity_type="aggregateKpi",
        at=at,
    )


def _customer(number: int, at: datetime) -> Row:
    first, last = _FIRST_NAMES[number % len(_FIRST_NAMES)], _LAST_NAMES[number % len(_LAST_NAMES)]
    city, country = _CITIES[number % len(_CITIES)]
    return {
        "CustomerId": f"C-{number:05}",
        "FirstName": first,
        "LastName": last,
        "Email": None if number % 10 == 9 else f"customer{number}@example.com",  # noqa: PLR2004 - one in ten has none
        "City": city,
        "Country": country,
        "LoyaltyPoints": number * 37 % 2_000,
        "LifetimeValue": Decimal(number * 1_999) / 100,
        "IsSubscribed": number % 3 == 0,
        "CreatedOn": at - timedelta(days=30 + number),
    }


def _activity(customer: Row, number: int, at: datetime) -> Row:
    purchase = number % 3 != 0
    return {
        "ActivityId": f"A-{number:06}",
        "CustomerId": customer["CustomerId"],
        "ActivityType": "Purchase" if purchase else "SupportCase",
        "ActivityTime": at - timedelta(hours=number),
        "Title": f"Order {number}" if purchase else f"Case {number}: delivery, late",
        "Amount": Decimal(1_500 + number) / 100 if purchase else None,
    }


def _revenue(customers: Iterable[Row], activities: Iterable[Row]) -> Mapping[str, Decimal]:
    """What the customers of each country have paid."""
    countries = {customer["CustomerId"]: str(customer["Country"]) for customer in customers}
    revenue = dict.fromkeys(countries.values(), Decimal())
    for activity in activities:
        if isinstance(amount := activity["Amount"], Decimal):
            revenue[countries[activity["CustomerId"]]] += amount
    return revenue


def _order(customer: Row, number: int, at: datetime) -> Row:
    return {
        "OrderId": UUID(derived_id("order", number)),
        "Email": customer["Email"],
        "OrderedOn": at - timedelta(days=number),
        "Note": 'Please ring twice,\nand ask for "Bob".' if number % 7 == 0 else "",
        "Total": Decimal(2_000 + number * 5) / 100,
    }
