//! Watch energies for the ways in which contrastive training dies.
//!
//! Chains that stay far above the energies of data, after whole rounds of Langevin steps, are *stuck*: in
//! minima of the energy in which no data lie. They go back into the buffer, fill it, and the network
//! learns to tell them from data, at the end with a difference of energies of 1/α, where α·E² holds both
//! sides, and no gradient is left between them. What is counted here shows it long before.
//!
//! It is counted for chains that persist. All others start anew in every step, so that none can be stuck, and where their
//! energies stand beside those of data says less: a flow without temperature ends in minima below all data, and
//! energies of recovery's levels have no scale in common.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Iterations over which shares are counted.
pub(crate) const WINDOW: usize = 50;
/// Energies further above the data's mean than this many standard deviations of the data's are far.
const FAR: f64 = 10.0;
/// Shares up to which training is calm: what is further on is a change.
const CALM: f64 = 0.02;
const CALM_RESTARTS: f64 = 0.1;
/// Calm iterations after which training has settled.
const SETTLED: u64 = 200;
/// Shares from which a sign is given.
const SIGN: f64 = 0.05;
const SIGN_OF_RESTARTS: f64 = 0.5;
/// Share of stuck chains that is one before training has settled: its first chains have a long way.
const NEVER_DOWN: f64 = 0.25;
/// Share of restarted chains that end a sign.
const SIGN_ENDS: f64 = 0.25;
/// Share of stuck chains, or of data far above the chains, at which training has collapsed if it has
/// shown signs for so many iterations: an energy may mend what it finds. Signs within as many of each
/// other are one story.
const COLLAPSE: f64 = 0.1;
const LASTING: u64 = 400;
/// The same, however long it has shown any.
const SUDDEN_COLLAPSE: f64 = 0.5;
/// Share of the lowest that their penalty lets the data's energies reach, at which it alone holds them.
const SUNKEN: f64 = 0.5;

/// Energies of one iteration, before its update.
#[derive(Clone, Copy, Debug)]
pub struct Energies<'a> {
    /// Of data.
    pub data: &'a [f32],
    /// Of samples.
    pub samples: &'a [f32],
    /// Which of the samples were noise, or what else chains start from, before this iteration.
    pub restarted: &'a [bool],
}

/// What energies of the last iterations show, in shares of [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Kept chains that are far above the data after the steps of an iteration.
    pub stuck: f64,
    /// Restarted chains that are.
    pub restarts_far: f64,
    /// Data that are far above the chains.
    pub data_far: f64,
    /// Mean E of data, and of samples.
    pub e_pos: f64,
    /// See `e_pos`.
    pub e_neg: f64,
}

/// How training dies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Symptom {
    /// Chains stay far above the data.
    Stuck,
    /// They have done so from the start.
    NeverDown,
    /// Restarted chains do not come down any more.
    RestartsFar,
    /// Data are far above the chains.
    DataFar,
    /// The data's energies sink to where their penalty alone holds them: no sample is near.
    Sunken,
}

/// What an iteration showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    /// What it is a sign of.
    pub symptom: Symptom,
    /// Whether training has collapsed; if not, it may.
    pub is_collapse: bool,
    /// The numbers.
    pub shares: Shares,
}

impl Sign {
    /// What there is to see, with numbers.
    pub fn describe(&self) -> String {
        let Shares {
            stuck,
            restarts_far,
            data_far,
            e_pos,
            e_neg,
        } = self.shares;
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let energies = format!("mean E {e_neg:.3} of samples, {e_pos:.3} of data");
        match self.symptom {
            Symptom::Stuck => format!(
                "{} of the chains stay far above the data's energies ({energies})",
                percent(stuck)
            ),
            Symptom::NeverDown => format!(
                "{} of the chains have not come down to the data's energies ({energies})",
                percent(stuck)
            ),
            Symptom::RestartsFar => format!(
                "{} of the restarted chains do not come down to the data's energies any more ({energies})",
                percent(restarts_far)
            ),
            Symptom::DataFar => format!(
                "{} of the data have energies far above those of the chains ({energies})",
                percent(data_far)
            ),
            Symptom::Sunken => format!(
                "no chain comes near the data, whose energies are held by energy_l2 alone ({energies})"
            ),
        }
    }
}

/// Counts of one iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    kept: u32,
    kept_far: u32,
    restarted: u32,
    restarted_far: u32,
    data: u32,
    data_far: u32,
    e_pos: f64,
    e_neg: f64,
    variance_pos: f64,
    variance_neg: f64,
}

