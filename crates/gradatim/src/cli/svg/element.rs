//! Writes elements; every text and every number goes through here.

use std::fmt::Write;

/// How wide a sign is of a font of size 1, on the safe side of what common fonts need.
const SIGN: f64 = 0.56;

/// A text and how it looks.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Text {
    x: f64,
    y: f64,
    text: String,
    size: f64,
    ink: &'static str,
    bold: bool,
    anchor: &'static str,
}

impl Text {
    pub(in crate::cli) fn new(x: f64, y: f64, text: &str) -> Self {
        Self {
            x,
            y,
            text: text.to_owned(),
            size: 11.0,
            ink: "#222222",
            bold: false,
            anchor: "start",
        }
    }

    pub(in crate::cli) fn size(mut self, size: f64) -> Self {
        self.size = size;
        self
    }

    pub(in crate::cli) fn ink(mut self, ink: &'static str) -> Self {
        self.ink = ink;
        self
    }

    pub(in crate::cli) fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    /// Ends at its place instead of beginning there.
    pub(in crate::cli) fn ending(mut self) -> Self {
        self.anchor = "end";
        self
    }

    /// Stands around its place.
    pub(in crate::cli) fn centred(mut self) -> Self {
        self.anchor = "middle";
        self
    }
}

/// How wide a text is at most, in a font of this size.
pub(in crate::cli) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * SIGN * size
}

/// The text, cut to this width.
pub(in crate::cli) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let most = (room / (SIGN * size)).floor().max(1.0) as usize;
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// A drawing in the making.
pub(in crate::cli) struct Canvas {
    svg: String,
}

impl Canvas {
    pub(in crate::cli) fn new(width: f64, height: f64, title: &str) -> Self {
        let (w, h) = (number(width), number(height));
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
             height=\"{h}\" role=\"img\" \
             font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\">\n\
             <title>{}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n",
            escaped(title)
        );
        Self { svg }
    }

    pub(in crate::cli) fn text(&mut self, text: &Text) {
        let weight = if text.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let _ = writeln!(
            self.svg,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{}\"{weight}>{}</text>",
            number(text.x),
            number(text.y),
            number(text.size),
            text.ink,
            text.anchor,
            escaped(&text.text)
        );
    }

    /// An element without content: its name and its attributes.
    pub(in crate::cli) fn element(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.open(name, attributes);
        self.svg.push_str("/>\n");
    }

    /// An element that shows a sentence when the pointer rests on it.
    pub(in crate::cli) fn hovered(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        sentence: &str,
    ) {
        self.open(name, attributes);
        let _ = writeln!(self.svg, "><title>{}</title></{name}>", escaped(sentence));
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.svg, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.svg, " {attribute}=\"{}\"", escaped(value));
        }
    }

    pub(in crate::cli) fn line(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        style: &[(&str, &str)],
    ) {
        let ends = [from.0, from.1, to.0, to.1].map(number);
        let [x1, y1, x2, y2] = ends.each_ref().map(String::as_str);
        let mut attributes = vec![("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)];
        attributes.extend_from_slice(style);
        self.element("line", &attributes);
    }

    /// A rectangle that shows a sentence when the pointer rests on it.
    pub(in crate::cli) fn hovered_rect(
        &mut self,
        at: (f64, f64),
        size: (f64, f64),
        style: &[(&str, &str)],
        sentence: &str,
    ) {
        let sides = [at.0, at.1, size.0, size.1].map(number);
        let [x, y, width, height] = sides.each_ref().map(String::as_str);
        let mut attributes = vec![("x", x), ("y", y), ("width", width), ("height", height)];
        attributes.extend_from_slice(style);
        self.hovered("rect", &attributes, sentence);
    }

    pub(in crate::cli) fn rect(
        &mut self,
        at: (f64, f64),
        size: (f64, f64),
        style: &[(&str, &str)],
    ) {
        let sides = [at.0, at.1, size.0, size.1].map(number);
        let [x, y, width, height] = sides.each_ref().map(String::as_str);
        let mut attributes = vec![("x", x), ("y", y), ("width", width), ("height", height)];
        attributes.extend_from_slice(style);
        self.element("rect", &attributes);
    }

    pub(in crate::cli) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// A number with at most one digit behind the point.
pub(in crate::cli) fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    match rounded.is_finite() {
        true => format!("{}", rounded + 0.0),
        false => "0".to_owned(),
    }
}

/// Text that XML can hold.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(' '),
            _ if sign.is_control() || matches!(sign, '\u{fffe}' | '\u{ffff}') => {
                safe.push('\u{fffd}');
            }
            _ => safe.push(sign),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_manifest_says_becomes_markup() {
        assert_eq!(
            escaped("a<b & \"c\"\u{0}\n"),
            "a&lt;b &amp; &quot;c&quot;\u{fffd} "
        );
        assert_eq!(number(f64::NAN), "0");
        assert_eq!(
            (number(-0.01), number(1.25)),
            ("0".to_owned(), "1.3".to_owned())
        );
    }

    #[test]
    fn a_text_that_is_cut_fits() {
        let long = "a sentence that is far too long for the room";
        let cut = fitted(long, 10.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 100.0, "{cut}");
        assert_eq!(fitted("short", 10.0, 100.0), "short");
    }
}
