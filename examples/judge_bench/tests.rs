//! The whole program, with few seeds.

use super::*;

fn options(args: &str) -> Options {
    let args = args.split_whitespace().map(str::to_owned);
    Options::read(args).unwrap().unwrap()
}

fn text(args: &str) -> String {
    let options = options(args);
    let cells = run::run(&options, |_, _| ());
    let (options, cells) = (&options, cells.as_slice());
    match options.json {
        true => json::write(&Results { options, cells }),
        false => Results { options, cells }.to_string(),
    }
}

const FEW: &str = "--seeds 3 --seed 19 --scenario G4 --scenario B2@100";

#[test]
fn the_tables_of_few_seeds_are_what_they_were() {
    let expected = include_str!("few.txt");
    let found = text(FEW);
    assert!(found == expected, "few.txt is not this any more:\n{found}");
}

#[test]
fn threads_change_nothing() {
    let with = |threads: &str| text(&format!("{FEW} --json --threads {threads}"));
    assert_eq!(with("1"), with("7"));
}

#[test]
fn a_release_depends_on_its_seed_alone() {
    let harm = |args: &str| {
        let all: serde_json::Value = serde_json::from_str(&text(args)).unwrap();
        all["scenarios"][0]["judges"]["ours"]["failedRequests"].as_f64()
    };
    let each = ["5", "6"].map(|seed| {
        let args = format!("--scenario B10 --seeds 1 --seed {seed} --json");
        harm(&args).unwrap()
    });
    let both = harm("--scenario B10 --seeds 2 --seed 5 --json").unwrap();
    assert!((both - (each[0] + each[1]) / 2.0).abs() < 1e-9);
}

#[test]
fn other_schedules_are_played_too() {
    for schedule in ["20-40-60-80", "10-30-50"] {
        let found = text(&format!(
            "--seeds 1 --scenario B4@100 --schedule {schedule}"
        ));
        assert!(found.starts_with(&format!("{schedule}, a bad version")));
        assert!(!found.contains("NOT MET"), "{found}");
    }
}

#[test]
fn the_picture_names_every_judge_and_is_whole() {
    let options = options("--seeds 2 --scenario G1@100 --scenario B4@100");
    let cells = run::run(&options, |_, _| ());
    let svg = picture::draw(&Results {
        options: &options,
        cells: &cells,
    });
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for kind in judge::KINDS.iter().filter(|kind| kind.id != "oracle") {
        assert!(svg.contains(kind.title), "{}", kind.title);
    }
}

#[test]
fn a_program_can_tell_how_it_went() {
    let answer = |args: &str| answer(args.split_whitespace().map(str::to_owned));
    assert_eq!(answer("--help"), DONE);
    assert_eq!(answer("--seeds none"), WRONG_ARGUMENTS);
    assert_eq!(
        answer("--seeds 1 --scenario B4@1 --svg /nowhere/at/all.svg"),
        NOT_WRITTEN
    );
}
