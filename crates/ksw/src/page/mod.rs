//! Pages that are read without network and without script: one HTML file with its style and charts inside.
//!
//! ```
//! use ksw::page::{Page, Tone, html, table};
//! use ksw::table::{Align, Table};
//!
//! let mut rows = Table::new([("rule", Align::Left), ("verdict", Align::Left)]);
//! rows.row(["WF-01", "pass"]);
//! let page = Page::new("Rules of WriteFile")
//!     .verdict(Tone::Good, "Every rule is kept.")
//!     .section("Rules", table(&rows))
//!     .section("Notes", html! { p { "Text is escaped: <b> & co." } })
//!     .render();
//! assert!(page.contains("&lt;b&gt; &amp; co."));
//! ```
//!
//! * [`Page`]: the frame; sections are [`maud`] markup, so that everything in braces is escaped.
//! * [`table()`], [`table_toned`]: a [`Table`], the one that text output prints, as HTML.
//! * [`chart`]: line charts as inline SVG.
//!
//! Colours follow `prefers-color-scheme`. A tone is always shown with a word, never by colour alone.

pub mod chart;

pub use maud::{Markup, PreEscaped, html};

use crate::table::{Align, Table};

/// What a word or a sentence means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Neither good nor bad.
    Plain,
    /// Worth a look.
    Odd,
    /// Wrong.
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Odd => "odd",
            Self::Bad => "bad",
        }
    }
}

/// A page in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct Page {
    title: String,
    verdicts: Vec<(Tone, String)>,
    sections: Vec<(String, Markup)>,
}

impl Page {
    /// An empty page; the title is also its heading.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            verdicts: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Adds a sentence at the top, before every section: what the reader came for.
    pub fn verdict(mut self, tone: Tone, sentence: impl Into<String>) -> Self {
        self.verdicts.push((tone, sentence.into()));
        self
    }

    /// Adds a section under a heading. With two or more, the page begins with links to them.
    pub fn section(mut self, heading: impl Into<String>, body: Markup) -> Self {
        self.sections.push((heading.into(), body));
        self
    }

    /// Adds what another page says: its sentences after those that are here, its sections with its title before their
    /// headings.
    pub fn part(mut self, other: Self) -> Self {
        self.verdicts.extend(other.verdicts);
        let sections = other.sections.into_iter();
        let titled = sections.map(|(heading, body)| (format!("{}: {heading}", other.title), body));
        self.sections.extend(titled);
        self
    }

