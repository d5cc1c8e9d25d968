//! Types of output records as stored documents.

use std::collections::HashSet;

use super::Engine;
use super::plans::{Applied, Plan};
use crate::error::{Error, Problem};
use crate::job::validate::shown;
use crate::job::{OutputType, Timestamp};
use crate::store::{Document, DocumentKind, DocumentName, decode_output_type};

/// A revision of a stored output type.
#[derive(Clone, Debug)]
pub struct OutputTypeView {
    /// What it says.
    pub of: OutputType,
    /// Which revision this is, from 1.
    pub revision: u32,
    /// The revision that records are held against now.
    pub latest: u32,
    /// When this revision was stored.
    pub stored_at: Timestamp,
}

impl Engine {
    /// Stores output types, all or none. What says something else than before gets a new revision; records that were accepted
    /// before stay as they are. With `dry_run` nothing is stored.
    ///
    /// ```
    /// use windlass::{Engine, OutputType};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path())
    ///     .function("count", |context: windlass::FunctionContext, rows: u32| async move {
    ///         context.output(Some("count"), &serde_json::json!({ "rows": rows })).await?;
    ///         Ok::<_, windlass::FunctionError>(())
    ///     })
    ///     .open()
    ///     .await?;
    /// let schema = serde_json::json!({"required": ["rows"], "properties": {"rows": {"type": "integer", "maximum": 9}}});
    /// engine.apply_output_types(vec![OutputType::new("default", "count", schema)], false).await?;
    ///
    /// let id = engine.submit_function("count", &7_u32).await?;
    /// engine.wait(id).await?;
    /// assert_eq!(engine.outputs(id, None, 10)?.outputs[0].value, br#"{"rows":7}"#);
    /// let refused = engine.create_output(id, Some("count"), br#"{"rows": 12}"#).await;
    /// assert!(refused.unwrap_err().to_string().starts_with("value/rows: "));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake, a schema that is none or that goes over
    /// [`EngineConfig::output_limits`](crate::EngineConfig::output_limits) among them; [`Error::Storage`].
    pub async fn apply_output_types(&self, types: Vec<OutputType>, dry_run: bool) -> Result<Vec<Applied>, Error> {
        self.apply_plan(Plan { output_types: types, ..Plan::default() }, dry_run).await
    }

    pub(super) async fn checked_output_types(
        &self,
        types: Vec<OutputType>,
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<OutputType>, Error> {
        let runtime = self.runtime();
        let mut names = HashSet::new();
        for of in &types {
            let mut found = of.name_problems(&runtime.config.job_limits);
            if !names.insert((of.project.as_str(), of.name.as_str())) {
                let allowed = "one output type of each name".to_owned();
                found.push(Problem { field: "name".into(), problem: "it is given twice".into(), allowed });
            }
            let field = |field: &str| format!("{}.{field}", shown(&of.name));
            problems.extend(found.into_iter().map(|it| Problem { field: field(&it.field), ..it }));
        }
        if types.iter().any(|of| of.schema.is_some()) {
            problems.extend(runtime.schema_problems(types.clone()).await?);
        }
        Ok(types)
    }

    /// A stored output type: this revision of it, or the latest.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn output_type(&self, project: &str, name: &str, revision: Option<u32>) -> Result<OutputTypeView, Error> {
        let key = DocumentName::new(DocumentKind::OutputType, project, name);
        let unknown = || match revision {
            Some(revision) => Error::Unknown { what: "revision of an output type", name: format!("{name} {revision}") },
            None => Error::Unknown { what: "output type", name: name.to_owned() },
        };
        view(&self.runtime().store.document(&key, revision)?.ok_or_else(unknown)?)
    }

    /// The stored output types of a project in the order of their names, after this one, at most `limit` and
    /// [`EngineConfig::page_jobs`](crate::EngineConfig::page_jobs). The last name is where the next page goes on.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn output_types(&self, project: &str, after: Option<&str>, limit: usize) -> Result<Vec<OutputTypeView>, Error> {
        let most = limit.min(self.runtime().config.page_jobs);
        let documents = self.runtime().store.documents(DocumentKind::OutputType, project, after, most)?;
        documents.iter().map(view).collect()
    }

    /// Forgets an output type and its revisions. Records of it stay with their jobs.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub async fn delete_output_type(&self, project: &str, name: &str) -> Result<(), Error> {
        self.delete_document(DocumentName::new(DocumentKind::OutputType, project, name)).await
    }
}

fn view(document: &Document) -> Result<OutputTypeView, Error> {
    let DocumentName { project, name, .. } = document.name.clone();
    let schema = decode_output_type(&document.body)?;
    let of = OutputType { project, name, schema };
    Ok(OutputTypeView { of, revision: document.revision, latest: document.latest, stored_at: document.stored_at })
}
