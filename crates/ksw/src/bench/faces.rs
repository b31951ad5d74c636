//! What a face cannot have, and what it has only one of.

use kswrite_wire::file_write::MAX_BYTES;

use super::plan::{BenchOptions, BenchPlanError, Offsets, Setting, refuse};
use super::sweep::{Change, Variant};
use crate::face::Face;
use crate::plan::{Engine, PlanError, one_engine};

/// The engines of a face, of those that were given; none given are those of the face, or iocp.
pub(super) fn engines(face: Face, given: &[Engine]) -> Result<Vec<Engine>, BenchPlanError> {
    match face.engine() {
        None if given.is_empty() => Ok(vec![Engine::Iocp]),
        None => Ok(given.to_vec()),
        // Among several engines the others are for the face file.
        Some(only) if given.is_empty() || given.contains(&only) => Ok(vec![only]),
        Some(_) => refuse(format!(
            "--engine: {}, so there is no other engine for it; leave --engine out",
            one_engine(face)
        )),
    }
}

/// Refuses what a face of the settings, or of a side, cannot have.
pub(super) fn check(
    options: &BenchOptions,
    variants: &[Variant],
    settings: &[Setting],
) -> Result<(), BenchPlanError> {
    let compares = |is: fn(&Change) -> bool| variants.iter().any(|side| is(&side.change));
    if compares(|change| matches!(change, Change::Face(_))) && !options.faces.is_empty() {
        return refuse("--compare face=...: the faces are named there; leave --face out");
    }
    if compares(|change| matches!(change, Change::Engine(_)))
        && settings.iter().any(|setting| setting.face != Face::File)
    {
        return refuse(
            "--compare engine=...: only the face file has a choice of engines; leave --face out, or compare faces",
        );
    }
    for setting in settings {
        for side in variants {
            check_setting(options, side.setting(*setting))?;
        }
    }
    Ok(())
}

fn check_setting(options: &BenchOptions, setting: Setting) -> Result<(), BenchPlanError> {
    let Setting {
        face, block_bytes, ..
    } = setting;
    if face == Face::Ks && block_bytes > MAX_BYTES {
        return refuse(PlanError::FaceBlock(u64::from(block_bytes)).to_string());
    }
    if !face.is_channel() {
        return Ok(());
    }
    if options.offsets == Offsets::Random {
        return refuse(format!(
            "--offsets random: the face {face} is a channel, whose messages go one behind the other; leave --offsets out"
        ));
    }
    if options.no_buffering {
        return refuse(format!(
            "--no-buffering: the face {face} puts headers between the bytes, so its writes are no whole sectors; leave \
             --no-buffering out"
        ));
    }
    Ok(())
}

/// Why a device that ends cannot be written to by this face; `None`: it can.
pub(super) fn refuses_end(face: Face, device: &str) -> Option<String> {
    face.is_channel().then(|| {
        format!(
            "--device {device}: the face {face} is a channel, whose messages go one behind the other, so the file would \
             grow without end; give a sink or a pipe, or a face with offsets: file, ks or stream"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::BenchPlan;
    use crate::bench::plan::tests::options;
    use crate::bench::sweep::Sweep;

    fn of(faces: &[Face]) -> BenchOptions {
        BenchOptions {
            faces: faces.to_vec(),
            ..options()
        }
    }

    fn faces_of(plan: &BenchPlan) -> Vec<(Face, Engine, u32)> {
        let settings = plan.settings.iter();
        settings
            .map(|setting| (setting.face, setting.engine, setting.depth))
            .collect()
    }

    #[test]
    fn faces_are_swept_each_with_its_engine() {
        let plan = of(&[Face::File, Face::Ks, Face::Dvc]).check().unwrap();
        assert_eq!(
            faces_of(&plan),
            [
                (Face::File, Engine::Iocp, 32),
                (Face::Ks, Engine::Event, 32),
                (Face::Dvc, Engine::Iocp, 32)
            ]
        );
        let plan = BenchOptions {
            engines: vec![Engine::Apc, Engine::Event],
            depth: Some(Sweep(vec![1, 8])),
            ..of(&[Face::File, Face::Stream])
        };
        assert_eq!(plan.check().unwrap().settings.len(), 6);
        let waits = BenchOptions {
            depth: Some(Sweep(vec![1, 8])),
            ..of(&[Face::Stream, Face::Wts])
        };
        assert_eq!(
            faces_of(&waits.check().unwrap()),
            [
                (Face::Stream, Engine::Event, 1),
                (Face::Stream, Engine::Event, 8),
                (Face::Wts, Engine::Sync, 1)
            ]
        );
    }

    #[test]
    fn all_faces_are_compared_at_the_depth_that_all_have() {
        let compare = |depth| BenchOptions {
            compare: Some("faces".parse().unwrap()),
            depth,
            ..options()
        };
        let plan = compare(None).check().unwrap();
        let [setting] = plan.settings.as_slice() else {
            panic!("{plan:?}");
        };
        assert_eq!((plan.variants.len(), setting.depth), (5, 1));
        let sides: Vec<(Face, Engine)> = plan
            .variants
            .iter()
            .map(|side| side.setting(*setting))
            .map(|side| (side.face, side.engine))
            .collect();
        assert_eq!(sides[2], (Face::Wts, Engine::Sync));
        assert_eq!(sides[4], (Face::File, Engine::Iocp));
        let deep = compare(Some(Sweep(vec![32]))).check().unwrap_err().to_string();
        assert!(deep.starts_with("--depth: the face wts waits"), "{deep}");
    }

    #[test]
    fn what_a_face_cannot_have_is_refused_by_its_option() {
        let compare = |text: &str| Some(text.parse().unwrap());
        let wts = || of(&[Face::Wts]);
        #[rustfmt::skip]
        let cases = [
            ("--engine", BenchOptions { engines: vec![Engine::Apc], ..wts() }),
            ("--depth", BenchOptions { depth: Some(Sweep(vec![2])), ..wts() }),
            ("--offsets random", BenchOptions { offsets: Offsets::Random, ..of(&[Face::Dvc]) }),
            ("--no-buffering", BenchOptions { no_buffering: true, ..wts() }),
            ("--offsets random", BenchOptions { offsets: Offsets::Random, compare: compare("faces"), ..options() }),
            ("--block 134217728", BenchOptions { block: Sweep(vec![128 << 20]), depth: Some(Sweep(vec![1])), ..of(&[Face::Ks]) }),
            ("--compare face=", BenchOptions { compare: compare("faces"), ..wts() }),
            ("--compare engine=", BenchOptions { compare: compare("engine=iocp,apc"), ..of(&[Face::Ks]) }),
            ("--face wts", BenchOptions { script: Some("completion=held".parse().unwrap()), ..wts() }),
        ];
        for (named, options) in cases {
            let sentence = options.check().expect_err(named).to_string();
            assert!(sentence.starts_with(named), "{named}: {sentence}");
        }
        assert!(refuses_end(Face::Stream, "x.bin").is_none());
        assert!(refuses_end(Face::Dvc, "x.bin").is_some());
    }
}
