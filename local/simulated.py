"""The settings with which the app polls a simulated tenant."""

import secrets
from dataclasses import dataclass, field

from aiohttp import web

from local.tenant.api import TenantApi
from local.tenant.model import Tenant


@dataclass(frozen=True, slots=True)
class Access:
    """A made-up key and token for a simulated tenant."""

    key: str = field(default_factory=secrets.token_hex)
    token: str = field(default_factory=secrets.token_urlsafe)

    def app(self, tenant: Tenant) -> web.Application:
        """Make the tenant's API, which asks for both."""
        return TenantApi(tenant, token=self.token, key=self.key).app()

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings; they hide those of a real tenant that a settings file may hold."""
        return {
            "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": self.key,
            "CUSTOMER_INSIGHTS_ACCESS_TOKEN": self.token,
            "CUSTOMER_INSIGHTS_INSTANCES": "*",
            "CUSTOMER_INSIGHTS_WORKFLOW": "main",
        }
