//! Show a run that does not train here, and let people play with its energy, until Ctrl-C.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ebm_apply::{Playground, Trained};

use super::about::{Subject, class_names};
use super::address::{FREE_PORT, Listen};
use super::events::Events;
use super::frames::{Frames, Look};
use super::guard::Gate;
use super::history::History;
use super::play::Player;
use super::routes::router;
use super::server::Server;
use super::site::Site;
use crate::device::ChosenDevice;
use crate::output::say;
use crate::signals::wait_for_end;
use crate::trained::{TrainedArgs, home};

/// How long open connections are waited for in the end.
const GOODBYE: Duration = Duration::from_millis(300);

/// Show a run on a page of this machine: its metrics, samples and chains, and its energy to play with
#[derive(Args, Debug)]
pub(crate) struct LiveArgs {
    #[command(flatten)]
    trained: TrainedArgs,

    /// Where the page is: a port of this machine, or an address and a port for others, who then need the token of the
    /// printed address [default: the first free port from 7300 on]
    #[arg(long, value_name = "PORT|ADDRESS:PORT", default_value = FREE_PORT, hide_default_value = true)]
    listen: Listen,
}

impl LiveArgs {
    pub(crate) fn run(&self, quiet: bool) -> anyhow::Result<ExitCode> {
        let bound = self.listen.bind("--listen")?;
        let (trained, chosen) = self.trained.open(quiet)?;
        let site = self.site(&trained, &chosen)?;
        drop(trained); // its optimizer and its buffer are of no use here
        let (url, gate) = (bound.url(), Gate::of(&bound));
        let server = Server::start(bound.listener, router(Arc::clone(&site), gate));
        let server = server.context("cannot start the server of the page")?;
        let asked_to_end = wait_for_end()?;
        say(url)?;
        if !quiet {
            tell!("open it in a browser; Ctrl-C ends");
        }
        asked_to_end();
        site.end();
        server.close(GOODBYE);
        Ok(ExitCode::SUCCESS)
    }

    /// All of a run that can be shown.
    fn site(&self, trained: &Trained, chosen: &ChosenDevice) -> anyhow::Result<Arc<Site>> {
        let (run, weights) = (home(trained), self.trained.weights());
        let weights = trained.weights(weights);
        let history = History::of(&run, None);
        let history = history.with_context(|| format!("cannot read {}", run.display()))?;
        let chains = trained.state().objective_state().chains();
        let site = Site {
            subject: Subject {
                run: run.display().to_string(),
                device: chosen.description.clone(),
                config: trained.run_config().clone(),
                shape: trained.shape(),
                classes: class_names(trained.num_classes(), trained.class_names()),
            },
            events: Events::of_this_process(),
            frames: Frames::default(),
            player: Player::start().context("cannot start the thread that plays")?,
            samples: run.join("samples"),
            iteration: AtomicU64::new(trained.state().iteration),
            has_chains: AtomicBool::new(chains.is_some()),
            is_training: AtomicBool::new(false),
            controls: None,
        };
        history.tell(&site.events);
        if let Some(chains) = chains {
            let is_marginal = trained.config().objective.is_marginal();
            let (model, seed) = (trained.energy(weights), trained.run_config().seed);
            let iteration = trained.state().iteration;
            let look = Look::at(chains, &model, is_marginal, iteration, seed);
            site.frames.show(&look);
        }
        let playground = site.player.weights();
        playground.give(Playground::of_trained(trained, weights));
        playground.end();
        Ok(Arc::new(site))
    }
}
