"""Contoso, a retailer: a believable tenant to start from, with three nights behind it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from local.tenant.life.stock import add_tables
from local.tenant.model import Instance, Tenant
from local.tenant.records import Failure
from local.tenant.runs import Plan, run_full_refresh

NAME = "Contoso Retail"
NIGHTS = 3

SALES = "Sales (Dynamics 365)"
SHOP = "Web shop"
LOYALTY = "Loyalty programme"
STORES = "Stores and tills"
SUPPORT = "Support cases"

GOLD = "Gold_customers"
CHURN = "At_risk_of_churn"
NEWSLETTER = "Newsletter_readers"
LAPSED = "Lapsed_buyers"

REVENUE = "Revenue_today"
BASKET = "Average_basket"
OPEN_CASES = "Open_cases"
BY_COUNTRY = "Revenue_by_country"

GATEWAY_DOWN = Failure("IngestionGatewayUnreachable", "The on-premises data gateway did not answer.", "external")
_SOURCES = {
    SALES: ("dynamics365", ("Contacts", "Accounts", "Orders")),
    SHOP: ("powerQuery", ("WebCustomers", "WebOrders")),
    LOYALTY: ("attachCdm", ("Members", "Points")),
    STORES: ("attachSynapse", ("TillReceipts",)),
    SUPPORT: ("powerPlatform", ("Cases",)),
}
_COUNTS = {GOLD: 9_400, CHURN: 1_180, NEWSLETTER: 48_200, LAPSED: 6_350}
_VALUES = {REVENUE: Decimal("74150.20"), BASKET: Decimal("38.75"), OPEN_CASES: Decimal(41)}


@dataclass(frozen=True, slots=True)
class Contoso:
    """The tenant and its one instance."""

    tenant: Tenant
    instance: Instance


def contoso(now: datetime) -> Contoso:
    """Build Contoso as it stands at `now`: created a year ago, its latest night over, nothing under way."""
    tenant = Tenant()
    instance = tenant.add_instance(NAME, now - timedelta(days=365))
    first = now - timedelta(days=NIGHTS, hours=6)
    _add_data_sources(instance, first)
    _add_segments(instance, first)
    _add_measures(instance, first)
    for night in range(1, NIGHTS + 1):
        _pass_night(instance, first + timedelta(days=night), night)
    shop, by_country = instance.data_source(SHOP), instance.measures[BY_COUNTRY]
    add_tables(instance, shop, by_country, first + timedelta(days=NIGHTS))
    return Contoso(tenant, instance)


def _add_data_sources(instance: Instance, at: datetime) -> None:
    for friendly_name, (kind, tables) in _SOURCES.items():
        name = "".join(part for part in friendly_name.title() if part.isalnum())
        instance.add_data_source(name, at, friendly_name=friendly_name, kind=kind, entity_names=tables)


def _add_segments(instance: Instance, at: datetime) -> None:
    descriptions = {
        GOLD: "Loyalty members with more than 1,000 points.",
        CHURN: "Customers without an order for 90 days who ordered monthly before.",
        NEWSLETTER: "Customers who agreed to the newsletter.",
        LAPSED: "Customers without an order for a year.",
    }
    for name, description in descriptions.items():
        instance.add_segment(name, _COUNTS[name], at, description=description)


def _add_measures(instance: Instance, at: datetime) -> None:
    instance.add_measure(REVENUE, _VALUES[REVENUE], at, aggregate=("sum", "UnifiedActivity.Amount"))
    instance.add_measure(BASKET, _VALUES[BASKET], at, aggregate=("avg", "UnifiedActivity.Amount"))
    instance.add_measure(
        OPEN_CASES, _VALUES[OPEN_CASES], at, sql="SELECT COUNT(*) AS Open_cases FROM Cases WHERE Status = 'open'"
    )
    instance.add_measure(
        BY_COUNTRY, None, at, aggregate=("sum", "UnifiedActivity.Amount"), dimensions=("Customer.Country",)
    )


def _pass_night(instance: Instance, at: datetime, night: int) -> None:
    """Refresh everything; on the second night the shop's gateway is down at first."""
    if night == NIGHTS - 1:
        shop = instance.data_source(SHOP).id
        instance.refresh_data_source(shop, ok=False, at=at - timedelta(hours=2), error=GATEWAY_DOWN)
        instance.refresh_data_source(shop, ok=True, at=at - timedelta(hours=1), kind="onDemand")
    counts = {name: count + 20 * night for name, count in _COUNTS.items()}
    values = {name: value + night for name, value in _VALUES.items()}
    run_full_refresh(instance, at, Plan(counts=counts, values=values))
