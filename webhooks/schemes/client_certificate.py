"""Mutual TLS that ended at a proxy: the certificate comes in a header, and counts only from a proxy that is trusted.

The proxy has checked that the certificate was issued by the right authority; here it is checked whose it is. Anybody
can write a header, so it is believed from the operator's proxies alone (WAYPOST_TRUSTED_PROXIES), and the proxy must
overwrite what it is sent under that name. A secret is the name of a certificate that may come in:

    sha256:...           the SHA-256 of the certificate, hexadecimal, colons or not
    dns:... uri:...      an alternative name (spiffe://... is a uri)
    anything else        the subject: CN=shop,O=Example (RFC 4514, as the certificate or the proxy spells it)

header         the header that holds the certificate                               client-cert
form           how the proxy writes it:                                            rfc9440
               rfc9440    base64 of the DER between colons
               pem        PEM, percent-encoded ($ssl_client_escaped_cert, x-amzn-mtls-clientcert)
               xfcc       Envoy's x-forwarded-client-cert, of one certificate
               subject    the subject as it stands
verify_header  a header that has to say SUCCESS ($ssl_client_verify); none
"""

from collections.abc import Sequence

from webhooks.schemes import certificate_headers as forms
from webhooks.schemes.scheme import (
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire.errors import (
    BadOptions,
    MalformedHeader,
    NoMatchingSignature,
    SenderKeyRequired,
    StaleTimestamp,
    UntrustedProxy,
)
from webhooks.wire.header_values import is_name
from webhooks.wire.signing.hmac_signatures import constant_time_equal, keys_from_text


class ClientCertificate(Scheme):
    """A certificate in a header. Raises BadOptions."""

    def __init__(self, *, header: str = "client-cert", form: str = "rfc9440", verify_header: str = "") -> None:
        if not is_name(header) or (verify_header and not is_name(verify_header)):
            raise BadOptions("a header name")
        if form not in forms.READERS:
            raise BadOptions("form")
        self._header, self._verify_header = header.lower(), verify_header.lower()
        self._read = forms.READERS[form]

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        if not context.proxied:
            raise UntrustedProxy
        if self._verify_header and context.header(self._verify_header) != "SUCCESS":
            raise NoMatchingSignature("the proxy did not accept the certificate")
        shown = self._read(context.header(self._header))
        if shown is None:
            raise MalformedHeader(self._header)
        if not shown.begins <= context.now <= shown.ends:
            raise StaleTimestamp("the certificate is not valid now")
        wanted = [forms.canonical_name(secret) for secret in secrets]
        fitting = [
            place for place, name in enumerate(wanted) for known in shown.names if constant_time_equal(name, known)
        ]
        if not fitting:
            raise NoMatchingSignature("the certificate is not one that may come in")
        return UnsignedBody(fitting[0])

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        raise SenderKeyRequired("The proxy vouches for the sender: a sample would have to come through it.")
