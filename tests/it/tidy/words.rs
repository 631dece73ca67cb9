use super::files;
use super::none;

/// What is never left behind, and what to do instead. Split, so that this file holds none.
const LEFT_BEHIND: [(&str, &str); 9] = [
    (concat!("to", "do!("), "write it"),
    (
        concat!("unimplemented", "!("),
        "write it, or return an error that says so",
    ),
    (concat!("db", "g!("), "take it out"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("TO", "DO"), "do it, or open an issue"),
    (
        concat!("XX", "X"),
        "say what is wrong in plain words, or put it right",
    ),
    (
        concat!("#[ign", "ore"),
        "a test that is not run shows nothing: let it skip by itself, aloud",
    ),
    (
        concat!("/ho", "me/"),
        "a path of one machine: take it from an argument or a temporary folder",
    ),
    (
        concat!("/ro", "ot/"),
        "a path of one machine: take it from an argument or a temporary folder",
    ),
];

#[test]
fn nothing_is_left_behind_that_was_meant_to_go() {
    let endings = [
        ".rs", ".md", ".toml", ".yaml", ".yml", ".sh", ".py", ".txt", ".ci/run",
    ];
    none(files::ending(&endings).iter().flat_map(|file| {
        file.text.lines().enumerate().flat_map(move |(at, line)| {
            LEFT_BEHIND
                .iter()
                .filter(|(word, _)| line.contains(word))
                .map(move |(word, advice)| format!("{}:{}: {word}: {advice}", file.path, at + 1))
        })
    }));
}

#[test]
fn sessions_are_those_of_session_affinity() {
    none(
        files::ending(&[".rs", ".md", ".toml", ".ci/run"])
            .iter()
            .flat_map(|file| {
                let here = file.path.ends_with("tidy/words.rs");
                file.text
                    .lines()
                    .enumerate()
                    .filter(move |(_, line)| !here && says_session(line))
                    .map(|(at, _)| {
                        format!(
                            "{}:{}: say who or what in the field's words",
                            file.path,
                            at + 1
                        )
                    })
            }),
    );
}

fn says_session(line: &str) -> bool {
    let line = line.to_lowercase().replace(['_', ' ', '-'], "");
    // The second is NGINX's own, in the names of annotations.
    let known = ["sessionaffinity", "sessioncookie"].map(|it| line.matches(it).count());
    line.matches("session").count() > known.iter().sum()
}
