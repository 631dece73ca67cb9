/// The known name that a word was most likely meant to be, if one is near enough.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let near = |name: &&'a str| (distance(&word, &name.to_lowercase()), *name);
    let (distance, name) = known.iter().map(near).min()?;
    let longest = word.chars().count().max(name.chars().count());
    (distance <= longest.div_ceil(4)).then_some(name)
}

/// How many edits part two words; two neighbours changing places are one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let change = at(&row, j) + usize::from(x != y);
            let mut best = change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = ["setWeight", "pause", "setCanaryScale", "analysis"];
        for (word, name) in [
            ("setWieght", "setWeight"),
            ("setweight", "setWeight"),
            ("pase", "pause"),
        ] {
            assert_eq!(nearest(word, &known), Some(name));
        }
    }

    #[test]
    fn a_word_of_its_own_is_left_alone() {
        assert_eq!(nearest("sleep", &["setWeight", "pause", "analysis"]), None);
        assert_eq!(nearest("x", &[]), None);
        assert_eq!(nearest(&"a".repeat(100_000), &["pause"]), None);
    }
}
