//! Give every rank of a machine a GPU of its own.

use std::collections::BTreeSet;

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
    /// Each by a name that no other GPU of the machine has.
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
    let told = told(gpus.len());
    let visible = visible(&uuids, &told);
    let is_only = visible.len() == 1;
    let own = View {
        machine: ranks::machine(),
        gpus: visible
            .iter()
            .map(|&place| match &uuids[place] {
                Some(uuid) => uuid.clone(),
                None => without_uuid(&names[place], is_only.then_some(team.rank())),
            })
            .collect(),
        missing: told
            .first()
            .cloned()
            .filter(|_| visible.is_empty() && !gpus.is_empty()),
    };
    let places = places(&team.gather(&own))?;
    Ok(places[team.rank() as usize].map(|place| visible[place]))
}

/// The UUIDs, or beginnings of them, of the GPUs that this process is told to use. Where it is told numbers of some of so
/// many GPUs, the first rank warns that they are ignored.
fn told(gpus: usize) -> Vec<String> {
    let find = |&name: &&'static str| Some((name, std::env::var(name).ok()?));
    let Some((name, list)) = VISIBLE.iter().find_map(find) else {
        return Vec::new();
    };
    if ranks::is_first() && leaves_out_by_number(&list, gpus) {
        tracing::warn!(
            "{name}={list} is ignored, as Vulkan numbers GPUs in an order of its own; name them by UUID, as nvidia-smi -L \
             shows them"
        );
    }
    uuids_in(&list)
}

/// The name of a GPU without a UUID. The only one of a rank may be another than that of the next rank, which is called
/// alike: a scheduler may show each its own. So it is named after its rank.
fn without_uuid(name: &AdapterName, only_of: Option<u32>) -> String {
    let AdapterName { name, twin } = name;
    match only_of {
        Some(rank) => format!("{name} of rank {rank}"),
        None => format!("{name} {twin}"),
    }
}

/// The place in its own view of the GPU that each rank takes: the first that no other rank of its machine has taken. Ranks
/// choose in their order, but after those that see fewer GPUs.
fn places(views: &[View]) -> Result<Vec<Option<usize>>, DeviceError> {
    let missing = views
        .iter()
        .enumerate()
        .find_map(|(rank, view)| Some((rank, view.missing.clone()?)));
    if let Some((rank, uuid)) = missing {
        return Err(DeviceError::NotVisible { rank, uuid });
    }
    let mut order: Vec<usize> = (0..views.len()).collect();
    order.sort_by_key(|&rank| views[rank].gpus.len());
    let mut taken = BTreeSet::new();
    let mut places = vec![None; views.len()];
    for rank in order {
        let View { machine, gpus, .. } = &views[rank];
        let place = gpus.iter().position(|gpu| taken.insert((machine, gpu)));
        if place.is_none() && !gpus.is_empty() {
            return Err(too_many(views, &views[rank]));
        }
        places[rank] = place;
    }
    Ok(places)
}

/// The refusal of the ranks that see GPUs of this view, together with those GPUs.
fn too_many(views: &[View], view: &View) -> DeviceError {
    let is_rival = |other: &&View| {
        let is_shared = |gpu| view.gpus.contains(gpu);
        other.machine == view.machine && other.gpus.iter().any(is_shared)
    };
    let rivals = views.iter().filter(is_rival);
    let gpus: BTreeSet<&String> = rivals.clone().flat_map(|rival| &rival.gpus).collect();
    DeviceError::TooManyRanks {
        ranks: rivals.count(),
        gpus: gpus.len(),
    }
}

/// Whether a list such as `4,5` tells by number which of so many GPUs to use, and not all.
fn leaves_out_by_number(list: &str, gpus: usize) -> bool {
    let mut numbers = list.split(',').map(|it| it.trim().parse::<usize>());
    numbers.clone().count() < gpus && numbers.all(|it| it.is_ok())
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
    fn ranks_that_see_some_of_the_same_gpus_take_different_ones() {
        let views = [view(0, &["a", "b"]), view(0, &["a", "c"]), view(2, &["a"])];
        assert_eq!(places(&views), Ok(vec![Some(0), Some(1), Some(0)]));
        let narrow_last = [view(0, &["a", "b"]), view(0, &["a"])];
        assert_eq!(places(&narrow_last), Ok(vec![Some(1), Some(0)]));
        let three = [
            view(0, &["a", "b"]),
            view(0, &["a"]),
            view(0, &["b"]),
            view(0, &["c"]),
        ];
        let refused = Err(DeviceError::TooManyRanks { ranks: 3, gpus: 2 });
        assert_eq!(places(&three), refused);
    }

    #[test]
    fn an_only_gpu_without_a_uuid_is_taken_for_another_than_that_of_the_next_rank() {
        let card = AdapterName {
            name: "card".to_owned(),
            twin: 0,
        };
        let only = [0, 1].map(|rank| without_uuid(&card, Some(rank)));
        let views = only.each_ref().map(|gpu| view(0, &[gpu.as_str()]));
        assert_eq!(places(&views), Ok(vec![Some(0); 2]));
        assert_eq!(without_uuid(&card, None), "card 0");
    }

    #[test]
    fn a_list_of_numbers_is_warned_of_where_the_machine_has_more_gpus() {
        assert!(leaves_out_by_number("4, 5", 8));
        assert!(!leaves_out_by_number("0,1", 2));
        for other in ["", "all", "GPU-8932f937", "0,GPU-01"] {
            assert!(!leaves_out_by_number(other, 8), "{other}");
        }
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
