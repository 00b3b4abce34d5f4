# SPDX-License-Identifier: Apache-2.0
"""TLS of the API: its certificate, and whose clients it talks to."""

from __future__ import annotations

import ssl

from staffeln.domain import errors


def context(certificate: str, key: str, authorities: str) -> ssl.SSLContext:
    """Read the files; clients have to speak TLS 1.2 at least.

    :param certificate: path of the API's certificate.
    :param key: path of its key; empty: with the certificate.
    :param authorities: path of the certificates by which clients are
        proved; empty: clients are not asked for one.
    :raises ConfigurationError: which option's file cannot be used, and why.
    """
    _read("ssl_cert_file", certificate)
    if key:
        _read("ssl_key_file", key)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_chain(made, certificate, key)
    if authorities:
        _read("ssl_ca_file", authorities)
        if not _holds_certificates(made, authorities):
            raise _refusal("ssl_ca_file", authorities, "no certificate (PEM)")
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def _load_chain(made: ssl.SSLContext, certificate: str, key: str) -> None:
    asked = []

    def no_passphrase() -> str:
        # Without an answer OpenSSL would ask on the terminal, and wait.
        asked.append(True)
        return ""

    name, path = (
        ("ssl_key_file", key) if key else ("ssl_cert_file", certificate)
    )
    try:
        made.load_cert_chain(certificate, key or None, no_passphrase)
    except (OSError, ValueError) as error:
        if asked:
            why = "the key has a passphrase; give it without one"
        elif getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            why = "the key does not belong to the certificate"
        elif not _holds_certificates(
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate
        ):
            name, path = "ssl_cert_file", certificate
            why = "no certificate (PEM)"
        else:
            why = "no private key (PEM) that can be used"
        raise _refusal(name, path, why) from None


def _holds_certificates(made: ssl.SSLContext, path: str) -> bool:
    try:
        made.load_verify_locations(path)
    except (OSError, ValueError):
        return False
    return True


def _read(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _refusal(name, path, f"cannot be read: {why}") from None


def _refusal(name: str, path: str, why: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(f"[api] {name} = {path!r}: {why}")
