use super::*;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn points(values: &[(u64, f64)]) -> Points {
    values
        .iter()
        .map(|(at, value)| (secs(*at), Some(*value)))
        .collect()
}

fn mark(at: u64, label: &str, tone: Tone) -> Mark {
    Mark {
        at: secs(at),
        label: (!label.is_empty()).then(|| label.to_owned()),
        sentence: format!("{label} & <why>"),
        tone,
        ends: tone == Tone::Bad,
    }
}

/// A canary that is taken back, with a router that fails in between.
pub(super) fn example() -> Picture {
    let mut canary_errors = points(&[(12, 0.0), (70, 5.1), (150, 5.2), (180, 4.9)]);
    canary_errors.push((secs(220), None));
    Picture {
        title: "web · v1 → v2".to_owned(),
        subtitle: "canary · 10 replicas · 100 requests/s · seed 1".to_owned(),
        verdict: "rolled back at 3:40: success-rate failed 2 times".to_owned(),
        tone: Tone::Bad,
        end: secs(240),
        weight_wanted: points(&[(0, 0.0), (12, 10.0), (100, 25.0), (210, 0.0)]),
        weight_seen: points(&[(0, 0.0), (22, 10.0), (110, 25.0), (220, 0.0)]),
        stable: Side {
            name: "v1".to_owned(),
            errors: points(&[(0, 0.1)]),
            pods_wanted: points(&[(0, 10.0)]),
            pods_available: points(&[(0, 10.0)]),
        },
        canary: Side {
            name: "v2".to_owned(),
            errors: canary_errors,
            pods_wanted: points(&[(0, 1.0), (100, 3.0), (230, 0.0)]),
            pods_available: points(&[(0, 0.0), (12, 1.0), (112, 3.0), (230, 0.0)]),
        },
        bounds: vec![(5.0, "success-rate: result[0] >= 0.95".to_owned())],
        marks: vec![
            mark(0, "v2 is wanted", Tone::Plain),
            mark(12, "weight 10", Tone::Plain),
            mark(22, "", Tone::Plain),
            mark(100, "weight 25", Tone::Plain),
            mark(150, "success-rate 0.948 failed 1", Tone::Plain),
            mark(210, "ABORT success-rate failed 2 times", Tone::Bad),
            mark(210, "weight 0", Tone::Plain),
            mark(220, "seen 0", Tone::Plain),
            mark(240, "rolled back", Tone::Bad),
        ],
        bands: vec![
            Band {
                from: secs(70),
                to: secs(240),
                label: "v2 fails 5 %".to_owned(),
            },
            Band {
                from: secs(120),
                to: secs(140),
                label: "router fails".to_owned(),
            },
        ],
    }
}

/// What is between quotes after an attribute's name, for every element of a name.
fn attribute(svg: &str, element: &str, name: &str) -> Vec<String> {
    let starts = svg
        .lines()
        .filter(|line| line.starts_with(&format!("<{element} ")));
    let value = |line: &str| {
        let rest = line.split_once(&format!(" {name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    starts.filter_map(value).collect()
}

#[test]
fn every_mark_has_its_sentence_and_no_markup_of_a_manifest_gets_in() {
    let svg = draw(&example());
    assert!(
        svg.contains("<title>3:30 ABORT success-rate failed 2 times &amp; &lt;why&gt;</title>")
    );
    assert!(!svg.contains("<why>") && !svg.contains("<script"));
    assert_eq!(svg.matches("<svg").count(), 1);
    assert!(svg.ends_with("</svg>\n"));
}

#[test]
fn the_axes_have_their_units() {
    let svg = draw(&example());
    for text in [
        "100 %",
        "time since the start, min:s",
        ">1:00<",
        ">10<",
        "5 % success-rate",
    ] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn no_two_texts_lie_on_each_other() {
    let mut crowded = example();
    crowded.marks = (0..60)
        .map(|at| mark(at * 4, "a rather long label of a mark", Tone::Plain))
        .collect();
    for picture in [example(), crowded] {
        let svg = draw(&picture);
        let boxes: Vec<(f64, f64, f64, f64)> = svg
            .lines()
            .filter(|line| line.starts_with("<text "))
            .map(|line| {
                let value = |name: &str| attribute(line, "text", name).remove(0);
                let (x, y): (f64, f64) = (value("x").parse().unwrap(), value("y").parse().unwrap());
                let size: f64 = value("font-size").parse().unwrap();
                let text = line.split_once('>').unwrap().1.trim_end_matches("</text>");
                // Closer to what a font needs than the width that is laid out.
                let wide = text.chars().count() as f64 * size * 0.5;
                let from = match value("text-anchor").as_str() {
                    "end" => x - wide,
                    "middle" => x - wide / 2.0,
                    _ => x,
                };
                (from, from + wide, y - size * 0.75, y + size * 0.2)
            })
            .collect();
        for (index, one) in boxes.iter().enumerate() {
            assert!(one.0 >= 0.0 && one.1 <= 1000.0, "{one:?} is outside");
            for other in &boxes[index + 1..] {
                let apart =
                    one.1 <= other.0 || other.1 <= one.0 || one.3 <= other.2 || other.3 <= one.2;
                assert!(apart, "{one:?} meets {other:?}");
            }
        }
    }
}

#[test]
fn whatever_the_values_are_every_number_is_one() {
    let mut odd = example();
    odd.end = Duration::ZERO;
    odd.canary.errors = points(&[(0, f64::NAN), (1, f64::INFINITY), (2, -3.0)]);
    odd.canary.pods_wanted = points(&[(0, 1e12)]);
    odd.bounds = vec![(f64::INFINITY, "x".to_owned())];
    for picture in [odd, Picture::default()] {
        let svg = draw(&picture);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.len() < 100_000);
    }
}

#[test]
fn an_area_and_a_line_hold_their_value_until_the_next_and_leave_gaps() {
    let axis = TimeAxis::new(secs(100), 0.0, 100.0);
    let gap: Points = vec![
        (secs(10), Some(50.0)),
        (secs(20), Some(75.0)),
        (secs(40), None),
        (secs(60), Some(0.0)),
    ];
    let strip = {
        let mut strip = Strip::new("x", 0.0, 100.0, Scale::percent());
        strip.line("y", &gap, CANARY, strip::Dash::Solid);
        strip
    };
    let mut canvas = Canvas::new(100.0, 100.0, "t");
    strip.draw(&mut canvas, &axis);
    let svg = canvas.finish();
    let path = attribute(&svg, "path", "d").remove(0);
    assert_eq!(path, "M 10 50 L 20 50 L 20 25 L 40 25 M 60 100 L 100 100");
}
