//! `tests/manifests/wild`: manifests as they are met elsewhere, with what is made of each.
//!
//! Beside each `NAME.yaml` stands `NAME.out`: what was read, what it means, and everything that is
//! said about it. `GRADATIM_UPDATE=1` writes the outputs anew; read them before they are kept.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gradatim_core::compile;
use gradatim_core::plan::Plan;
use gradatim_core::registry::Registry;
use gradatim_core::spec::{FieldPath, ObjectRef, RolloutSpec};
use gradatim_core::yaml::{Diagnostic, Reading, read};

use super::{repository, steps};

/// Everything that can be said about a file.
fn report(name: &str, bytes: &[u8]) -> String {
    let reading = read(&[(name, bytes)]);
    let mut out = String::new();
    for error in &reading.errors {
        let _ = writeln!(out, "error   {}", shown(error));
    }
    if reading.more_errors > 0 {
        let _ = writeln!(out, "and {} more errors", reading.more_errors);
    }
    for warning in &reading.warnings {
        let _ = writeln!(out, "warning {}", shown(warning));
    }
    for skipped in &reading.skipped {
        let name = skipped.name.as_deref().unwrap_or("-");
        let _ = writeln!(
            out,
            "skipped {} {name}, line {}",
            skipped.kind, skipped.line
        );
    }
    for template in &reading.manifests.templates {
        let metrics: Vec<_> = template
            .metrics
            .iter()
            .map(|m| format!("{} ({})", m.name, m.provider.name))
            .collect();
        let _ = writeln!(out, "{}: {}", template.object(), metrics.join(", "));
    }
    for rollout in &reading.manifests.rollouts {
        means(rollout, &reading, &mut out);
    }
    out
}

fn shown(diagnostic: &Diagnostic) -> String {
    let mut line = match &diagnostic.position {
        Some(at) => format!("{}:{}:{}", at.file, at.line, at.column),
        None => "-".to_owned(),
    };
    if !diagnostic.path.segments().is_empty() {
        let _ = write!(line, " {}", diagnostic.path);
    }
    let _ = write!(line, ": {}", diagnostic.message);
    if let Some(value) = &diagnostic.value {
        let _ = write!(line, " [{value}]");
    }
    if let Some(help) = &diagnostic.help {
        let _ = write!(line, " -- {help}");
    }
    line
}

/// What a rollout means, or everything that is wrong with it.
fn means(rollout: &RolloutSpec, reading: &Reading, out: &mut String) {
    let _ = writeln!(out, "{}", rollout.object());
    let place = |object: &ObjectRef,
                 path: &FieldPath,
                 message: &str,
                 value: &Option<String>,
                 help: &Option<String>| {
        let field = path.clone().of(object.clone());
        let mut found = reading.sources.diagnose(&field, message);
        (found.value, found.help) = (value.clone(), help.clone());
        shown(&found)
    };
    match compile(rollout, &reading.manifests.templates, &Registry::lenient()) {
        Ok(compiled) => {
            plan(&compiled.plan, out);
            for w in &compiled.warnings {
                let _ = writeln!(
                    out,
                    "  warning {}",
                    place(&w.object, &w.path, &w.message, &w.value, &w.help)
                );
            }
        }
        Err(errors) => {
            for e in &errors {
                let _ = writeln!(
                    out,
                    "  error   {}",
                    place(&e.object, &e.path, &e.message, &e.value, &e.help)
                );
            }
        }
    }
}

fn plan(plan: &Plan, out: &mut String) {
    let routers: Vec<_> = plan
        .routers
        .iter()
        .map(|router| router.name.as_str())
        .collect();
    let routers = if routers.is_empty() {
        "pods".to_owned()
    } else {
        routers.join("+")
    };
    let _ = writeln!(
        out,
        "  {:?} of {} by {routers}: {}",
        plan.strategy,
        plan.total,
        steps(plan)
    );
    if let Some(beside) = &plan.background {
        let metrics: Vec<_> = beside.run.metrics.iter().map(|m| m.name.as_str()).collect();
        let _ = writeln!(
            out,
            "  beside from {}: {}",
            beside.starting_step,
            metrics.join(", ")
        );
    }
    for gate in &plan.gates {
        let _ = writeln!(out, "  gate {:?}: {}", gate.point, gate.metric.name);
    }
}

#[test]
fn what_is_made_of_each_is_what_was_read_once() {
    let folder = repository().join("tests/manifests/wild");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    names.sort();
    assert!(names.len() > 15, "{}", names.len());
    let wrong: Vec<_> = names.iter().filter_map(|path| differs(path)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differs(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap().to_string_lossy();
    let found = report(&name, &fs::read(path).unwrap());
    let kept = path.with_extension("out");
    if std::env::var_os("GRADATIM_UPDATE").is_some() {
        fs::write(&kept, &found).unwrap();
    }
    let wanted = fs::read_to_string(&kept).unwrap_or_default();
    (found != wanted).then(|| format!("{name} now gives:\n{found}"))
}
