//! Pipelines as they are stored.

use super::Runtime;
use crate::error::Error;
use crate::job::PipelineSpec;
use crate::store::{DocumentKind, DocumentName, decode_pipeline};

impl Runtime {
    /// A stored pipeline with the number of its revision: this one, or the latest; `None` when there is none.
    pub(crate) fn pipeline(
        &self,
        project: &str,
        name: &str,
        revision: Option<u32>,
    ) -> Result<Option<(u32, PipelineSpec)>, Error> {
        let name = DocumentName::new(DocumentKind::Pipeline, project, name);
        let Some(document) = self.store.document(&name, revision)? else { return Ok(None) };
        Ok(Some((document.revision, decode_pipeline(&document.body)?)))
    }
}
