//! `include/kswrite_client.h` says what the library exports. `KSWRITE_BLESS=1` writes it anew.
#![cfg(not(windows))]
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

const INTRODUCTION: &str = r"/*
 * kswrite_client.dll: write to a device through IStreamAsync, IWTSVirtualChannel, or functions shaped like
 * WTSVirtualChannel*. Made from the Rust sources by cbindgen; do not edit.
 *
 * Define KSWRITE_REPLACE_WTSAPI to have WTSVirtualChannelOpen and its sisters mean the functions here.
 */";

const REPLACEMENTS: &str = r"#ifdef KSWRITE_REPLACE_WTSAPI
#define WTSVirtualChannelOpen KswVirtualChannelOpen
#define WTSVirtualChannelOpenEx KswVirtualChannelOpenEx
#define WTSVirtualChannelWrite KswVirtualChannelWrite
#define WTSVirtualChannelRead KswVirtualChannelRead
#define WTSVirtualChannelQuery KswVirtualChannelQuery
#define WTSVirtualChannelClose KswVirtualChannelClose
#define WTSVirtualChannelPurgeInput KswVirtualChannelPurgeInput
#define WTSVirtualChannelPurgeOutput KswVirtualChannelPurgeOutput
#define WTSFreeMemory KswFreeMemory
#endif";

/// What windows.h declares.
const OF_WINDOWS: [&str; 12] = [
    "INT",
    "BOOL",
    "DWORD",
    "ULONG",
    "ULONGLONG",
    "HANDLE",
    "PVOID",
    "PCHAR",
    "LPSTR",
    "LPCWSTR",
    "PULONG",
    "HRESULT",
];

fn generate(root: &Path) -> String {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        header: Some(INTRODUCTION.to_owned()),
        include_guard: Some("KSWRITE_CLIENT_H".to_owned()),
        no_includes: true,
        sys_includes: vec!["windows.h".to_owned()],
        trailer: Some(REPLACEMENTS.to_owned()),
        ..cbindgen::Config::default()
    };
    config.export.exclude = OF_WINDOWS.map(str::to_owned).into();
    config.function.prefix = None;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["com", "wts"] {
        builder = builder.with_src(root.join("src").join(file).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder
        .generate()
        .expect("the sources are readable")
        .write(&mut text);
    String::from_utf8(text).expect("a header is text")
}

#[test]
fn the_header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/kswrite_client.h");
    let generated = generate(root);
    if std::env::var_os("KSWRITE_BLESS").is_some() {
        std::fs::write(&path, &generated).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        generated == committed,
        "run it again with KSWRITE_BLESS=1, and look at the difference"
    );
}
