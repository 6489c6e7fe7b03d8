"""The one place that takes secrets and people's data out of a text before it is logged or put into an exception."""

from __future__ import annotations

import re

MASK = "***"
EXCERPT_CHARACTERS = 300

_MASKED_MEMBERS = (
    r"access_token|refresh_token|id_token|client_secret|client_assertion|password|passwd|secret|api_?key"
    r"|assertion|authorization|cookie|set-cookie"
)
_JSON_STRING = r'"(?:[^"\\]|\\.)*(?:"|$)'

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/:=-]+"), rf"\1 {MASK}"),
    (
        re.compile(rf'(?i)(["\']?\b(?:{_MASKED_MEMBERS})["\']?\s*[:=]\s*)(?:{_JSON_STRING}|\'[^\']*\'|[^\s&,;"\'}}]+)'),
        rf"\1{MASK}",
    ),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), MASK),  # a JSON web token
    (re.compile(r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[a-z0-9]{2,8}\b"), MASK),  # a Marketo token
    (re.compile(r"(?i)(?<=//)[^/\s:@]+:[^/\s@]+(?=@)"), MASK),  # user and password in an address
    (re.compile(r"(?i)[\w.!#$%&'*+/=?^`{|}~-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+"), "<e-mail>"),
    # Both vendors quote the offending value in messages such as "Invalid value 'x', required of type 'integer'".
    (re.compile(r"(?i)\b(value)(\s*[:=]?\s*)('[^']*'|\"[^\"]*\")(?!\s*:)"), rf"\1\2{MASK}"),
)

# The members of an answer that describe the answer, and never a person.
_PLAIN_MEMBERS = frozenset(
    {
        "code",
        "message",
        "requestid",
        "status",
        "error",
        "error_description",
        "datatype",
        "type",
        "name",
        "reasons",
        "errors",
    }
)
_MEMBER = re.compile(rf'("((?:[^"\\]|\\.)*)"\s*:\s*)({_JSON_STRING}|-?\d[\d.eE+-]*)')


def redact(text: str) -> str:
    """Return the text with tokens, passwords, secrets, e-mail addresses and quoted values masked."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def excerpt(text: str, limit: int = EXCERPT_CHARACTERS) -> str:
    """
    Return the beginning of a vendor's answer, fit for an exception.

    Every string or number of a JSON member is masked unless the member describes the answer itself (`code`, `message`,
    `requestId`, …), also in a text that breaks off in the middle.
    """
    masked = redact(_MEMBER.sub(_mask_member, text[: limit * 4]))
    return masked if len(masked) <= limit else f"{masked[:limit]}…"


def _mask_member(match: re.Match[str]) -> str:
    prefix, name, value = match.groups()
    if name.lower() in _PLAIN_MEMBERS:
        return match.group(0)
    return f'{prefix}"{MASK}"' if value.startswith('"') else f"{prefix}{MASK}"
