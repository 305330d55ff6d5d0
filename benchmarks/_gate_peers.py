"""Other people's middleware, measured beside ours where it is installed.

None of them does the same: SessionMiddleware and asgi-csrf verify a signed cookie too, the BaseHTTPMiddleware gate is
how a gate is usually written at home, and the Django packages are terms gates for signed-in users (timed by calling the
middleware alone, warm cache, database in memory, which flatters them).
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from _gate_site import BROWSER, OTHER_COOKIES_AFTER, SECRET, browser_scope

Run = Callable[[int], float]


def asgi_peers(app: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, application and scope of each peer that never waits when its application does not."""
    try:
        from itsdangerous import TimestampSigner
        from starlette.middleware.sessions import SessionMiddleware
    except ImportError:
        pass
    else:
        session = TimestampSigner(SECRET).sign(base64.b64encode(json.dumps({"user": 17}).encode())).decode()
        scope = browser_scope(f"theme=dark; session={session}; ".encode() + OTHER_COOKIES_AFTER)
        yield "Starlette SessionMiddleware", SessionMiddleware(app, secret_key=SECRET), scope
    try:
        from asgi_csrf import asgi_csrf
        from itsdangerous.url_safe import URLSafeSerializer
    except ImportError:
        pass
    else:
        token = URLSafeSerializer(SECRET).dumps("x" * 16, "csrftoken")
        yield "asgi-csrf", asgi_csrf(app, signing_secret=SECRET), browser_scope(f"csrftoken={token}".encode())


def home_made(app: Any) -> tuple[Any, dict[str, Any]] | None:
    """A gate on Starlette's BaseHTTPMiddleware that verifies a signed cookie; it needs an event loop."""
    try:
        from itsdangerous import BadSignature, TimestampSigner
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.responses import RedirectResponse
    except ImportError:
        return None
    signer = TimestampSigner(SECRET)

    async def dispatch(request: Any, call_next: Any) -> Any:
        try:
            signer.unsign(request.cookies.get("consentgate", ""))
        except BadSignature:
            return RedirectResponse("/terms/review", 303)
        return await call_next(request)

    good = signer.sign("3-5-7").decode()
    scope = browser_scope(f"theme=dark; consentgate={good}; ".encode() + OTHER_COOKIES_AFTER)
    return BaseHTTPMiddleware(app, dispatch), scope


def loop_runner(app: Any, scope: dict[str, Any], send: Any, receive: Any) -> Run:
    """Drive an application in an event loop."""
    loop = asyncio.new_event_loop()

    async def batch(count: int) -> None:
        for _ in range(count):
            await app(dict(scope), receive, send)

    def run(count: int) -> float:
        start = time.thread_time_ns()
        loop.run_until_complete(batch(count))
        return (time.thread_time_ns() - start) / count

    return run


def django_peers() -> Iterator[tuple[str, Run]]:
    """Extra time of each Django package's middleware for a signed-in user who has agreed."""
    try:
        import django
        from django.conf import settings
    except ImportError:
        return
    installed = []
    for module in ("tos", "termsandconditions"):
        try:
            __import__(module)
        except ImportError:
            continue
        installed.append(module)
    settings.configure(
        SECRET_KEY=SECRET,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sites", *installed],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        ROOT_URLCONF="_gate_peers",
        SITE_ID=1,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        LOGGING_CONFIG=None,
    )
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    user = get_user_model().objects.create_user("reader")
    if "tos" in installed:
        yield "django-tos, middleware alone", _django_run(_tos(user), user)
    if "termsandconditions" in installed:
        yield "django-termsandconditions, middleware alone", _django_run(_conditions(user), user)


def _tos(user: Any) -> Any:
    from tos.middleware import UserAgreementMiddleware
    from tos.models import TermsOfService, UserAgreement
    from tos.utils import initialize_cache_version

    initialize_cache_version()
    UserAgreement.objects.create(terms_of_service=TermsOfService.objects.create(active=True), user=user)
    return UserAgreementMiddleware


def _conditions(user: Any) -> Any:
    from django.utils import timezone
    from termsandconditions.middleware import TermsAndConditionsRedirectMiddleware
    from termsandconditions.models import TermsAndConditions, UserTermsAndConditions

    terms = TermsAndConditions.objects.create(slug="site-terms", name="Terms", date_active=timezone.now())
    UserTermsAndConditions.objects.create(user=user, terms=terms)
    return TermsAndConditionsRedirectMiddleware


def _django_run(middleware: Any, user: Any) -> Run:
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.utils.functional import SimpleLazyObject

    request = RequestFactory(headers={name.decode(): value.decode() for name, value in BROWSER}).get("/articles/1")
    request.session = {"_auth_user_id": str(user.pk), "_auth_user_backend": "x"}
    response = HttpResponse("hello")
    wrapped = middleware(lambda request: response)
    model = type(user)

    def run(count: int) -> float:
        start = time.thread_time_ns()
        for _ in range(count):
            request.user = SimpleLazyObject(lambda: model.objects.get(pk=user.pk))  # as AuthenticationMiddleware does
            if wrapped(request) is not response:
                raise AssertionError("the peer did not let a user pass who has agreed")
        return (time.thread_time_ns() - start) / count

    return run


def _urls() -> list[Any]:
    try:
        from django.urls import path
    except ImportError:
        return []
    return [path("terms/confirm/", lambda request: None, name="tos_check_tos")]


urlpatterns = _urls()
