"""Django over ASGI, settings and all in one file. Its own signed session is read before Django itself is reached.

    python examples/django_app.py              # http://127.0.0.1:8000/
    HOST=0.0.0.0 PORT=9000 python examples/django_app.py

In a project of your own the last part stands in ``asgi.py``. Django speaks neither lifespan nor WebSocket: the gate
answers the first itself, and refuses the second to whoever has not accepted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from django.conf import settings

from consentgate import ConsentGate, Subject, consentgate_banner
from consentgate.service.settings import new_secret

POLICIES = Path(__file__).parent.parent / "policies"
PAGE = """
{% if change %}<p class="banner">{{ change.title }}, new from {{ change.effective.date }}:
<a href="{{ change.url }}">read</a></p>{% endif %}
<h1>{{ request.path }}</h1><p>{{ request.META.QUERY_STRING }}</p>
<p>{% firstof request.session.user "a visitor" %}
<a href="{% url 'sign-in' %}?as=Wendell">Sign in as Wendell</a> <a href="{% url 'sign-out' %}">Sign out</a></p>
<form action="{% url 'letters' %}" method="post">{% csrf_token %}<input name="letter"><button>Send</button></form>
"""


def banner(request: Any) -> dict[str, Any]:
    """A context processor: every template knows ``change``."""
    return {"change": consentgate_banner(request)}


settings.configure(
    SECRET_KEY=os.environ.get("SESSION_SECRET") or new_secret(),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",  # a form the gate keeps comes back with its token
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.request", f"{__name__}.banner"],
                "loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})],
            },
        }
    ],
)

# Django wants its settings before the rest of it is imported.
from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.shortcuts import redirect, render  # noqa: E402
from django.urls import path  # noqa: E402
from starlette.requests import cookie_parser  # noqa: E402

# --- the application ---------------------------------------------------------------------------------------------


def page(request: Any, name: str = "") -> Any:
    """Any page, with the banner."""
    return render(request, "page.html")


def letters(request: Any) -> Any:
    """An HTML form."""
    return HttpResponse(f"Thank you: {request.POST['letter']}", content_type="text/plain")


def headlines(request: Any) -> Any:
    """For programs."""
    return JsonResponse(["Night ferry to run again"], safe=False)


async def events(request: Any) -> Any:
    """A stream of events."""

    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(lines(), content_type="text/event-stream")


def health(request: Any) -> Any:
    """For the load balancer: exempt."""
    return HttpResponse("ok", content_type="text/plain")


def sign_in(request: Any) -> Any:
    """Sign in. Any name will do: it is an example."""
    request.session["user"] = request.GET["as"]
    return redirect("front")


def sign_out(request: Any) -> Any:
    """Sign out: open to those who declined as well."""
    request.session.flush()
    return redirect("front")


urlpatterns = [
    path("", page, name="front"),
    path("articles/<name>", page),
    path("letters", letters, name="letters"),
    path("api/headlines", headlines),
    path("events", events),
    path("health", health),
    path("sign-in", sign_in, name="sign-in"),
    path("sign-out", sign_out, name="sign-out"),
]


# --- the gate: asgi.py -------------------------------------------------------------------------------------------


def who(scope: Any) -> Subject | None:
    """Who is signed in. With ``django.contrib.auth`` it is ``session.get("_auth_user_id")``.

    Signed cookies can be read without waiting. Sessions in a database cannot: let a small middleware of your own put
    the user's id into a signed cookie at sign-in, and read that.
    """
    cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    sealed = cookie_parser(cookies).get(settings.SESSION_COOKIE_NAME)
    user = SessionStore(sealed).get("user") if sealed else None
    return Subject(str(user), sign_in="session") if user else None


app = ConsentGate(
    get_asgi_application(),
    policies=os.environ.get("POLICIES", POLICIES),
    database=os.environ.get("DATABASE", "sqlite://"),  # in memory: forgotten at the end. Yours is a file
    secret=os.environ.get("CONSENTGATE_SECRET") or new_secret(),
    subject=who,
    exempt=["/health", "/sign-in"],
    open_paths=["/sign-out"],
    site_name="The Django example",
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8000")))
