use super::*;

/// The first error, which must be all there is.
fn only_error(bytes: impl AsRef<[u8]>) -> String {
    let reading = read(&[("a.yaml", bytes)]);
    let found = errors_of(&reading);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(reading.manifests.rollouts.is_empty());
    found[0].clone()
}

fn bomb(width: usize) -> String {
    let mut text = String::from("a0: &a0 [x, x]\n");
    for level in 1..30 {
        let inner = vec![format!("*a{}", level - 1); width].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{inner}]");
    }
    text
}

#[test]
fn a_bomb_of_aliases_is_refused_by_its_size_alone() {
    assert!(only_error(bomb(9)).contains("more than 500000 values once aliases are followed"));
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1_000_000),
        vec!["*a"; 100].join(",")
    );
    assert!(only_error(long).contains("bytes of text once aliases are followed"));
}

#[test]
fn many_documents_share_one_budget() {
    let wide = vec!["*b"; 300].join(",");
    let base = vec!["x"; 300].join(",");
    let one = |n: usize| {
        format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: r{n}}}\nspec:\n  template: {{b: &b [{base}], c: [{wide}]}}\n"
        )
    };
    let text: String = (0..20).map(one).collect();
    let found = errors(&text);
    assert!(
        !found.is_empty()
            && found
                .iter()
                .all(|e| e.contains("once aliases are followed")),
        "{found:?}"
    );
}

#[test]
fn a_bomb_of_merges_is_refused() {
    let keys: String = (0..1000).map(|n| format!("k{n}: 1,")).collect();
    let text = format!(
        "b: &b {{{keys}}}\na: {{<<: [{}]}}\n",
        vec!["*b"; 300].join(",")
    );
    assert!(only_error(text).contains("merges of more than 100000 keys"));
}

#[test]
fn deep_nesting_is_refused() {
    assert!(only_error("[".repeat(100_000)).contains("nested more than 100 deep"));
    assert!(
        only_error(format!("a: {}", "{a: ".repeat(100_000))).contains("nested more than 100 deep")
    );
    assert!(only_error("- ".repeat(100_000)).contains("nested more than 100 deep"));
    let steps: String = (0..200)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    assert!(only_error(steps).contains("nested more than 100 deep"));
}

#[test]
fn nesting_through_aliases_counts() {
    let mut text = String::from("a0: &a0 x\n");
    for level in 1..200 {
        let _ = writeln!(text, "a{level}: &a{level} [*a{}]", level - 1);
    }
    assert!(only_error(text).contains("nested more than 100 deep"));
    assert!(only_error("a: &a [*a]\n").contains("an alias inside the value that it stands for"));
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let text = "- a: b\n".repeat(MAX_FILE_BYTES / 7 + 1);
    assert!(only_error(text).ends_with("the file is larger than 4 MiB, the most that is read"));
}

#[test]
fn too_many_documents_are_refused() {
    let text = "---\nkind: A\n".repeat(10_002);
    assert!(only_error(text).contains("more than 10000 documents in one file"));
}

#[test]
fn the_first_hundred_errors_are_told_and_the_rest_counted() {
    let reading = read(&[("a.yaml", canary(&"      - setWeight: 101\n".repeat(250)))]);
    assert_eq!(
        (reading.errors.len(), reading.more_errors),
        (MAX_ERRORS, 150)
    );
    let many = rollout("  nope: 1") + &"---\na: 1\n".repeat(200);
    let reading = read(&[("a.yaml", many)]);
    assert_eq!(
        (reading.errors.len(), reading.more_errors),
        (MAX_ERRORS, 101)
    );
}

#[test]
fn what_is_not_text_is_refused_with_its_line() {
    assert_eq!(
        only_error(b"a: 1\nb: \xff\xfe\n"),
        "2:1 : the file is not UTF-8 text"
    );
    assert!(only_error(b"a: \0\n").contains("invalid YAML"));
}

/// A small generator of numbers, so that the same noise comes every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn noise_is_an_error_and_never_a_panic() {
    let mut noise = Noise(1);
    let alphabet: Vec<char> = "{}[]:-&*!|>'\"%@`#,?<~ \n\n\t  ab1é".chars().collect();
    for _ in 0..2_000 {
        let length = noise.below(200);
        let text: String = (0..length)
            .map(|_| alphabet[noise.below(alphabet.len())])
            .collect();
        assert!(!errors(&text).is_empty(), "{text:?}");
        let bytes: Vec<u8> = (0..length).map(|_| noise.below(256) as u8).collect();
        assert!(!read(&[("a", bytes)]).errors.is_empty());
    }
}

