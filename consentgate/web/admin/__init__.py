"""The administrators' pages under ``<prefix>/admin``: for people, without scripts, thin over ``terms.admin``.

Room: web. Loaded at the first request to them, so that a site that publishes from the command line never does.

    access     who asks: the host's ``admin=`` callable, or a session that began with a token
    sessions   that session: a sealed cookie that names a token, never contains one, and ends
    throttle   how often somebody may try to sign in
"""
