//! A route as the file that NGINX includes.

use std::collections::BTreeMap;
use std::fmt::Write;

use gradatim_core::id::Digest;
use gradatim_core::route::{HeaderMatch, HeaderRoute, Slot, Split};

use super::config::{Config, Sticky, is_header};
use super::record::Record;
use super::syntax::quote;
use crate::pattern::pattern;

/// Each of our comments begins so.
pub(super) const MARK: &str = "# gradatim ";
/// The longest word or comment that NGINX reads is 4,096 bytes; quotes and escapes need room.
const LONGEST: usize = 3_500;
/// NGINX splits by hundredths of a percent.
pub(super) const GRAIN: u32 = 10_000;

/// The file cannot say this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Inexpressible {
    #[error("{0} of {1} is not a whole number of hundredths of a percent, which NGINX splits by")]
    Fraction(u32, u32),
    #[error("no servers are known for version {0}: name them")]
    Servers(String),
    #[error("the {0} slot gets traffic and is bound to no version")]
    Unbound(Slot),
    #[error("NGINX has no variable for the header {0:?}: a to z, 0 to 9 and - can be read")]
    Header(String),
    #[error("the header route {0} matches nothing")]
    Matchless(String),
    #[error("plain NGINX cannot mirror: its `mirror` stands in a location of the user's own")]
    Mirror,
    #[error("what is said of {0} is longer than NGINX can read in one piece")]
    Long(&'static str),
}

/// The slots that the file has, and the one that gets what is left.
pub(super) fn resting(split: &Split) -> Slot {
    let parts: Vec<Slot> = split.parts().map(|(slot, _)| slot).collect();
    let rests = [Slot::Stable, Slot::Active];
    let rest = rests.into_iter().find(|slot| parts.contains(slot));
    rest.or(parts.first().copied()).unwrap_or(Slot::Stable)
}

/// The whole file.
pub(super) fn text(config: &Config, record: &Record) -> Result<String, Inexpressible> {
    let mut text = comments(record)?;
    text.push_str(&upstreams(config, record)?);
    text.push_str(&key(config));
    text.push_str(&split(&config.name, &record.split.value)?);
    text.push_str(&headers(&config.name, &record.headers.value)?);
    let slots: Vec<Slot> = record.bind.value.keys().copied().collect();
    text.push_str(&plumbing(&config.name, &slots, record.headers.value.len()));
    text.push_str(&revisions(&config.name, record));
    if config.probe.is_some() {
        let probe = probe(config, record, &Digest::of_bytes(text.as_bytes()))?;
        text.push_str(&probe);
    }
    Ok(text)
}

fn comments(record: &Record) -> Result<String, Inexpressible> {
    let mut text = String::from(
        "# Written by gradatim, which reads back what stands here. Include it within http { }.\n",
    );
    let lines = [
        ("bind", serde_json::to_string(&record.bind)),
        ("split", serde_json::to_string(&record.split)),
        ("headers", serde_json::to_string(&record.headers)),
    ];
    for (part, json) in lines {
        // A part has texts for keys: it can be written.
        let json = json.unwrap_or_default();
        if json.len() > LONGEST {
            return Err(Inexpressible::Long(part));
        }
        let _ = writeln!(text, "{MARK}{part} {json}");
    }
    Ok(text)
}

fn upstreams(config: &Config, record: &Record) -> Result<String, Inexpressible> {
    let (name, mut text) = (&config.name, String::new());
    for (slot, revision) in &record.bind.value {
        let unknown = || Inexpressible::Servers(revision.to_string());
        let servers = config.servers.get(revision).ok_or_else(unknown)?;
        let _ = writeln!(text, "upstream {name}_{slot} {{");
        for server in servers {
            let _ = writeln!(text, "    server {server};");
        }
        if let Some(connections) = config.keepalive {
            let _ = writeln!(text, "    keepalive {connections};");
        }
        text.push_str("}\n");
    }
    let canary = (!record.headers.value.is_empty()).then_some(Slot::Canary);
    let parts = record.split.value.parts().map(|(slot, _)| slot);
    match parts
        .chain(canary)
        .find(|slot| !record.bind.value.contains_key(slot))
    {
        Some(slot) => Err(Inexpressible::Unbound(slot)),
        None => Ok(text),
    }
}

/// What a request is split by: an empty value would send everybody to one side.
fn key(config: &Config) -> String {
    let name = &config.name;
    let by = match &config.sticky {
        Sticky::Request => return format!("map \"\" ${name}_key {{ default $request_id; }}\n"),
        Sticky::Cookie(cookie) => format!("$cookie_{cookie}"),
        Sticky::Header(header) => variable(header),
    };
    let mut text = format!("map {by} ${name}_key {{ \"\" $request_id; default {by}; }}\n");
    if let Sticky::Cookie(cookie) = &config.sticky {
        let age = config
            .max_age
            .map(|age| format!("Max-Age={}; ", age.as_secs()));
        let age = age.unwrap_or_default();
        let _ = writeln!(
            text,
            "map {by} ${name}_cookie {{ \"\" \"{cookie}=$request_id; Path=/; {age}HttpOnly; SameSite=Lax\"; default \"\"; }}"
        );
    }
    text
}

