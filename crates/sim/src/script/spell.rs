//! Which word was meant.

/// The known word that is at most two slips away, if there is one.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > 40 {
        return None;
    }
    let near = |name: &&'a str| (distance(&word.to_lowercase(), &name.to_lowercase()), *name);
    let (distance, name) = known.iter().map(near).min()?;
    (distance <= 2 && distance * 3 <= name.len()).then_some(name)
}

/// How many letters must be put in, left out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), line + 1);
        let mut beside = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&other) {
            let change = diagonal + usize::from(left != *right);
            diagonal = *cell;
            *cell = change.min(diagonal + 1).min(beside + 1);
            beside = *cell;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_word_of_its_own_does_not() {
        let known = ["traffic", "metric", "at", "expect"];
        assert_eq!(nearest("trafic", &known), Some("traffic"));
        assert_eq!(nearest("exepct", &known), Some("expect"));
        assert_eq!(nearest("if", &known), None);
        assert_eq!(nearest("weather", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(nearest(&"x".repeat(10_000), &known), None);
    }
}
