"""What happens in a simulated tenant: `contoso` to start from, `a_day` as a script, `live` as it comes."""

from local.tenant.life.day import EVENING, TOO_OLD, Step, a_day
from local.tenant.life.lively import Happening, LivelyTenant, live
from local.tenant.life.occurrences import Ended, Evaluated, Occurrence
from local.tenant.life.retailer import Contoso, contoso

__all__ = [
    "EVENING",
    "TOO_OLD",
    "Contoso",
    "Ended",
    "Evaluated",
    "Happening",
    "LivelyTenant",
    "Occurrence",
    "Step",
    "a_day",
    "contoso",
    "live",
]
