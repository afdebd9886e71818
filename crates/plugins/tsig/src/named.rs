//! Keys as BIND's configuration has them.

use cartonym_tsig::{Algorithm, Key};
use cartonym_wire::NameBuf;

/// What is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NamedError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Reads `key "name" { algorithm NAME; secret "BASE64"; };`, any number of times. Other statements are errors, and
/// comments are as in BIND: `//`, `#` and `/* */`.
pub(crate) fn read_keys(text: &str) -> Result<Vec<Key>, NamedError> {
    let mut tokens = Tokens { rest: text, line: 1 };
    let mut keys = Vec::new();
    while let Some(word) = tokens.next() {
        if word == ";" {
            continue;
        }
        if word != "key" {
            return Err(tokens.error(format!("`key` is meant, not `{word}`")));
        }
        keys.push(read_key(&mut tokens)?);
    }
    Ok(keys)
}

fn read_key(tokens: &mut Tokens<'_>) -> Result<Key, NamedError> {
    let name = tokens.need("the key's name")?;
    let name: NameBuf = name.parse().map_err(|error| tokens.error(format!("{name}: {error}")))?;
    tokens.expect("{")?;
    let (mut algorithm, mut secret) = (Algorithm::HmacSha256, None);
    loop {
        match tokens.need("`}`")? {
            "}" => break,
            "algorithm" => {
                let word = tokens.need("an algorithm")?;
                algorithm = word.parse().map_err(|error| tokens.error(format!("{word}: {error}")))?;
            }
            "secret" => secret = Some(tokens.need("a secret")?),
            word => return Err(tokens.error(format!("`algorithm` or `secret` is meant, not `{word}`"))),
        }
        tokens.expect(";")?;
    }
    let secret = secret.ok_or_else(|| tokens.error(format!("key {name} has no secret")))?;
    Key::from_base64(&name, algorithm, secret).map_err(|error| tokens.error(format!("key {name}: {error}")))
}

/// Words, strings without their quotes, and the signs between them.
struct Tokens<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Tokens<'t> {
    fn next(&mut self) -> Option<&'t str> {
        self.skip_blank();
        let first = self.rest.chars().next()?;
        let (token, after) = match first {
            '{' | '}' | ';' => self.rest.split_at(1),
            '"' => {
                let inner = self.rest.get(1..)?;
                let end = inner.find('"').unwrap_or(inner.len());
                (inner.get(..end)?, inner.get(end + 1..).unwrap_or_default())
            }
            _ => {
                let is_end = |c: char| c.is_whitespace() || "{};\"".contains(c);
                self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()))
            }
        };
        self.go_to(after);
        Some(token)
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest.trim_start();
            let end = match rest {
                _ if rest.starts_with("//") || rest.starts_with('#') => rest.find('\n'),
                _ if rest.starts_with("/*") => rest.find("*/").map(|at| at + 2),
                _ => Some(0),
            };
            let after = end.and_then(|end| rest.get(end..)).unwrap_or_default();
            self.go_to(after);
            if end == Some(0) || after.is_empty() {
                return;
            }
        }
    }

    fn go_to(&mut self, after: &'t str) {
        let passed = self.rest.len() - after.len();
        let lines = self.rest.get(..passed).unwrap_or_default().matches('\n').count();
        self.line += lines;
        self.rest = after;
    }

    fn need(&mut self, what: &str) -> Result<&'t str, NamedError> {
        self.next().ok_or_else(|| self.error(format!("{what} is missing")))
    }

    fn expect(&mut self, sign: &str) -> Result<(), NamedError> {
        match self.need(&format!("`{sign}`"))? {
            found if found == sign => Ok(()),
            found => Err(self.error(format!("`{sign}` is meant, not `{found}`"))),
        }
    }

    fn error(&self, message: String) -> NamedError {
        NamedError { line: self.line, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, (usize, String)> {
        let keys = read_keys(text).map_err(|error| (error.line, error.message))?;
        Ok(keys.iter().map(|key| format!("{key:?}")).collect())
    }

    #[test]
    fn keys_are_read() {
        let text = "// two keys\nkey \"a.example.\" {\n  algorithm hmac-sha512; # strong\n  secret \"c2VjcmV0\";\n};\n\
                    /* and\nanother */ key b { secret c2VjcmV0; };";
        assert_eq!(names(text).unwrap(), ["a.example. hmac-sha512", "b. hmac-sha256"]);
        assert_eq!(names("").unwrap(), Vec::<String>::new());
        assert_eq!(names("# nothing").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_found_at_its_line() {
        let bad = [
            ("zone x { };", 1, "`key` is meant, not `zone`"),
            ("key a {\nsecret \"c2VjcmV0\"\n}", 3, "`;` is meant, not `}`"),
            ("key a { };", 1, "key a. has no secret"),
            ("\nkey a { secret \"!\"; };", 2, "key a.: the secret is not Base64"),
            ("key a { secret \"c2VjcmV0\";", 1, "`}` is missing"),
            ("key", 1, "the key's name is missing"),
        ];
        for (text, line, message) in bad {
            assert_eq!(names(text), Err((line, message.to_owned())), "{text}");
        }
        assert!(names("key a { algorithm hmac-md5; };").unwrap_err().1.starts_with("hmac-md5: no algorithm"));
    }
}
