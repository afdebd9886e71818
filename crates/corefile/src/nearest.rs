//! The word that was probably meant.

/// Finds the candidate that `word` is most likely a misspelling of, if one is near enough.
///
/// Near is one edit (insert, delete, replace, swap two neighbours) per three characters, and at least one.
/// The first of equally near candidates wins. Costs the product of the lengths per candidate; words of more than
/// 64 characters have no neighbours.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).take(MAX_CHARS + 1).collect();
    if word.is_empty() || word.len() > MAX_CHARS {
        return None;
    }
    let near = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(&word, candidate), candidate))
        .filter(|(edits, _)| *edits <= near)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance: a row per character of `other`, of which only three are kept.
fn edits(word: &[char], other: &str) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    let mut previous = None;
    for (row, o) in (1..).zip(other.chars()) {
        let mut this = vec![row];
        let (mut best, mut left) = (row, None);
        // Two back in both; there is none in the first column, nor in the first row.
        let none = &usize::MAX;
        let swapped = std::iter::once(none).chain(&before_last).chain(std::iter::repeat(none));
        for ((&w, &[diagonal, above]), swapped) in word.iter().zip(last.array_windows()).zip(swapped) {
            let replaced = diagonal.saturating_add(usize::from(o != w));
            best = replaced.min(above.min(best).saturating_add(1));
            if left == Some(o) && previous == Some(w) {
                best = best.min(swapped.saturating_add(1));
            }
            this.push(best);
            left = Some(w);
        }
        before_last = std::mem::replace(&mut last, this);
        previous = Some(o);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

/// A longer word is no misspelling of anything here.
const MAX_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_what_was_meant() {
        let table = [
            ("forwrad", Some("forward")),
            ("forwad", Some("forward")),
            ("foward", Some("forward")),
            ("Forward", Some("forward")),
            ("cahce", Some("cache")),
            ("log", Some("log")),
            ("lgo", Some("log")),
            ("promethus", Some("prometheus")),
            ("kubernetes", None),
            ("xy", None),
            ("", None),
        ];
        for (word, meant) in table {
            assert_eq!(nearest(word, ["forward", "cache", "log", "prometheus"]), meant, "{word}");
        }
    }

    #[test]
    fn a_very_long_word_has_no_neighbours() {
        assert_eq!(nearest(&"a".repeat(100_000), ["a"]), None);
    }
}
