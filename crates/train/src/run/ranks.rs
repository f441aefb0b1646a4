//! Hold all ranks of a job to the same run.

use std::fs;
use std::path::Path;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use ebm_model::{EnergyModel, Network};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::atomic_file::write_atomically;
use crate::collective::{Collective, Team, gather};
use crate::config::Config;
use crate::error::TrainError;
use crate::parameters;
use crate::state::{DataSummary, TrainState};

/// A file that is there while ranks look whether they see the same directory.
const SHARED: &str = ".shared";

/// What one rank refuses, all refuse.
pub(super) fn agreed<T>(team: &Team, own: Result<T, TrainError>) -> Result<T, TrainError> {
    team.agree(own, |rank, reason| TrainError::OnRank { rank, reason })
}

/// What the first rank does while the others wait.
pub(super) fn by_first<T>(
    team: &Team,
    work: impl FnOnce() -> Result<T, TrainError>,
) -> Result<Option<T>, TrainError> {
    let own = team.is_first().then(work).transpose();
    agreed(team, own)
}

/// What the first rank finds while the others wait, told to all.
pub(super) fn told_by_first<T: Serialize + DeserializeOwned>(
    team: &Team,
    find: impl FnOnce() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let found = by_first(team, find)?;
    Ok(team.first(|| found.expect("the first rank has found it")))
}

/// Refuse ranks that were started with other configurations, data or directories than the first.
pub(super) fn refuse_other_starts(
    collective: &dyn Collective,
    config: &Config,
    data: &DataSummary,
    run_dir: &Path,
) -> Result<(), TrainError> {
    let data = match data.identity {
        Some(identity) => format!("{} images, checksum {:08x}", identity.num, identity.crc32),
        None => "images without a checksum".to_owned(),
    };
    let own = [config.to_toml(), data, run_dir.display().to_string()];
    let whats = [
        "another configuration",
        "other data",
        "another run directory",
    ];
    let starts = gather(collective, &own);
    let difference = (0..).zip(&starts).find_map(|(rank, start)| {
        let at = (0..own.len()).find(|&at| start[at] != starts[0][at])?;
        let (there, here) = first_difference(&start[at], &starts[0][at]);
        Some(TrainError::RanksDiffer {
            rank,
            what: whats[at],
            there,
            here,
        })
    });
    difference.map_or(Ok(()), Err)
}

/// The first lines in which two texts differ.
fn first_difference(a: &str, b: &str) -> (String, String) {
    let lines = a.lines().map(Some).chain([None]);
    let mut pairs = lines.zip(b.lines().map(Some).chain([None]));
    let (a, b) = pairs.find(|(a, b)| a != b).unwrap_or_default();
    let text = |line: Option<&str>| line.unwrap_or("nothing").to_owned();
    (text(a), text(b))
}

/// Refuse a run directory that only the first rank sees. It has been opened.
pub(super) fn refuse_unshared(team: &Team, run_dir: &Path) -> Result<(), TrainError> {
    if team.world() == 1 {
        return Ok(());
    }
    let file = run_dir.join(SHARED);
    let token = told_by_first(team, || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_nanos());
        let token = format!("{now} {}", process::id());
        let written = write_atomically(&file, token.as_bytes());
        written.map_err(TrainError::writing(&file))?;
        Ok(token)
    })?;
    let is_seen = fs::read_to_string(&file).is_ok_and(|seen| seen == token);
    let all = team.gather(&is_seen);
    if team.is_first() {
        let _ = fs::remove_file(&file); // a trace that does no harm
    }
    match (0..).zip(all).find(|(_, is_seen)| !is_seen) {
        Some((rank, _)) => Err(TrainError::NotShared {
            rank,
            path: run_dir.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Refuse to go on where ranks have come to other weights than the first: each has computed them by itself. Reads the
/// device.
pub(super) fn refuse_other_weights<S>(
    team: &Team,
    state: &TrainState<Network, S>,
) -> Result<(), TrainError> {
    if team.world() == 1 {
        return Ok(());
    }
    let weights = [parameters::flatten(&state.model), state.ema.clone()];
    let mut model = state.model.clone();
    let constants = model.constants();
    let constants = constants.iter().map(|constant| constant.value.to_data());
    let mut hash = crc32fast::Hasher::new();
    for values in weights
        .map(|vector| vector.into_data())
        .into_iter()
        .chain(constants)
    {
        hash.update(values.as_bytes());
    }
    let all = team.gather(&hash.finalize());
    match (0..).zip(&all).find(|(_, hash)| **hash != all[0]) {
        Some((rank, _)) => Err(TrainError::WeightsDiffer {
            iteration: state.iteration,
            rank,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
