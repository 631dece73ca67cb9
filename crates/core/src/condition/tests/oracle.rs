use crate::condition::{eval::Machine, parser, value::Value};
fn show(v: &Value) -> String {
    match v {
        Value::Nil => "nil".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => format!("I{i}"),
        Value::Float(f) if f.is_nan() => "NaN".into(),
        Value::Float(f) => format!("F{:x}", f.to_bits()),
        Value::Str(s) => serde_json::to_string(s)
            .unwrap()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
        Value::Array(a) => format!("[{}]", a.iter().map(show).collect::<Vec<_>>().join(",")),
        Value::Map(m) => {
            let mut s: Vec<_> = m
                .iter()
                .map(|(k, v)| format!("{}:{}", show(&Value::Str(k.clone())), show(v)))
                .collect();
            s.sort();
            format!("{{{}}}", s.join(","))
        }
    }
}
#[test]
#[ignore]
fn oracle() {
    let input = std::fs::read_to_string("/tmp/exprgo/cases").unwrap();
    let mut out = String::new();
    for line in input.lines() {
        let c: serde_json::Value = serde_json::from_str(line).unwrap();
        let r = &c["R"];
        let num = |s: &serde_json::Value| match s.as_str().unwrap() {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            t => t.parse::<f64>().unwrap(),
        };
        let result = if let Some(v) = r.get("vec") {
            Value::Array(
                v.as_array()
                    .unwrap()
                    .iter()
                    .map(|s| Value::Float(num(s)))
                    .collect(),
            )
        } else if let Some(v) = r.get("num") {
            Value::Float(num(v))
        } else {
            Value::from(r["json"].clone())
        };
        let source = c["E"].as_str().unwrap();
        let text = match parser::parse(source) {
            Err(e) => format!("ERR {e}"),
            Ok(n) => match Machine::new(&result).value(&n, None) {
                Ok(v) => show(&v),
                Err(crate::condition::eval::Stop::Fault(f)) => format!("ERR {}", f.message),
                Err(_) => "ERR absent".into(),
            },
        };
        out.push_str(&text.replace('\n', " "));
        out.push('\n');
    }
    std::fs::write("/tmp/exprgo/ours", out).unwrap();
}
