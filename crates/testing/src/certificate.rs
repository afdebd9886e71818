//! Certificates for tests of TLS.

use std::process::{Command, Stdio};

/// A new certificate for `name` and 127.0.0.1 that vouches for itself, and its key; both PEM, one behind the other.
///
/// Made by the `openssl` program.
///
/// # Panics
///
/// Where there is no `openssl`.
pub fn certificate(name: &str) -> String {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-keyout", "-", "-out", "-", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name},IP:127.0.0.1")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .stderr(Stdio::null())
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "openssl makes a certificate");
    String::from_utf8(output.stdout).expect("PEM is text")
}
