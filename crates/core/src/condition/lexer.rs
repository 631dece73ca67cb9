//! Text to tokens.

use super::error::{ConditionError, Span};
use super::text;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, `true`, `false` and `nil` included.
    Name(String),
    /// A word that is an operator or opens a statement: `in`, `let`.
    Word(&'static str),
    /// Brackets, operators and separators.
    Sign(&'static str),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text, its escapes resolved.
    Text(String),
    /// `#`, or `#acc` with its name.
    Item(String),
    /// The end.
    End,
}

/// Words that are no names.
const WORDS: [&str; 11] = [
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

/// Signs, the longer before those that they begin with.
const SIGNS: [&str; 33] = [
    "?.", "??", "?", "..", ".", "||", "|", "::", ":", "&&", "==", "!=", "<=", ">=", "**", "!", "<",
    ">", "=", "(", ")", "[", "]", "{", "}", ",", ";", "%", "+", "-", "^", "*", "/",
];

/// Splits a condition into tokens; the last one is [`Token::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, Span)>, ConditionError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, Span::new(start, lexer.at)));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes as many characters as fit.
    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn error(&self, start: usize, message: impl Into<String>) -> ConditionError {
        ConditionError::at(self.source, start, message)
    }

    /// Skips spaces and comments.
    fn skip_blank(&mut self) -> Result<(), ConditionError> {
        loop {
            self.take(char::is_whitespace);
            let rest = self.rest();
            if rest.starts_with("//") {
                self.take(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let length = comment
                    .find("*/")
                    .ok_or_else(|| self.error(self.at, "this comment does not end"))?;
                self.at += length + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, ConditionError> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        let second = self.rest().chars().nth(1);
        match first {
            '"' | '\'' => self.text(first),
            '`' => self.raw_text(),
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '#' => {
                self.at += 1;
                Ok(Token::Item(self.take(is_word).to_owned()))
            }
            first if is_word(first) => Ok(self.word()),
            _ => self.sign(),
        }
    }

    fn word(&mut self) -> Token {
        let word = self.take(is_word);
        match WORDS.iter().find(|known| **known == word) {
            Some(known) => Token::Word(known),
            None => Token::Name(word.to_owned()),
        }
    }

    fn sign(&mut self) -> Result<Token, ConditionError> {
        let rest = self.rest();
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let sign = sign.ok_or_else(|| {
            let unknown = rest.chars().next().unwrap_or_default();
            self.error(self.at, format!("unexpected character {unknown:?}"))
        })?;
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token, ConditionError> {
        let start = self.at;
        let radix = match self.rest().get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        let token = if radix == 10 {
            self.decimal(start)
        } else {
            self.at += 2;
            let digits = self
                .take(|c| c.is_digit(radix) || c == '_')
                .replace('_', "");
            i64::from_str_radix(&digits, radix).ok().map(Token::Int)
        };
        let token = token.filter(|_| !self.peek().is_some_and(is_word));
        token.ok_or_else(|| {
            self.take(is_word);
            let text = self.source.get(start..self.at).unwrap_or_default();
            self.error(start, format!("{text} is not a number"))
        })
    }

    fn decimal(&mut self, start: usize) -> Option<Token> {
        let digit = |c: char| c.is_ascii_digit() || c == '_';
        let mut float = false;
        self.take(digit);
        // `1..3` is a range.
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            float = true;
            self.at += 1;
            self.take(digit);
        }
        if self.rest().starts_with(['e', 'E']) {
            float = true;
            self.at += 1;
            self.at += usize::from(self.rest().starts_with(['+', '-']));
            self.take(digit);
        }
        let text = self.source.get(start..self.at)?.replace('_', "");
        if float {
            let value: f64 = text.parse().ok()?;
            value.is_finite().then_some(Token::Float(value))
        } else {
            text.parse().ok().map(Token::Int)
        }
    }

    fn text(&mut self, quote: char) -> Result<Token, ConditionError> {
        let start = self.at;
        let inside = self.rest().get(1..).unwrap_or_default();
        let unclosed = || self.error(start, "this text does not end");
        let length = text::length(inside, quote).ok_or_else(unclosed)?;
        let raw = inside.get(..length).unwrap_or_default();
        let text = text::unescape(raw, quote)
            .map_err(|at| self.error(start + 1 + at, "this escape means nothing"))?;
        self.at += length + 2;
        Ok(Token::Text(text))
    }

    /// Text between back quotes, in which a doubled one stands for itself.
    fn raw_text(&mut self) -> Result<Token, ConditionError> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            text.push_str(self.take(|c| c != '`'));
            if self.rest().starts_with("``") {
                text.push('`');
                self.at += 2;
            } else if self.rest().starts_with('`') {
                self.at += 1;
                return Ok(Token::Text(text));
            } else {
                return Err(self.error(start, "this text does not end"));
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic() || c.is_ascii_digit()
}
