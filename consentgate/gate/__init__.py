"""PASSAGE: may this request go on? The hot path: no I/O, no await but the app's.

Called by ``consentgate.app``, which wires it to the pages and the service. It imports ``consentgate.errors``,
``consentgate.terms`` and itsdangerous; never a database, a web framework, a template engine or the other rooms:
a worker that only lets people pass loads none of them.

    hooks        what the gate asks of the house around it (the one Protocol), and the values that travel
    seals        one itsdangerous signer per purpose: seal / open
    passes       the sealed cookie that says what this subject has accepted
    returning    the address a visitor is sent back to: never another site
    generation   the publication counter every worker of a host reads on each request
    cookies      the strict reader of ``Cookie``, the writer of ``Set-Cookie``
    paths        whole segments, our own prefix, what a path really says
    verdict      decide: pass, remind or review
    wants        what kind of answer a request can use
    answers      303, 403, HX-Redirect, WebSocket denial
    guard        the careful second look
    asgi         the closure: the quick first look
"""
