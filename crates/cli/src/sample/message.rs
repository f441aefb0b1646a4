//! Say how chains move under a method that is not the run's.

use ebm_apply::{BurnIn, Init};
use ebm_langevin::{LangevinConfig, Method};

/// What to say of steps of a method that is not the run's, of where they start and of the run's own that come `first`.
pub(crate) fn of_method(
    first: Option<&BurnIn>,
    langevin: &LangevinConfig,
    steps: usize,
    init: Init,
) -> String {
    let first = first.map_or_else(String::new, |burn_in| {
        let steps = of_steps(&burn_in.langevin, burn_in.steps);
        format!("first the run's own {steps}, which bring the chains near the data; then ")
    });
    let steps_of = of_steps(langevin, steps);
    match langevin.method {
        Method::Sgld => format!("{first}{steps_of} {}", of_langevin(langevin, steps)),
        Method::Mala | Method::Hmc => {
            let temperature = langevin.temperature.at(0, steps);
            let adapts = langevin.target_acceptance.map_or_else(String::new, |rate| {
                format!(", their size adapted to an acceptance of {rate}")
            });
            format!("{first}{steps_of} at the temperature {temperature:.1e}{adapts}")
        }
        Method::Euler | Method::Heun => {
            let from = match init {
                Init::Noise => "noise",
                Init::Buffer => "chains of the buffer",
            };
            format!("from {from}, {steps_of}")
        }
    }
}

/// Steps of a method; of a flow, with its time and temperature.
fn of_steps(langevin: &LangevinConfig, steps: usize) -> String {
    let method = langevin.method;
    if !method.is_flow() {
        return format!("{steps} steps of {method}");
    }
    let (time, temperature) = (langevin.flow_time, langevin.flow_temperature);
    let heated = if temperature > 0.0 {
        let from = langevin.flow_heated_from;
        format!(", at the temperature {temperature:.1e} from time {from} on")
    } else {
        String::new()
    };
    format!("{steps} steps of {method} to time {time}{heated}")
}

/// The temperature of the density that steps of `sgld` stand for, T·s²/2η.
fn of_langevin(langevin: &LangevinConfig, steps: usize) -> String {
    let temperature = |step: usize| {
        let [size, noise, temperature] =
            [langevin.step_size, langevin.noise_std, langevin.temperature]
                .map(|schedule| schedule.at(step, steps));
        temperature * noise * noise / (2.0 * size)
    };
    let [first, last] = [temperature(0), temperature(steps.saturating_sub(1))];
    match first == last {
        true if first == 0.0 => "without noise".to_owned(),
        true => format!("at the temperature {first:.1e}"),
        false => format!("at temperatures from {first:.1e} to {last:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use ebm_core::{Schedule, Varying};

    use super::*;

    fn from_noise(langevin: &LangevinConfig, steps: usize) -> String {
        of_method(None, langevin, steps, Init::Noise)
    }

    #[test]
    fn a_flow_is_named_with_its_time_its_temperature_and_where_it_starts() {
        let flow = LangevinConfig::new(5).with_method(Method::Heun);
        let cold = flow.clone().with_flow_time(1.25);
        assert_eq!(
            from_noise(&cold, 50),
            "from noise, 50 steps of heun to time 1.25"
        );
        let heated = flow.with_flow_temperature(0.02);
        assert_eq!(
            of_method(None, &heated, 50, Init::Buffer),
            "from chains of the buffer, 50 steps of heun to time 1, at the temperature 2.0e-2 from time 1 on"
        );
    }

    #[test]
    fn what_goes_on_after_the_run_is_named_after_it() {
        let flow = LangevinConfig::new(40)
            .with_method(Method::Euler)
            .with_flow_temperature(0.02);
        let burn_in = BurnIn {
            langevin: flow.clone().with_flow_temperature(0.0),
            steps: 40,
        };
        let after = |method| of_method(Some(&burn_in), &flow.changed_to(method), 10, Init::Noise);
        let first = "first the run's own 40 steps of euler to time 1, which bring the chains near the data; then ";
        assert_eq!(
            after(Method::Sgld),
            format!("{first}10 steps of sgld at the temperature 2.0e-2")
        );
        assert_eq!(
            after(Method::Hmc),
            format!(
                "{first}10 steps of hmc at the temperature 2.0e-2, their size adapted to an acceptance of 0.651"
            )
        );
    }

    #[test]
    fn a_temperature_that_changes_is_named_from_end_to_end() {
        let (start, end) = (0.1, 0.01);
        let annealed = LangevinConfig::new(5)
            .with_step_size(0.005)
            .with_noise_std(Schedule::Varying(Varying::Geometric { start, end }));
        assert_eq!(
            from_noise(&annealed, 50),
            "50 steps of sgld at temperatures from 1.0e0 to 1.0e-2"
        );
        let still = LangevinConfig::new(5).with_noise_std(0.0);
        assert_eq!(from_noise(&still, 3), "3 steps of sgld without noise");
    }
}
