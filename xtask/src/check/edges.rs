//! Dependencies point one way. What may depend on what is a table here; cargo says what does.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::build;
use crate::layout::Layout;
use crate::step;
use crate::tools::Tools;

/// What a package may depend on, directly or not.
enum Rule {
    /// These and nothing else.
    Only(&'static [&'static str]),
    /// Anything but these.
    Never(&'static [&'static str]),
}

/// The semantics depend on nothing, drivers on no user-mode crate, user mode on nothing of the kernel.
const RULES: [(&str, Rule); 11] = [
    ("kswrite_core", Rule::Only(&[])),
    ("kswrite_inf", Rule::Only(&[])),
    (
        "kswrite_wire",
        Rule::Only(&[
            "zerocopy",
            "zerocopy-derive",
            "proc-macro2",
            "quote",
            "syn",
            "unicode-ident",
        ]),
    ),
    (
        "kswrite_state",
        Rule::Only(&[
            "kswrite_core",
            "kswrite_wire",
            "zerocopy",
            "zerocopy-derive",
            "proc-macro2",
            "quote",
            "syn",
            "unicode-ident",
        ]),
    ),
    (
        "nt_model",
        Rule::Never(&["kswrite_wire", "kswrite_client", "ksw", "kmdf", "wdk-sys"]),
    ),
    ("kmdf", Rule::Never(USER)),
    ("kswrite", Rule::Never(USER)),
    ("ksink", Rule::Never(USER)),
    ("wine_kmdf", Rule::Never(USER)),
    (
        "kswrite_client",
        Rule::Never(&["kswrite_core", "nt_model", "kmdf", "wdk-sys", "windows"]),
    ),
    (
        "kswrite_faces",
        Rule::Never(&["kswrite_core", "nt_model", "ksw", "kmdf", "wdk-sys"]),
    ),
];
/// What has no place in the kernel.
const USER: &[&str] = &["nt_model", "kswrite_client", "ksw", "windows-sys"];

/// Every edge that must not be.
pub(super) fn forbidden(layout: &Layout, tools: &Tools) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (package, rule) in &RULES {
        let dependencies = dependencies(layout, tools, package)?;
        found.extend(broken(rule, &dependencies).map(|name| format!("{package} must not depend on {name}")));
    }
    Ok(found)
}

fn broken<'a>(rule: &Rule, dependencies: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
    dependencies.iter().filter(|name| match rule {
        Rule::Only(allowed) => !allowed.contains(&name.as_str()),
        Rule::Never(never) => never.contains(&name.as_str()),
    })
}

/// Names of everything that ends up in the program: normal dependencies, for the Windows targets.
fn dependencies(layout: &Layout, tools: &Tools, package: &str) -> Result<BTreeSet<String>> {
    let command = build::tree_cargo(layout, tools).args(["-p", package]);
    let captured = step::capture(
        layout,
        &format!("dependencies of {package}"),
        "check-edges",
        &command,
    )?;
    if captured.code != Some(0) {
        bail!("{}", captured.failure);
    }
    let names = captured
        .text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != package).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_find_what_breaks_them() {
        let dependencies = ["zerocopy".to_owned(), "nt_model".to_owned()].into();
        assert_eq!(
            broken(&Rule::Only(&["zerocopy"]), &dependencies).collect::<Vec<_>>(),
            ["nt_model"]
        );
        assert_eq!(
            broken(&Rule::Never(USER), &dependencies).collect::<Vec<_>>(),
            ["nt_model"]
        );
        assert_eq!(
            broken(&Rule::Only(&["zerocopy", "nt_model"]), &dependencies).count(),
            0
        );
    }
}
