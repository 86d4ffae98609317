"""Mutual TLS that ends at a proxy: a trusted proxy passes the client's certificate on in a header.

The proxy checks that the right authority issued the certificate; this scheme checks its name. Any client can write a
header, so it counts only from the operator's proxies (WAYPOST_TRUSTED_PROXIES), and the proxy must overwrite the header
if a client sends it. A secret is the name of a certificate that is accepted:

    sha256:...           the SHA-256 of the certificate, hexadecimal, with or without colons
    dns:... uri:...      an alternative name (spiffe://... is a uri)
    anything else        the subject: CN=shop,O=Example (RFC 4514, as the certificate or the proxy spells it)

Options and their defaults:

header         the header with the certificate                                     client-cert
form           how the proxy writes it:                                            rfc9440
               rfc9440    base64 of the DER between colons
               pem        PEM, percent-encoded ($ssl_client_escaped_cert, x-amzn-mtls-clientcert)
               xfcc       Envoy's x-forwarded-client-cert, of one certificate
               subject    the subject only
verify_header  a header that must be SUCCESS ($ssl_client_verify)                  none
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
    """A client certificate in a header. Raises BadOptions."""

    name = "mtls"
    label = "Client certificate, verified by a trusted proxy"

    def __init__(self, *, header: str = "client-cert", form: str = "rfc9440", verify_header: str = "") -> None:
        if not is_name(header) or (verify_header and not is_name(verify_header)):
            raise BadOptions("header and verify_header must be header names")
        if form not in forms.READERS:
            raise BadOptions(f"form must be one of {', '.join(forms.READERS)}")
        self._header, self._verify_header = header.lower(), verify_header.lower()
        self._read = forms.READERS[form]

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        if not context.proxied:
            raise UntrustedProxy
        if self._verify_header and context.header(self._verify_header) != "SUCCESS":
            raise NoMatchingSignature("the proxy did not accept the certificate")
        certificate = self._read(context.header(self._header))
        if certificate is None:
            raise MalformedHeader(self._header)
        if not certificate.begins <= context.now <= certificate.ends:
            raise StaleTimestamp("the certificate is not valid now")
        accepted = [forms.canonical_name(secret) for secret in secrets]
        matching = [
            index
            for index, name in enumerate(accepted)
            if any(constant_time_equal(name, it) for it in certificate.names)
        ]
        if not matching:
            raise NoMatchingSignature("the certificate has none of the accepted names")
        return UnsignedBody(matching[0])

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        raise SenderKeyRequired("The proxy authenticates the sender: send a test message through the proxy.")
