//! A page, as a browser shows it: a picture in light and in dark, and the text that is seen.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;

use crate::layout::Layout;
use crate::platform;
use crate::process::Command;
use crate::step;
use crate::tools;

/// Pixels of the picture.
const SIZE: (u32, u32) = (1280, 1600);
/// A page with text and tables has more colours than this, for letters have soft edges.
const MANY_COLOURS: usize = 16;

/// Looks at the page by a browser that has no network, and checks that the sentence is seen.
pub(super) fn look(layout: &Layout, page: &Path, sentence: &str) -> Result<()> {
    let browser = tools::browser(layout)?;
    let address = format!("file://{}", page.display());
    let text = {
        let command = command(&browser, layout).args(["--dump-dom", &address]);
        step::capture(layout, "read the page in a browser", "browser-dom", &command)?
    };
    ensure!(text.code == Some(0), "{}", text.failure);
    if !text.text.contains(sentence) {
        bail!("the page {} does not say '{sentence}'", layout.show(page));
    }
    let mut grounds = Vec::new();
    for (scheme, dark) in [("light", false), ("dark", true)] {
        let picture = page.with_file_name(format!("{scheme}.png"));
        let mut command = command(&browser, layout)
            .arg(format!("--screenshot={}", picture.display()))
            .arg(format!("--window-size={},{}", SIZE.0, SIZE.1));
        if dark {
            command = command.arg("--blink-settings=preferredColorScheme=0");
        }
        step::run(
            layout,
            &format!("picture of the page, {scheme}"),
            "browser-picture",
            &command.arg(&address),
        )?;
        grounds.push(ground(&picture)?);
    }
    ensure!(grounds.first() != grounds.last(), "light and dark look the same");
    Ok(())
}

fn command(browser: &Path, layout: &Layout) -> Command {
    let profile = layout.out.join("browser");
    let command = Command::new(browser)
        .args([
            "--headless",
            "--disable-gpu",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    // The sandbox refuses to run as root.
    if platform::is_root() {
        command.arg("--no-sandbox")
    } else {
        command
    }
}

/// The colour of the first pixel of a picture that shows something.
fn ground(path: &Path) -> Result<Vec<u8>> {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path)?));
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("the picture is too large")?];
    let info = reader.next_frame(&mut pixels)?;
    ensure!(
        (info.width, info.height) == SIZE,
        "{} is {} by {} pixels",
        path.display(),
        info.width,
        info.height
    );
    let bytes = info.color_type.samples();
    let colours: std::collections::BTreeSet<&[u8]> = pixels.chunks_exact(bytes).collect();
    ensure!(colours.len() > MANY_COLOURS, "{} shows nothing", path.display());
    Ok(pixels.get(..bytes).context("a picture without pixels")?.to_vec())
}
