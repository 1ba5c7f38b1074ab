"""Which headers a webhook may carry: the same rule where an endpoint asks for its own and where a request is made."""

import re

# What the connection itself needs is ours to say: a custom header must not split a request or ask for compression.
RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What each attempt has, unless the endpoint sets another `user-agent` or `accept`.
SENT_ALWAYS = {"user-agent": "Roadbed-Webhooks/1", "accept": "*/*", "content-type": "application/json"}
NO_ENCODING = "identity"
# What the log shows in place of a secret.
REDACTED = "[redacted]"
# RFC 9110, 5.6.2 and 5.5, without bytes beyond ASCII.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def header_problem(name: str, value: str) -> str | None:
    """What is wrong with a header, as the end of a sentence, or None.

    >>> header_problem("Host", "example.com")
    'belongs to the connection and cannot be set'
    """
    if name.lower() in RESERVED_HEADERS:
        return "belongs to the connection and cannot be set"
    if not _HEADER_NAME.fullmatch(name):
        return "is not a header's name"
    if not _HEADER_VALUE.fullmatch(value):
        return "has a value that is not visible ASCII"
    return None
