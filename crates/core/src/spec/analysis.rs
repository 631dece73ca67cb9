use serde::{Deserialize, Serialize};

use super::{JudgeSpec, Metadata, MetricSpec, ObjectKind, ObjectRef};

/// Which template an analysis is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// Whether it is one of the whole cluster.
    pub cluster_scope: bool,
}

impl TemplateRef {
    /// A template of the rollout's own namespace.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cluster_scope: false,
        }
    }
}

/// One of the two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashOf {
    /// The stable one.
    Stable,
    /// The one on trial.
    Latest,
}

/// Where an argument's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ArgValue {
    /// Text that is known now.
    Text(String),
    /// The name of a revision.
    PodTemplateHash(HashOf),
    /// A field of the rollout's object, by path.
    Field(String),
    /// A key of a secret.
    Secret {
        /// The secret's name.
        name: String,
        /// The key in it.
        key: String,
    },
}

/// An argument: declared by a template, with a default or without, or set by who uses one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArgSpec {
    /// Its name.
    pub name: String,
    /// Its value, where one is given.
    pub value: Option<ArgValue>,
}

impl ArgSpec {
    /// An argument that must be set by who uses the template.
    pub fn required(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: None,
        }
    }

    /// An argument with this text.
    pub fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, ArgValue::Text(value.into()))
    }

    /// An argument with this value.
    pub fn new(name: impl Into<String>, value: ArgValue) -> Self {
        Self {
            name: name.into(),
            value: Some(value),
        }
    }
}

/// How many measurements of a metric are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// The metric's name, or a regular expression that finds it.
    pub metric_name: String,
    /// How many.
    pub limit: u32,
}

/// An analysis as a rollout uses it: which templates, with which arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RolloutAnalysis {
    /// The templates; their metrics make one run.
    pub templates: Vec<TemplateRef>,
    /// The arguments that it sets.
    pub args: Vec<ArgSpec>,
    /// The metrics that are only watched, by name or regular expression.
    pub dry_run: Vec<String>,
    /// How many measurements are kept.
    pub measurement_retention: Vec<Retention>,
    /// What the run's object bears.
    pub run_metadata: Option<Metadata>,
    /// The step at which an analysis beside the steps begins. Default 0.
    pub starting_step: Option<u32>,
}

impl RolloutAnalysis {
    /// An analysis by these templates of the rollout's own namespace.
    pub fn new<T: Into<String>>(templates: impl IntoIterator<Item = T>) -> Self {
        Self {
            templates: templates.into_iter().map(TemplateRef::new).collect(),
            ..Self::default()
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn with_arg(mut self, arg: ArgSpec) -> Self {
        self.args.push(arg);
        self
    }

    /// The same, beginning at a step.
    #[must_use]
    pub fn starting_at(mut self, step: u32) -> Self {
        self.starting_step = Some(step);
        self
    }
}

/// A template of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnalysisTemplate {
    /// Its name.
    pub name: String,
    /// Its namespace, where one is written.
    pub namespace: Option<String>,
    /// Whether it is one of the whole cluster.
    pub cluster_scope: bool,
    /// What it measures.
    pub metrics: Vec<MetricSpec>,
    /// A judge that compares both sides. Ours, not Argo's.
    pub judge: Option<JudgeSpec>,
    /// The arguments that it knows.
    pub args: Vec<ArgSpec>,
    /// The metrics that are only watched, by name or regular expression.
    pub dry_run: Vec<String>,
    /// How many measurements are kept.
    pub measurement_retention: Vec<Retention>,
    /// Templates whose metrics and arguments are its own as well.
    pub templates: Vec<TemplateRef>,
}

impl AnalysisTemplate {
    /// A template of a namespace with these metrics.
    pub fn new(name: impl Into<String>, metrics: impl IntoIterator<Item = MetricSpec>) -> Self {
        Self {
            name: name.into(),
            namespace: None,
            cluster_scope: false,
            metrics: metrics.into_iter().collect(),
            judge: None,
            args: Vec::new(),
            dry_run: Vec::new(),
            measurement_retention: Vec::new(),
            templates: Vec::new(),
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn with_arg(mut self, arg: ArgSpec) -> Self {
        self.args.push(arg);
        self
    }

    /// The same with a judge that compares both sides.
    #[must_use]
    pub fn with_judge(mut self, judge: JudgeSpec) -> Self {
        self.judge = Some(judge);
        self
    }

    /// The object that its fields belong to.
    pub fn object(&self) -> ObjectRef {
        let kind = match self.cluster_scope {
            true => ObjectKind::ClusterAnalysisTemplate,
            false => ObjectKind::AnalysisTemplate,
        };
        ObjectRef {
            kind,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Whether an analysis in `namespace` means this one; a namespace not written matches any.
    pub fn answers(&self, reference: &TemplateRef, namespace: Option<&str>) -> bool {
        let near = match (self.namespace.as_deref(), namespace) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        };
        self.name == reference.name
            && self.cluster_scope == reference.cluster_scope
            && (near || self.cluster_scope)
    }
}
