//! End as those who send a signal mean it: training with a checkpoint, everything else at once.
//!
//! A signal that was ignored when the process began, as `nohup` has it with SIGHUP, stays ignored.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// The exit code of what was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// A flag that is set when this process is asked to end: by Ctrl-C, a termination, a hang-up, or by SIGUSR1 or SIGUSR2,
/// which schedulers send ahead of time. A second Ctrl-C ends the process at once; other signals come more than once from
/// those who are in a hurry to say it, and change nothing.
pub(crate) fn stop_flag(quiet: bool) -> anyhow::Result<&'static AtomicBool> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let mut has_interrupted = false;
    let stop = move |signal| {
        if signal == system::INTERRUPT {
            if has_interrupted {
                process::exit(INTERRUPTED.into());
            }
            has_interrupted = true;
        }
        if !STOP.swap(true, Ordering::Relaxed) && !quiet {
            tell!(
                "\nfinishing the iteration and writing a checkpoint; a second Ctrl-C ends at once"
            );
        }
    };
    listen(&[system::ENDS, system::AHEAD].concat(), stop)?;
    Ok(&STOP)
}

/// Do this, and end, where the process is asked to.
pub(crate) fn before_end(clean_up: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let end = move |_| {
        clean_up();
        process::exit(INTERRUPTED.into());
    };
    listen(system::ENDS, end)
}

/// Listen for what asks this process to end. Returns what waits until it comes.
#[cfg(feature = "live")]
pub(crate) fn wait_for_end() -> anyhow::Result<impl FnOnce()> {
    let (ask, asked) = std::sync::mpsc::channel();
    let end = move |_| {
        let _ = ask.send(()); // it waits for the first alone
    };
    listen(system::ENDS, end)?;
    Ok(move || {
        let _ = asked.recv();
    })
}

fn listen(signals: &[i32], act: impl FnMut(i32) + Send + 'static) -> anyhow::Result<()> {
    system::listen(signals, act).context("cannot listen for Ctrl-C")
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;
    use std::thread;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;

    pub(super) const INTERRUPT: i32 = SIGINT;
    pub(super) const ENDS: &[i32] = &[SIGINT, SIGTERM, SIGHUP];
    pub(super) const AHEAD: &[i32] = &[SIGUSR1, SIGUSR2];

    pub(super) fn listen(
        signals: &[i32],
        mut act: impl FnMut(i32) + Send + 'static,
    ) -> io::Result<()> {
        let heard = signals.iter().filter(|&&signal| !is_ignored(signal));
        let mut signals = Signals::new(heard)?;
        let listening = thread::Builder::new().name("signals".to_owned());
        listening.spawn(move || signals.forever().for_each(&mut act))?;
        Ok(())
    }

    /// Whether a signal is ignored so far.
    fn is_ignored(signal: i32) -> bool {
        let mut now = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: without a new action nothing changes, and the present one is written where there is room for it.
        let answer = unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) };
        // SAFETY: it was written, as the answer says.
        answer == 0 && unsafe { now.assume_init() }.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
mod system {
    /// Every way to end a process is one Ctrl-C here.
    pub(super) const INTERRUPT: i32 = 2;
    pub(super) const ENDS: &[i32] = &[INTERRUPT];
    pub(super) const AHEAD: &[i32] = &[];

    pub(super) fn listen(
        _signals: &[i32],
        mut act: impl FnMut(i32) + Send + 'static,
    ) -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(move || act(INTERRUPT))
    }
}
