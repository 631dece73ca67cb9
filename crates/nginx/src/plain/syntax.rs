//! NGINX's own syntax, as far as it is needed to read a file back: words, blocks, quotes.

/// A directive with what stands in its braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) words: Vec<String>,
    pub(super) block: Vec<Self>,
}

impl Directive {
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }
}

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// The directives of a text; none when it is not NGINX's syntax.
pub(super) fn parse(text: &str) -> Option<Vec<Directive>> {
    let mut open: Vec<Directive> = vec![empty()];
    let mut words = Vec::new();
    for token in tokens(text)? {
        match token {
            Token::Word(word) => words.push(word),
            Token::End => {
                let words = std::mem::take(&mut words);
                let block = Vec::new();
                open.last_mut()?.block.push(Directive { words, block });
            }
            Token::Open => {
                let words = std::mem::take(&mut words);
                let block = Vec::new();
                open.push(Directive { words, block });
            }
            Token::Close if words.is_empty() && open.len() > 1 => {
                let closed = open.pop()?;
                open.last_mut()?.block.push(closed);
            }
            Token::Close => return None,
        }
    }
    let whole = open.pop().filter(|_| open.is_empty() && words.is_empty())?;
    Some(whole.block)
}

fn empty() -> Directive {
    Directive {
        words: Vec::new(),
        block: Vec::new(),
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&next) = chars.peek() {
        let single = match next {
            ';' => Some(Token::End),
            '{' => Some(Token::Open),
            '}' => Some(Token::Close),
            _ => None,
        };
        if let Some(token) = single {
            tokens.push(token);
            chars.next();
        } else if next == '#' {
            chars.by_ref().find(|c| *c == '\n');
        } else if next.is_whitespace() {
            chars.next();
        } else if next == '"' || next == '\'' {
            chars.next();
            tokens.push(Token::Word(quoted(&mut chars, next)?));
        } else {
            tokens.push(Token::Word(bare(&mut chars)));
        }
    }
    Some(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(chars: &mut Chars<'_>, quote: char) -> Option<String> {
    let mut word = String::new();
    loop {
        match chars.next()? {
            '\\' => word.extend(escaped(chars)),
            c if c == quote => return Some(word),
            c => word.push(c),
        }
    }
}

/// A backslash is taken off before a quote or another one, and stands before anything else.
fn escaped(chars: &mut Chars<'_>) -> Vec<char> {
    match chars.next() {
        Some(c @ ('"' | '\'' | '\\')) => vec![c],
        Some(c) => vec!['\\', c],
        None => vec!['\\'],
    }
}

fn bare(chars: &mut Chars<'_>) -> String {
    let mut word = String::new();
    while let Some(&c) = chars.peek() {
        let ends = c.is_whitespace() || ";}".contains(c) || (c == '{' && !word.ends_with('$'));
        if ends {
            break;
        }
        word.push(c);
        chars.next();
        if c == '{' {
            word.extend(chars.by_ref().take_while(|c| *c != '}'));
            word.push('}');
        }
    }
    word
}

/// A text as one word between double quotes.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_blocks_and_comments_are_read_as_nginx_reads_them() {
        let text = "a b; # no;\nmap \"$x${y}\" $z { default 0; \"~^a\\\\.b;{\\\"\" 1; }\nc ${d}e{}";
        let read = parse(text).unwrap();
        assert_eq!(read[0].words, ["a", "b"]);
        assert_eq!(read[1].words, ["map", "$x${y}", "$z"]);
        assert_eq!(read[1].block[1].words, ["~^a\\.b;{\"", "1"]);
        assert_eq!(read[2].words, ["c", "${d}e"]);
        assert_eq!(
            parse(&format!("a {};", quote("\\d\"'"))).unwrap()[0].words,
            ["a", "\\d\"'"]
        );
    }

    #[test]
    fn what_is_not_closed_is_no_syntax() {
        for text in ["a", "a {", "a { b }", "}", "a \"b;", "a { b; } }"] {
            assert!(parse(text).is_none(), "{text}");
        }
        assert_eq!(parse(""), Some(Vec::new()));
    }
}
