//! Say so where a run on a GPU makes no progress for minutes, as a driver that hangs gives no error.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use ebm_train::{Observer, ObserverError, Samples, StepReport};

use crate::duration::duration;

/// Time without progress after which something is said, the first time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Watches a run from a thread of its own, which ends with this.
#[derive(Debug)]
pub(crate) struct StallWatch(Sender<()>);

impl StallWatch {
    /// Watch a run on `device`; `say` tells its user.
    pub(crate) fn start(device: String, say: impl Fn(&str) + Send + 'static) -> Self {
        let (progress, watched) = channel();
        std::thread::spawn(move || watch(&watched, PATIENCE, &device, &say));
        Self(progress)
    }

    fn progressed(&self) -> Result<(), ObserverError> {
        // That the thread has ended is no reason to warn of an observer that fails.
        let _ = self.0.send(());
        Ok(())
    }
}

/// Speak after `patience` without a sign of progress, then after twice that, and so on; end when nobody
/// can give a sign any more.
fn watch(progress: &Receiver<()>, patience: Duration, device: &str, say: &dyn Fn(&str)) {
    let (mut waited, mut next) = (Duration::ZERO, patience);
    loop {
        match progress.recv_timeout(next) {
            Ok(()) => (waited, next) = (Duration::ZERO, patience),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                waited += next;
                next = waited;
                say(&message(waited, device));
            }
        }
    }
}

fn message(waited: Duration, device: &str) -> String {
    format!(
        "no progress for {} on {device}: on a card, compiling and tuning kernels takes minutes at first, and \
         so may sample pictures and evaluations of a large network; else a driver hangs. Ctrl-C twice ends the process, and \
         checkpoints stay",
        duration(waited.as_secs_f64())
    )
}

impl Observer for StallWatch {
    fn on_step(&mut self, _: &StepReport<'_>) -> Result<(), ObserverError> {
        self.progressed()
    }

    fn on_first_chains(&mut self, _: usize, _: usize) -> Result<(), ObserverError> {
        self.progressed()
    }

    fn on_samples(&mut self, _: &Samples) -> Result<(), ObserverError> {
        self.progressed()
    }

    fn on_checkpoint(&mut self, _: &Path) -> Result<(), ObserverError> {
        self.progressed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_run_that_hangs_is_spoken_of_more_and_more_seldom_until_it_ends() {
        let (progress, watched) = channel();
        let said = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let say = |text: &str| {
                let mut said = said.lock().expect("nobody panics");
                said.push(text.to_owned());
            };
            let patience = Duration::from_millis(1);
            let watching = scope.spawn(move || watch(&watched, patience, "wgpu:0 (card)", &say));
            let heard = || said.lock().expect("nobody panics").len();
            while heard() < 3 {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(progress);
            watching.join().expect("it ends");
        });
        let said = said.into_inner().expect("nobody panics");
        assert!(
            said[0].contains("no progress for 0 s on wgpu:0 (card)"),
            "{said:?}"
        );
    }
}
