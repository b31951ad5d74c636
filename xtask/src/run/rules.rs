//! The rules of writing, in Wine and in the model.

use anyhow::Result;
use kswrite_conform::model::ModelRunner;
use kswrite_conform::result::Results;
use kswrite_conform::suite::{self, Selection};

use crate::step;
use crate::wine::Session;

/// Runs every rule in the session.
pub(super) fn in_wine(session: &Session<'_>) -> Result<Results> {
    let words = ["ksw", "conform", "--json", "-"];
    session.json("rules of writing in Wine", "conform-wine", &words)
}

/// Runs every rule in the model, here.
pub(super) fn in_model() -> Result<Results> {
    step::work("rules of writing in the model", || {
        Ok(suite::run(
            &mut ModelRunner::with_seed(0),
            &Selection::default(),
            &mut |_row| (),
        )?)
    })
}