/// What is remembered of earlier iterations: part of a checkpoint, so that a run that goes on sees what
/// one that was never stopped sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    records: VecDeque<Record>,
    /// Iterations in which hardly a chain was stuck, and in which restarted chains came down.
    calm: u64,
    restarts_calm: u64,
    restarts_far: Episode,
    /// Of every other sign.
    grave: Episode,
}

/// A sign that has not gone away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Episode {
    /// The last iteration before it.
    since: Option<u64>,
    is_said: bool,
}

impl Episode {
    /// Note that it goes on, or began after iteration `began`. Returns since when.
    fn go_on(&mut self, began: u64) -> u64 {
        *self.since.get_or_insert(began)
    }

    /// Whether it is worth a warning now, where it `matters`.
    fn say_once(&mut self, matters: bool) -> bool {
        let says = matters && !self.is_said;
        self.is_said |= says;
        says
    }

    /// Since when, unless it is too old to have to do with what begins after `iteration`.
    fn linked_to(&self, iteration: u64) -> Option<u64> {
        self.since.filter(|since| since + LASTING >= iteration)
    }
}

impl Watch {
    /// The last iteration in which nothing had gone wrong yet, where something has in `iteration`.
    pub fn good_until(&self, iteration: u64) -> u64 {
        let earlier = iteration.saturating_sub(WINDOW as u64);
        let began = self.grave.since.map_or(earlier, |since| since.min(earlier));
        let of_restarts = self.restarts_far.linked_to(began);
        of_restarts.map_or(began, |since| since.min(began))
    }

    /// Shares over the last iterations; `None` before there are enough.
    pub fn shares(&self) -> Option<Shares> {
        if self.records.len() < WINDOW {
            return None;
        }
        let sum =
            |of: fn(&Record) -> u32| self.records.iter().map(|r| f64::from(of(r))).sum::<f64>();
        let share = |far: fn(&Record) -> u32, all: fn(&Record) -> u32| sum(far) / sum(all).max(1.0);
        Some(Shares {
            stuck: share(|r| r.kept_far, |r| r.kept),
            restarts_far: share(|r| r.restarted_far, |r| r.restarted),
            data_far: share(|r| r.data_far, |r| r.data),
            e_pos: self.mean(|r| r.e_pos),
            e_neg: self.mean(|r| r.e_neg),
        })
    }

    /// Take in iteration number `iteration`, in which the penalty lets the data's energies sink to `lowest`.
    /// Returns the first sign of an episode that is worth a warning, and every collapse.
    pub fn observe(&mut self, iteration: u64, energies: Energies<'_>, lowest: f64) -> Option<Sign> {
        self.push(energies);
        let shares = self.shares()?;
        let began = iteration.saturating_sub(WINDOW as u64);
        let is_calm = shares.stuck < CALM && shares.data_far < CALM;
        self.calm += u64::from(is_calm);
        self.restarts_calm += u64::from(shares.restarts_far < CALM_RESTARTS);
        let is_settled = self.calm >= SETTLED;

        let mut warning = None;
        if self.restarts_calm >= SETTLED && shares.restarts_far >= SIGN_OF_RESTARTS {
            self.restarts_far.go_on(began);
            let says = self.restarts_far.say_once(self.grave.since.is_none());
            warning = says.then_some(Symptom::RestartsFar);
        } else if shares.restarts_far < SIGN_ENDS {
            self.restarts_far = Episode::default();
        }

        let mut is_collapse = false;
        if let Some(symptom) = grave_symptom(&shares, is_settled, lowest) {
            let linked = self.restarts_far.linked_to(began).unwrap_or(began);
            let since = self.grave.go_on(linked.min(began));
            let lasts = |iterations| iteration - since >= iterations;
            let collapse = match (is_settled, lasts(LASTING)) {
                (true, true) => COLLAPSE,
                (true, false) => SUDDEN_COLLAPSE,
                (false, true) => NEVER_DOWN,
                (false, false) => f64::INFINITY,
            };
            let is_sunken = symptom == Symptom::Sunken && lasts(LASTING);
            is_collapse = is_sunken || shares.stuck.max(shares.data_far) >= collapse;
            let matters = is_settled || lasts(LASTING / 2);
            if self.grave.say_once(matters) || is_collapse {
                warning = Some(symptom);
            }
        } else if is_calm {
            self.grave = Episode::default();
        }
        warning.map(|symptom| Sign {
            symptom,
            is_collapse,
            shares,
        })
    }

