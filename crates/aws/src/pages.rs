//! Lists that come in pages.

use std::collections::HashSet;
use std::hash::Hash;

/// Why a list has no end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PagesError {
    /// A page was named that had been read before.
    #[error("its pages go round in a circle")]
    Circle,
    /// There is always one more page.
    #[error("it has more than {0} pages")]
    Endless(usize),
}

/// What stands on all pages, `most` at most, each of which says where the next begins. The first begins at none.
///
/// # Errors
///
/// The first of `page`, or that there is no last page.
pub async fn pages<T, Start, E, Page>(most: usize, page: impl Fn(Option<Start>) -> Page) -> Result<Vec<T>, E>
where
    Start: Clone + Eq + Hash,
    E: From<PagesError>,
    Page: Future<Output = Result<(Vec<T>, Option<Start>), E>>,
{
    let (mut all, mut start, mut seen) = (Vec::new(), None, HashSet::new());
    for _ in 0..most {
        let (items, next) = page(start).await?;
        all.extend(items);
        let Some(next) = next else { return Ok(all) };
        if !seen.insert(next.clone()) {
            return Err(PagesError::Circle.into());
        }
        start = Some(next);
    }
    Err(PagesError::Endless(most).into())
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    /// Reads pages of one item each; `next` says what begins behind the page that begins at a number.
    async fn read(next: impl Fn(usize) -> Option<usize>) -> Result<Vec<usize>, PagesError> {
        pages(100, |start| {
            let start = start.unwrap_or_default();
            ready(Ok((vec![start], next(start))))
        })
        .await
    }

    #[tokio::test]
    async fn pages_end() {
        assert_eq!(read(|number| (number < 2).then_some(number + 1)).await, Ok(vec![0, 1, 2]));
        assert_eq!(read(|number| (number < 99).then_some(number + 1)).await.map(|all| all.len()), Ok(100));
        assert_eq!(read(|number| Some((number + 1) % 2)).await, Err(PagesError::Circle));
        assert_eq!(read(|number| Some(number + 1)).await, Err(PagesError::Endless(100)));
    }
}
