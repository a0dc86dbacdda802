"""The port on CPython, over the ``websockets`` library.

Sockets behave as the WHATWG standard specifies, except for this:

- There is no page: URLs cannot be relative, no ``Origin`` header and no cookies are sent, the page
  is never frozen or offline, and there is no ``sessionStorage``.
- No connection is forbidden, be it for mixed content, a Content-Security-Policy or a blocked port.
  Certificates are checked by :func:`ssl.create_default_context`.
- There are no proxies, and no HTTP/2. The addresses of a host are tried in turn.
- International domain names follow IDNA 2003, as Python's ``idna`` codec does.
- An unreferenced socket stays open until one side closes it; a browser may close it once it has no
  listeners.
- A connection ends with its event loop, without a ``close`` event.
- The logger ``readystate`` logs at DEBUG why a connection failed, which browsers hide from pages.
"""
