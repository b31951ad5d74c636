//! `imports.csv`: every function that the drivers may import, and where Windows documents it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

/// The modules that a driver may import from.
const MODULES: [&str; 3] = ["ntoskrnl.exe", "HAL.dll", "WDFLDR.SYS"];

/// Names by module.
#[derive(Debug)]
pub(super) struct Imports(BTreeMap<String, BTreeSet<String>>);

impl Imports {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::parse(&text).map_err(|error| error.context(path.display().to_string()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (index, line) in text.lines().enumerate().skip(1) {
            let number = index + 1;
            let fields: Vec<&str> = line.split(',').collect();
            let [module, name, since, page] = fields.as_slice() else {
                bail!("line {number} is not module,name,since,page");
            };
            if !MODULES.contains(module) {
                bail!("line {number}: a driver imports nothing from '{module}'");
            }
            if name.is_empty() || since.is_empty() || !page.starts_with('/') {
                bail!("line {number}: a name, a first Windows version and a page are needed");
            }
            if !modules
                .entry((*module).to_owned())
                .or_default()
                .insert((*name).to_owned())
            {
                bail!("line {number}: {name} is there already");
            }
        }
        Ok(Self(modules))
    }

    /// The names that may be imported from `module`.
    pub(super) fn of(&self, module: &str) -> impl Iterator<Item = &str> {
        self.0.get(module).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "module,name,since,page\n";

    #[test]
    fn names_are_kept_by_module() {
        let text = format!("{HEAD}ntoskrnl.exe,IoAllocateMdl,2000,/x\nHAL.dll,KeStall,2000,/y\n");
        let imports = Imports::parse(&text).unwrap();
        assert_eq!(imports.of("HAL.dll").collect::<Vec<_>>(), ["KeStall"]);
    }

    #[test]
    fn bad_rows_are_refused() {
        for row in [
            "ntoskrnl.exe,X,2000",
            "ntdll.dll,X,2000,/x",
            "ntoskrnl.exe,,2000,/x",
            "ntoskrnl.exe,X,,/x",
            "ntoskrnl.exe,X,2000,x",
            "ntoskrnl.exe,X,2000,/x\nntoskrnl.exe,X,2000,/x",
        ] {
            assert!(Imports::parse(&format!("{HEAD}{row}\n")).is_err(), "{row}");
        }
    }
}
