//! JSON: the [`Results`] as they are.

use crate::result::Results;

/// One JSON object.
///
/// # Errors
///
/// None that these types can cause.
pub fn to_json(results: &Results) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(results)
}

/// The results of an earlier run.
///
/// # Errors
///
/// Where the text is no JSON, or not of this form.
pub fn from_json(text: &str) -> Result<Results, serde_json::Error> {
    serde_json::from_str(text)
}
