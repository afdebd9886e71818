//! Many keys, a page at a time.

use crate::{Client, Error, KeyValue, Range};

/// The keys of a range as of one revision, read a page at a time: [`Client::pages`].
#[derive(Debug)]
pub struct Pages<'c> {
    client: &'c Client,
    /// What is still to be asked for.
    rest: Option<Range>,
}

impl Client {
    /// The keys of a range, at most `range.limit` at a time. With a revision, all pages are as of that one; without, each is as
    /// of when it is read.
    pub fn pages(&self, range: Range) -> Pages<'_> {
        Pages { client: self, rest: Some(range) }
    }
}

impl Pages<'_> {
    /// The next keys, in order; none after the last.
    ///
    /// # Errors
    ///
    /// [`Error`], after which there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, Error> {
        let Some(range) = self.rest.take() else { return Ok(None) };
        let page = self.client.range(range.clone()).await?;
        let Some(last) = page.kvs.last() else { return Ok(None) };
        if page.more {
            let key = [&*last.key, &[0]].concat();
            self.rest = Some(Range { key, ..range });
        }
        Ok(Some(page.kvs))
    }
}
