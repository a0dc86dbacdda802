"""What to break: 40 faults that would matter, each with the tests that have to notice it."""

from __future__ import annotations

from dataclasses import dataclass

_CORE = "py/readystate/core"
_CONNECTION = "py/readystate/connection"
_QUEUE = "py/readystate/queue"
_SESSION = "py/readystate/session"
_CPYTHON = "py/readystate/_host/cpython"
_JS = "py/readystate/_host/js"
_COMPAT = "py/readystate/compat"
_SESSIONS = "server/readystate_server/sessions"
_LAB = "server/readystate_server/lab"


@dataclass(frozen=True)
class Break:
    """One fault.

    Attributes:
        name: What goes wrong then.
        file: Where it is, in the repository.
        old: The text that is right; it occurs there exactly once.
        new: What takes its place.
        tests: The files, or tests, of which one has to fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """`text`, which is the file's, with the fault in it.

        Raises:
            ValueError: It does not hold what is to be broken, or more than once.
            SyntaxError: It would be no Python any more.
        """
        if (count := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.name!r}: {self.file} has the text that it breaks {count} times, and not "
                f"once: write down in tests/mutations/breaks.py what is there now\n{self.old}"
            )
        broken = text.replace(self.old, self.new)
        compile(broken, self.file, "exec")
        return broken


BREAKS = (
    Break(
        "the oldest message in doubt is lost at a reconnection",
        f"{_CORE}/outbox.py",
        "self._waiting.extendleft(reversed(again))",
        "self._waiting.extendleft(reversed(again[1:]))",
        ("tests/unit/test_outbox.py",),
    ),
    Break(
        "messages in doubt are sent again in the wrong order",
        f"{_CORE}/outbox.py",
        "self._waiting.extendleft(reversed(again))",
        "self._waiting.extendleft(again)",
        ("tests/unit/test_outbox.py",),
    ),
    Break(
        "a confirmation confirms one message too many",
        f"{_CORE}/outbox.py",
        "lambda delivery: delivery._index < index, self._sent",
        "lambda delivery: delivery._index <= index, self._sent",
        ("tests/unit/test_outbox.py",),
    ),
    Break(
        "a message is sent though its time-to-live is over",
        f"{_CORE}/outbox.py",
        "        if self.next_expiry is not None:\n            self.expire()\n",
        "",
        ("tests/unit/test_outbox.py",),
    ),
    Break(
        "the backoff exceeds its maximum",
        f"{_CORE}/backoff.py",
        "limit = min(limit * self.factor, self.maximum)",
        "limit = limit * self.factor",
        ("tests/unit/test_backoff.py",),
    ),
    Break(
        "a heartbeat without a reply never times out",
        f"{_CORE}/heartbeat.py",
        "self._deadline = min(self._deadline, now + self._timeout)",
        "self._deadline = self._silence_ends(now)",
        ("tests/unit/test_heartbeat.py",),
    ),
    Break(
        "a listener that was added twice is called twice",
        f"{_CORE}/listeners.py",
        "if listener.is_live and self._find(type, callback, capture) is None:",
        "if listener.is_live:",
        ("tests/unit/test_event_target.py",),
    ),
    Break(
        "user info is shown in an error",
        f"{_CORE}/addresses.py",
        'return f"{scheme}{host}{path}", user, query, fragment',
        'return f"{scheme}{authority}{path}", user, query, fragment',
        ("tests/unit/test_addresses.py",),
    ),
    Break(
        "an exception of a handler is swallowed",
        f"{_CORE}/handlers.py",
        "    except BaseException as error:\n        report(describe(argument), error)",
        "    except BaseException:\n        pass",
        ("tests/cpython/test_cases.py",),
    ),
    Break(
        "stopImmediatePropagation() stops nothing",
        "py/readystate/dom/websocket.py",
        "self._stopped = True",
        "self._stopped = False",
        ("tests/cpython/test_dom.py",),
    ),
    Break(
        "nobody can receive after a recv() that was cancelled",
        f"{_CONNECTION}/receiver.py",
        "        finally:\n            self._is_receiving = False",
        "        finally:\n"
        "            task = asyncio.current_task()\n"
        "            self._is_receiving = task is not None and task.cancelling() > 0",
        ("tests/cpython/test_connection.py",),
    ),
    Break(
        "a receive queue holds one message more than max_queue",
        f"{_CONNECTION}/receiver.py",
        "return count > self._max_queue or",
        "return count > self._max_queue + 1 or",
        ("tests/cpython/test_queued_websocket.py",),
    ),
    Break(
        "send() does not wait though write_limit is exceeded",
        f"{_CONNECTION}/event_connection.py",
        "return self._wait_for_buffer(self._low)",
        "return None",
        ("tests/cpython/test_connection.py",),
    ),
    Break(
        "an iteration goes on after an error that no other attempt can mend",
        f"{_CONNECTION}/attempts.py",
        "return None if isinstance(error, ConnectionFailed) else error",
        "return None",
        ("tests/cpython/test_connection.py",),
    ),
    Break(
        "a message in the browser's buffer counts as one that has left the page",
        f"{_QUEUE}/confirmations.py",
        "self.outbox.confirm_bytes(self.outbox.sent_bytes - buffered)",
        "self.outbox.confirm_bytes(self.outbox.sent_bytes)",
        ("tests/cpython/test_send_queue.py",),
    ),
    Break(
        "a clean end that the server began confirms what was on its way",
        f"{_QUEUE}/supervisor.py",
        "if event.wasClean and link.ws._began_close and link.close_code == event.code:",
        "if event.wasClean:",
        ("tests/cpython/test_queued_websocket.py",),
    ),
    Break(
        "what on_open has sent is sent again over the next connection",
        f"{_QUEUE}/sender.py",
        "key=key, is_transient=True)",
        "key=key)",
        ("tests/cpython/test_queued_websocket.py",),
    ),
    Break(
        "a put() that was woken does not look whether there is room now",
        f"{_QUEUE}/sender.py",
        "while not self._has_room(size):",
        "if not self._has_room(size):",
        ("tests/cpython/test_send_queue.py", "tests/cpython/test_queued_websocket.py"),
    ),
    Break(
        "a text that looks like a control of the session is taken for one",
        f"{_SESSION}/control.py",
        "DLE + message if isinstance(message, str) and message[:1] == DLE else message",
        "message",
        ("tests/unit/test_session_control.py", "tests/unit/test_session_core.py"),
    ),
    Break(
        "the last message that has arrived comes again when a session goes on",
        f"{_SESSION}/core.py",
        "return self.outbox.resend_from(received) if sent",
        "return self.outbox.resend_from(received - 1) if sent",
        ("tests/unit/test_session_core.py",),
    ),
    Break(
        "a message is acknowledged before the application has taken it",
        f"{_SESSION}/confirmation.py",
        "core.finish(core.received - held, size)",
        "core.finish(core.received, 0)",
        ("tests/cpython/test_queued_websocket.py",),
    ),
    Break(
        "two tabs go on with the same session",
        f"{_SESSION}/keeping.py",
        "            text = restore(self._key)\n            save(self._key, None)\n",
        "            text = restore(self._key)\n",
        ("tests/cpython/test_queued_websocket.py",),
    ),
    Break(
        "close code 1006 becomes 1005",
        f"{_CPYTHON}/wire.py",
        'self._owner.on_end(1006, "", was_clean=False)',
        'self._owner.on_end(1005, "", was_clean=False)',
        ("tests/cpython/test_host.py",),
    ),
    Break(
        "any TLS certificate is accepted",
        f"{_CPYTHON}/wire.py",
        'context.set_alpn_protocols(["http/1.1"])',
        'context.set_alpn_protocols(["http/1.1"])\n'
        "    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE",
        ("tests/cpython/test_host.py",),
    ),
    Break(
        "bufferedAmount leaves out what the transport holds",
        f"{_CPYTHON}/outgoing.py",
        "held = self._last if transport.is_closing() else transport.get_write_buffer_size()",
        "held = 0",
        ("tests/unit/test_outgoing.py",),
    ),
    Break(
        "a proxy is not destroyed",
        f"{_JS}/listeners.py",
        "proxy.destroy()",
        "pass",
        ("tests/browser/test_leaks.py::test_no_proxy_outlives_its_connection",),
    ),
    Break(
        "the browser's exceptions are of no class of their own",
        f"{_JS}/errors.py",
        "return BY_NAME[name](message, js_error=js_error)",
        "return DOMException(message, name, code=BY_NAME[name].code, js_error=js_error)",
        ("tests/browser/test_browser_errors.py",),
    ),
    Break(
        "a secret of the URL is in what the browser says",
        f"{_JS}/sockets.py",
        "message = redacted(str(error.message), url)",
        "message = str(error.message)",
        ("tests/browser/test_browser_errors.py",),
    ),
    Break(
        "a text with a NUL is received as two messages",
        f"{_JS}/inbox.py",
        "return texts if len(texts) == count else self._converted(batch.to_py())",
        "return texts",
        ("tests/browser/test_batches.py",),
    ),
    Break(
        "a tab that is shown again counts as hidden",
        f"{_JS}/page.py",
        '"visible" if js.document.visibilityState == "visible" else "hidden"',
        '"hidden"',
        ("tests/browser/test_page_events.py",),
    ),
    Break(
        "a cancelled recv() loses its message",
        f"{_CONNECTION}/stream_connection.py",
        "await asyncio.wait([self._reading, *ends], return_when=asyncio.FIRST_COMPLETED)",
        "await (self._reading if ends else asyncio.wait([self._reading]))",
        ("tests/browser/test_stream.py::test_a_cancelled_recv_loses_nothing",),
    ),
    Break(
        "a frame of 126 bytes has a header that says something else",
        f"{_COMPAT}/server_end.py",
        "if length < 126:",
        "if length <= 126:",
        ("tests/unit/test_compat_server_end.py",),
    ),
    Break(
        "a library that has paused reading is given more",
        f"{_COMPAT}/transport.py",
        "while held and self._is_reading and not self._is_closing:",
        "while held and not self._is_closing:",
        ("tests/compat/test_install.py::test_reading_is_paused_up_to_a_bound[node]",),
    ),
    Break(
        "a session is resumed by a client that it does not belong to",
        f"{_SESSIONS}/sessions.py",
        "if session is None or session._owner != owner:",
        "if session is None:",
        ("tests/server/test_session_hostile.py",),
    ),
    Break(
        "a process goes on saving a session that another one has taken over",
        f"{_SESSIONS}/store.py",
        "if entry is None or entry.epoch != epoch:",
        "if entry is None:",
        ("tests/server/test_session_store.py",),
    ),
    Break(
        "the server holds one session more than max_sessions",
        f"{_SESSIONS}/sessions.py",
        "if len(self._handlers) + self._starting >= self._settings.max_sessions:",
        "if len(self._handlers) + self._starting > self._settings.max_sessions:",
        ("tests/server/test_session_rules.py",),
    ),
    Break(
        "a message goes out before the store has it",
        f"{_SESSIONS}/link.py",
        "batch = outbox.take(min(_BATCH, session._stored - outbox.sent))",
        "batch = outbox.take(_BATCH)",
        ("tests/server/test_session_rules.py",),
    ),
    Break(
        "static files are served from outside their folder",
        f"{_LAB}/static.py",
        "if not found.is_relative_to(root) or any(",
        "if found.is_relative_to(root) and any(",
        ("tests/server/test_static.py",),
    ),
    Break(
        "Origin is not checked",
        f"{_LAB}/access.py",
        'if origin in (None, own) or "*" in allowed or origin in allowed:',
        "if True or origin in (own, *allowed):",
        ("tests/server/test_endpoints.py",),
    ),
    Break(
        "a connection that was made deaf hears",
        f"{_LAB}/faults.py",
        "if deaf or drop:",
        "if drop:",
        ("tests/server/test_faults.py",),
    ),
)
