//! The file as a route, a stranger's edits included.

use std::collections::BTreeMap;

use gradatim_core::id::RevisionId;
use gradatim_core::route::{HeaderMatch, HeaderRoute, Slot, Split};
use serde::de::DeserializeOwned;

use super::config::Config;
use super::encode::{GRAIN, MARK, plumbing, text};
use super::record::{Part, Record};
use super::syntax::{Directive, parse};
use crate::pattern::matched;

/// The file cannot be read as a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it was not written by gradatim")]
    Foreign,
    #[error("it is not NGINX's syntax any more")]
    Syntax,
    #[error("somebody has edited how it routes so that {0} cannot be told")]
    Routing(&'static str),
}

/// What the directives say, whatever the comments say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) bind: BTreeMap<Slot, Option<RevisionId>>,
    pub(super) split: Split,
    pub(super) headers: Vec<HeaderRoute>,
}

/// What was written last, by the comments; none where they are not ours.
pub(super) fn record(text: &str) -> Option<Record> {
    Some(Record {
        bind: comment(text, "bind")?,
        split: comment(text, "split")?,
        headers: comment(text, "headers")?,
    })
}

fn comment<T: DeserializeOwned>(text: &str, part: &str) -> Option<Part<T>> {
    let head = format!("{MARK}{part} ");
    let json = text.lines().find_map(|line| line.strip_prefix(&head))?;
    serde_json::from_str(json).ok()
}

/// What the directives say.
pub(super) fn said(config: &Config, record: &Record, file: &str) -> Result<Said, Unreadable> {
    let directives = parse(file).ok_or(Unreadable::Syntax)?;
    let as_written = text(config, record).ok().and_then(|text| parse(&text));
    if as_written.as_ref() == Some(&directives) {
        let bind = record.bind.value.iter();
        return Ok(Said {
            bind: bind.map(|(slot, id)| (*slot, Some(id.clone()))).collect(),
            split: record.split.value.clone(),
            headers: record.headers.value.clone(),
        });
    }
    let scene = Scene {
        name: &config.name,
        directives: &directives,
    };
    let said = Said {
        bind: scene.bind(config, record)?,
        split: scene.split(record.split.value.total())?,
        headers: scene.headers(record)?,
    };
    scene.routes_as_we_do(&said)?;
    Ok(said)
}

struct Scene<'a> {
    name: &'a str,
    directives: &'a [Directive],
}

