//! What a transcript says.

use super::built::play;
use crate::script::Tone;

#[test]
fn a_release_that_an_operator_ends_reads_from_top_to_bottom() {
    let (_, _, transcript) = play(
        "pods ready after 12s\nmetric success: values 1\nrouter hangs from 9:00\nat 0:30 abort\nend 1:00",
    );
    let text = transcript.to_string();
    let told: Vec<&str> = text.lines().take(9).collect();
    assert_eq!(
        told,
        [
            " 0:00  start      v1 stable, 4 pods, 100 requests/s; v2 is wanted; pods ready after 12s",
            " 0:00  scale      v2 1",
            " 0:00  measure    success 1    ok",
            " 0:12  pods       v2 1 of 1 available",
            " 0:12  bind       stable → v1, canary → v2",
            " 0:12  weight     25 %    step 1",
            " 0:12  seen       25 %",
            " 0:12  pause      until 1:12",
            " 0:30  order      abort",
        ],
        "{text}"
    );
    let ending: Vec<&str> = text.lines().rev().take(3).collect();
    assert!(ending[0].starts_with("Invariants held in "), "{text}");
    assert_eq!(ending[1], "v2 answered 450 requests, none of them failed.");
    assert_eq!(ending[2], "rolled back at 0:30: an operator ordered it.");
    assert_eq!(transcript.tone, Tone::Bad);
}

#[test]
fn nothing_is_said_twice() {
    let (_, _, transcript) =
        play("metric success: values 1, 1, 0.97, 0.97\nat 1:00 pause\nend 10:00");
    let measured: Vec<&str> = transcript
        .lines
        .iter()
        .filter(|line| line.word == "measure")
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(measured, ["success 1    ok", "success 0.97    ok"]);
    let held = transcript
        .lines
        .iter()
        .filter(|line| line.text.contains("held by an operator"));
    assert_eq!(held.count(), 1, "{transcript}");
}

#[test]
fn errors_are_counted_towards_their_limit_and_begin_anew_after_an_answer() {
    let (_, _, transcript) =
        play("metric success: values error \"503\", error \"503\", 1, error \"503\"\nend 0:35");
    let measured: Vec<&str> = transcript
        .lines
        .iter()
        .filter(|line| line.word == "measure")
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(
        measured,
        [
            "success no answer    error 1 (limit 4)    503",
            "success no answer    error 2 (limit 4)    503",
            "success 1    ok",
            "success no answer    error 1 (limit 4)    503",
        ]
    );
}

#[test]
fn an_order_that_is_refused_says_why() {
    let (_, _, transcript) = play("metric success: values 1\nat 0:20 retry");
    let refused = transcript.lines.iter().find(|line| line.word == "refused");
    assert!(!refused.unwrap().text.is_empty(), "{transcript}");
}

#[test]
fn going_back_to_the_stable_version_is_no_promotion() {
    let (_, _, transcript) = play("metric success: values 1\nat 0:30 deploy v1");
    assert!(
        transcript.verdict.starts_with("reverted at 0:30: v1"),
        "{transcript}"
    );
    assert!(
        !transcript.to_string().contains("stable     v1"),
        "{transcript}"
    );
}

#[test]
fn an_end_that_is_none_says_where_it_stands() {
    let (_, _, transcript) = play("metric success: values 1\nat 0:20 pause\nend 10:00");
    let verdict = &transcript.verdict;
    assert_eq!(
        verdict,
        "still Paused at 10:00, the end: held by an operator."
    );
    assert_eq!(transcript.tone, Tone::Waiting);
    let cost = "v2 answered 14 750 requests, none of them failed.";
    assert!(
        transcript.ending.iter().any(|line| line == cost),
        "{transcript}"
    );
}

#[test]
fn a_store_that_cannot_be_written_is_told_when_it_begins_and_when_it_ends() {
    let (_, _, transcript) =
        play("metric success: values 1\nstore cannot be written from 1:00 to 2:00");
    let told: Vec<String> = transcript
        .lines
        .iter()
        .filter(|line| line.word == "driver")
        .map(|line| format!("{} {}", line.at.as_secs(), line.text))
        .collect();
    assert_eq!(
        told,
        [
            "60 driver-0 cannot save, and raises nothing: the store cannot be reached (simulated)",
            "120 driver-0 can save again",
        ],
        "{transcript}"
    );
}
