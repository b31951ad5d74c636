//! INF files from their `.inx` sources: what stampinf does on Windows.

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::layout::Layout;
use crate::stamp;
use crate::wdk;

/// The INF files, without extension.
pub(crate) const NAMES: [&str; 2] = ["kswrite", "ksink"];

/// Stamps all of them into `target/kswrite`, and once more for Wine into `target/kswrite/wine-inf`.
pub(crate) fn stamp_all(layout: &Layout) -> Result<()> {
    for name in NAMES {
        let stamp = Stamp {
            architecture: "amd64",
            version: env!("CARGO_PKG_VERSION"),
            day: None,
        };
        let stamped = stamped_source(layout, name, &stamp)?;
        let file = format!("{name}.inf");
        stamp::write_if_changed(&layout.artifact(&file), stamped.as_bytes())?;
        stamp::write_if_changed(&layout.wine_inf().join(&file), for_wine(&stamped).as_bytes())?;
    }
    Ok(())
}

/// What is filled in.
pub(crate) struct Stamp<'a> {
    /// `$ARCH$`.
    pub(crate) architecture: &'a str,
    /// Three numbers; a fourth one, 0, is added.
    pub(crate) version: &'a str,
    /// `mm/dd/yyyy`; that of the source when left out.
    pub(crate) day: Option<String>,
}

/// One of [`NAMES`], stamped.
pub(crate) fn stamped_source(layout: &Layout, name: &str, stamp: &Stamp<'_>) -> Result<String> {
    let source = layout.root.join("inf").join(name).with_extension("inx");
    stamped(&fs::read_to_string(&source)?, stamp).with_context(|| layout.show(&source).to_string())
}

/// Fills in architecture, framework version and driver version. Line ends become those of Windows.
fn stamped(text: &str, stamp: &Stamp<'_>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut versions = 0;
    for line in text.lines() {
        let line = line
            .replace("$ARCH$", stamp.architecture)
            .replace("$KMDFVERSION$", wdk::KMDF);
        if let Some((date, _)) = line
            .strip_prefix("DriverVer")
            .and_then(|rest| rest.split_once(','))
        {
            // What stands before the day: the equals sign and blanks.
            let lead = date.len() - date.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
            let (lead, date) = date.split_at(lead);
            let day = stamp.day.as_deref().unwrap_or(date);
            out.extend(["DriverVer", lead, day, ",", stamp.version, ".0"]);
            versions += 1;
        } else {
            out.push_str(&line);
        }
        out.push_str("\r\n");
    }
    if versions != 1 {
        bail!("one DriverVer line is needed, there are {versions}");
    }
    if let Some(line) = out
        .lines()
        .find(|line| line.contains('$') && !line.contains("$Windows NT$"))
    {
        bail!("a placeholder is left: {line}");
    }
    Ok(out)
}

/// The same INF file within what the SetupAPI of Wine 8 knows. It takes a decoration with a build number for
/// another system, has no driver store (directory 13), and there is no catalogue to look for.
fn for_wine(stamped: &str) -> String {
    let mut out = String::with_capacity(stamped.len());
    for line in stamped.lines().filter(|line| !line.starts_with("CatalogFile")) {
        let line = match line.split_once("NTamd64.10.0...") {
            Some((front, build)) => {
                let rest = build.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{front}NTamd64{rest}")
            }
            None => line
                .replace("%13%", "%12%")
                .replace("DefaultDestDir = 13", "DefaultDestDir = 12"),
        };
        out.push_str(&line);
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(day: Option<&str>) -> Stamp<'static> {
        Stamp {
            architecture: "arm64",
            version: "1.2.3",
            day: day.map(str::to_owned),
        }
    }

    #[test]
    fn placeholders_are_filled_in() {
        let text = "Signature=\"$Windows NT$\"\nDriverVer   = 11/20/2025, 0.0.0.0\n%P%=M,NT$ARCH$\n";
        for (day, shown) in [(None, "11/20/2025"), (Some("01/02/2026"), "01/02/2026")] {
            assert_eq!(
                stamped(text, &stamp(day)).unwrap(),
                format!("Signature=\"$Windows NT$\"\r\nDriverVer   = {shown},1.2.3.0\r\n%P%=M,NTarm64\r\n")
            );
        }
    }

    #[test]
    fn wine_gets_what_it_knows() {
        let text = "CatalogFile = x.cat\r\n%P%=M,NTamd64.10.0...16299\r\n[M.NTamd64.10.0...16299]\r\n\
                    DefaultDestDir = 13\r\nServiceBinary = %13%\\x.sys\r\n";
        let wine = "%P%=M,NTamd64\r\n[M.NTamd64]\r\nDefaultDestDir = 12\r\nServiceBinary = %12%\\x.sys\r\n";
        assert_eq!(for_wine(text), wine);
    }

    #[test]
    fn an_unknown_placeholder_is_refused() {
        assert!(stamped("DriverVer=1/1/2025,0\nX=$MORE$\n", &stamp(None)).is_err());
    }
}
