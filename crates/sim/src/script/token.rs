//! A line as words.

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, digits and most other signs: `v2`, `1:10`, `100/s`.
    Word,
    /// Text between double quotes, without them.
    Quoted,
    /// `,`
    Comma,
    /// `:` behind a word.
    Colon,
    /// `%`
    Percent,
    /// A double quote that is never closed.
    Unclosed,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// In characters, from 1.
    pub(super) column: usize,
    /// In characters.
    pub(super) length: usize,
}

/// The tokens as one would write them.
pub(super) fn written(tokens: &[&Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        let tight = matches!(token.kind, Kind::Comma | Kind::Colon);
        if !text.is_empty() && !tight {
            text.push(' ');
        }
        match token.kind {
            Kind::Quoted => text.push_str(&format!("\"{}\"", token.text)),
            _ => text.push_str(&token.text),
        }
    }
    text
}

/// The tokens of a line; what stands behind `#` is a comment.
pub(super) fn tokens(line: &str) -> Vec<Token> {
    let chars: Vec<char> = line.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&next) = chars.get(at) {
        let end = match next {
            '#' => return found,
            _ if next.is_whitespace() => {
                at += 1;
                continue;
            }
            ',' | '%' | ':' => at + 1,
            '"' => quote_end(&chars, at),
            _ => word_end(&chars, at),
        };
        found.push(token(&chars, at, end));
        at = end;
    }
    found
}

fn quote_end(chars: &[char], start: usize) -> usize {
    let rest = chars.iter().skip(start + 1);
    let length = rest.clone().position(|sign| *sign == '"');
    length.map_or(chars.len(), |length| start + length + 2)
}

fn word_end(chars: &[char], start: usize) -> usize {
    let ends = |at: usize, sign: char| match sign {
        ',' | '%' | '"' => true,
        // A colon inside a word is part of it, as in 1:10.
        ':' => chars.get(at + 1).is_none_or(|next| next.is_whitespace()),
        _ => sign.is_whitespace(),
    };
    let mut rest = chars.iter().enumerate().skip(start);
    rest.find(|(at, sign)| ends(*at, **sign))
        .map_or(chars.len(), |(at, _)| at)
}

fn token(chars: &[char], start: usize, end: usize) -> Token {
    let signs = chars.get(start..end).unwrap_or_default();
    let kind = match signs {
        [','] => Kind::Comma,
        ['%'] => Kind::Percent,
        [':'] => Kind::Colon,
        ['"', .., '"'] => Kind::Quoted,
        ['"', ..] => Kind::Unclosed,
        _ => Kind::Word,
    };
    let inner = match (&kind, signs) {
        (Kind::Quoted, ['"', inner @ .., '"']) => inner,
        _ => signs,
    };
    Token {
        text: inner.iter().collect(),
        kind,
        column: start + 1,
        length: end - start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        tokens(line).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn signs_part_words_and_a_time_is_one_word() {
        assert_eq!(
            texts("metric x: values 1, 2 from 1:10  # why"),
            ["metric", "x", ":", "values", "1", ",", "2", "from", "1:10"]
        );
        assert_eq!(texts("v2 fails 5%"), ["v2", "fails", "5", "%"]);
        assert_eq!(texts("   # all of it"), [""; 0]);
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let found = tokens("é \"ü ü\" x");
        let places: Vec<_> = found.iter().map(|t| (t.column, t.length)).collect();
        assert_eq!(places, [(1, 1), (3, 5), (9, 1)]);
        assert_eq!(found[1].text, "ü ü");
    }

    #[test]
    fn a_quote_without_end_is_told_from_a_quoted_text() {
        assert_eq!(tokens("\"abc")[0].kind, Kind::Unclosed);
        assert_eq!(tokens("\"")[0].kind, Kind::Unclosed);
        assert_eq!(tokens("\"\"")[0].kind, Kind::Quoted);
    }
}