    /// The whole file.
    pub fn render(&self) -> String {
        let page = html! {
            (maud::DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { (self.title) }
                        @for (tone, sentence) in &self.verdicts {
                            p class={ "verdict " (tone.class()) } { (sentence) }
                        }
                        @if self.sections.len() > 1 {
                            nav {
                                @for (number, (heading, _)) in self.sections.iter().enumerate() {
                                    a href={ "#s" (number) } { (heading) }
                                }
                            }
                        }
                        @for (number, (heading, body)) in self.sections.iter().enumerate() {
                            section id={ "s" (number) } {
                                h2 { (heading) }
                                (body)
                            }
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}

/// A word with a tone.
pub fn mark(tone: Tone, word: &str) -> Markup {
    html! { span class={ "mark " (tone.class()) } { (word) } }
}

/// A table as HTML. Wide ones scroll inside the page.
pub fn table(table: &Table) -> Markup {
    table_toned(table, |_, _, _| None)
}

/// A table whose cells may have a tone, by row and column (from 0) and text.
pub fn table_toned(table: &Table, tone: impl Fn(usize, usize, &str) -> Option<Tone>) -> Markup {
    let class = |align: Align| match align {
        Align::Left => "left",
        Align::Right => "right",
    };
    let columns = table.columns();
    html! {
        div class="scroll" {
            table {
                @if columns.iter().any(|(title, _)| !title.is_empty()) {
                    thead {
                        tr {
                            @for (title, align) in columns {
                                th scope="col" class=(class(*align)) { (title) }
                            }
                        }
                    }
                }
                tbody {
                    @for (row, cells) in table.rows().iter().enumerate() {
                        tr {
                            @for (column, (_, align)) in columns.iter().enumerate() {
                                @let text = cells.get(column).map_or("", String::as_str);
                                td class=(class(*align)) {
                                    @match tone(row, column, text) {
                                        Some(tone) => (mark(tone, text)),
                                        None => (text),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The style of every page. Text has a contrast of at least 4.5 to 1 on its ground in both schemes.
const STYLE: &str = r##"
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --ground: #ffffff; --panel: #f4f6f8; --line: #d3d9df;
  --link: #0b57c2; --good: #14713a; --odd: #8a5300; --bad: #b3202c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --soft: #a2acb7; --ground: #14171b; --panel: #1d2127; --line: #3a424c;
    --link: #7db2ff; --good: #5fd08c; --odd: #e9b35a; --bad: #ff8b8f; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { max-width: 75ch; margin: .5rem 0; }
a { color: var(--link); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0; }
.verdict { max-width: none; margin: .5rem 0; padding: .6rem .9rem; background: var(--panel); border-left: .35rem solid var(--soft); font-size: 1.1rem; }
.verdict.good { border-color: var(--good); }
.verdict.odd { border-color: var(--odd); }
.verdict.bad { border-color: var(--bad); }
.mark { font-weight: 600; }
.mark.good { color: var(--good); }
.mark.odd { color: var(--odd); }
.mark.bad { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
th.wrap { white-space: normal; }
.id { white-space: nowrap; }
.left { text-align: left; }
.right { text-align: right; white-space: nowrap; }
code, pre { font: .88em/1.45 ui-monospace, Consolas, "DejaVu Sans Mono", monospace; }
pre { overflow-x: auto; padding: .7rem .9rem; background: var(--panel); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 32rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { fill: var(--ink); font-family: inherit; }
figure svg [stroke="#000000"] { stroke: var(--soft); }
figure svg [stroke="#808080"] { stroke: var(--line); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; margin: .25rem 0 0; padding: 0; font-size: .85rem; }
.legend svg { display: inline-block; width: 1.6rem; height: .6rem; margin-right: .35rem; }
@media print { main { max-width: none; } nav { display: none; } }
"##;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_opens_with_its_verdict_and_needs_nothing_else() {
        let page = Page::new("A & B")
            .verdict(Tone::Bad, "2 rules are broken.")
            .section("First", html! { p { "one" } })
            .section("Second", html! { p { "two" } })
            .render();
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        assert!(page.contains("<title>A &amp; B</title>"), "{page}");
        let verdict = page.find("2 rules are broken.").unwrap();
        assert!(verdict < page.find("<h2>First").unwrap(), "{page}");
        for outside in ["<script", "http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn a_part_keeps_its_title() {
        let part = Page::new("Part")
            .verdict(Tone::Good, "second")
            .section("Rows", html! {});
        let page = Page::new("Whole")
            .verdict(Tone::Good, "first")
            .part(part)
            .render();
        assert!(page.contains("<h2>Part: Rows</h2>"), "{page}");
        assert!(
            page.find("first").unwrap() < page.find("second").unwrap(),
            "{page}"
        );
    }

    #[test]
    fn one_section_has_no_contents() {
        let page = Page::new("T").section("Only", html! {}).render();
        assert!(!page.contains("<nav"), "{page}");
    }

    #[test]
    fn cells_are_escaped_aligned_and_toned() {
        let mut rows = Table::new([("rule", Align::Left), ("n", Align::Right)]);
        rows.row(["<script>", "7"]);
        rows.row(["short row"]);
        let text = table_toned(&rows, |row, column, text| {
            (row == 0 && column == 1 && text == "7").then_some(Tone::Good)
        })
        .into_string();
        assert!(
            text.contains("&lt;script&gt;") && !text.contains("<script>"),
            "{text}"
        );
        let cell = r#"<td class="right"><span class="mark good">7</span></td>"#;
        assert!(text.contains(cell), "{text}");
        assert!(
            text.contains(r#"<td class="left">short row</td><td class="right"></td>"#),
            "{text}"
        );
    }

    #[test]
    fn no_titles_no_head() {
        let mut rows = Table::new([("", Align::Left)]);
        rows.row(["x"]);
        assert!(!table(&rows).into_string().contains("<thead"));
    }
}