pub(super) fn split(name: &str, split: &Split) -> Result<String, Inexpressible> {
    let rest = resting(split);
    let mut text = format!("split_clients \"{name}.${name}_key\" ${name}_share {{\n");
    for (slot, part) in split.parts() {
        let hundredths = u64::from(part) * u64::from(GRAIN);
        if hundredths % u64::from(split.total()) != 0 {
            return Err(Inexpressible::Fraction(part, split.total()));
        }
        // A part that is the whole stands alone, as the rest: 100 % would miss one hash value.
        if slot != rest {
            let percent = percent(hundredths / u64::from(split.total()));
            let _ = writeln!(text, "    {percent} {slot};");
        }
    }
    let _ = writeln!(text, "    * {rest};\n}}");
    Ok(text)
}

fn percent(hundredths: u64) -> String {
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    match rest {
        0 => format!("{whole}%"),
        _ => format!("{whole}.{rest:02}%"),
    }
}

/// One map for each header, and one that wants any of them.
fn headers(name: &str, routes: &[HeaderRoute]) -> Result<String, Inexpressible> {
    let mut text = String::new();
    for (route, wanted) in routes.iter().enumerate() {
        if wanted.matches.is_empty() {
            return Err(Inexpressible::Matchless(wanted.name.clone()));
        }
        for (index, one) in wanted.matches.iter().enumerate() {
            text.push_str(&header(name, route, index, one)?);
        }
        let all: String = (0..wanted.matches.len())
            .map(|index| format!("${{{name}_header_{route}_{index}}}"))
            .collect();
        let _ = writeln!(
            text,
            "map \"{all}\" ${name}_header_{route} {{ default 0; ~1 1; }}"
        );
    }
    Ok(text)
}

fn header(
    name: &str,
    route: usize,
    index: usize,
    one: &HeaderMatch,
) -> Result<String, Inexpressible> {
    if !is_header(&one.header_name) {
        return Err(Inexpressible::Header(one.header_name.clone()));
    }
    let by = variable(&one.header_name);
    let pattern = pattern(&one.header_value);
    if pattern.len() > LONGEST {
        return Err(Inexpressible::Long("headers"));
    }
    let pattern = quote(&pattern);
    Ok(format!(
        "map {by} ${name}_header_{route}_{index} {{ default 0; {pattern} 1; }}\n"
    ))
}

fn variable(header: &str) -> String {
    format!("$http_{}", header.to_ascii_lowercase().replace('-', "_"))
}

/// Which upstream a request goes to, by header routes and the split.
pub(super) fn plumbing(name: &str, slots: &[Slot], header_routes: usize) -> String {
    let any: String = (0..header_routes)
        .map(|route| format!("${{{name}_header_{route}}}"))
        .collect();
    let canary = match header_routes {
        0 => "",
        _ => " ~1 canary;",
    };
    let mut text = format!("map \"{any}\" ${name}_slot {{ default ${name}_share;{canary} }}\n");
    let _ = writeln!(text, "map ${name}_slot ${name}_upstream {{");
    for slot in slots {
        let _ = writeln!(text, "    {slot} {name}_{slot};");
    }
    text.push_str("}\n");
    text
}

/// Which version answers, for the access log.
fn revisions(name: &str, record: &Record) -> String {
    let mut text = format!("map ${name}_slot ${name}_revision {{\n");
    for (slot, revision) in &record.bind.value {
        let revision = quote(&revision.as_str().replace('$', "_"));
        let _ = writeln!(text, "    {slot} {revision};");
    }
    text.push_str("}\n");
    text
}

/// Where NGINX tells which file it has loaded, and which of its workers answers.
fn probe(config: &Config, record: &Record, digest: &Digest) -> Result<String, Inexpressible> {
    let Some(address) = config.probe else {
        return Ok(String::new());
    };
    let loaded = BTreeMap::from([
        ("digest", serde_json::json!(digest.to_string())),
        ("record", serde_json::json!(record)),
    ]);
    let json = serde_json::to_string(&loaded).unwrap_or_default();
    if json.len() > LONGEST {
        return Err(Inexpressible::Long("the whole route"));
    }
    // A dollar sign would begin a variable, and cannot be escaped but in JSON's way.
    let json = json
        .replace('$', "\\u0024")
        .replace('\\', "\\\\")
        .replace('\'', "\\'");
    let name = &config.name;
    Ok(format!(
        "server {{\n    listen {address};\n    access_log off;\n    keepalive_timeout 0;\n    \
         location = /gradatim/{name} {{ default_type text/plain; return 200 '$pid {json}'; }}\n    \
         location / {{ return 404; }}\n}}\n"
    ))
}
