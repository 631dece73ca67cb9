//! How long things are, tests apart: a table of cases may be as long as there are cases.

use super::files::{self, File};
use super::none;

const FILE: usize = 500;
const FUNCTION: usize = 70;

#[test]
fn no_file_has_more_than_500_lines_outside_its_tests() {
    none(production().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > FILE).then(|| {
            let path = file.path;
            format!("{path}: {lines} lines, at most {FILE}: move what belongs together below it")
        })
    }));
}

#[test]
fn no_function_has_more_than_70_lines() {
    none(production().flat_map(|file| {
        functions(&file)
            .filter(|function| function.lines > FUNCTION)
            .map(|function| {
                let Function { line, lines, name } = function;
                let path = &file.path;
                format!(
                    "{path}:{line}: {name} has {lines} lines, at most {FUNCTION}: name its parts"
                )
            })
            .collect::<Vec<_>>()
    }));
}

#[test]
fn modules_stand_in_files_of_their_own_name() {
    none(
        files::rust()
            .iter()
            .filter(|file| file.path.ends_with("/mod.rs"))
            .map(|file| format!("{}: name it after its folder, beside it", file.path)),
    );
}

#[test]
fn lengths_are_counted_as_a_reader_would() {
    let text = "\
fn one() {}
impl A {
    pub(crate) async fn two(
        self,
    ) -> u8 {
        let inner = || {
            1
        };
        inner()
    }
    fn declared(&self)
    -> u8;
}
#[cfg(test)]
mod tests {
    fn three() {
    }
}
";
    let file = File {
        path: "a.rs".into(),
        text: text.into(),
    };
    let found: Vec<_> = functions(&file)
        .map(|f| (f.name, f.line, f.lines))
        .collect();
    let expected = [
        ("one", 1, 1),
        ("two", 3, 8),
        ("declared", 11, 2),
        ("three", 16, 2),
    ];
    assert_eq!(
        found,
        expected.map(|(name, line, lines)| (name.to_owned(), line, lines))
    );
    assert_eq!(before_tests(text).lines().count(), 13);
}

/// The Rust files without their tests.
fn production() -> impl Iterator<Item = File> {
    let files = files::rust()
        .into_iter()
        .filter(|file| !is_test(&file.path));
    files.map(|file| File {
        text: before_tests(&file.text).to_owned(),
        ..file
    })
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("/testing.rs")
}

/// What stands before the tests at a file's end.
fn before_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod tests {\n")
        .map_or(text, |(production, _)| production)
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function, by the indentation that rustfmt gives its first and its last line.
fn functions(file: &File) -> impl Iterator<Item = Function> {
    let lines: Vec<&str> = file.text.lines().collect();
    (0..lines.len()).filter_map(move |at| {
        let name = declared(lines[at].trim_start())?.to_owned();
        let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
        Some(Function {
            name,
            line: at + 1,
            lines: length(&lines[at..], indent),
        })
    })
}

fn length(lines: &[&str], indent: &str) -> usize {
    let mut has_body = false;
    for (at, line) in lines.iter().enumerate() {
        has_body |= line.ends_with('{');
        let ends = match has_body {
            true => line.strip_prefix(indent) == Some("}"),
            false => line.ends_with(';') || line.ends_with('}'),
        };
        if ends {
            return at + 1;
        }
    }
    lines.len()
}

/// The name of the function that a line declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_inclusive([' ', '(', '<']);
    let mut in_visibility = false;
    loop {
        let word = words.next()?;
        match word.trim_end() {
            "pub" | "async" | "const" | "unsafe" | "extern" => {}
            "pub(" => in_visibility = true,
            part if in_visibility => in_visibility = !part.ends_with(')'),
            "fn" => return Some(words.next()?.trim_end_matches([' ', '(', '<'])),
            _ => return None,
        }
    }
}
