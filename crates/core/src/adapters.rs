//! List the GPU adapters of this machine, real or made of software.
//!
//! Kernels run on those of Vulkan, Metal and DirectX 12. OpenGL's are left out: threads that share such
//! an adapter can wait for each other for ever.

use burn::tensor::Device;

/// A GPU, real or made of software.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Where its tensors live, without autodiff.
    pub device: Device,
    /// As the driver names it.
    pub name: String,
    /// Adapters of the same name before it in the list: equal cards share a name.
    pub twin: usize,
    /// Whether it is a program on the CPU.
    pub is_software: bool,
}

/// The adapters that WGSL kernels can run on, in the order of `wgpu:N`; none where OpenGL is all that
/// reaches them.
pub fn wgpu_adapters() -> Vec<Adapter> {
    if is_opengl() {
        return Vec::new();
    }
    all_of_wgpu()
}

/// The adapters that are not used because OpenGL is all that reaches them.
///
/// wgpu settles on one graphics API for all its adapters, OpenGL last, so they are all of it or none.
pub fn opengl_adapters() -> Vec<Adapter> {
    if is_opengl() {
        return all_of_wgpu();
    }
    Vec::new()
}

#[cfg(feature = "wgpu")]
fn all_of_wgpu() -> Vec<Adapter> {
    adapters(burn::tensor::DeviceType::Wgpu)
}

#[cfg(not(feature = "wgpu"))]
fn all_of_wgpu() -> Vec<Adapter> {
    Vec::new()
}

/// Whether OpenGL is the graphics API on which wgpu's devices come up.
#[cfg(feature = "wgpu")]
fn is_opengl() -> bool {
    use cubecl::wgpu::wgpu::Backend;
    use cubecl::wgpu::{AutoGraphicsApi, GraphicsApi};

    AutoGraphicsApi::backend() == Backend::Gl
}

#[cfg(not(feature = "wgpu"))]
fn is_opengl() -> bool {
    false
}

/// The adapters that SPIR-V kernels can run on, in the order of `vulkan:N`.
#[cfg(feature = "vulkan")]
pub fn vulkan_adapters() -> Vec<Adapter> {
    adapters(burn::tensor::DeviceType::Vulkan)
}

/// The adapters that SPIR-V kernels can run on: none in this build.
#[cfg(not(feature = "vulkan"))]
pub fn vulkan_adapters() -> Vec<Adapter> {
    Vec::new()
}

/// The devices of [`wgpu_adapters`], for tests that hold them to the CPU.
///
/// # Panics
/// If there is none: such a test would pass without having run.
pub fn adapters_under_test() -> Vec<Device> {
    let adapters = wgpu_adapters();
    assert!(
        !adapters.is_empty(),
        "no Vulkan, Metal or DirectX 12 adapter was found, so that this test cannot run"
    );
    adapters.into_iter().map(|adapter| adapter.device).collect()
}

#[cfg(feature = "wgpu")]
fn adapters(kind: burn::tensor::DeviceType) -> Vec<Adapter> {
    let devices = Device::enumerate(kind).into_vec().into_iter();
    let mut adapters = Vec::<Adapter>::new();
    for device in devices {
        let identity = device.identity();
        let is_software = identity.as_ref().is_none_or(|id| id.physical.is_none());
        let name = identity.map_or_else(|| "unnamed adapter".into(), |id| id.name);
        let twin = adapters.iter().filter(|other| other.name == name).count();
        adapters.push(Adapter {
            device,
            name,
            twin,
            is_software,
        });
    }
    adapters
}
