//! JUnit's XML, for machines that collect test results.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::result::{Results, Row, Verdict};

/// One suite for each rule, with a case for each target.
///
/// # Errors
///
/// None that these types can cause.
pub fn to_junit(results: &Results) -> Result<String, SerializeError> {
    let mut report = Report::new("ksw conform");
    for rows in results.rows.chunk_by(|a, b| a.id == b.id) {
        let name = rows.first().map_or("", |row| row.id.as_str());
        let mut suite = TestSuite::new(name);
        suite.add_property(("venue", results.venue.to_string().as_str()));
        suite.add_property(("system", results.system.as_str()));
        suite.add_test_cases(rows.iter().map(test_case));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn test_case(row: &Row) -> TestCase {
    let mut status = match row.verdict {
        Verdict::Pass | Verdict::Differs => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::NotRun => TestCaseStatus::skipped(),
    };
    if let Some(reason) = &row.reason {
        status.set_message(reason.clone());
    }
    let broken = row.observations.iter().filter(|seen| !seen.holds).map(|seen| {
        let expected = seen.expected.as_deref().unwrap_or_default();
        format!("{}: expected {expected}, seen {}\n", seen.what, seen.seen)
    });
    let broken: String = broken.collect();
    if row.verdict == Verdict::Fail {
        status.set_description(broken.clone());
    }
    let mut case = TestCase::new(format!("{}: {}", row.target, row.statement), status);
    case.set_classname(row.id.clone());
    case.set_time(Duration::from_nanos(row.elapsed_ns));
    if row.verdict == Verdict::Differs {
        // A success has no message of its own.
        let reason = row.reason.as_deref().unwrap_or_default();
        case.set_system_out(format!("differs as expected: {reason}\n{broken}"));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::results;

    #[test]
    fn verdicts_are_what_junit_has() {
        let text = to_junit(&results()).expect("XML");
        for part in [
            r#"tests="5""#,
            r#"skipped="2""#,
            r#"failures="1""#,
            "count: expected 0, seen 7",
            "differs as expected: because",
            r#"<skipped message="no console"/>"#,
            r#"classname="WF-02""#,
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
