"""HOST: what an application behind the gate may ask of it, route by route and page by page.

Room: host, beside the pages. It may import the rooms below (``service``, ``gate``, ``terms``, ``errors``), and
Starlette where Starlette is spoken; ``consentgate.app`` makes its one `reception.Reception` and leaves it where routes
find it.

    reception    who is here and what they hold: the pass first, the ledger where it is not enough
    stop         the answer of a route that demands what was not accepted: an ASGI application
    requires     ``Depends(requires("dpa"))``, ``@requires("dpa").before``
    banner       ``consentgate_banner(request)`` for templates
"""
