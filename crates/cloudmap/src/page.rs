//! Pages of a listing, and the tokens between them.
//!
//! A token holds the key of the last entry looked at, so a listing neither repeats nor skips what was there throughout,
//! whatever came and went meanwhile, and the server remembers nothing.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::fault::{Code, Fault};

/// The part of a listing that a request asks for.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    scope: &'a str,
    max: usize,
}

/// Some entries, and the token for those after them.
pub(crate) struct Listed<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next_token: Option<String>,
}

impl<'a> Page<'a> {
    /// A page of the listing called `scope`: its operation, and what else a token must not be carried over.
    pub(crate) fn new(scope: &'a str, max: Option<usize>) -> Page<'a> {
        Page { scope, max: max.unwrap_or(DEFAULT_MAX_RESULTS) }
    }

    /// The key after which the page begins; none for the first page.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the token is not one of this listing.
    pub(crate) fn after<K: FromStr>(&self, token: Option<&str>) -> Result<Option<K>, Fault> {
        let Some(token) = token else { return Ok(None) };
        let key = self.open(token).and_then(|key| key.parse().ok());
        key.map(Some).ok_or_else(|| Fault::new(Code::InvalidInput, "The NextToken is not valid."))
    }

    /// Takes the entries that `wanted` shows, up to the page's size.
    ///
    /// Looks at a bounded number, since it holds the model: a page may be short, or empty, and still have a token.
    pub(crate) fn take<E, T>(
        &self,
        entries: impl Iterator<Item = E>,
        key: impl Fn(&E) -> &str,
        wanted: impl Fn(&E) -> Option<T>,
    ) -> Listed<T> {
        let mut listed = Listed { entries: Vec::new(), next_token: None };
        let mut entries = entries.enumerate().peekable();
        while let Some((i, entry)) = entries.next() {
            listed.entries.extend(wanted(&entry));
            let full = listed.entries.len() == self.max || i + 1 == MOST_EXAMINED;
            if full {
                listed.next_token = entries.peek().map(|_| self.seal(key(&entry)));
                break;
            }
        }
        listed
    }

    fn seal(&self, key: &str) -> String {
        let mut token = String::new();
        for octet in self.check(key).iter().chain(key.as_bytes()) {
            token.push_str(&format!("{octet:02x}"));
        }
        token
    }

    fn open(&self, token: &str) -> Option<String> {
        let digit = |c: u8| char::from(c).to_digit(16);
        let octets: Option<Vec<u8>> = token
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::try_from(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?).ok())
            .collect();
        let octets = octets?;
        let (check, key) = octets.split_at_checked(CHECK)?;
        let key = std::str::from_utf8(key).ok()?;
        (check == self.check(key)).then(|| key.to_owned())
    }

    /// Tells a token of this listing from other text; not a secret, since a key gives nothing away.
    fn check(&self, key: &str) -> [u8; CHECK] {
        let digest = Sha256::new().chain_update(self.scope).chain_update([0]).chain_update(key).finalize();
        std::array::from_fn(|i| digest[i])
    }
}

const DEFAULT_MAX_RESULTS: usize = 100;

/// Entries that one page looks at: some milliseconds of the model's lock.
const MOST_EXAMINED: usize = 50_000;

/// Octets of a token's check.
const CHECK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(max: usize, wanted: impl Fn(&String) -> Option<String>) -> Vec<Vec<String>> {
        let all: Vec<String> = (0..7).map(|i| i.to_string()).collect();
        let page = Page::new("List", Some(max));
        let (mut pages, mut token) = (Vec::new(), None);
        loop {
            let after: Option<String> = page.after(token.as_deref()).unwrap();
            let rest = all.iter().filter(|key| after.as_ref().is_none_or(|after| *key > after));
            let listed = page.take(rest, |key| key, |key| wanted(key));
            pages.push(listed.entries);
            token = listed.next_token;
            if token.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn pages_hold_each_entry_once() {
        let all = |key: &String| Some(key.clone());
        assert_eq!(pages(3, all), [vec!["0", "1", "2"], vec!["3", "4", "5"], vec!["6"]]);
        assert_eq!(pages(7, all).len(), 1);
        assert_eq!(pages(100, all).concat().len(), 7);
    }

    #[test]
    fn a_filter_leaves_nothing_out() {
        assert_eq!(pages(2, |key| (key > &"3".to_owned()).then(|| key.clone())).concat(), ["4", "5", "6"]);
    }

    #[test]
    fn a_token_of_another_listing_is_refused() {
        let token = Page::new("ListServices", None).seal("srv-1");
        let fault = Page::new("ListNamespaces", None).after::<String>(Some(&token)).unwrap_err();
        assert_eq!(fault.code(), Code::InvalidInput);
    }

    #[test]
    fn text_that_is_no_token_is_refused() {
        let token = Page::new("List", None).seal("key");
        let cut = &token[..token.len() - 1];
        let mut changed = token.clone();
        changed.replace_range(..1, if token.starts_with('0') { "1" } else { "0" });
        for text in ["", "not a token", "00", "\u{e9}", cut, &changed, &"f".repeat(4096)] {
            assert!(Page::new("List", None).after::<String>(Some(text)).is_err(), "{text}");
        }
    }
}
