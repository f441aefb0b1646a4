//! Give every rank of a machine a GPU of its own.

use ebm_core::Adapter;
use ebm_train::Team;
use serde::{Deserialize, Serialize};

use super::vulkan::uuid_of;
use super::{AdapterName, DeviceError};
use crate::ranks;

/// Where launchers and containers say which GPUs a process is to use. Vulkan takes no notice of them.
const VISIBLE: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"];
/// With which the name of a GPU begins that is told by its UUID.
const BY_UUID: &str = "GPU-";

/// The GPUs that a rank may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct View {
    /// Its machine.
    machine: u32,
    /// They, as nobody else on the machine is called.
    gpus: Vec<String>,
    /// One that it is told to take, and that is not there.
    missing: Option<String>,
}

/// The place in this list of the GPU that this rank takes; `None` where it is empty. All ranks ask at the same time.
///
/// # Errors
/// Where a rank is left without one; all ranks find the same.
pub(super) fn place(gpus: &[Adapter]) -> Result<Option<usize>, DeviceError> {
    let team = Team::of_any(ranks::collective());
    if team.world() == 1 {
        return Ok((!gpus.is_empty()).then_some(0));
    }
    let names = gpus.iter().map(AdapterName::of);
    let names: Vec<AdapterName> = names.collect();
    let uuids: Vec<Option<String>> = names.iter().map(uuid_of).collect();
    let told = VISIBLE.iter().find_map(|name| std::env::var(name).ok());
    let told = uuids_in(&told.unwrap_or_default());
    let visible = visible(&uuids, &told);
    let own = View {
        machine: ranks::machine(),
        gpus: visible
            .iter()
            .map(|&place| unmistakable(&names[place], uuids[place].as_deref()))
            .collect(),
        missing: told
            .first()
            .cloned()
            .filter(|_| visible.is_empty() && !gpus.is_empty()),
    };
    let places = places(&team.gather(&own))?;
    Ok(places[team.rank() as usize].map(|place| visible[place]))
}

fn unmistakable(name: &AdapterName, uuid: Option<&str>) -> String {
    let AdapterName { name, twin } = name;
    uuid.map_or_else(|| format!("{name} {twin}"), str::to_owned)
}

/// The place in its own view of the GPU that each rank takes. Ranks that see the same GPUs take one after the other, as
/// their numbers have it; those to which a scheduler shows different ones take the first.
fn places(views: &[View]) -> Result<Vec<Option<usize>>, DeviceError> {
    let of_rank = |(rank, view): (usize, &View)| {
        if let Some(uuid) = &view.missing {
            return Err(DeviceError::NotVisible {
                rank,
                uuid: uuid.clone(),
            });
        }
        let same = |other: &&View| *other == view;
        let (ranks, gpus) = (views.iter().filter(same).count(), view.gpus.len());
        match gpus {
            0 => Ok(None),
            gpus if ranks > gpus => Err(DeviceError::TooManyRanks { ranks, gpus }),
            _ => Ok(Some(views[..rank].iter().filter(same).count())),
        }
    };
    views.iter().enumerate().map(of_rank).collect()
}

/// The places of the GPUs that these UUIDs, or beginnings of them, name, in their order; all, where nobody names any, or
/// no driver tells one.
fn visible(uuids: &[Option<String>], told: &[String]) -> Vec<usize> {
    if told.is_empty() || uuids.iter().all(Option::is_none) {
        return (0..uuids.len()).collect();
    }
    let place = |told: &String| {
        let is_it = |uuid: &Option<String>| uuid.as_ref().is_some_and(|it| it.starts_with(told));
        uuids.iter().position(is_it)
    };
    told.iter().filter_map(place).collect()
}

/// The UUIDs, or beginnings of them, in a list as `GPU-8932f937-d72c,GPU-…`, in hexadecimal digits alone; none where GPUs
/// are told by their numbers.
fn uuids_in(list: &str) -> Vec<String> {
    let named = list
        .split(',')
        .filter_map(|it| it.trim().strip_prefix(BY_UUID));
    let digits = named.map(|uuid| uuid.replace('-', "").to_lowercase());
    digits.filter(|uuid| !uuid.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(machine: u32, gpus: &[&str]) -> View {
        View {
            machine,
            gpus: gpus.iter().map(|&gpu| gpu.to_owned()).collect(),
            missing: None,
        }
    }

    #[test]
    fn ranks_that_see_all_gpus_of_their_machine_take_one_each() {
        let views = [0, 0, 2, 2].map(|machine| view(machine, &["a", "b"]));
        let expected = [0, 1, 0, 1].map(Some).to_vec();
        assert_eq!(places(&views), Ok(expected));
    }

    #[test]
    fn ranks_to_which_a_scheduler_shows_one_gpu_each_take_that() {
        let views = [view(0, &["a"]), view(0, &["b"]), view(2, &["a"])];
        assert_eq!(places(&views), Ok(vec![Some(0); 3]));
    }

    #[test]
    fn a_machine_without_gpus_has_none_to_give() {
        let views = [view(0, &[]), view(0, &[]), view(2, &["a"])];
        assert_eq!(places(&views), Ok(vec![None, None, Some(0)]));
    }

    #[test]
    fn more_ranks_than_gpus_are_refused_by_all() {
        let views = [view(0, &["a"]), view(1, &["a"]), view(1, &["a"])];
        let refused = Err(DeviceError::TooManyRanks { ranks: 2, gpus: 1 });
        assert_eq!(places(&views), refused);
    }

    #[test]
    fn gpus_are_found_by_the_beginning_of_their_uuid_in_the_order_in_which_they_are_named() {
        let told = uuids_in("GPU-8932F937-d72c, GPU-01");
        assert_eq!(told, ["8932f937d72c", "01"]);
        let uuids = ["01ff", "8932f937d72c4106", "8932f937ffff"].map(|it| Some(it.to_owned()));
        assert_eq!(visible(&uuids, &told), [1, 0]);
        assert_eq!(visible(&uuids, &uuids_in("0,1")), [0, 1, 2]);
        assert_eq!(visible(&uuids, &uuids_in("GPU-77")), [0; 0]);
        assert_eq!(visible(&[None, None], &told), [0, 1]);
    }

    #[test]
    fn a_gpu_that_a_rank_is_to_take_and_that_is_not_there_is_named() {
        let missing = View {
            missing: Some("77".to_owned()),
            ..view(0, &[])
        };
        let found = places(&[view(0, &["a"]), missing]);
        let uuid = "77".to_owned();
        assert_eq!(found, Err(DeviceError::NotVisible { rank: 1, uuid }));
    }
}
