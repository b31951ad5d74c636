//! What is looked for, apart from the machine that is looked at.

use std::path::{Path, PathBuf};

/// Folder of the framework's headers, for the version that the manifests name.
const FRAMEWORK: &str = "wdf/kmdf/1.15";
/// The next step where the WDK is not there, or not all of it.
const INSTALL: &str = "install the WDK 10.0.26100 or 10.0.22621, or open the prompt of an eWDK";

/// The machine that builds.
pub(crate) struct Machine<'a> {
    /// An environment variable.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The folder of the installed kits, by the registry.
    pub(crate) registry: &'a dyn Fn() -> Option<String>,
    /// Whether there is a libclang, and if not, why.
    pub(crate) libclang: &'a dyn Fn() -> Result<(), String>,
}

impl Machine<'_> {
    /// The first thing that is missing, with the next step; one line.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self
            .target()
            .and_then(|()| self.kit())
            .and_then(|()| self.clang());
        problem.err().map(|text| text.replace(['\r', '\n'], " "))
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// Drivers are for two targets, without the dynamic C runtime.
    fn target(&self) -> Result<(), String> {
        let target = self.get("TARGET").unwrap_or_default();
        let on_windows = self.on_windows();
        let next = if on_windows {
            "leave --target out, or add --target x86_64-pc-windows-msvc or aarch64-pc-windows-msvc"
        } else {
            "on this system `cargo xtask build` builds them"
        };
        if !["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"].contains(&target.as_str()) {
            return Err(format!("the drivers are not built for {target}: {next}"));
        }
        if !on_windows && self.get("WDKContentRoot").is_none() {
            return Err(format!(
                "the drivers need the WDK, which is found on Windows only: {next}"
            ));
        }
        let features = self.get("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
        if !features.split(',').any(|feature| feature == "crt-static") {
            return Err(
                "the drivers are not built against the dynamic C runtime: RUSTFLAGS replaces what \
                 .cargo/config.toml says, so unset it or add -Ctarget-feature=+crt-static to it"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn on_windows(&self) -> bool {
        self.get("HOST").is_some_and(|host| host.contains("windows"))
    }

    /// The folder of the kit, as wdk-build finds it: an eWDK's, that of a kit of packages, the installed one.
    fn root(&self) -> Option<PathBuf> {
        let packages = || {
            let version = self.get("WDKKitVersion").unwrap_or_else(|| "10.0".to_owned());
            let root = Path::new(&self.get("MicrosoftKitRoot")?)
                .join("Windows Kits")
                .join(version);
            root.is_dir().then_some(root)
        };
        let named = self
            .get("WDKContentRoot")
            .map(PathBuf::from)
            .filter(|root| root.is_dir());
        let installed = || Some(PathBuf::from((self.registry)()?));
        named.or_else(packages).or_else(installed)
    }

    /// Headers and libraries of the kernel and of the framework.
    fn kit(&self) -> Result<(), String> {
        let Some(root) = self.root() else {
            return Err(format!("no Windows Driver Kit was found: {INSTALL}"));
        };
        let version = self.get("Version_Number").or_else(|| newest(&root.join("Lib")));
        let Some(version) = version else {
            let root = root.display();
            return Err(format!(
                "{root} has no Lib\\10.* and is no Windows Driver Kit: {INSTALL}"
            ));
        };
        let arm64 = self.get("CARGO_CFG_TARGET_ARCH").as_deref() == Some("aarch64");
        let include = root.join("Include");
        let folders = [
            include.join(&version).join("km"),
            include.join(&version).join("shared"),
            root.join("Lib")
                .join(&version)
                .join("km")
                .join(if arm64 { "ARM64" } else { "x64" }),
            include.join(FRAMEWORK),
        ];
        match folders.iter().find(|folder| !folder.is_dir()) {
            Some(folder) => Err(format!(
                "{} is missing: only the Windows SDK is installed in version {version}, or a part of the WDK; {INSTALL}",
                folder.display(),
            )),
            None => Ok(()),
        }
    }

    fn clang(&self) -> Result<(), String> {
        (self.libclang)().map_err(|error| {
            format!(
                "the headers of the WDK are read by libclang of LLVM 16 or later: {error}; install LLVM, and set \
                 LIBCLANG_PATH to the folder of libclang if it is not on the path"
            )
        })
    }
}

/// The newest version that has a folder there, as wdk-build chooses it.
fn newest(folder: &Path) -> Option<String> {
    let entries = folder.read_dir().ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("10.")).max()
}
