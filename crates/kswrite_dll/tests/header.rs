//! `include/kswrite_client.h` says what the library exports. `KSWRITE_BLESS=1` writes it anew.
#![cfg(not(windows))]
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

const INTRODUCTION: &str = r"/*
 * kswrite_client.dll: write to a device through IStreamAsync, IWTSVirtualChannel, or functions shaped like
 * WTSVirtualChannel*. Made from the Rust sources by cbindgen; do not edit.
 *
 * The interfaces themselves are declared in shobjidl.h and tsvirtualchannels.h. All functions may be called by any thread.
 *
 * Define KSWRITE_REPLACE_WTSAPI to have WTSVirtualChannelOpen and its sisters mean the functions here.
 *
 * To link, with MinGW:
 *     x86_64-w64-mingw32-gcc program.c libkswrite_client.dll.a -luuid
 * with MSVC, once, from the names that the library exports (dumpbin /exports kswrite_client.dll), one in a line below
 * the word EXPORTS in kswrite_client.def:
 *     lib /def:kswrite_client.def /machine:x64
 *     cl program.c kswrite_client.lib uuid.lib
 * or without any: LoadLibraryA and GetProcAddress.
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
const OF_WINDOWS: [&str; 13] = [
    "INT",
    "BOOL",
    "DWORD",
    "ULONG",
    "ULONGLONG",
    "HANDLE",
    "PVOID",
    "PCHAR",
    "LPSTR",
    "LPCVOID",
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
    config
        .export
        .rename
        .insert("Traffic".to_owned(), "KSW_TRAFFIC".to_owned());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["com", "channel", "wts"] {
        builder = builder.with_src(root.join("src").join(file).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder
        .generate()
        .expect("the sources are readable")
        .write(&mut text);
    // What rustdoc makes a link of is just a name in C.
    let text = String::from_utf8(text).expect("a header is text");
    text.replace("[`", "`").replace("`]", "`")
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
