"""The app factory: one Flask app that serves the API, the stream and the page.

>>> app = create_app(settings)                                                          # doctest: +SKIP
"""

from __future__ import annotations

import logging
import time

from flask import Response, g, request
from flask_openapi3 import Info
from pydantic import ValidationError

from arc_fabric import __version__
from arc_fabric.ids import new_id
from arc_fabric.settings import Settings, get_settings
from webapp import pages
from webapp.api import BLUEPRINTS
from webapp.api import stream as stream
from webapp.context import EXTENSION, Context, client_name
from webapp.health import UNDER_WAY, count_answer, health
from webapp.http import auth, headers, limits, problems
from webapp.http.compression import compress
from webapp.http.request import ApiRequest
from webapp.http.under_path import under_path
from webapp.http.validation import of_validation
from webapp.openapi.document import DESCRIPTION, ApiSpec

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, *, context: Context | None = None) -> ApiSpec:
    """The app for these settings (default: of this process). Connects to nothing yet."""
    settings = settings or get_settings()
    app = ApiSpec(
        "webapp",
        info=Info(title="Arc Fabric", version=__version__, description=DESCRIPTION),
        validation_error_callback=_invalid,
        doc_ui=False,
        static_folder="static",
        template_folder="templates",
    )
    app.request_class = ApiRequest
    app.wsgi_app = under_path(app.wsgi_app, settings.root_path)  # type: ignore[method-assign,assignment]
    app.url_map.strict_slashes = True
    app.config.update(
        SETTINGS=settings,
        MAX_CONTENT_LENGTH=int(settings.max_body_bytes),
        MAX_FORM_MEMORY_SIZE=int(settings.max_body_bytes),
        MAX_VIEWERS=settings.max_viewers,
        SEND_FILE_MAX_AGE_DEFAULT=0,
    )
    app.extensions[EXTENSION] = context or Context.from_settings(settings)
    problems.register(app)
    _guard(app, settings)
    for blueprint in (*BLUEPRINTS, health):
        app.register_api(blueprint)
    pages.register(app)
    stream.register(app)
    return app


def _invalid(error: ValidationError) -> Response:
    return problems.respond(problems.of_error(of_validation(error)))


def _is_over(context: Context, login: str) -> bool:
    """Whether a login was ended; public paths answer without asking Redis."""
    return not auth.is_public(request.path) and context.ledger.logins.ended(login)


def _guard(app: ApiSpec, settings: Settings) -> None:
    """What every request goes through, in this order: rate, token, origin, body."""

    @app.before_request
    def _enter() -> None:
        UNDER_WAY.inc()
        g.entered = True
        g.request_id = new_id("req")
        g.began = time.perf_counter()
        context: Context = app.extensions[EXTENSION]
        context.rates.check(client_name())
        principal = auth.authenticate(request, settings, lambda login: _is_over(context, login))
        auth.require(request, principal)
        g.principal = principal
        auth.check_origin(request, principal)
        most = limits.PUBLIC_BODY_BYTES if auth.is_public(request.path) else settings.max_body_bytes
        limits.read_body(request, min(int(most), int(settings.max_body_bytes)))

    @app.after_request
    def _leave(response: Response) -> Response:
        count_answer(response.status_code, time.perf_counter() - g.get("began", time.perf_counter()))
        headers.root(response, request.script_root)
        return headers.secure(compress(request, response), g.get("request_id", ""))

    @app.teardown_request
    def _over(_error: BaseException | None) -> None:
        if g.pop("entered", False):
            UNDER_WAY.dec()
