"""Certificates for 127.0.0.1 that no authority has signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dyno.dynamo import Tls

__all__ = ["self_signed"]

# Drawing the key takes about 0.1 s.
OPENSSL_SECONDS = 30.0


def self_signed(folder: Path) -> Tls:
    """Writes a new key and its certificate, which is valid for a day, into an existing folder."""
    tls = Tls(folder / "certificate.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-keyout", str(tls.key), "-out", str(tls.certificate), "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=OPENSSL_SECONDS)
    return tls
