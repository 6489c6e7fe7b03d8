"""
Everything between a vendor client and the network: one request path, with retries, limits and redaction.

The only package that imports `requests`. A vendor client builds a `Request`, hands it to its `Transport` together with
a `judge` that reads the vendor's own signals out of an answer, and gets a `Response` or an exception of
`include.errors`.
"""

from typing import TYPE_CHECKING

from include.late import late_names

if TYPE_CHECKING:
    from include.http.encoding import encode_form, encode_params
    from include.http.failures import UnreachableHost
    from include.http.judgement import Action, Judge, Verdict, judge_status
    from include.http.messages import Credentials, Request, Response
    from include.http.rate_limit import RateLimit
    from include.http.redaction import excerpt, redact
    from include.http.retry import RetryBudget, RetryPolicy
    from include.http.transport import Transport
else:
    __getattr__ = late_names(
        __name__, "encoding", "redaction", "messages", "retry", "judgement", "rate_limit", "failures", "transport"
    )

__all__ = [
    "Action",
    "Credentials",
    "Judge",
    "RateLimit",
    "Request",
    "Response",
    "RetryBudget",
    "RetryPolicy",
    "Transport",
    "UnreachableHost",
    "Verdict",
    "encode_form",
    "encode_params",
    "excerpt",
    "judge_status",
    "redact",
]
