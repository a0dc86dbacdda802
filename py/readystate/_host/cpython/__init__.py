"""The port on CPython, over the ``websockets`` library.

A socket behaves as the WHATWG standard says, so that everything above this package is the same here
as in a browser. It cannot be the same in this:

- There is no page: a URL cannot be relative, no ``Origin`` header and no cookies are sent, the page
  is never frozen or offline, and there is no ``sessionStorage``.
- Nothing forbids a connection: neither mixed content, nor a Content-Security-Policy, nor the ports
  that browsers block. Certificates are checked as :func:`ssl.create_default_context` does.
- There are no proxies, and no HTTP/2. A host's addresses are tried one after the other.
- International domain names follow IDNA 2003, as Python's ``idna`` codec does.
- A socket that nobody refers to stays open until one side closes it, whether or not it has
  listeners; a browser may close it once it has none.
- The connection ends with the event loop in which it was made, without a ``close`` event.
- The logger ``readystate`` tells, at DEBUG level, why a connection has failed, which browsers hide
  from pages.
"""
