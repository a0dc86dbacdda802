"""URLs as they are shown: never with what may be secret in them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readystate.core.addresses import network_of, redacted, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://example.org/feed", "wss://example.org/feed"),
        ("ws://user:password@host:81/feed?token=t#part", "ws://host:81/feed"),
        ("ws://user@[::1]:81/", "ws://[::1]:81/"),
        ("WSS://u:p@host?token", "WSS://host"),
        ("ws:u:p@host", "ws:host"),
        ("//u:p@host/feed", "//host/feed"),
        ("u:p@host/feed", "host/feed"),
        ("ftp://u:p@host/feed", "ftp://host/feed"),
        ("/feed?token", "/feed"),
        (" ws://host/\n", "ws://host/"),
        ("ws://host/@me/feed?token", "ws://host/@me/feed"),
        # A password with characters that should have been escaped.
        ("ws://user:pass/word@host/feed?token", "ws://host/feed"),
        ("ws://user:pass?word@host/", "ws://host/"),
        ("ws://user:pass#word@host", "ws://host"),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_url(url: str, expected: str) -> None:
    assert shown(url) == expected


SECRET = st.from_regex(r"[a-z0-9:/?#%]{0,9}", fullmatch=True).map(lambda text: f"SECRET{text}")


@given(st.sampled_from(["ws", "wss", "http", "https"]), SECRET, SECRET, SECRET)
def test_secrets_in_any_place_are_not_shown(
    scheme: str, user: str, query: str, fragment: str
) -> None:
    text = shown(f"{scheme}://name:{user}@example.org/path?{query}#{fragment}")
    assert "SECRET" not in text
    assert text.startswith(f"{scheme}://example.org/")


@pytest.mark.parametrize(
    "message",
    [
        "The URL 'ws://user:SECRET@ho st/?SECRET' is invalid.",
        "it contains a fragment identifier ('SECRET'), which is not allowed",
        "nothing of it",
    ],
)
def test_what_the_browser_says_of_a_url(message: str) -> None:
    text = redacted(message, "ws://user:SECRET@ho st/?SECRET#SECRET")
    assert "SECRET" not in text
    assert text.split()[0] == message.split()[0]


def test_what_the_browser_says_of_a_url_without_secrets_stays_as_it_is() -> None:
    assert redacted("The URL 'ws://h/' is invalid", "ws://h/") == "The URL 'ws://h/' is invalid"


NAMES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"]
LOCAL = [ipaddress.ip_network(name) for name in NAMES]
HOSTS = st.ip_addresses() | st.sampled_from(["127.0.0.0/8", "::1/128", *NAMES]).flatmap(
    lambda network: st.ip_addresses(network=network)
)


@given(HOSTS, st.sampled_from(["", ":81"]), st.sampled_from(["", "u:p@"]))
def test_which_network_an_address_is_in(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: str, user: str
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    if address.is_loopback:
        expected = "loopback"
    elif any(address in network for network in LOCAL if network.version == address.version):
        expected = "local"
    else:
        expected = ""
    assert network_of(f"ws://{user}{host}{port}/feed?10.0.0.1") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://localhost/", "loopback"),
        ("wss://LOCALHOST.:81/feed", "loopback"),
        ("ws://app.localhost", "loopback"),
        ("ws://[::ffff:7f00:1]:81/", "loopback"),
        ("wss://printer.local/feed", "local"),
        ("wss://example.org/localhost", ""),
        ("wss://localhost.example.org/", ""),
        ("wss://10.example.org/", ""),
        ("wss://10.0.0.1.example.org/", ""),
        ("wss://fc00.example.org/", ""),
        ("/feed", ""),
        ("", ""),
        ("null", ""),
    ],
)
def test_which_network_a_name_is_in(url: str, expected: str) -> None:
    assert network_of(url) == expected
