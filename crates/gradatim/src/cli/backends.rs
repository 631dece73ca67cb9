//! The backends of this binary, and an analysis that runs on them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use gradatim_core::analysis::RunPlan;
use gradatim_core::compile_analysis;
use gradatim_core::port::{MetricProvider, Secrets};
use gradatim_core::registry::Registry;
use gradatim_core::spec::{AnalysisTemplate, ArgSpec, RolloutAnalysis, TemplateRef};
use gradatim_core::yaml::SourceMap;
use gradatim_driver::secrets::{EnvSecrets, FileSecrets, FirstOf};

use super::diagnostics::{self, Severity};
use super::failure::Failure;
use super::input::{self, Files, Wrong};
use super::{Io, text};

/// Where secrets are looked for in the environment.
pub(super) const SECRETS: &str = "SECRET_";

/// The analysis of a command: templates, their arguments and where they measure.
#[derive(Debug, clap::Args)]
pub(super) struct Analysis {
    #[command(flatten)]
    files: Files,
    /// Give an argument of the templates a value; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    args: Vec<(String, String)>,
    /// Run these templates only; may be repeated [default: all in the files]
    #[arg(long = "template", value_name = "NAME")]
    templates: Vec<String>,
    /// Ask this Prometheus, whatever the templates say
    #[arg(long, value_name = "URL", value_parser = address)]
    prometheus: Option<String>,
    /// Ask this Loki, whatever the templates say
    #[arg(long, value_name = "URL", value_parser = address)]
    loki: Option<String>,
    /// Look for secrets in files below this directory, as DIR/NAME/KEY, before the environment's
    /// SECRET_NAME_KEY
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

/// An analysis that can be measured.
pub(super) struct Ready {
    pub(super) plan: RunPlan,
    pub(super) providers: BTreeMap<String, Arc<dyn MetricProvider>>,
}

/// What the backends of this binary make of their parts of a manifest, without a client; one that
/// is not here is taken to be able to do everything, with a warning.
pub(super) fn known() -> Registry {
    let registry = gradatim_prometheus::register(Registry::lenient(), Default::default());
    gradatim_web::register(gradatim_loki::register(registry, Default::default()))
}

/// The metric providers of this binary, where these servers are asked whatever a manifest says.
pub(super) fn asking(at_prometheus: Option<&str>, at_loki: Option<&str>) -> Registry {
    let mut prometheus = gradatim_prometheus::Config::from_env();
    if let Some(address) = at_prometheus {
        prometheus.address = Some(address.to_owned());
        prometheus.overrides = true;
    }
    let mut loki = gradatim_loki::Config::default();
    if let Some(address) = at_loki {
        loki.address = Some(address.to_owned());
        loki.overrides = true;
    }
    let registry = gradatim_prometheus::register(Registry::new(), prometheus);
    gradatim_web::register(gradatim_loki::register(registry, loki))
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is wanted".to_owned()),
    }
}

/// A wrong address is wrong input, and no server that cannot be reached.
pub(super) fn address(text: &str) -> Result<String, String> {
    let http = text.strip_prefix("http://");
    let rest = http.or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':']) => Ok(text.to_owned()),
        _ => Err("an address such as http://127.0.0.1:9090 is wanted".to_owned()),
    }
}

impl Analysis {
    /// Reads, compiles and connects everything, and tells what is wrong.
    pub(super) fn ready(&self, io: &mut Io<'_>) -> Result<Ready, Failure> {
        let reading = self.files.read(io)?;
        if !reading.errors.is_empty() {
            let wrong = Wrong {
                errors: reading.errors,
                more: reading.more_errors,
            };
            return Err(wrong.tell(&mut io.err)?);
        }
        let templates = reading.manifests.templates;
        let analysis = self.analysis(&templates)?;
        let plan = self.plan(&analysis, &templates, &reading.sources, io)?;
        let providers = self.providers(&plan)?;
        Ok(Ready { plan, providers })
    }

