"""A stand-in for Microsoft Entra: gives an app registration one token, which is never fresh enough to be kept."""

from aiohttp import web

HOST = "login.microsoftonline.com"


class Entra:
    """Serve `app`; `given` counts the tokens."""

    def __init__(self, *, tenant: str, client: str, secret: str, token: str) -> None:
        self.given = 0
        self._base = f"https://{HOST}/{tenant}"
        self._wanted = {"client_id": client, "client_secret": secret, "grant_type": "client_credentials"}
        self._token = token
        self.app = web.Application()
        self.app.router.add_get("/common/discovery/instance", self._discover)
        self.app.router.add_get(f"/{tenant}/v2.0/.well-known/openid-configuration", self._configuration)
        self.app.router.add_post(f"/{tenant}/oauth2/v2.0/token", self._give)

    async def _discover(self, _request: web.Request) -> web.Response:
        known = {"preferred_network": HOST, "preferred_cache": HOST, "aliases": [HOST]}
        address = f"{self._base}/v2.0/.well-known/openid-configuration"
        return web.json_response({"tenant_discovery_endpoint": address, "metadata": [known]})

    async def _configuration(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": f"{self._base}/v2.0",
                "authorization_endpoint": f"{self._base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{self._base}/oauth2/v2.0/token",
            }
        )

    async def _give(self, request: web.Request) -> web.Response:
        form = await request.post()
        if any(form.get(name) != value for name, value in self._wanted.items()):
            return web.json_response({"error": "invalid_client", "error_description": "AADSTS7000215"}, status=401)
        self.given += 1
        return web.json_response({"token_type": "Bearer", "expires_in": 1, "access_token": self._token})
