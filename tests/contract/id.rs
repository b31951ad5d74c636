//! The IDs of the contract, and those in the name of a test.

use std::collections::BTreeSet;

/// One family of IDs.
struct Family {
    /// As on the page: `KS-`.
    front: &'static str,
    /// As in the name of a test: `ks`.
    word: &'static str,
    /// Digits of a number in the name of a test, at least.
    digits: usize,
    /// Digits of a number on the page, at least.
    shown: usize,
    numbers: &'static [(u32, u32)],
}

const FAMILIES: [Family; 10] = [
    Family {
        front: "KS-",
        word: "ks",
        digits: 2,
        shown: 2,
        numbers: &[(1, 19), (20, 35), (40, 47), (50, 74), (80, 86)],
    },
    Family {
        front: "C",
        word: "c",
        digits: 1,
        shown: 1,
        numbers: &[(1, 10)],
    },
    Family {
        front: "PF-",
        word: "pf",
        digits: 2,
        shown: 2,
        numbers: &[(1, 26)],
    },
    Family {
        front: "KF-",
        word: "kf",
        digits: 2,
        shown: 2,
        numbers: &[(1, 24)],
    },
    Family {
        front: "RO-",
        word: "ro",
        digits: 2,
        shown: 1,
        numbers: &[(1, 19)],
    },
    Family {
        front: "D",
        word: "d",
        digits: 1,
        shown: 1,
        numbers: &[(1, 8)],
    },
    Family {
        front: "WF-",
        word: "wf",
        digits: 2,
        shown: 2,
        numbers: &[(1, 71)],
    },
    Family {
        front: "SA-",
        word: "sa",
        digits: 2,
        shown: 2,
        numbers: &[(1, 12)],
    },
    Family {
        front: "WV-",
        word: "wv",
        digits: 2,
        shown: 2,
        numbers: &[(1, 17)],
    },
    Family {
        front: "DV-",
        word: "dv",
        digits: 2,
        shown: 2,
        numbers: &[(1, 14)],
    },
];

/// A rule that came between two others.
const BETWEEN: &str = "KS-19b";

/// Every ID that there is.
pub(crate) fn all() -> BTreeSet<String> {
    let numbered = FAMILIES.iter().flat_map(|family| {
        let numbers = family.numbers.iter().flat_map(|(first, last)| *first..=*last);
        numbers.map(|number| family.shown(number, ""))
    });
    numbered.chain([BETWEEN.to_owned()]).collect()
}

impl Family {
    fn shown(&self, number: u32, letter: &str) -> String {
        format!("{}{number:0width$}{letter}", self.front, width = self.shown)
    }

    /// The ID of a number as it stands in the name of a test: `24`, `19b`.
    fn id(&self, word: &str) -> Option<String> {
        let digits = word.trim_end_matches('b');
        let letter = word.get(digits.len()..)?;
        let plain = digits.len() >= self.digits && digits.len() <= 2 && letter.len() <= 1;
        plain.then(|| Some(self.shown(digits.parse().ok()?, letter)))?
    }
}

/// The IDs at the beginning of the name of a test: `ks_24_25_c5_declined` has KS-24, KS-25 and C5. An ID that
/// there is not is given all the same.
pub(crate) fn of_test(name: &str) -> Vec<String> {
    let mut family = None;
    let mut ids = Vec::new();
    for word in name.split('_') {
        if let Some(id) = family.and_then(|family: &Family| family.id(word)) {
            ids.push(id);
        } else if let Some((next, id)) = FAMILIES.iter().find_map(|next| Some((next, next.joined(word)?))) {
            family = Some(next);
            ids.extend(id);
        } else {
            break;
        }
    }
    ids
}

impl Family {
    /// The IDs of a word that names this family: none if it stands alone, as `ks`, one with a number, as `c5`.
    fn joined(&self, word: &str) -> Option<Vec<String>> {
        let rest = word.strip_prefix(self.word)?;
        if rest.is_empty() {
            return Some(Vec::new());
        }
        self.id(rest).map(|id| vec![id])
    }
}

#[test]
fn names_of_tests_begin_with_ids() {
    let ids = |name| of_test(name).join(" ");
    assert_eq!(ids("ks_24_25_fast_declined"), "KS-24 KS-25");
    assert_eq!(ids("ks_19b_c5_c_10_d1_ro_07_and_more"), "KS-19b C5 C10 D1 RO-7");
    assert_eq!(ids("ks_50_4_kib"), "KS-50");
    assert_eq!(ids("pf_99_nonsense"), "PF-99");
    assert_eq!(ids("wv_11_wv_13_names"), "WV-11 WV-13");
    assert_eq!(ids("a_test_of_ks_24"), "");
    assert_eq!(ids("cancel_2_writes"), "");
}
