//! Run the examples of the repository, and hold them to what they promise.

#[allow(dead_code)]
#[path = "../../../examples/own_energy.rs"]
mod own_energy;
#[allow(dead_code)]
#[path = "../../../examples/own_objective.rs"]
mod own_objective;
#[allow(dead_code)]
#[path = "../../../examples/train.rs"]
mod train;

#[test]
fn a_preset_is_trained_opened_and_sampled() {
    let energies = train::energies_of_samples().expect("trains");
    assert_eq!(energies.len(), 4);
    assert!(energies.iter().all(|energy| energy.is_finite()));
}

#[test]
fn an_energy_of_ones_own_is_sampled_in_its_proportions() {
    // ∫ exp(−E) below 0 and in all, by the midpoint rule.
    let density = |x: f64| (-(x * x - 1.0).powi(2) - x / 4.0).exp();
    let sum = |from: f64, to: f64| {
        let cells = 20_000;
        let width = (to - from) / f64::from(cells);
        (0..cells)
            .map(|i| density(from + (f64::from(i) + 0.5) * width))
            .sum::<f64>()
            * width
    };
    let expected = sum(-4.0, 0.0) / sum(-4.0, 4.0);
    let error = (own_energy::share_of_the_left_well() - expected)
        / (expected * (1.0 - expected) / 4_000.0).sqrt();
    // The discrete chain has a bias of its own, below one standard error at this step size.
    assert!(error.abs() < 5.0, "{error} standard errors from {expected}");
}

#[test]
fn an_objective_of_ones_own_tells_data_from_noise() {
    assert!(own_objective::gap_after_training().expect("trains") > 1.0);
}
