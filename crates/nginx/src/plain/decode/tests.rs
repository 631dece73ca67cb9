use super::*;

#[test]
fn percentages_are_read_as_nginx_takes_them() {
    for (text, wanted) in [
        ("0.01%", Some(1)),
        ("5%", Some(500)),
        ("12.5%", Some(1250)),
        ("100%", Some(10_000)),
        ("0%", None),
        ("100.01%", None),
        ("1.234%", None),
        ("-1%", None),
        ("20", None),
        ("%", None),
    ] {
        assert_eq!(hundredths(text), wanted, "{text}");
    }
}