impl Scene<'_> {
    /// The block that begins with these words, the last one where there are several.
    fn block(&self, head: &str, last: &str) -> Option<&Directive> {
        let wanted = format!("${}_{last}", self.name);
        let is_it = |one: &&Directive| one.word(0) == head && one.word(2) == wanted;
        self.directives.iter().rev().find(is_it)
    }

    fn bind(
        &self,
        config: &Config,
        record: &Record,
    ) -> Result<BTreeMap<Slot, Option<RevisionId>>, Unreadable> {
        let mut bind = BTreeMap::new();
        for slot in [Slot::Stable, Slot::Canary, Slot::Active, Slot::Preview] {
            let upstream = format!("{}_{slot}", self.name);
            let is_it = |one: &&Directive| one.word(0) == "upstream" && one.word(1) == upstream;
            let Some(found) = self.directives.iter().find(is_it) else {
                continue;
            };
            let servers = |one: &Directive| one.words[1..].join(" ");
            let here = found.block.iter().filter(|one| one.word(0) == "server");
            let here: Vec<String> = here.map(servers).collect();
            let written = record.bind.value.get(&slot);
            let known = written
                .into_iter()
                .chain(config.servers.keys())
                .find(|id| config.servers.get(*id) == Some(&here));
            bind.insert(slot, known.cloned());
        }
        match bind.is_empty() {
            true => Err(Unreadable::Routing("which servers it goes to")),
            false => Ok(bind),
        }
    }

    fn split(&self, total: u32) -> Result<Split, Unreadable> {
        let wrong = || Unreadable::Routing("the split");
        let block = self.block("split_clients", "share").ok_or_else(wrong)?;
        let (mut parts, mut rest, mut left) = (Vec::new(), None, GRAIN);
        for line in &block.block {
            let slot = slot(line.word(1)).ok_or_else(wrong)?;
            if line.word(0) == "*" {
                rest = Some(slot);
                continue;
            }
            let part = hundredths(line.word(0)).ok_or_else(wrong)?;
            left = left.checked_sub(part).ok_or_else(wrong)?;
            parts.push((slot, part));
        }
        match rest {
            Some(rest) => parts.push((rest, left)),
            // Without a rest the variable is empty for those who are left, and they go nowhere.
            None if left > 0 => return Err(wrong()),
            None => {}
        }
        let scaled = |(slot, part): &(Slot, u32)| {
            let scaled = u64::from(*part) * u64::from(total);
            let whole = scaled % u64::from(GRAIN) == 0;
            let part = u32::try_from(scaled / u64::from(GRAIN)).ok()?;
            whole.then_some((*slot, part))
        };
        match parts.iter().map(scaled).collect::<Option<Vec<_>>>() {
            Some(parts) => Split::new(total, parts),
            None => Split::new(GRAIN, parts),
        }
        .map_err(|_| wrong())
    }

    fn headers(&self, record: &Record) -> Result<Vec<HeaderRoute>, Unreadable> {
        let mut routes = Vec::new();
        while self
            .block("map", &format!("header_{}", routes.len()))
            .is_some()
        {
            let (number, mut matches) = (routes.len(), Vec::new());
            let written = record.headers.value.get(number);
            while let Some(map) = self.block("map", &format!("header_{number}_{}", matches.len())) {
                let name = written.and_then(|route| route.matches.get(matches.len()));
                matches.push(header(map, name).ok_or(Unreadable::Routing("a header route"))?);
            }
            let name = written.map_or_else(|| format!("route-{number}"), |it| it.name.clone());
            routes.push(HeaderRoute { name, matches });
        }
        Ok(routes)
    }

    /// That the rest of the file sends each request where split and header routes say.
    fn routes_as_we_do(&self, said: &Said) -> Result<(), Unreadable> {
        let slots: Vec<Slot> = said.bind.keys().copied().collect();
        let ours = parse(&plumbing(self.name, &slots, said.headers.len())).unwrap_or_default();
        let same = ours.iter().all(|one| {
            let last = one.word(2).trim_start_matches(['$']);
            let last = last.trim_start_matches(self.name).trim_start_matches('_');
            self.block("map", last) == Some(one)
        });
        match same {
            true => Ok(()),
            false => Err(Unreadable::Routing("where a request goes")),
        }
    }
}

fn slot(text: &str) -> Option<Slot> {
    let slots = [Slot::Stable, Slot::Canary, Slot::Active, Slot::Preview];
    slots.into_iter().find(|slot| slot.to_string() == text)
}

/// Hundredths of a percent, from 0.01% to 100%.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, rest) = text
        .strip_suffix('%')?
        .split_once('.')
        .unwrap_or((text.strip_suffix('%')?, ""));
    let digits = |text: &str| text.len() <= 3 && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 2 {
        return None;
    }
    let hundredths =
        whole.parse::<u32>().ok()? * 100 + format!("{rest:0<2}").parse::<u32>().ok()?;
    (1..=GRAIN).contains(&hundredths).then_some(hundredths)
}

fn header(map: &Directive, written: Option<&HeaderMatch>) -> Option<HeaderMatch> {
    let variable = map.word(1).strip_prefix("$http_")?;
    let is_same =
        |one: &&HeaderMatch| one.header_name.to_ascii_lowercase().replace('-', "_") == variable;
    let header_name = match written.filter(is_same) {
        Some(one) => one.header_name.clone(),
        None => variable.replace('_', "-"),
    };
    let mut keys = map.block.iter().filter(|line| line.word(1) == "1");
    let pattern = keys.next()?.word(0).strip_prefix('~')?;
    let header_value = matched(pattern);
    keys.next().is_none().then_some(HeaderMatch {
        header_name,
        header_value,
    })
}

#[cfg(test)]
mod tests;
