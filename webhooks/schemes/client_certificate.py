"""Authenticate senders by client certificates (mutual TLS), which a trusted proxy passes on in a header.

The proxy ends the TLS connection and checks the issuer of the certificate; this scheme checks the names in it. Any
client can send such a header, so requests are accepted only from the operator's proxies (WAYPOST_TRUSTED_PROXIES), and
each of these must replace the header if a client sends it. The secrets of the source are the names that are accepted:

    sha256:...           the SHA-256 fingerprint of the certificate, in hexadecimal, with or without colons
    dns:... or uri:...   a subject alternative name (a SPIFFE ID is a uri: uri:spiffe://...)
    anything else        the subject, such as CN=shop,O=Example (RFC 4514), spelt as in the certificate or by the proxy

Options and their defaults:

header         name of the header with the certificate                             client-cert
form           format of that header:                                              rfc9440
               rfc9440    base64 of the DER between colons
               pem        PEM, percent-encoded ($ssl_client_escaped_cert, x-amzn-mtls-clientcert)
               xfcc       Envoy's x-forwarded-client-cert, with one certificate
               subject    the subject only
verify_header  name of a header that must be SUCCESS ($ssl_client_verify)          none
"""

from collections.abc import Sequence

from webhooks.schemes import certificate_headers
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
    """Verify the client certificate that a trusted proxy passes on. Raises BadOptions."""

    name = "mtls"
    label = "Client certificate, verified by a trusted proxy"

    def __init__(self, *, header: str = "client-cert", form: str = "rfc9440", verify_header: str = "") -> None:
        if not is_name(header) or (verify_header and not is_name(verify_header)):
            raise BadOptions("header and verify_header must be header names")
        if form not in certificate_headers.READERS:
            raise BadOptions(f"form must be one of {', '.join(certificate_headers.READERS)}")
        self._header, self._verify_header = header.lower(), verify_header.lower()
        self._read_certificate = certificate_headers.READERS[form]

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)  # raises BadSecret
        if not context.proxied:
            raise UntrustedProxy
        if self._verify_header and context.header(self._verify_header) != "SUCCESS":
            raise NoMatchingSignature("the proxy did not accept the certificate")
        certificate = self._read_certificate(context.header(self._header))
        if certificate is None:
            raise MalformedHeader(self._header)
        if not certificate.begins <= context.now <= certificate.ends:
            raise StaleTimestamp("the certificate is not valid now")
        accepted_names = [certificate_headers.canonical_name(secret) for secret in secrets]
        matching = [
            index
            for index, accepted_name in enumerate(accepted_names)
            if any(constant_time_equal(accepted_name, name) for name in certificate.names)
        ]
        if not matching:
            raise NoMatchingSignature("the certificate has none of the accepted names")
        return UnsignedBody(matching[0])

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        raise SenderKeyRequired("The proxy authenticates the sender: send a test message through the proxy.")