    fn push(&mut self, energies: Energies<'_>) {
        let (e_pos, variance_pos) = moments(energies.data);
        let (e_neg, variance_neg) = moments(energies.samples);
        if self.records.len() == WINDOW {
            self.records.pop_front();
        }
        self.records.push_back(Record {
            e_pos,
            e_neg,
            variance_pos,
            variance_neg,
            ..Record::default()
        });
        let far_above = |mean: f64, variance: f64| {
            let bound = mean + FAR * variance.sqrt();
            move |energy: f32| variance > 0.0 && f64::from(energy) > bound
        };
        let is_far = far_above(e_pos, self.mean(|r| r.variance_pos));
        let is_far_datum = far_above(e_neg, self.mean(|r| r.variance_neg));
        let Some(record) = self.records.back_mut() else {
            return;
        };
        for (&energy, &again) in energies.samples.iter().zip(energies.restarted) {
            let [all, far] = match again {
                true => [&mut record.restarted, &mut record.restarted_far],
                false => [&mut record.kept, &mut record.kept_far],
            };
            *all += 1;
            *far += u32::from(is_far(energy));
        }
        record.data = energies.data.len() as u32;
        record.data_far = energies.data.iter().filter(|&&e| is_far_datum(e)).count() as u32;
    }

    fn mean(&self, of: fn(&Record) -> f64) -> f64 {
        self.records.iter().map(of).sum::<f64>() / self.records.len().max(1) as f64
    }
}

/// What shows that training may have collapsed.
fn grave_symptom(shares: &Shares, is_settled: bool, lowest: f64) -> Option<Symptom> {
    match shares {
        shares if is_settled && shares.stuck >= SIGN => Some(Symptom::Stuck),
        shares if !is_settled && shares.stuck >= NEVER_DOWN => Some(Symptom::NeverDown),
        shares if is_settled && shares.data_far >= SIGN => Some(Symptom::DataFar),
        shares if shares.e_pos < SUNKEN * lowest => Some(Symptom::Sunken),
        _ => None,
    }
}

