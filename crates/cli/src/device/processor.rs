//! Name the processor behind a device, which decides with the program the bits of its results.

use sysinfo::{CpuRefreshKind, RefreshKind, System};

use super::ChosenDevice;

impl ChosenDevice {
    /// The backend and the processor on which it computes: a GPU by its name, a CPU by its model and its vector
    /// instructions. How many threads there are and why it was chosen changes no result, and is not told.
    pub(crate) fn processor(&self) -> String {
        let backend = self.name.split(':').next().unwrap_or_default();
        let processor = match &self.adapter {
            Some(adapter) => adapter.name.clone(),
            None => cpu_model(),
        };
        format!("{backend} on {processor}")
    }
}

/// The model of this machine's CPU, and those of its vector instructions for which kernels were written.
fn cpu_model() -> String {
    let model = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(model);
    let model = system.cpus().first().map(|cpu| cpu.brand().trim());
    let model = model.filter(|model| !model.is_empty());
    let mut words = vec![model.unwrap_or(std::env::consts::ARCH)];
    words.extend(vector_instructions());
    words.join(", ")
}

fn vector_instructions() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("AVX-512", is_x86_feature_detected!("avx512f")),
            ("AVX-512 BF16", is_x86_feature_detected!("avx512bf16")),
        ];
        let found = known.into_iter().filter(|(_, is_there)| *is_there);
        found.map(|(name, _)| name).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::{AdapterName, DeviceChoice};
    use super::*;

    #[test]
    fn a_cpu_is_named_by_its_model_and_a_gpu_by_its_adapter_and_not_by_its_number() {
        let cpu = DeviceChoice::Cpu.select().expect("a CPU");
        let named = cpu.processor();
        assert!(
            named.starts_with("cpu on ") && !named.contains("thread"),
            "{named}"
        );
        assert_eq!(named, cpu.processor());
        let gpu = ChosenDevice {
            name: "wgpu:3".to_owned(),
            adapter: Some(AdapterName {
                name: "a card".to_owned(),
                twin: 1,
            }),
            ..cpu
        };
        assert_eq!(gpu.processor(), "wgpu on a card");
    }
}
