//! Say which kernels a GPU spends its time in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cubecl::logging::{LaunchObservation, LaunchObserver, ProfileDuration, TimingRequest};

use crate::output::Table;

/// What a kernel did in one run of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelTime {
    /// As the kernel names itself.
    pub(super) kernel: String,
    /// How often it was launched.
    pub(super) launches: usize,
    /// How long the device took for all of them together.
    pub(super) time: Duration,
}

/// Run something and measure every kernel that it launches, the longest first.
///
/// Kernels follow each other as they do without measurement: the device notes when each begins and
/// ends, and is read afterwards.
pub(super) fn kernels_of(run: impl FnOnce()) -> Vec<KernelTime> {
    let launches = Arc::new(Launches::default());
    let observation = LaunchObservation::new(launches.clone());
    run();
    drop(observation);
    let mut launches = launches.0.lock().unwrap_or_else(PoisonError::into_inner);
    let measured = launches.drain(..).map(|(kernel, profile)| {
        let ticks = cubecl::future::block_on(profile.resolve());
        (
            kernel,
            ticks.map_or(Duration::ZERO, |ticks| ticks.duration()),
        )
    });
    sum_by_kernel(measured)
}

/// Measurements that nobody has read yet.
#[derive(Default)]
struct Launches(Mutex<Vec<(&'static str, ProfileDuration)>>);

impl LaunchObserver for Launches {
    fn launched(&self, _: &'static str) {}

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, kernel: &'static str, profile: ProfileDuration) {
        let mut launches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        launches.push((kernel, profile));
    }
}

fn sum_by_kernel(measured: impl Iterator<Item = (&'static str, Duration)>) -> Vec<KernelTime> {
    let mut sums = BTreeMap::<String, (usize, Duration)>::new();
    for (kernel, time) in measured {
        let sum = sums.entry(short(kernel)).or_default();
        *sum = (sum.0 + 1, sum.1 + time);
    }
    let kernels = sums
        .into_iter()
        .map(|(kernel, (launches, time))| KernelTime {
            kernel,
            launches,
            time,
        });
    let mut kernels: Vec<_> = kernels.collect();
    kernels.sort_by_key(|kernel| core::cmp::Reverse(kernel.time));
    kernels
}

/// A kernel's type without the modules around it.
fn short(kernel: &str) -> String {
    let path = kernel.split('<').next().unwrap_or(kernel);
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

/// A table for people.
pub(super) fn kernel_table(kernels: &[KernelTime]) -> String {
    let total: Duration = kernels.iter().map(|kernel| kernel.time).sum();
    let total = total.as_secs_f64().max(f64::MIN_POSITIVE);
    let mut table = Table::with_header(["kernel", "launches", "ms", "share"]);
    for kernel in kernels {
        let seconds = kernel.time.as_secs_f64();
        table.row([
            kernel.kernel.clone(),
            kernel.launches.to_string(),
            format!("{:.3}", 1e3 * seconds),
            format!("{:.0}%", 100.0 * seconds / total),
        ]);
    }
    table.render(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_of_a_kernel_are_added_up_and_the_longest_comes_first() {
        let ms = Duration::from_millis;
        let measured = [
            ("burn::ops::Add<f32>", ms(1)),
            ("conv::Gemm<f16, Tile>", ms(6)),
            ("burn::ops::Add<f32>", ms(1)),
        ];
        let kernels = sum_by_kernel(measured.into_iter());
        let expected = [("Gemm", 1, ms(6)), ("Add", 2, ms(2))];
        assert!(
            kernels
                .iter()
                .zip(expected)
                .all(|(got, (kernel, launches, time))| {
                    (got.kernel.as_str(), got.launches, got.time) == (kernel, launches, time)
                })
        );
        let table = kernel_table(&kernels);
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("Gemm           1  6.000    75%"), "{table}");
    }
}
