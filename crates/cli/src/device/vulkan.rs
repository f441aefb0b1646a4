//! Ask the Vulkan driver how much memory a GPU has, and which GPU it is.

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

/// The UUID of a GPU, in hexadecimal digits, where its driver tells.
#[cfg(feature = "wgpu")]
pub(super) fn uuid_of(adapter: &AdapterName) -> Option<String> {
    use ash::vk;

    look_at(adapter, vk::API_VERSION_1_1, |instance, device| {
        // SAFETY: the device is one of the instance.
        let properties = unsafe { instance.get_physical_device_properties(device) };
        if properties.api_version < vk::API_VERSION_1_1 {
            return None; // it is not asked for what it does not know
        }
        let mut identity = vk::PhysicalDeviceIDProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut identity);
        // SAFETY: instance and device are of version 1.1, which has this function and both structures.
        unsafe { instance.get_physical_device_properties2(device, &mut properties) };
        let digits = identity.device_uuid.map(|byte| format!("{byte:02x}"));
        Some(digits.concat())
    })
}

/// The UUID of a GPU: there is none in this build.
#[cfg(not(feature = "wgpu"))]
pub(super) fn uuid_of(_: &AdapterName) -> Option<String> {
    None
}

#[cfg(feature = "wgpu")]
fn of_vulkan_device(adapter: &AdapterName) -> Option<u64> {
    use ash::vk;

    look_at(adapter, vk::API_VERSION_1_0, |instance, device| {
        // SAFETY: the device is one of the instance.
        let memory = unsafe { instance.get_physical_device_memory_properties(device) };
        let heaps = memory.memory_heaps_as_slice().iter();
        let own = heaps.filter(|heap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL));
        own.map(|heap| heap.size).max()
    })
}

/// Look at the physical device of an adapter, in an instance of this version of Vulkan.
#[cfg(feature = "wgpu")]
fn look_at<T>(
    adapter: &AdapterName,
    version: u32,
    look: impl FnOnce(&ash::Instance, ash::vk::PhysicalDevice) -> Option<T>,
) -> Option<T> {
    use ash::vk;

    let application = vk::ApplicationInfo::default().api_version(version);
    let about = vk::InstanceCreateInfo::default().application_info(&application);
    // SAFETY: the loader's functions are called as Vulkan asks for: with an instance that lives until
    // the last of them, and physical devices of that instance.
    unsafe {
        let entry = ash::Entry::load().ok()?;
        let instance = entry.create_instance(&about, None).ok()?;
        let devices = instance.enumerate_physical_devices().unwrap_or_default();
        let name_of = |device: &vk::PhysicalDevice| {
            let properties = instance.get_physical_device_properties(*device);
            let name = properties.device_name_as_c_str().ok();
            name.map(|name| name.to_string_lossy().into_owned())
        };
        let names: Vec<_> = devices.iter().map(name_of).collect();
        let place = place_of(adapter, &names);
        let found = place.and_then(|place| look(&instance, devices[place]));
        instance.destroy_instance(None);
        found
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
