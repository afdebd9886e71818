//! How etcd is reached, as a directive says it: this plugin's, and any other that has an etcd of its own.

use std::error::Error as _;
use std::path::PathBuf;

use cartonym_etcd::{Credentials, Options, Tls};
use cartonym_plugin::corefile::{Directive, Error, Word};

/// Reads `credentials USER PASSWORD`, `tls`, `tls CA`, `tls CERT KEY` or `tls CERT KEY CA`; `path` says where a file is. Whether
/// it was one of these.
///
/// # Errors
///
/// Refuses what is none of these forms.
pub fn entry(
    options: &mut Options,
    entry: &Directive,
    path: impl Fn(&str) -> PathBuf,
) -> Result<bool, Error> {
    match entry.name() {
        "credentials" => {
            let [user, password] = entry.arg_count(2..=2)? else {
                return Err(entry.error("`credentials USER PASSWORD`"));
            };
            let (user, password) = (user.as_str().to_owned(), password.as_str().to_owned());
            options.credentials = Some(Credentials { user, password });
        }
        "tls" => {
            let file = |word: &Word| path(word.as_str());
            let (identity, authority) = match entry.arg_count(0..=3)? {
                [authority] => (None, Some(authority)),
                [certificate, key, more @ ..] => (Some((file(certificate), file(key))), more.first()),
                [] => (None, None),
            };
            options.tls = Some(Tls { authority: authority.map(file), identity });
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Whether etcd can be reached so, as far as that can be said without a call.
///
/// # Errors
///
/// Refuses, at `directive`, an endpoint that is none, and a file that cannot be read.
pub fn check(options: &Options, directive: &Directive) -> Result<(), Error> {
    options.check().map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        directive.error(format!("{error}{}", cause.unwrap_or_default()))
    })
}