#[test]
fn a_manifest_with_anything_cut_out_or_put_in_never_panics() {
    let text = canary(
        "      - setWeight: 20\n      - pause: {duration: 1m}\n      - &x analysis: {templates: [{templateName: a}], args: [{name: b, value: 'c'}]}\n      - setHeaderRoute: {name: h, match: [{headerName: X, headerValue: {exact: y}}]}",
    );
    let chars: Vec<char> = text.chars().collect();
    let pieces = [
        "",
        ":",
        "- ",
        "{",
        "]",
        "*x",
        "\n",
        "'",
        "null",
        "é",
        "<<: *x",
        "|",
        "99999999999",
    ];
    let mut noise = Noise(7);
    for _ in 0..3_000 {
        let (from, length) = (noise.below(chars.len()), noise.below(12));
        let piece = pieces[noise.below(pieces.len())];
        let head = chars.iter().take(from);
        let changed: String = head
            .copied()
            .chain(piece.chars())
            .chain(chars.iter().skip(from + length).copied())
            .collect();
        let reading = read(&[("a.yaml", &changed)]);
        for error in &reading.errors {
            assert!(
                error
                    .position
                    .as_ref()
                    .is_none_or(|at| at.line > 0 && at.column > 0),
                "{error:?}"
            );
        }
        assert_eq!(
            reading.errors.is_empty(),
            !reading.manifests.rollouts.is_empty(),
            "{changed}"
        );
    }
}

/// A file of about a megabyte or more, whose reading must come to an end in any case.
fn ends(text: &str) -> Reading {
    let reading = read(&[("a.yaml", text)]);
    assert!(reading.errors.len() <= MAX_ERRORS);
    assert!(reading.warnings.len() <= MAX_ERRORS);
    reading
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

#[test]
fn a_hundred_thousand_keys_and_thousands_of_the_rest_are_read_or_counted() {
    let keys = ends(&rollout(&many(100_000, |n| format!("  k{n}: 1\n"))));
    assert_eq!(keys.more_errors, 100_000 - MAX_ERRORS);
    let twice = ends(&rollout(&"  replicas: 1\n".repeat(10_000)));
    assert_eq!(twice.more_errors, 9_999 - MAX_ERRORS);
    let steps = ends(&canary(&"      - setWeight: 1\n".repeat(10_000)));
    assert_eq!(steps.errors, []);
    let nulls = ends(&canary(&"      -\n".repeat(10_000)));
    assert_eq!(nulls.more_errors, 10_000 - MAX_ERRORS);
    let labels = many(10_000, |n| format!("l{n}: a,"));
    let labels = ends(&rollout(&format!(
        "  template: {{metadata: {{labels: {{{labels}}}}}}}"
    )));
    assert_eq!(labels.errors, []);
    let metrics = many(5_000, |n| {
        format!("  - {{name: m{n}, provider: {{web: {{}}}}}}\n")
    });
    assert_eq!(ends(&template(&metrics)).errors, []);
}

#[test]
fn an_annotation_of_any_size_is_read_or_counted() {
    let annotated = |notes: &str| {
        let steps = "      - setWeight: 1\n".repeat(2_000);
        canary(&steps).replace(
            "  name: shop\n",
            &format!("  name: shop\n  annotations:\n    {EXTENSIONS}: |\n{notes}\n"),
        )
    };
    let steps = many(2_000, |n| {
        format!("        {n}: {{progressDeadline: 5m}}\n")
    });
    let notes = format!(
        "      strategy: {{canary: {{steps: {{{}}}}}}}",
        steps.replace('\n', ",")
    );
    assert_eq!(ends(&annotated(&notes)).errors, []);
    let unknown = many(10_000, |n| format!("      k{n}: 1\n"));
    assert_eq!(ends(&annotated(&unknown)).more_errors, 10_000 - MAX_ERRORS);
    let bomb = bomb(9).replace('\n', "\n      ");
    let reading = ends(&annotated(&format!("      {bomb}")));
    assert!(
        reading.errors[0].message.contains("values once aliases"),
        "{:?}",
        reading.errors
    );
    let told = many(1_000, |n| {
        format!("    notifications.argoproj.io/subscribe.{n}: a\n")
    });
    let told = rollout("  template: {}").replace(
        "  name: shop\n",
        &format!("  name: shop\n  annotations:\n{told}"),
    );
    assert_eq!(ends(&told).warnings.len(), MAX_ERRORS);
}

#[test]
fn long_lines_and_long_words_are_cut_where_they_are_shown() {
    let long = "x".repeat(3_000_000);
    for text in [
        rollout(&format!("  replicas: {long}")),
        rollout(&format!("  ? {long}\n  : 1")),
        format!("kind: {long}\n"),
        canary(&format!("      - pause: {{duration: {long}}}")),
        template(&format!(
            "  - {{name: a, provider: {{web: {{}}}}, successCondition: 1, {}: 2}}",
            &long[..900]
        )),
    ] {
        for error in read(&[("a.yaml", &text)]).errors {
            let at = error.position.as_ref().map_or(0, |at| at.text.len());
            let shown = error.message.len() + error.value.map_or(0, |v| v.len()) + at;
            assert!(shown < 2_000, "{shown}");
        }
    }
}
