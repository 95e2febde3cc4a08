"""Pages: the app itself, the login form, the API's interactive description. No inline script or style."""

from __future__ import annotations

import json
from importlib.resources import files

from flask import Response, current_app, redirect, render_template, request, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from arc_fabric import errors
from arc_fabric.base.present import present
from arc_fabric.errors import ArcFabricError, Unauthorized
from webapp.context import ctx
from webapp.http import auth
from webapp.model import abilities, geometry
from webapp.openapi.document import ApiSpec

SWAGGER = files("flask_openapi3_swagger").joinpath("templates", "swagger")
_ASSETS = {
    "swagger-ui-bundle.js": "js",
    "swagger-ui-standalone-preset.js": "js",
    "swagger-ui.css": "css",
}


def register(app: ApiSpec) -> None:
    """Add the pages to the app."""
    app.add_url_rule("/", "index", _index)
    app.add_url_rule("/favicon.ico", "favicon", _favicon)
    app.add_url_rule("/login", "login_form", _login_form)
    app.add_url_rule("/login", "login", _login, methods=["POST"])
    app.add_url_rule("/logout", "logout", _logout, methods=["POST"])
    app.add_url_rule("/openapi", "openapi_page", _openapi_page)
    app.add_url_rule("/openapi/errors", "errors_page", _errors_page)
    app.add_url_rule("/openapi/openapi.json", "openapi_json", _openapi_json)
    app.add_url_rule("/openapi/<string:name>", "openapi_asset", _openapi_asset)


def _index() -> AnyResponse | str:
    """The app; without a token where one is needed, the login form."""
    principal = _principal()
    if principal is None:
        return redirect("login")
    return render_template(
        "index.html", signed_in=principal.name if principal.by_cookie else None, settings=ctx().settings
    )


def _principal() -> auth.Principal | None:
    return auth.authenticate(request, ctx().settings, ctx().ledger.logins.ended)


def _favicon() -> AnyResponse:
    return send_from_directory(str(current_app.static_folder), "icon.svg")


def _login_form() -> AnyResponse | str:
    return render_template("login.html", refused=False) if ctx().settings.tokens else redirect("./")


def _login() -> AnyResponse | tuple[str, int]:
    """Exchange a token for a cookie that the page's requests carry; JSON {token} or a form."""
    given = request.get_json() if request.mimetype == "application/json" else request.form
    secret = given.get("token") if hasattr(given, "get") else None
    tokens = ctx().settings.tokens
    token = auth.find_token(secret, tokens) if isinstance(secret, str) else None
    if token is None:
        if request.mimetype == "application/json" or not tokens:
            raise Unauthorized("this token is not known here", hint="See the setting tokens.")
        return render_template("login.html", refused=True), 401
    response = redirect("./", 303)
    response.set_cookie(
        auth.COOKIE,
        auth.make_cookie(token),
        max_age=auth.COOKIE_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
        path=request.script_root or "/",
    )
    return response


def _logout() -> AnyResponse:
    """End the login, for every copy of its cookie."""
    principal = _principal()
    if principal is not None and principal.by_cookie:
        ctx().ledger.logins.end(principal.login, auth.COOKIE_SECONDS)
    response = redirect("login", 303)
    response.delete_cookie(auth.COOKIE, path=request.script_root or "/")
    return response


def _openapi_page() -> str:
    return render_template("openapi.html")


def _errors_page() -> str:
    """Where the `type` of every problem points to."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ArcFabricError)]
    shown = [
        {"code": k.__name__, "status": k.status, "meaning": present(k.__doc__).partition("\n")[0], "hint": k.hint}
        for k in kinds
    ]
    return render_template("errors.html", errors=sorted(shown, key=lambda error: str(error["code"])))


def _openapi_json() -> Response:
    app = current_app
    assert isinstance(app, ApiSpec)
    return Response(json.dumps(app.document_for(geometry(), abilities())), mimetype="application/json")


def _openapi_asset(name: str) -> AnyResponse:
    """Swagger UI from its Python package: works offline."""
    folder = _ASSETS.get(name)
    if folder is not None:
        return send_from_directory(str(SWAGGER.joinpath(folder)), name, max_age=86400)
    return send_from_directory(str(current_app.root_path) + "/pages_static", name)
