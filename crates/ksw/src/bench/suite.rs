//! All runs of a benchmark.

use std::sync::atomic::{AtomicBool, Ordering};

use super::faces;
use super::load::derive_seed;
use super::plan::{BenchPlan, DEFAULT_SPAN, Setting};
use super::report::{Comparison, Measured, Point, Unavailable};
use super::round::{Job, Round, run_round};
use super::sweep::{Change, Variant};
use super::venue::Venue;
use crate::exit::{Exit, Failure};
use crate::plan::Engine;
use crate::run::Times;
use crate::size::ByteSize;

/// A run that is about to begin.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// How many runs are over.
    pub done: u64,
    /// How many there will be.
    pub total: u64,
    /// The setting, with the engine that is used.
    pub setting: Setting,
    /// The side.
    pub variant: &'a Variant,
}

/// One side of one setting: what is used, and what its rounds found.
struct Side<'a> {
    variant: &'a Variant,
    device: &'a str,
    setting: Setting,
    span_bytes: u64,
    rounds: Vec<Round>,
    times: Times,
}

/// Runs every setting, all its rounds, and in each round all sides, in turns: from round to round their order is
/// reversed, so that what drifts hits all. Stops when `stop` is set, with what was measured so far.
///
/// # Errors
///
/// Why nothing can be measured: no engine, no device, a device that does not fit the plan.
pub fn run<V: Venue>(
    venue: &V,
    plan: &BenchPlan,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Measured, Failure> {
    let unavailable = unavailable(venue, plan);
    let usable = |engine| !unavailable.iter().any(|lacking| lacking.engine == engine);
    let settings: Vec<Setting> = plan
        .settings
        .iter()
        .copied()
        .filter(|setting| sides_engines(plan, *setting).all(usable))
        .collect();
    if settings.is_empty() {
        let reasons: Vec<String> = unavailable.iter().map(Unavailable::to_string).collect();
        return Err(Failure::new(
            Exit::Absent,
            format!("nothing can be measured: {}", reasons.join("; ")),
        ));
    }
    // Before anything is measured: a setting that does not fit is refused at once.
    for setting in &settings {
        for variant in &plan.variants {
            let (device, setting) = target(plan, variant, *setting);
            span(venue, plan, device, setting)?;
        }
    }
    let mut measured = Measured {
        points: Vec::new(),
        comparisons: Vec::new(),
        unavailable,
        stopped: false,
    };
    let runs = settings.len() as u64 * plan.variants.len() as u64 * u64::from(plan.rounds);
    let mut done = 0;
    for setting in settings {
        let mut sides = Vec::new();
        for variant in &plan.variants {
            sides.push(Side::new(venue, plan, variant, setting)?);
        }
        for round in 0..plan.rounds {
            for side in in_turn(&mut sides, round) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                progress(Step {
                    done,
                    total: runs,
                    setting: side.setting,
                    variant: side.variant,
                });
                side.run(venue, plan, derive_seed(plan.seed, u64::from(round)), stop)?;
                done += 1;
            }
        }
        measured.comparisons.extend(compare(&sides));
        let points = sides.into_iter().filter(|side| !side.rounds.is_empty());
        measured.points.extend(points.map(Side::into_point));
        measured.stopped = stop.load(Ordering::Relaxed);
        if measured.stopped {
            break;
        }
    }
    Ok(measured)
}

/// The engines of the plan that this system does not have.
fn unavailable<V: Venue>(venue: &V, plan: &BenchPlan) -> Vec<Unavailable> {
    let wanted = |engine: &Engine| {
        let mut used = plan
            .settings
            .iter()
            .flat_map(|setting| sides_engines(plan, *setting));
        used.any(|used| used == *engine)
    };
    let missing = |engine| {
        let reason = venue.unavailable(engine)?;
        Some(Unavailable { engine, reason })
    };
    Engine::EVERY
        .into_iter()
        .filter(wanted)
        .filter_map(missing)
        .collect()
}