/// Mean and unbiased variance; the latter 0 of a single value.
fn moments(energies: &[f32]) -> (f64, f64) {
    let n = energies.len() as f64;
    let mean = energies.iter().map(|&e| f64::from(e)).sum::<f64>() / n;
    let squares = energies
        .iter()
        .map(|&e| (f64::from(e) - mean).powi(2))
        .sum::<f64>();
    (mean, squares / (n - 1.0).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 20;
    /// −1/2α, with α = 0.1.
    const LOWEST: f64 = -5.0;
    const HEALTHY: u64 = SETTLED + WINDOW as u64;

    /// Energies around `base`, with a standard deviation of about 0.1, `high` of them 5 higher.
    fn energies(base: f32, high: usize) -> Vec<f32> {
        let spread = |i: usize| 0.1 * ((i % 4) as f32 - 1.5);
        let height = |i: usize| if i < high { 5.0 } else { 0.0 };
        (0..BATCH).map(|i| base + spread(i) + height(i)).collect()
    }

    /// Two restarted chains in every batch, the first ones.
    fn restarted() -> Vec<bool> {
        (0..BATCH).map(|i| i < 2).collect()
    }

    struct Run {
        watch: Watch,
        iteration: u64,
    }

    impl Run {
        fn new() -> Self {
            Self {
                watch: Watch::default(),
                iteration: 0,
            }
        }

        fn healthy() -> Self {
            let mut run = Self::new();
            assert_eq!(run.go(HEALTHY, &energies(0.0, 0), &energies(0.0, 0)), None);
            run
        }

        /// The first sign within so many iterations.
        fn go(&mut self, iterations: u64, data: &[f32], samples: &[f32]) -> Option<(u64, Sign)> {
            let restarted = restarted();
            (0..iterations).find_map(|_| {
                self.iteration += 1;
                let energies = Energies {
                    data,
                    samples,
                    restarted: &restarted,
                };
                let sign = self.watch.observe(self.iteration, energies, LOWEST);
                sign.map(|sign| (self.iteration, sign))
            })
        }
    }

    #[test]
    fn restarted_chains_that_stay_up_are_a_sign_and_no_collapse() {
        let mut run = Run::healthy();
        let (at, sign) = run
            .go(400, &energies(0.0, 0), &energies(0.0, 2))
            .expect("a sign");
        assert!(at <= HEALTHY + WINDOW as u64, "{at}");
        assert_eq!(
            (sign.symptom, sign.is_collapse),
            (Symptom::RestartsFar, false)
        );
        assert!(run.watch.good_until(run.iteration) <= HEALTHY);
        assert!(
            sign.describe().contains("50 % of the restarted"),
            "{}",
            sign.describe()
        );
        // Once said, it is not said again, and goes away with what it was about.
        assert_eq!(run.go(1000, &energies(0.0, 0), &energies(0.0, 2)), None);
        assert_eq!(run.go(100, &energies(0.0, 0), &energies(0.0, 0)), None);
        assert_eq!(run.watch.restarts_far, Episode::default());
    }

    #[test]
    fn a_tenth_of_the_chains_stuck_for_long_is_a_collapse() {
        // Two restarted and two of 18 others.
        let samples = energies(0.0, 4);
        let mut run = Run::healthy();
        let (_, sign) = run.go(100, &energies(0.0, 0), &samples).expect("a sign");
        assert!(!sign.is_collapse);
        let (at, sign) = run
            .go(600, &energies(0.0, 0), &samples)
            .expect("a collapse");
        assert_eq!((sign.symptom, sign.is_collapse), (Symptom::Stuck, true));
        assert!((350..=450).contains(&(at - HEALTHY)), "{at}");
    }

    #[test]
    fn half_of_the_chains_stuck_is_a_collapse_at_once() {
        let mut run = Run::healthy();
        let seen = run
            .go(30, &energies(0.0, 0), &energies(0.0, 14))
            .expect("a sign");
        assert!(!seen.1.is_collapse);
        let (at, sign) = run
            .go(60, &energies(0.0, 0), &energies(0.0, 14))
            .expect("seen");
        assert!(sign.is_collapse && at <= HEALTHY + 60, "{at}");
    }

    #[test]
    fn data_that_are_strange_to_the_energy_are_named() {
        let mut run = Run::healthy();
        let (_, sign) = run
            .go(50, &energies(0.0, 12), &energies(0.0, 0))
            .expect("a sign");
        assert_eq!(sign.symptom, Symptom::DataFar);
    }

    #[test]
    fn data_whose_energies_sink_have_no_chain_near_them() {
        let mut run = Run::new();
        let near = |base| (energies(base, 0), energies(base + 0.5, 0));
        let (data, samples) = near(-1.0);
        assert_eq!(run.go(300, &data, &samples), None);
        let (data, samples) = near(-4.0);
        let (_, sign) = run.go(300, &data, &samples).expect("a sign");
        assert_eq!((sign.symptom, sign.is_collapse), (Symptom::Sunken, false));
        let (at, sign) = run.go(500, &data, &samples).expect("a collapse");
        assert!(
            sign.is_collapse && at + WINDOW as u64 >= 300 + LASTING,
            "{at}"
        );
    }

    #[test]
    fn chains_that_have_never_come_down_get_some_time_to() {
        let mut run = Run::new();
        let (data, samples) = (energies(0.0, 0), energies(5.0, 0));
        let (at, sign) = run.go(300, &data, &samples).expect("a sign");
        assert!(at >= LASTING / 2, "{at}");
        assert_eq!(
            (sign.symptom, sign.is_collapse),
            (Symptom::NeverDown, false)
        );
        let (at, sign) = run.go(500, &data, &samples).expect("a collapse");
        assert!(sign.is_collapse && at >= LASTING, "{at}");
    }

    #[test]
    fn chains_stuck_soon_after_restarts_stay_up_are_the_same_story_and_long_after_another() {
        for (between, is_linked) in [(200, true), (2000, false)] {
            let mut run = Run::healthy();
            run.go(100, &energies(0.0, 0), &energies(0.0, 2))
                .expect("a sign");
            assert_eq!(run.go(between, &energies(0.0, 0), &energies(0.0, 2)), None);
            let (at, _) = run
                .go(100, &energies(0.0, 0), &energies(0.0, 4))
                .expect("a sign");
            let good = run.watch.good_until(at);
            assert_eq!(good <= HEALTHY, is_linked, "{good}");
        }
    }

    #[test]
    fn a_watch_that_is_stored_goes_on_as_one_that_is_not() {
        let mut run = Run::healthy();
        run.go(20, &energies(0.0, 0), &energies(0.0, 4));
        let stored = serde_json::to_string(&run.watch).expect("JSON");
        let mut other = Run {
            watch: serde_json::from_str(&stored).expect("read"),
            iteration: run.iteration,
        };
        assert_eq!(other.watch, run.watch);
        for _ in 0..3 {
            let samples = energies(0.0, 5);
            let there = other.go(700, &energies(0.0, 0), &samples);
            assert_eq!(there, run.go(700, &energies(0.0, 0), &samples));
        }
    }

    #[test]
    fn single_images_have_no_spread_and_are_never_far() {
        let mut watch = Watch::default();
        for iteration in 0..200 {
            let energies = Energies {
                data: &[0.0],
                samples: &[5.0],
                restarted: &[false],
            };
            assert_eq!(watch.observe(iteration, energies, f64::NEG_INFINITY), None);
        }
    }
}
