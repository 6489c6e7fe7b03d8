"""The HTTP face of Entra ID: discovery documents, signing keys, and the token endpoint."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from include.sandbox.entra.assertions import check_assertion
from include.sandbox.entra.errors import EntraGap, NotBuilt, TokenRefusal
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.entra.directory import Application, EntraDirectory
    from include.sandbox.server import Call

__all__ = ["EntraService"]

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FIELDS: Final = frozenset(
    {
        "client_id",
        "grant_type",
        "scope",
        "client_info",
        "client_secret",
        "client_assertion_type",
        "client_assertion",
        "claims",
    }
)
_PATH: Final = re.compile(r"/(?P<tenant>[^/]+)(?P<rest>/.+)")


class EntraService:
    """Answers as login.microsoftonline.com does for one tenant."""

    name = "entra"

    def __init__(self, directory: EntraDirectory, *, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def handle(self, call: Call) -> Reply:
        """Answer one request, refusals included."""
        try:
            return self._dispatch(call)
        except TokenRefusal as refusal:
            return self._refusal(refusal)
        except NotBuilt as gap:
            return Reply.json(
                501, {"error": "not_built", "error_description": f"Not built in the sandbox: {gap.gap}. See GAPS.md."}
            )

    def _dispatch(self, call: Call) -> Reply:
        found = _PATH.fullmatch(call.path)
        if found is None:
            return Reply(404, {"Content-Type": "text/plain"}, b"Not Found")
        tenant, rest = found["tenant"], found["rest"]
        if (call.method, rest) == ("POST", "/oauth2/v2.0/token"):
            return self._token(call, tenant)
        if call.method != "GET":
            return Reply(404, {"Content-Type": "text/plain"}, b"Not Found")
        match rest:
            case "/v2.0/.well-known/openid-configuration":
                return self._discovery(tenant, issuer=f"{self._directory.url}/{self._directory.tenant_id}/v2.0")
            case "/.well-known/openid-configuration":
                return self._discovery(tenant, issuer=f"{self._directory.url}/{tenant}")
            case "/discovery/v2.0/keys":
                return Reply.json(200, self._directory.public_keys())
            case "/discovery/instance":
                raise NotBuilt(EntraGap.INSTANCE_DISCOVERY)
            case "/oauth2/v2.0/authorize" | "/oauth2/authorize":
                raise NotBuilt(EntraGap.AUTHORIZE)
            case _:
                return Reply(404, {"Content-Type": "text/plain"}, b"Not Found")

    def _discovery(self, tenant: str, *, issuer: str) -> Reply:
        """
        Return the discovery document of a tenant.

        Source: https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
        """
        self._check_tenant(tenant)
        root = f"{self._directory.url}/{tenant}"
        return Reply.json(
            200,
            {
                "issuer": issuer,
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
            },
        )

    def _token(self, call: Call, tenant: str) -> Reply:
        """
        Return an access token for an application.

        Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
        """
        self._check_tenant(tenant)
        form = _form(call)
        audience = self._audience(form)
        application = self._directory.applications.get(form["client_id"].lower())
        if application is None:
            text = f"Application with identifier '{form['client_id']}' was not found in the directory '{tenant}'."
            raise TokenRefusal(400, "unauthorized_client", 700016, text)
        self._check_resource(audience)
        self._check_credential(form, application, tenant)
        token = self._directory.issue(application.client_id, audience)
        lifetime_s = self._directory.lifetime_s
        answer = {"token_type": "Bearer", "expires_in": lifetime_s, "ext_expires_in": lifetime_s, "access_token": token}
        return Reply.json(200, answer, {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})

    def _check_tenant(self, tenant: str) -> None:
        if not self._directory.is_tenant(tenant):
            text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            raise TokenRefusal(400, "invalid_request", 90002, text)

    def _check_resource(self, audience: str) -> None:
        if audience.rstrip("/") not in self._directory.resources:
            tenant = self._directory.tenant_id
            text = f"The resource principal named {audience} was not found in the tenant named {tenant}."
            raise TokenRefusal(400, "invalid_resource", 500011, text)

    def _audience(self, form: dict[str, str]) -> str:
        scopes = form["scope"].split()
        if len(scopes) != 1 or not scopes[0].endswith("/.default"):
            text = (
                f"The provided value for scope {form['scope']} is not valid. Client credential flows must have a scope "
                "value with /.default suffixed to the resource identifier (application ID URI)."
            )
            raise TokenRefusal(400, "invalid_scope", 1002012, text)
        return scopes[0].removesuffix("/.default")

    def _check_credential(self, form: dict[str, str], application: Application, tenant: str) -> None:
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                raise TokenRefusal(400, "invalid_request", 700025, "Client assertion type is missing or not supported.")
            audience = f"{self._directory.url}/{tenant}/oauth2/v2.0/token"
            check_assertion(form["client_assertion"], application, audience=audience)
            return
        if "client_secret" not in form:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise TokenRefusal(401, "invalid_client", 7000218, text)
        if not application.knows_secret(form["client_secret"]):
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{application.client_id}'."
            )
            raise TokenRefusal(401, "invalid_client", 7000215, text)
        if application.secret_expired:
            text = f"The provided client secret keys for app '{application.client_id}' are expired."
            raise TokenRefusal(401, "invalid_client", 7000222, text)

    def _refusal(self, refusal: TokenRefusal) -> Reply:
        now, trace, correlation = self._clock.now(), str(uuid.uuid4()), str(uuid.uuid4())
        stamp = now.strftime("%Y-%m-%d %H:%M:%SZ")
        text = (
            f"AADSTS{refusal.number}: {refusal.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        )
        body: dict[str, Any] = {
            "error": refusal.error,
            "error_description": text,
            "error_codes": [refusal.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{self._directory.url}/error?code={refusal.number}",
        }
        return Reply.json(refusal.status, body)


def _form(call: Call) -> dict[str, str]:
    if not (call.header("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        raise TokenRefusal(
            400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'."
        )
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    for needed in ("grant_type", "client_id", "scope"):
        if not form.get(needed):
            raise TokenRefusal(
                400, "invalid_request", 900144, f"The request body must contain the following parameter: '{needed}'."
            )
    if form["grant_type"] != "client_credentials":
        raise NotBuilt(EntraGap.OTHER_GRANTS)
    if unknown := sorted(set(form) - _FIELDS):
        raise TokenRefusal(
            400, "invalid_request", 9002313, f"Invalid request. The parameter '{unknown[0]}' is not known."
        )
    return form
