//! Run the examples of the repository, and hold them to what they promise.

#[allow(dead_code)]
#[path = "../../../examples/own_energy.rs"]
mod own_energy;
#[allow(dead_code)]
#[path = "../../../examples/own_objective.rs"]
mod own_objective;
#[allow(dead_code)]
#[path = "../../../examples/restore.rs"]
mod restore;
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
fn an_energy_of_ones_own_is_trained_and_sampled() {
    let [data, samples] = own_energy::brightness_of_data_and_samples().expect("trains");
    // It starts at 0.5; clipping to [0, 1] brightens dark pixels a little.
    assert!(
        (samples - data).abs() < 0.5 * (0.5 - data),
        "{samples} and {data}"
    );
}

#[test]
fn an_objective_of_ones_own_tells_data_from_noise() {
    assert!(own_objective::gap_after_training().expect("trains") > 1.0);
}

#[test]
fn a_picture_is_denoised_and_its_missing_part_put_in() {
    let denoiser = restore::denoiser(None).expect("the program's own model");
    let [noisy, denoised, restored] = restore::errors(&denoiser).expect("a picture");
    assert!(denoised < 0.5 * noisy, "{denoised} and {noisy}");
    assert!(restored < 0.05, "{restored}");
}

#[test]
fn a_run_that_is_not_there_is_named() {
    let error = restore::denoiser(Some("nowhere")).expect_err("no run");
    assert!(error.to_string().contains("nowhere"), "{error}");
}
