//! Ask the Vulkan driver how much memory a GPU has.

use super::{AdapterName, ChosenDevice};

/// The memory of a GPU, in bytes, where its driver tells: the largest heap of its own.
#[cfg(feature = "wgpu")]
pub(super) fn memory_of(chosen: &ChosenDevice) -> Option<u64> {
    of_vulkan_device(chosen.adapter.as_ref()?)
}

/// The memory of a GPU: there is none in this build.
#[cfg(not(feature = "wgpu"))]
pub(super) fn memory_of(_: &ChosenDevice) -> Option<u64> {
    None
}

#[cfg(feature = "wgpu")]
fn of_vulkan_device(adapter: &AdapterName) -> Option<u64> {
    use ash::vk;

    // SAFETY: the loader's functions are called as Vulkan asks for: with an instance that lives until
    // the last of them, and physical devices of that instance.
    unsafe {
        let entry = ash::Entry::load().ok()?;
        let instance = entry
            .create_instance(&vk::InstanceCreateInfo::default(), None)
            .ok()?;
        let devices = instance.enumerate_physical_devices().unwrap_or_default();
        let name_of = |device: &vk::PhysicalDevice| {
            let properties = instance.get_physical_device_properties(*device);
            let name = properties.device_name_as_c_str().ok();
            name.map(|name| name.to_string_lossy().into_owned())
        };
        let names: Vec<_> = devices.iter().map(name_of).collect();
        let memory = place_of(adapter, &names).map(|place| {
            let memory = instance.get_physical_device_memory_properties(devices[place]);
            let heaps = memory.memory_heaps_as_slice().iter();
            let own = heaps.filter(|heap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL));
            own.map(|heap| heap.size).max()
        });
        instance.destroy_instance(None);
        memory.flatten()
    }
}

/// The place of an adapter in a list of names in the same order: of equal cards the one that has as
/// many of its name before it.
#[cfg_attr(not(feature = "wgpu"), allow(dead_code))] // without GPUs nothing is looked up
fn place_of(adapter: &AdapterName, names: &[Option<String>]) -> Option<usize> {
    let same = |name: &Option<String>| name.as_deref() == Some(adapter.name.as_str());
    let mut places = names.iter().enumerate().filter(|(_, name)| same(name));
    places.nth(adapter.twin).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_cards_each_is_found_by_its_place_among_them() {
        let names = ["card", "other", "card", "card"].map(|name| Some(name.to_owned()));
        let names = [&names[..2], &[None][..], &names[2..]].concat();
        let place = |name: &str, twin| {
            let name = name.to_owned();
            place_of(&AdapterName { name, twin }, &names)
        };
        assert_eq!(
            [0, 1, 2].map(|twin| place("card", twin)),
            [0, 3, 4].map(Some)
        );
        assert_eq!(place("other", 0), Some(1));
        assert_eq!((place("card", 3), place("none", 0)), (None, None));
    }
}
