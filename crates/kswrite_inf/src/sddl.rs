//! The part of SDDL that device security needs: a protected DACL of allowing entries.
//!
//! <https://learn.microsoft.com/windows-hardware/drivers/kernel/sddl-for-device-objects>

/// Who must not get anything by a device of this project: everyone, anonymous, guests, network, authenticated users.
const WIDE: [&str; 7] = ["WD", "AN", "BG", "LG", "NU", "AU", "BU"];

/// What is wrong with a security descriptor for a device, if anything.
pub(crate) fn problem(text: &str) -> Option<String> {
    let Some(entries) = text.strip_prefix("D:P") else {
        return Some(format!("'{text}' is no protected DACL (D:P...)"));
    };
    if entries.is_empty() {
        return Some("the DACL has no entry, so nobody can open the device".to_owned());
    }
    let Some(inner) = entries.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return Some(format!("'{entries}' is no list of entries in brackets"));
    };
    inner.split(")(").find_map(entry_problem)
}

fn entry_problem(entry: &str) -> Option<String> {
    let fields: Vec<&str> = entry.split(';').collect();
    let [kind, flags, rights, object, inherited, who] = fields.as_slice() else {
        return Some(format!("({entry}) does not have six fields"));
    };
    if *kind != "A" {
        return Some(format!("({entry}) is no allowing entry"));
    }
    if !(flags.is_empty() && object.is_empty() && inherited.is_empty()) {
        return Some(format!(
            "({entry}) has flags or object types, which a device has no use for"
        ));
    }
    if rights.is_empty() {
        return Some(format!("({entry}) grants no right"));
    }
    if who.is_empty() {
        return Some(format!("({entry}) grants to nobody"));
    }
    WIDE.contains(who)
        .then(|| format!("({entry}) lets in {who}, who is not an administrator"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_and_administrators_are_enough() {
        assert_eq!(problem("D:P(A;;GA;;;SY)(A;;GA;;;BA)"), None);
        for (text, named) in [
            ("D:(A;;GA;;;SY)", "protected"),
            ("D:P", "nobody"),
            ("D:P(A;;GA;;;WD)", "WD"),
            ("D:P(D;;GA;;;SY)", "allowing"),
            ("D:P(A;;;;;SY)", "no right"),
            ("D:P(A;;GA;SY)", "six"),
            ("D:PA;;GA;;;SY", "brackets"),
        ] {
            assert!(problem(text).unwrap().contains(named), "{text}");
        }
    }
}
