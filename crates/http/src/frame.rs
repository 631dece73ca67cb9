//! The frame of Prometheus' query API, which Loki answers in as well: read in one pass.

mod found;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use gradatim_core::measurement::{Sample, Series};
use gradatim_core::number::Number;
use gradatim_core::time::Timestamp;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use self::found::{Found, found, reading};

/// The most series that are read of one answer; a query that gives more is not one to judge by.
pub const MAX_SERIES: usize = 10_000;

/// An answer of `/api/v1/query` and its kin.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// `success` or `error`.
    pub status: String,
    /// What was found.
    #[serde(default)]
    pub data: Option<Data>,
    /// The kind of an error, such as `bad_data`.
    #[serde(default)]
    pub error_type: String,
    /// An error in words.
    #[serde(default)]
    pub error: String,
    /// What makes the answer less than whole.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What the author of the query should know.
    #[serde(default)]
    pub infos: Vec<String>,
}

/// What was found, by its `resultType`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// One number; its instant is left out, as servers disagree on its unit.
    Scalar(Number),
    /// `vector`: series of one sample each.
    Vector(Vec<Series>),
    /// `matrix`: series of samples over a time.
    Matrix(Vec<Series>),
    /// Loki's `streams`: lines by their labels.
    Streams(Vec<Stream>),
    /// `string`.
    Text(String),
}

/// Lines under one set of labels.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Stream {
    /// The labels.
    #[serde(rename = "stream")]
    pub labels: BTreeMap<String, String>,
    /// Instants in nanoseconds since the Unix epoch, as text, with their lines and whatever else
    /// the server has to say of them.
    #[serde(deserialize_with = "lines")]
    pub values: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result with its type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut kind: Option<String> = None;
        let mut data = None;
        let mut early: Option<serde_json::Value> = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match (key.as_ref(), &kind) {
                ("resultType", _) => kind = Some(map.next_value()?),
                ("result", Some(kind)) => data = Some(result(kind, &mut map)?),
                // Servers write the type first; one that does not is read in two passes.
                ("result", None) => early = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (data, early, kind) {
            (Some(data), _, _) => Ok(data),
            (None, Some(early), Some(kind)) => late_result(&kind, early).map_err(Error::custom),
            (None, None, _) => Err(Error::missing_field("result")),
            (None, Some(_), None) => Err(Error::missing_field("resultType")),
        }
    }
}

fn result<'de, A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Data, A::Error> {
    Ok(match kind {
        "vector" => Data::Vector(map.next_value::<Items>()?.0),
        "matrix" => Data::Matrix(map.next_value::<Items>()?.0),
        "scalar" => Data::Scalar(map.next_value::<Point>()?.0.value),
        "string" => Data::Text(map.next_value::<(IgnoredAny, String)>()?.1),
        "streams" => Data::Streams(map.next_value()?),
        other => return Err(Error::custom(format!("unknown result type {other:?}"))),
    })
}

fn late_result(kind: &str, value: serde_json::Value) -> Result<Data, serde_json::Error> {
    Ok(match kind {
        "vector" => Data::Vector(Items::deserialize(value)?.0),
        "matrix" => Data::Matrix(Items::deserialize(value)?.0),
        "scalar" => Data::Scalar(Point::deserialize(value)?.0.value),
        "string" => Data::Text(<(IgnoredAny, String)>::deserialize(value)?.1),
        "streams" => Data::Streams(Deserialize::deserialize(value)?),
        other => return Err(Error::custom(format!("unknown result type {other:?}"))),
    })
}

struct Items(Vec<Series>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of series")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Item>()? {
                    if items.len() == MAX_SERIES {
                        let text = format!("more than {MAX_SERIES} series; aggregate the query");
                        return Err(Error::custom(text));
                    }
                    items.push(item.series().map_err(Error::custom)?);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<Point>,
    values: Option<Vec<Point>>,
}

impl Item {
    fn series(self) -> Result<Series, &'static str> {
        let samples = match (self.value, self.values) {
            (Some(Point(sample)), _) => vec![sample],
            (None, Some(points)) => points.into_iter().map(|Point(sample)| sample).collect(),
            // Native histograms have another shape.
            (None, None) => return Err("a series without values; native histograms are not read"),
        };
        Ok(Series {
            labels: self.metric,
            samples,
        })
    }
}

/// `[1795203364.496, "1"]`: seconds, and a number as text.
struct Point(Sample);

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seconds, Text(value)) = <(f64, Text)>::deserialize(deserializer)?;
        let millis = (seconds * 1000.0).round();
        // A cast of a number saturates.
        let at = Timestamp::from_millis(millis as i64);
        Ok(Self(Sample { at, value }))
    }
}

/// A number as Prometheus writes it into a text.
struct Text(Number);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                number(text).map(Text).ok_or_else(|| {
                    let head: String = text.chars().take(40).collect();
                    E::custom(format!("{head:?} is no number"))
                })
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A number as Prometheus writes it; digits that are too many to be one are none.
pub fn number(text: &str) -> Option<Number> {
    match text {
        "NaN" => return Some(Number::new(f64::NAN)),
        "+Inf" | "Inf" => return Some(Number::new(f64::INFINITY)),
        "-Inf" => return Some(Number::new(f64::NEG_INFINITY)),
        _ => {}
    }
    let value: f64 = text.parse().ok()?;
    value.is_finite().then(|| Number::new(value))
}

fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Line((String, String));
    impl<'de> Deserialize<'de> for Line {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct LineVisitor;
            impl<'de> Visitor<'de> for LineVisitor {
                type Value = Line;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an instant and a line")
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Line, A::Error> {
                    let at = seq
                        .next_element()?
                        .ok_or_else(|| A::Error::custom("no instant"))?;
                    let line = seq
                        .next_element()?
                        .ok_or_else(|| A::Error::custom("no line"))?;
                    // Structured metadata may follow.
                    while seq.next_element::<IgnoredAny>()?.is_some() {}
                    Ok(Line((at, line)))
                }
            }
            deserializer.deserialize_seq(LineVisitor)
        }
    }
    let lines = Vec::<Line>::deserialize(deserializer)?;
    Ok(lines.into_iter().map(|Line(line)| line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(kind: &str, result: &str) -> Result<Data, String> {
        let text = format!(
            r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result},"stats":{{}}}}}}"#
        );
        let frame: Result<Frame, _> = serde_json::from_str(&text);
        frame
            .map(|frame| frame.data.unwrap())
            .map_err(|error| error.to_string())
    }

    fn value(data: &Data) -> String {
        match data {
            Data::Vector(series) | Data::Matrix(series) => {
                let samples = series.iter().flat_map(|series| &series.samples);
                let texts = samples.map(|s| format!("{}@{}", s.value, s.at.as_millis()));
                texts.collect::<Vec<_>>().join(" ")
            }
            Data::Scalar(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_type_of_answer_is_read_with_labels_and_times() {
        let vector = r#"[{"metric":{"version":"v2"},"value":[1795203364.496,"0.5"]}]"#;
        let read = data("vector", vector).unwrap();
        assert_eq!(value(&read), "0.5@1795203364496");
        let Data::Vector(series) = read else { panic!() };
        assert_eq!(series[0].labels["version"], "v2");
        let matrix = r#"[{"metric":{},"values":[[1795203363,"43.4"],[1795203364,"80"]]}]"#;
        let read = data("matrix", matrix).unwrap();
        assert_eq!(value(&read), "43.4@1795203363000 80@1795203364000");
        assert_eq!(
            value(&data("scalar", r#"[1795203887448,"2"]"#).unwrap()),
            "2"
        );
        assert_eq!(
            data("string", r#"[1,"text"]"#),
            Ok(Data::Text("text".to_owned()))
        );
        assert_eq!(data("vector", "[]"), Ok(Data::Vector(Vec::new())));
        let streams = r#"[{"stream":{"app":"web"},"values":[["17952038","a line",{"x":{}}]]}]"#;
        let Data::Streams(streams) = data("streams", streams).unwrap() else {
            panic!()
        };
        assert_eq!(
            streams[0].values,
            [("17952038".to_owned(), "a line".to_owned())]
        );
    }

    #[test]
    fn numbers_arrive_as_themselves_and_nothing_else_is_one() {
        for (text, wanted) in [
            ("NaN", "NaN"),
            ("+Inf", "+Inf"),
            ("-Inf", "-Inf"),
            ("-0", "-0"),
            ("1e-300", "0.000"),
        ] {
            let read = data("scalar", &format!(r#"[1,"{text}"]"#)).unwrap();
            assert!(value(&read).starts_with(wanted), "{text}: {}", value(&read));
        }
        let digits = "9".repeat(400);
        for text in ["", "one", "1,5", "0x10", "infinity", "nan", digits.as_str()] {
            let read = data(
                "vector",
                &format!(r#"[{{"metric":{{}},"value":[1,"{text}"]}}]"#),
            );
            assert!(read.is_err(), "{text}: {read:?}");
        }
        assert!(data("vector", r#"[{"metric":{},"value":[1,2]}]"#).is_err());
    }

    #[test]
    fn what_is_not_read_says_so() {
        let histogram = r#"[{"metric":{},"histogram":[1,{"count":"1"}]}]"#;
        assert!(
            data("vector", histogram)
                .unwrap_err()
                .contains("native histograms")
        );
        assert!(
            data("tensor", "[]")
                .unwrap_err()
                .contains("unknown result type")
        );
        let item = r#"{"metric":{},"value":[1,"1"]},"#.repeat(MAX_SERIES + 1);
        let many = format!("[{}]", item.trim_end_matches(','));
        assert!(
            data("vector", &many)
                .unwrap_err()
                .contains("more than 10000 series")
        );
    }

    #[test]
    fn a_type_that_comes_after_its_result_is_read_all_the_same() {
        let text = r#"{"status":"success","data":{"result":[{"metric":{},"value":[1,"3"]}],"resultType":"vector"}}"#;
        let frame: Frame = serde_json::from_str(text).unwrap();
        assert_eq!(value(&frame.data.unwrap()), "3@1000");
    }
}