    /// The registry of this binary's metric providers.
    fn registry(&self) -> Registry {
        asking(self.prometheus.as_deref(), self.loki.as_deref())
    }

    /// Every template that was asked for, with the arguments that were given.
    fn analysis(&self, templates: &[AnalysisTemplate]) -> Result<RolloutAnalysis, Failure> {
        let names: Vec<&str> = templates.iter().map(|it| it.name.as_str()).collect();
        if templates.is_empty() {
            let failure = Failure::input("there is no AnalysisTemplate in what was given");
            return Err(failure.help("a Rollout names its templates: give their files"));
        }
        if let Some(unknown) = self
            .templates
            .iter()
            .find(|name| !names.contains(&name.as_str()))
        {
            let failure = Failure::input(format!("there is no template {unknown:?}"));
            return Err(failure.help(format!("there is {}", text::list(&names))));
        }
        let wanted =
            |it: &&AnalysisTemplate| self.templates.is_empty() || self.templates.contains(&it.name);
        let mut analysis = RolloutAnalysis::default();
        for template in templates.iter().filter(wanted) {
            analysis.templates.push(TemplateRef {
                cluster_scope: template.cluster_scope,
                ..TemplateRef::new(&template.name)
            });
            self.declared(template)?;
        }
        for (name, value) in &self.args {
            analysis.args.push(ArgSpec::text(name, value));
        }
        Ok(analysis)
    }

    /// An argument that a rollout would set has no value here unless it is given.
    fn declared(&self, template: &AnalysisTemplate) -> Result<(), Failure> {
        let given = |name: &str| self.args.iter().any(|(known, _)| known == name);
        let missing: Vec<&str> = template
            .args
            .iter()
            .filter(|arg| arg.value.is_none() && !given(&arg.name))
            .map(|arg| arg.name.as_str())
            .collect();
        let Some(first) = missing.first() else {
            return Ok(());
        };
        let of = &template.name;
        let failure = Failure::input(format!(
            "the template {of} needs {}: {}",
            text::count(missing.len(), "argument"),
            missing.join(", ")
        ));
        Err(failure.help(format!("add --arg {first}=…")))
    }

    fn plan(
        &self,
        analysis: &RolloutAnalysis,
        templates: &[AnalysisTemplate],
        sources: &SourceMap,
        io: &mut Io<'_>,
    ) -> Result<RunPlan, Failure> {
        match compile_analysis(analysis, templates, &self.registry()) {
            Ok((plan, warnings)) => {
                for warning in &warnings {
                    let warning = input::warning(warning, sources);
                    diagnostics::write(&mut io.err, Severity::Warning, &warning)?;
                }
                io.err.flush()?;
                Ok(plan)
            }
            Err(errors) => {
                let errors = errors
                    .iter()
                    .map(|one| input::error(one, sources))
                    .collect();
                let wrong = Wrong { errors, more: 0 };
                Err(wrong.tell(&mut io.err)?)
            }
        }
    }

    fn providers(
        &self,
        plan: &RunPlan,
    ) -> Result<BTreeMap<String, Arc<dyn MetricProvider>>, Failure> {
        let (registry, secrets) = (self.registry(), self.secrets());
        let mut providers = BTreeMap::new();
        for metric in &plan.metrics {
            if providers.contains_key(&metric.provider) {
                continue;
            }
            let provider = registry.build_provider(&metric.provider, Arc::clone(&secrets));
            let provider = provider.map_err(|error| Failure::undecided(error.text))?;
            providers.insert(metric.provider.clone(), provider);
        }
        Ok(providers)
    }

    fn secrets(&self) -> Arc<dyn Secrets> {
        let environment = Arc::new(EnvSecrets::new(SECRETS));
        match &self.secrets {
            None => environment,
            Some(dir) => {
                let files = Arc::new(FileSecrets::new(dir));
                Arc::new(FirstOf::new().then(files).then(environment))
            }
        }
    }
}
