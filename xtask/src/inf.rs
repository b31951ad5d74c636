//! INF files from their `.inx` sources: what stampinf does on Windows.

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::layout::Layout;
use crate::stamp;
use crate::wdk;

/// The INF files, without extension.
pub(crate) const NAMES: [&str; 2] = ["kswrite", "ksink"];

/// Stamps all of them into `target/kswrite`.
pub(crate) fn stamp_all(layout: &Layout) -> Result<()> {
    for name in NAMES {
        let source = layout.root.join("inf").join(name).with_extension("inx");
        let text = fs::read_to_string(&source)?;
        let stamped = stamped(&text, env!("CARGO_PKG_VERSION")).with_context(|| layout.show(&source).to_string())?;
        stamp::write_if_changed(&layout.artifact(&format!("{name}.inf")), stamped.as_bytes())?;
    }
    Ok(())
}

/// Fills in architecture, framework version and driver version. Line ends become those of Windows.
fn stamped(text: &str, version: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut versions = 0;
    for line in text.lines() {
        let line = line.replace("$ARCH$", "amd64").replace("$KMDFVERSION$", wdk::KMDF);
        if let Some((date, _)) = line.strip_prefix("DriverVer").and_then(|rest| rest.split_once(',')) {
            out.push_str(&format!("DriverVer{date},{version}.0"));
            versions += 1;
        } else {
            out.push_str(&line);
        }
        out.push_str("\r\n");
    }
    if versions != 1 {
        bail!("one DriverVer line is needed, there are {versions}");
    }
    if let Some(line) = out.lines().find(|line| line.contains('$') && !line.contains("$Windows NT$")) {
        bail!("a placeholder is left: {line}");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        let text = "Signature=\"$Windows NT$\"\nDriverVer   = 11/20/2025, 0.0.0.0\n%P%=M,NT$ARCH$\n";
        let stamped = stamped(text, "1.2.3").unwrap();
        assert_eq!(stamped, "Signature=\"$Windows NT$\"\r\nDriverVer   = 11/20/2025,1.2.3.0\r\n%P%=M,NTamd64\r\n");
    }

    #[test]
    fn an_unknown_placeholder_is_refused() {
        assert!(stamped("DriverVer=1/1/2025,0\nX=$MORE$\n", "1.2.3").is_err());
    }
}
