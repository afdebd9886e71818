//! The tokens of a file, with those of its imports in their place.

use std::sync::Arc;

use crate::lexer::Token;

/// A stack of token lists: the file, and on it what it imports at the moment.
///
/// A list that is at its end stays until the token after it is taken, so that the depth of the stack is the depth
/// of the imports even if each import is the last word of its file.
pub(crate) struct Tokens {
    frames: Vec<Frame>,
}

struct Frame {
    tokens: Arc<[Token]>,
    at: usize,
}

impl Tokens {
    pub(crate) fn new(tokens: Vec<Token>) -> Self {
        let mut stack = Self { frames: Vec::new() };
        stack.push(tokens.into());
        stack
    }

    /// Puts tokens before those to come. The first of them starts a line, and so does what follows the last.
    pub(crate) fn push(&mut self, tokens: Arc<[Token]>) {
        self.frames.push(Frame { tokens, at: 0 });
    }

    pub(crate) fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The next token, and whether it starts a line.
    pub(crate) fn peek(&self) -> Option<(&Token, bool)> {
        let mut left_a_frame = false;
        for frame in self.frames.iter().rev() {
            if let Some(token) = frame.tokens.get(frame.at) {
                return Some((token, left_a_frame || frame.at == 0 || token.starts_line));
            }
            left_a_frame = true;
        }
        None
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        while let Some(frame) = self.frames.last_mut() {
            if let Some(token) = frame.tokens.get(frame.at) {
                frame.at = frame.at.saturating_add(1);
                return Some(token.clone());
            }
            self.frames.pop();
        }
        None
    }
}