/// The engine of each side.
fn sides_engines(plan: &BenchPlan, setting: Setting) -> impl Iterator<Item = Engine> {
    plan.variants
        .iter()
        .map(move |variant| variant.setting(setting).engine)
}

/// The sides, the last one first in every second round.
fn in_turn<T>(sides: &mut [T], round: u32) -> Vec<&mut T> {
    let mut order: Vec<&mut T> = sides.iter_mut().collect();
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    order
}

impl<'a> Side<'a> {
    fn new<V: Venue>(
        venue: &V,
        plan: &'a BenchPlan,
        variant: &'a Variant,
        setting: Setting,
    ) -> Result<Self, Failure> {
        let (device, setting) = target(plan, variant, setting);
        Ok(Self {
            variant,
            device,
            setting,
            span_bytes: span(venue, plan, device, setting)?,
            rounds: Vec::new(),
            times: Times::new().map_err(|error| Failure::io(&error))?,
        })
    }

    fn run<V: Venue>(
        &mut self,
        venue: &V,
        plan: &BenchPlan,
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        venue.select(&self.variant.change)?;
        let job = Job {
            plan,
            device: self.device,
            setting: self.setting,
            span_bytes: self.span_bytes,
            seed,
        };
        let (round, times) = run_round(venue, job, stop)?;
        // Of a run that was stopped in its warm-up there is nothing to say.
        if round.writes > 0 || !round.stopped {
            self.times.add(&times);
            self.rounds.push(round);
        }
        Ok(())
    }

    fn into_point(self) -> Point {
        let Self {
            variant,
            device,
            setting,
            span_bytes,
            rounds,
            times,
        } = self;
        Point::new(
            variant.label.clone(),
            device.to_owned(),
            setting,
            span_bytes,
            rounds,
            &times,
        )
    }
}

/// The device and the setting of one side.
fn target<'a>(plan: &'a BenchPlan, variant: &'a Variant, setting: Setting) -> (&'a str, Setting) {
    let device = match &variant.change {
        Change::Device(path) => path,
        _ => &plan.device,
    };
    (device, variant.setting(setting))
}

/// Where the offsets end: at least one block for each thread.
fn span<V: Venue>(venue: &V, plan: &BenchPlan, device: &str, setting: Setting) -> Result<u64, Failure> {
    let refuse = |sentence: String| Err(Failure::new(Exit::Usage, sentence));
    let end = venue.end_of(device)?;
    if let Some(sentence) = end.and_then(|_| faces::refuses_end(setting.face, device)) {
        return refuse(sentence);
    }
    let span = match (plan.span_bytes, end) {
        (Some(span), Some(end)) if span > end => {
            return refuse(format!(
                "--span {}: {device} ends at {}; give a smaller one, or a longer file with --create",
                ByteSize(span),
                ByteSize(end)
            ));
        }
        (Some(span), _) => span,
        (None, end) => end.unwrap_or(DEFAULT_SPAN),
    };
    let least = u64::from(setting.block_bytes) * u64::from(setting.threads);
    if span < least {
        return refuse(format!(
            "--block {} in {} threads: the offsets of {device} end at {}, which has no place for a write of each \
             thread; give a smaller block, a larger --span, or a longer file with --create",
            ByteSize(u64::from(setting.block_bytes)),
            setting.threads,
            ByteSize(span)
        ));
    }
    Ok(span)
}

/// Each side against the last one, over the rounds that both have.
fn compare(sides: &[Side<'_>]) -> Vec<Comparison> {
    let Some((last, others)) = sides.split_last() else {
        return Vec::new();
    };
    let against_last = |side: &Side<'_>| {
        Comparison::new(
            [side.variant.label.clone(), last.variant.label.clone()],
            side.setting,
            &side.rounds,
            &last.rounds,
        )
    };
    others.iter().filter_map(against_last).collect()
}

#[cfg(test)]
mod tests;
