//! Text into sections and entries.

use std::fmt;

/// An INF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inf {
    sections: Vec<Section>,
}

/// All entries under one name. A name that comes again continues the section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Name as first written.
    pub name: String,
    /// Line of the first head, from 1.
    pub line: usize,
    /// Further heads of the same name, by line.
    pub again: Vec<usize>,
    /// Entries in their order.
    pub entries: Vec<Entry>,
}

/// One entry: `key = value, value`, or values alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line, from 1.
    pub line: usize,
    /// Text before the equals sign; empty without one.
    pub key: String,
    /// Values between commas, without blanks and quotes around. `%names%` are not replaced.
    pub values: Vec<String>,
}

impl Entry {
    /// The value at this position; empty where there is none, as in an INF file.
    pub fn value(&self, index: usize) -> &str {
        self.values.get(index).map_or("", String::as_str)
    }
}

/// Why a text is no INF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Problem {}

impl Inf {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// A section head without its bracket, an entry before the first section, a quote that is not closed.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut inf = Self { sections: Vec::new() };
        let mut current = None;
        for (line, text) in logical_lines(text)? {
            if let Some(head) = text.strip_prefix('[') {
                let name = head.strip_suffix(']').ok_or(Problem {
                    line,
                    what: "the section head has no closing bracket",
                })?;
                current = Some(inf.open(name.trim(), line));
                continue;
            }
            let section = current
                .and_then(|index| inf.sections.get_mut(index))
                .ok_or(Problem {
                    line,
                    what: "an entry stands before the first section",
                })?;
            section.entries.push(entry(line, &text));
        }
        Ok(inf)
    }

    /// Index of the section with this name, which is made if it is new.
    fn open(&mut self, name: &str, line: usize) -> usize {
        let known = self.sections.iter().position(|section| section.is(name));
        if let Some(index) = known {
            if let Some(section) = self.sections.get_mut(index) {
                section.again.push(line);
            }
            return index;
        }
        self.sections.push(Section {
            name: name.to_owned(),
            line,
            again: Vec::new(),
            entries: Vec::new(),
        });
        self.sections.len() - 1
    }

    /// All sections, in the order of their heads.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section with this name; case does not matter.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.is(name))
    }

    /// The entries of a section; none when there is no such section.
    pub fn entries(&self, section: &str) -> &[Entry] {
        self.section(section)
            .map_or(&[], |section| section.entries.as_slice())
    }

    /// The entries with this key in a section.
    pub fn keyed<'a>(&'a self, section: &str, key: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries(section)
            .iter()
            .filter(move |entry| entry.key.eq_ignore_ascii_case(key))
    }

    /// The first value of the first entry with this key, with `%names%` replaced.
    pub fn value(&self, section: &str, key: &str) -> Option<String> {
        let entry = self.keyed(section, key).next()?;
        Some(self.expand(entry.value(0)))
    }

    /// `text` with every `%name%` of `[Strings]` replaced and `%%` as one per cent sign. Others, such as directory
    /// numbers, stay.
    pub fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((front, back)) = rest.split_once('%') {
            out.push_str(front);
            let Some((name, after)) = back.split_once('%') else {
                out.push('%');
                rest = back;
                continue;
            };
            match self.keyed("Strings", name).next() {
                Some(entry) => out.push_str(&entry.values.join(",")),
                None if name.is_empty() => out.push('%'),
                None => {
                    out.push('%');
                    out.push_str(name);
                    out.push('%');
                }
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

impl Section {
    /// Whether this is the section's name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Lines with their numbers, without comments, blanks around and continuation marks.
fn logical_lines(text: &str) -> Result<Vec<(usize, String)>, Problem> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        let mut text = without_comment(raw).ok_or(Problem {
            line,
            what: "a quoted text is not closed",
        })?;
        let more = text.ends_with('\\') && !text.starts_with('[') && !is_path_end(text);
        if more {
            text = text.trim_end_matches('\\').trim_end();
        }
        match lines.last_mut() {
            Some((_, last)) if continued => last.push_str(text),
            _ if text.is_empty() => {}
            _ => lines.push((line, text.to_owned())),
        }
        continued = more;
    }
    Ok(lines)
}

/// A backslash that belongs to a path, such as `%13%\`, is no continuation: SetupAPI continues after a blank.
fn is_path_end(text: &str) -> bool {
    let before = text.trim_end_matches('\\');
    !before.ends_with([' ', '\t', ','])
}

fn without_comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let text = end.and_then(|end| line.get(..end)).unwrap_or(line);
    (!quoted).then(|| text.trim())
}

fn entry(line: usize, text: &str) -> Entry {
    let (key, values) = match split_outside_quotes(text, '=').as_slice() {
        [only] => (String::new(), *only),
        [key, ..] => {
            let values = text.get(key.len() + 1..).unwrap_or_default();
            (unquoted(key), values)
        }
        [] => (String::new(), ""),
    };
    let values = split_outside_quotes(values, ',').into_iter().map(unquoted);
    Entry {
        line,
        key,
        values: values.collect(),
    }
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

/// Without blanks and quotes around; a doubled quote inside is one.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.map_or_else(|| text.to_owned(), |inner| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_entries_and_values_are_told_apart() {
        let inf = Inf::parse(
            "; head\r\n[Version]\r\nSignature = \"$Windows NT$\" ; why\r\n[A]\r\nfile.sys\r\nHKR,,Security,,\"D:P(A;;GA;;;SY)\"\r\n[version]\r\nX=1,,%N%\r\n[Strings]\r\nN=\"one; two\"\r\n",
        )
        .unwrap();
        assert_eq!(inf.value("version", "signature").as_deref(), Some("$Windows NT$"));
        assert_eq!(inf.section("Version").unwrap().again, [7]);
        assert_eq!(inf.entries("a")[0].values, ["file.sys"]);
        assert_eq!(inf.entries("a")[1].value(4), "D:P(A;;GA;;;SY)");
        assert_eq!(inf.entries("Version")[1].values, ["1", "", "%N%"]);
        assert_eq!(inf.expand("<%n%> 100%% %13%\\x"), "<one; two> 100% %13%\\x");
    }

    #[test]
    fn a_line_goes_on_after_a_backslash_but_not_after_a_path() {
        let inf = Inf::parse("[A]\nk = 1, \\\n  2\nb = %13%\\\nc = 3\n").unwrap();
        assert_eq!(inf.entries("A")[0].values, ["1", "2"]);
        assert_eq!(inf.entries("A")[1].values, ["%13%\\"]);
        assert_eq!(inf.entries("A").len(), 3);
    }

    #[test]
    fn broken_texts_are_refused_with_their_line() {
        for (text, line) in [("\nx=1\n", 2), ("[A\n", 1), ("[A]\nx=\"1\n", 2)] {
            assert_eq!(Inf::parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
