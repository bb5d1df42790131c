"""What can go wrong between us and a provider, as errors that say whether it can have heard of the call.

Called by this package's modules. A provider that was not `reached` bills nothing; everything else may have been paid.
"""

from __future__ import annotations

from headgate.models.call import ProviderError


def unsent(what: str) -> ProviderError:
    """Build the error for a request that must not be made."""
    return _unheard(ProviderError(what, code="provider_rejected"))


def unreached(why: str) -> ProviderError:
    """Build the error for a host that no connection could be opened to."""
    return _unheard(
        ProviderError(
            f"the provider cannot be reached: {why}",
            "is it running, and is base_url right?",
            code="provider_connection",
            retryable=True,
        )
    )


def untrusted(why: str) -> ProviderError:
    """Build the error for a host that is not who it should be, or speaks no TLS of ours. Trying again does not help."""
    return _unheard(
        ProviderError(
            f"the provider cannot be reached safely: {why}",
            "is its certificate for this host name, and from an authority that this machine trusts?",
            code="provider_connection",
        )
    )


def refused(host: str, kind: str, setting: str) -> ProviderError:
    """Build the error for a host whose address is not open. It never says which address that is."""
    what = kind if kind.startswith("an ") else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} address"
    return _unheard(
        ProviderError(
            f"the provider's host {host!r} is at {what}, which is not open to outbound calls",
            f"if that is meant, whoever runs the server adds the host, or its network, to {setting}",
            code="provider_connection",
        )
    )


def timed_out(reached: bool) -> ProviderError:
    """Build the error for time that ran out. reached: whether any of the request was sent."""
    phase = "was too slow" if reached else "did not accept the connection"
    found = ProviderError(f"the provider {phase}", code="provider_timeout", retryable=True)
    return found if reached else _unheard(found)


def broken(why: str) -> ProviderError:
    """Build the error for a connection that broke after the request, or part of it, was sent."""
    return ProviderError(f"the connection to the provider broke: {why}", code="provider_connection", retryable=True)


def _unheard(problem: ProviderError) -> ProviderError:
    problem.reached = False
    return problem
