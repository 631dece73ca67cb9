//! What a write says beside the weight, which has a line of its own where both come at once.

use gradatim_core::capability::Part;
use gradatim_core::route::{Bindings, Slot};

use super::Teller;
use crate::fact::What;
use crate::script::transcript::Tone;
use crate::script::transcript::value::{percent, span};

/// What a router was told.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Told {
    canary: u32,
    bind: Bindings,
    headers: Vec<String>,
    mirrors: Vec<String>,
}

impl Teller<'_> {
    pub(super) fn route(&mut self, what: &What) {
        let What::Route {
            router,
            split,
            bind,
            headers,
            mirrors,
        } = what
        else {
            return;
        };
        let Some(plan) = self.plan.routers.get(*router) else {
            return;
        };
        let carries = |part| plan.capabilities.carries(part);
        let (splits, binds) = (carries(Part::Split), carries(Part::Bind));
        let told = Told {
            canary: split.part(Slot::Canary),
            bind: bind.clone(),
            headers: if carries(Part::Headers) {
                headers.clone()
            } else {
                Vec::new()
            },
            mirrors: if carries(Part::Mirrors) {
                mirrors.clone()
            } else {
                Vec::new()
            },
        };
        let before = self
            .routes
            .insert(*router, told.clone())
            .unwrap_or_default();
        if binds && told.bind != before.bind {
            self.bound(&told.bind, &before.bind);
        }
        if splits && told.canary != before.canary {
            self.split(&told, split.total());
        }
        self.listed("headers", &told.headers, &before.headers);
        self.listed("mirrors", &told.mirrors, &before.mirrors);
    }

    /// A weight that was written later than it was wanted, or without being a new one.
    fn split(&mut self, told: &Told, total: u32) {
        let (wanted, since) = self.weight;
        if wanted == 0 && told.canary == 0 && self.promoted_at == Some(since) {
            // Seen is counted from here.
            self.weight.1 = self.at;
            self.promoted_at = None;
            self.plain("weight", "0 %    everything goes to the stable slot");
        } else if told.canary != wanted {
            // Its decision has no line: the driver died before the round was over.
            self.weight = (told.canary, self.at);
            self.plain("written", percent(told.canary, total));
        } else if since != self.at && told.canary == wanted {
            let after = span(self.at.saturating_sub(since));
            let text = format!("{}    {after} after it was wanted", percent(wanted, total));
            self.plain("written", text);
        }
    }

    fn bound(&mut self, now: &Bindings, before: &Bindings) {
        let moved = now.iter().filter(|(slot, to)| before.get(slot) != Some(to));
        let moved: Vec<String> = moved.map(|(slot, to)| format!("{slot} → {to}")).collect();
        let text = moved.join(", ");
        // Several routers may say the same.
        if !text.is_empty() && !self.has_said("bind", &text) {
            self.plain("bind", text);
        }
    }

    fn listed(&mut self, word: &'static str, now: &[String], before: &[String]) {
        if now == before {
            return;
        }
        let text = if now.is_empty() {
            "none".to_owned()
        } else {
            now.join(", ")
        };
        if !self.has_said(word, &text) {
            self.say(word, text, Tone::Plain, true);
        }
    }
}
